//! The typed experiment: what a config file says, with every default spelled out.
//!
//! Field names are the reference implementations' own where one exists (`ngf`, `n_blocks_global`,
//! `niter_fix_global`: NVIDIA pix2pixHD), units are in names or docs. Here is the shape and the range of every key:
//! doc comments become the explanations of the JSON schema, `schemars` attributes its limits, and from that schema come
//! the checks, the suggestions and docs/configuration.md. What involves several keys is in `rules.rs`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AlertRule;

/// One experiment, as a config file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Short name; becomes the end of the session's id.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// What is trained.
    pub track: Track,
    /// Everything random is a pure function of this, the step and the rank.
    #[serde(default = "defaults::seed")]
    #[schemars(extend("maximum" = i64::MAX))]
    pub seed: u64,
    /// Where to train: `auto`, `cpu`, `cuda` or `cuda:N`.
    #[serde(default)]
    pub device: Device,
    /// Free labels, searchable in the dashboard.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Free text kept with the session.
    #[serde(default)]
    pub notes: String,
    /// Watch with the built-in rules too. A rule in `[[alerts]]` takes the place of the built-in one of its kind.
    #[serde(default = "defaults::yes")]
    pub alert_defaults: bool,
    /// The pairs and how they are augmented.
    pub data: Data,
    /// Track 1's networks and losses.
    #[serde(default)]
    pub pix2pixhd: Pix2PixHd,
    /// Optimizer of every network.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Learning-rate schedule.
    #[serde(default)]
    pub schedule: Schedule,
    /// Length, batch and safety of the run.
    #[serde(default)]
    pub train: Train,
    /// Held-out metrics.
    #[serde(default)]
    pub validation: Validation,
    /// Pictures kept along the way.
    #[serde(default)]
    pub samples: Samples,
    /// Checkpoints kept along the way.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// GPU and host sampling.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// Rules that watch the run: docs/alerts.md.
    #[serde(default)]
    pub alerts: Vec<AlertRule>,
}

impl Experiment {
    /// The rules in force, built-in ones included.
    pub fn alert_rules(&self) -> Vec<AlertRule> {
        AlertRule::effective(self.alert_defaults, &self.alerts)
    }
}

/// The training tracks of the paper (section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Track {
    /// Track 1: Pix2PixHD from scratch.
    Pix2pixhd,
}

/// Where to train: `auto` (first GPU, else CPU), `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Device {
    /// The first CUDA device when there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{other}` is no device: use auto, cpu, cuda or cuda:N")),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => "auto".to_owned(),
            Device::Cpu => "cpu".to_owned(),
            Device::Cuda(index) => format!("cuda:{index}"),
        }
    }
}

/// `[data]`: the pairs and how they reach the networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Folder of pairs in the paper's layout (`NNNN/o.png`, `NNNN/g.png`). With `procedural` set it may be absent: it
    /// is drawn there first.
    #[schemars(extend("minLength" = 1))]
    pub root: PathBuf,
    /// Side of the square the networks see, in pixels.
    #[serde(default = "defaults::size")]
    #[schemars(range(min = 16, max = 8192))]
    pub size: usize,
    /// How a picture becomes that square.
    #[serde(default)]
    pub fit: Fit,
    /// Flip both images of a pair horizontally, half of the time.
    #[serde(default = "defaults::yes")]
    pub flip: bool,
    /// Colour jitter, the same draw for both images.
    #[serde(default)]
    pub jitter: Jitter,
    /// Share of the sources held out (the paper: 0.2).
    #[serde(default = "defaults::validation_fraction")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub validation_fraction: f64,
    /// Seed of the split; apart from `seed`, so that runs of different seeds share one split.
    #[serde(default)]
    #[schemars(extend("maximum" = i64::MAX))]
    pub split_seed: u64,
    /// Threads that decode and augment.
    #[serde(default = "defaults::workers")]
    #[schemars(range(min = 1, max = 256))]
    pub workers: usize,
    /// Keep the decoded pairs in the device's memory: `auto` does when they take less than a quarter of what is free.
    #[serde(default)]
    pub resident: Resident,
    /// Draw the pairs when `root` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procedural: Option<Procedural>,
}

/// How a picture becomes the square that the networks see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Resize both sides to `size`, as the paper does.
    #[default]
    Squash,
    /// Resize the short side to `size`, then crop: at random in training, the centre in validation.
    Crop,
}

/// Where decoded pairs live while training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resident {
    /// On the device when they fit comfortably.
    #[default]
    Auto,
    /// Always on the device.
    Always,
    /// Always streamed from the cache.
    Never,
}

/// `[data.jitter]`: strengths as torchvision's `ColorJitter` (0 = off; hue in turns, at most 0.5).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Jitter {
    /// Brightness factor drawn from `1 ± brightness`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub brightness: f64,
    /// Contrast factor drawn from `1 ± contrast`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub contrast: f64,
    /// Saturation factor drawn from `1 ± saturation`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub saturation: f64,
    /// Hue shift drawn from `± hue` turns.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub hue: f64,
}

/// `[data.procedural]`: landscapes drawn twice, as photo and as illustration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Procedural {
    /// How many pairs.
    #[schemars(range(min = 2, max = 100_000))]
    pub count: usize,
    /// Seed of the landscapes.
    #[serde(default)]
    #[schemars(extend("maximum" = i64::MAX))]
    pub seed: u64,
    /// Side in pixels of the drawn pictures.
    #[serde(default = "defaults::size")]
    #[schemars(range(min = 16, max = 4096))]
    pub size: usize,
}

/// `[pix2pixhd]`: Track 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pix2PixHd {
    /// The generator.
    pub generator: Generator,
    /// The discriminator.
    pub discriminator: Discriminator,
    /// The losses and their weights.
    pub loss: Loss,
}

/// `[pix2pixhd.generator]`, NVIDIA's option names and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Generator {
    /// `global` or `local` (global generator inside a local enhancer).
    pub kind: GeneratorKind,
    /// Filters of the first convolution. As NVIDIA's `--ngf`: with `local` the enhancer has `ngf`, its global branch
    /// `2 ngf`.
    #[schemars(range(min = 1, max = 1024))]
    pub ngf: usize,
    /// Down-samplings of the global generator.
    #[schemars(range(min = 1, max = 8))]
    pub n_downsample_global: usize,
    /// Residual blocks of the global generator.
    #[schemars(range(min = 0, max = 64))]
    pub n_blocks_global: usize,
    /// Local enhancers, each doubling the output size.
    #[schemars(range(min = 1, max = 4))]
    pub n_local_enhancers: usize,
    /// Residual blocks of each enhancer.
    #[schemars(range(min = 0, max = 64))]
    pub n_blocks_local: usize,
    /// Epochs in which only the enhancer is trained (coarse to fine).
    #[schemars(range(min = 0, max = 1_000_000))]
    pub niter_fix_global: usize,
    /// How features grow: `transposed` (the reference) or `resize` (nearest + convolution, no checkerboard).
    pub upsample: Upsample,
    /// Normalisation after the convolutions, as NVIDIA's `--norm`: `instance` (the reference's default) or `batch`.
    pub norm: Norm,
    /// Spectral normalisation of every convolution.
    pub spectral_norm: bool,
    /// Start from these weights (`.safetensors` or NVIDIA's `.pth`); a global generator fills an enhancer's global branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1))]
    pub pretrained: Option<PathBuf>,
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            kind: GeneratorKind::Global,
            ngf: 64,
            n_downsample_global: 4,
            n_blocks_global: 9,
            n_local_enhancers: 1,
            n_blocks_local: 3,
            niter_fix_global: 0,
            upsample: Upsample::Transposed,
            norm: Norm::Instance,
            spectral_norm: false,
            pretrained: None,
        }
    }
}

/// Which generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratorKind {
    /// `GlobalGenerator`.
    Global,
    /// `LocalEnhancer` around a `GlobalGenerator`.
    Local,
}

/// How a decoder grows its features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Upsample {
    /// Transposed convolution, as the reference.
    Transposed,
    /// Nearest-neighbour resize, then a convolution.
    Resize,
}

/// Normalisation of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Each image by its own statistics. It forgets how bright and how saturated an image is as a whole.
    Instance,
    /// By the batch's statistics in training, by running ones afterwards. It keeps an image's overall colour.
    Batch,
}

/// `[pix2pixhd.discriminator]`, NVIDIA's option names and defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discriminator {
    /// Filters of the first convolution.
    #[schemars(range(min = 1, max = 1024))]
    pub ndf: usize,
    /// Strided layers of each discriminator (`n_layers_D`).
    #[schemars(range(min = 1, max = 8))]
    pub n_layers: usize,
    /// How many scales (`num_D`).
    #[schemars(range(min = 1, max = 8))]
    pub num_d: usize,
    /// Spectral normalisation of every convolution.
    pub spectral_norm: bool,
}

impl Default for Discriminator {
    fn default() -> Self {
        Self { ndf: 64, n_layers: 3, num_d: 2, spectral_norm: false }
    }
}

/// `[pix2pixhd.loss]`: weights; 0 turns a term off and saves its work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// The adversarial objective.
    pub gan: GanMode,
    /// Weight of the adversarial term.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub gan_weight: f64,
    /// Weight of feature matching (`lambda_feat`).
    #[schemars(range(min = 0.0, max = 1e6))]
    pub feature_matching: f64,
    /// Weight of the VGG19 perceptual term.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub vgg: f64,
    /// Weight of the pixel L1 term (the paper's addition to the reference).
    #[schemars(range(min = 0.0, max = 1e6))]
    pub l1: f64,
    /// VGG19 weights: a `.safetensors` or `.pth` file with torchvision's keys. Absent: the cache, else a pinned download.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1))]
    pub vgg_weights: Option<PathBuf>,
    /// What VGG sees: `legacy` is the reference's raw [-1, 1], `imagenet` the normalisation VGG was trained with.
    pub vgg_norm: VggNorm,
    /// When no VGG weights can be had: `stop`, or `skip` the term and say so.
    pub vgg_missing: VggMissing,
    /// Images in the discriminator's history pool; 0 turns it off.
    #[schemars(range(min = 0, max = 10_000))]
    pub pool_size: usize,
}

impl Default for Loss {
    fn default() -> Self {
        Self {
            gan: GanMode::Lsgan,
            gan_weight: 1.0,
            feature_matching: 10.0,
            vgg: 10.0,
            l1: 1.0,
            vgg_weights: None,
            vgg_norm: VggNorm::Legacy,
            vgg_missing: VggMissing::Stop,
            pool_size: 0,
        }
    }
}

/// The adversarial objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GanMode {
    /// Least squares (the reference and the paper).
    Lsgan,
    /// Hinge (SPADE).
    Hinge,
}

/// Normalisation of what VGG sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VggNorm {
    /// The raw [-1, 1] image, as NVIDIA's code.
    Legacy,
    /// ImageNet mean and standard deviation.
    Imagenet,
}

/// What to do without VGG weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VggMissing {
    /// Do not start.
    Stop,
    /// Train without the term; the manifest and an event say so.
    Skip,
}

/// `[optimizer]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// Which one.
    pub kind: OptimizerKind,
    /// Base learning rate.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub lr: f64,
    /// Adam's decay rates.
    #[schemars(extend("items" = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}))]
    pub betas: [f64; 2],
    /// Adam's denominator offset.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub eps: f64,
    /// Decoupled for adamw, L2 for adam.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
    /// Two time-scale update rule: generator lr / 2, discriminator lr * 2 (SPADE).
    pub ttur: bool,
    /// Clip the global gradient norm of each network; 0 turns it off.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub clip_grad_norm: f64,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            lr: 2e-4,
            betas: [0.5, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            ttur: false,
            clip_grad_norm: 0.0,
        }
    }
}

/// Which optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// `[schedule]`: warm-up, constant, then linear decay to zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Optimizer steps of linear warm-up.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub warmup_steps: u64,
    /// Last epochs over which the rate falls linearly to 0 (`niter_decay`); the epochs before are constant (`niter`).
    #[schemars(range(min = 0, max = 1_000_000))]
    pub decay_epochs: usize,
}

/// `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training split.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: usize,
    /// Pairs a step.
    #[schemars(range(min = 1, max = 4096))]
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one optimizer step.
    #[schemars(range(min = 1, max = 4096))]
    pub accumulate: usize,
    /// Arithmetic of the forward and backward passes; weights are always kept in float32.
    pub precision: Precision,
    /// Decay of the generator's moving average; 0 turns it off.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub ema_decay: f64,
    /// Stop after this many skipped steps (NaN, out of memory) in a row.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_skipped_steps: usize,
    /// CPU threads of libtorch; 0 leaves its choice.
    #[schemars(range(min = 0, max = 1024))]
    pub threads: usize,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 4,
            accumulate: 1,
            precision: Precision::F32,
            ema_decay: 0.0,
            max_skipped_steps: 10,
            threads: 0,
        }
    }
}

/// Arithmetic of the forward and backward passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// IEEE float32 everywhere.
    F32,
    /// float32 storage, TF32 products on GPUs that have them.
    Tf32,
    /// bfloat16 activations and products, float32 weights, norms and losses.
    Bf16,
}

/// `[validation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Validation {
    /// Epochs between validations; 0 turns them off.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub every_epochs: usize,
    /// What is measured, as `val/<metric>`.
    #[schemars(extend("uniqueItems" = true))]
    pub metrics: Vec<Metric>,
    /// At most this many held-out pairs; 0 is all.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_pairs: usize,
    /// Weight files of networks that metrics look through, told apart by content. Others come from the cache:
    /// docs/evaluation.md.
    pub weights: Vec<PathBuf>,
}

impl Default for Validation {
    fn default() -> Self {
        let metrics = vec![Metric::L1, Metric::Psnr, Metric::Ssim];
        Self { every_epochs: 1, metrics, max_pairs: 0, weights: Vec::new() }
    }
}

/// A held-out metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Mean absolute error of images in [0, 1].
    L1,
    /// Mean squared error of images in [0, 1].
    Mse,
    /// Peak signal-to-noise ratio in dB.
    Psnr,
    /// Structural similarity, scikit-image's Gaussian definition.
    Ssim,
    /// Multi-scale structural similarity; images of at least 161 pixels a side.
    MsSsim,
    /// LPIPS v0.1 through AlexNet. Like the following, it needs weights: `atelier metrics`.
    LpipsAlex,
    /// LPIPS v0.1 through VGG16.
    LpipsVgg,
    /// LPIPS v0.1 through SqueezeNet.
    LpipsSqueeze,
    /// Fréchet Inception distance of all pairs, as pytorch-fid; mostly bias below thousands of images.
    Fid,
    /// The same with clean-fid's resizing.
    FidClean,
    /// Kernel Inception distance of all pairs: unbiased at any number.
    Kid,
}

/// `[samples]`: input, target and prediction of fixed held-out pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Samples {
    /// Epochs between samples; 0 turns them off.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub every_epochs: usize,
    /// Steps between samples, besides; 0 turns them off.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub every_steps: u64,
    /// How many pairs.
    #[schemars(range(min = 1, max = 64))]
    pub count: usize,
}

impl Default for Samples {
    fn default() -> Self {
        Self { every_epochs: 1, every_steps: 0, count: 4 }
    }
}

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// Epochs between checkpoints; 0 turns them off. One is always written at the end.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub every_epochs: usize,
    /// Steps between checkpoints, besides; 0 turns them off.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub every_steps: u64,
    /// Newest ones kept.
    #[schemars(range(min = 1, max = 1000))]
    pub keep_last: usize,
    /// Best ones kept, by `best_metric`.
    #[schemars(range(min = 0, max = 1000))]
    pub keep_best: usize,
    /// The series that decides; direction follows from the metric.
    pub best_metric: Metric,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every_epochs: 1, every_steps: 0, keep_last: 3, keep_best: 1, best_metric: Metric::L1 }
    }
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Time between samples, in milliseconds.
    #[schemars(range(min = 50, max = 3_600_000))]
    pub interval_ms: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { interval_ms: 1000 }
    }
}

mod defaults {
    pub fn seed() -> u64 {
        1
    }
    pub fn size() -> usize {
        512
    }
    pub fn yes() -> bool {
        true
    }
    pub fn validation_fraction() -> f64 {
        0.2
    }
    pub fn workers() -> usize {
        2
    }
}
