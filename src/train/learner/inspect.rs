//! What can be seen of a learner between two steps. Nothing here changes it.

use tch::{Device, Kind, TchError, Tensor};

use super::Learner;
use crate::alerts::Glob;
use crate::models::tap;
use crate::session::control::Of;

/// A picture to look at.
#[derive(Debug)]
pub struct Sight {
    /// `[1, 3, H, W]` in [-1, 1].
    pub input: Tensor,
    /// What should become of it, where that is known.
    pub target: Option<Tensor>,
    /// The pair's id, where it is one.
    pub id: Option<String>,
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// What the prediction is, `[1, 3, H, W]`.
    pub output: Tensor,
    /// What passed the taps.
    pub record: tap::Record,
    /// The saliency and what it is of, where it was asked for.
    pub saliency: Option<crate::tracks::Saliency>,
    /// Whether the moving average did it.
    pub by_average: bool,
}

impl Learner {
    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Names and tensors, detached and not copied: what a step changes, it changes in them. Networks, then their moving
    /// average (`ema.<network>/`), then what is never trained; or the gradients of the last step; or the optimizers'
    /// state.
    ///
    /// # Errors
    /// There are no gradients: no step has been taken.
    pub fn tensors(&self, of: Of) -> Result<Vec<(String, Tensor)>, String> {
        match of {
            Of::Weight => Ok(self.weights()),
            Of::Gradient => self.last_gradients(),
            Of::Optimizer => Ok(self.optimizer_state()),
        }
        .map(|list| list.into_iter().map(|(name, tensor)| (name, tensor.detach())).collect())
    }

    /// Whether a weight of this name is never trained, so that nothing changes it.
    pub fn is_frozen(&self, name: &str) -> bool {
        let network = name.split('/').next().unwrap_or_default();
        self.track.frozen().iter().any(|(frozen, _)| *frozen == network)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        for (network, params) in self.track.networks() {
            all.extend(params.iter().map(|(name, tensor)| (format!("{network}/{name}"), tensor.shallow_clone())));
        }
        if let Some(ema) = &self.ema {
            let network = self.track.predictor();
            let named = ema.names.iter().zip(&ema.average);
            all.extend(named.map(|(name, tensor)| (format!("ema.{network}/{name}"), tensor.shallow_clone())));
        }
        for (network, params) in self.track.frozen() {
            all.extend(params.iter().map(|(name, tensor)| (format!("{network}/{name}"), tensor.shallow_clone())));
        }
        all
    }

    /// The step that the gradients at hand are of.
    pub fn gradients_of(&self) -> Option<i64> {
        self.gradients.as_ref().map(|(step, _)| *step)
    }

    fn last_gradients(&self) -> Result<Vec<(String, Tensor)>, String> {
        let Some((_, lists)) = &self.gradients else {
            return Err(
                "there are no gradients: no step has been taken since the run began or went on, or the last one \
                        came to nothing; take one by `step`, or ask again after the next"
                    .to_owned(),
            );
        };
        let named = self.optimizers.iter().zip(lists).flat_map(|((network, optimizer), list)| {
            let named = optimizer.names().iter().zip(list);
            named.map(move |(name, tensor)| (format!("{network}/{name}"), tensor.shallow_clone()))
        });
        Ok(named.collect())
    }

    fn optimizer_state(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        for (network, optimizer) in &self.optimizers {
            for (name, tensor) in optimizer.state(network) {
                // `<network>.<parameter>.<what>`, and a parameter's name has dots of its own.
                let parts = name.get(network.len() + 1..).and_then(|rest| rest.rsplit_once('.'));
                if let Some((parameter, what)) = parts {
                    all.push((format!("{network}/{parameter}/{what}"), tensor));
                }
            }
        }
        all
    }

    /// Predict as [`Learner::predict`] does, and see what passes the taps that `taps` match, at most `room` bytes; with
    /// the saliency where it is asked for.
    pub fn look(&self, sight: &Sight, taps: &[String], saliency: bool, room: u64) -> Result<Seen, TchError> {
        let input = sight.input.f_to_device(self.device)?.f_to_kind(Kind::Float)?;
        let target = sight.target.as_ref().map(|target| target.f_to_device(self.device)).transpose()?;
        if let Some(ema) = &self.ema {
            tch::no_grad(|| ema.exchange())?;
        }
        let seen = self.look_live(&input, target.as_ref(), taps, saliency, room);
        if let Some(ema) = &self.ema {
            tch::no_grad(|| ema.exchange())?;
        }
        seen
    }

    fn look_live(
        &self,
        input: &Tensor,
        target: Option<&Tensor>,
        taps: &[String],
        saliency: bool,
        room: u64,
    ) -> Result<Seen, TchError> {
        let wanted = taps.iter().map(|glob| Glob::new(glob)).collect();
        let (output, record) = tch::no_grad(|| tap::listen(wanted, room, || self.track.show(input, target)))?;
        let saliency = if saliency { Some(self.track.saliency(input, target)?) } else { None };
        Ok(Seen { output, record, saliency, by_average: self.ema.is_some() })
    }
}
