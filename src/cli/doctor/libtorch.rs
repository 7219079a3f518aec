//! The libtorch that this process really runs on, whether it sees the GPU, and the weights that losses need.

use std::fs;
use std::path::{Path, PathBuf};

use super::Check;
use crate::models::perceptual::{fetch, vgg};
use crate::native::torch::{libtorch_version, load_cuda};
use crate::telemetry::Inventory;

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    vec![libtorch(), cuda(inventory), vgg()]
}

fn libtorch() -> Check {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Some(library) = loaded(&maps, "libtorch_cpu.so") else {
        return Check::error("libtorch", "not loaded into this process", "run `just setup`, then `just build`");
    };
    let folder = library.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    // The release whose headers the program was compiled against.
    let built_for = libtorch_version();
    match release(folder) {
        Some(release) if release == built_for => Check::ok("libtorch", format!("{release} from {}", library.display())),
        Some(release) => Check::error(
            "libtorch",
            format!("{release} from {}, but the program was built for {built_for}", library.display()),
            "take that one out of LD_LIBRARY_PATH, or run `just setup` and `just build`",
        ),
        None => Check::warning(
            "libtorch",
            format!("of unknown release, from {}", library.display()),
            format!("if training misbehaves, make sure that it is {built_for}"),
        ),
    }
}

/// The file of this name that the kernel lists among a process's mappings.
fn loaded(maps: &str, name: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])));
    let mut fitting = paths.filter(|path| path.file_name().is_some_and(|found| found == name));
    fitting.next().map(Path::to_owned)
}

/// The release of a libtorch folder: Python wheels say it in `version.py`, zipped libtorch in `build-version`.
fn release(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("version.py"));
    let python = text.ok().and_then(|text| Some(text.split_once("__version__ = '")?.1.split_once('\'')?.0.to_owned()));
    let full = python.or_else(|| Some(fs::read_to_string(folder.join("build-version")).ok()?.trim().to_owned()))?;
    Some(full.split('+').next().unwrap_or_default().to_owned())
}

fn cuda(inventory: &Inventory) -> Check {
    let loading = load_cuda();
    let count = if tch::Cuda::is_available() { tch::Cuda::device_count() } else { 0 };
    match (count, inventory.gpus.len()) {
        (0, 0) => Check::ok("cuda", "no GPU to use: training runs on the CPU"),
        (0, gpus) => Check::error(
            "cuda",
            match loading {
                Ok(()) => format!("libtorch sees none of the {gpus} GPUs that the driver lists"),
                Err(error) => format!("libtorch's CUDA half does not load: {error}"),
            },
            "run `ATELIER_CUDA=1 just setup` for its CUDA libraries; the driver must serve CUDA 13",
        ),
        (count, _) => Check::ok("cuda", format!("libtorch sees {count} GPUs")),
    }
}

fn vgg() -> Check {
    let name = vgg::WEIGHTS.name;
    match fetch::cache() {
        Ok(folder) if folder.join(name).is_file() => Check::ok("vgg19", folder.join(name).display().to_string()),
        Ok(folder) => Check::warning(
            "vgg19",
            format!("{name} is not in {}", folder.display()),
            format!(
                "nothing, where the network allows: a config with a perceptual loss fetches it (575 MB); else put {} there",
                vgg::WEIGHTS.url
            ),
        ),
        Err(error) => Check::warning("vgg19", error.to_string(), "set HOME or XDG_CACHE_HOME"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaded_file_is_found_among_mappings() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libc.so.6\n\
                    7f02-7f03 r--p 00000000 08:01 2 /opt/a folder/torch/lib/libtorch_cpu.so\n7f04-7f05 rw-p 0 0 0 [heap]\n";
        assert_eq!(loaded(maps, "libtorch_cpu.so"), Some(PathBuf::from("/opt/a folder/torch/lib/libtorch_cpu.so")));
        assert_eq!(loaded(maps, "libtorch_cuda.so"), None);
    }

    #[test]
    fn the_release_is_read_from_wheels_and_zips() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(release(folder.path()), None);
        fs::write(folder.path().join("build-version"), "2.10.0+cpu\n").unwrap();
        assert_eq!(release(folder.path()), Some("2.10.0".to_owned()));
        fs::write(folder.path().join("version.py"), "__version__ = '2.11.0+cu130'\ndebug = False\n").unwrap();
        assert_eq!(release(folder.path()), Some("2.11.0".to_owned()));
    }
}
