//! Configs: every mistake is found, placed and explained; every valid config comes back as it was.
//!
//! `ATELIER_BLESS=1 cargo test --test it config` writes the expected texts anew; read them before committing.

mod command;
mod invalid;
mod properties;

use std::path::{Path, PathBuf};

use atelier::config::{self, Loaded};

/// The repository's own folder.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The TOML files of a folder, sorted; never none.
fn configs(folder: &str) -> Vec<PathBuf> {
    let folder = repository().join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no config", folder.display());
    files
}

/// The smallest valid config.
const MINIMAL: &str = "name = \"x\"\ntrack = \"pix2pixhd\"\n\n[data]\nroot = \"data/pairs\"\n";

fn parse(text: &str, overrides: &[&str]) -> Result<Loaded, config::ConfigErrors> {
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    config::parse(text, "x.toml", &overrides)
}

/// Hold `actual` against the file, or write it there when asked to bless.
fn hold(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("ATELIER_BLESS").is_some() {
        std::fs::write(path, actual).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    Err(format!("{} is not what comes out\n--- expected\n{expected}\n--- came out\n{actual}", path.display()))
}

#[test]
fn valid_configs_load_and_come_back_equal() {
    for path in configs("tests/configs/valid").into_iter().chain(configs("configs")) {
        let loaded =
            config::load_with(&path, &[], config::Paths::Unchecked).unwrap_or_else(|errors| panic!("{errors}"));
        let again = config::parse(&loaded.text, "effective", &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded, again, "{}", path.display());
        assert_eq!(loaded.experiment.to_toml(), loaded.text);
    }
}

#[test]
fn the_committed_schema_is_current() {
    let schema = serde_json::to_string_pretty(&config::json_schema()).unwrap() + "\n";
    hold(&repository().join("configs/schema.json"), &schema).unwrap();
}

#[test]
fn a_track_s_section_has_no_effect_on_the_other_s() {
    // Would be a mistake of Track 1: no loss. Here it is a note.
    let text =
        "name = 'x'\ntrack = 'sd-lora'\n[data]\nroot = 'd'\n[sd_lora]\nbase = 'b'\n[optimizer]\nbetas = [0.9, 0.999]\n";
    let off = ["gan_weight", "feature_matching", "vgg", "l1"].map(|term| format!("pix2pixhd.loss.{term}=0"));
    let loaded = parse(text, &off.each_ref().map(String::as_str)).unwrap();
    assert_eq!(loaded.remarks, ["[pix2pixhd] has no effect: track = \"sd-lora\""]);
    assert!(loaded.text.contains("[pix2pixhd.loss]"), "what was written is kept");
    let plain = parse(text, &[]).unwrap();
    assert!(plain.remarks.is_empty() && !plain.text.contains("pix2pixhd"), "{}", plain.text);
    let first = parse(MINIMAL, &["sd_lora.adapter.rank=8"]).unwrap();
    assert_eq!(first.remarks, ["[sd_lora] has no effect: track = \"pix2pixhd\""]);
    assert!(!parse(MINIMAL, &[]).unwrap().text.contains("sd_lora"));
}

#[test]
fn presets_name_the_schema_for_editors() {
    for path in configs("configs") {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("#:schema ./schema.json\n"), "{}", path.display());
    }
}

#[test]
fn the_documented_keys_are_those_of_the_schema() {
    let path = repository().join("docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- keys -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of keys -->").unwrap();
    let actual = format!("{before}<!-- keys -->\n{}<!-- end of keys -->{after}", config::keys_as_markdown());
    hold(&path, &actual).unwrap();
}

#[test]
fn the_paper_preset_holds_the_paper() {
    use atelier::config::{AdapterTarget, GanMode, GeneratorKind, OptimizerKind, Precision, Timesteps};
    let preset = |name: &str| {
        let path = repository().join("configs").join(name);
        config::load_with(&path, &[], config::Paths::Unchecked).unwrap()
    };
    let paper = preset("pix2pixhd.toml").experiment;
    assert_eq!((paper.data.size, paper.train.batch_size, paper.train.epochs), (512, 4, 100));
    assert_eq!((paper.optimizer.kind, paper.optimizer.lr), (OptimizerKind::Adam, 2e-4));
    assert_eq!(paper.optimizer.betas, [0.5, 0.999]);
    assert_eq!(paper.data.validation_fraction, 0.2);
    assert!(paper.data.flip && paper.data.jitter.brightness > 0.0);
    let loss = &paper.pix2pixhd.loss;
    assert_eq!(loss.gan, GanMode::Lsgan);
    assert!(loss.vgg > 0.0 && loss.l1 > 0.0 && loss.feature_matching > 0.0);
    let generator = &paper.pix2pixhd.generator;
    // The enhancer's 32 filters make the global branch's 64: the 182,701,827 parameters of the reference.
    assert_eq!((generator.kind, generator.ngf), (GeneratorKind::Local, 32));

    let spade = preset("pix2pixhd-spade.toml");
    assert!(spade.remarks.is_empty(), "{:?}", spade.remarks);
    let spade = spade.experiment;
    assert_eq!(spade.pix2pixhd.loss.gan, GanMode::Hinge);
    assert!(spade.optimizer.ttur && spade.pix2pixhd.discriminator.spectral_norm);
    assert_eq!(spade.optimizer.betas, [0.0, 0.9]);

    let lora = preset("sd15-lora.toml");
    assert!(lora.remarks.is_empty(), "{:?}", lora.remarks);
    let lora = lora.experiment;
    assert_eq!((lora.data.size, lora.train.batch_size, lora.train.epochs), (512, 10, 10));
    assert_eq!(
        (lora.optimizer.kind, lora.optimizer.lr, lora.optimizer.clip_grad_norm),
        (OptimizerKind::Adamw, 1e-4, 0.5)
    );
    assert_eq!((lora.train.precision, lora.schedule.decay_epochs), (Precision::Bf16, 0));
    assert!(lora.schedule.warmup_steps > 0);
    let adapter = &lora.sd_lora.adapter;
    assert_eq!((adapter.rank, adapter.alpha, adapter.dropout), (4, 16.0, 0.1));
    assert_eq!(adapter.targets, [AdapterTarget::Attention]);
    assert_eq!(lora.sd_lora.objective.timesteps, Timesteps::PerSample);
    assert!(!lora.sd_lora.objective.clamp_latents);

    let published = preset("sd15-lora-as-published.toml").experiment;
    assert_eq!(published.sd_lora.objective.timesteps, Timesteps::PerBatch);
    assert!(
        published.sd_lora.objective.clamp_latents && !published.sd_lora.cache_latents && !published.sd_lora.text.pad
    );
    assert_eq!(published.sd_lora.adapter, *adapter);
    assert_eq!(published.optimizer, lora.optimizer);

    let paired = preset("sd15-paired.toml");
    assert!(paired.remarks.is_empty() && paired.experiment.sd_lora.paired, "{:?}", paired.remarks);

    let quick = preset("quickstart.toml").experiment;
    assert_eq!(quick.pix2pixhd.loss.vgg, 0.0, "the demo must not download");
    assert!(quick.data.procedural.is_some());
}
