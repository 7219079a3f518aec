use std::fs;

use super::*;

const CONFIG: &str =
    "name = \"tiny\"\ntrack = \"pix2pixhd\"\n\n# how long\n[train]\nepochs = 7\n\n[pix2pixhd.loss]\nl1 = 1.0\n";

fn saved(manifest: &Manifest) -> (tempfile::TempDir, Folder) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(root.path());
    manifest.save(&folder).unwrap();
    (root, folder)
}

#[test]
fn everything_written_comes_back() {
    let mut manifest = Manifest::new("tiny", CONFIG).unwrap();
    manifest.tags = vec!["paper".to_owned()];
    manifest.notes = "two\nlines \"quoted\"".to_owned();
    manifest.seed = Some(u64::MAX);
    manifest.git = Some(Git { commit: "abc".to_owned(), branch: None, dirty: Some(true) });
    manifest.versions.insert("libtorch".to_owned(), "2.11.0".to_owned());
    manifest.progress.total_steps = Some(1200);
    manifest.set_inventory(serde_json::json!({"gpus": [{"name": "H200", "memory": 150e9, "serial": null}], "cpus": 2}));
    let (_root, folder) = saved(&manifest);
    let read = Manifest::load(&folder).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&manifest).unwrap());
    assert_eq!(read.track(), Some("pix2pixhd"));
    assert_eq!(read.config_value("train.epochs").and_then(toml_edit::Value::as_integer), Some(7));
    assert_eq!(read.inventory["gpus"][0]["name"], "H200");
    let (again, first) = (read.to_toml().unwrap(), fs::read_to_string(folder.manifest()).unwrap());
    assert_eq!(again, first, "a rewrite without a change changes nothing");
}

#[test]
fn the_config_inside_is_the_config_put_in() {
    let manifest = Manifest::new("tiny", CONFIG).unwrap();
    let (_root, folder) = saved(&manifest);
    assert_eq!(Manifest::load(&folder).unwrap().config(), CONFIG, "comments too");
}

#[test]
fn keys_of_a_newer_version_survive_a_rewrite() {
    let (_root, folder) = saved(&Manifest::new("tiny", CONFIG).unwrap());
    let text = fs::read_to_string(folder.manifest()).unwrap();
    let text = text.replace("state = ", "# kept\nfuture = [1, 2]\nstate = ")
        + "\n[progress.more]\nx = 1\n\n[horizon]\nfar = true\n";
    fs::write(folder.manifest(), text).unwrap();
    let mut manifest = Manifest::load(&folder).unwrap();
    manifest.state = State::Stopped;
    manifest.reason = Some("asked to".to_owned());
    manifest.save(&folder).unwrap();
    let text = fs::read_to_string(folder.manifest()).unwrap();
    for kept in ["# kept", "future = [1, 2]", "[progress.more]", "[horizon]", "far = true", "state = \"stopped\""] {
        assert!(text.contains(kept), "{kept} is lost:\n{text}");
    }
    manifest.reason = None;
    manifest.save(&folder).unwrap();
    assert!(!fs::read_to_string(folder.manifest()).unwrap().contains("reason"));
    Manifest::load(&folder).unwrap();
}

#[test]
fn damaged_manifests_are_reported_with_their_path() {
    let (_root, folder) = saved(&Manifest::new("tiny", CONFIG).unwrap());
    let whole = fs::read(folder.manifest()).unwrap();
    let mut damaged: Vec<Vec<u8>> =
        vec![vec![], b"   \n".to_vec(), vec![0xff, 0xfe, 0x00], b"name = 3\nstate = \"running\"".to_vec()];
    damaged.push(b"name = \"x\"\nstate = \"levitating\"".to_vec());
    damaged.push(whole[..whole.len() / 3].to_vec());
    for contents in damaged {
        fs::write(folder.manifest(), &contents).unwrap();
        // A third of a manifest may happen to be whole TOML; then it must at least have a name and a state.
        if let Err(error) = Manifest::load(&folder) {
            assert!(error.to_string().contains("session.toml"), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        } else {
            assert!(contents.len() > 20);
        }
    }
    fs::remove_file(folder.manifest()).unwrap();
    assert!(Manifest::load(&folder).unwrap_err().to_string().contains("session.toml"));
}

#[test]
fn a_failed_save_leaves_the_old_manifest_and_nothing_beside_it() {
    let (root, folder) = saved(&Manifest::new("tiny", CONFIG).unwrap());
    let before = fs::read_dir(root.path()).unwrap().count();
    // A folder in the manifest's place makes the rename fail, for root too.
    fs::remove_file(folder.manifest()).unwrap();
    fs::create_dir(folder.manifest()).unwrap();
    let error = Manifest::new("tiny", CONFIG).unwrap().save(&folder).unwrap_err().to_string();
    assert!(error.contains("session.toml"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), before);
}
