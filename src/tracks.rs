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

    /// State beyond parameters that a resume needs (the image pool), by name.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// Take back what [`Track::state`] gave.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), Cow<'static, str>>;

    /// Things a reader of the session must know: a loss term left out, weights missing. Recorded once, at the start.
    fn remarks(&self) -> Vec<String>;
}
