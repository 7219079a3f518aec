//! Any size: reflected up to what a generator needs, and cropped back.

use tch::{TchError, Tensor};

use super::enhancer::{self, Gradients};
use super::{generator, multiple, smallest};
use crate::config::{Generator, GeneratorKind};
use crate::models::layers::View;
use crate::models::pad;

/// A generator's output for `[B, 3, H, W]` in [-1, 1] of any H and W from 1: same size and range, float32.
pub fn generate(view: &View<'_>, config: &Generator, x: &Tensor, gradients: Gradients) -> Result<Tensor, TchError> {
    let (_, channels, height, width) = x.size4()?;
    if channels != 3 || height < 1 || width < 1 {
        return Err(TchError::Shape(format!("expected images [B, 3, H, W], got {:?}", x.size())));
    }
    let forward = |x: &Tensor| match config.kind {
        GeneratorKind::Global => generator::forward(view, config, x),
        GeneratorKind::Local => enhancer::forward(view, config, x, gradients),
    };
    let (grown, place) = pad::to_multiple(x, multiple(config), smallest(config))?;
    place.crop(&forward(&grown)?)
}
