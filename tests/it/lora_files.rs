//! LoRA files: every form round, merged, compared, refused; and `atelier stylize` with them, the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use atelier::models::init;
use atelier::models::params::Params;
use atelier::models::stable_diffusion::load::{Configs, ldm};
use atelier::models::stable_diffusion::lora::{ATTENTION, CONVOLUTIONS, Lora, LoraConfig, TEXT_ATTENTION};
use atelier::models::stable_diffusion::lora_file::{About, Alpha, LoraFile, attach, compare};
use atelier::models::stable_diffusion::merge::{Part, merge_file};
use atelier::models::stable_diffusion::pipeline::{Pipeline, Sampling, Texts};
use atelier::models::stable_diffusion::scheduler::{Method, SchedulerConfig};
use atelier::models::stable_diffusion::tokenizer::Tokenizer;
use atelier::models::stable_diffusion::{StableDiffusion, load};
use atelier::models::weights;
use image::{Rgb, RgbImage};
use tch::{Device, Kind, Tensor};

use super::tiny_diffusion;

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        tiny_diffusion::write(&dir.path().join("base"));
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn base(&self) -> StableDiffusion {
        open(&self.path("base"))
    }

    fn atelier(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("ATELIER_OFFLINE", "1");
        command.output().unwrap()
    }

    /// Standard output of a run that must succeed.
    fn run(&self, args: &[&str]) -> String {
        let output = self.atelier(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a run that must fail with this code.
    fn refused(&self, code: i32, args: &[&str]) -> String {
        let output = self.atelier(args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }
}

fn open(path: &Path) -> StableDiffusion {
    load::open(path, load::Kinds::all(Kind::Float), Device::Cpu).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A LoRA of everything that can have one, as if trained: no projection is zero.
fn trained(model: &StableDiffusion, rank: i64, alpha: f64, rslora: bool) -> Lora {
    let mut unet_targets = words(&ATTENTION);
    unet_targets.extend(words(&CONVOLUTIONS));
    unet_targets.extend(words(&["ff.net.0.proj", "time_emb_proj"]));
    let mut text_targets = words(&TEXT_ATTENTION);
    text_targets.push("fc1".to_owned());
    let config = LoraConfig { rank, alpha, rslora, unet_targets, text_targets, ..LoraConfig::default() };
    filled(&config, model, Vec::new())
}

fn filled(config: &LoraConfig, model: &StableDiffusion, whole: Vec<(String, Tensor)>) -> Lora {
    let (unet, text) = (model.unet.params.layout(), model.text.params.layout());
    let lora = Lora::new(config, &unet, &text, whole, 5, Device::Cpu).unwrap();
    let _guard = tch::no_grad_guard();
    for (name, tensor) in lora.params.iter().filter(|(name, _)| name.ends_with(".lora_B.weight")) {
        tensor.shallow_clone().copy_(&init::normal(9, name, &tensor.size(), 0.2).unwrap());
    }
    lora
}

/// The largest relative difference of what two files add to any layer.
fn apart(a: &LoraFile, b: &LoraFile) -> f64 {
    let layers = compare(a, b).unwrap();
    assert!(layers.len() > 30, "{}", layers.len());
    layers.iter().map(|layer| layer.relative().unwrap_or(f64::INFINITY)).fold(0.0, f64::max)
}

#[test]
fn every_form_holds_the_same_lora() {
    let bench = Bench::new();
    let model = bench.base();
    for (rank, alpha, rslora) in [(4, 16.0, false), (3, 2.0, true)] {
        let file = LoraFile::of(&trained(&model, rank, alpha, rslora)).unwrap();
        let path = bench.path("x.safetensors");
        for how in [Alpha::Folded, Alpha::Header] {
            file.save_diffusers(&path, how, Kind::Float).unwrap();
            let read = LoraFile::load(&path).unwrap();
            assert!(apart(&file, &read) < 1e-6, "{how:?}");
            assert_eq!(read.remarks, Vec::<String>::new());
            // As those see it who do not read the header.
            let tensors = weights::load_file(&path).unwrap();
            weights::save_safetensors(&path, &tensors, &[]).unwrap();
            let blind = LoraFile::load(&path).unwrap();
            assert!(blind.remarks[0].contains("alpha is taken to be the rank"), "{:?}", blind.remarks);
            assert_eq!(apart(&file, &blind) < 1e-6, how == Alpha::Folded);
        }
        file.save_kohya(&path, &About { steps: Some(7), ..About::default() }, Kind::Float).unwrap();
        let read = LoraFile::load(&path).unwrap();
        assert!(apart(&file, &read) < 1e-6);
        assert_eq!((read.metadata["ss_steps"].as_str(), read.ranks().len()), ("7", 1));
        assert_eq!(read.metadata["sshs_model_hash"].len(), 64);
        // Half precision keeps three digits.
        file.save_kohya(&path, &About::default(), Kind::Half).unwrap();
        assert!(apart(&file, &LoraFile::load(&path).unwrap()) < 2e-3);
    }
}

/// A file's adapters beside the networks do what the trained ones did; two at once are their sum.
#[test]
fn a_file_beside_its_base_is_what_was_trained() {
    let bench = Bench::new();
    let (mut model, lora) = (bench.base(), trained(&bench.base(), 4, 16.0, false));
    let file = LoraFile::of(&lora).unwrap();
    let ids = Tensor::from_slice(&Tokenizer::clip().unwrap().encode("a village").ids).unsqueeze(0);
    let random = |shape: &[i64], seed| init::normal(seed, "x", shape, 1.0).unwrap();
    let (x, t) = (random(&[2, 4, 8, 8], 1), Tensor::from_slice(&[400_i64]));
    let pass = |model: &StableDiffusion| {
        let text = tch::no_grad(|| model.text.forward(&ids)).unwrap().expand([2, -1, -1], false);
        tch::no_grad(|| model.unet.forward(&x, &t, &text)).unwrap()
    };
    let plain = pass(&model);
    model.unet.attach(lora.adapters("unet").unwrap()).unwrap();
    model.text.attach(lora.adapters("text_encoder").unwrap()).unwrap();
    let wanted = pass(&model);
    let far = |a: &Tensor, b: &Tensor| f64::try_from((a - b).abs().max()).unwrap();
    assert!(far(&plain, &wanted) > 0.1);
    attach(&mut model, &[(&file, 1.0)]).unwrap();
    assert_eq!(far(&pass(&model), &wanted), 0.0);
    attach(&mut model, &[(&file, 0.7), (&file, 0.3)]).unwrap();
    assert!(far(&pass(&model), &wanted) < 1e-4);
    attach(&mut model, &[(&file, 0.4), (&file, -0.4)]).unwrap();
    assert!(far(&pass(&model), &plain) < 1e-4);
}

#[test]
fn conversions_merges_and_differences_agree() {
    let bench = Bench::new();
    let file = LoraFile::of(&trained(&bench.base(), 4, 16.0, false)).unwrap();
    file.save_diffusers(&bench.path("a.safetensors"), Alpha::Header, Kind::Float).unwrap();
    bench.run(&["lora", "convert", "a.safetensors", "--to", "kohya", "-o", "k.safetensors"]);
    bench.run(&["lora", "convert", "k.safetensors", "--to", "diffusers", "-o", "folder"]);
    let json: serde_json::Value =
        serde_json::from_str(&bench.run(&["lora", "diff", "a.safetensors", "folder", "--json"])).unwrap();
    assert!(json["relative"].as_f64().unwrap() < 1e-6, "{json}");
    let text = bench.run(&["lora", "diff", "a.safetensors", "k.safetensors"]);
    assert!(text.contains("85 layers, 0 in one file alone") && text.contains("mlp.fc1"), "{text}");

    let info = bench.run(&["lora", "info", "k.safetensors"]);
    for part in
        ["kohya (A1111, ComfyUI)", "kept in     f32", "rank        4\n", "scale       4 (", " q_proj", " to_out.0"]
    {
        assert!(info.contains(part), "{part}: {info}");
    }
    let info: serde_json::Value = serde_json::from_str(&bench.run(&["lora", "info", "folder", "--json"])).unwrap();
    assert_eq!((info["form"].as_str(), info["paired"].as_bool()), (Some("diffusers"), Some(false)));
    assert_eq!(info["layers"].as_array().unwrap().len(), file.layers.len());

    // Merged, the model does without the LoRA what it did with it.
    bench.run(&["lora", "merge", "--base", "base", "--lora", "k.safetensors:0.5", "-o", "merged"]);
    let [mut beside, merged] = [bench.base(), open(&bench.path("merged"))];
    attach(&mut beside, &[(&file, 0.5)]).unwrap();
    assert!(difference(&picture(&beside, 1), &picture(&merged, 1)) < 1e-3);
    assert!(difference(&picture(&bench.base(), 1), &picture(&merged, 1)) > 0.05);
    let again = bench.refused(2, &["lora", "merge", "--base", "base", "--lora", "k.safetensors", "-o", "merged"]);
    assert!(again.contains("merged exists"), "{again}");
    let hidden = fs::read_dir(bench.dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "nothing half-made is left");
}

/// A single file, with the original code's names, gives a single file.
#[test]
fn a_checkpoint_file_is_merged_as_its_folder_is() {
    let bench = Bench::new();
    let model = bench.base();
    let configs =
        Configs { unet: model.unet.config.clone(), vae: model.vae.config.clone(), text: model.text.config.clone() };
    let named = |params: &Params, name: &dyn Fn(&str) -> String| -> Vec<(String, Tensor)> {
        params.iter().map(|(own, tensor)| (name(own), tensor.to_kind(Kind::Half))).collect()
    };
    let mut tensors = named(&model.unet.params, &|own| ldm::unet(&configs.unet, own).unwrap());
    tensors.extend(named(&model.vae.params, &|own| ldm::vae(&configs.vae, own).unwrap()));
    tensors.extend(named(&model.text.params, &ldm::text));
    let (base, out) = (bench.path("base.safetensors"), bench.path("merged.safetensors"));
    weights::save_safetensors(&base, &tensors, &[]).unwrap();
    let file = LoraFile::of(&trained(&model, 4, 16.0, false)).unwrap();
    let part = || vec![Part { path: Path::new("x"), lora: &file, strength: 0.5 }];
    merge_file(&base, &configs, &part(), &out, |_| ()).unwrap();
    let kinds = load::Kinds::all(Kind::Float);
    let merged = load::open_file(&out, configs.clone(), kinds, Device::Cpu).unwrap();
    let mut beside = load::open_file(&base, configs.clone(), kinds, Device::Cpu).unwrap();
    attach(&mut beside, &[(&file, 0.5)]).unwrap();
    // What is merged is rounded to the file's float16.
    assert!(difference(&picture(&beside, 1), &picture(&merged, 1)) < 2e-2);
    let kept = weights::load_file(&out).unwrap();
    assert!(kept.len() == tensors.len() && kept.iter().all(|(_, tensor)| tensor.kind() == Kind::Half));

    tensors.truncate(20);
    weights::save_safetensors(&base, &tensors, &[]).unwrap();
    let error = merge_file(&base, &configs, &part(), &bench.path("no.safetensors"), |_| ()).unwrap_err().to_string();
    assert!(error.contains("20 of") && error.contains("not such a checkpoint"), "{error}");
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    f64::try_from((a - b).abs().mean(Kind::Double)).unwrap()
}

/// A picture of a fixed photo, by the library.
fn picture(model: &StableDiffusion, seed: i64) -> Tensor {
    let config = SchedulerConfig::from_json(&model.scheduler, Path::new("scheduler")).unwrap();
    let pipeline = Pipeline::new(&model.unet, &model.vae, config).unwrap();
    let texts = Texts::encode(&model.text, &Tokenizer::clip().unwrap(), "a village", "").unwrap();
    let photo = init::symmetric(3, "photo", &[1, 3, 64, 64], 1.0).unwrap();
    let sampling = Sampling { steps: 4, method: Method::Ddim, ..Sampling::default() };
    pipeline.stylise(&photo, &texts, &sampling, &[seed], &mut |_| ()).unwrap()
}

#[test]
fn pictures_depend_on_the_seed_alone_and_steps_are_told() {
    let bench = Bench::new();
    let model = bench.base();
    let config = SchedulerConfig::from_json(&model.scheduler, Path::new("scheduler")).unwrap();
    let pipeline = Pipeline::new(&model.unet, &model.vae, config).unwrap();
    let texts = Texts::encode(&model.text, &Tokenizer::clip().unwrap(), "a village", "").unwrap();
    // Of a size that the networks do not take.
    let photos = init::symmetric(3, "photo", &[2, 3, 70, 83], 1.0).unwrap();
    let sampling = Sampling { steps: 6, ..Sampling::default() };
    let mut steps = Vec::new();
    let both = pipeline.stylise(&photos, &texts, &sampling, &[5, 6], &mut |taken| steps.push((taken.done, taken.all)));
    let both = both.unwrap();
    assert_eq!(both.size(), [2, 3, 70, 83]);
    assert_eq!(steps, [(1, 3), (2, 3), (3, 3)]);
    let one =
        |at: i64, seed| pipeline.stylise(&photos.narrow(0, at, 1), &texts, &sampling, &[seed], &mut |_| ()).unwrap();
    assert!(difference(&both.narrow(0, 0, 1), &one(0, 5)) < 1e-5, "in a batch as alone");
    assert!(difference(&both.narrow(0, 1, 1), &one(1, 6)) < 1e-5);
    assert!(difference(&one(0, 5), &one(0, 6)) > 1e-3, "another seed, another picture");
    assert!(f64::try_from(both.abs().max()).unwrap() <= 1.0);
    let wrong = pipeline.stylise(&photos, &texts, &sampling, &[1], &mut |_| ()).unwrap_err().to_string();
    assert!(wrong.contains("one for each"), "{wrong}");
}

/// `conv_in` widened and saved in the file: the network reads the photo; strength is gone, image guidance counts.
#[test]
fn paired_adapters_read_the_photo() {
    let bench = Bench::new();
    let model = bench.base();
    let own = |name: &str| model.unet.params.get(name).unwrap().shallow_clone();
    let weight = Tensor::cat(&[own("conv_in.weight"), init::normal(4, "new", &[8, 4, 3, 3], 0.3).unwrap()], 1);
    let whole = vec![("unet.conv_in.weight".to_owned(), weight), ("unet.conv_in.bias".to_owned(), own("conv_in.bias"))];
    let lora = filled(&LoraConfig::default(), &model, whole);
    let file = LoraFile::of(&lora).unwrap();
    let path = bench.path("paired.safetensors");
    file.save_diffusers(&path, Alpha::Folded, Kind::Float).unwrap();
    assert!(LoraFile::load(&path).unwrap().is_paired());
    // diffusers refuses LoRAs with other tensors in them.
    assert!(weights::load_file(&path).unwrap().iter().all(|(name, _)| name.contains("lora")));
    let first = bench.path("paired.conv_in.safetensors");
    let names: Vec<String> = weights::load_file(&first).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["conv_in.bias", "conv_in.weight"]);
    fs::copy(&path, bench.path("alone.safetensors")).unwrap();
    let alone = bench.refused(1, &["lora", "info", "alone.safetensors"]);
    assert!(alone.contains("alone.conv_in.safetensors must lie beside it"), "{alone}");
    let error = file.save_kohya(&bench.path("k.safetensors"), &About::default(), Kind::Float).unwrap_err().to_string();
    assert!(error.contains("a paired adapter cannot be written so"), "{error}");
    assert!(bench.run(&["lora", "info", "paired.safetensors"]).contains("paired"));

    bench.run(&["lora", "merge", "--base", "base", "--lora", "paired.safetensors", "-o", "merged"]);
    let index = fs::read_to_string(bench.path("merged/model_index.json")).unwrap();
    assert!(index.contains("StableDiffusionInstructPix2PixPipeline"), "{index}");
    let (mut beside, merged) = (bench.base(), open(&bench.path("merged")));
    attach(&mut beside, &[(&file, 1.0)]).unwrap();
    assert!(difference(&picture(&beside, 1), &picture(&merged, 1)) < 1e-3);
    let plain = LoraFile::of(&trained(&model, 4, 4.0, false)).unwrap();
    plain.save_diffusers(&path, Alpha::Folded, Kind::Float).unwrap();
    assert!(!LoraFile::load(&path).unwrap().is_paired(), "what lay beside is gone with the file that it belonged to");
    let both = attach(&mut beside, &[(&file, 1.0), (&file, 1.0)]).unwrap_err().to_string();
    assert!(both.contains("only one can be a paired one"), "{both}");
}

#[test]
fn files_that_are_none_are_refused_by_what_is_wrong() {
    let bench = Bench::new();
    let file = LoraFile::of(&trained(&bench.base(), 4, 4.0, false)).unwrap();
    let good = bench.path("good.safetensors");
    file.save_diffusers(&good, Alpha::Folded, Kind::Float).unwrap();
    let tensors = || weights::load_file(&good).unwrap();
    let save = |name: &str, tensors: &[(String, Tensor)]| {
        weights::save_safetensors(&bench.path(name), tensors, &[]).unwrap();
    };
    let bytes = fs::read(&good).unwrap();
    fs::write(bench.path("torn.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(bench.path("empty.safetensors"), b"").unwrap();
    fs::write(bench.path("text.safetensors"), "hello, this is no tensor file").unwrap();
    let nan = tensors();
    let _ = nan[0].1.view([-1]).narrow(0, 0, 1).fill_(f64::NAN);
    save("nan.safetensors", &nan);
    save("half.safetensors", &tensors()[1..]);
    let mut joined = tensors();
    joined[0].1 = Tensor::zeros([5, 5], (Kind::Float, Device::Cpu));
    save("joined.safetensors", &joined);
    let key = |key: &str| vec![(key.to_owned(), Tensor::zeros([4, 4], (Kind::Float, Device::Cpu)))];
    save("flux.safetensors", &key("lora_unet_double_blocks_0_img_attn_proj.lora_down.weight"));
    save("loha.safetensors", &key("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a"));
    save("vgg.safetensors", &key("features.0.weight"));
    fs::create_dir(bench.path("nothing")).unwrap();
    for (name, expected) in [
        ("torn.safetensors", "cut short"),
        ("empty.safetensors", "the file is empty"),
        ("text.safetensors", "neither safetensors nor .pth"),
        ("nan.safetensors", "holds NaN or infinity"),
        ("half.safetensors", "projection up or down is missing"),
        ("joined.safetensors", "which do not join"),
        ("flux.safetensors", "a LoRA of Flux"),
        ("loha.safetensors", "a LoHa"),
        ("vgg.safetensors", "no LoRA of Stable Diffusion 1"),
        ("missing.safetensors", "No such file"),
        ("nothing", "no pytorch_lora_weights.safetensors there"),
    ] {
        let error = bench.refused(1, &["lora", "info", name]);
        assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
    }
    bench.refused(2, &["lora", "convert", "good.safetensors", "--to", "kohya", "-o", "good.safetensors"]);
    let strength = bench.refused(2, &["lora", "merge", "--base", "base", "--lora", "good.safetensors:much", "-o", "m"]);
    assert!(strength.contains("a strength is expected"), "{strength}");
}

#[test]
fn a_lora_for_another_model_is_refused_with_what_it_is_for() {
    let bench = Bench::new();
    let module = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k";
    let other = |rank: i64, inputs: i64| {
        let make = |shape: [i64; 2]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
        vec![
            (format!("{module}.lora_A.weight"), make([rank, inputs])),
            (format!("{module}.lora_B.weight"), make([8, rank])),
        ]
    };
    weights::save_safetensors(&bench.path("xl.safetensors"), &other(4, 2048), &[]).unwrap();
    let merge = |name: &str| bench.refused(1, &["lora", "merge", "--base", "base", "--lora", name, "-o", "m"]);
    let error = merge("xl.safetensors");
    for part in [
        "xl.safetensors: the LoRA does not fit",
        "width 2048 (Stable Diffusion XL), the base 16",
        "1 of 1 layers",
        "[8, 16] in the base",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let mut deeper = other(4, 16);
    for (name, _) in &mut deeper {
        *name = name.replace("down_blocks.0", "down_blocks.7");
    }
    weights::save_safetensors(&bench.path("deep.safetensors"), &deeper, &[]).unwrap();
    assert!(merge("deep.safetensors").contains("the base has no layer `unet.down_blocks.7"));
    assert!(!bench.path("m").exists());
}

#[test]
fn stylize_draws_with_a_base_and_loras() {
    let bench = Bench::new();
    let file = LoraFile::of(&trained(&bench.base(), 4, 16.0, false)).unwrap();
    file.save_kohya(&bench.path("k.safetensors"), &About::default(), Kind::Float).unwrap();
    let photo = RgbImage::from_fn(75, 66, |x, y| Rgb([(3 * x) as u8, (3 * y) as u8, (x * y) as u8]));
    photo.save(bench.path("photo.png")).unwrap();
    let stylize = |out: &str, more: &[&str]| {
        let common = ["stylize", "--base", "base", "--prompt", "a village", "--device", "cpu", "photo.png", "-o", out];
        [&common, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |out: &str, more: &[&str]| {
        let args = stylize(out, &[more, &["--steps", "4"]].concat());
        let text = bench.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(text.contains("photo.png  75x66"), "{text}");
        image::open(bench.path(out).join("photo.png")).unwrap().into_rgb8()
    };
    let plain = run("plain", &[]);
    assert_eq!(plain.dimensions(), (75, 66));
    assert_eq!(run("again", &["--seed", "0", "--batch", "2", "--preview"]).as_raw(), plain.as_raw());
    assert_ne!(run("seed", &["--seed", "1"]).as_raw(), plain.as_raw());
    assert_ne!(run("lora", &["--lora", "k.safetensors"]).as_raw(), plain.as_raw());
    assert_eq!(run("none", &["--lora", "k.safetensors:0"]).as_raw(), plain.as_raw());
    assert_eq!(fs::read_dir(bench.path("again")).unwrap().count(), 1, "previews are gone at the end");

    for (more, code, expected) in [
        (vec!["--strength", "2"], 2, "--strength 2 must lie between 0 and 1"),
        (vec!["--strength", "0.01"], 2, "not one step"),
        (vec!["--steps", "5000"], 2, "5000 steps cannot be taken"),
        (vec!["--sampler", "plms"], 2, "there are ddim, pndm"),
        (vec!["--lora", "photo.png"], 1, "photo.png: neither safetensors"),
        (vec!["--guidance", "nan"], 2, "--guidance NaN"),
        (vec!["--weights", "k.safetensors"], 2, "cannot be used with"),
    ] {
        let args = stylize("out", &more);
        let error = bench.refused(code, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(error.contains(expected), "{more:?}: {error}");
    }
    let long = "cat ".repeat(80);
    let args =
        ["stylize", "--base", "base", "--prompt", &long, "--steps", "2", "--device", "cpu", "photo.png", "-o", "long"];
    let output = bench.atelier(&args);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("the prompt has 80 tokens and the text encoder takes 75"), "{}", stderr(&output));
    let unfetched = bench.refused(2, &["stylize", "--base", "sd15", "--prompt", "x", "photo.png", "-o", "o"]);
    assert!(unfetched.contains("`atelier models pull sd15` fetches them"), "{unfetched}");
    let nowhere = bench.refused(1, &["stylize", "--base", "nowhere", "--prompt", "x", "photo.png", "-o", "o"]);
    assert!(nowhere.contains("nowhere: there is no such file or folder"), "{nowhere}");
    let silent = bench.refused(2, &["stylize", "--base", "base", "photo.png", "-o", "o"]);
    assert!(silent.contains("--prompt"), "{silent}");
}

#[test]
fn models_are_listed_and_offline_says_what_to_fetch() {
    let bench = Bench::new();
    let list = bench.run(&["models", "ls"]);
    assert!(list.contains("sd15") && list.contains("4.27 GB") && list.contains("not fetched"), "{list}");
    let json: serde_json::Value = serde_json::from_str(&bench.run(&["models", "ls", "--json"])).unwrap();
    assert_eq!(json[1]["missing"].as_array().unwrap().len(), 12);
    let error = bench.refused(1, &["models", "pull", "sd15-fp16"]);
    for part in [
        "ATELIER_OFFLINE forbids",
        "12 of 12 files",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "https://",
        "cache/atelier/models/sd15-fp16",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = bench.refused(2, &["models", "pull", "sd3"]);
    assert!(error.contains("no model is called `sd3`; there are sd15, sd15-fp16"), "{error}");
    // A damaged copy is noticed when asked, and named among the missing.
    let place = bench.path("cache/atelier/models/sd15/model_index.json");
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, vec![b' '; 541]).unwrap();
    assert!(bench.refused(1, &["models", "pull", "sd15"]).contains("11 of 12 files"));
    let error = bench.refused(1, &["models", "pull", "sd15", "--verify"]);
    assert!(error.contains("not the pinned file any more") && error.contains("12 of 12 files"), "{error}");
}
