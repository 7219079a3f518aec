//! What probes find, against the same computed otherwise.

use std::time::Duration;

use atelier::config::Experiment;
use atelier::data::Dataset;
use atelier::models::init;
use atelier::record::At;
use atelier::session::control::{Input, Of, Part, Probe};
use atelier::tracks::Track;
use atelier::tracks::pix2pixhd::Pix2PixHd;
use atelier::tracks::sd_lora::SdLora;
use atelier::train::learner::{Learner, Sight};
use atelier::train::probe::{Answer, Digest, Finished, Moment, Probes};
use atelier::train::schedule::Extent;
use serde_json::Value;
use tch::{Device, Tensor};

fn experiment(text: &str) -> Experiment {
    atelier::config::parse_with(text, "test", &[], atelier::config::Paths::Unchecked).unwrap().experiment
}

/// A tiny Pix2PixHD.
pub fn generator() -> (Experiment, Pix2PixHd) {
    let experiment = experiment(
        "name = 'tiny'\ntrack = 'pix2pixhd'\n[data]\nroot = '.'\nsize = 32\n[pix2pixhd.generator]\nngf = 4\n\
         n_downsample_global = 1\nn_blocks_global = 1\n[pix2pixhd.discriminator]\nndf = 4\nn_layers = 2\nnum_d = 2\n\
         [pix2pixhd.loss]\nvgg = 0.0\n[train]\nbatch_size = 2\nema_decay = 0.9\n",
    );
    let track = Pix2PixHd::new(&experiment, Device::Cpu).unwrap();
    (experiment, track)
}

fn enhancer() -> (Experiment, Pix2PixHd) {
    let experiment = experiment(
        "name = 'tiny'\ntrack = 'pix2pixhd'\n[data]\nroot = '.'\nsize = 32\n[pix2pixhd.generator]\nkind = 'local'\n\
         ngf = 4\nn_downsample_global = 1\nn_blocks_global = 1\nn_local_enhancers = 2\nn_blocks_local = 1\n\
         norm = 'batch'\n[pix2pixhd.discriminator]\nndf = 4\nn_layers = 2\nnum_d = 1\nspectral_norm = true\n\
         [pix2pixhd.loss]\nvgg = 0.0\n",
    );
    let track = Pix2PixHd::new(&experiment, Device::Cpu).unwrap();
    (experiment, track)
}

/// A tiny Stable Diffusion whose base is in `folder`.
fn diffusion(folder: &std::path::Path, paired: bool) -> (Experiment, SdLora) {
    crate::tiny_diffusion::write(folder);
    let experiment = experiment(&format!(
        "name = 'tiny'\ntrack = 'sd-lora'\n[data]\nroot = '.'\nsize = 32\n[sd_lora]\nbase = '{}'\npaired = {paired}\n\
         cache_latents = false\n[sd_lora.sampling]\nsteps = 2\nguidance = 1.5\n[train]\nema_decay = 0.9\n",
        folder.display()
    ));
    let dataset = Dataset {
        root: folder.to_owned(),
        pairs: Vec::new(),
        has_manifest: false,
        left_out: Vec::new(),
        recorded_split: None,
    };
    let track = SdLora::new(&experiment, &dataset, Device::Cpu).unwrap();
    (experiment, track)
}

fn learner(experiment: &Experiment, track: impl Track + 'static) -> Learner {
    Learner::new(Box::new(track), experiment, Extent::new(4, 1, 1), Device::Cpu).unwrap()
}

fn moment(is_pressed: bool) -> Moment {
    Moment {
        at: At { step: 3, epoch: 0.75 },
        since: None,
        is_pressed,
        steps_come: is_pressed,
        pair_seconds: Some(1e-6),
        pair_pixels: 32 * 32,
        pairs: 2,
    }
}

fn sight(height: i64, width: i64) -> Sight {
    let picture = |name: &str| init::symmetric(1, name, &[1, 3, height, width], 1.0).unwrap();
    Sight { input: picture("photo"), target: Some(picture("illustration")), id: Some("0001".to_owned()) }
}

/// A question's answer after at most `boundaries` of them, or the refusal, and how many it took.
fn ask(
    probes: &mut Probes,
    learner: &Learner,
    probe: Probe,
    sight: Option<Sight>,
    moment: Moment,
) -> (Result<Finished, String>, usize) {
    let (reply, answers) = crossbeam_channel::unbounded();
    let mut digest = Digest::of(&probe);
    probes.push(probe, sight, reply);
    for boundary in 1..1000 {
        probes.serve(learner, moment);
        while let Ok(answer) = answers.try_recv() {
            match answer {
                Answer::Piece(piece) => digest.take(&piece).unwrap(),
                Answer::Found(found) => return (Ok(digest.finish(*found).unwrap()), boundary),
                Answer::Said(response) => return (Err(format!("{response:?}")), boundary),
            }
        }
    }
    panic!("no answer");
}

fn forward(taps: &[&str], saliency: bool) -> Probe {
    let taps = taps.iter().map(|&tap| tap.to_owned()).collect();
    Probe::Forward { input: Input::Pair { index: 0, part: Part::HeldOut }, taps, saliency, budget_ms: None }
}

fn values(finished: &Finished, name: &str) -> Vec<f32> {
    let mut bytes = Vec::new();
    finished.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, finished.bytes());
    let all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    super::client::part(&finished.result, &all, name).to_vec()
}

fn bits(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view([-1])).unwrap()
}

/// A forward pass that shows all is the prediction; all taps that are listed were passed, and no others.
fn shows_all(experiment: &Experiment, track: impl Track + 'static, photo_matters: bool) {
    let learner = learner(experiment, track);
    let before: Vec<Vec<f32>> = learner.tensors(Of::Weight).unwrap().iter().map(|(_, t)| bits(t)).collect();
    let predicted = learner.predict(&sight(32, 48).input).unwrap();
    let probes = &mut Probes::default();
    let question = forward(&["*"], true);
    let finished = ask(probes, &learner, question, Some(sight(32, 48)), moment(false)).0.unwrap();
    assert_eq!(values(&finished, "output"), bits(&predicted));
    assert_eq!(values(&finished, "input"), bits(&sight(32, 48).input));
    let saliency = values(&finished, "saliency");
    assert_eq!(saliency.len(), 3 * 32 * 48);
    assert_eq!(saliency.iter().any(|value| *value != 0.0), photo_matters);
    let mut listed = learner.track().stages();
    let rows = finished.result["stats"].as_array().unwrap();
    let mut passed: Vec<String> = rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    for row in rows {
        let shown = values(&finished, &format!("tap:{}", row["name"].as_str().unwrap()));
        let mean = shown.iter().map(|value| f64::from(*value)).sum::<f64>() / shown.len() as f64;
        assert!((row["mean"].as_f64().unwrap() - mean).abs() <= 1e-6 * (1.0 + mean.abs()), "{row}");
    }
    listed.sort();
    passed.sort();
    assert_eq!(passed, listed);
    let plain = ask(probes, &learner, forward(&[], false), Some(sight(32, 48)), moment(true)).0.unwrap();
    assert_eq!(values(&plain, "output"), bits(&predicted));
    assert!(plain.result["stats"].as_array().unwrap().is_empty());
    let after: Vec<Vec<f32>> = learner.tensors(Of::Weight).unwrap().iter().map(|(_, t)| bits(t)).collect();
    assert_eq!(before, after);
    for (network, params) in learner.track().networks() {
        assert!(params.iter().all(|(_, tensor)| !tensor.grad().defined()), "a gradient was left in {network}");
    }
}

#[test]
fn a_forward_pass_of_a_generator_is_its_prediction_and_shows_every_stage() {
    let (experiment, track) = generator();
    shows_all(&experiment, track, true);
}

#[test]
fn so_it_is_of_an_enhancer() {
    let (experiment, track) = enhancer();
    shows_all(&experiment, track, true);
}

#[test]
fn so_it_is_of_stable_diffusion() {
    for paired in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (experiment, track) = diffusion(dir.path(), paired);
        // What reads the photo beside the noise begins at zero.
        shows_all(&experiment, track, !paired);
    }
}

#[test]
fn a_saliency_is_what_moving_a_pixel_does() {
    let (mut experiment, _) = generator();
    experiment.train.ema_decay = 0.0;
    let track = Pix2PixHd::new(&experiment, Device::Cpu).unwrap();
    let learner = learner(&experiment, track);
    let answer = ask(&mut Probes::default(), &learner, forward(&[], true), Some(sight(16, 16)), moment(false));
    let finished = answer.0.unwrap();
    assert!(finished.result["score"].as_str().unwrap().contains("mean absolute difference"));
    let saliency = values(&finished, "saliency");
    let Sight { input, target, .. } = sight(16, 16);
    let target = target.unwrap();
    let score = |input: &Tensor| {
        let output = learner.predict(input).unwrap().to_kind(tch::Kind::Double);
        f64::try_from((output - &target).abs().mean(tch::Kind::Double)).unwrap()
    };
    let strongest = saliency.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap().0;
    let moved = |by: f64| {
        let moved = input.copy();
        let _ = moved.view([-1]).narrow(0, strongest as i64, 1).f_add_scalar_(by).unwrap();
        score(&moved)
    };
    let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
    let found = f64::from(saliency[strongest]);
    assert!((slope - found).abs() < 0.05 * found.abs(), "{slope} and {found}");
}

#[test]
fn statistics_are_those_of_the_weights() {
    let (experiment, track) = generator();
    let learner = learner(&experiment, track);
    let question = Probe::Stats { of: Of::Weight, glob: "{generator,ema.generator}/*.weight".to_owned() };
    let finished = ask(&mut Probes::default(), &learner, question, None, moment(true)).0.unwrap();
    let rows = finished.result["rows"].as_array().unwrap();
    assert!(rows.len() > 8);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let key = name.rsplit_once('/').unwrap().1;
        let weight = learner.track().networks()[0].1.get(key).unwrap().to_kind(tch::Kind::Double);
        let near = |field: &str, tensor: Tensor| {
            let (found, wanted) = (row[field].as_f64().unwrap(), f64::try_from(tensor).unwrap());
            assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{name} {field}: {found} and {wanted}");
        };
        near("mean", weight.mean(tch::Kind::Double));
        near("std", weight.std(false));
        near("min", weight.min());
        near("max", weight.max());
        near("norm", weight.norm());
        assert_eq!(row["count"].as_u64().unwrap() as usize, weight.numel());
        assert_eq!(row["shape"], serde_json::json!(weight.size()));
        assert_eq!((&row["nans"], &row["step"]), (&Value::from(0), &Value::from(3)));
    }
}

#[test]
fn what_costs_more_than_a_boundary_is_refused_with_its_size_or_done_in_pieces() {
    let (experiment, track) = generator();
    let learner = learner(&experiment, track);
    // Nothing is affordable.
    let mut poor = Probes::new(Duration::from_nanos(10));
    let tensor = || Probe::Tensor { of: Of::Weight, name: "generator/model.1.weight".to_owned() };
    let stats = || Probe::Stats { of: Of::Weight, glob: "*".to_owned() };
    for (question, sight_) in [(tensor(), None), (stats(), None), (forward(&[], false), Some(sight(32, 32)))] {
        let said = ask(&mut poor, &learner, question, sight_, moment(true)).0.unwrap_err();
        assert!(said.contains("where probes may cost a step") && said.contains("`pause`"), "{said}");
    }
    let said = ask(&mut poor, &learner, tensor(), None, moment(true)).0.unwrap_err();
    assert!(said.contains("`generator/model.1.weight` has 0.0 MiB"), "{said}");
    // While the run is paused nobody waits; and whoever knows what a pass costs may allow it.
    assert!(ask(&mut poor, &learner, stats(), None, moment(false)).0.is_ok());
    assert!(ask(&mut poor, &learner, forward(&[], true), Some(sight(32, 32)), moment(false)).0.is_ok());
    let Probe::Forward { input, taps, saliency, .. } = forward(&[], false) else { unreachable!() };
    let allowed = Probe::Forward { input, taps, saliency, budget_ms: Some(60_000) };
    assert!(ask(&mut poor, &learner, allowed, Some(sight(32, 32)), moment(true)).0.is_ok());
    // A tensor at a time is affordable, all of them are not.
    let mut modest = Probes::new(Duration::from_micros(40));
    let (finished, boundaries) = ask(&mut modest, &learner, stats(), None, moment(true));
    let all = learner.tensors(Of::Weight).unwrap().len();
    assert_eq!(finished.unwrap().result["rows"].as_array().unwrap().len(), all);
    assert!(boundaries > 1, "all at once");
}
