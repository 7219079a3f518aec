//! Parity of Stable Diffusion with diffusers, transformers and peft: golden numbers (tests/golden/README.md).
//!
//! `ATELIER_GOLDEN` may name another folder of such files, made with other seeds: they must hold as well.

mod load;
mod lora;
mod parity;

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};

use atelier::models::params::{Layout, Params};
use atelier::models::stable_diffusion::clip::{self, TextEncoder};
use atelier::models::stable_diffusion::config::{TextConfig, UNetConfig, VaeConfig};
use atelier::models::stable_diffusion::net::kind_of;
use atelier::models::stable_diffusion::unet::{self, UNet};
use atelier::models::stable_diffusion::vae::{self, Vae};
use atelier::models::weights;
use serde_json::Value;
use tch::{Kind, Tensor};

/// A golden file.
struct Golden {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    config: Value,
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The file of this name in every folder of golden numbers.
fn goldens(name: &str) -> Vec<Golden> {
    let folders = std::iter::once(own()).chain(env::var_os("ATELIER_GOLDEN").map(PathBuf::from));
    folders.map(|folder| golden(&folder.join(format!("{name}.safetensors")))).collect()
}

fn golden(path: &Path) -> Golden {
    let tensors = weights::load_file(path).unwrap().into_iter().collect();
    let config = serde_json::from_str(&weights::metadata(path).unwrap()["config"]).unwrap();
    Golden { path: path.to_owned(), tensors, config }
}

impl Golden {
    fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// The network's tensors.
    fn weights(&self) -> Vec<(String, Tensor)> {
        let named = self.tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("w.")?, tensor)));
        named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect()
    }

    /// A frozen network of them, in `kind`.
    fn params(&self, layout: &Layout, tensors: Vec<(String, Tensor)>, kind: Kind) -> Params {
        let cast = |(name, tensor): (String, Tensor)| {
            let kind = kind_of(&name, kind);
            (name, tensor.to_kind(kind))
        };
        let tensors: Vec<_> = tensors.into_iter().map(cast).collect();
        Params::frozen(layout, &tensors).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }

    fn unet(&self, kind: Kind) -> UNet {
        let config = UNetConfig::from_json(self.config.get("unet").unwrap_or(&self.config), &self.path).unwrap();
        let params = self.params(&unet::layout(&config), self.weights(), kind);
        UNet::new(config, params).unwrap()
    }

    fn vae(&self, kind: Kind) -> Vae {
        let config = VaeConfig::from_json(&self.config, &self.path).unwrap();
        let params = self.params(&vae::layout(&config), self.weights(), kind);
        Vae::new(config, params).unwrap()
    }

    fn text(&self, kind: Kind) -> TextEncoder {
        let config = TextConfig::from_json(&self.config, &self.path).unwrap();
        let mut tensors = self.weights();
        // A large vocabulary comes as its rows in use.
        if let Some(at) = tensors.iter().position(|(name, _)| name.strip_suffix(".rows").is_some()) {
            let (name, rows) = tensors.swap_remove(at);
            let name = name.strip_suffix(".rows").unwrap();
            let (_, table) = tensors.iter_mut().find(|(other, _)| other == name).unwrap();
            let mut whole = Tensor::zeros([config.vocab_size, config.hidden_size], (table.kind(), table.device()));
            *table = whole.index_copy_(0, &rows, table);
        }
        for (name, _) in &mut tensors {
            *name = name.strip_prefix("text_model.").unwrap_or(name).to_owned();
        }
        let params = self.params(&clip::layout(&config), tensors, kind);
        TextEncoder::new(config, params).unwrap()
    }
}

/// Largest difference, relative to the largest reference value.
fn difference(have: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(have.size(), want.size());
    let (have, want) = (have.detach().to_kind(Kind::Double), want.detach().to_kind(Kind::Double));
    let worst = f64::try_from((have - &want).abs().max()).unwrap();
    assert!(worst.is_finite(), "not finite");
    worst / f64::try_from(want.abs().max()).unwrap().max(1e-12)
}
