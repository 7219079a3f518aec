//! The forward process: how much noise each timestep has, and what a network is trained to predict.

use tch::{Device, Kind, TchError, Tensor};

use super::config::{BetaSchedule, Prediction, SchedulerConfig};

/// Signal and noise of every timestep, on one device.
#[derive(Debug)]
pub struct NoiseSchedule {
    /// `ᾱ` of every timestep, on the host.
    alphas_cumprod: Vec<f32>,
    /// `ᾱ`, `√ᾱ` and `√(1-ᾱ)` on the device, `[T]` float32.
    shares: [Tensor; 3],
    prediction: Prediction,
}

impl NoiseSchedule {
    /// The schedule of a config, computed in float32 as diffusers does.
    pub fn new(config: &SchedulerConfig, device: Device) -> Result<Self, TchError> {
        let alphas = alphas_cumprod(config)?;
        let host = Vec::try_from(&alphas)?;
        let signal = alphas.f_sqrt()?;
        let noise = alphas.f_neg()?.f_add_scalar(1.0)?.f_sqrt()?;
        let shares = [alphas.f_to_device(device)?, signal.f_to_device(device)?, noise.f_to_device(device)?];
        Ok(Self { alphas_cumprod: host, shares, prediction: config.prediction_type })
    }

    /// `ᾱ` of every timestep: the share of the image in the noisy one's variance.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// How many timesteps there are.
    pub fn timesteps(&self) -> i64 {
        self.alphas_cumprod.len() as i64
    }

    /// What the network predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// A share of these timesteps `[B]` (int64, on the schedule's device), shaped to broadcast over `like` `[B, ...]`.
    fn share(&self, which: usize, timesteps: &Tensor, like: &Tensor) -> Result<Tensor, TchError> {
        let mut shape = vec![1; like.dim()];
        shape[0] = -1;
        self.shares[which].f_index_select(0, timesteps)?.f_view(shape.as_slice())
    }

    /// `√ᾱ x + √(1-ᾱ) ε`: images `[B, ...]` as noisy as their timesteps `[B]` (int64) are.
    pub fn add_noise(&self, x: &Tensor, noise: &Tensor, timesteps: &Tensor) -> Result<Tensor, TchError> {
        let signal = x.f_mul(&self.share(1, timesteps, x)?)?;
        signal.f_addcmul(&self.share(2, timesteps, noise)?, noise)
    }

    /// `√ᾱ ε - √(1-ᾱ) x`.
    pub fn velocity(&self, x: &Tensor, noise: &Tensor, timesteps: &Tensor) -> Result<Tensor, TchError> {
        let signal = noise.f_mul(&self.share(1, timesteps, noise)?)?;
        signal.f_sub(&x.f_mul(&self.share(2, timesteps, x)?)?)
    }

    /// What the network should have said of `add_noise(x, noise, timesteps)`.
    pub fn target(&self, x: &Tensor, noise: &Tensor, timesteps: &Tensor) -> Result<Tensor, TchError> {
        match self.prediction {
            Prediction::Epsilon => Ok(noise.shallow_clone()),
            Prediction::Velocity => self.velocity(x, noise, timesteps),
            Prediction::Sample => Ok(x.shallow_clone()),
        }
    }

    /// Signal-to-noise ratio `ᾱ / (1-ᾱ)` of timesteps `[B]`, `[B]` float32.
    pub fn snr(&self, timesteps: &Tensor) -> Result<Tensor, TchError> {
        let signal = self.shares[0].f_index_select(0, timesteps)?;
        signal.f_div(&signal.f_neg()?.f_add_scalar(1.0)?)
    }

    /// Weights `[B]` of the squared error under min-SNR-γ (Hang et al. 2023): `min(snr, γ)` over `snr`, over `snr + 1` for
    /// velocities, over 1 for images.
    pub fn min_snr_weight(&self, timesteps: &Tensor, gamma: f64) -> Result<Tensor, TchError> {
        let snr = self.snr(timesteps)?;
        let capped = snr.f_clamp_max(gamma)?;
        match self.prediction {
            Prediction::Epsilon => capped.f_div(&snr),
            Prediction::Velocity => capped.f_div(&snr.f_add_scalar(1.0)?),
            Prediction::Sample => Ok(capped),
        }
    }
}

/// `ᾱ` of every timestep, `[T]` float32 on the CPU.
fn alphas_cumprod(config: &SchedulerConfig) -> Result<Tensor, TchError> {
    let count = config.num_train_timesteps as i64;
    let linspace = |start: f64, end: f64| Tensor::f_linspace(start, end, count, (Kind::Float, Device::Cpu));
    let betas = match (&config.trained_betas, config.beta_schedule) {
        (Some(betas), _) => Tensor::f_from_slice(betas)?,
        (None, BetaSchedule::Linear) => linspace(config.beta_start, config.beta_end)?,
        (None, BetaSchedule::ScaledLinear) => linspace(config.beta_start.sqrt(), config.beta_end.sqrt())?.f_square()?,
        (None, BetaSchedule::SquaredCosine) => {
            let share = |t: f64| ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
            let of = |step: i64| share(step as f64 / count as f64);
            let betas: Vec<f32> = (0..count).map(|step| (1.0 - of(step + 1) / of(step)).min(0.999) as f32).collect();
            Tensor::f_from_slice(&betas)?
        }
    };
    betas.f_neg()?.f_add_scalar(1.0)?.f_cumprod(0, None::<Kind>)
}
