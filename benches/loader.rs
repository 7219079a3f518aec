//! The loader against a torchvision + PIL `DataLoader`, on the same files and cores, in one run.
//!
//! ```text
//! cargo bench --profile dev --bench loader -- --data PAIRS --python python3 [--sizes 512,256] [--workers 1,2]
//! ```
//! Without `--data`, 48 landscapes of 512 pixels are drawn; without `--python`, only the loader is measured. An epoch's
//! time runs from asking for its first batch to having its last; the first epoch's includes opening dataset and cache
//! (empty) and starting threads. Files are read once before, so both find them in the page cache.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use atelier::config::{Data, Jitter};
use atelier::data::cache::Cache;
use atelier::data::loader::{Loader, LoaderOptions};
use atelier::data::{Dataset, synth};

const BATCH: usize = 4;
const LATER_EPOCHS: usize = 4;

struct Arguments {
    data: Option<PathBuf>,
    python: Option<PathBuf>,
    sizes: Vec<usize>,
    workers: Vec<usize>,
}

/// Images a second.
#[derive(Debug, Clone, Copy)]
struct Rate {
    workers: usize,
    first: f64,
    later: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = arguments()? else { return Ok(()) };
    let scratch = tempfile::tempdir()?;
    let drawn = scratch.path().join("pairs");
    if arguments.data.is_none() {
        synth::procedural(&drawn, 48, 1, 512)?;
    }
    let root = arguments.data.unwrap_or(drawn);
    let dataset = Dataset::open(&root)?;
    let bytes = warm(&dataset)?;
    println!("{} pairs in {}, {:.1} MB; batch {BATCH}", dataset.pairs.len(), root.display(), bytes as f64 / 1e6);
    for &size in &arguments.sizes {
        for (name, jitter) in [
            ("flip + jitter", Jitter { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05 }),
            ("flip", Jitter::default()),
        ] {
            println!("\n{size} x {size}, {name}: images/s, first epoch | later epochs");
            let mut ours = Vec::new();
            for &workers in &arguments.workers {
                ours.push(show("atelier", measure(&root, size, workers, jitter, scratch.path())?));
            }
            let Some(python) = &arguments.python else { continue };
            let theirs = reference(python, &root, size, jitter)?;
            for &rate in &theirs {
                show("DataLoader", rate);
            }
            let best = |rates: &[Rate], of: fn(&Rate) -> f64| rates.iter().map(of).fold(0.0, f64::max);
            println!(
                "  best against best: first epoch {:.2}x, later epochs {:.1}x",
                best(&ours, |r| r.first) / best(&theirs, |r| r.first),
                best(&ours, |r| r.later) / best(&theirs, |r| r.later),
            );
        }
    }
    Ok(())
}

fn arguments() -> Result<Option<Arguments>, Box<dyn Error>> {
    let mut parsed = Arguments { data: None, python: None, sizes: vec![512, 256], workers: vec![1, 2] };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let numbers = |text: String| text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
        match word.as_str() {
            "--data" => parsed.data = Some(value()?.into()),
            "--python" => parsed.python = Some(value()?.into()),
            "--sizes" => parsed.sizes = numbers(value()?)?,
            "--workers" => parsed.workers = numbers(value()?)?,
            // cargo's own flag, and a filter that may mean another benchmark.
            "--bench" => {}
            filter if !filter.starts_with('-') && !"loader".contains(filter) => return Ok(None),
            filter if !filter.starts_with('-') => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(Some(parsed))
}

fn warm(dataset: &Dataset) -> Result<usize, Box<dyn Error>> {
    let mut bytes = 0;
    for pair in &dataset.pairs {
        bytes += fs::read(&pair.photo)?.len() + fs::read(&pair.illustration)?.len();
    }
    Ok(bytes)
}

fn measure(root: &Path, size: usize, workers: usize, jitter: Jitter, scratch: &Path) -> Result<Rate, Box<dyn Error>> {
    let text = format!("root = '{}'\nsize = {size}\nworkers = {workers}", root.display());
    let config = Data { jitter, ..toml_edit::de::from_str(&text)? };
    let cache_dir = tempfile::tempdir_in(scratch)?;
    let mut begin = Instant::now();
    let dataset = Dataset::open(root)?;
    let cache = Cache::open(&dataset, &config, cache_dir.path())?;
    let indices = (0..dataset.pairs.len()).collect();
    let options =
        LoaderOptions { config, batch_size: BATCH, seed: 1, augment: true, shuffle: true, device: tch::Device::Cpu };
    let mut loader = Loader::new(cache, indices, options)?;
    let mut seconds = Vec::new();
    let mut images = 0;
    for epoch in 0..=LATER_EPOCHS {
        images = 0;
        for index in 0..loader.batches_per_epoch() {
            let batch = loader.batch(epoch, index)?;
            images += (batch.input.size()[0] + batch.target.size()[0]) as usize;
        }
        seconds.push(begin.elapsed().as_secs_f64());
        begin = Instant::now();
    }
    if let Some(remark) = loader.remarks().first() {
        return Err(format!("not a fair run: {remark}").into());
    }
    let later = seconds[1..].iter().sum::<f64>() / LATER_EPOCHS as f64;
    Ok(Rate { workers, first: images as f64 / seconds[0], later: images as f64 / later })
}

fn reference(python: &Path, root: &Path, size: usize, jitter: Jitter) -> Result<Vec<Rate>, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/loader.py");
    let output = Command::new(python)
        .arg(script)
        .arg(root)
        .args(["--size", &size.to_string(), "--batch", &BATCH.to_string()])
        .args(["--strength", &jitter.brightness.to_string(), "--hue", &jitter.hue.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(format!("{} failed:\n{}", python.display(), String::from_utf8_lossy(&output.stderr)).into());
    }
    let mut rates = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let number = |key: &str| value[key].as_f64().ok_or_else(|| format!("no `{key}` in {line}"));
        rates.push(Rate { workers: number("workers")? as usize, first: number("first")?, later: number("later")? });
    }
    Ok(rates)
}

fn show(name: &str, rate: Rate) -> Rate {
    println!("  {name:<11} {} workers  {:>8.1} | {:>8.1}", rate.workers, rate.first, rate.later);
    rate
}
