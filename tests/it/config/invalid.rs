//! `tests/configs/invalid`: each `x.toml` with its whole message in `x.expected`. Comments `# --set key=value` at the
//! head of a file are its overrides; files named `path-...` are checked against the file system.

use std::path::Path;

use atelier::config::{ConfigErrors, Paths, load_with, parse};

use super::{configs, hold, repository};

fn errors_of(path: &Path) -> ConfigErrors {
    let bytes = std::fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let overrides: Vec<String> =
        text.lines().map_while(|line| line.strip_prefix("# --set ")).map(str::to_owned).collect();
    let name = path.file_name().unwrap().to_str().unwrap();
    let paths = if name.starts_with("path-") { Paths::Checked } else { Paths::Unchecked };
    match load_with(path, &overrides, paths) {
        Ok(_) => panic!("{name} was taken for valid"),
        Err(errors) => errors,
    }
}

#[test]
fn every_invalid_config_is_explained_as_expected() {
    let folder = format!("{}/tests/configs/invalid/", repository().display());
    let here = std::env::current_dir().unwrap().display().to_string();
    let mut failed = Vec::new();
    for path in configs("tests/configs/invalid") {
        let message = errors_of(&path).to_string().replace(&folder, "").replace(&here, "HERE") + "\n";
        failed.extend(hold(&path.with_extension("expected"), &message).err());
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_expected_text_has_its_config() {
    let folder = repository().join("tests/configs/invalid");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("toml").is_file(), "{} stands alone", path.display());
    }
}

#[test]
fn every_mistake_in_a_text_has_a_place_a_snippet_and_a_way_out() {
    for path in configs("tests/configs/invalid") {
        for error in errors_of(&path).errors {
            let Some(snippet) = &error.snippet else { continue };
            assert!(error.line.is_some() && error.column.is_some(), "{error}");
            assert!(snippet.mark.start <= snippet.text.chars().count(), "{error}");
            // The parser's own messages say what they expect.
            let explained = error.expected.is_some() || error.next.is_some() || !error.suggestions.is_empty();
            assert!(
                explained || error.message.starts_with("not valid TOML") || error.message.contains("use "),
                "{error}"
            );
        }
    }
}

#[test]
fn rules_on_paths_are_silent_when_paths_are_unchecked() {
    for path in configs("tests/configs/invalid") {
        if path.file_name().unwrap().to_str().unwrap().starts_with("path-") {
            let text = std::fs::read_to_string(&path).unwrap();
            parse(&text, "x.toml", &[]).unwrap_or_else(|errors| panic!("{errors}"));
        }
    }
}

#[test]
fn files_that_cannot_be_read_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| load_with(path, &[], Paths::Unchecked).unwrap_err().to_string();
    assert!(message(&folder.path().join("no.toml")).contains("no.toml: no such file"));
    assert!(message(folder.path()).contains("is a folder"));
    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(message(&large).contains("larger than 1 MiB"));
    assert!(message(Path::new("/dev/zero")).contains("larger than 1 MiB"));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(message(&file.join("x.toml")).contains("cannot be read"));
}

#[test]
fn deep_nesting_is_a_mistake_not_a_crash() {
    for open in ["[", "{a=", "a."] {
        let text = format!("x = {}", open.repeat(50_000));
        assert!(parse(&text, "deep.toml", &[]).is_err());
        assert!(parse(&format!("{}x = 1", open.repeat(50_000)), "deep.toml", &[]).is_err());
    }
}
