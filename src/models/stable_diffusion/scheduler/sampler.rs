//! The reverse process: DDIM, PNDM, DPM-Solver++ (2M) and Euler, step by step as diffusers takes them.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use tch::{TchError, Tensor};

use super::config::{BetaSchedule, Prediction, SchedulerConfig, SchedulerError, Spacing};
use super::noise::NoiseSchedule;
use super::spacing;

/// A way to sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Song et al. 2021, without added noise.
    Ddim,
    /// Liu et al. 2022: linear multistep of fourth order (PLMS).
    Pndm,
    /// Lu et al. 2022: DPM-Solver++, second order, multistep.
    DpmPp2M,
    /// The same over Karras' noise levels.
    DpmPp2MKarras,
    /// Karras et al. 2022, Algorithm 2 without churn, first order.
    Euler,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ddim, Self::Pndm, Self::DpmPp2M, Self::DpmPp2MKarras, Self::Euler];

    /// What it is called on the command line and in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Pndm => "pndm",
            Self::DpmPp2M => "dpmpp-2m",
            Self::DpmPp2MKarras => "dpmpp-2m-karras",
            Self::Euler => "euler",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == text)
            .ok_or_else(|| format!("unknown sampler `{text}`; there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// One run over a number of steps. Steps are taken in order, each once.
#[derive(Debug)]
pub struct Sampler {
    method: Method,
    prediction: Prediction,
    /// What the network is told, latest first; PNDM visits its second one twice.
    timesteps: Vec<f64>,
    /// `ᾱ` of every training timestep.
    alphas_cumprod: Vec<f32>,
    /// Noise levels at `timesteps`, then 0 (DPM++ and Euler).
    sigmas: Vec<f32>,
    /// `ᾱ` at the image itself (DDIM and PNDM).
    final_alpha: f64,
    /// Training timesteps from one step to the next (DDIM and PNDM).
    stride: i64,
    clip: Option<f64>,
    spacing: Spacing,
    /// How many steps were asked for.
    count: usize,
    /// The first step that is taken.
    begin: usize,
    /// Predictions so far, newest last: noise for PNDM, images for DPM++.
    history: VecDeque<Tensor>,
    /// The sample that PNDM's second step starts from again.
    first_sample: Option<Tensor>,
}

impl Sampler {
    /// Prepare `steps` steps from pure noise.
    pub fn new(
        method: Method,
        config: &SchedulerConfig,
        noise: &NoiseSchedule,
        steps: usize,
    ) -> Result<Self, SchedulerError> {
        let all = config.num_train_timesteps;
        if steps == 0 || steps > all {
            return Err(SchedulerError::Steps(format!("{steps} steps cannot be taken; between 1 and {all} can")));
        }
        let multistep = matches!(method, Method::DpmPp2M | Method::DpmPp2MKarras);
        let own_spacing = if multistep || method == Method::Euler { Spacing::Linspace } else { Spacing::Leading };
        let spacing = config.timestep_spacing.unwrap_or(own_spacing);
        let mut timesteps = spacing::timesteps(spacing, all, steps, config.steps_offset, usize::from(multistep));
        if method != Method::Euler {
            timesteps.iter_mut().for_each(|step| *step = step.round_ties_even());
        }
        if timesteps.first().is_some_and(|&first| first > (all - 1) as f64) {
            return Err(SchedulerError::Steps(format!(
                "{steps} steps with `steps_offset` {} reach beyond the {all} timesteps of training; take fewer",
                config.steps_offset
            )));
        }
        if timesteps.windows(2).any(|pair| pair[0] <= pair[1]) {
            return Err(SchedulerError::Steps(format!(
                "{steps} steps are too many for {method}: two would be one; take fewer"
            )));
        }
        let alphas_cumprod = noise.alphas_cumprod().to_vec();
        let sigmas = match method {
            Method::Ddim | Method::Pndm => Vec::new(),
            _ => levels(method, config, &alphas_cumprod, &mut timesteps),
        };
        if method == Method::Pndm && timesteps.len() > 1 {
            timesteps.insert(1, timesteps[1]);
        }
        let one = config.set_alpha_to_one.unwrap_or(method == Method::Ddim);
        let final_alpha = if one { 1.0 } else { f64::from(alphas_cumprod[0]) };
        let clip = (method == Method::Ddim && config.clip_sample).then_some(config.clip_sample_range);
        Ok(Self {
            method,
            prediction: config.prediction_type,
            timesteps,
            alphas_cumprod,
            sigmas,
            final_alpha,
            stride: (all / steps) as i64,
            clip,
            spacing,
            count: steps,
            begin: 0,
            history: VecDeque::new(),
            first_sample: None,
        })
    }

    /// Start from an image that keeps `1 - strength` of the steps: of `n` steps the last `int(n * strength)` are taken
    /// (diffusers' `get_timesteps`).
    pub fn start_from_image(&mut self, strength: f64) -> Result<(), SchedulerError> {
        if !(0.0..=1.0).contains(&strength) {
            return Err(SchedulerError::Steps(format!("strength {strength} must lie between 0 and 1")));
        }
        let taken = ((self.count as f64 * strength) as usize).min(self.count);
        if taken == 0 {
            return Err(SchedulerError::Steps(format!(
                "strength {strength} of {} steps is not one step, so the image would stay as it is; raise either",
                self.count
            )));
        }
        self.begin = self.count - taken;
        Ok(())
    }

    /// What the network is told at every step that is taken, in order.
    pub fn timesteps(&self) -> &[f64] {
        &self.timesteps[self.begin..]
    }

    /// The standard deviation of the noise that stands for an image of which nothing is known.
    pub fn init_noise_sigma(&self) -> f64 {
        match (self.method, self.spacing) {
            (Method::Euler, Spacing::Leading) => (self.top_sigma().powi(2) + 1.0).sqrt(),
            (Method::Euler, _) => self.top_sigma(),
            _ => 1.0,
        }
    }

    fn top_sigma(&self) -> f64 {
        self.sigmas.iter().copied().fold(0.0, f32::max).into()
    }

    /// An image as noisy as the first step that is taken expects it.
    pub fn add_noise(&self, x: &Tensor, noise: &Tensor) -> Result<Tensor, TchError> {
        let (signal, level) = match self.method {
            Method::Ddim | Method::Pndm => roots(self.alpha(self.timesteps()[0] as i64)),
            Method::Euler => (1.0, f64::from(self.sigmas[self.begin])),
            Method::DpmPp2M | Method::DpmPp2MKarras => shares(self.sigmas[self.begin]),
        };
        combine(x, signal, noise, level)
    }

    /// The sample as the network takes it, at the `step`th step that is taken.
    pub fn scale_input(&self, step: usize, x: &Tensor) -> Result<Tensor, TchError> {
        match self.method {
            Method::Euler => x.f_mul_scalar(shares(self.sigmas[self.begin + step]).0),
            _ => Ok(x.shallow_clone()),
        }
    }

    /// The sample after the `step`th step that is taken, scaled as the image in it is not: for a look at it.
    pub fn unscaled(&self, step: usize, x: &Tensor) -> Result<Tensor, TchError> {
        match self.method {
            Method::Euler => x.f_mul_scalar(shares(self.sigmas[self.begin + step + 1]).0),
            _ => Ok(x.shallow_clone()),
        }
    }

    /// From the sample `x` before the `step`th step that is taken, and the network's `output` for it, to the sample after.
    pub fn step(&mut self, step: usize, output: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
        match self.method {
            Method::Ddim => self.ddim(self.timesteps()[step] as i64, output, x),
            Method::Pndm => self.plms(step, output, x),
            Method::Euler => self.euler(self.begin + step, output, x),
            Method::DpmPp2M | Method::DpmPp2MKarras => self.dpm_plus_plus(step, output, x),
        }
    }

    /// `ᾱ` of a training timestep; before the first one the image's own.
    fn alpha(&self, timestep: i64) -> f64 {
        match usize::try_from(timestep) {
            Ok(at) => f64::from(self.alphas_cumprod[at.min(self.alphas_cumprod.len() - 1)]),
            Err(_) => self.final_alpha,
        }
    }

    /// The image that `output` says is in `x = signal * image + level * noise`.
    fn image(&self, output: &Tensor, x: &Tensor, signal: f64, level: f64) -> Result<Tensor, TchError> {
        match self.prediction {
            Prediction::Epsilon => combine(x, 1.0 / signal, output, -level / signal),
            Prediction::Velocity => combine(x, signal, output, -level),
            Prediction::Sample => Ok(output.shallow_clone()),
        }
    }

    /// The noise that `output` says is in it.
    fn noise(&self, output: &Tensor, x: &Tensor, signal: f64, level: f64) -> Result<Tensor, TchError> {
        match self.prediction {
            Prediction::Epsilon => Ok(output.shallow_clone()),
            Prediction::Velocity => combine(output, signal, x, level),
            Prediction::Sample => combine(x, 1.0 / level, output, -signal / level),
        }
    }

    /// Formula 12 of Song et al., σ = 0.
    fn ddim(&self, timestep: i64, output: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
        let (signal, level) = roots(self.alpha(timestep));
        let noise = self.noise(output, x, signal, level)?;
        let mut image = self.image(output, x, signal, level)?;
        if let Some(range) = self.clip {
            image = image.f_clamp(-range, range)?;
        }
        let (signal, level) = roots(self.alpha(timestep - self.stride));
        combine(&image, signal, &noise, level)
    }

    /// Liu et al., pseudo linear multistep: the first step is Euler's, the second takes it again with the mean of both
    /// slopes, from then on up to four slopes count.
    fn plms(&mut self, step: usize, output: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
        let mut timestep = self.timesteps()[step] as i64;
        let mut previous = timestep - self.stride;
        if step == 1 {
            (timestep, previous) = (timestep + self.stride, timestep);
        } else {
            if self.history.len() == 4 {
                self.history.pop_front();
            }
            self.history.push_back(output.shallow_clone());
        }
        let again = if step == 1 { self.first_sample.take() } else { None };
        let weights: &[f64] = match (self.history.len(), step) {
            (1, 1) => &[0.5],
            (1, _) => &[1.0],
            (2, _) => &[-0.5, 1.5],
            (3, _) => &[5.0 / 12.0, -16.0 / 12.0, 23.0 / 12.0],
            _ => &[-9.0 / 24.0, 37.0 / 24.0, -59.0 / 24.0, 55.0 / 24.0],
        };
        let mut slope = if step == 1 { output.f_mul_scalar(0.5)? } else { output.f_zeros_like()? };
        for (weight, past) in weights.iter().zip(&self.history) {
            slope = slope.f_add_(&past.f_mul_scalar(*weight)?)?;
        }
        if step == 0 {
            self.first_sample = Some(x.shallow_clone());
        }
        self.transfer(again.as_ref().unwrap_or(x), &slope, timestep, previous)
    }

    /// Formula 9 of Liu et al.: along the slope from one timestep to another.
    fn transfer(&self, x: &Tensor, slope: &Tensor, from: i64, to: i64) -> Result<Tensor, TchError> {
        let (now, then) = (self.alpha(from), self.alpha(to));
        let slope = match self.prediction {
            Prediction::Velocity => combine(slope, now.sqrt(), x, (1.0 - now).sqrt())?,
            Prediction::Epsilon => slope.shallow_clone(),
            Prediction::Sample => {
                return Err(TchError::Kind("PNDM needs a network that predicts noise or velocity".to_owned()));
            }
        };
        let denominator = now * (1.0 - then).sqrt() + (now * (1.0 - now) * then).sqrt();
        combine(x, (then / now).sqrt(), &slope, -(then - now) / denominator)
    }

    /// Along `dx/dσ = (x - image) / σ`; here the image is not scaled down.
    fn euler(&self, at: usize, output: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
        let (sigma, next) = (f64::from(self.sigmas[at]), f64::from(self.sigmas[at + 1]));
        let image = match self.prediction {
            Prediction::Epsilon => combine(x, 1.0, output, -sigma)?,
            Prediction::Velocity => {
                let square = sigma * sigma + 1.0;
                combine(x, 1.0 / square, output, -sigma / square.sqrt())?
            }
            Prediction::Sample => output.shallow_clone(),
        };
        let slope = x.f_sub(&image)?.f_div_scalar(sigma)?;
        combine(x, 1.0, &slope, next - sigma)
    }

    /// Lu et al., Algorithm 2 (second order, multistep); first order at the first and the last step.
    fn dpm_plus_plus(&mut self, step: usize, output: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
        let at = self.begin + step;
        let (signal, level) = shares(self.sigmas[at]);
        let image = self.image(output, x, signal, level)?;
        let (next_signal, next_level) = shares(self.sigmas[at + 1]);
        // Half the log of the signal-to-noise ratio; infinite at the image itself, where e^-h is 0.
        let log_snr = |sigma: f32| -f64::from(sigma).ln();
        let h = log_snr(self.sigmas[at + 1]) - log_snr(self.sigmas[at]);
        let decay = (-h).exp_m1();
        let previous = self.history.pop_front();
        let direction = match previous {
            Some(previous) if at + 2 < self.sigmas.len() => {
                let r = (log_snr(self.sigmas[at]) - log_snr(self.sigmas[at - 1])) / h;
                combine(&image, 1.0 + 0.5 / r, &previous, -0.5 / r)?
            }
            _ => image.shallow_clone(),
        };
        self.history.push_back(image);
        combine(x, next_level / level, &direction, -next_signal * decay)
    }
}

/// `a x + b y`.
fn combine(x: &Tensor, a: f64, y: &Tensor, b: f64) -> Result<Tensor, TchError> {
    x.f_mul_scalar(a)?.f_add_(&y.f_mul_scalar(b)?)
}

/// Signal and noise where `ᾱ` is `alpha`.
fn roots(alpha: f64) -> (f64, f64) {
    (alpha.sqrt(), (1.0 - alpha).sqrt())
}

/// Signal and noise where the noise level of the unscaled image is `sigma`.
fn shares(sigma: f32) -> (f64, f64) {
    let sigma = f64::from(sigma);
    let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
    (signal, sigma * signal)
}

/// Noise levels at the timesteps, then 0. Karras' levels come with timesteps of their own.
fn levels(method: Method, config: &SchedulerConfig, alphas_cumprod: &[f32], timesteps: &mut [f64]) -> Vec<f32> {
    let sigmas = spacing::sigmas(alphas_cumprod);
    let mut levels: Vec<f64> = timesteps.iter().map(|&step| spacing::sigma_at(&sigmas, step)).collect();
    if method == Method::DpmPp2MKarras || config.use_karras_sigmas == Some(true) {
        let ends = |low: Option<f64>, high: Option<f64>| (low.unwrap_or_default(), high.unwrap_or_default());
        let (min, max) = if method == Method::Euler {
            ends(levels.last().copied(), levels.first().copied())
        } else {
            ends(sigmas.first().map(|&low| low.into()), sigmas.last().map(|&high| high.into()))
        };
        levels = spacing::karras(min, max, timesteps.len());
        let logs: Vec<f32> = sigmas.iter().map(|sigma| sigma.ln()).collect();
        for (step, &level) in timesteps.iter_mut().zip(&levels) {
            *step = spacing::timestep_at(&logs, level);
            if method != Method::Euler {
                let whole = config.beta_schedule == BetaSchedule::SquaredCosine;
                *step = if whole { step.trunc() } else { step.round_ties_even() };
            }
        }
    }
    levels.into_iter().chain([0.0]).map(|level| level as f32).collect()
}
