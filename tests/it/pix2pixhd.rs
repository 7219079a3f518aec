//! Parity of Pix2PixHD with NVIDIA's networks: golden numbers made by PyTorch (tests/golden/README.md).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use atelier::config::{self, Discriminator, Experiment, Generator, GeneratorKind, Norm};
use atelier::data::batch::{Batch, Form};
use atelier::models::init;
use atelier::models::layers::View;
use atelier::models::params::{Layout, Params, drop_baggage};
use atelier::models::pix2pixhd::enhancer::Gradients;
use atelier::models::pix2pixhd::{Network, discriminator, discriminator_layout, fit, generator_layout, infer};
use atelier::models::weights;
use atelier::tracks::pix2pixhd::Pix2PixHd;
use atelier::tracks::{Forward, StepContext, Track};
use tch::{Device, Kind, Tensor};

fn golden() -> HashMap<String, Tensor> {
    golden_of("pix2pixhd")
}

fn golden_of(name: &str) -> HashMap<String, Tensor> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    weights::load_file(&folder.join(format!("{name}.safetensors"))).unwrap().into_iter().collect()
}

fn part(golden: &HashMap<String, Tensor>, prefix: &str) -> Vec<(String, Tensor)> {
    let strip =
        |(key, tensor): (&String, &Tensor)| Some((key.strip_prefix(prefix)?.to_owned(), tensor.shallow_clone()));
    golden.iter().filter_map(strip).collect()
}

fn local() -> Generator {
    Generator {
        kind: GeneratorKind::Local,
        ngf: 4,
        n_downsample_global: 2,
        n_blocks_global: 3,
        n_blocks_local: 2,
        ..Generator::default()
    }
}

fn network(layout: &Layout, tensors: &[(String, Tensor)]) -> Network {
    Network::with(Params::from_tensors(layout, tensors, Device::Cpu).unwrap(), 1).unwrap()
}

/// Largest difference, relative to the largest reference value where that is above 1.
fn difference(have: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(have.size(), want.size());
    let (have, want) = (have.to_kind(Kind::Double), want.to_kind(Kind::Double));
    let scale = f64::try_from(want.abs().max()).unwrap().max(1.0);
    f64::try_from((have - want).abs().max()).unwrap() / scale
}

#[test]
fn forward_passes_equal_nvidias() {
    let golden = golden();
    let x = golden["in.x"].get(0);
    for (prefix, config) in [("g0.", local()), ("global.", Generator { kind: GeneratorKind::Global, ..local() })] {
        let tensors = part(&golden, prefix);
        let shapes = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let inferred = infer::generator(&shapes).unwrap();
        assert_eq!((inferred.kind, inferred.ngf, inferred.n_blocks_global), (config.kind, 4, 3));
        let network = network(&generator_layout(&config), &tensors);
        let y = fit::generate(&network.view(Kind::Float).unwrap(), &config, &x, Gradients::All).unwrap();
        let want = &golden[if prefix == "g0." { "out.local" } else { "out.global" }];
        assert!(difference(&y, want) <= 1e-5, "{prefix} {}", difference(&y, want));
    }
    let config = Discriminator { ndf: 4, ..Discriminator::default() };
    let network = network(&discriminator_layout(&config), &part(&golden, "d0."));
    let pair = Tensor::cat(&[&x, &golden["in.y"].get(0)], 1);
    let scales = discriminator::forward(&network.view(Kind::Float).unwrap(), &config, &pair).unwrap();
    assert_eq!(scales.len(), 2);
    for (i, features) in scales.iter().enumerate() {
        for (j, feature) in features.iter().enumerate() {
            let worst = difference(feature, &golden[&format!("out.d{i}.{j}")]);
            assert!(worst <= 1e-5, "scale {i}, layer {j}: {worst}");
        }
    }
}

#[test]
fn batch_norms_train_evaluate_and_keep_statistics_as_nvidias() {
    let golden = golden_of("batch_norm");
    for (name, kind) in [("global", GeneratorKind::Global), ("local", GeneratorKind::Local)] {
        let wanted = Generator {
            kind,
            norm: Norm::Batch,
            ngf: 4,
            n_downsample_global: 1,
            n_blocks_global: 1,
            n_blocks_local: 1,
            ..Generator::default()
        };
        let tensors = |at: usize| drop_baggage(part(&golden, &format!("{name}.{at}."))).0;
        let layout = generator_layout(&wanted);
        let mut network = network(&layout, &tensors(0));
        let shapes = tensors(0).iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let found = infer::generator(&shapes).unwrap();
        assert_eq!((found.kind, found.norm, found.ngf), (kind, Norm::Batch, 4));

        let pass =
            |view: &View<'_>| tch::no_grad(|| fit::generate(view, &wanted, &golden["x"], Gradients::All)).unwrap();
        let trained = pass(&network.training_view(Kind::Float).unwrap());
        let worst = difference(&trained, &golden[&format!("{name}.train")]);
        assert!(worst <= 1e-5, "{name} in training: {worst}");
        let after: HashMap<_, _> = tensors(1).into_iter().collect();
        for (key, tensor) in network.params.iter() {
            assert!(difference(tensor, &after[key]) <= 1e-5, "{name} {key}");
        }
        let evaluated = pass(&network.view(Kind::Float).unwrap());
        let worst = difference(&evaluated, &golden[&format!("{name}.eval")]);
        assert!(worst <= 1e-5, "{name} in evaluation: {worst}");
        let half = pass(&network.view(Kind::BFloat16).unwrap());
        let worst = difference(&half, &evaluated);
        assert!(worst > 0.0 && worst < 0.1, "{name} in bfloat16: {worst}");
    }
}

#[test]
fn bfloat16_stays_near_float32() {
    let golden = golden();
    let network = network(&generator_layout(&local()), &part(&golden, "g0."));
    let run =
        |kind| fit::generate(&network.view(kind).unwrap(), &local(), &golden["in.x"].get(0), Gradients::All).unwrap();
    let worst = difference(&run(Kind::BFloat16), &run(Kind::Float));
    assert!(worst > 0.0 && worst < 0.15, "{worst}");
}

/// A track on the CPU with tiny networks and no VGG.
fn experiment(change: impl FnOnce(&mut Experiment)) -> Experiment {
    let text = "name = 'test'\ntrack = 'pix2pixhd'\n[data]\nroot = 'pairs'\nsize = 64\n";
    let mut experiment = config::parse(text, "test", &[]).unwrap().experiment;
    experiment.pix2pixhd.generator = local();
    experiment.pix2pixhd.discriminator.ndf = 4;
    experiment.pix2pixhd.loss.vgg = 0.0;
    change(&mut experiment);
    experiment
}

fn batch(seed: u64, size: i64) -> Batch {
    let image = |name| init::symmetric(seed, name, &[2, 3, size, size], 1.0).unwrap();
    Batch {
        input: image("photo"),
        target: image("illustration"),
        form: Form::Pixels,
        ids: vec!["0001".into(), "0002".into()],
    }
}

fn at(step: i64, epoch: usize) -> StepContext {
    StepContext { seed: 1, step, epoch }
}

fn terms(forward: &Forward) -> HashMap<&'static str, f64> {
    forward.terms.iter().map(|(name, loss)| (*name, f64::try_from(loss).unwrap())).collect()
}

/// Each objective's gradient with respect to its own network, as the engine takes them: before any step.
fn gradients(track: &Pix2PixHd, forward: &Forward) -> Vec<Vec<Tensor>> {
    let last = forward.objectives.len() - 1;
    let of = |(at, objective): (usize, &atelier::tracks::Objective)| {
        let networks = track.networks();
        let (_, params) = networks.iter().find(|(name, _)| *name == objective.network).unwrap();
        let leaves: Vec<&Tensor> = params.iter().map(|(_, tensor)| tensor).collect();
        Tensor::run_backward(&[&objective.loss], &leaves, at < last, false)
    };
    forward.objectives.iter().enumerate().map(of).collect()
}

/// Adam in closed form (Kingma, Ba 2014, algorithm 1), independent of the one that trains.
struct Adam {
    moments: Vec<(Tensor, Tensor)>,
    steps: i32,
}

impl Adam {
    fn new(params: &Params) -> Self {
        let zeros = |tensor: &Tensor| tensor.detach().zeros_like();
        Self { moments: params.iter().map(|(_, tensor)| (zeros(tensor), zeros(tensor))).collect(), steps: 0 }
    }

    fn step(&mut self, params: &Params, gradients: &[Tensor]) {
        let (lr, beta1, beta2, eps) = (2e-4, 0.5_f64, 0.999_f64, 1e-8);
        self.steps += 1;
        let _guard = tch::no_grad_guard();
        for (((_, parameter), gradient), (m, v)) in params.iter().zip(gradients).zip(&mut self.moments) {
            *m = &*m * beta1 + gradient * (1.0 - beta1);
            *v = &*v * beta2 + gradient * gradient * (1.0 - beta2);
            let (m, v) = (&*m / (1.0 - beta1.powi(self.steps)), &*v / (1.0 - beta2.powi(self.steps)));
            let _ = parameter.shallow_clone().f_sub_(&(m / (v.sqrt() + eps) * lr)).unwrap();
        }
    }
}

/// The golden file's ten iterations, through the track itself.
fn ten_iterations(kind: Kind) -> (Pix2PixHd, Vec<HashMap<&'static str, f64>>) {
    let golden = golden();
    let experiment = experiment(|_| {});
    let make = |layout: &Layout, prefix: &str| {
        let params = Params::from_tensors_as(layout, &part(&golden, prefix), Device::Cpu, kind).unwrap();
        Network::with(params, 1).unwrap()
    };
    let generator = make(&generator_layout(&experiment.pix2pixhd.generator), "g0.");
    let discriminator = make(&discriminator_layout(&experiment.pix2pixhd.discriminator), "d0.");
    let mut track = Pix2PixHd::with_networks(&experiment, generator, discriminator).unwrap();
    let mut adams: Vec<Adam> = track.networks().iter().map(|(_, params)| Adam::new(params)).collect();
    let mut losses = Vec::new();
    for step in 0..10 {
        let batch = Batch {
            input: golden["in.x"].get(step).to_kind(kind),
            target: golden["in.y"].get(step).to_kind(kind),
            form: Form::Pixels,
            ids: vec!["0001".into(), "0002".into()],
        };
        let forward = track.forward(&batch, at(step, 0)).unwrap();
        losses.push(terms(&forward));
        let gradients = gradients(&track, &forward);
        for ((adam, gradients), (_, params)) in adams.iter_mut().zip(gradients).zip(track.networks()) {
            adam.step(params, &gradients);
        }
    }
    (track, losses)
}

/// Largest relative difference of each iteration over the five losses.
fn drift(losses: &[HashMap<&'static str, f64>], golden: &HashMap<String, Tensor>, prefix: &str) -> Vec<f64> {
    let names = ["g_gan", "g_feat", "g_l1", "d_real", "d_fake"];
    let want = names.map(|name| Vec::<f64>::try_from(&golden[&format!("{prefix}{name}")]).unwrap());
    let of = |(at, have): (usize, &HashMap<&'static str, f64>)| {
        let losses = names.iter().zip(&want);
        losses.map(|(name, want)| (have[format!("loss/{name}").as_str()] / want[at] - 1.0).abs()).fold(0.0, f64::max)
    };
    losses.iter().enumerate().map(of).collect()
}

#[test]
fn ten_iterations_give_nvidias_losses_and_weights() {
    let golden = golden();
    let (track, losses) = ten_iterations(Kind::Double);
    let drift = drift(&losses, &golden, "out64.");
    assert!(drift.iter().all(|drift| *drift <= 1e-6), "{drift:?}");
    for ((_, params), prefix) in track.networks().into_iter().zip(["g1.", "d1."]) {
        for (name, have) in params.iter() {
            let worst = difference(&have.detach(), &golden[&format!("{prefix}{name}")]);
            assert!(worst <= 1e-6, "{prefix}{name}: {worst:.1e}");
        }
    }
}

/// In float32, ten steps of a GAN under Adam amplify rounding: PyTorch itself differs by up to 1e-3 from one processor to
/// another in the last iterations, and by less than 2e-5 in the first five. With AVX-512 and two threads ours is at 5e-5
/// after four and at 1.4e-4 after five, with AVX2 or with one thread below 1e-4: what the iterations compute is held to
/// the last digits by the test in float64.
#[test]
fn float32_iterations_follow_nvidias_as_closely_as_pytorch_does() {
    let (_, losses) = ten_iterations(Kind::Float);
    let drift = drift(&losses, &golden(), "out.");
    assert!(drift[..4].iter().all(|drift| *drift <= 1e-4), "{drift:?}");
    assert!(drift[..6].iter().all(|drift| *drift <= 1e-3), "{drift:?}");
    assert!(drift.iter().all(|drift| *drift <= 5e-3), "{drift:?}");
}

#[test]
fn terms_add_up_and_only_those_with_a_weight_are_there() {
    let mut track = Pix2PixHd::new(&experiment(|_| {}), Device::Cpu).unwrap();
    let terms_of = |track: &mut Pix2PixHd| terms(&track.forward(&batch(1, 64), at(0, 0)).unwrap());
    let all = terms_of(&mut track);
    assert!((all["loss/g"] - (all["loss/g_gan"] + all["loss/g_feat"] + all["loss/g_l1"])).abs() < 1e-5);
    assert!((all["loss/d"] - 0.5 * (all["loss/d_real"] + all["loss/d_fake"])).abs() < 1e-6);
    assert!(!all.contains_key("loss/g_vgg"));

    let l1_alone = experiment(|e| {
        e.pix2pixhd.loss.gan_weight = 0.0;
        e.pix2pixhd.loss.feature_matching = 0.0;
        e.pix2pixhd.loss.l1 = 3.0;
    });
    let mut track = Pix2PixHd::new(&l1_alone, Device::Cpu).unwrap();
    let some = terms_of(&mut track);
    let mut names: Vec<_> = some.keys().copied().collect();
    names.sort_unstable();
    assert_eq!(names, ["loss/g", "loss/g_l1"]);
    assert!((some["loss/g_l1"] - 3.0 * all["loss/g_l1"]).abs() < 1e-5);
    assert_eq!(track.networks().len(), 1);

    let nothing = experiment(|e| {
        e.pix2pixhd.loss.gan_weight = 0.0;
        e.pix2pixhd.loss.feature_matching = 0.0;
        e.pix2pixhd.loss.l1 = 0.0;
    });
    assert!(Pix2PixHd::new(&nothing, Device::Cpu).unwrap_err().to_string().contains("every weight is 0"));
}

#[test]
fn any_size_is_predicted_at_its_own_size() {
    let mut other = experiment(|e| {
        e.pix2pixhd.generator.n_local_enhancers = 2;
        e.pix2pixhd.generator.n_downsample_global = 1;
    });
    for _ in 0..2 {
        let track = Pix2PixHd::new(&other, Device::Cpu).unwrap();
        for (height, width) in [(1, 1), (1, 40), (31, 64), (65, 33), (64, 64), (100, 7)] {
            let x = init::symmetric(1, "x", &[1, 3, height, width], 1.0).unwrap();
            let y = track.predict(&x).unwrap();
            assert_eq!((y.size(), y.requires_grad()), (x.size(), false));
            assert!(bool::try_from(y.isfinite().all()).unwrap());
        }
        other = experiment(|e| e.pix2pixhd.generator.kind = GeneratorKind::Global);
    }
    let gray = Tensor::zeros([1, 1, 64, 64], (Kind::Float, Device::Cpu));
    assert!(Pix2PixHd::new(&other, Device::Cpu).unwrap().predict(&gray).is_err());
}

#[test]
fn sizes_that_do_not_divide_train_too() {
    let mut track = Pix2PixHd::new(&experiment(|e| e.pix2pixhd.discriminator.num_d = 3), Device::Cpu).unwrap();
    let forward = track.forward(&batch(1, 50), at(0, 0)).unwrap();
    for (gradients, objective) in gradients(&track, &forward).iter().zip(&forward.objectives) {
        assert!(f64::try_from(&objective.loss).unwrap().is_finite());
        assert!(gradients.iter().all(|g| g.defined() && bool::try_from(g.isfinite().all()).unwrap()));
    }
    assert_eq!(track.networks()[1].1.iter().filter(|(name, _)| name.starts_with("scale2_")).count(), 10);
}

#[test]
fn the_global_branch_rests_while_it_is_fixed() {
    let fixed = experiment(|e| e.pix2pixhd.generator.niter_fix_global = 2);
    let mut track = Pix2PixHd::new(&fixed, Device::Cpu).unwrap();
    for (epoch, rests) in [(1, true), (2, false)] {
        assert_eq!(track.is_trained("generator", "model.1.weight", epoch), !rests);
        assert!(track.is_trained("generator", "model1_2.6.weight", epoch));
        assert!(track.is_trained("discriminator", "scale0_layer0.0.weight", epoch));
    }
    // The enhancer's gradients do not depend on whether the branch below keeps its graph.
    let of = |track: &mut Pix2PixHd, epoch| {
        let forward = track.forward(&batch(1, 64), at(0, epoch)).unwrap();
        let networks = track.networks();
        let leaves: Vec<&Tensor> =
            networks[0].1.iter().filter(|(name, _)| name.starts_with("model1_")).map(|(_, tensor)| tensor).collect();
        Tensor::run_backward(&[&forward.objectives[0].loss], &leaves, false, false)
    };
    let (resting, working) = (of(&mut track, 0), of(&mut track, 2));
    assert!(resting.iter().zip(&working).all(|(a, b)| difference(a, b) < 1e-6));
}

#[test]
fn everything_random_is_a_function_of_the_seed() {
    let make = |seed| Pix2PixHd::new(&experiment(|e| e.seed = seed), Device::Cpu).unwrap();
    let weights = |track: &Pix2PixHd| track.networks()[0].1.get("model.1.weight").unwrap().detach();
    let (a, b, c) = (make(1), make(1), make(2));
    assert_eq!(weights(&a), weights(&b));
    assert_ne!(weights(&a), weights(&c));
}

/// Steps with every kind of state; a second track takes over half-way from parameters and state alone.
#[test]
fn pool_and_spectral_norm_resume_exactly() {
    let setup = experiment(|e| {
        e.pix2pixhd.loss.pool_size = 3;
        e.pix2pixhd.loss.gan = config::GanMode::Hinge;
        e.pix2pixhd.generator.spectral_norm = true;
        e.pix2pixhd.discriminator.spectral_norm = true;
    });
    let mut track = Pix2PixHd::new(&setup, Device::Cpu).unwrap();
    let step = |track: &mut Pix2PixHd, step| {
        let forward = track.forward(&batch(step as u64, 64), at(step, 0)).unwrap();
        let gradients = gradients(track, &forward);
        let _guard = tch::no_grad_guard();
        for ((_, params), gradients) in track.networks().into_iter().zip(gradients) {
            for ((_, parameter), gradient) in params.iter().zip(gradients) {
                let _ = parameter.shallow_clone().f_sub_(&(gradient * 1e-3)).unwrap();
            }
        }
        terms(&forward)
    };
    for at in 0..4 {
        step(&mut track, at);
    }
    let folder = tempfile::tempdir().unwrap();
    let (weights_path, state_path) = (folder.path().join("w.safetensors"), folder.path().join("s.safetensors"));
    let snapshot = |track: &Pix2PixHd| -> Vec<(String, Tensor)> {
        let networks = track.networks().into_iter();
        networks
            .flat_map(|(name, p)| p.snapshot().unwrap().into_iter().map(move |(k, t)| (format!("{name}.{k}"), t)))
            .collect()
    };
    weights::save_safetensors(&weights_path, &snapshot(&track), &[]).unwrap();
    weights::save_safetensors(&state_path, &track.state(), &[]).unwrap();

    let mut resumed = Pix2PixHd::new(&setup, Device::Cpu).unwrap();
    assert!(resumed.load_state(&[]).unwrap_err().contains("is missing"));
    let saved: HashMap<_, _> = weights::load_file(&weights_path).unwrap().into_iter().collect();
    for (name, params) in resumed.networks() {
        params.assign(&part(&saved, &format!("{name}."))).unwrap();
    }
    resumed.load_state(&weights::load_file(&state_path).unwrap()).unwrap();
    for at in 4..8 {
        assert_eq!(step(&mut track, at), step(&mut resumed, at), "step {at}");
    }
}

#[test]
fn a_global_generator_becomes_an_enhancers_coarse_part() {
    let folder = tempfile::tempdir().unwrap();
    let golden = golden();
    let local_weights = part(&golden, "g0.");
    // A global generator of the width that the enhancer's branch has, in NVIDIA's format, as for several GPUs.
    let coarse = Generator { kind: GeneratorKind::Global, ngf: 8, ..local() };
    let trained = Network::new(&generator_layout(&coarse), "other", 5, Device::Cpu).unwrap();
    let mut tensors = trained.params.snapshot().unwrap();
    for (name, _) in &mut tensors {
        *name = format!("module.{name}");
    }
    tensors.push(("module.model.2.running_mean".into(), Tensor::zeros([8], (Kind::Float, Device::Cpu))));
    let path = folder.path().join("latest_net_G.pth");
    weights::save_pth(&path, &tensors).unwrap();
    let with = |path: &Path| {
        Pix2PixHd::new(&experiment(|e| e.pix2pixhd.generator.pretrained = Some(path.to_owned())), Device::Cpu)
    };
    let track = with(&path).unwrap();
    let networks = track.networks();
    let generator = networks[0].1;
    assert_eq!(
        generator.get("model.16.weight").unwrap().detach(),
        trained.params.get("model.16.weight").unwrap().detach()
    );
    let remarks = track.remarks().join("\n");
    assert!(remarks.contains("coarse part") && remarks.contains("running statistics"), "{remarks}");

    // The same architecture fills everything.
    let path = folder.path().join("whole.safetensors");
    weights::save_safetensors(&path, &local_weights, &[]).unwrap();
    let track = with(&path).unwrap();
    let networks = track.networks();
    assert!(local_weights.iter().all(|(name, tensor)| networks[0].1.get(name).unwrap().detach() == *tensor));

    // Another width does not fit, and the message says both.
    let path = folder.path().join("narrow.safetensors");
    weights::save_safetensors(&path, &part(&golden, "global."), &[]).unwrap();
    let error = with(&path).unwrap_err().to_string();
    assert!(error.contains("ngf 4") && error.contains("`model.1.weight` is [4, 3, 7, 7]"), "{error}");
}

#[test]
fn without_vgg_weights_the_config_decides() {
    let missing = |vgg_missing| {
        let setup = experiment(|e| {
            e.pix2pixhd.loss.vgg = 10.0;
            e.pix2pixhd.loss.vgg_weights = Some("/nowhere/vgg19.pth".into());
            e.pix2pixhd.loss.vgg_missing = vgg_missing;
        });
        Pix2PixHd::new(&setup, Device::Cpu)
    };
    let error = missing(config::VggMissing::Stop).unwrap_err().to_string();
    assert!(error.contains("/nowhere/vgg19.pth") && error.contains("vgg_missing = \"skip\""), "{error}");
    let track = missing(config::VggMissing::Skip).unwrap();
    assert!(track.remarks()[0].contains("WITHOUT the perceptual loss"));
}
