//! Whole runs through the real binary, asked while they train and after.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use atelier::train::checkpoint;
use serde_json::json;

use super::client::{Probing, part};
use crate::trainer::{Bench, newest, stderr, wait_until};

const SD: &str = r#"
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
[train]
epochs = 6
batch_size = 2
accumulate = 2
ema_decay = 0.9
threads = 1
[checkpoint]
every_epochs = 0
[validation]
every_epochs = 3
[samples]
every_epochs = 0
"#;

/// Every bit of the last checkpoint's tensors.
fn final_bits(session: &Path) -> BTreeMap<String, Vec<u32>> {
    let found = checkpoint::newest(&session.join("checkpoints"), checkpoint::load).unwrap().unwrap();
    let all = found.content.model.into_iter().map(|entry| ("model", entry));
    let all = all.chain(found.content.optimizer.into_iter().map(|entry| ("optimizer", entry)));
    all.map(|(file, (name, tensor))| {
        let flat = tensor.to_kind(tch::Kind::Float).contiguous().view([-1]);
        let values = Vec::<f32>::try_from(&flat).unwrap();
        (format!("{file} {name}"), values.into_iter().map(f32::to_bits).collect())
    })
    .collect()
}

/// All kinds of questions, between steps that are taken one by one and steps that run on.
fn probe_heavily(socket: &Path, network: &str, taps: &str) -> u64 {
    let mut client = Probing::connect(socket);
    let mut asked = 0;
    client.ask(json!({ "command": "pause" }));
    let mut expected = client.ask(json!({ "command": "status" })).0["step"].as_i64().unwrap();
    for round in 0..4 {
        for of in ["weight", "optimizer"] {
            let (list, _) = client.probe(json!({ "what": "list", "of": of, "glob": format!("{network}/*") }));
            let tensors = list["tensors"].as_array().unwrap();
            assert!(tensors.len() > 4, "{list}");
            client.probe(json!({ "what": "stats", "of": of }));
            let name = tensors[round]["name"].as_str().unwrap();
            let (tensor, values) = client.probe(json!({ "what": "tensor", "of": of, "name": name }));
            let count: u64 = tensor["shape"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).product();
            assert_eq!(values.len() as u64, count);
            asked += 3;
        }
        for pairs in ["train", "held-out"] {
            let input = json!({ "pair": 0, "part": pairs });
            let (result, values) =
                client.probe(json!({ "what": "forward", "input": input, "taps": [taps], "saliency": true }));
            assert!(part(&result, &values, "output").iter().all(|value| value.is_finite()));
            assert!(part(&result, &values, "saliency").iter().any(|value| *value != 0.0));
            assert!(result["stats"].as_array().unwrap().len() > 2, "{result}");
            asked += 1;
        }
        let image = vec![0.25_f32; 3 * 20 * 24];
        let question = json!({ "command": "probe", "what": "forward", "input": { "image": [3, 20, 24] } });
        let (answer, values) = client.send(question, &image);
        assert_eq!(answer["outcome"], "ok", "{answer}");
        assert_eq!(part(&answer["result"], &values, "input"), image);
        let (answer, _) = client.ask(json!({ "command": "step", "n": round + 1 }));
        expected += round as i64 + 1;
        assert_eq!(answer["step"], expected, "{answer}");
        assert_eq!(client.ask(json!({ "command": "status" })).0["message"], "paused");
        let (gradients, _) = client.probe(json!({ "what": "stats", "of": "gradient" }));
        assert_eq!(gradients["rows"][0]["step"], expected);
        asked += 2;
    }
    let refusal = client.refused(json!({ "command": "probe", "what": "gradient-norms", "steps": 2 }));
    assert!(refusal.contains("resume"), "{refusal}");
    client.ask(json!({ "command": "resume" }));
    let (norms, _) = client.probe(json!({ "what": "gradient-norms", "steps": 3, "glob": format!("{network}/*") }));
    let rows = norms["rows"].as_array().unwrap();
    let steps: Vec<_> = rows.iter().map(|row| row["step"].as_i64().unwrap()).collect();
    assert!(steps[0] > expected && steps.windows(2).all(|two| two[1] == two[0] || two[1] == two[0] + 1), "{steps:?}");
    assert_eq!(steps.last().unwrap() - steps[0], 2);
    assert!(rows.iter().all(|row| row["norm"].as_f64().unwrap() >= 0.0));
    for _ in 0..10 {
        client.probe(json!({ "what": "stats", "of": "weight", "glob": format!("{network}/*") }));
        let forward = json!({ "what": "forward", "input": { "pair": 1, "part": "train" }, "budget_ms": 10_000 });
        client.probe(forward);
    }
    asked + 22
}

fn unchanged(config: Option<&str>, loss: &str, network: &str, taps: &str) {
    let bench = config.map_or_else(Bench::new, Bench::with);
    let set = ["--set", "train.epochs=60", "--set", "checkpoint.every_steps=0"];
    let arguments = [&["train", "tiny.toml"][..], &set].concat();
    let output = bench.command_in("plain", &arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    // The socket is there before the first step, and the run long enough for all questions to find it.
    let child = bench.command_in("sessions", &arguments).spawn().unwrap();
    wait_until(|| bench.session_in("sessions").is_some_and(|session| session.join("control.sock").exists()));
    let asked = probe_heavily(&bench.session().join("control.sock"), network, taps);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let plain = bench.session_in("plain").unwrap();
    for series in [loss, &format!("grad_norm/{network}"), "val/l1"] {
        assert!(newest(&plain, series).len() > 1, "{series}");
        assert_eq!(newest(&bench.session(), series), newest(&plain, series), "{series}");
    }
    assert_eq!(final_bits(&bench.session()), final_bits(&plain));
    let told: u64 = bench.events("probe").iter().map(|event| event["probes"].as_u64().unwrap()).sum();
    assert!(told >= asked, "{told} of {asked} are in the events");
}

#[test]
fn probing_a_pix2pixhd_run_changes_nothing_of_it() {
    unchanged(None, "loss/g", "generator", "*");
}

#[test]
fn probing_a_stable_diffusion_run_changes_nothing_of_it() {
    unchanged(Some(SD), "loss/total", "adapter", "{unet/*,text_encoder/*,vae/decoder*}");
}

/// A `probe-server` for the last session, and a client of it.
fn serve(bench: &Bench) -> (std::process::Child, Probing) {
    let socket = bench.path().join("probe.sock");
    let mut command = bench.command_in("sessions", &["probe-server", "last", "--socket", socket.to_str().unwrap()]);
    // From elsewhere: pairs and base are found where the session was started.
    let child = command.stdin(Stdio::piped()).current_dir("/").spawn().unwrap();
    let client = Probing::connect(&socket);
    (child, client)
}

fn checkpoint_answers(config: Option<&str>, weight: &str) {
    let bench = config.map_or_else(Bench::new, Bench::with);
    let output = bench.run(&["train", "tiny.toml", "--set", "train.epochs=2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let kept = checkpoint::newest(&bench.session().join("checkpoints"), checkpoint::load).unwrap().unwrap().content;
    let (mut child, mut client) = serve(&bench);
    let (answer, _) = client.ask(json!({ "command": "status" }));
    assert_eq!((&answer["source"], &answer["step"]), (&json!("checkpoint"), &json!(kept.state.step)), "{answer}");
    assert_eq!(answer["session"], bench.session().file_name().unwrap().to_str().unwrap());
    let question = json!({ "command": "probe", "what": "tensor", "of": "weight", "name": weight });
    let (answer, values) = client.ask(question);
    assert_eq!((&answer["source"], &answer["step"]), (&json!("checkpoint"), &json!(kept.state.step)), "{answer}");
    let name = weight.replacen('/', ".", 1);
    let tensor = &kept.model.iter().find(|(other, _)| *other == name).unwrap().1;
    assert_eq!(values, Vec::<f32>::try_from(tensor.view([-1])).unwrap());
    let (rows, _) = client.probe(json!({ "what": "stats", "of": "optimizer", "glob": "*/step" }));
    assert!(rows["rows"][0]["mean"].as_f64().unwrap() > 0.0, "{rows}");
    let (result, values) = client.probe(json!({ "what": "forward", "input": { "pair": 0, "part": "held-out" } }));
    assert!(part(&result, &values, "target").len() == 3 * 32 * 32 && result["weights"] == "average");
    let refusal = client.refused(json!({ "command": "probe", "what": "gradient-norms", "steps": 1 }));
    assert!(refusal.contains("--resume"), "{refusal}");
    assert!(client.refused(json!({ "command": "pause" })).contains("checkpoint"));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success(), "it ends when its standard input closes");
    assert!(!bench.path().join("probe.sock").exists());
}

#[test]
fn a_finished_session_answers_from_its_checkpoint_and_says_so() {
    checkpoint_answers(None, "generator/model.1.weight");
}

#[test]
fn so_does_one_of_stable_diffusion() {
    let layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight";
    checkpoint_answers(Some(SD), &format!("adapter/{layer}"));
}

#[test]
fn without_its_pairs_a_checkpoint_still_answers_for_images() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=1"]).status.success());
    std::fs::remove_dir_all(bench.path().join("data")).unwrap();
    let (mut child, mut client) = serve(&bench);
    let pair = json!({ "command": "probe", "what": "forward", "input": { "pair": 0 } });
    assert!(client.refused(pair).contains("image"));
    let image = json!({ "command": "probe", "what": "forward", "input": { "image": [3, 8, 8] } });
    assert_eq!(client.send(image, &[0.5; 192]).0["outcome"], "ok");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
