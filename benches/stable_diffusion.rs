//! Stable Diffusion on a GPU (or, for small bases, the CPU): how far bfloat16 is from float32 in each network, and what a
//! training step of the U-Net costs, with how much of it is the host's launching of kernels.
//!
//! ```text
//! python benches/stable_diffusion.py base /tmp/base        # shapes of Stable Diffusion 1.5, random weights
//! just bench stable_diffusion --base /tmp/base [--device cuda] [--batch 10] [--size 512] [--steps 30]
//! python benches/stable_diffusion.py step /tmp/base        # diffusers and peft on the same card
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use atelier::models::stable_diffusion::StableDiffusion;
use atelier::models::stable_diffusion::load::{self, Kinds};
use atelier::models::stable_diffusion::lora::{self, Lora, LoraConfig};
use atelier::native::torch::{Mark, allow_tf32, device_memory, empty_cache, load_cuda, reset_peak_memory};
use tch::{Device, Kind, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Arguments {
    base: PathBuf,
    device: Device,
    batch: i64,
    size: i64,
    steps: usize,
}

fn main() -> Outcome<()> {
    let Some(arguments) = arguments()? else { return Ok(()) };
    if arguments.device.is_cuda() {
        load_cuda()?;
        tch::Cuda::cudnn_set_benchmark(true);
    }
    allow_tf32(false, false)?;
    tch::no_grad(|| parity(&arguments))?;
    empty_cache(arguments.device)?;
    for checkpointing in [false, true] {
        step(&arguments, checkpointing)?;
        empty_cache(arguments.device)?;
    }
    Ok(())
}

fn arguments() -> Outcome<Option<Arguments>> {
    let mut parsed = Arguments { base: PathBuf::new(), device: Device::Cuda(0), batch: 10, size: 512, steps: 30 };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--base" => parsed.base = value()?.into(),
            "--device" => parsed.device = if value()? == "cpu" { Device::Cpu } else { Device::Cuda(0) },
            "--batch" => parsed.batch = value()?.parse()?,
            "--size" => parsed.size = value()?.parse()?,
            "--steps" => parsed.steps = value()?.parse()?,
            // cargo's own flag, and a filter that may mean another benchmark.
            "--bench" => {}
            filter if !filter.starts_with('-') && !"stable_diffusion".contains(filter) => return Ok(None),
            filter if !filter.starts_with('-') => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    if parsed.base.as_os_str().is_empty() {
        println!("stable_diffusion: nothing to measure without --base FOLDER");
        return Ok(None);
    }
    Ok(Some(parsed))
}

/// What the three networks give for the same input, in turn.
fn outputs(model: &StableDiffusion, arguments: &Arguments) -> Outcome<[Tensor; 4]> {
    tch::manual_seed(1);
    let device = arguments.device;
    let factor = model.vae.config.factor();
    let (side, channels) = (arguments.size / factor, model.vae.config.latent_channels);
    let normal = |shape: &[i64]| Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?.f_to_device(device);
    let latents = normal(&[2, channels, side, side])?;
    let image = normal(&[1, 3, arguments.size, arguments.size])?.f_tanh()?;
    let ids = Tensor::f_arange(77, (Kind::Int64, device))?.f_view([1, 77])?;
    let text = model.text.forward(&ids)?.f_to_kind(Kind::Float)?;
    let width = text.size()[2];
    let context = normal(&[2, 77, width])?;
    let timesteps = Tensor::from_slice(&[10_i64, 900]).f_to_device(device)?;
    let unet = model.unet.forward(&latents, &timesteps, &context)?;
    let mean = model.vae.encode(&image)?.mean.f_to_kind(Kind::Float)?;
    let decoded = model.vae.decode(&latents.f_narrow(0, 0, 1)?)?.f_to_kind(Kind::Float)?;
    Ok([unet, text, mean, decoded])
}

fn parity(arguments: &Arguments) -> Outcome<()> {
    let mut of = Vec::new();
    for kind in [Kind::Float, Kind::BFloat16] {
        let model = load::open(&arguments.base, Kinds::all(kind), arguments.device)?;
        of.push(outputs(&model, arguments)?);
    }
    println!("bfloat16 against float32, |difference| / |float32|:");
    for (name, (exact, short)) in ["U-Net", "text encoder", "encoder", "decoder"].iter().zip(of[0].iter().zip(&of[1])) {
        let distance = short.f_sub(exact)?.f_norm()?.f_div(&exact.f_norm()?)?;
        println!("  {name:<12} {:.2e}", f64::try_from(distance)?);
    }
    Ok(())
}

fn step(arguments: &Arguments, checkpointing: bool) -> Outcome<()> {
    let &Arguments { device, batch, size, steps, .. } = arguments;
    let kinds = Kinds::all(Kind::BFloat16);
    let mut model = load::open(&arguments.base, kinds, device)?;
    let none = Vec::new();
    let lora = Lora::new(&LoraConfig::default(), &model.unet.params.layout(), &none, Vec::new(), 1, device)?;
    model.unet.attach(lora.adapters(lora::UNET)?)?;
    let (side, channels) = (size / model.vae.config.factor(), model.vae.config.latent_channels);
    let floats = (Kind::Float, device);
    let latents = Tensor::f_randn([batch, channels, side, side], floats)?;
    let context = Tensor::f_randn([batch, 77, model.unet.config.cross_attention_dim], floats)?;
    let leaves: Vec<Tensor> = lora.params.iter().map(|(_, tensor)| tensor.shallow_clone()).collect();
    let once = || -> Outcome<[f64; 4]> {
        let timesteps = Tensor::f_randint(1000, [batch], (Kind::Int64, device))?;
        let noise = latents.f_randn_like()?;
        let (host, begin) = (Instant::now(), Mark::now(device)?);
        let predicted = model.unet.forward_training(&noise, &timesteps, &context, checkpointing)?;
        let loss = predicted.f_mse_loss(&noise, tch::Reduction::Mean)?;
        let (launched, middle) = (host.elapsed().as_secs_f64(), Mark::now(device)?);
        Tensor::f_run_backward(&[&loss], &leaves.iter().collect::<Vec<_>>(), false, false)?;
        let (all_launched, end) = (host.elapsed().as_secs_f64(), Mark::now(device)?);
        end.wait()?;
        Ok([middle.seconds_since(&begin)?, end.seconds_since(&middle)?, launched, all_launched - launched])
    };
    for _ in 0..5 {
        once()?;
    }
    reset_peak_memory(device)?;
    let mut rows = (0..steps).map(|_| once()).collect::<Outcome<Vec<_>>>()?;
    let peak = device_memory(device)?.map_or(f64::NAN, |memory| memory.peak_allocated as f64 / f64::from(1 << 30));
    rows.sort_by(|a, b| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
    let [forward, backward, launch, launch_back] = rows[steps / 2].map(|seconds| seconds * 1e3);
    println!(
        "\nU-Net, batch {batch}, {size} pixels{}: median of {steps} steps, ms: forward {forward:.1} (launched in {launch:.1}), \
         backward {backward:.1} (launched in {launch_back:.1}); {:.1} images/s; peak {peak:.1} GiB",
        if checkpointing { ", gradient checkpointing" } else { "" },
        batch as f64 * 1e3 / (forward + backward)
    );
    Ok(())
}
