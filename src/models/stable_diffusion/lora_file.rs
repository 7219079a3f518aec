//! LoRA files: diffusers' and peft's `pytorch_lora_weights.safetensors`, and the form of kohya's scripts that A1111 and
//! ComfyUI read.
//!
//! What a layer adds is `up · down · scale`. A kohya file says the scale itself (`alpha`, over the rank). A diffusers
//! file says it in its header since 2025 (`lora_adapter_metadata`) and not at all before; without a word the scale is 1,
//! which makes an adapter trained with alpha 16 at rank 4 four times too weak (diffusers#6087). So what is written here
//! has its scale multiplied into `up` unless asked otherwise, and every reader gets it right.

mod compare;
mod diffusers;
mod fit;
mod kohya;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tch::{Kind, TchError, Tensor};

pub use compare::{Comparison, compare};
pub use diffusers::Alpha;
pub use fit::attach;
pub use kohya::About;

use super::lora::{Adapter, Lora, TEXT_ENCODER, UNET};
use crate::models::params::gist;
use crate::models::weights::{self, WeightsError};

/// What diffusers calls its file.
pub const FILE_NAME: &str = "pytorch_lora_weights.safetensors";

/// How a file names its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// diffusers' or peft's: modules by their paths.
    Diffusers,
    /// kohya's, A1111's, ComfyUI's: paths with `_`, and alphas.
    Kohya,
}

impl Form {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diffusers => "diffusers",
            Self::Kohya => "kohya",
        }
    }
}

/// The adapter of one layer.
#[derive(Debug)]
pub struct Layer {
    /// [`UNET`] or [`TEXT_ENCODER`].
    pub network: &'static str,
    /// The layer's key there: diffusers', transformers' (without `text_model.`).
    pub module: String,
    /// `[r, in]` or `[r, in, k, k]`.
    pub down: Tensor,
    /// `[out, r]` or `[out, r, 1, 1]`.
    pub up: Tensor,
    /// What the scale is over the rank.
    pub alpha: f64,
    /// Over the rank's root instead.
    pub rslora: bool,
}

impl Layer {
    /// r.
    pub fn rank(&self) -> i64 {
        self.down.size().first().copied().unwrap_or_default()
    }

    /// What the product of up and down is multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank() as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// `unet.mid_block...`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.network, self.module)
    }

    /// The same tensors as a network takes them; `strength` multiplies what is added.
    fn adapter(&self, strength: f64) -> Adapter {
        Adapter {
            module: self.module.clone(),
            down: self.down.shallow_clone(),
            up: self.up.shallow_clone(),
            scale: self.scale() * strength,
        }
    }
}

/// A LoRA as its file holds it.
#[derive(Debug)]
pub struct LoraFile {
    /// By name.
    pub layers: Vec<Layer>,
    /// Whole parameters that stand in for the base's, by full name: `unet.conv_in.weight` of a paired adapter.
    pub whole: Vec<(String, Tensor)>,
    /// How the file named them.
    pub form: Form,
    /// The header's text entries.
    pub metadata: BTreeMap<String, String>,
    /// What a reader should know: where the scale was not said.
    pub remarks: Vec<String>,
}

/// Why a LoRA could not be read or written. The path comes first in every message.
#[derive(Debug, thiserror::Error)]
pub enum LoraFileError {
    /// The file itself.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// It can be read, and is no LoRA that is supported.
    #[error("{}: {what}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// It does not fit the base.
    #[error("{0}")]
    Unfit(String),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// What a key of a file is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Down,
    Up,
    Alpha,
    /// A parameter of the base itself.
    Whole,
}

/// A layer's tensors as they come.
#[derive(Debug, Default)]
struct Draft {
    down: Option<Tensor>,
    up: Option<Tensor>,
    alpha: Option<f64>,
}

impl LoraFile {
    /// Read a file, or the folder that holds diffusers' one. Every tensor is checked to be finite and every layer to be
    /// whole.
    pub fn load(path: &Path) -> Result<Self, LoraFileError> {
        let path = &located(path)?;
        let fault = |what: String| LoraFileError::Format { path: path.clone(), what };
        let tensors = weights::load_file(path)?;
        let metadata: BTreeMap<String, String> = weights::metadata(path)?.into_iter().collect();
        let tensors = with_conv_in(path, tensors, &metadata)?;
        let keys = tensors.iter().map(|(key, _)| key.as_str());
        let form = if keys.clone().any(kohya::is_key) { Form::Kohya } else { Form::Diffusers };
        if let Some(kind) = keys.clone().find_map(names::other_kind) {
            return Err(fault(format!("{kind}, which is not supported; only LoRA (and LoCon) is")));
        }
        let (mut drafts, mut whole, mut problems) = (BTreeMap::<(&str, String), Draft>::new(), Vec::new(), Vec::new());
        for (key, tensor) in &tensors {
            let parsed = match form {
                Form::Kohya => kohya::parse(key),
                Form::Diffusers => diffusers::parse(key),
            };
            let (network, module, role) = match parsed {
                Ok(parsed) => parsed,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if !is_finite(tensor)? {
                problems.push(format!("`{key}` holds NaN or infinity"));
                continue;
            }
            if role == Role::Whole {
                whole.push((format!("{network}.{module}"), tensor.f_to_kind(Kind::Float)?));
                continue;
            }
            let draft = drafts.entry((network, module)).or_default();
            let is_new = match role {
                Role::Alpha if tensor.numel() == 1 => {
                    let alpha = f64::try_from(&tensor.f_to_kind(Kind::Double)?.f_reshape([])?)?;
                    draft.alpha.replace(alpha).is_none()
                }
                Role::Alpha => {
                    problems.push(format!("`{key}` is {:?}, not one number", tensor.size()));
                    true
                }
                Role::Down => draft.down.replace(tensor.shallow_clone()).is_none(),
                Role::Up | Role::Whole => draft.up.replace(tensor.shallow_clone()).is_none(),
            };
            if !is_new {
                problems.push(format!("`{key}` names a tensor that another key names too"));
            }
        }
        if drafts.is_empty() && whole.is_empty() {
            let what = if problems.is_empty() { "it holds no tensors".to_owned() } else { gist(&problems) };
            return Err(fault(format!("no LoRA of Stable Diffusion 1: {what}")));
        }
        if !problems.is_empty() {
            return Err(fault(gist(&problems)));
        }
        let said =
            if form == Form::Diffusers { diffusers::Said::read(path, &metadata)? } else { diffusers::Said::default() };
        let (mut layers, mut silent) = (Vec::with_capacity(drafts.len()), 0);
        for ((network, module), draft) in drafts {
            match draft.layer(network, module, &said, &mut silent) {
                Ok(layer) => layers.push(layer),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(fault(gist(&problems)));
        }
        let remarks = remark(form, silent, layers.len()).into_iter().collect();
        Ok(Self { layers, whole, form, metadata, remarks })
    }

    /// What is trained, to be written: views, not copies.
    pub fn of(lora: &Lora) -> Result<Self, TchError> {
        let mut file = Self {
            layers: Vec::new(),
            whole: Vec::new(),
            form: Form::Diffusers,
            metadata: BTreeMap::new(),
            remarks: Vec::new(),
        };
        for network in [UNET, TEXT_ENCODER] {
            let adapters = lora.adapters(network)?;
            for Adapter { module, down, up, .. } in adapters.layers {
                let (alpha, rslora) = (lora.config.alpha, lora.config.rslora);
                file.layers.push(Layer { network, module, down: down.f_detach()?, up: up.f_detach()?, alpha, rslora });
            }
            for (name, tensor) in adapters.replaced {
                file.whole.push((format!("{network}.{name}"), tensor.f_detach()?));
            }
        }
        Ok(file)
    }

    /// Whether it turns an ordinary base into one that reads the photo beside the noise (`InstructPix2Pix`).
    pub fn is_paired(&self) -> bool {
        self.whole.iter().any(|(name, _)| name == "unet.conv_in.weight")
    }

    /// All ranks, smallest first.
    pub fn ranks(&self) -> BTreeSet<i64> {
        self.layers.iter().map(Layer::rank).collect()
    }

    /// How many numbers were trained.
    pub fn parameters(&self) -> usize {
        let layers = self.layers.iter().map(|layer| layer.down.numel() + layer.up.numel());
        layers.sum::<usize>() + self.whole.iter().map(|(_, tensor)| tensor.numel()).sum::<usize>()
    }

    /// Write diffusers' form; see [`Alpha`] for where the scale goes. `kind` is what the numbers are kept in. A paired
    /// adapter's `conv_in` goes into a file of its own ([`conv_in_of`]).
    pub fn save_diffusers(&self, path: &Path, alpha: Alpha, kind: Kind) -> Result<(), LoraFileError> {
        let (tensors, metadata) = diffusers::content(self, alpha, kind)?;
        // First what the other needs, so that a file that is there is whole.
        self.save_conv_in(path, kind)?;
        let metadata: Vec<(&str, &str)> = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Ok(weights::save_safetensors(path, &tensors, &metadata)?)
    }

    /// Write kohya's form, the alphas beside the tensors. A paired adapter has no place there.
    pub fn save_kohya(&self, path: &Path, about: &About, kind: Kind) -> Result<(), LoraFileError> {
        let fault = |what: String| LoraFileError::Format { path: path.to_owned(), what };
        let (tensors, metadata) = kohya::content(self, about, kind, fault)?;
        self.save_conv_in(path, kind)?;
        let metadata: Vec<(&str, &str)> = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Ok(weights::save_safetensors(path, &tensors, &metadata)?)
    }
}

impl LoraFile {
    /// The file beside `path`; where nothing belongs into it, none from an earlier LoRA is left.
    fn save_conv_in(&self, path: &Path, kind: Kind) -> Result<(), LoraFileError> {
        let beside = conv_in_of(path);
        if self.whole.is_empty() {
            return match std::fs::remove_file(&beside) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    Err(WeightsError::Io { path: beside, cause }.into())
                }
                _ => Ok(()),
            };
        }
        let own = |name: &str| name.strip_prefix("unet.").unwrap_or(name).to_owned();
        let tensors = self.whole.iter().map(|(name, tensor)| Ok((own(name), tensor.f_to_kind(kind)?)));
        let tensors = tensors.collect::<Result<Vec<_>, TchError>>()?;
        Ok(weights::save_safetensors(&beside, &tensors, &[("format", "pt")])?)
    }
}

/// Where the widened first convolution of a paired adapter is kept: beside its file, because diffusers refuses a LoRA
/// with any other tensor in it. `x.safetensors` has `x.conv_in.safetensors`.
pub fn conv_in_of(path: &Path) -> PathBuf {
    path.with_extension("conv_in.safetensors")
}

/// The tensors with those of the file beside, which must be there where the header says so.
fn with_conv_in(
    path: &Path,
    mut tensors: Vec<(String, Tensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<(String, Tensor)>, LoraFileError> {
    let beside = conv_in_of(path);
    if beside.is_file() {
        let names = |(name, tensor): (String, Tensor)| (format!("unet.{name}"), tensor);
        tensors.extend(weights::load_file(&beside)?.into_iter().map(names));
    } else if metadata.contains_key(diffusers::PAIRED) {
        let what = format!(
            "a paired LoRA whose first convolution is missing: {} must lie beside it",
            beside.file_name().unwrap_or_default().to_string_lossy()
        );
        return Err(LoraFileError::Format { path: path.to_owned(), what });
    }
    Ok(tensors)
}

impl Draft {
    fn layer(
        self,
        network: &'static str,
        module: String,
        said: &diffusers::Said,
        silent: &mut usize,
    ) -> Result<Layer, String> {
        let name = format!("{network}.{module}");
        let (Some(down), Some(up)) = (self.down, self.up) else {
            return Err(format!("`{name}` is not whole: its projection up or down is missing"));
        };
        let (d, u) = (down.size(), up.size());
        let fits = d.len() >= 2 && u.len() >= 2 && u[1] == d[0] && d[0] > 0 && u[2..].iter().all(|&side| side == 1);
        if !fits {
            return Err(format!("`{name}` is {d:?} down and {u:?} up, which do not join"));
        }
        let rank = d[0] as f64;
        // Zero is how A1111 takes it, too: no word on the scale.
        let (alpha, rslora) = match self.alpha.filter(|&alpha| alpha != 0.0) {
            Some(alpha) => (alpha, false),
            None => said.alpha(network, &module).unwrap_or_else(|| {
                *silent += 1;
                (rank, false)
            }),
        };
        Ok(Layer { network, module, down, up, alpha, rslora })
    }
}

fn remark(form: Form, silent: usize, all: usize) -> Option<String> {
    if silent == 0 {
        return None;
    }
    let of = if silent == all { "it does".to_owned() } else { format!("{silent} of {all} layers do") };
    let place = match form {
        Form::Diffusers => "there is no `lora_adapter_metadata` for it in the header",
        Form::Kohya => "there is no `.alpha` for it",
    };
    Some(format!(
        "{of} not say alpha ({place}), so alpha is taken to be the rank; if it was trained with another, what it adds is \
         off by that factor"
    ))
}

/// The file itself, or diffusers' in a folder.
fn located(path: &Path) -> Result<PathBuf, LoraFileError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let names = [FILE_NAME, "adapter_model.safetensors", "pytorch_lora_weights.bin"];
    names.iter().map(|name| path.join(name)).find(|file| file.is_file()).ok_or_else(|| LoraFileError::Format {
        path: path.to_owned(),
        what: format!("no {FILE_NAME} there; give the file itself where it is called otherwise"),
    })
}

/// NaN and infinities reach the extremes.
fn is_finite(tensor: &Tensor) -> Result<bool, TchError> {
    if tensor.numel() == 0 {
        return Ok(true);
    }
    let (low, high) = tensor.f_to_kind(Kind::Float)?.f_aminmax(None, false)?;
    Ok(f64::try_from(&low)?.is_finite() && f64::try_from(&high)?.is_finite())
}
