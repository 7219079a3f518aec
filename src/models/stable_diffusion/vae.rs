//! `AutoencoderKL`: between images and latents an eighth as large.
//!
//! Latents are the network's own. The diffusion model's are `scaling_factor` times as large, but for those that an
//! `InstructPix2Pix` UNet reads beside them: the caller scales.

mod layout;

use tch::{Device, Kind, TchError, Tensor};

use super::blocks::attention::attend;
use super::blocks::{resnet, upsample};
use super::config::VaeConfig;
use super::lora::Prepared;
use super::net::Net;
use crate::models::layers::wide;
use crate::models::params::Params;
use crate::models::tap::tap;
use crate::models::tile;
pub use layout::layout;

/// diffusers fixes it.
const EPS: f64 = 1e-6;

/// Before the stages in the names of taps.
pub const NETWORK: &str = "vae";

/// Names of the stages of encoding and decoding, in order.
pub fn stages(config: &VaeConfig) -> Vec<String> {
    let levels = config.block_out_channels.len();
    let half = |name: &str, blocks: &str| -> Vec<String> {
        let blocks: Vec<String> = (0..levels).map(|block| format!("{name}.{blocks}.{block}")).collect();
        let (first, middle, last) =
            (format!("{name}.conv_in"), format!("{name}.mid_block"), format!("{name}.conv_out"));
        // The middle is where the picture is smallest.
        let inner = if name == "encoder" { [blocks, vec![middle]] } else { [vec![middle], blocks] };
        std::iter::once(first).chain(inner.concat()).chain([last]).collect()
    };
    [half("encoder", "down_blocks"), half("decoder", "up_blocks")].concat()
}

/// The normal distribution that an image is encoded to.
#[derive(Debug)]
pub struct Moments {
    /// Its mean, and mode: `[B, 4, H/8, W/8]`, float32.
    pub mean: Tensor,
    /// The logarithm of its variance, within -30 and 20.
    pub logvar: Tensor,
}

impl Moments {
    /// The sample that standard normal `noise` of the mean's shape gives.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor, TchError> {
        self.mean.f_add(&self.logvar.f_mul_scalar(0.5)?.f_exp()?.f_mul(noise)?)
    }
}

/// The network, frozen.
#[derive(Debug)]
pub struct Vae {
    /// What it is.
    pub config: VaeConfig,
    /// Its parameters ([`layout`]), float32 or bfloat16; group norms float32. In float16 the published weights overflow.
    pub params: Params,
    none: Prepared,
    kind: Kind,
    device: Device,
}

impl Vae {
    /// A network of parameters that fit its [`layout`].
    pub fn new(config: VaeConfig, params: Params) -> Result<Self, TchError> {
        let first = params.iter().next();
        let (_, first) = first.ok_or_else(|| TchError::Shape("an autoencoder without parameters".to_owned()))?;
        let (kind, device) = (first.f_kind()?, first.device());
        Ok(Self { config, params, none: Prepared::default(), kind, device })
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        self.device
    }

    /// What it computes in.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn net(&self) -> Net<'_> {
        Net { params: &self.params, adapters: &self.none }
    }

    fn norms(&self) -> resnet::Norms {
        resnet::Norms { groups: self.config.norm_num_groups, eps: EPS }
    }

    /// Images `[B, 3, H, W]` in [-1, 1], height and width multiples of [`VaeConfig::factor`] → their distributions.
    pub fn encode(&self, image: &Tensor) -> Result<Moments, TchError> {
        let (_, channels, height, width) = image.size4()?;
        let factor = self.config.factor();
        if channels != self.config.in_channels || height % factor != 0 || width % factor != 0 || height * width == 0 {
            let (wanted, size) = (self.config.in_channels, image.size());
            return Err(TchError::Shape(format!(
                "the autoencoder takes images [B, {wanted}, H, W] with sides that are multiples of {factor}, not {size:?}"
            )));
        }
        let net = self.net();
        let levels = self.config.block_out_channels.len();
        let mut h = net.conv("encoder.conv_in", &image.f_to_kind(self.kind)?, 1, 1)?; // [B, c, H, W]
        tap(NETWORK, format_args!("encoder.conv_in"), &h);
        for level in 0..levels {
            let key = format!("encoder.down_blocks.{level}");
            for index in 0..self.config.layers_per_block {
                h = resnet::forward(&net, &format!("{key}.resnets.{index}"), &h, None, self.norms())?;
            }
            if level + 1 < levels {
                // Padded at the right and at the bottom alone.
                let padded = h.f_constant_pad_nd([0, 1, 0, 1])?;
                h = net.conv(&format!("{key}.downsamplers.0.conv"), &padded, 2, 0)?;
            }
            tap(NETWORK, format_args!("{key}"), &h);
        }
        let h = self.middle("encoder.mid_block", &h)?;
        tap(NETWORK, format_args!("encoder.mid_block"), &h);
        let h = net.group_norm_silu("encoder.conv_norm_out", &h, self.config.norm_num_groups, EPS)?;
        let h = net.conv("encoder.conv_out", &h, 1, 1)?; // [B, 2 * 4, H/8, W/8]
        tap(NETWORK, format_args!("encoder.conv_out"), &h);
        let h = net.conv("quant_conv", &h, 1, 0)?;
        let halves = h.f_to_kind(wide(self.kind))?.f_chunk(2, 1)?;
        Ok(Moments { mean: halves[0].shallow_clone(), logvar: halves[1].f_clamp(-30.0, 20.0)? })
    }

    /// Latents `[B, 4, h, w]` → images `[B, 3, 8h, 8w]`, about [-1, 1], float32.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor, TchError> {
        let (_, channels, height, width) = latents.size4()?;
        if channels != self.config.latent_channels || height * width == 0 {
            let (wanted, size) = (self.config.latent_channels, latents.size());
            return Err(TchError::Shape(format!("the autoencoder takes latents [B, {wanted}, h, w], not {size:?}")));
        }
        let net = self.net();
        let levels = self.config.block_out_channels.len();
        let h = net.conv("post_quant_conv", &latents.f_to_kind(self.kind)?, 1, 0)?;
        let h = net.conv("decoder.conv_in", &h, 1, 1)?;
        tap(NETWORK, format_args!("decoder.conv_in"), &h);
        let mut h = self.middle("decoder.mid_block", &h)?;
        tap(NETWORK, format_args!("decoder.mid_block"), &h);
        for block in 0..levels {
            let key = format!("decoder.up_blocks.{block}");
            for index in 0..=self.config.layers_per_block {
                h = resnet::forward(&net, &format!("{key}.resnets.{index}"), &h, None, self.norms())?;
            }
            if block + 1 < levels {
                let (_, _, rows, columns) = h.size4()?;
                h = upsample(&net, &format!("{key}.upsamplers.0.conv"), &h, [2 * rows, 2 * columns])?;
            }
            tap(NETWORK, format_args!("{key}"), &h);
        }
        let h = net.group_norm_silu("decoder.conv_norm_out", &h, self.config.norm_num_groups, EPS)?;
        let h = net.conv("decoder.conv_out", &h, 1, 1)?.f_to_kind(wide(self.kind))?;
        tap(NETWORK, format_args!("decoder.conv_out"), &h);
        Ok(h)
    }

    /// [`Vae::decode`], one image after the other: the memory of one. The same result.
    pub fn decode_sliced(&self, latents: &Tensor) -> Result<Tensor, TchError> {
        let batch = latents.size4()?.0;
        let images: Vec<Tensor> =
            (0..batch).map(|at| self.decode(&latents.f_narrow(0, at, 1)?)).collect::<Result<_, _>>()?;
        Tensor::f_cat(&images, 0)
    }

    /// [`Vae::decode`] of large latents by squares of `tile` latent pixels that overlap by at least `overlap`, blended
    /// linearly across the overlap; `progress` hears (tiles done, tiles in all). On the CPU. Norms and attention see a
    /// tile alone, so the result is near the whole one, and not equal.
    pub fn decode_tiled(
        &self,
        latents: &Tensor,
        tile: i64,
        overlap: i64,
        progress: impl FnMut(usize, usize),
    ) -> Result<Tensor, TchError> {
        tile::map(
            latents,
            tile::Tiles { tile, overlap, scale: self.config.factor() },
            |x| self.decode_sliced(x),
            progress,
        )
    }

    /// `[B, C, h, w]`: residual block, attention of one head among all pixels, residual block.
    fn middle(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let net = self.net();
        let h = resnet::forward(&net, &format!("{key}.resnets.0"), x, None, self.norms())?;
        let h = self.attention(&format!("{key}.attentions.0"), &h)?;
        resnet::forward(&net, &format!("{key}.resnets.1"), &h, None, self.norms())
    }

    fn attention(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let net = self.net();
        let at = |part: &str| format!("{key}.{part}");
        let (batch, width, rows, columns) = x.size4()?;
        let h = net.group_norm(&at("group_norm"), x, self.config.norm_num_groups, EPS)?;
        let h = h.f_view([batch, width, rows * columns])?.f_transpose(1, 2)?; // [B, HW, C]
        let part = |part: &str| net.linear(&at(part), &h);
        let h = net.linear(&at("to_out.0"), &attend(&part("to_q")?, &part("to_k")?, &part("to_v")?, 1, false)?)?;
        x.f_add(&h.f_transpose(1, 2)?.f_reshape([batch, width, rows, columns])?)
    }
}
