//! `UNet2DConditionModel`: what noise is in the latents, given the time and the text.

mod layer;
mod layout;

use tch::{Device, Kind, TchError, Tensor};

use super::blocks::{resnet, upsample};
use super::config::UNetConfig;
use super::lora::{Adapters, LoraError};
use super::net::Net;
use crate::models::layers::wide;
use crate::models::params::Params;
use crate::models::tap::tap;
use layer::Layer;
pub use layout::layout;

/// Before the stages in the names of taps.
pub const NETWORK: &str = "unet";

/// Names of a forward pass's stages, in order.
pub fn stages(config: &UNetConfig) -> Vec<String> {
    let levels = config.block_out_channels.len();
    let layer = |key: &str, index, level, attends| Layer::new(config, key, index, level, attends).key().to_owned();
    let mut stages = vec!["time_embedding".to_owned(), "conv_in".to_owned()];
    for level in 0..levels {
        let key = format!("down_blocks.{level}");
        stages
            .extend((0..config.layers_per_block).map(|index| layer(&key, index, level, config.down_attention[level])));
        stages.extend((level + 1 < levels).then(|| format!("{key}.downsamplers.0")));
    }
    stages.extend([layer("mid_block", 0, levels - 1, true), layer("mid_block", 1, levels - 1, false)]);
    for block in 0..levels {
        let (key, level) = (format!("up_blocks.{block}"), levels - 1 - block);
        stages.extend((0..=config.layers_per_block).map(|index| layer(&key, index, level, config.up_attention[block])));
        stages.extend((block + 1 < levels).then(|| format!("{key}.upsamplers.0")));
    }
    stages.push("conv_out".to_owned());
    stages
}

/// The network: frozen, with what is trained beside it.
#[derive(Debug)]
pub struct UNet {
    /// What it is.
    pub config: UNetConfig,
    /// The frozen parameters ([`layout`]), float32 or narrower; group norms float32 ([`super::net::kind_of`]).
    pub params: Params,
    adapters: Adapters,
    kind: Kind,
    device: Device,
}

/// One pass: what all blocks read.
struct Pass<'a> {
    net: Net<'a>,
    norms: resnet::Norms,
    /// Activated, `[B, 4 c]`.
    time: Tensor,
    /// `[B, 77, D]`.
    context: Tensor,
    /// Keep the inputs of each layer alone, and compute the rest again on the way back.
    gradient_checkpointing: bool,
}

impl UNet {
    /// A network of parameters that fit its [`layout`].
    pub fn new(config: UNetConfig, params: Params) -> Result<Self, TchError> {
        let first = params.get("conv_in.weight");
        let first = first.ok_or_else(|| TchError::TensorNameNotFound("conv_in.weight".into(), "the UNet".into()))?;
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

    /// Channels of the sample that it takes: those of a widened `conv_in` where it has one.
    pub fn in_channels(&self) -> i64 {
        let widened = self.adapters.replaced.iter().find(|(name, _)| name == "conv_in.weight");
        widened.map_or(self.config.in_channels, |(_, weight)| weight.size()[1])
    }

    /// The prediction for `sample` `[B, in, h, w]` of any height and width, `timesteps` `[B]` (or `[1]` for all) and
    /// `context` `[B, 77, D]`: `[B, out, h, w]`, float32. Adapters see all of their inputs.
    pub fn forward(&self, sample: &Tensor, timesteps: &Tensor, context: &Tensor) -> Result<Tensor, TchError> {
        self.pass(sample, timesteps, context, false, false)
    }

    /// The same in a training step: adapters drop some of their inputs. With `gradient_checkpointing` the pass keeps
    /// the inputs of its layers alone and computes the rest again on the way back: the same gradients for a third more
    /// time and a fraction of the memory.
    pub fn forward_training(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        context: &Tensor,
        gradient_checkpointing: bool,
    ) -> Result<Tensor, TchError> {
        self.pass(sample, timesteps, context, true, gradient_checkpointing)
    }

    fn pass(
        &self,
        sample: &Tensor,
        timesteps: &Tensor,
        context: &Tensor,
        training: bool,
        gradient_checkpointing: bool,
    ) -> Result<Tensor, TchError> {
        let (batch, channels, height, width) = sample.size4()?;
        if channels != self.in_channels() || height < 1 || width < 1 {
            let (wanted, size) = (self.in_channels(), sample.size());
            return Err(TchError::Shape(format!("the UNet takes latents [B, {wanted}, h, w], not {size:?}")));
        }
        let adapters = self.adapters.prepared(self.kind, training)?;
        let net = Net { params: &self.params, adapters: &adapters };
        let norms = resnet::Norms { groups: self.config.norm_num_groups, eps: self.config.norm_eps };
        let time = self.time_embedding(net, timesteps)?.f_expand([batch, -1], false)?;
        tap(NETWORK, format_args!("time_embedding"), &time);
        let context = context.f_to_kind(self.kind)?;
        let pass = Pass { net, norms, time, context, gradient_checkpointing };
        let h = net.conv("conv_in", &sample.f_to_kind(self.kind)?, 1, 1)?; // [B, c, h, w]
        tap(NETWORK, format_args!("conv_in"), &h);
        let mut skips = vec![h.shallow_clone()];
        let h = self.down(&pass, h, &mut skips)?;
        let h = self.middle(&pass, &h)?;
        let h = self.up(&pass, h, skips)?;
        let h = net.group_norm_silu("conv_norm_out", &h, norms.groups, norms.eps)?;
        let h = net.conv("conv_out", &h, 1, 1)?.f_to_kind(wide(self.kind))?;
        tap(NETWORK, format_args!("conv_out"), &h);
        Ok(h)
    }

    /// `[B]` → `[B, 4 c]`, activated as every residual block wants it.
    fn time_embedding(&self, net: Net<'_>, timesteps: &Tensor) -> Result<Tensor, TchError> {
        let half = self.config.block_out_channels[0] / 2;
        let kind = wide(self.kind);
        let exponent = -f64::ln(10_000.0) / (half - self.config.freq_shift) as f64;
        let frequencies = Tensor::f_arange(half, (kind, self.device))?.f_mul_scalar(exponent)?.f_exp()?;
        let angles = timesteps.f_to_device(self.device)?.f_to_kind(kind)?.f_reshape([-1, 1])?.f_mul(&frequencies)?;
        let (sin, cos) = (angles.f_sin()?, angles.f_cos()?);
        let waves = if self.config.flip_sin_to_cos { [cos, sin] } else { [sin, cos] };
        let waves = Tensor::f_cat(&waves, 1)?.f_to_kind(self.kind)?; // [B, c]
        let h = net.linear("time_embedding.linear_1", &waves)?.f_silu()?;
        net.linear("time_embedding.linear_2", &h)?.f_silu()
    }

    fn down(&self, pass: &Pass<'_>, mut h: Tensor, skips: &mut Vec<Tensor>) -> Result<Tensor, TchError> {
        let levels = self.config.block_out_channels.len();
        for level in 0..levels {
            let key = format!("down_blocks.{level}");
            for index in 0..self.config.layers_per_block {
                let layer = Layer::new(&self.config, &key, index, level, self.config.down_attention[level]);
                h = pass.layer(&layer, &h, None)?;
                skips.push(h.shallow_clone());
            }
            if level + 1 < levels {
                h = pass.net.conv(&format!("{key}.downsamplers.0.conv"), &h, 2, 1)?;
                tap(NETWORK, format_args!("{key}.downsamplers.0"), &h);
                skips.push(h.shallow_clone());
            }
        }
        Ok(h)
    }

    fn middle(&self, pass: &Pass<'_>, h: &Tensor) -> Result<Tensor, TchError> {
        let deepest = self.config.block_out_channels.len() - 1;
        let h = pass.layer(&Layer::new(&self.config, "mid_block", 0, deepest, true), h, None)?;
        pass.layer(&Layer::new(&self.config, "mid_block", 1, deepest, false), &h, None)
    }

    fn up(&self, pass: &Pass<'_>, mut h: Tensor, mut skips: Vec<Tensor>) -> Result<Tensor, TchError> {
        let levels = self.config.block_out_channels.len();
        for block in 0..levels {
            let (key, level) = (format!("up_blocks.{block}"), levels - 1 - block);
            for index in 0..=self.config.layers_per_block {
                let layer = Layer::new(&self.config, &key, index, level, self.config.up_attention[block]);
                h = pass.layer(&layer, &h, skips.pop().as_ref())?;
            }
            if let Some(next) = skips.last() {
                // To the size of what is joined next: twice as large, or one less where a side was odd.
                let (_, _, height, width) = next.size4()?;
                h = upsample(&pass.net, &format!("{key}.upsamplers.0.conv"), &h, [height, width])?;
                tap(NETWORK, format_args!("{key}.upsamplers.0"), &h);
            }
        }
        Ok(h)
    }
}
