//! Models from disk in every published form, and what is wrong with one said by name.

use std::fs;
use std::path::Path;

use atelier::models::stable_diffusion::StableDiffusion;
use atelier::models::stable_diffusion::config::{TextConfig, UNetConfig, VaeConfig};
use atelier::models::stable_diffusion::load::{Configs, Kinds, ldm, open, open_file};
use atelier::models::stable_diffusion::{clip, unet, vae};
use atelier::models::weights::{save_pth, save_safetensors};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::{Golden, difference, goldens};

type Tensors = Vec<(String, Tensor)>;

/// The three golden networks, which fit together.
struct Parts {
    unet: Golden,
    vae: Golden,
    text: Golden,
}

fn parts() -> Parts {
    let first = |name| goldens(name).swap_remove(0);
    Parts { unet: first("sd_unet"), vae: first("sd_vae"), text: first("sd_clip") }
}

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";
const VAE: &str = "vae/diffusion_pytorch_model.safetensors";
const TEXT: &str = "text_encoder/model.safetensors";

/// A diffusers folder of the golden networks, with what a test changes of a part's tensors.
fn folder(parts: &Parts, change: impl Fn(&str, Tensors) -> Tensors) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| fs::write(root.path().join(name), value.to_string()).unwrap();
    for (golden, file, class) in [
        (&parts.unet, UNET, Some("UNet2DConditionModel")),
        (&parts.vae, VAE, Some("AutoencoderKL")),
        (&parts.text, TEXT, None),
    ] {
        let part = file.split('/').next().unwrap();
        fs::create_dir(root.path().join(part)).unwrap();
        let mut config = golden.config.clone();
        if let Some(class) = class {
            config["_class_name"] = json!(class);
        }
        write(&format!("{part}/config.json"), &config);
        save_safetensors(&root.path().join(file), &change(part, golden.weights()), &[("format", "pt")]).unwrap();
    }
    fs::create_dir(root.path().join("scheduler")).unwrap();
    write("scheduler/scheduler_config.json", &json!({ "_class_name": "DDIMScheduler", "prediction_type": "epsilon" }));
    fs::create_dir(root.path().join("tokenizer")).unwrap();
    write("model_index.json", &json!({ "_class_name": "StableDiffusionPipeline" }));
    root
}

fn same(_: &str, tensors: Tensors) -> Tensors {
    tensors
}

fn load(path: &Path) -> Result<StableDiffusion, String> {
    open(path, Kinds::all(Kind::Float), Device::Cpu).map_err(|error| error.to_string())
}

/// What is said of a model that cannot be loaded; it names the folder or a file in it.
fn refused(path: &Path) -> String {
    let error = load(path).expect_err("this should not load");
    assert!(error.contains(&path.display().to_string()), "no path: {error}");
    assert!(error.len() < 1500, "too long: {error}");
    error
}

/// That a loaded model computes what the golden networks do.
fn assert_golden(model: &StableDiffusion, parts: &Parts) {
    let golden = &parts.unet;
    let y = model.unet.forward(golden.get("in.x"), golden.get("in.t"), golden.get("in.ctx")).unwrap();
    assert!(difference(&y, golden.get("out.eps")) <= 1e-5, "UNet");
    let y = model.vae.decode(parts.vae.get("in.z")).unwrap();
    assert!(difference(&y, parts.vae.get("out.decoded")) <= 1e-5, "decoder");
    let y = model.vae.encode(parts.vae.get("in.image")).unwrap().mean;
    assert!(difference(&y, parts.vae.get("out.mean")) <= 1e-5, "encoder");
    let y = model.text.forward(parts.text.get("in.ids")).unwrap();
    assert!(difference(&y, parts.text.get("out.hidden")) <= 1e-5, "text encoder");
}

#[test]
fn a_folder_loads_in_any_precision() {
    let parts = parts();
    for kind in [Kind::Half, Kind::Float, Kind::Double] {
        let cast = |_: &str, tensors: Tensors| {
            tensors.into_iter().map(|(name, tensor)| (name, tensor.to_kind(kind))).collect()
        };
        let root = folder(&parts, cast);
        let model = load(root.path()).unwrap();
        assert_golden(&model, &parts);
        assert_eq!(model.scheduler["_class_name"], "DDIMScheduler");
        assert_eq!((model.tokenizer.unwrap(), model.source), (root.path().join("tokenizer"), root.path().to_owned()));
        assert!(model.unet.params.iter().all(|(_, tensor)| !tensor.requires_grad()));
    }
    // Kinds are cast on load; group norms stay float32.
    let root = folder(&parts, same);
    let kinds = Kinds { unet: Kind::BFloat16, vae: Kind::Float, text: Kind::BFloat16 };
    let model = open(root.path(), kinds, Device::Cpu).unwrap();
    assert_eq!((model.unet.kind(), model.vae.kind(), model.text.kind()), (kinds.unet, kinds.vae, kinds.text));
    assert_eq!(model.unet.params.get("conv_norm_out.weight").unwrap().kind(), Kind::Float);
    assert_eq!(model.unet.params.get("conv_out.weight").unwrap().kind(), Kind::BFloat16);
}

#[test]
fn published_names_are_understood() {
    let parts = parts();
    let old = |part: &str, mut tensors: Tensors| {
        for (name, _) in &mut tensors {
            if part == "text_encoder" {
                *name = format!("text_model.{name}");
            } else if part == "vae" {
                for (new, old) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
                    *name = name.replace(&format!(".{new}."), &format!(".{old}."));
                }
            }
        }
        if part == "text_encoder" {
            let positions = Tensor::arange(77, (Kind::Int64, Device::Cpu)).reshape([1, 77]);
            tensors.push(("text_model.embeddings.position_ids".to_owned(), positions));
        }
        tensors
    };
    let root = folder(&parts, old);
    assert_golden(&load(root.path()).unwrap(), &parts);
    // The half-precision variant, and PyTorch's own format.
    fs::rename(root.path().join(UNET), root.path().join(UNET.replace(".safe", ".fp16.safe"))).unwrap();
    fs::remove_file(root.path().join(TEXT)).unwrap();
    save_pth(&root.path().join("text_encoder/pytorch_model.bin"), &parts.text.weights()).unwrap();
    assert_golden(&load(root.path()).unwrap(), &parts);
}

/// The UNet's file in three parts with an index.
fn shard(root: &Path, parts: &Parts) -> Vec<String> {
    fs::remove_file(root.join(UNET)).unwrap();
    let tensors = parts.unet.weights();
    let mut map = serde_json::Map::new();
    let third = tensors.len().div_ceil(3);
    let mut names = Vec::new();
    for (at, chunk) in tensors.chunks(third).enumerate() {
        let name = format!("diffusion_pytorch_model-0000{}-of-00003.safetensors", at + 1);
        let chunk: Tensors = chunk.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        save_safetensors(&root.join("unet").join(&name), &chunk, &[]).unwrap();
        map.extend(chunk.iter().map(|(key, _)| (key.clone(), json!(name))));
        names.push(name);
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    fs::write(root.join(format!("{UNET}.index.json")), index.to_string()).unwrap();
    names
}

#[test]
fn shards_are_put_together_and_a_missing_one_is_named() {
    let parts = parts();
    let root = folder(&parts, same);
    let names = shard(root.path(), &parts);
    assert_golden(&load(root.path()).unwrap(), &parts);
    fs::remove_file(root.path().join("unet").join(&names[1])).unwrap();
    let error = refused(root.path());
    assert!(error.contains(&names[1]) && error.contains("this shard is missing"), "{error}");
    let index = root.path().join(format!("{UNET}.index.json"));
    fs::write(&index, json!({ "weight_map": { "conv_in.weight": "../../secret" } }).to_string()).unwrap();
    assert!(refused(root.path()).contains("no name of a file"));
    fs::write(&index, "{}").unwrap();
    assert!(refused(root.path()).contains("lists no files") || refused(root.path()).contains("weight_map"));
}

#[test]
fn tensors_that_are_wrong_are_all_named() {
    let parts = parts();
    let broken = |part: &str, mut tensors: Tensors| {
        if part == "unet" {
            tensors.retain(|(name, _)| name != "conv_out.bias");
            let (_, first) = tensors.iter_mut().find(|(name, _)| name == "conv_in.weight").unwrap();
            *first = Tensor::zeros([16, 9, 3, 3], (Kind::Float, Device::Cpu));
            tensors.push(("add_embedding.weight".to_owned(), Tensor::zeros([2], (Kind::Float, Device::Cpu))));
        }
        tensors
    };
    let error = refused(folder(&parts, broken).path());
    for part in [
        "unet: ",
        "`conv_out.bias` [4] is missing",
        "`conv_in.weight` is [16, 9, 3, 3] where the network has [16, 4, 3, 3]",
        "`add_embedding.weight` is not a parameter",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // Another network's weights are many problems; the message stays readable.
    let swapped = |part: &str, tensors: Tensors| if part == "unet" { parts.vae.weights() } else { tensors };
    assert!(refused(folder(&parts, swapped).path()).contains("more"));
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let parts = parts();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let poisoned = |part: &str, mut tensors: Tensors| {
            if part == "vae" {
                let (_, bias) = tensors.iter_mut().find(|(name, _)| name == "decoder.conv_out.bias").unwrap();
                let _ = bias.get(1).fill_(value);
            }
            tensors
        };
        let error = refused(folder(&parts, poisoned).path());
        assert!(error.contains("`decoder.conv_out.bias` has 1 values that are NaN or infinite"), "{error}");
    }
    let whole = |part: &str, mut tensors: Tensors| {
        if part == "unet" {
            tensors[0].1 = tensors[0].1.to_kind(Kind::Int8);
        }
        tensors
    };
    let error = refused(folder(&parts, whole).path());
    assert!(error.contains("Int8, not floating-point"), "{error}");
}

#[test]
fn damaged_and_missing_files_are_named() {
    let parts = parts();
    let root = folder(&parts, same);
    let path = root.path().join(VAE);
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refused(root.path());
        assert!(error.contains(VAE) && (error.contains("cut short") || error.contains("empty")), "{length}: {error}");
    }
    fs::remove_file(&path).unwrap();
    let error = refused(root.path());
    assert!(error.contains("/vae: ") && error.contains("`diffusion_pytorch_model.safetensors` is missing"), "{error}");
    fs::write(&path, &whole).unwrap();
    fs::write(root.path().join("unet/config.json"), "{ \"in_channels\": 4,").unwrap();
    let error = refused(root.path());
    assert!(error.contains("unet/config.json: not JSON"), "{error}");
    fs::remove_file(root.path().join("unet/config.json")).unwrap();
    assert!(refused(root.path()).contains("unet/config.json: No such file"));
    fs::remove_dir_all(root.path().join("unet")).unwrap();
    assert!(refused(root.path()).contains("no folder `unet`"));
    assert!(refused(&root.path().join("nothing")).contains("no such file or folder"));
    assert!(refused(&root.path().join("vae")).contains("no folder `unet`"));
}

#[test]
fn another_architecture_is_refused_by_its_name() {
    let parts = parts();
    let root = folder(&parts, same);
    let index = root.path().join("model_index.json");
    fs::write(&index, json!({ "_class_name": "StableDiffusionXLPipeline" }).to_string()).unwrap();
    assert!(refused(root.path()).contains("model_index.json: this is a StableDiffusionXLPipeline"));
    fs::remove_file(&index).unwrap();
    assert!(load(root.path()).is_ok(), "the index is not needed");
    let config = root.path().join("unet/config.json");
    let mut value: Value = serde_json::from_str(&fs::read_to_string(&config).unwrap()).unwrap();
    value["addition_embed_type"] = json!("text_time");
    fs::write(&config, value.to_string()).unwrap();
    assert!(refused(root.path()).contains("`addition_embed_type` is \"text_time\""));
    // A text encoder of another width.
    value["addition_embed_type"] = Value::Null;
    value["cross_attention_dim"] = json!(16);
    fs::write(&config, value.to_string()).unwrap();
    let narrow = unet::layout(&UNetConfig::from_json(&value, &config).unwrap());
    let zeros: Tensors =
        narrow.into_iter().map(|(name, shape)| (name, Tensor::zeros(shape, (Kind::Half, Device::Cpu)))).collect();
    save_safetensors(&root.path().join(UNET), &zeros, &[]).unwrap();
    assert!(refused(root.path()).contains("reads text of 16 numbers a token"));
}

fn configs(parts: &Parts) -> Configs {
    Configs {
        unet: UNetConfig::from_json(&parts.unet.config, &parts.unet.path).unwrap(),
        vae: VaeConfig::from_json(&parts.vae.config, &parts.vae.path).unwrap(),
        text: TextConfig::from_json(&parts.text.config, &parts.text.path).unwrap(),
    }
}

/// The golden networks under the original code's names, with what else its files hold.
fn original(parts: &Parts) -> Tensors {
    let configs = configs(parts);
    let mut tensors = Tensors::new();
    for (name, tensor) in parts.unet.weights() {
        tensors.push((ldm::unet(&configs.unet, &name).unwrap(), tensor));
    }
    for (name, tensor) in parts.vae.weights() {
        // 1x1 convolutions there.
        let is_attention = name.contains("attentions") && tensor.dim() == 2;
        let tensor = if is_attention { tensor.unsqueeze(-1).unsqueeze(-1) } else { tensor };
        tensors.push((ldm::vae(&configs.vae, &name).unwrap(), tensor));
    }
    for (name, tensor) in parts.text.weights() {
        tensors.push((ldm::text(&name), tensor));
    }
    let number = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    for name in ["betas", "alphas_cumprod_prev", "sqrt_one_minus_alphas_cumprod", "posterior_mean_coef1"] {
        tensors.push((name.to_owned(), number(&[1000])));
    }
    tensors.push(("model_ema.diffusion_modeltime_embed0weight".to_owned(), number(&[2])));
    let positions = "cond_stage_model.transformer.text_model.embeddings.position_ids";
    tensors.push((positions.to_owned(), Tensor::arange(77, (Kind::Int64, Device::Cpu)).reshape([1, 77])));
    tensors
}

#[test]
fn a_single_file_of_the_original_code_loads() {
    let parts = parts();
    let folder = tempfile::tempdir().unwrap();
    let (safe, ckpt) = (folder.path().join("model.safetensors"), folder.path().join("model.ckpt"));
    save_safetensors(&safe, &original(&parts), &[]).unwrap();
    save_pth(&ckpt, &original(&parts)).unwrap();
    for path in [safe, ckpt] {
        let model = open_file(&path, configs(&parts), Kinds::all(Kind::Float), Device::Cpu).unwrap();
        assert_golden(&model, &parts);
        assert_eq!((model.scheduler["beta_end"].as_f64(), model.tokenizer), (Some(0.012), None));
    }
}

#[test]
fn every_parameter_of_the_real_networks_has_one_original_name() {
    let sd15 = Configs::sd15();
    let mut names: Vec<String> = Vec::new();
    names.extend(unet::layout(&sd15.unet).iter().map(|(key, _)| ldm::unet(&sd15.unet, key).unwrap()));
    names.extend(vae::layout(&sd15.vae).iter().map(|(key, _)| ldm::vae(&sd15.vae, key).unwrap()));
    names.extend(clip::layout(&sd15.text).iter().map(|(key, _)| ldm::text(key)));
    assert_eq!(names.len(), 686 + 248 + 196);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 686 + 248 + 196);
    // Twelve blocks down, the middle, twelve up, as that code counts them.
    let blocks = |list: &str| {
        let at = |name: &String| {
            name.strip_prefix(&format!("model.diffusion_model.{list}."))?.split('.').next()?.parse().ok()
        };
        names.iter().filter_map(at).collect::<std::collections::BTreeSet<usize>>()
    };
    assert_eq!(blocks("input_blocks"), (0..12).collect());
    assert_eq!(blocks("middle_block"), (0..3).collect());
    assert_eq!(blocks("output_blocks"), (0..12).collect());
}

#[test]
fn other_single_files_are_refused_by_what_they_are() {
    let parts = parts();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let first = "model.diffusion_model.input_blocks.0.0.weight";
    for (name, shape, part) in [
        ("conditioner.embedders.0.transformer.x", vec![1], "Stable Diffusion XL"),
        ("cond_stage_model.model.ln_final.weight", vec![1], "Stable Diffusion 2"),
        ("lora_unet_down_blocks_0_attentions_0_proj_in.alpha", vec![1], "a LoRA"),
        ("unet.down_blocks.0.x.lora_A.weight", vec![1], "a LoRA"),
        ("down_blocks.0.resnets.0.conv1.weight", vec![1], "a single part of a diffusers folder"),
        ("model.16.weight", vec![1], "no Stable Diffusion checkpoint: `model.16.weight`"),
        (first, vec![320, 9, 3, 3], "inpainting"),
        (first, vec![320, 5, 3, 3], "[320, 5, 3, 3]"),
    ] {
        save_safetensors(&path, &[(name.to_owned(), zeros(&shape))], &[]).unwrap();
        let error = refused(&path);
        assert!(error.contains(part), "{name}: {error}");
    }
    // The right kind of file, of another size.
    save_safetensors(&path, &original(&parts), &[]).unwrap();
    let error = refused(&path);
    assert!(error.contains("not Stable Diffusion 1: "), "{error}");
    // InstructPix2Pix has twice the channels.
    let mut paired = original(&parts);
    let (_, weight) = paired.iter_mut().find(|(name, _)| name == first).unwrap();
    *weight = Tensor::cat(&[&*weight, &weight.zeros_like()], 1);
    save_safetensors(&path, &paired, &[]).unwrap();
    let model = open_file(&path, configs(&parts), Kinds::all(Kind::Float), Device::Cpu).unwrap();
    assert_eq!(model.unet.in_channels(), 8);
}
