//! Links what needs libtorch so that it starts with no environment variable, and compiles the native shim.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on its standard output")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TRAIN").is_none() {
        return Ok(());
    }
    // torch-sys declares `links = "tch"` and publishes the folder that it linked against.
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB")
        .map(PathBuf::from)
        .ok_or("torch-sys did not say where libtorch is; run `just setup`")?;
    // RUNPATH rather than RPATH: it comes after LD_LIBRARY_PATH, so a moved binary can be pointed at another libtorch.
    println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}", lib.display());
    compile_shim(&lib)
}

/// Compile `src/native/*.cpp` against the headers that belong to the libtorch in `lib`.
fn compile_shim(lib: &Path) -> Result<(), String> {
    let folder = Path::new("src/native");
    // Not the folder: editing its Rust half must not compile C++ anew. A new source comes with a line in native.rs.
    println!("cargo::rerun-if-changed=src/native.rs");
    let files = |extension| match files_with(folder, extension) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
        found => Ok(found.unwrap_or_default()),
    };
    let sources = files("cpp")?;
    for file in sources.iter().chain(&files("h")?) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    if sources.is_empty() {
        return Ok(());
    }
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    let home = match env::var_os("LIBTORCH_INCLUDE") {
        Some(include) => PathBuf::from(include),
        None => lib.parent().ok_or_else(|| format!("{} has no parent folder", lib.display()))?.to_owned(),
    };
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").pic(true).warnings(true).extra_warnings(true);
    build.define("_GLIBCXX_USE_CXX11_ABI", "1");
    // Debug information of libtorch's templates would outweigh everything else in the binary.
    build.debug(false);
    for include in [home.join("include"), home.join("include/torch/csrc/api/include")] {
        if !include.is_dir() {
            return Err(format!("{} is missing: this libtorch has no headers; run `just setup`", include.display()));
        }
        // -isystem: their warnings are not ours.
        build.flag("-isystem").flag(include);
    }
    build.files(&sources).try_compile("atelier_native").map_err(|error| error.to_string())
}

/// The files of this extension in `folder`, sorted so that the archive is the same everywhere.
fn files_with(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
