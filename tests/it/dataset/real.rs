//! Real composites, where the folder with them is named: they may not be copied into the repository.

use std::path::PathBuf;

use tempfile::tempdir;

use super::{arg, dataset};

/// 24 JPEG composites with a white gap of 7 columns.
#[test]
fn real_composites_become_512_pixel_pairs() {
    let folder = std::env::var_os("ATELIER_HAYAO_AB")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/hayao-ab")), PathBuf::from);
    if !folder.is_dir() {
        return eprintln!("skipped: no folder {}; ATELIER_HAYAO_AB names it", folder.display());
    }
    let dir = tempdir().unwrap();
    let out = dir.path().join("pairs");
    let json = dataset(["import", arg(&folder), "-o", arg(&out), "--tile", "512", "--json"]).expect(0).json();
    assert_eq!(json["pairs"], 73);
    for source in json["sources"].as_array().unwrap() {
        assert_eq!((&source["gap"], &source["trim"]), (&7.into(), &4.into()), "{source}");
    }
    dataset(["check", arg(&out)]).expect(0);
}
