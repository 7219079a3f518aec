//! LoRAs merged into their base: a model of its own, for programs that know no LoRA.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Kind, TchError, Tensor};

use super::config::{TextConfig, UNetConfig, read_json};
use super::load::folder::{files, unprefixed};
use super::load::{Configs, LoadError, ldm};
use super::lora::{Adapter, Adapters, TEXT_ENCODER, UNET};
use super::lora_file::{LoraFile, LoraFileError};
use super::{clip, unet};
use crate::models::params::Layout;
use crate::models::weights::{self, WeightsError};

/// Why a merge failed. The file or folder comes first in every message.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The base could not be read.
    #[error(transparent)]
    Base(#[from] LoadError),
    /// Weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A LoRA does not fit.
    #[error("{}: {cause}", .path.display())]
    Lora {
        /// Its file.
        path: PathBuf,
        /// Why.
        cause: LoraFileError,
    },
    /// The file system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// What was merged cannot be kept.
    #[error("{}: {what}", .path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// A LoRA to merge.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its file, for messages.
    pub path: &'a Path,
    /// What is in it.
    pub lora: &'a LoraFile,
    /// What its addition is multiplied by.
    pub strength: f64,
}

/// What is to be added to one network, by the names of its parameters.
#[derive(Debug, Default)]
struct Additions {
    layers: HashMap<String, Vec<Adapter>>,
    replaced: HashMap<String, Tensor>,
}

impl Additions {
    fn take(&mut self, adapters: Adapters) {
        for adapter in adapters.layers {
            self.layers.entry(format!("{}.weight", adapter.module)).or_default().push(adapter);
        }
        self.replaced.extend(adapters.replaced);
    }

    fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.replaced.is_empty()
    }

    /// The parameter with everything added, in its own kind and shape; computed in float32.
    fn merged(&self, name: &str, weight: Tensor) -> Result<Tensor, TchError> {
        let kind = weight.f_kind()?;
        if let Some(whole) = self.replaced.get(name) {
            return whole.f_to_kind(kind);
        }
        let Some(adapters) = self.layers.get(name) else { return Ok(weight) };
        let shape = weight.size();
        let mut sum = weight.f_to_kind(Kind::Float)?;
        for adapter in adapters {
            sum = sum.f_add(&adapter.delta()?.f_view(shape.as_slice())?)?;
        }
        sum.f_to_kind(kind)
    }
}

/// Write `base` with all `parts` added as a model of its own at `out`, in the base's kind: a folder for a folder, a file
/// for a file. Nothing is left at `out` when it fails. `progress` hears what is being done.
pub fn merge(base: &Path, parts: &[Part<'_>], out: &Path, progress: impl Fn(&str)) -> Result<(), MergeError> {
    if !base.is_dir() {
        return merge_file(base, &Configs::sd15(), parts, out, progress);
    }
    let config = |part: &str| base.join(part).join("config.json");
    let unet = UNetConfig::read(&config(UNET)).map_err(LoadError::from)?;
    let text = TextConfig::read(&config(TEXT_ENCODER)).map_err(LoadError::from)?;
    let additions = added(parts, &[unet::layout(&unet), clip::layout(&text)])?;
    folder(base, &additions, out, progress)
}

/// The same for a single file of networks of other sizes than Stable Diffusion 1.5's: it does not say them itself.
pub fn merge_file(
    base: &Path,
    configs: &Configs,
    parts: &[Part<'_>],
    out: &Path,
    progress: impl Fn(&str),
) -> Result<(), MergeError> {
    let layouts = [unet::layout(&configs.unet), clip::layout(&configs.text)];
    let additions = added(parts, &layouts)?;
    file(base, configs, &layouts, &additions, out, progress)
}

/// All that is added to a UNet and a text encoder of these layouts.
fn added(parts: &[Part<'_>], layouts: &[Layout; 2]) -> Result<[Additions; 2], MergeError> {
    let mut additions = [Additions::default(), Additions::default()];
    for part in parts {
        let failed = |cause| MergeError::Lora { path: part.path.to_owned(), cause };
        let adapters = part.lora.adapters(&layouts[0], &layouts[1], part.strength).map_err(failed)?;
        for (all, one) in additions.iter_mut().zip(adapters) {
            if let Some((name, _)) = one.replaced.iter().find(|(name, _)| all.replaced.contains_key(name)) {
                let what = format!("another LoRA replaces `{name}` too: only one can be a paired one");
                return Err(failed(LoraFileError::Unfit(what)));
            }
            all.take(one);
        }
    }
    Ok(additions)
}

/// A diffusers folder: what changes is written, everything else copied.
fn folder(base: &Path, additions: &[Additions; 2], out: &Path, progress: impl Fn(&str)) -> Result<(), MergeError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause| MergeError::Io { path, cause }
    };
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io(parent))?;
    let made = tempfile::Builder::new().prefix(".merge-").tempdir_in(parent).map_err(io(parent))?;
    let [unet, text] = additions;
    let changed: Vec<(&str, &Additions, &[&str])> =
        [(UNET, unet, &["diffusion_pytorch_model"][..]), (TEXT_ENCODER, text, &["model", "pytorch_model"][..])]
            .into_iter()
            .filter(|(_, additions, _)| !additions.is_empty())
            .collect();
    progress("copying what stays as it is");
    copy(base, made.path(), &|inside| {
        changed.iter().any(|(part, _, stems)| inside.parent() == Some(Path::new(part)) && is_weights(inside, stems))
    })?;
    for (part, additions, stems) in changed {
        progress(part);
        let sources = files(&base.join(part), stems)?;
        let mut tensors = Vec::new();
        for source in &sources {
            weights::each(source, |name, tensor| -> Result<(), MergeError> {
                let own = if part == TEXT_ENCODER { unprefixed(name.clone()) } else { Some(name.clone()) };
                let merged = own.map_or(Ok(tensor.shallow_clone()), |own| additions.merged(&own, tensor))?;
                finite(source, &name, &merged)?;
                tensors.push((name, merged));
                Ok(())
            })?;
        }
        let half = sources.iter().any(|source| source.to_string_lossy().contains(".fp16."));
        let name = if half { format!("{}.fp16.safetensors", stems[0]) } else { format!("{}.safetensors", stems[0]) };
        weights::save_safetensors(&made.path().join(part).join(name), &tensors, &[("format", "pt")])?;
    }
    if let Some(weight) = unet.replaced.get("conv_in.weight") {
        let channels = weight.size().get(1).copied().unwrap_or_default();
        set(&made.path().join(UNET).join("config.json"), "in_channels", channels.into())?;
        let index = made.path().join("model_index.json");
        if index.is_file() {
            set(&index, "_class_name", "StableDiffusionInstructPix2PixPipeline".into())?;
        }
    }
    let folder = made.keep();
    let moved = readable(&folder).and_then(|()| fs::rename(&folder, out));
    moved.map_err(|cause| {
        // What cannot be moved is of no use, and the first error is the one to tell.
        let _ = fs::remove_dir_all(&folder);
        MergeError::Io { path: out.to_owned(), cause }
    })
}

/// A single file of the original code.
fn file(
    base: &Path,
    configs: &Configs,
    layouts: &[Layout; 2],
    additions: &[Additions; 2],
    out: &Path,
    progress: impl Fn(&str),
) -> Result<(), MergeError> {
    let mut places: HashMap<String, (usize, &str)> = HashMap::new();
    for (which, layout) in layouts.iter().enumerate() {
        for (name, _) in layout {
            let place = if which == 0 { ldm::unet(&configs.unet, name) } else { Some(ldm::text(name)) };
            places.extend(place.map(|place| (place, (which, name.as_str()))));
        }
    }
    progress("reading and adding");
    let (mut tensors, mut found) = (Vec::new(), 0);
    weights::each(base, |name, tensor| -> Result<(), MergeError> {
        let merged = match places.get(&name) {
            Some(&(which, own)) => {
                found += 1;
                additions[which].merged(own, tensor)?
            }
            None => tensor,
        };
        finite(base, &name, &merged)?;
        tensors.push((name, merged));
        Ok(())
    })?;
    if found != places.len() {
        let what =
            format!("{found} of {} tensors of Stable Diffusion 1 are in it: not such a checkpoint", places.len());
        return Err(MergeError::Result { path: base.to_owned(), what });
    }
    progress("writing");
    Ok(weights::save_safetensors(out, &tensors, &[("format", "pt")])?)
}

/// Copy a folder's files but those that `leave_out` names (by their path inside) and hidden ones.
fn copy(from: &Path, to: &Path, leave_out: &dyn Fn(&Path) -> bool) -> Result<(), MergeError> {
    fn walk(root: &Path, inside: &Path, to: &Path, leave_out: &dyn Fn(&Path) -> bool) -> std::io::Result<()> {
        for entry in fs::read_dir(root.join(inside))? {
            let name = entry?.file_name();
            let inside = inside.join(&name);
            if name.to_string_lossy().starts_with('.') || leave_out(&inside) {
                continue;
            }
            // Links are followed: what the hub's cache holds is made of them.
            let source = root.join(&inside);
            if fs::metadata(&source)?.is_dir() {
                fs::create_dir_all(to.join(&inside))?;
                walk(root, &inside, to, leave_out)?;
            } else {
                fs::copy(&source, to.join(&inside))?;
            }
        }
        Ok(())
    }
    walk(from, Path::new(""), to, leave_out).map_err(|cause| MergeError::Io { path: from.to_owned(), cause })
}

/// Weights of any form and precision, and the lists of their shards.
fn is_weights(path: &Path, stems: &[&str]) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ends = [".safetensors", ".bin", ".index.json", ".fp16.json", ".msgpack", ".ckpt", ".onnx"];
    stems.iter().any(|stem| name.starts_with(stem)) && ends.iter().any(|end| name.ends_with(end))
}

/// A temporary folder is its maker's alone; what it becomes is as any other that is made.
fn readable(folder: &Path) -> std::io::Result<()> {
    let beside = tempfile::Builder::new()
        .prefix(".merge-")
        .permissions(permissions())
        .tempdir_in(folder.parent().unwrap_or(Path::new(".")))?;
    fs::set_permissions(folder, fs::metadata(beside.path())?.permissions())
}

fn permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o777) // less the umask
}

/// Change one key of a JSON file.
fn set(path: &Path, key: &str, value: Value) -> Result<(), MergeError> {
    let mut config = read_json(path).map_err(LoadError::from)?;
    if let Some(map) = config.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
    fs::write(path, format!("{config:#}\n")).map_err(|cause| MergeError::Io { path: path.to_owned(), cause })
}

fn finite(path: &Path, name: &str, tensor: &Tensor) -> Result<(), MergeError> {
    if !tensor.f_is_floating_point()? || tensor.numel() == 0 {
        return Ok(());
    }
    let (low, high) = tensor.f_to_kind(Kind::Float)?.f_aminmax(None, false)?;
    if f64::try_from(&low)?.is_finite() && f64::try_from(&high)?.is_finite() {
        return Ok(());
    }
    let what = format!(
        "`{name}` would hold NaN or infinity in {:?}: it does already, or what is added is too much for it; merge with less \
         strength, or into the float32 base",
        tensor.f_kind()?
    );
    Err(MergeError::Result { path: path.to_owned(), what })
}
