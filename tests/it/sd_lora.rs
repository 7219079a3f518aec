//! Track 2 through the real binary, on the tiny base: it trains, resumes bit for bit, and refuses bases that are none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::trainer::{Bench, newest, stderr, wait_until};

const CONFIG: &str = r#"
name = "tiny"
track = "sd-lora"
device = "cpu"
[data]
root = "DATA"
size = 32
[data.procedural]
count = 8
size = 32
[sd_lora]
base = "base"
[sd_lora.tiny_base]
vae_steps = 2
unet_steps = 2
[sd_lora.adapter]
rank = 2
[sd_lora.objective]
caption_dropout = 0.2
[sd_lora.sampling]
steps = 2
guidance = 1.5
[optimizer]
kind = "adamw"
betas = [0.9, 0.999]
[train]
epochs = 8
batch_size = 2
ema_decay = 0.9
threads = 1
[checkpoint]
every_epochs = 0
every_steps = 3
keep_last = 2
[validation]
every_epochs = 4
[samples]
every_epochs = 0
"#;

fn bench() -> Bench {
    Bench::with(CONFIG)
}

fn train(bench: &Bench, root: &str, set: &[&str]) -> std::process::Output {
    let mut arguments = vec!["train", "tiny.toml"];
    set.iter().for_each(|set| arguments.extend(["--set", set]));
    bench.command_in(root, &arguments).output().unwrap()
}

fn losses(bench: &Bench, root: &str) -> BTreeMap<i64, f64> {
    let bits = newest(&bench.session_in(root).unwrap(), "loss/total");
    bits.into_iter().map(|(step, bits)| (step, f64::from_bits(bits))).collect()
}

#[test]
fn losses_after_kills_equal_those_of_an_uninterrupted_run_bit_for_bit() {
    let bench = bench();
    for set in [&[][..], &["sd_lora.paired=true", "sd_lora.cache_latents=false", "train.accumulate=2"]] {
        let run = format!("killed-{}", set.len());
        let whole = format!("whole-{}", set.len());
        let output = train(&bench, &whole, set);
        assert!(output.status.success(), "{}", stderr(&output));
        for wanted in [2, 5, 9] {
            let fresh = bench.session_in(&run).is_none();
            let mut arguments = if fresh { vec!["train", "tiny.toml"] } else { vec!["train", "--resume", "last"] };
            set.iter().filter(|_| fresh).for_each(|set| arguments.extend(["--set", set]));
            let mut child = bench.command_in(&run, &arguments).spawn().unwrap();
            let recorded = || bench.recorded_in(&run, "loss/total") >= wanted;
            wait_until(|| child.try_wait().unwrap().is_some() || recorded());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let last = bench.command_in(&run, &["train", "--resume", "last"]).output().unwrap();
        assert!(last.status.success(), "{}", stderr(&last));
        let [ours, reference] = [&run, &whole].map(|root| bench.session_in(root).unwrap());
        for series in ["loss/total", "grad_norm/adapter", "lr/adapter", "val/l1"] {
            assert!(!newest(&reference, series).is_empty(), "{series}");
            assert_eq!(newest(&ours, series), newest(&reference, series), "{series}");
        }
    }
}

#[test]
fn latents_from_the_cache_train_as_pictures_do() {
    let bench = bench();
    for (root, cached) in [("pictures", "false"), ("latents", "true"), ("again", "true")] {
        let output = train(&bench, root, &[&format!("sd_lora.cache_latents={cached}"), "train.epochs=2"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let [pictures, latents, again] = ["pictures", "latents", "again"].map(|root| losses(&bench, root));
    assert_eq!(latents, again);
    assert_eq!(latents.len(), pictures.len());
    for (step, loss) in &latents {
        let other = pictures[step];
        assert!((loss - other).abs() < 1e-4 * other, "step {step}: {loss} and {other}");
    }
}

#[test]
fn at_the_first_step_a_run_that_looks_at_photos_does_as_one_that_does_not() {
    let bench = bench();
    for (root, paired) in [("style", "false"), ("pairs", "true")] {
        let output = train(&bench, root, &[&format!("sd_lora.paired={paired}"), "train.epochs=1"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let [style, pairs] = ["style", "pairs"].map(|root| losses(&bench, root));
    assert!((style[&1] - pairs[&1]).abs() < 1e-5 * style[&1], "{style:?} {pairs:?}");
    assert!((style[&2] - pairs[&2]).abs() > 1e-6 * style[&2], "the photos are learnt from");
}

#[test]
fn an_evaluation_of_the_last_checkpoint_measures_what_validation_did() {
    let bench = bench();
    let output = train(&bench, "sessions", &["sd_lora.paired=true", "train.epochs=4"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // From elsewhere: base and pairs are found where the session was started.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = bench.command_in("sessions", &["eval", "last", "--metrics", "l1,psnr"]);
    let output = command.current_dir(elsewhere.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let last = |series: &str| {
        let values = newest(&bench.session(), series);
        f64::from_bits(*values.last_key_value().unwrap().1)
    };
    for metric in ["l1", "psnr", "identity_l1"] {
        let [ours, validated] = ["eval", "val"].map(|group| last(&format!("{group}/{metric}")));
        assert!((ours - validated).abs() <= 1e-6 * validated.abs(), "{metric}: {ours} and {validated}");
    }
}

#[test]
fn every_option_trains() {
    let bench = bench();
    for (root, set) in [
        (
            "words",
            &["sd_lora.adapter.targets=['attention', 'convolutions', 'text-encoder']", "sd_lora.text.captions=true"][..],
        ),
        (
            "published",
            &[
                "sd_lora.objective.timesteps=per-batch",
                "sd_lora.objective.clamp_latents=true",
                "sd_lora.text.pad=false",
            ],
        ),
        ("velocity", &["sd_lora.objective.prediction=v-prediction", "sd_lora.objective.min_snr_gamma=5.0"]),
        (
            "lean",
            &["sd_lora.gradient_checkpointing=true", "train.precision=bf16", "sd_lora.objective.noise_offset=0.1"],
        ),
    ] {
        let set: Vec<&str> = set.iter().copied().chain(["train.epochs=2", "validation.every_epochs=2"]).collect();
        if root == "words" {
            // One pair has a prompt of its own; the others are said to have none.
            train(&bench, "first", &["train.epochs=1"]);
            std::fs::write(bench.path().join("data/0001/caption.txt"), "a village").unwrap();
        }
        let output = train(&bench, root, &set);
        assert!(output.status.success(), "{root}: {}", stderr(&output));
        let losses = losses(&bench, root);
        assert!(losses.len() >= 6 && losses.values().all(|loss| loss.is_finite()), "{root}: {losses:?}");
        let session = bench.session_in(root).unwrap();
        assert!(!newest(&session, "val/l1").is_empty(), "{root}");
    }
    let remarks = std::fs::read_to_string(bench.session_in("words").unwrap().join("events.jsonl")).unwrap();
    assert!(remarks.contains("7 of 8 pairs have no caption.txt"), "{remarks}");
}

/// The one file under `folder` with this ending.
fn file(folder: &Path, ending: &str) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.to_str().unwrap().ends_with(ending)).unwrap()
}

#[test]
fn bases_that_are_none_are_refused_by_file_and_leave_no_session() {
    let bench = bench();
    let made = train(&bench, "made", &["train.epochs=1"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let base = bench.path().join("base");
    let weights = file(&base.join("unet"), ".safetensors");
    let whole = std::fs::read(&weights).unwrap();
    let refused = |spoil: &dyn Fn(), parts: &[&str]| {
        spoil();
        let output = train(&bench, "refused", &["sd_lora.base=base"]);
        let text = stderr(&output);
        assert!(!output.status.success(), "{text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{part}: {text}"));
        assert!(!text.contains("panicked"), "{text}");
        assert!(bench.session_in("refused").is_none(), "a session was left behind");
        std::fs::write(&weights, &whole).unwrap();
    };
    refused(&|| std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap(), &["sd_lora.base", "unet"]);
    refused(&|| std::fs::write(&weights, b"").unwrap(), &["sd_lora.base", "unet", "empty"]);
    refused(
        &|| {
            // The last numbers of the file are some tensor's.
            let mut spoilt = whole.clone();
            let end = spoilt.len();
            spoilt[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
            std::fs::write(&weights, spoilt).unwrap();
        },
        &["sd_lora.base", "unet", "finite"],
    );
    refused(&|| std::fs::remove_file(&weights).unwrap(), &["sd_lora.base", "unet"]);
    let vae = base.join("vae/config.json");
    let config = std::fs::read_to_string(&vae).unwrap();
    refused(
        &|| std::fs::write(&vae, config.replace("AutoencoderKL", "AutoencoderTiny")).unwrap(),
        &["AutoencoderTiny"],
    );
    std::fs::write(&vae, &config).unwrap();
    let output = train(&bench, "refused", &["data.size=30"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("no multiple of 4"), "{}", stderr(&output));
}
