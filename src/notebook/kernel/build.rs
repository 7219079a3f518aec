//! Carries the client crate's sources inside the kernel, which writes them into its cache: an installed program needs
//! no checkout.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let client = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../client");
    let mut files = Vec::new();
    collect(&client.join("src"), &mut files)?;
    files.sort();
    println!("cargo::rerun-if-changed={}", client.join("src").display());

    let mut list =
        String::from("/// Paths below the crate's root, and what is in them.\npub const FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&client).map_err(io::Error::other)?.display().to_string();
        let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", fs::canonicalize(file)?.display().to_string());
    }
    let probe = client.join("src/probe.rs").exists() || client.join("src/probe/mod.rs").exists();
    let _ = writeln!(
        list,
        "];\n/// Whether the crate has the module that the prelude imports.\npub const HAS_PROBE: bool = {probe};"
    );
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("client.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
