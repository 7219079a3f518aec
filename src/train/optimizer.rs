//! Adam and `AdamW` over libtorch's fused kernels, with state that is plain tensors.

use tch::{Kind, TchError, Tensor};

use crate::config;
use crate::models::params::Params;
use crate::native::torch::{AdamStep, Moments, fused_adam};

/// The optimizer of one network's trained parameters.
#[derive(Debug)]
pub struct Adam {
    names: Vec<String>,
    params: Vec<Tensor>,
    moments: Moments,
    settings: config::Optimizer,
}

impl Adam {
    /// A fresh optimizer over the parameters that `is_trained` accepts, in their order.
    pub fn new(
        params: &Params,
        settings: &config::Optimizer,
        is_trained: impl Fn(&str) -> bool,
    ) -> Result<Self, TchError> {
        let trained: Vec<_> = params.iter().filter(|(name, _)| is_trained(name)).collect();
        let zeros =
            || trained.iter().map(|(_, tensor)| tensor.f_zeros_like().map(|zero| zero.set_requires_grad(false)));
        Ok(Self {
            moments: Moments {
                exp_avgs: zeros().collect::<Result<_, _>>()?,
                exp_avg_sqs: zeros().collect::<Result<_, _>>()?,
                steps: trained
                    .iter()
                    .map(|(_, tensor)| Tensor::f_zeros([1], (Kind::Float, tensor.device())))
                    .collect::<Result<_, _>>()?,
            },
            names: trained.iter().map(|(name, _)| (*name).to_owned()).collect(),
            params: trained.iter().map(|(_, tensor)| tensor.shallow_clone()).collect(),
            settings: settings.clone(),
        })
    }

    /// The trained parameters, in order: what gradients are taken for.
    pub fn params(&self) -> &[Tensor] {
        &self.params
    }

    /// Names of [`Adam::params`].
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// One update at learning rate `lr`; none where `found_inf` (a float32 scalar on the device) is 1.
    pub fn step(&mut self, grads: &[Tensor], lr: f64, found_inf: &Tensor) -> Result<(), TchError> {
        let step = AdamStep {
            lr,
            betas: self.settings.betas,
            eps: self.settings.eps,
            weight_decay: self.settings.weight_decay,
            decoupled: self.settings.kind == config::OptimizerKind::Adamw,
        };
        fused_adam(&self.params, grads, &mut self.moments, step, found_inf)
    }

    /// State by name: `<prefix>.<parameter>.exp_avg`, `.exp_avg_sq`, `.step`.
    pub fn state(&self, prefix: &str) -> Vec<(String, Tensor)> {
        self.entries(prefix).into_iter().map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    /// Copy state back. Strict: every tensor must be there, in its shape.
    pub fn load_state(&mut self, prefix: &str, lookup: impl Fn(&str) -> Option<Tensor>) -> Result<(), String> {
        for (name, tensor) in self.entries(prefix) {
            let saved = lookup(&name).ok_or_else(|| format!("optimizer state `{name}` is missing"))?;
            if saved.size() != tensor.size() {
                return Err(format!("optimizer state `{name}` has shape {:?}, not {:?}", saved.size(), tensor.size()));
            }
            tensor.shallow_clone().f_copy_(&saved).map_err(|error| format!("optimizer state `{name}`: {error}"))?;
        }
        Ok(())
    }

    fn entries(&self, prefix: &str) -> Vec<(String, &Tensor)> {
        let Moments { exp_avgs, exp_avg_sqs, steps } = &self.moments;
        let mut entries = Vec::with_capacity(3 * self.names.len());
        for (index, name) in self.names.iter().enumerate() {
            entries.push((format!("{prefix}.{name}.exp_avg"), &exp_avgs[index]));
            entries.push((format!("{prefix}.{name}.exp_avg_sq"), &exp_avg_sqs[index]));
            entries.push((format!("{prefix}.{name}.step"), &steps[index]));
        }
        entries
    }
}
