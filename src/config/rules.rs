//! What involves several keys, or the file system: rules that no single key's limits can say.

use std::path::Path;

use super::{Device, Experiment, Fit, GanMode, GeneratorKind, Jitter, Metric, Pix2PixHd, Precision, SdLora, Track};

/// The weights that a run starts from.
pub const PRETRAINED: &str = "pix2pixhd.generator.pretrained";
/// The frozen model that a run of Track 2 adapts.
const BASE: &str = "sd_lora.base";

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The keys involved, by dotted path; the place of the first is shown.
    pub keys: Vec<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub next: String,
}

impl Broken {
    fn new(keys: &[&'static str], message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { keys: keys.to_vec(), message: message.into(), next: next.into() }
    }
}

/// Every broken rule of an experiment whose values are each within their limits. Pure: no file is looked at.
pub fn broken(experiment: &Experiment) -> Vec<Broken> {
    let mut broken = Vec::new();
    name(experiment, &mut broken);
    lengths(experiment, &mut broken);
    match experiment.track {
        Track::Pix2pixhd => {
            fixed_epochs(experiment, &mut broken);
            losses(experiment, &mut broken);
            networks(experiment, &mut broken);
        }
        Track::SdLora => latents(experiment, &mut broken),
    }
    held_out(experiment, &mut broken);
    broken
}

fn name(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = &experiment.name;
    if !name.chars().all(allowed) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        broken.push(Broken::new(
            &["name"],
            format!("`name` = \"{}\" cannot end a folder's name", name.escape_debug()),
            "use letters a to z, digits, `.`, `_` and `-`, beginning with a letter or digit",
        ));
    }
}

fn lengths(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let epochs = experiment.train.epochs;
    let decay = experiment.schedule.decay_epochs;
    if decay > epochs {
        broken.push(Broken::new(
            &["schedule.decay_epochs", "train.epochs"],
            format!("`schedule.decay_epochs` = {decay}, but the run has only {epochs} epochs (`train.epochs`)"),
            "the decay is part of the run: lower it, or train longer",
        ));
    }
}

fn fixed_epochs(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let epochs = experiment.train.epochs;
    let generator = &experiment.pix2pixhd.generator;
    let fixed = generator.niter_fix_global;
    let fix_key = "pix2pixhd.generator.niter_fix_global";
    if fixed > 0 && generator.kind == GeneratorKind::Global {
        broken.push(Broken::new(
            &[fix_key, "pix2pixhd.generator.kind"],
            format!("`{fix_key}` = {fixed}, but a global generator has no enhancer to train alone"),
            "set pix2pixhd.generator.kind = \"local\", or niter_fix_global = 0",
        ));
    } else if fixed > epochs {
        broken.push(Broken::new(
            &[fix_key, "train.epochs"],
            format!("`{fix_key}` = {fixed}, but the run has only {epochs} epochs (`train.epochs`)"),
            "the global branch would never be trained: lower it, or train longer",
        ));
    }
}

fn losses(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let loss = &experiment.pix2pixhd.loss;
    let keys =
        ["pix2pixhd.loss.gan_weight", "pix2pixhd.loss.feature_matching", "pix2pixhd.loss.vgg", "pix2pixhd.loss.l1"];
    if [loss.gan_weight, loss.feature_matching, loss.vgg, loss.l1].iter().all(|weight| *weight == 0.0) {
        broken.push(Broken::new(
            &keys,
            "every loss has weight 0: there is nothing to train",
            "give at least one a weight",
        ));
    }
}

/// Weights beyond which a generator is taken for a slip: 16 GB in float32, four times that with Adam's moments.
const MOST_WEIGHTS: f64 = 4e9;

fn networks(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let size = experiment.data.size;
    let generator = &experiment.pix2pixhd.generator;
    let discriminator = &experiment.pix2pixhd.discriminator;
    let local = generator.kind == GeneratorKind::Local;
    let down = generator.n_downsample_global + if local { generator.n_local_enhancers } else { 0 };
    let step = 1_usize << down;
    // The generator pads its input to a multiple of `step`; its residual blocks then pad their feature maps by one
    // pixel of reflection and normalise each map over its pixels: both need more than one.
    if size <= step {
        let mut keys = vec!["data.size", "pix2pixhd.generator.n_downsample_global"];
        let mut what = format!("{} down-samplings", generator.n_downsample_global);
        if local {
            keys.extend(["pix2pixhd.generator.n_local_enhancers", "pix2pixhd.generator.kind"]);
            let plural = if generator.n_local_enhancers == 1 { "" } else { "s" };
            what = format!("{what} and {} local enhancer{plural}", generator.n_local_enhancers);
        }
        broken.push(Broken::new(
            &keys,
            format!("`data.size` = {size} is too small for a generator with {what}: one pixel is left at its centre"),
            format!("use data.size = {} or more, or fewer down-samplings", step * 2),
        ));
    }
    let coarsest = size >> (discriminator.num_d - 1);
    if coarsest < 2 {
        broken.push(Broken::new(
            &["pix2pixhd.discriminator.num_d", "data.size"],
            format!(
                "`pix2pixhd.discriminator.num_d` = {}: at `data.size` = {size} the coarsest scale is a single pixel",
                discriminator.num_d
            ),
            "use fewer scales, or larger images",
        ));
    }
    // A local generator's global branch has twice the filters (NVIDIA's convention).
    let filters = (generator.ngf * if local { 1 << generator.n_local_enhancers } else { 1 }) as f64;
    let widest = filters * f64::from(1_u32 << generator.n_downsample_global);
    let weights = 9.0 * widest * widest * (2.0 * generator.n_blocks_global as f64 + 4.0 / 3.0);
    if weights > MOST_WEIGHTS {
        broken.push(Broken::new(
            &[
                "pix2pixhd.generator.ngf",
                "pix2pixhd.generator.n_downsample_global",
                "pix2pixhd.generator.n_blocks_global",
            ],
            format!("this generator would have some {:.0} billion weights", weights / 1e9),
            "lower ngf, n_downsample_global or n_blocks_global (the reference: 64, 4, 9, which make 0.18 billion)",
        ));
    }
}

fn latents(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let sd = &experiment.sd_lora;
    let data = &experiment.data;
    if sd.base.is_none() {
        broken.push(Broken::new(
            &[BASE],
            format!("`{BASE}` is not set: the track \"sd-lora\" adapts a model that is there already"),
            "name a folder in diffusers' layout, a single-file checkpoint, or a model that `atelier models pull` fetched",
        ));
    }
    if sd.cache_latents && data.jitter != Jitter::default() {
        broken.push(Broken::new(
            &["data.jitter", "sd_lora.cache_latents"],
            "`data.jitter` changes a picture's colours each time, so that its latents cannot be kept",
            "turn the jitter off, or set sd_lora.cache_latents = false",
        ));
    }
    if sd.cache_latents && data.fit == Fit::Crop {
        broken.push(Broken::new(
            &["data.fit", "sd_lora.cache_latents"],
            "`data.fit` = \"crop\" cuts a picture elsewhere each time, so that its latents cannot be kept",
            "use data.fit = \"squash\", or set sd_lora.cache_latents = false",
        ));
    }
    let taken = sd.sampling.steps as f64 * sd.sampling.strength;
    if taken < 1.0 && !sd.paired {
        broken.push(Broken::new(
            &["sd_lora.sampling.strength", "sd_lora.sampling.steps"],
            format!(
                "`sd_lora.sampling.strength` = {} of {} steps is not one step, so that photos would stay as they are",
                sd.sampling.strength, sd.sampling.steps
            ),
            "raise either",
        ));
    }
    if sd.objective.image_dropout > 0.0 && !sd.paired {
        broken.push(Broken::new(
            &["sd_lora.objective.image_dropout", "sd_lora.paired"],
            "`sd_lora.objective.image_dropout` leaves out the photo, but without `sd_lora.paired` there is none",
            "set sd_lora.paired = true, or leave image_dropout out",
        ));
    }
}

fn held_out(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let validation = &experiment.validation;
    if validation.every_epochs == 0 {
        return;
    }
    if experiment.data.validation_fraction == 0.0 {
        broken.push(Broken::new(
            &["data.validation_fraction", "validation.every_epochs"],
            "`data.validation_fraction` = 0 holds nothing out, but `validation.every_epochs` asks for validation",
            "hold some sources out (the paper: 0.2), or set validation.every_epochs = 0",
        ));
    }
    if validation.metrics.is_empty() {
        broken.push(Broken::new(
            &["validation.metrics", "validation.every_epochs"],
            "`validation.metrics` is empty, but `validation.every_epochs` asks for validation",
            "list a metric, or set validation.every_epochs = 0",
        ));
    } else if experiment.checkpoint.keep_best > 0 && !validation.metrics.contains(&experiment.checkpoint.best_metric) {
        broken.push(Broken::new(
            &["checkpoint.best_metric", "validation.metrics", "checkpoint.keep_best"],
            "`checkpoint.best_metric` is not measured: it is not in `validation.metrics`",
            "add it there, choose another, or set checkpoint.keep_best = 0",
        ));
    }
}

/// Paths that are not there. Looks at the file system, so it is left out where the files need not exist any more.
pub fn missing_paths(experiment: &Experiment) -> Vec<Broken> {
    let mut broken = Vec::new();
    let data = &experiment.data;
    if data.root.is_dir() {
        // Whether it holds pairs is for `atelier dataset check` and the loader to say.
    } else if std::fs::symlink_metadata(&data.root).is_ok() {
        broken.push(Broken::new(
            &["data.root"],
            format!("`data.root` = {} is not a folder that can be opened", quoted(&data.root)),
            "name the folder that holds the pairs",
        ));
    } else if data.procedural.is_none() {
        broken.push(Broken::new(
            &["data.root", "data.procedural"],
            format!("`data.root` = {} does not exist", quoted(&data.root)),
            format!(
                "make it with `atelier dataset import` (your own pairs) or `atelier dataset synth --procedural` (drawn \
                 ones), or set [data.procedural]{}",
                hint(&data.root)
            ),
        ));
    }
    match experiment.track {
        Track::Pix2pixhd => missing_weights(experiment, &mut broken),
        Track::SdLora => missing_base(&experiment.sd_lora, &mut broken),
    }
    broken
}

fn missing_base(sd: &SdLora, broken: &mut Vec<Broken>) {
    // A bare name may be that of a model that was fetched: for the track to say.
    let is_path = |base: &&Path| base.components().count() > 1 || base.extension().is_some();
    let missing = sd.base.as_deref().filter(|base| !base.exists() && sd.tiny_base.is_none());
    let Some(base) = missing.filter(is_path) else { return };
    broken.push(Broken::new(
        &[BASE, "sd_lora.tiny_base"],
        format!("`{BASE}` = {} does not exist", quoted(base)),
        format!(
            "name a folder in diffusers' layout or a single-file checkpoint, or set [sd_lora.tiny_base] to have a small \
             one made there{}",
            hint(base)
        ),
    ));
}

fn missing_weights(experiment: &Experiment, broken: &mut Vec<Broken>) {
    let loss = &experiment.pix2pixhd.loss;
    let pretrained = experiment.pix2pixhd.generator.pretrained.as_deref();
    let vgg = loss.vgg_weights.as_deref().filter(|_| loss.vgg > 0.0);
    let judges = experiment.validation.weights.iter().filter(|_| experiment.validation.every_epochs > 0);
    let named = [(PRETRAINED, pretrained), ("pix2pixhd.loss.vgg_weights", vgg)];
    let named = named.into_iter().filter_map(|(key, path)| Some((key, path?)));
    for (key, path) in named.chain(judges.map(|path| ("validation.weights", path.as_path()))) {
        if !path.is_file() {
            let what = if path.is_dir() { "is a folder, not a file" } else { "does not exist" };
            broken.push(Broken::new(
                &[key],
                format!("`{key}` = {} {what}", quoted(path)),
                format!("name a .safetensors or .pth file, or leave the key out{}", hint(path)),
            ));
        }
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().escape_debug())
}

/// What commonly goes wrong with paths.
fn hint(path: &Path) -> String {
    if path.starts_with("~") {
        "; `~` is not expanded in a config".to_owned()
    } else if path.is_relative() {
        let here = std::env::current_dir().map(|here| format!(", now {}", here.display())).unwrap_or_default();
        format!("; relative paths start at the current directory{here}")
    } else {
        String::new()
    }
}

/// What is legal but worth a word.
pub fn remarks(experiment: &Experiment) -> Vec<String> {
    let mut remarks = Vec::new();
    let pix2pixhd = &experiment.pix2pixhd;
    let sd = &experiment.sd_lora;
    let track = experiment.track;
    let other = match track {
        Track::Pix2pixhd => (*sd != SdLora::default()).then_some("[sd_lora] has no effect: track = \"pix2pixhd\""),
        Track::SdLora => {
            (*pix2pixhd != Pix2PixHd::default()).then_some("[pix2pixhd] has no effect: track = \"sd-lora\"")
        }
    };
    remarks.extend(other.map(str::to_owned));
    if track == Track::SdLora && experiment.optimizer.betas[0] < 0.9 {
        remarks.push(format!(
            "optimizer.betas[0] = {} is a GAN's; diffusion models are trained with 0.9",
            experiment.optimizer.betas[0]
        ));
    }
    let guided = sd.sampling.guidance > 1.0;
    if track == Track::SdLora && sd.paired && guided && sd.objective.image_dropout == 0.0 {
        remarks.push(
            "sd_lora.paired without sd_lora.objective.image_dropout: guidance by the photo counts on pictures trained \
             without it (InstructPix2Pix: caption_dropout = 0.1, image_dropout = 0.1)"
                .to_owned(),
        );
    }
    if track == Track::Pix2pixhd && pix2pixhd.loss.gan == GanMode::Hinge && !pix2pixhd.discriminator.spectral_norm {
        remarks.push(
            "pix2pixhd.loss.gan = \"hinge\" without pix2pixhd.discriminator.spectral_norm: the hinge loss counts on a \
             bounded discriminator (SPADE uses both)"
                .to_owned(),
        );
    }
    if experiment.device == Device::Cpu && experiment.train.precision == Precision::Tf32 {
        remarks.push("train.precision = \"tf32\" has no effect on the CPU".to_owned());
    }
    if experiment.validation.every_epochs == 0 && experiment.checkpoint.keep_best > 0 {
        remarks.push("checkpoint.keep_best has no effect: validation is off (validation.every_epochs = 0)".to_owned());
    }
    for rule in &experiment.alerts {
        let measured = |metric: &Metric| {
            let name = rule.series.strip_prefix("val/").unwrap_or_default();
            let name = name.strip_prefix("identity_").unwrap_or(name);
            experiment.validation.every_epochs > 0 && name == metric.name()
        };
        let literal = rule.series.starts_with("val/") && !rule.series.contains(['*', '?', '{']);
        if literal && !experiment.validation.metrics.iter().any(measured) {
            let kind = rule.kind().word();
            remarks.push(format!("a \"{kind}\" rule in [[alerts]] watches `{}`, which is not measured", rule.series));
        }
    }
    remarks
}
