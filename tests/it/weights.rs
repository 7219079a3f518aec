//! Weight files: what goes out comes back, what PyTorch wrote is read, and nothing that is damaged does harm.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use atelier::models::weights::{load_file, metadata, save_pth, save_safetensors};
use tch::{Device, Kind, Tensor};

fn samples() -> Vec<(String, Tensor)> {
    let range = |kind| Tensor::arange(24, (Kind::Int64, Device::Cpu)).to_kind(kind);
    vec![
        ("z.weight".to_owned(), range(Kind::Float).reshape([2, 3, 4])),
        ("turned".to_owned(), range(Kind::Double).reshape([4, 6]).transpose(0, 1)),
        (
            "channels_last".to_owned(),
            range(Kind::BFloat16).reshape([1, 3, 2, 4]).permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
        ),
        ("every_other".to_owned(), range(Kind::Half).slice(0, 1, None, 2)),
        ("steps".to_owned(), Tensor::from(7_i64)),
        ("mask".to_owned(), range(Kind::Uint8).remainder(2).to_kind(Kind::Bool)),
        ("none".to_owned(), Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))),
        ("small".to_owned(), range(Kind::Int)),
        ("ascii".to_owned(), range(Kind::Int8)),
        ("short".to_owned(), range(Kind::Int16)),
        ("leaf".to_owned(), range(Kind::Float).set_requires_grad(true)),
    ]
}

fn assert_equal(have: &[(String, Tensor)], want: &[(String, Tensor)]) {
    let have: HashMap<_, _> = have.iter().map(|(name, tensor)| (name, tensor)).collect();
    assert_eq!(have.len(), want.len());
    for (name, tensor) in want {
        let got = have[name];
        assert_eq!((got.kind(), got.size()), (tensor.kind(), tensor.size()), "{name}");
        assert!(got.equal(&tensor.detach()), "{name}");
        assert!(got.is_contiguous(), "{name}");
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn both_formats_give_back_what_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let (safe, pth) = (folder.path().join("w.safetensors"), folder.path().join("w.pth"));
    save_safetensors(&safe, &samples(), &[("config", "{\"ngf\":\t4}"), ("note", "naïve")]).unwrap();
    save_pth(&pth, &samples()).unwrap();
    assert_equal(&load_file(&safe).unwrap(), &samples());
    let read = load_file(&pth).unwrap();
    assert_equal(&read, &samples());
    assert!(read.iter().map(|(name, _)| name).eq(samples().iter().map(|(name, _)| name)), "a .pth keeps the order");
    assert_eq!(metadata(&safe).unwrap()["note"], "naïve");
    assert!(metadata(&pth).unwrap().is_empty());

    // Equal inputs give equal bytes, and nothing else is left in the folder.
    let again = folder.path().join("again.safetensors");
    save_safetensors(&again, &samples(), &[("config", "{\"ngf\":\t4}"), ("note", "naïve")]).unwrap();
    assert_eq!(fs::read(&safe).unwrap(), fs::read(&again).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

/// With a Python that has torch and safetensors (`ATELIER_TEST_PYTHON` names one), PyTorch itself reads what is written.
#[test]
fn pytorch_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (safe, pth) = (folder.path().join("w.safetensors"), folder.path().join("w.pth"));
    save_safetensors(&safe, &samples(), &[]).unwrap();
    save_pth(&pth, &samples()).unwrap();
    let python = std::env::var("ATELIER_TEST_PYTHON").unwrap_or_else(|_unset| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/load_pth.py");
    let output = match Command::new(&python).arg(script).args([&pth, &safe]).output() {
        Ok(output) if output.status.code() != Some(77) => output,
        skipped => return println!("skipped: {python} has no torch and safetensors ({skipped:?})"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<String> = samples().into_iter().map(|(name, _)| name).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), names.join(" "));
}

#[test]
fn saving_replaces_a_file_or_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    save_safetensors(&path, &samples()[..1], &[]).unwrap();
    let twice = [samples().remove(0), samples().remove(0)];
    let error = save_safetensors(&path, &twice, &[]).unwrap_err().to_string();
    assert!(error.contains("two tensors are called `z.weight`"), "{error}");
    assert_eq!(load_file(&path).unwrap().len(), 1);
    let nowhere = folder.path().join("missing/w.pth");
    let error = save_pth(&nowhere, &samples()).unwrap_err().to_string();
    assert!(error.contains("missing/w.pth"), "{error}");
}

#[test]
fn what_pytorch_wrote_is_read() {
    let want = load_file(&golden("pth/expected.safetensors")).unwrap();
    for name in ["zip.pth", "legacy.pth", "protocol4.pth", "nested.pth"] {
        let mut have = load_file(&golden("pth").join(name)).unwrap();
        have.retain(|(key, _)| key != "extra.view");
        assert_equal(&have, &want);
    }
}

#[test]
fn legacy_views_of_one_storage_keep_their_own_elements() {
    let have: HashMap<_, _> = load_file(&golden("pth/legacy.pth")).unwrap().into_iter().collect();
    let view: Vec<f32> = Vec::try_from(&have["extra.view"]).unwrap();
    assert_eq!(view, [5.0, 6.0, 7.0]);
}

#[test]
fn other_pickles_are_refused_with_the_remedy() {
    for (name, expected) in [
        ("module.pth", "save `model.state_dict()` instead"),
        ("expanded.pth", "an expanded tensor"),
        ("empty.pth", "holds no tensors"),
    ] {
        let error = load_file(&golden("pth").join(name)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
}

#[test]
fn a_pickle_that_would_run_a_command_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mark) = (folder.path().join("evil.pth"), folder.path().join("mark"));
    // The legacy form's three pickles before the object, then `os.system("touch mark")` as the object.
    let mut bytes = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    bytes.extend_from_slice(format!("\x02cposix\nsystem\n(S'touch {}'\ntR.", mark.display()).as_bytes());
    let at = bytes.iter().rposition(|&byte| byte == 0x02).unwrap();
    bytes.insert(at, 0x80);
    fs::write(&path, bytes).unwrap();
    let error = load_file(&path).unwrap_err().to_string();
    assert!(error.contains("not a state dict"), "{error}");
    assert!(!mark.exists());
}

#[test]
fn files_that_are_not_there_or_not_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.safetensors");
    fs::write(&empty, b"").unwrap();
    let text = folder.path().join("notes.safetensors");
    fs::write(&text, "<html>404 not found</html>".repeat(20)).unwrap();
    for (path, expected) in [
        (folder.path().join("missing.pth"), "No such file"),
        (folder.path().to_owned(), "directory"),
        (empty, "the file is empty"),
        (text, "neither safetensors nor .pth"),
    ] {
        let error = load_file(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(path.to_str().unwrap()), "{error}");
    }
}

/// Every prefix of a file, and the file with every byte changed: an error or other tensors, never a panic, and never
/// memory beyond the file's own size.
#[test]
fn damage_anywhere_is_an_error_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let small = [("a.weight".to_owned(), Tensor::ones([2, 3], (Kind::Float, Device::Cpu)))];
    let (safe, pth) = (folder.path().join("w.safetensors"), folder.path().join("w.pth"));
    save_safetensors(&safe, &small, &[]).unwrap();
    save_pth(&pth, &small).unwrap();
    let target = folder.path().join("damaged");
    for source in [safe, pth, golden("pth/legacy.pth"), golden("pth/zip.pth")] {
        let whole = fs::read(&source).unwrap();
        let pickle = source.extension().is_some_and(|end| end == "pth");
        // The whole of a small file; of a larger one, its header and every 13th byte of the rest.
        let places = (0..whole.len()).filter(|at| *at < 200 || at % 13 == 0);
        for at in places {
            fs::write(&target, &whole[..at]).unwrap();
            if !pickle || at < whole.len() / 2 {
                assert!(load_file(&target).is_err(), "{} cut to {at} bytes was read", source.display());
            } else {
                let _ = load_file(&target);
            }
            for change in [0x01, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                fs::write(&target, &changed).unwrap();
                if let Ok(tensors) = load_file(&target) {
                    let bytes: usize = tensors.iter().map(|(_, t)| t.numel() * t.kind().elt_size_in_bytes()).sum();
                    assert!(bytes <= 8 * whole.len(), "{at}");
                }
            }
        }
    }
}
