//! Track 1: Pix2PixHD.
//!
//! One joint forward pass gives both objectives. NVIDIA's code runs the discriminator three times a step: on the
//! prediction for its own loss (detached), on the illustration, and on the prediction again for the generator's loss.
//! The first and the last compute the same numbers, so here they are one pass, and the engine differentiates each
//! objective with respect to its own network alone; the results are the same.

pub mod losses;
pub mod pool;

use std::borrow::Cow;
use std::collections::HashMap;

use tch::{Device, Kind, TchError, Tensor};

use self::losses::Verdict;
use self::pool::Pool;
use crate::config::{self, Experiment, GeneratorKind, Precision, VggMissing};
use crate::data::batch::Batch;
use crate::models::params::Params;
use crate::models::perceptual::vgg::{self, Vgg19, VggError};
use crate::models::pix2pixhd::enhancer::{self, Gradients};
use crate::models::pix2pixhd::pretrained::{self, PretrainedError};
use crate::models::pix2pixhd::{Network, discriminator, discriminator_layout, fit, generator, generator_layout};
use crate::models::tap::{is_wanted, within};
use crate::tracks::{Forward, Objective, Saliency, StepContext, Track};

const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";
/// Before the stages of the discriminator's taps: what it looks at.
const FAKE: &str = "fake/";
const REAL: &str = "real/";

/// Why the track could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// Settings that exclude each other.
    #[error("{0}")]
    Config(String),
    /// `pix2pixhd.generator.pretrained` does not fit.
    #[error("pix2pixhd.generator.pretrained: {0}")]
    Pretrained(#[from] PretrainedError),
    /// No VGG19 for the perceptual term.
    #[error(
        "no VGG19 weights for the perceptual loss: {0}; or set pix2pixhd.loss.vgg_missing = \"skip\", or the term's \
         weight pix2pixhd.loss.vgg = 0"
    )]
    Vgg(#[source] VggError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// The networks, losses and pool of Track 1.
#[derive(Debug)]
pub struct Pix2PixHd {
    config: config::Pix2PixHd,
    ttur: bool,
    kind: Kind,
    generator: Network,
    discriminator: Network,
    vgg: Option<Vgg19>,
    pool: Pool,
    remarks: Vec<String>,
}

impl Pix2PixHd {
    /// Fresh networks on `device`, a pure function of the experiment; pretrained and VGG weights as it says.
    pub fn new(experiment: &Experiment, device: Device) -> Result<Self, TrackError> {
        let (config, seed) = (&experiment.pix2pixhd, experiment.seed);
        let mut generator = Network::new(&generator_layout(&config.generator), GENERATOR, seed, device)?;
        let mut remarks = Vec::new();
        if let Some(path) = &config.generator.pretrained {
            remarks.extend(pretrained::fill(&mut generator, &config.generator, path)?);
        }
        let discriminator = Network::new(&discriminator_layout(&config.discriminator), DISCRIMINATOR, seed, device)?;
        let mut track = Self::with_networks(experiment, generator, discriminator)?;
        track.remarks.splice(0..0, remarks);
        Ok(track)
    }

    /// The track over networks that are there already: of the experiment's layouts, on one device. Float64 networks
    /// compute in float64, whatever the experiment's precision.
    pub fn with_networks(
        experiment: &Experiment,
        generator: Network,
        discriminator: Network,
    ) -> Result<Self, TrackError> {
        let config = experiment.pix2pixhd.clone();
        let loss = &config.loss;
        if [loss.gan_weight, loss.feature_matching, loss.vgg, loss.l1].iter().all(|weight| *weight == 0.0) {
            return Err(TrackError::Config("pix2pixhd.loss: every weight is 0, so there is nothing to learn".into()));
        }
        let master = generator.params.iter().next().map(|(_, tensor)| (tensor.f_kind(), tensor.device()));
        let (master, device) = match master {
            Some((kind, device)) => (kind?, device),
            None => (Kind::Float, Device::Cpu),
        };
        let kind = match experiment.train.precision {
            _ if master == Kind::Double => Kind::Double,
            Precision::F32 | Precision::Tf32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
        };
        let mut remarks = Vec::new();
        let vgg = if loss.vgg == 0.0 { None } else { load_vgg(experiment, kind, device, &mut remarks)? };
        let pool = Pool::new(loss.pool_size, experiment.seed);
        Ok(Self { ttur: experiment.optimizer.ttur, kind, generator, discriminator, vgg, pool, remarks, config })
    }

    /// Whether any loss needs the discriminator; without one it is not trained and not run.
    fn is_adversarial(&self) -> bool {
        self.config.loss.gan_weight != 0.0 || self.config.loss.feature_matching != 0.0
    }

    /// Names of the discriminator's taps as it judges one of two.
    fn verdicts(&self, scope: &str) -> impl Iterator<Item = String> {
        let stages = if self.is_adversarial() { discriminator::stages(&self.config.discriminator) } else { Vec::new() };
        stages.into_iter().map(move |stage| format!("{DISCRIMINATOR}/{scope}{stage}"))
    }

    /// Whether only the last enhancer is trained in this epoch.
    fn fixes_global(&self, epoch: usize) -> bool {
        self.config.generator.kind == GeneratorKind::Local && epoch < self.config.generator.niter_fix_global
    }
}

/// VGG19, or a remark where the config allows to go without.
fn load_vgg(
    experiment: &Experiment,
    kind: Kind,
    device: Device,
    remarks: &mut Vec<String>,
) -> Result<Option<Vgg19>, TrackError> {
    let loss = &experiment.pix2pixhd.loss;
    if (experiment.data.size as i64) < vgg::SMALLEST {
        return Err(TrackError::Config(format!(
            "data.size: {} pixels are too few for the perceptual loss, which needs {}; or set pix2pixhd.loss.vgg = 0",
            experiment.data.size,
            vgg::SMALLEST
        )));
    }
    let found = vgg::find(loss.vgg_weights.as_deref(), |_, _| {})
        .and_then(|path| Ok((Vgg19::load(&path, loss.vgg_norm, kind, device)?, path)));
    match (found, loss.vgg_missing) {
        (Ok((vgg, path)), _) => {
            remarks.push(format!("perceptual loss by VGG19 from {}", path.display()));
            Ok(Some(vgg))
        }
        (Err(error), VggMissing::Skip) => {
            remarks.push(format!("no VGG19 weights, so this run trains WITHOUT the perceptual loss: {error}"));
            Ok(None)
        }
        (Err(error), VggMissing::Stop) => Err(TrackError::Vgg(error)),
    }
}

impl Track for Pix2PixHd {
    fn networks(&self) -> Vec<(&'static str, &Params)> {
        let mut networks = vec![(GENERATOR, &self.generator.params)];
        if self.is_adversarial() {
            networks.push((DISCRIMINATOR, &self.discriminator.params));
        }
        networks
    }

    fn predictor(&self) -> &'static str {
        GENERATOR
    }

    fn is_trained(&self, network: &str, parameter: &str, epoch: usize) -> bool {
        network != GENERATOR
            || !self.fixes_global(epoch)
            || parameter.starts_with(&enhancer::trained_prefix(&self.config.generator))
    }

    fn lr_factor(&self, network: &str) -> f64 {
        match (self.ttur, network) {
            (false, _) => 1.0,
            (true, GENERATOR) => 0.5,
            (true, _) => 2.0,
        }
    }

    fn forward(&mut self, batch: &Batch, context: StepContext) -> Result<Forward, TchError> {
        let gradients = if self.fixes_global(context.epoch) { Gradients::LastEnhancer } else { Gradients::All };
        let (adversarial, loss) = (self.is_adversarial(), &self.config.loss);
        let (photo, illustration) = (&batch.input, &batch.target); // [B, 3, H, W]
        let mut terms: Vec<(&'static str, Tensor)> = Vec::new();
        let mut parts = Vec::new();
        let mut add = |name, weight: f64, loss: Tensor| -> Result<(), TchError> {
            let weighted = loss.f_mul_scalar(weight)?;
            terms.push((name, weighted.f_detach()?));
            parts.push(weighted);
            Ok(())
        };

        let view = self.generator.training_view(self.kind)?;
        let fake = fit::generate(&view, &self.config.generator, photo, gradients)?; // [B, 3, H, W]
        let mut judged = None;
        if adversarial {
            let view = self.discriminator.training_view(self.kind)?;
            let judge = |pair: &Tensor| discriminator::forward(&view, &self.config.discriminator, pair);
            let pair = Tensor::f_cat(&[photo, &fake], 1)?; // [B, 6, H, W]
            let of_fake = judge(&pair)?;
            let of_real = judge(&Tensor::f_cat(&[photo, illustration], 1)?)?;
            if loss.gan_weight != 0.0 {
                add("loss/g_gan", loss.gan_weight, losses::generator(loss.gan, &of_fake)?)?;
            }
            if loss.feature_matching != 0.0 {
                add("loss/g_feat", loss.feature_matching, losses::feature_matching(&of_fake, &of_real)?)?;
            }
            let seen = if self.pool.is_off() { of_fake } else { judge(&self.pool.query(&pair)?)? };
            let real = losses::discriminator(loss.gan, &of_real, Verdict::Real)?;
            let fake = losses::discriminator(loss.gan, &seen, Verdict::Fake)?;
            judged = Some((real, fake));
        }
        if loss.l1 != 0.0 {
            add("loss/g_l1", loss.l1, losses::l1(&fake, illustration)?)?;
        }
        if let Some(vgg) = &self.vgg {
            add("loss/g_vgg", loss.vgg, losses::perceptual(vgg, &fake, illustration)?)?;
        }
        let total = losses::sum(parts)?;
        terms.push(("loss/g", total.f_detach()?));
        let mut objectives = vec![Objective { network: GENERATOR, loss: total }];
        if let Some((real, fake)) = judged {
            let total = real.f_add(&fake)?.f_mul_scalar(0.5)?;
            terms.push(("loss/d_real", real.f_detach()?));
            terms.push(("loss/d_fake", fake.f_detach()?));
            terms.push(("loss/d", total.f_detach()?));
            objectives.push(Objective { network: DISCRIMINATOR, loss: total });
        }
        Ok(Forward { objectives, terms })
    }

    fn predict(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        fit::generate(&self.generator.view(self.kind)?, &self.config.generator, input, Gradients::All)
    }

    fn stages(&self) -> Vec<String> {
        let stages = match self.config.generator.kind {
            GeneratorKind::Global => generator::stages(&self.config.generator),
            GeneratorKind::Local => enhancer::stages(&self.config.generator),
        };
        let generator = stages.into_iter().map(|stage| format!("{GENERATOR}/{stage}"));
        generator.chain(self.verdicts(FAKE)).chain(self.verdicts(REAL)).collect()
    }

    fn show(&self, input: &Tensor, target: Option<&Tensor>) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        let output = self.predict(input)?;
        for (scope, picture) in [(FAKE, Some(&output)), (REAL, target)] {
            let Some(picture) = picture.filter(|_| is_wanted(self.verdicts(scope))) else { continue };
            let view = self.discriminator.view(self.kind)?;
            let pair = Tensor::f_cat(&[input, picture], 1)?; // [1, 6, H, W]
            within(scope, || discriminator::forward(&view, &self.config.discriminator, &pair))?;
        }
        Ok(output)
    }

    fn saliency(&self, input: &Tensor, target: Option<&Tensor>) -> Result<Saliency, TchError> {
        let photo = input.f_detach()?.f_set_requires_grad(true)?;
        let view = self.generator.view(self.kind)?;
        let output = fit::generate(&view, &self.config.generator, &photo, Gradients::All)?;
        let (value, score) = match target {
            Some(target) => (losses::l1(&output, target)?, "mean absolute difference between output and target"),
            None => (output.f_mean(Kind::Float)?, "mean of the output"),
        };
        // With the photo as the only input: no parameter's gradient is touched.
        let gradient = Tensor::f_run_backward(&[&value], &[&photo], false, false)?.swap_remove(0);
        Ok(Saliency { gradient, score })
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let named = |name: &'static str, network: &Network| {
            network.spectral().state().into_iter().map(move |(key, vector)| (format!("{name}.{key}"), vector))
        };
        let mut state = self.pool.state();
        state.extend(named(GENERATOR, &self.generator));
        state.extend(named(DISCRIMINATOR, &self.discriminator));
        state
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), Cow<'static, str>> {
        let device = self.generator.params.iter().next().map_or(Device::Cpu, |(_, tensor)| tensor.device());
        let part = |prefix: &str| -> HashMap<String, Tensor> {
            let strip = |(key, tensor): &(String, Tensor)| {
                Some((key.strip_prefix(prefix)?.strip_prefix('.')?.to_owned(), tensor.shallow_clone()))
            };
            state.iter().filter_map(strip).collect()
        };
        let whole = state.iter().map(|(key, tensor)| (key.clone(), tensor.shallow_clone())).collect();
        self.generator.spectral_mut().load_state(&part(GENERATOR))?;
        self.discriminator.spectral_mut().load_state(&part(DISCRIMINATOR))?;
        self.pool.load_state(&whole, device)?;
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}
