use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::data::synth;

struct Fixture {
    dir: tempfile::TempDir,
    dataset: Dataset,
    config: Data,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("pairs");
        let dataset = synth::procedural(&root, 3, 1, 32).unwrap();
        let config = toml_edit::de::from_str(&format!("root = '{}'\nsize = 16", root.display())).unwrap();
        Self { dir, dataset, config }
    }

    fn cache(&self) -> Cache {
        Cache::open(&self.dataset, &self.config, &self.dir.path().join("cache")).unwrap()
    }

    fn entries(&self) -> Vec<PathBuf> {
        let Ok(folders) = fs::read_dir(self.dir.path().join("cache")) else { return Vec::new() };
        folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap()).map(|e| e.unwrap().path()).collect()
    }
}

#[test]
fn entries_are_made_one_by_one_as_they_are_asked_for() {
    let fixture = Fixture::new();
    let cache = fixture.cache();
    assert_eq!(fixture.entries().len(), 0);
    let first = cache.pair(2).unwrap();
    assert_eq!(fixture.entries().len(), 1);
    assert!(first.is_mapped());
    assert_eq!((first.width(), first.height(), first.both().len()), (16, 16, 6 * 256));
    assert!(Arc::ptr_eq(&first, &cache.pair(2).unwrap()));
    assert_eq!(fixture.cache().pair(2).unwrap().both(), first.both());
    assert!(matches!(cache.pair(3), Err(DataError::Range { index: 3, count: 3, .. })));
}

#[test]
fn a_changed_image_has_another_entry() {
    let fixture = Fixture::new();
    let before = fixture.cache().pair(0).unwrap();
    fs::copy(&fixture.dataset.pairs[1].photo, &fixture.dataset.pairs[0].photo).unwrap();
    let after = fixture.cache().pair(0).unwrap();
    assert_ne!(before.photo(), after.photo());
    assert_eq!(before.illustration(), after.illustration());
    assert_eq!(fixture.entries().len(), 2);
    let mut config = fixture.config.clone();
    config.size = 24;
    let other = Cache::open(&fixture.dataset, &config, &fixture.dir.path().join("cache")).unwrap();
    assert_eq!(other.pair(0).unwrap().width(), 24);
}

#[test]
fn a_damaged_entry_is_rebuilt_and_said_so() {
    let fixture = Fixture::new();
    let good = fixture.cache().pair(0).unwrap().both().to_vec();
    let path = fixture.entries().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[200] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let cache = fixture.cache();
    assert_eq!(cache.pair(0).unwrap().both(), good);
    assert!(cache.remarks()[0].contains("was damaged (its checksum does not match)"), "{:?}", cache.remarks());
    let again = fixture.cache();
    assert_eq!(again.pair(0).unwrap().both(), good);
    assert!(again.remarks().is_empty());
}

#[test]
fn an_image_may_vanish_after_it_was_cached_but_not_before() {
    let fixture = Fixture::new();
    let cache = fixture.cache();
    let kept = cache.pair(0).unwrap().both().to_vec();
    for pair in &fixture.dataset.pairs[..2] {
        fs::remove_file(&pair.illustration).unwrap();
    }
    fs::write(&fixture.dataset.pairs[2].photo, b"\x89PNG\r\n\x1a\nshort").unwrap();
    assert_eq!(cache.pair(0).unwrap().both(), kept);
    let error = cache.pair(1).unwrap_err().to_string();
    assert!(
        error.contains("0002/g.png") && error.contains("cannot be read") && error.contains("dataset check"),
        "{error}"
    );
    let error = cache.pair(2).unwrap_err().to_string();
    assert!(error.contains("0003/o.png"), "{error}");
}

#[test]
fn an_entry_deleted_under_a_run_does_not_matter() {
    let fixture = Fixture::new();
    let cache = fixture.cache();
    let held = cache.pair(0).unwrap();
    fs::remove_dir_all(fixture.dir.path().join("cache")).unwrap();
    assert_eq!(cache.pair(0).unwrap().both(), held.both());
    cache.pair(1).unwrap();
    assert!(cache.remarks().is_empty());
}

#[test]
fn a_disk_that_refuses_leaves_pairs_in_memory() {
    let fixture = Fixture::new();
    // A file stands where the folder should be: refused for every user, root included.
    fs::write(fixture.dir.path().join("cache"), "in the way").unwrap();
    let cache = fixture.cache();
    let planes = cache.pair(0).unwrap();
    assert!(!planes.is_mapped());
    assert!(Arc::ptr_eq(&planes, &cache.pair(0).unwrap()));
    cache.pair(1).unwrap();
    assert_eq!(cache.remarks().len(), 1);
    assert!(cache.remarks()[0].contains("XDG_CACHE_HOME"));
    // With no memory to spare either, pairs still come, decoded anew.
    cache.inner.memory_left.store(10, Ordering::Relaxed);
    assert!(!Arc::ptr_eq(&cache.pair(2).unwrap(), &cache.pair(2).unwrap()));
    assert_eq!(cache.remarks().len(), 2);
}

#[test]
fn cropping_keeps_the_shape_of_each_pair() {
    let fixture = Fixture::new();
    let wide = image::RgbImage::from_fn(60, 40, |x, _| image::Rgb([x as u8; 3]));
    wide.save(&fixture.dataset.pairs[0].photo).unwrap();
    let mut config = fixture.config.clone();
    config.fit = Fit::Crop;
    let cache = Cache::open(&fixture.dataset, &config, &fixture.dir.path().join("cache")).unwrap();
    let planes = cache.pair(0).unwrap();
    assert_eq!((planes.width(), planes.height()), (24, 16));
    assert_eq!(cache.pair(1).unwrap().width(), 16);
}

#[test]
fn many_threads_decode_a_pair_once() {
    let fixture = Fixture::new();
    let cache = fixture.cache();
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| cache.pair(0).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|planes| Arc::ptr_eq(planes, &all[0])));
    assert_eq!(fixture.entries().len(), 1);
}

#[test]
fn a_folder_without_write_permission_is_no_error() {
    let fixture = Fixture::new();
    let dir = fixture.dir.path().join("cache");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write all the same; either way the pair comes.
    assert_eq!(fixture.cache().pair(0).unwrap().width(), 16);
}
