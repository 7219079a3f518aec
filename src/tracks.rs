//! Tracks: what the engine trains. A track is models, losses and one forward pass; it never prints, times or saves.

pub mod pix2pixhd;
pub mod sd_lora;

use std::borrow::Cow;

use tch::{TchError, Tensor};

use crate::data::batch::Batch;
use crate::models::params::Params;

/// One loss with the network whose parameters it moves.
#[derive(Debug)]
pub struct Objective {
    /// A network's name, as in [`Track::networks`].
    pub network: &'static str,
    /// Scalar float32 with its graph. The objectives of one forward pass may share their graph: the engine
    /// differentiates each with respect to its own network's parameters only.
    pub loss: Tensor,
}

/// What one forward pass gives.
#[derive(Debug)]
pub struct Forward {
    /// Losses to differentiate, in the order of their optimizer steps.
    pub objectives: Vec<Objective>,
    /// Named scalars to record, detached and still on the device: the engine reads them one step late.
    pub terms: Vec<(&'static str, Tensor)>,
}

/// What of the run's position a forward pass may depend on. libtorch's generators are seeded from (seed, step, rank)
/// before each one, so a track draws its randomness from them.
#[derive(Debug, Clone, Copy)]
pub struct StepContext {
    /// The experiment's seed.
    pub seed: u64,
    /// Steps finished.
    pub step: i64,
    /// Epoch of this step, from 0.
    pub epoch: usize,
}

/// How much each pixel of a picture matters.
#[derive(Debug)]
pub struct Saliency {
    /// The gradient of a score with respect to the picture, `[1, 3, H, W]` float32.
    pub gradient: Tensor,
    /// What the score is.
    pub score: &'static str,
}

/// A training track.
pub trait Track {
    /// Networks with trainable parameters, by name: `generator`, `discriminator`.
    fn networks(&self) -> Vec<(&'static str, &Params)>;

    /// The network whose parameters [`Track::predict`] uses: the one that a moving average is kept of.
    fn predictor(&self) -> &'static str;

    /// Whether a parameter of a network is trained in this epoch (`niter_fix_global`). When an answer changes from one
    /// epoch to the next, the engine rebuilds that network's optimizer, as the reference does.
    fn is_trained(&self, network: &str, parameter: &str, epoch: usize) -> bool;

    /// Factor on the base learning rate of a network (TTUR).
    fn lr_factor(&self, network: &str) -> f64;

    /// The forward pass and losses of one batch.
    fn forward(&mut self, batch: &Batch, context: StepContext) -> Result<Forward, TchError>;

    /// Stylise images `[B, 3, H, W]` in [-1, 1], any H and W: padded to what the networks need and cropped back.
    /// No gradient.
    fn predict(&self, input: &Tensor) -> Result<Tensor, TchError>;

    /// Networks that it looks through and that are never trained, by name.
    fn frozen(&self) -> Vec<(&'static str, &Params)> {
        Vec::new()
    }

    /// Names of the [taps](crate::models::tap) that [`Track::show`] passes, where there is a target.
    fn stages(&self) -> Vec<String> {
        Vec::new()
    }

    /// [`Track::predict`] for whoever listens to the taps: also passes those that a prediction does not, as a
    /// discriminator's, where one is wanted. Leaves everything as it was. No gradient.
    fn show(&self, input: &Tensor, target: Option<&Tensor>) -> Result<Tensor, TchError> {
        let _ = target;
        self.predict(input)
    }

    /// How much each pixel of `input` `[1, 3, H, W]` matters. Touches no parameter's gradient.
    fn saliency(&self, input: &Tensor, target: Option<&Tensor>) -> Result<Saliency, TchError> {
        let _ = (input, target);
        Err(TchError::Kind("this track has no saliency".to_owned()))
    }

    /// How many forward passes of a pair in training a prediction costs, about.
    fn passes(&self) -> f64 {
        1.0
    }

    /// State beyond parameters that a resume needs (the image pool), by name.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// Take back what [`Track::state`] gave.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), Cow<'static, str>>;

    /// Things a reader of the session must know: a loss term left out, weights missing. Recorded once, at the start.
    fn remarks(&self) -> Vec<String>;
}
