//! `atelier eval` on two folders against torchmetrics, lpips and pytorch-fid, on the same files and cores, in turns.
//!
//! ```text
//! cargo bench --profile dev --bench metrics -- --python python3 [--size 512] [--count 24] [--rounds 3]
//!     [--metrics ssim,lpips-alex,lpips-squeeze,lpips-vgg,fid] [--device cpu|cuda] [--workers 2]
//! ```
//! The images are drawn landscapes, photo against illustration, as PNG. Networks carry made-up weights, the same on both
//! sides, which cost as much as trained ones. Timed by both sides from the first file to the last value, so neither
//! starting the program nor loading networks counts. Files are read once before.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use atelier::config::Metric;
use atelier::data::synth;
use atelier::models::init;
use atelier::models::perceptual::backbone::Architecture;
use atelier::models::perceptual::inception;
use atelier::models::perceptual::judge::network_of;
use atelier::models::perceptual::library::Network;
use atelier::models::weights::save_safetensors;
use serde_json::Value;

struct Arguments {
    python: Option<PathBuf>,
    metrics: Vec<Metric>,
    size: usize,
    count: usize,
    rounds: usize,
    device: String,
    workers: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = arguments()? else { return Ok(()) };
    let scratch = tempfile::tempdir()?;
    let (outputs, targets) = (scratch.path().join("outputs"), scratch.path().join("targets"));
    let bytes = draw(scratch.path(), &outputs, &targets, &arguments)?;
    let Arguments { size, count, rounds, .. } = arguments;
    println!(
        "{count} pairs of {size} x {size} pixels, {:.1} MB of PNG; seconds, best of {rounds} rounds",
        bytes as f64 / 1e6
    );
    for &metric in &arguments.metrics {
        let weights = weights(metric, scratch.path())?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut ratios = Vec::new();
        let mut values = (f64::NAN, f64::NAN);
        for _ in 0..rounds {
            let (seconds, value) = measure(&outputs, &targets, metric, weights.as_deref(), &arguments.device)?;
            ours.push(seconds);
            values.0 = value;
            if let Some(python) = &arguments.python {
                let modes = reference(python, &outputs, &targets, metric, weights.as_deref(), &arguments)?;
                values.1 = modes[0].1;
                let fastest = modes.iter().map(|(seconds, _)| *seconds).fold(f64::INFINITY, f64::min);
                ratios.push(fastest / seconds);
                theirs.push(modes);
            }
        }
        let best = |seconds: &mut dyn Iterator<Item = f64>| seconds.fold(f64::INFINITY, f64::min);
        let own = best(&mut ours.iter().copied());
        println!("\n{}: mean {:.6} (theirs {:.6})", metric.name(), values.0, values.1);
        println!("  atelier      {own:>8.2}  {:>7.1} pairs/s", count as f64 / own);
        for (mode, name) in ["PIL loop", "DataLoader"].into_iter().enumerate().filter(|_| !theirs.is_empty()) {
            let seconds = best(&mut theirs.iter().map(|modes| modes[mode].0));
            println!("  {name:<12} {seconds:>8.2}  {:>7.1} pairs/s  {:.1}x", count as f64 / seconds, seconds / own);
        }
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        println!("  faster than the faster of the two, round by round: {}", each.join(" "));
    }
    Ok(())
}

fn arguments() -> Result<Option<Arguments>, Box<dyn Error>> {
    let metrics = vec![Metric::Ssim, Metric::LpipsAlex, Metric::LpipsSqueeze, Metric::Fid];
    let mut parsed =
        Arguments { python: None, metrics, size: 512, count: 24, rounds: 3, device: "cpu".to_owned(), workers: 2 };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--python" => parsed.python = Some(value()?.into()),
            "--size" => parsed.size = value()?.parse()?,
            "--count" => parsed.count = value()?.parse()?,
            "--rounds" => parsed.rounds = value()?.parse()?,
            "--device" => parsed.device = value()?,
            "--workers" => parsed.workers = value()?.parse()?,
            "--metrics" => {
                let named = |name: &str| Metric::of_name(name).ok_or_else(|| format!("no metric {name}"));
                parsed.metrics = value()?.split(',').map(named).collect::<Result<_, _>>()?;
            }
            // cargo's own flag, and a filter that may mean another benchmark.
            "--bench" => {}
            filter if !filter.starts_with('-') && !"metrics".contains(filter) => return Ok(None),
            filter if !filter.starts_with('-') => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(Some(parsed))
}

/// Draw pairs and lay photos and illustrations into a folder each; gives their size.
fn draw(scratch: &Path, outputs: &Path, targets: &Path, arguments: &Arguments) -> Result<u64, Box<dyn Error>> {
    let drawn = synth::procedural(&scratch.join("pairs"), arguments.count, 1, arguments.size)?;
    fs::create_dir_all(outputs)?;
    fs::create_dir_all(targets)?;
    let mut bytes = 0;
    for pair in &drawn.pairs {
        bytes += fs::copy(&pair.photo, outputs.join(format!("{}.png", pair.id)))?;
        bytes += fs::copy(&pair.illustration, targets.join(format!("{}.png", pair.id)))?;
    }
    Ok(bytes)
}

/// Made-up weights of the network that a metric looks through.
fn weights(metric: Metric, scratch: &Path) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let layout = match network_of(metric) {
        None => return Ok(None),
        Some(Network::AlexNet) => Architecture::Alex.layout(),
        Some(Network::Vgg16) => Architecture::Vgg.layout(),
        Some(Network::SqueezeNet) => Architecture::Squeeze.layout(),
        Some(Network::Inception) => inception::layout(),
    };
    let mut tensors = Vec::new();
    for (name, shape) in layout {
        let fan_in: i64 = shape.iter().skip(1).product();
        let tensor = if name.ends_with("bn.weight") || name.ends_with("running_var") {
            tch::Tensor::f_ones(&shape, (tch::Kind::Float, tch::Device::Cpu))?
        } else {
            init::normal(1, &name, &shape, if shape.len() > 1 { (2.0 / fan_in as f32).sqrt() } else { 0.01 })?
        };
        tensors.push((name, tensor));
    }
    let path = scratch.join(format!("{}.safetensors", metric.name()));
    save_safetensors(&path, &tensors, &[])?;
    Ok(Some(path))
}

/// Seconds and value of one run of the program.
fn measure(
    outputs: &Path,
    targets: &Path,
    metric: Metric,
    weights: Option<&Path>,
    device: &str,
) -> Result<(f64, f64), Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier-train"));
    command.arg("eval").arg(outputs).arg("--against").arg(targets).args(["--metrics", metric.name(), "--json"]);
    command.args(["--device", device]);
    if let Some(weights) = weights {
        command.arg("--weights").arg(weights);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("atelier eval failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = report["seconds"].as_f64().ok_or("no `seconds` in the report")?;
    let value = report["metrics"][0]["prediction"]["value"].as_f64().ok_or("no value in the report")?;
    Ok((seconds, value))
}

/// Seconds and value of the loop and of the `DataLoader`.
fn reference(
    python: &Path,
    outputs: &Path,
    targets: &Path,
    metric: Metric,
    weights: Option<&Path>,
    arguments: &Arguments,
) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/metrics.py"));
    command.arg(outputs).arg(targets).args(["--metric", metric.name(), "--device", &arguments.device]);
    command.arg("--workers").arg(arguments.workers.to_string());
    if let Some(weights) = weights {
        command.arg("--weights").arg(weights);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{} failed:\n{}", python.display(), String::from_utf8_lossy(&output.stderr)).into());
    }
    let lines = String::from_utf8(output.stdout)?;
    let values = lines.lines().filter(|line| line.starts_with('{')).map(|line| {
        let value: Value = serde_json::from_str(line)?;
        let number = |key: &str| value[key].as_f64().ok_or_else(|| format!("no `{key}` in {line}"));
        Ok((number("seconds")?, number("value")?))
    });
    let modes = values.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    if modes.len() == 2 { Ok(modes) } else { Err(format!("expected two lines of JSON, got:\n{lines}").into()) }
}
