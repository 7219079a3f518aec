//! Parity of noise schedules and samplers with diffusers: golden numbers (tests/golden/README.md).

use std::collections::HashMap;
use std::path::Path;

use atelier::models::stable_diffusion::scheduler::{Method, NoiseSchedule, Sampler, SchedulerConfig};
use atelier::models::weights;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> HashMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    weights::load_file(&folder.join(format!("{name}.safetensors"))).unwrap().into_iter().collect()
}

fn config(more: &Value) -> SchedulerConfig {
    let mut value = json!({
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
        "steps_offset": 1
    });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    SchedulerConfig::from_json(&value, Path::new("scheduler_config.json")).unwrap()
}

/// Largest difference, relative to the largest reference value where that is above 1.
fn difference(have: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(have.size(), want.size());
    let (have, want) = (have.to_kind(Kind::Double), want.to_kind(Kind::Double));
    let scale = f64::try_from(want.abs().max()).unwrap().max(1.0);
    f64::try_from((have - want).abs().max()).unwrap() / scale
}

/// The network that stands in: a pure function of its input and the time.
fn stand_in(x: &Tensor, timestep: f64) -> Tensor {
    (x * 0.7 + 0.1 * timestep.sin()).tanh()
}

/// Walk all steps of `sampler` from `x` and compare with `golden[key.x0]`, ...; gives the number of steps.
fn walk(golden: &HashMap<String, Tensor>, key: &str, mut sampler: Sampler, mut x: Tensor) -> usize {
    let timesteps = sampler.timesteps().to_vec();
    let wanted: Vec<f64> = Vec::try_from(&golden[&format!("{key}.timesteps")]).unwrap();
    assert_eq!(timesteps.len(), wanted.len(), "{key}");
    for (step, (&timestep, wanted)) in timesteps.iter().zip(wanted).enumerate() {
        assert!((timestep - wanted).abs() < 1e-3, "{key} step {step}: timestep {timestep}, not {wanted}");
        let output = stand_in(&sampler.scale_input(step, &x).unwrap(), timestep);
        x = sampler.step(step, &output, &x).unwrap();
        let far = difference(&x, &golden[&format!("{key}.x{step}")]);
        assert!(far <= 1e-5, "{key} step {step}: {far:e}");
    }
    timesteps.len()
}

fn sampler(method: Method, config: &SchedulerConfig, steps: usize) -> Sampler {
    let noise = NoiseSchedule::new(config, Device::Cpu).unwrap();
    Sampler::new(method, config, &noise, steps).unwrap()
}

#[test]
fn every_step_of_every_sampler_is_diffusers() {
    let golden = golden("sd_schedulers");
    let old = json!({ "set_alpha_to_one": false });
    for (name, method, more) in [
        ("ddim", Method::Ddim, &old),
        ("pndm", Method::Pndm, &old),
        ("dpmpp_2m", Method::DpmPp2M, &json!({})),
        ("dpmpp_2m_karras", Method::DpmPp2MKarras, &json!({})),
        ("euler", Method::Euler, &json!({ "timestep_spacing": "leading" })),
    ] {
        for steps in [10, 25] {
            let sampler = sampler(method, &config(more), steps);
            let key = format!("{name}.{steps}");
            let x = &golden[&format!("{key}.noise")] * sampler.init_noise_sigma();
            let taken = walk(&golden, &key, sampler, x);
            assert_eq!(taken, steps + usize::from(method == Method::Pndm));
        }
    }
}

/// What the shared golden file leaves out: other predictions and spacings, and starting from an image.
#[test]
fn configs_and_images_start_where_diffusers_does() {
    let golden = golden("sd_schedulers_more");
    let cases: Vec<Value> = serde_json::from_str(
        &weights::metadata(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sd_schedulers_more.safetensors"))
            .unwrap()["cases"],
    )
    .unwrap();
    assert!(cases.len() >= 20, "{}", cases.len());
    for case in cases {
        let key = case["key"].as_str().unwrap();
        let method: Method = case["sampler"].as_str().unwrap().parse().unwrap();
        let mut sampler = sampler(method, &config(&case["config"]), case["steps"].as_u64().unwrap() as usize);
        let noise = &golden[&format!("{key}.noise")];
        let start = match case["strength"].as_f64() {
            None => noise * sampler.init_noise_sigma(),
            Some(strength) => {
                sampler.start_from_image(strength).unwrap();
                let noisy = sampler.add_noise(&golden[&format!("{key}.image")], noise).unwrap();
                assert!(difference(&noisy, &golden[&format!("{key}.noisy")]) <= 1e-6, "{key}");
                noisy
            }
        };
        walk(&golden, key, sampler, start);
    }
}

#[test]
fn noise_is_added_as_ddpm_does() {
    let golden = golden("sd_schedulers");
    let get = |name: &str| &golden[&format!("ddpm.{name}")];
    let noise = NoiseSchedule::new(&config(&json!({})), Device::Cpu).unwrap();
    let alphas = Tensor::from_slice(noise.alphas_cumprod());
    assert_eq!(alphas, *get("alphas_cumprod"));
    let noisy = noise.add_noise(get("x0"), get("eps"), get("t")).unwrap();
    assert!(difference(&noisy, get("noisy")) <= 1e-6);

    let more = self::golden("sd_schedulers_more");
    let targets = |prediction: &str| {
        let noise = NoiseSchedule::new(&config(&json!({ "prediction_type": prediction })), Device::Cpu).unwrap();
        noise.target(get("x0"), get("eps"), get("t")).unwrap()
    };
    assert_eq!(targets("epsilon"), *get("eps"));
    assert_eq!(targets("sample"), *get("x0"));
    assert!(difference(&targets("v_prediction"), &more["ddpm.velocity"]) <= 1e-6);
    let cosine = json!({ "beta_schedule": "squaredcos_cap_v2" });
    let cosine = NoiseSchedule::new(&config(&cosine), Device::Cpu).unwrap();
    assert!(difference(&Tensor::from_slice(cosine.alphas_cumprod()), &more["ddpm.cosine"]) <= 1e-6);

    // reference/training.md: SNR at 0, 100, 500 and 999, and what min-SNR-5 makes of them.
    let at = Tensor::from_slice(&[0_i64, 100, 500, 999]);
    let snr = Vec::<f32>::try_from(noise.snr(&at).unwrap()).unwrap();
    for (have, want) in snr.iter().zip([1175.44, 8.4539, 0.38185, 0.004_681_9]) {
        assert!((have / want - 1.0).abs() < 1e-4, "{have} {want}");
    }
    let all = Tensor::arange(1000, (Kind::Int64, Device::Cpu));
    let weights = noise.min_snr_weight(&all, 5.0).unwrap();
    assert!((f64::try_from(weights.mean(Kind::Double)).unwrap() - 0.917).abs() < 1e-3);
    assert!((weights.double_value(&[0]) - 0.0043).abs() < 1e-4);
    assert_eq!((weights.double_value(&[146]) < 1.0, weights.double_value(&[147])), (true, 1.0));
}

#[test]
fn images_keep_the_share_of_steps_that_strength_leaves() {
    // reference/training.md 2.5, n = 10, strength 0.75.
    let config = SchedulerConfig::sd15();
    for (method, first, count) in [(Method::Ddim, 601.0, 7), (Method::Pndm, 701.0, 8), (Method::DpmPp2M, 699.0, 7)] {
        let mut sampler = sampler(method, &config, 10);
        sampler.start_from_image(0.75).unwrap();
        assert_eq!((sampler.timesteps()[0], sampler.timesteps().len()), (first, count), "{method}");
    }
    for (strength, expected) in [(0.05, "not one step"), (1.5, "between 0 and 1"), (f64::NAN, "between 0 and 1")] {
        let error = sampler(Method::Ddim, &config, 10).start_from_image(strength).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn steps_that_cannot_be_taken_are_refused() {
    let config = SchedulerConfig::sd15();
    let noise = NoiseSchedule::new(&config, Device::Cpu).unwrap();
    for (method, steps, expected) in [
        (Method::Ddim, 0, "between 1 and 1000"),
        (Method::Euler, 1001, "between 1 and 1000"),
        (Method::Ddim, 1000, "reach beyond the 1000 timesteps"),
        (Method::DpmPp2M, 1000, "too many for dpmpp-2m"),
    ] {
        let error = Sampler::new(method, &config, &noise, steps).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!("plms".parse::<Method>().unwrap_err().contains("ddim, pndm, dpmpp-2m, dpmpp-2m-karras, euler"));
    for method in Method::ALL {
        assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        for steps in [1, 2, 3, 49, 999] {
            let mut sampler = Sampler::new(method, &config, &noise, steps).unwrap();
            let mut x = Tensor::ones([1, 4, 2, 2], (Kind::Float, Device::Cpu));
            for step in 0..sampler.timesteps().len() {
                x = sampler.step(step, &(&x * 0.5), &x).unwrap();
            }
            assert!(f64::try_from(x.isfinite().all()).unwrap() == 1.0, "{method} {steps}");
        }
    }
}
