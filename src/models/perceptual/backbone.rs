//! The classifiers that LPIPS looks through, with torchvision's keys, up to the last layer that it looks at: AlexNet
//! (Krizhevsky 2014), VGG16 (Simonyan, Zisserman 2014), SqueezeNet 1.1 (Iandola et al. 2016).

use tch::{Device, Kind, TchError, Tensor};

use super::winograd::Winograd;
use crate::models::params::{Layout, Params};

/// Threads of libtorch up to which [`Winograd`] was seen to be the faster way: with two, 1.27x on 512 pixels.
const FEW_THREADS: i32 = 2;

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `alexnet`, one tower.
    Alex,
    /// `vgg16`, without batch norms.
    Vgg,
    /// `squeezenet1_1`.
    Squeeze,
}

/// What follows what. Numbers of convolutions are positions in torchvision's `features`; each is followed by its `ReLU`.
#[derive(Debug, Clone, Copy)]
enum Step {
    Conv {
        position: usize,
        inputs: i64,
        outputs: i64,
        kernel: i64,
        stride: i64,
        padding: i64,
    },
    /// A 1x1 convolution, and a 1x1 and a 3x3 one beside each other on its outcome.
    Fire {
        position: usize,
        inputs: i64,
        squeezed: i64,
        expanded: i64,
    },
    Pool {
        kernel: i64,
        ceil: bool,
    },
    /// LPIPS looks here.
    Tap,
}

const fn conv(position: usize, inputs: i64, outputs: i64, kernel: i64, stride: i64, padding: i64) -> Step {
    Step::Conv { position, inputs, outputs, kernel, stride, padding }
}

const fn same(position: usize, inputs: i64, outputs: i64) -> Step {
    conv(position, inputs, outputs, 3, 1, 1)
}

const fn fire(position: usize, inputs: i64, squeezed: i64, expanded: i64) -> Step {
    Step::Fire { position, inputs, squeezed, expanded }
}

const fn pool(kernel: i64, ceil: bool) -> Step {
    Step::Pool { kernel, ceil }
}

use Step::Tap;

const ALEX: &[Step] = &[
    conv(0, 3, 64, 11, 4, 2),
    Tap,
    pool(3, false),
    conv(3, 64, 192, 5, 1, 2),
    Tap,
    pool(3, false),
    same(6, 192, 384),
    Tap,
    same(8, 384, 256),
    Tap,
    same(10, 256, 256),
    Tap,
];

const VGG: &[Step] = &[
    same(0, 3, 64),
    same(2, 64, 64),
    Tap,
    pool(2, false),
    same(5, 64, 128),
    same(7, 128, 128),
    Tap,
    pool(2, false),
    same(10, 128, 256),
    same(12, 256, 256),
    same(14, 256, 256),
    Tap,
    pool(2, false),
    same(17, 256, 512),
    same(19, 512, 512),
    same(21, 512, 512),
    Tap,
    pool(2, false),
    same(24, 512, 512),
    same(26, 512, 512),
    same(28, 512, 512),
    Tap,
];

const SQUEEZE: &[Step] = &[
    conv(0, 3, 64, 3, 2, 0),
    Tap,
    pool(3, true),
    fire(3, 64, 16, 64),
    fire(4, 128, 16, 64),
    Tap,
    pool(3, true),
    fire(6, 128, 32, 128),
    fire(7, 256, 32, 128),
    Tap,
    pool(3, true),
    fire(9, 256, 48, 192),
    Tap,
    fire(10, 384, 48, 192),
    Tap,
    fire(11, 384, 64, 256),
    Tap,
    fire(12, 512, 64, 256),
    Tap,
];

impl Architecture {
    fn steps(self) -> &'static [Step] {
        match self {
            Self::Alex => ALEX,
            Self::Vgg => VGG,
            Self::Squeeze => SQUEEZE,
        }
    }

    /// The least height and width that every layer has something of.
    pub fn smallest(self) -> i64 {
        match self {
            Self::Alex => 31,
            Self::Vgg => 16,
            Self::Squeeze => 17,
        }
    }

    /// Channels of what LPIPS looks at, in order.
    pub fn channels(self) -> Vec<i64> {
        let mut channels = 0;
        let mut taps = Vec::new();
        for step in self.steps() {
            match *step {
                Step::Conv { outputs, .. } => channels = outputs,
                Step::Fire { expanded, .. } => channels = 2 * expanded,
                Step::Pool { .. } => {}
                Tap => taps.push(channels),
            }
        }
        taps
    }

    /// Name and shape of every parameter up to the last tap.
    pub fn layout(self) -> Layout {
        let mut layout = Layout::new();
        let mut push = |name: String, inputs: i64, outputs: i64, kernel: i64| {
            layout.push((format!("features.{name}.weight"), vec![outputs, inputs, kernel, kernel]));
            layout.push((format!("features.{name}.bias"), vec![outputs]));
        };
        for step in self.steps() {
            match *step {
                Step::Conv { position, inputs, outputs, kernel, .. } => {
                    push(position.to_string(), inputs, outputs, kernel);
                }
                Step::Fire { position, inputs, squeezed, expanded } => {
                    push(format!("{position}.squeeze"), inputs, squeezed, 1);
                    push(format!("{position}.expand1x1"), squeezed, expanded, 1);
                    push(format!("{position}.expand3x3"), squeezed, expanded, 3);
                }
                Step::Pool { .. } | Tap => {}
            }
        }
        layout
    }
}

/// A frozen backbone.
#[derive(Debug)]
pub struct Backbone {
    architecture: Architecture,
    /// In the layout's order.
    convolutions: Vec<Convolution>,
}

#[derive(Debug)]
struct Convolution {
    weight: Tensor,
    bias: Tensor,
    /// A faster way on a CPU, where there is one.
    winograd: Option<Winograd>,
}

impl Backbone {
    /// From parameters of [`Architecture::layout`].
    pub fn new(architecture: Architecture, params: &Params) -> Result<Self, TchError> {
        let frozen: Vec<Tensor> =
            params.iter().map(|(_, tensor)| channels_last(&tensor.f_detach()?)).collect::<Result<_, _>>()?;
        let convolutions = frozen.chunks_exact(2).map(|pair| Convolution::new(&pair[0], &pair[1]));
        Ok(Self { architecture, convolutions: convolutions.collect::<Result<_, _>>()? })
    }

    /// The same weights once more, not copied: for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let convolutions = self.convolutions.iter().map(Convolution::shallow_clone).collect();
        Self { architecture: self.architecture, convolutions }
    }

    /// Which one it is.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// What LPIPS looks at, of normalised images `[B, 3, H, W]`. Nothing of it may be changed: layers follow on it.
    pub fn features(&self, x: &Tensor) -> Result<Vec<Tensor>, TchError> {
        let mut h = channels_last(x)?;
        let mut taps = Vec::new();
        let mut convolutions = self.convolutions.iter();
        let mut apply = |x: &Tensor, stride: i64, padding: i64| {
            let convolution =
                convolutions.next().ok_or_else(|| TchError::Shape("fewer convolutions than layers".to_owned()))?;
            convolution.apply(x, stride, padding)
        };
        for step in self.architecture.steps() {
            match *step {
                Step::Conv { stride, padding, .. } => h = apply(&h, stride, padding)?,
                Step::Fire { .. } => {
                    let squeezed = apply(&h, 1, 0)?;
                    h = Tensor::f_cat(&[apply(&squeezed, 1, 0)?, apply(&squeezed, 1, 1)?], 1)?;
                }
                Step::Pool { kernel, ceil } => h = h.f_max_pool2d([kernel; 2], [2; 2], [0; 2], [1; 2], ceil)?,
                Tap => taps.push(h.shallow_clone()),
            }
        }
        Ok(taps)
    }
}

impl Convolution {
    fn new(weight: &Tensor, bias: &Tensor) -> Result<Self, TchError> {
        let winograd = Winograd::new(weight, bias)?;
        Ok(Self { weight: weight.shallow_clone(), bias: bias.shallow_clone(), winograd })
    }

    fn shallow_clone(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
            winograd: self.winograd.as_ref().map(Winograd::shallow_clone),
        }
    }

    /// The convolution and its `ReLU`.
    fn apply(&self, x: &Tensor, stride: i64, padding: i64) -> Result<Tensor, TchError> {
        match &self.winograd {
            // Its transforms are one thread's work: with more of them libtorch's own way is the faster one.
            Some(winograd) if stride == 1 && tch::get_num_threads() <= FEW_THREADS => winograd.convolve(x),
            _ => x.f_conv2d(&self.weight, Some(&self.bias), [stride; 2], [padding; 2], [1; 2], 1)?.f_relu_(),
        }
    }
}

/// The same tensor `[N, C, H, W]` with its channels innermost in memory, where the CPU's kernels are faster so: others,
/// and tensors on a GPU, come back as they are.
pub(super) fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    if x.dim() != 4 || x.device() != Device::Cpu || x.f_kind()? != Kind::Float {
        return Ok(x.shallow_clone());
    }
    x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::init;

    #[test]
    fn every_architecture_has_its_taps_at_its_smallest_side_and_not_below() {
        for architecture in [Architecture::Alex, Architecture::Vgg, Architecture::Squeeze] {
            let params =
                Params::build(&architecture.layout(), Device::Cpu, |name, shape| init::normal(1, name, shape, 0.05))
                    .unwrap();
            let backbone = Backbone::new(architecture, &params).unwrap();
            let side = architecture.smallest();
            let x = init::symmetric(1, "x", &[2, 3, side, side + 8], 1.0).unwrap();
            let taps = backbone.features(&x).unwrap();
            let channels: Vec<i64> = taps.iter().map(|tap| tap.size()[1]).collect();
            assert_eq!(channels, architecture.channels());
            assert!(taps.iter().all(|tap| tap.numel() > 0 && f64::try_from(tap.min()).unwrap() >= 0.0));
            let small = init::symmetric(1, "x", &[1, 3, side - 1, side + 8], 1.0).unwrap();
            assert!(backbone.features(&small).is_err(), "{architecture:?} takes {} pixels", side - 1);
        }
    }
}
