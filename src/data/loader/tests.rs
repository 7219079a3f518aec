use super::*;
use crate::config::{Fit, Jitter};
use crate::data::Dataset;
use crate::data::synth;

struct Fixture {
    dir: tempfile::TempDir,
    dataset: Dataset,
    config: Data,
}

impl Fixture {
    fn new(fit: Fit) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("pairs");
        let dataset = synth::procedural(&root, 7, 4, 40).unwrap();
        if fit == Fit::Crop {
            // Pairs of several shapes.
            for (n, pair) in dataset.pairs.iter().enumerate().take(4) {
                for path in [&pair.photo, &pair.illustration] {
                    let image = image::open(path).unwrap().into_rgb8();
                    image::imageops::crop_imm(&image, 0, 0, 40 - 3 * n as u32, 30).to_image().save(path).unwrap();
                }
            }
        }
        let mut config: Data = toml_edit::de::from_str(&format!("root = '{}'\nsize = 24", root.display())).unwrap();
        config.fit = fit;
        config.jitter = Jitter { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.1 };
        Self { dir, dataset, config }
    }

    fn loader(&self, workers: usize, seed: u64) -> Loader {
        let config = Data { workers, ..self.config.clone() };
        let cache = Cache::open(&self.dataset, &config, &self.dir.path().join("cache")).unwrap();
        let options = LoaderOptions { config, batch_size: 3, seed, augment: true, shuffle: true, device: Device::Cpu };
        Loader::new(cache, (0..7).collect(), options).unwrap()
    }
}

fn bits(batch: &Batch) -> (Vec<u32>, Vec<u32>, Vec<String>) {
    let floats = |t: &Tensor| Vec::<f32>::try_from(t.flatten(0, -1)).unwrap().iter().map(|v| v.to_bits()).collect();
    (floats(&batch.input), floats(&batch.target), batch.ids.clone())
}

#[test]
fn batches_are_the_same_bits_whatever_the_threads_and_the_order_of_asking() {
    for fit in [Fit::Squash, Fit::Crop] {
        let fixture = Fixture::new(fit);
        let mut alone = fixture.loader(0, 1);
        let all: Vec<_> = (0..6).map(|n| bits(&alone.batch(n / 3, n % 3).unwrap())).collect();
        assert_ne!(all[0].0, all[3].0);
        for workers in [1, 4] {
            let mut loader = fixture.loader(workers, 1);
            // From the middle, as a resumed run asks, then back and forth.
            for n in [4, 5, 0, 3, 1, 2] {
                assert_eq!(bits(&loader.batch(n / 3, n % 3).unwrap()), all[n], "{workers} workers, batch {n}");
            }
        }
        assert_ne!(bits(&fixture.loader(0, 2).batch(0, 0).unwrap()).2, all[0].2);
    }
}

#[test]
fn an_epoch_holds_every_pair_once_and_the_last_batch_what_is_left() {
    let fixture = Fixture::new(Fit::Squash);
    let mut loader = fixture.loader(2, 1);
    assert_eq!((loader.batches_per_epoch(), loader.pairs()), (3, 7));
    let mut orders = Vec::new();
    for epoch in 0..2 {
        let batches: Vec<Batch> = (0..3).map(|n| loader.batch(epoch, n).unwrap()).collect();
        assert_eq!(batches.iter().map(|b| b.input.size()[0]).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(batches[0].target.size(), [3, 3, 24, 24]);
        let order: Vec<String> = batches.into_iter().flat_map(|b| b.ids).collect();
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, fixture.dataset.pairs.iter().map(|p| p.id.clone()).collect::<Vec<_>>());
        orders.push(order);
    }
    assert_ne!(orders[0], orders[1]);
    assert!(matches!(loader.batch(0, 3), Err(DataError::Range { what: "batch", .. })));
}

#[test]
fn both_images_of_a_pair_get_the_same_draw() {
    let fixture = Fixture::new(Fit::Crop);
    for pair in &fixture.dataset.pairs {
        std::fs::copy(&pair.photo, &pair.illustration).unwrap();
    }
    let mut loader = fixture.loader(1, 3);
    for n in 0..9 {
        let (input, target, _) = bits(&loader.batch(n / 3, n % 3).unwrap());
        assert_eq!(input, target);
    }
}

#[test]
fn a_flip_is_joint_and_happens_to_about_half() {
    let mut fixture = Fixture::new(Fit::Squash);
    fixture.config.jitter = Jitter::default();
    let mut loader = fixture.loader(1, 3);
    let mut plain = {
        let config = Data { flip: false, ..fixture.config.clone() };
        let cache = Cache::open(&fixture.dataset, &config, &fixture.dir.path().join("cache")).unwrap();
        let options =
            LoaderOptions { config, batch_size: 1, seed: 0, augment: false, shuffle: false, device: Device::Cpu };
        Loader::new(cache, (0..7).collect(), options).unwrap()
    };
    let mut flipped = 0;
    for n in 0..30 {
        let batch = loader.batch(n / 3, n % 3).unwrap();
        for (row, id) in batch.ids.iter().enumerate() {
            let whole = plain.batch(0, id.parse::<usize>().unwrap() - 1).unwrap();
            let (input, target) = (batch.input.get(row as i64), batch.target.get(row as i64));
            if input == whole.input.get(0) {
                assert_eq!(target, whole.target.get(0));
            } else {
                assert_eq!(input, whole.input.get(0).flip([2]));
                assert_eq!(target, whole.target.get(0).flip([2]));
                flipped += 1;
            }
        }
    }
    assert!((20..=50).contains(&flipped), "{flipped} of 70");
}

#[test]
fn the_device_path_equals_the_cpu_path_within_rounding() {
    for fit in [Fit::Squash, Fit::Crop] {
        let fixture = Fixture::new(fit);
        let mut loader = fixture.loader(1, 8);
        for spot in (0..9).map(|n| Spot { epoch: n / 3, index: n % 3 }) {
            let batch = loader.batch(spot.epoch, spot.index).unwrap();
            let raw: Vec<(usize, Tensor)> = loader
                .plan
                .order
                .pairs(spot.epoch, spot.index)
                .into_iter()
                .map(|pair| (pair, pinned(&loader.plan.cache.pair(pair).unwrap(), Device::Cpu).unwrap()))
                .collect();
            let other = loader.assemble(spot, raw).unwrap();
            assert_eq!(batch.ids, other.ids);
            for (a, b) in [(&batch.input, &other.input), (&batch.target, &other.target)] {
                let worst = (a - b).abs().max().double_value(&[]);
                assert!(worst < 2e-5, "{worst} at {spot:?}");
            }
        }
    }
}

#[test]
fn an_image_that_vanishes_matters_only_before_it_was_cached() {
    let mut fixture = Fixture::new(Fit::Squash);
    fixture.config.resident = Resident::Never;
    let mut loader = fixture.loader(2, 1);
    let before: Vec<_> = (0..3).map(|n| bits(&loader.batch(0, n).unwrap())).collect();
    std::fs::remove_dir_all(&fixture.dataset.root).unwrap();
    for (n, before) in before.iter().enumerate() {
        assert_eq!(&bits(&loader.batch(0, n).unwrap()), before);
    }
    let error = fixture.loader(2, 1).batch(0, 0).unwrap_err();
    assert!(matches!(error, DataError::Image { .. }), "{error}");
}

#[test]
fn impossible_options_are_refused() {
    let fixture = Fixture::new(Fit::Squash);
    let cache = Cache::open(&fixture.dataset, &fixture.config, fixture.dir.path()).unwrap();
    let options = LoaderOptions {
        config: fixture.config.clone(),
        batch_size: 2,
        seed: 1,
        augment: false,
        shuffle: false,
        device: Device::Cpu,
    };
    let refused = |indices: Vec<usize>, options: LoaderOptions| Loader::new(cache.clone(), indices, options).is_err();
    assert!(refused(vec![], options.clone()));
    assert!(refused(vec![7], options.clone()));
    assert!(refused(vec![0], LoaderOptions { batch_size: 0, ..options.clone() }));
    let other = Data { size: 8, ..fixture.config.clone() };
    assert!(refused(vec![0], LoaderOptions { config: other, ..options }));
}
