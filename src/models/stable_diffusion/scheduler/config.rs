//! `scheduler_config.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How betas run from the first timestep to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Evenly.
    #[default]
    Linear,
    /// Their roots evenly: Stable Diffusion's.
    ScaledLinear,
    /// By a squared cosine of the signal's share (Nichol, Dhariwal 2021).
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
}

/// What the network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Prediction {
    /// The noise.
    #[default]
    #[serde(rename = "epsilon")]
    Epsilon,
    /// The velocity `√ᾱ ε - √(1-ᾱ) x₀` (Salimans, Ho 2022).
    #[serde(rename = "v_prediction")]
    Velocity,
    /// The image.
    #[serde(rename = "sample")]
    Sample,
}

/// Which timesteps stand for all of them (Lin et al. 2023, Table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// Evenly, both ends included.
    Linspace,
    /// Multiples of a whole stride from 0 on, plus an offset.
    Leading,
    /// Down from the last by an even stride.
    Trailing,
}

/// The settings in use. What a file leaves out has diffusers' default, where its samplers agree on one; where they do not
/// it is `None`, and each takes its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SchedulerConfig {
    /// The sampler that the base comes with (`_class_name`).
    #[serde(rename = "_class_name", default)]
    pub class: Option<String>,
    /// Timesteps in training.
    #[serde(default = "thousand")]
    pub num_train_timesteps: usize,
    /// Beta at the first timestep.
    #[serde(default = "first_beta")]
    pub beta_start: f64,
    /// Beta at the last timestep.
    #[serde(default = "last_beta")]
    pub beta_end: f64,
    /// How betas run.
    #[serde(default)]
    pub beta_schedule: BetaSchedule,
    /// Every beta, in place of a rule.
    #[serde(default)]
    pub trained_betas: Option<Vec<f32>>,
    /// What the network predicts.
    #[serde(default)]
    pub prediction_type: Prediction,
    /// Whether DDIM clips the predicted image. Latents are no images, so without a word it does not, though diffusers'
    /// class would.
    #[serde(default)]
    pub clip_sample: bool,
    /// Where.
    #[serde(default = "one")]
    pub clip_sample_range: f64,
    /// Whether the step to the image itself counts it as free of noise; else as noisy as the first timestep.
    #[serde(default)]
    pub set_alpha_to_one: Option<bool>,
    /// Added to every timestep under leading spacing.
    #[serde(default)]
    pub steps_offset: usize,
    /// Which timesteps are taken.
    #[serde(default)]
    pub timestep_spacing: Option<Spacing>,
    /// Noise levels as Karras et al. (2022) space them.
    #[serde(default)]
    pub use_karras_sigmas: Option<bool>,
}

/// Settings that would change the results and that nothing here computes, with the values that are computed.
const UNSUPPORTED: [(&str, &[&str]); 14] = [
    ("thresholding", &["false"]),
    ("rescale_betas_zero_snr", &["false"]),
    ("skip_prk_steps", &["true"]),
    // How much noise ancestral sampling adds back, which is none of our samplers; a learned one has channels of its own.
    ("variance_type", &["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"]),
    ("use_exponential_sigmas", &["false"]),
    ("use_beta_sigmas", &["false"]),
    ("use_lu_lambdas", &["false"]),
    ("use_flow_sigmas", &["false"]),
    ("interpolation_type", &["linear"]),
    ("timestep_type", &["discrete"]),
    ("final_sigmas_type", &["zero"]),
    ("algorithm_type", &["dpmsolver++"]),
    ("solver_type", &["midpoint"]),
    ("solver_order", &["2"]),
];

fn thousand() -> usize {
    1000
}
fn first_beta() -> f64 {
    1e-4
}
fn last_beta() -> f64 {
    0.02
}
fn one() -> f64 {
    1.0
}

/// Why a schedule could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The file could not be read, or asks for what there is not.
    #[error("{}: {what}", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// These steps cannot be taken.
    #[error("{0}")]
    Steps(String),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl SchedulerConfig {
    /// Stable Diffusion 1.5's: PNDM over 1000 steps, betas scaled-linear from 0.00085 to 0.012.
    pub fn sd15() -> Self {
        Self {
            class: Some("PNDMScheduler".to_owned()),
            num_train_timesteps: thousand(),
            beta_start: 0.00085,
            beta_end: 0.012,
            beta_schedule: BetaSchedule::ScaledLinear,
            trained_betas: None,
            prediction_type: Prediction::Epsilon,
            clip_sample: false,
            clip_sample_range: 1.0,
            set_alpha_to_one: Some(false),
            steps_offset: 1,
            timestep_spacing: None,
            use_karras_sigmas: None,
        }
    }

    /// The settings in a file.
    pub fn read(path: &Path) -> Result<Self, SchedulerError> {
        let failed = |what: String| SchedulerError::Config { path: path.to_owned(), what };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let value = serde_json::from_str(&text).map_err(|error| failed(format!("not JSON ({error})")))?;
        Self::from_json(&value, path)
    }

    /// The settings in a file that is read already; `path` is for messages.
    pub fn from_json(value: &Value, path: &Path) -> Result<Self, SchedulerError> {
        let failed = |what: String| SchedulerError::Config { path: path.to_owned(), what };
        for (key, supported) in UNSUPPORTED {
            let Some(have) = value.get(key).filter(|have| !have.is_null()) else { continue };
            let have = have.as_str().map_or_else(|| have.to_string(), str::to_owned);
            if !supported.contains(&have.as_str()) {
                let known = supported.join("`, `");
                return Err(failed(format!("`{key}` is `{have}`, which is not supported; `{known}` is")));
            }
        }
        // null is a key left out, as in Python.
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.retain(|_, value| !value.is_null());
        }
        let config: Self = serde_json::from_value(value).map_err(|error| failed(error.to_string()))?;
        config.check().map_err(failed)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=100_000).contains(&self.num_train_timesteps) {
            return Err(format!(
                "`num_train_timesteps` is {}; between 1 and 100000 make sense",
                self.num_train_timesteps
            ));
        }
        let sensible = |beta: f64| beta > 0.0 && beta < 1.0;
        if !(sensible(self.beta_start) && sensible(self.beta_end)) {
            let (start, end) = (self.beta_start, self.beta_end);
            return Err(format!("`beta_start` {start} and `beta_end` {end} must lie between 0 and 1"));
        }
        if let Some(betas) = &self.trained_betas
            && (betas.len() != self.num_train_timesteps || !betas.iter().all(|&beta| sensible(f64::from(beta))))
        {
            return Err(format!("`trained_betas` must be {} numbers between 0 and 1", self.num_train_timesteps));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: &Value) -> Result<SchedulerConfig, String> {
        SchedulerConfig::from_json(value, Path::new("scheduler_config.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_published_file_is_sd15s() {
        let file = json!({
            "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
            "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
            "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
            "clip_sample": false
        });
        assert_eq!(parse(&file).unwrap(), SchedulerConfig::sd15());
    }

    #[test]
    fn what_would_change_the_result_unseen_is_refused() {
        for (file, expected) in [
            (json!({ "thresholding": true }), "`thresholding` is `true`"),
            (
                json!({ "variance_type": "learned" }),
                "`variance_type` is `learned`, which is not supported; `fixed_small`",
            ),
            (json!({ "solver_order": 3 }), "`solver_order` is `3`, which is not supported; `2` is"),
            (json!({ "beta_schedule": "sigmoid" }), "sigmoid"),
            (json!({ "prediction_type": "flow_prediction" }), "flow_prediction"),
            (json!({ "beta_end": 2.0 }), "`beta_end` 2"),
            (json!({ "num_train_timesteps": 0 }), "`num_train_timesteps` is 0"),
            (json!({ "trained_betas": [0.1] }), "`trained_betas`"),
            (json!([1]), "scheduler_config.json"),
        ] {
            let error = parse(&file).unwrap_err();
            assert!(error.contains(expected), "{file}: {error}");
        }
        // As diffusers writes a DDPM schedule.
        let default = json!({ "variance_type": "fixed_small", "thresholding": false, "timestep_spacing": "leading" });
        assert!(parse(&default).is_ok());
        let spoken = json!({ "variance_type": null, "thresholding": false, "timestep_spacing": "trailing" });
        assert_eq!(parse(&spoken).unwrap().timestep_spacing, Some(Spacing::Trailing));
    }
}
