//! CLIP's text encoder (Radford et al. 2021), as `CLIPTextModel`: its last hidden state is what the UNet attends to.

use tch::{Device, Kind, TchError, Tensor};

use super::blocks::attention::attend;
use super::blocks::{linear, norm};
use super::config::{Activation, TextConfig};
use super::lora::{Adapters, LoraError};
use super::net::Net;
use crate::models::layers::wide;
use crate::models::params::{Layout, Params};
use crate::models::tap::tap;

/// Name and shape of every parameter, in the order of transformers' state dict since its version 5 (before, each began
/// with `text_model.`).
pub fn layout(config: &TextConfig) -> Layout {
    let width = config.hidden_size;
    let mut layout = vec![
        ("embeddings.token_embedding.weight".to_owned(), vec![config.vocab_size, width]),
        ("embeddings.position_embedding.weight".to_owned(), vec![config.max_position_embeddings, width]),
    ];
    for index in 0..config.num_hidden_layers {
        let at = |part: &str| format!("encoder.layers.{index}.{part}");
        for part in ["k_proj", "v_proj", "q_proj", "out_proj"] {
            layout.extend(linear(&at(&format!("self_attn.{part}")), width, width));
        }
        layout.extend(norm(&at("layer_norm1"), width));
        layout.extend(linear(&at("mlp.fc1"), width, config.intermediate_size));
        layout.extend(linear(&at("mlp.fc2"), config.intermediate_size, width));
        layout.extend(norm(&at("layer_norm2"), width));
    }
    layout.extend(norm("final_layer_norm", width));
    layout
}

/// Before the stages in the names of taps.
pub const NETWORK: &str = "text_encoder";

/// Names of a forward pass's stages, in order.
pub fn stages(config: &TextConfig) -> Vec<String> {
    let layers = (0..config.num_hidden_layers).map(|index| format!("encoder.layers.{index}"));
    std::iter::once("embeddings".to_owned()).chain(layers).chain(["final_layer_norm".to_owned()]).collect()
}

/// The network: frozen, with what is trained beside it.
#[derive(Debug)]
pub struct TextEncoder {
    /// What it is.
    pub config: TextConfig,
    /// The frozen parameters ([`layout`]), float32 or narrower.
    pub params: Params,
    adapters: Adapters,
    kind: Kind,
    device: Device,
}

impl TextEncoder {
    /// A network of parameters that fit its [`layout`].
    pub fn new(config: TextConfig, params: Params) -> Result<Self, TchError> {
        let first = params.iter().next();
        let (_, first) = first.ok_or_else(|| TchError::Shape("a text encoder without parameters".to_owned()))?;
        let (kind, device) = (first.f_kind()?, first.device());
        Ok(Self { config, params, adapters: Adapters::default(), kind, device })
    }

    /// Put adapters beside the network, in place of those it had.
    pub fn attach(&mut self, adapters: Adapters) -> Result<(), LoraError> {
        adapters.check(&self.params.layout())?;
        self.adapters = adapters;
        Ok(())
    }

    /// Take the adapters away.
    pub fn detach(&mut self) -> Adapters {
        std::mem::take(&mut self.adapters)
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        self.device
    }

    /// What it computes in.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Token ids `[B, N]`, N up to 77, int64 → `[B, N, D]`, float32. Adapters see all of their inputs.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor, TchError> {
        self.pass(ids, false)
    }

    /// The same in a training step: adapters drop some of their inputs.
    pub fn forward_training(&self, ids: &Tensor) -> Result<Tensor, TchError> {
        self.pass(ids, true)
    }

    fn pass(&self, ids: &Tensor, training: bool) -> Result<Tensor, TchError> {
        let (_, tokens) = ids.size2()?;
        if tokens > self.config.max_position_embeddings {
            let most = self.config.max_position_embeddings;
            return Err(TchError::Shape(format!("{tokens} tokens, where the text encoder takes {most} at most")));
        }
        let adapters = self.adapters.prepared(self.kind, training)?;
        let net = Net { params: &self.params, adapters: &adapters };
        let words = net.get("embeddings.token_embedding.weight")?;
        let positions = net.get("embeddings.position_embedding.weight")?.f_narrow(0, 0, tokens)?;
        let ids = ids.f_to_device(self.device)?;
        let mut h = Tensor::f_embedding(words, &ids, -1, false, false)?.f_add(&positions)?; // [B, N, D]
        tap(NETWORK, format_args!("embeddings"), &h);
        for index in 0..self.config.num_hidden_layers {
            let key = format!("encoder.layers.{index}");
            h = self.layer(&net, &key, &h)?;
            tap(NETWORK, format_args!("{key}"), &h);
        }
        let h = net.layer_norm("final_layer_norm", &h, self.config.layer_norm_eps)?.f_to_kind(wide(self.kind))?;
        tap(NETWORK, format_args!("final_layer_norm"), &h);
        Ok(h)
    }

    fn layer(&self, net: &Net<'_>, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let at = |part: &str| format!("{key}.{part}");
        let eps = self.config.layer_norm_eps;
        let h = net.layer_norm(&at("layer_norm1"), x, eps)?;
        let part = |part: &str| net.linear(&at(&format!("self_attn.{part}")), &h);
        let heads = self.config.num_attention_heads;
        let h = attend(&part("q_proj")?, &part("k_proj")?, &part("v_proj")?, heads, true)?;
        let x = x.f_add(&net.linear(&at("self_attn.out_proj"), &h)?)?;
        let h = net.linear(&at("mlp.fc1"), &net.layer_norm(&at("layer_norm2"), &x, eps)?)?;
        let h = match self.config.hidden_act {
            Activation::QuickGelu => h.f_mul(&h.f_mul_scalar(1.702)?.f_sigmoid()?)?,
            Activation::Gelu => h.f_gelu("none")?,
        };
        x.f_add(&net.linear(&at("mlp.fc2"), &h)?)
    }
}
