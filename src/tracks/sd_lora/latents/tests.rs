use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::Data;
use crate::data::loader::Loader;
use crate::data::{Dataset, synth};

struct Fixture {
    dir: tempfile::TempDir,
    dataset: Dataset,
    encoded: Cell<usize>,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dataset = synth::procedural(&dir.path().join("pairs"), 5, 1, 32).unwrap();
        Self { dir, dataset, encoded: Cell::new(0) }
    }

    fn options(&self) -> LoaderOptions {
        let root = self.dir.path().join("pairs");
        let config: Data = toml_edit::de::from_str(&format!("root = '{}'\nsize = 16", root.display())).unwrap();
        LoaderOptions { config, batch_size: 2, seed: 7, augment: true, shuffle: true, device: Device::Cpu }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("latents")
    }

    fn cache(&self) -> Cache {
        Cache::open(&self.dataset, &self.options().config, &self.dir.path().join("cache")).unwrap()
    }

    /// Moments of means alone: the picture at half its size, doubled to six channels.
    fn batches_as(&self, identity: &str, photos: bool, poison: bool) -> Result<LatentBatches, DataError> {
        let encode = |pixels: &Tensor| {
            self.encoded.set(self.encoded.get() + 1);
            let half = pixels.f_avg_pool2d([2; 2], [2; 2], [0; 2], false, true, None)?;
            let half = if poison && self.encoded.get() == 3 { half.f_mul_scalar(f64::NAN)? } else { half };
            Tensor::f_cat(&[&half, &half], 1)
        };
        let store = Store::new(self.store());
        let encoder = Encoder { encode: &encode, identity, photos, progress: &mut |_, _| true };
        LatentBatches::new(self.cache(), vec![0, 1, 2, 3, 4], self.options(), store, encoder)
    }

    fn batches(&self) -> LatentBatches {
        self.batches_as("a", true, false).unwrap()
    }
}

fn files(dir: &Path) -> usize {
    let Ok(folders) = std::fs::read_dir(dir) else { return 0 };
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn order_and_flips_are_the_loader_s() {
    let fixture = Fixture::new();
    let mut latents = fixture.batches();
    let mut pixels = Loader::new(fixture.cache(), vec![0, 1, 2, 3, 4], fixture.options()).unwrap();
    assert_eq!(latents.per_epoch(), pixels.batches_per_epoch());
    for epoch in 0..4 {
        for index in 0..latents.per_epoch() {
            let (ours, theirs) = (latents.batch(epoch, index).unwrap(), pixels.batch(epoch, index).unwrap());
            assert_eq!((ours.form, theirs.form), (Form::Moments, Form::Pixels));
            assert_eq!(ours.ids, theirs.ids);
            for (ours, theirs) in [(&ours.input, &theirs.input), (&ours.target, &theirs.target)] {
                let half = theirs.avg_pool2d([2; 2], [2; 2], [0; 2], false, true, None);
                assert!(ours.allclose(&Tensor::cat(&[&half, &half], 1), 1e-6, 1e-6, false));
            }
        }
    }
}

#[test]
fn every_picture_is_encoded_once_and_again_only_for_what_changed() {
    let fixture = Fixture::new();
    let first = fixture.batches().batch(1, 0).unwrap();
    assert_eq!((fixture.encoded.take(), files(&fixture.store())), (20, 20), "5 pairs, two pictures, flipped too");
    let second = fixture.batches().batch(1, 0).unwrap();
    assert_eq!(fixture.encoded.take(), 0);
    assert_eq!(first.target, second.target);
    fixture.batches_as("a", false, false).unwrap();
    assert_eq!(fixture.encoded.take(), 0, "illustrations alone are there");
    fixture.batches_as("b", false, false).unwrap();
    assert_eq!(fixture.encoded.take(), 10, "another autoencoder");
    std::fs::copy(&fixture.dataset.pairs[1].photo, &fixture.dataset.pairs[0].photo).unwrap();
    fixture.batches();
    assert_eq!(fixture.encoded.take(), 0, "a picture that another pair has is known");
}

#[test]
fn photos_that_nobody_looks_at_have_no_latents() {
    let fixture = Fixture::new();
    let batch = fixture.batches_as("a", false, false).unwrap().batch(0, 2).unwrap();
    assert_eq!((batch.input.size(), batch.target.size()), (vec![1, 0], vec![1, 6, 8, 8]));
    assert_eq!(batch.first(1).unwrap().input.size(), [1, 0]);
}

#[test]
fn latents_that_are_not_finite_name_their_pair_and_spoil_its_batches_alone() {
    let fixture = Fixture::new();
    let mut batches = fixture.batches_as("a", false, true).unwrap();
    let failures: Vec<String> =
        (0..batches.per_epoch()).filter_map(|index| Some(batches.batch(0, index).err()?.to_string())).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("illustration of pair 0002") && failures[0].contains("not finite"), "{failures:?}");
    assert!(batches.remarks()[0].starts_with("a pair is left out"), "{:?}", batches.remarks());
    assert_eq!(files(&fixture.store()), 9, "what is not finite is not kept");
}

#[test]
fn a_picture_that_cannot_be_read_is_named_and_none_at_all_is_an_error() {
    let fixture = Fixture::new();
    std::fs::write(&fixture.dataset.pairs[2].illustration, "no picture").unwrap();
    let mut batches = fixture.batches();
    let failures = (0..3).filter_map(|index| Some(batches.batch(0, index).err()?.to_string()));
    assert!(failures.collect::<String>().contains("0003/g.png"));
    for pair in &fixture.dataset.pairs {
        std::fs::write(&pair.illustration, "no picture").unwrap();
    }
    let error = fixture.batches_as("a", true, false).unwrap_err().to_string();
    assert!(error.contains("no pair could be encoded") && error.contains("g.png"), "{error}");
}

#[test]
fn a_disk_that_refuses_leaves_latents_in_memory() {
    let fixture = Fixture::new();
    let kept = fixture.batches().batch(0, 0).unwrap();
    std::fs::remove_dir_all(fixture.store()).unwrap();
    std::fs::write(fixture.store(), "in the way").unwrap();
    let mut batches = fixture.batches();
    assert_eq!(batches.batch(0, 0).unwrap().target, kept.target);
    assert!(batches.remarks()[0].contains("XDG_CACHE_HOME"), "{:?}", batches.remarks());
}
