//! The Inception v3 (Szegedy et al. 2016) of FID: TensorFlow's of 2015-12-05 with the keys of pytorch-fid 0.3.0, up to
//! its 2048 pooled features.
//!
//! It is not torchvision's Inception: average pools leave their padding out, the last block pools by maximum, and the
//! weights are others (reference/training.md §3.3). Batch norms are folded into the convolutions before them.

use std::collections::HashMap;

use tch::{Kind, TchError, Tensor};

use super::backbone::channels_last;
use crate::models::params::{Layout, Params};

/// Side of the square that the network sees.
const SIDE: i64 = 299;
/// Features an image.
pub const FEATURES: i64 = 2048;
const BATCH_NORM_EPSILON: f64 = 1e-3;

/// How images become 299 pixels a side; the numbers of the two are not comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resize {
    /// pytorch-fid: bilinear between the nearest four pixels, whatever lies between the samples is lost.
    Bilinear,
    /// clean-fid (Parmar et al. 2022): Pillow's bicubic in float32, which averages what it shrinks.
    Clean,
}

/// A convolution with a batch norm, without padding where nothing is said.
#[derive(Debug)]
struct Conv {
    name: String,
    inputs: i64,
    outputs: i64,
    kernel: [i64; 2],
    stride: i64,
    padding: [i64; 2],
}

/// All convolutions, in the order of pytorch-fid's state dict.
fn convolutions() -> Vec<Conv> {
    let mut all = Vec::new();
    let mut add = |name: &str, inputs: i64, outputs: i64, kernel: [i64; 2], stride: i64, padding: [i64; 2]| {
        all.push(Conv { name: name.to_owned(), inputs, outputs, kernel, stride, padding });
    };
    add("Conv2d_1a_3x3", 3, 32, [3, 3], 2, [0, 0]);
    add("Conv2d_2a_3x3", 32, 32, [3, 3], 1, [0, 0]);
    add("Conv2d_2b_3x3", 32, 64, [3, 3], 1, [1, 1]);
    add("Conv2d_3b_1x1", 64, 80, [1, 1], 1, [0, 0]);
    add("Conv2d_4a_3x3", 80, 192, [3, 3], 1, [0, 0]);
    for (block, inputs, pooled) in [("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)] {
        let mut add = |name: &str, inputs, outputs, side: i64| {
            add(&format!("Mixed_{block}.{name}"), inputs, outputs, [side; 2], 1, [side / 2; 2]);
        };
        add("branch1x1", inputs, 64, 1);
        add("branch5x5_1", inputs, 48, 1);
        add("branch5x5_2", 48, 64, 5);
        add("branch3x3dbl_1", inputs, 64, 1);
        add("branch3x3dbl_2", 64, 96, 3);
        add("branch3x3dbl_3", 96, 96, 3);
        add("branch_pool", inputs, pooled, 1);
    }
    add("Mixed_6a.branch3x3", 288, 384, [3, 3], 2, [0, 0]);
    add("Mixed_6a.branch3x3dbl_1", 288, 64, [1, 1], 1, [0, 0]);
    add("Mixed_6a.branch3x3dbl_2", 64, 96, [3, 3], 1, [1, 1]);
    add("Mixed_6a.branch3x3dbl_3", 96, 96, [3, 3], 2, [0, 0]);
    let (across, down) = (([1, 7], [0, 3]), ([7, 1], [3, 0]));
    for (block, width) in [("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)] {
        let mut add = |name: &str, inputs, outputs, (kernel, padding)| {
            add(&format!("Mixed_{block}.{name}"), inputs, outputs, kernel, 1, padding);
        };
        let point = ([1, 1], [0, 0]);
        add("branch1x1", 768, 192, point);
        add("branch7x7_1", 768, width, point);
        add("branch7x7_2", width, width, across);
        add("branch7x7_3", width, 192, down);
        add("branch7x7dbl_1", 768, width, point);
        add("branch7x7dbl_2", width, width, down);
        add("branch7x7dbl_3", width, width, across);
        add("branch7x7dbl_4", width, width, down);
        add("branch7x7dbl_5", width, 192, across);
        add("branch_pool", 768, 192, point);
    }
    add("Mixed_7a.branch3x3_1", 768, 192, [1, 1], 1, [0, 0]);
    add("Mixed_7a.branch3x3_2", 192, 320, [3, 3], 2, [0, 0]);
    add("Mixed_7a.branch7x7x3_1", 768, 192, [1, 1], 1, [0, 0]);
    add("Mixed_7a.branch7x7x3_2", 192, 192, across.0, 1, across.1);
    add("Mixed_7a.branch7x7x3_3", 192, 192, down.0, 1, down.1);
    add("Mixed_7a.branch7x7x3_4", 192, 192, [3, 3], 2, [0, 0]);
    for (block, inputs) in [("7b", 1280), ("7c", 2048)] {
        let mut add = |name: &str, inputs, outputs, kernel: [i64; 2]| {
            add(&format!("Mixed_{block}.{name}"), inputs, outputs, kernel, 1, kernel.map(|side| side / 2));
        };
        add("branch1x1", inputs, 320, [1, 1]);
        add("branch3x3_1", inputs, 384, [1, 1]);
        add("branch3x3_2a", 384, 384, [1, 3]);
        add("branch3x3_2b", 384, 384, [3, 1]);
        add("branch3x3dbl_1", inputs, 448, [1, 1]);
        add("branch3x3dbl_2", 448, 384, [3, 3]);
        add("branch3x3dbl_3a", 384, 384, [1, 3]);
        add("branch3x3dbl_3b", 384, 384, [3, 1]);
        add("branch_pool", inputs, 192, [1, 1]);
    }
    all
}

/// Name and shape of every parameter and running statistic, the classifier left out.
pub fn layout() -> Layout {
    let mut layout = Layout::new();
    for Conv { name, inputs, outputs, kernel, .. } in convolutions() {
        layout.push((format!("{name}.conv.weight"), vec![outputs, inputs, kernel[0], kernel[1]]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            layout.push((format!("{name}.bn.{part}"), vec![outputs]));
        }
    }
    layout
}

/// The frozen network.
#[derive(Debug)]
pub struct Inception {
    layers: HashMap<String, Folded>,
}

#[derive(Debug)]
struct Folded {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: [i64; 2],
}

impl Inception {
    /// From parameters of [`layout`].
    pub fn new(params: &Params) -> Result<Self, TchError> {
        let mut layers = HashMap::new();
        for Conv { name, stride, padding, .. } in convolutions() {
            let get = |part: &str| {
                let key = format!("{name}.{part}");
                let found = params.get(&key).ok_or_else(|| TchError::Shape(format!("`{key}` is missing")))?;
                found.f_detach()?.f_to_kind(Kind::Double)
            };
            // bn(conv(x)) = weight (conv(x) - mean) / sqrt(var + epsilon) + bias, linear in the convolution.
            let scale =
                get("bn.running_var")?.f_add_scalar(BATCH_NORM_EPSILON)?.f_rsqrt()?.f_mul(&get("bn.weight")?)?;
            let bias = get("bn.bias")?.f_sub(&get("bn.running_mean")?.f_mul(&scale)?)?.f_to_kind(Kind::Float)?;
            let weight = get("conv.weight")?.f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?.f_to_kind(Kind::Float)?;
            layers.insert(name, Folded { weight: channels_last(&weight)?, bias, stride, padding });
        }
        Ok(Self { layers })
    }

    /// The same weights once more, not copied: for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let layer = |(name, layer): (&String, &Folded)| {
            let &Folded { ref weight, ref bias, stride, padding } = layer;
            (name.clone(), Folded { weight: weight.shallow_clone(), bias: bias.shallow_clone(), stride, padding })
        };
        Self { layers: self.layers.iter().map(layer).collect() }
    }

    /// The pooled features, float32 `[B, 2048]`, of images `[B, 3, H, W]` in [0, 1].
    pub fn features(&self, images: &Tensor, resize: Resize) -> Result<Tensor, TchError> {
        let x = channels_last(&prepared(images, resize)?)?;
        let x = self.chain("", &["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"], &x)?;
        let x = halve(&x)?;
        let mut x = halve(&self.chain("", &["Conv2d_3b_1x1", "Conv2d_4a_3x3"], &x)?)?;
        for block in ["5b", "5c", "5d"] {
            let to = |names: &[&str], x: &Tensor| self.chain(&format!("Mixed_{block}."), names, x);
            x = concatenate(&[
                to(&["branch1x1"], &x)?,
                to(&["branch5x5_1", "branch5x5_2"], &x)?,
                to(&["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], &x)?,
                to(&["branch_pool"], &average(&x)?)?,
            ])?;
        }
        x = concatenate(&[
            self.chain("Mixed_6a.", &["branch3x3"], &x)?,
            self.chain("Mixed_6a.", &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], &x)?,
            halve(&x)?,
        ])?;
        for block in ["6b", "6c", "6d", "6e"] {
            let to = |names: &[&str], x: &Tensor| self.chain(&format!("Mixed_{block}."), names, x);
            x = concatenate(&[
                to(&["branch1x1"], &x)?,
                to(&["branch7x7_1", "branch7x7_2", "branch7x7_3"], &x)?,
                to(&["branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"], &x)?,
                to(&["branch_pool"], &average(&x)?)?,
            ])?;
        }
        x = concatenate(&[
            self.chain("Mixed_7a.", &["branch3x3_1", "branch3x3_2"], &x)?,
            self.chain("Mixed_7a.", &["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"], &x)?,
            halve(&x)?,
        ])?;
        for (block, pooled) in [("7b", average as fn(&Tensor) -> _), ("7c", highest)] {
            let to = |names: &[&str], x: &Tensor| self.chain(&format!("Mixed_{block}."), names, x);
            let two = |x: &Tensor, first: &str, second: &str| concatenate(&[to(&[first], x)?, to(&[second], x)?]);
            x = concatenate(&[
                to(&["branch1x1"], &x)?,
                two(&to(&["branch3x3_1"], &x)?, "branch3x3_2a", "branch3x3_2b")?,
                two(&to(&["branch3x3dbl_1", "branch3x3dbl_2"], &x)?, "branch3x3dbl_3a", "branch3x3dbl_3b")?,
                to(&["branch_pool"], &pooled(&x)?)?,
            ])?;
        }
        x.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)
    }

    /// Convolutions of a block, one after the other, each with its `ReLU`.
    fn chain(&self, block: &str, names: &[&str], x: &Tensor) -> Result<Tensor, TchError> {
        names.iter().try_fold(x.shallow_clone(), |x, name| {
            let name = format!("{block}{name}");
            let layer = self.layers.get(&name).ok_or_else(|| TchError::Shape(format!("no layer `{name}`")))?;
            x.f_conv2d(&layer.weight, Some(&layer.bias), [layer.stride; 2], layer.padding, [1; 2], 1)?.f_relu_()
        })
    }
}

/// Images in [0, 1] as the network sees them: 299 pixels a side, in [-1, 1].
fn prepared(images: &Tensor, resize: Resize) -> Result<Tensor, TchError> {
    let images = images.f_to_kind(Kind::Float)?;
    let side = [SIDE; 2];
    match resize {
        Resize::Bilinear => images.f_upsample_bilinear2d(side, false, None, None)?.f_mul_scalar(2.0)?.f_sub_scalar(1.0),
        // Levels of 0 to 255 about 128, as that package has them: not quite [-1, 1].
        Resize::Clean => {
            let levels = images.f_mul_scalar(255.0)?.f_internal_upsample_bicubic2d_aa(side, false, None, None)?;
            levels.f_clamp(0.0, 255.0)?.f_sub_scalar(128.0)?.f_div_scalar(128.0)
        }
    }
}

fn concatenate(branches: &[Tensor]) -> Result<Tensor, TchError> {
    Tensor::f_cat(branches, 1)
}

fn halve(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_max_pool2d([3; 2], [2; 2], [0; 2], [1; 2], false)
}

fn average(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_avg_pool2d([3; 2], [1; 2], [1; 2], false, false, None)
}

fn highest(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_max_pool2d([3; 2], [1; 2], [1; 2], [1; 2], false)
}
