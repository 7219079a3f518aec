//! The contract with the training process, against one that speaks exactly it.

use std::sync::{Arc, Mutex};

use super::*;
use crate::probe::series::Series;
use crate::probe::testing::{Dice, Folder, message, serve, yes};

const LIVE: &str = "\"step\":1200,\"epoch\":3.5,\"time\":\"2026-02-03T10:11:12.5Z\",\"source\":\"live\",\"age_ms\":12,\
                    \"session\":\"260101-x\"";

/// A session whose training answers, and a hub that knows it.
struct Training {
    folder: Folder,
    hub: Hub,
    /// Every request to the training, and how many bytes came with it.
    asked: Arc<Mutex<Vec<(Json, usize)>>>,
}

impl Training {
    fn new(state: &'static str) -> Self {
        let folder = Folder::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let place = folder.0.display().to_string();
        serve(&folder.join("hub"), move |request, _| match request.get("ask").as_str().unwrap() {
            "run" => yes(&format!("\"row\":{{\"id\":\"260101-x\",\"folder\":\"{place}\",\"state\":\"{state}\"}}"), &[]),
            "model" => yes(&format!("\"socket\":\"{place}/model\",\"source\":\"checkpoint\",\"step\":1000"), &[]),
            other => panic!("{other}"),
        });
        let kept = Arc::clone(&asked);
        serve(&folder.join("model"), move |request, bytes| {
            kept.lock().unwrap().push((request.clone(), bytes.len()));
            let source = "\"step\":1000,\"source\":\"checkpoint\",\"age_ms\":7200000,\"session\":\"260101-x\"";
            yes(&format!("{source},\"result\":{{\"names\":[\"checkpoint\"]}}"), &[])
        });
        let hub = Hub::at(folder.join("hub"));
        Self { folder, hub, asked }
    }

    fn answers(self, answer: impl Fn(&Json, &[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let asked = Arc::clone(&self.asked);
        serve(&self.folder.join("control.sock"), move |request, bytes| {
            asked.lock().unwrap().push((request.clone(), bytes.len()));
            answer(request, bytes)
        });
        self
    }

    /// One that answers everything with these fields and bytes.
    fn says(fields: &str, bytes: Vec<u8>) -> Self {
        let fields = format!("{LIVE},{fields}");
        Self::new("running").answers(move |_, _| yes(&fields, &bytes))
    }

    fn live(&self) -> Live {
        self.hub.run("latest").live()
    }

    /// The newest request, without what all have.
    fn asked(&self) -> String {
        let (request, bytes) = self.asked.lock().unwrap().pop().unwrap();
        assert_eq!(request.get("bytes").as_u64().unwrap_or(0), bytes as u64);
        let fields = request.fields().iter().filter(|(name, _)| !["version", "bytes"].contains(&name.as_str()));
        Json::Object(fields.cloned().collect()).to_string()
    }
}

#[test]
fn tensors_are_asked_for_by_what_and_name() {
    let result = "\"result\":{\"name\":\"generator/a.weight\",\"shape\":[2,1],\"kind\":\"f32\"}";
    let training = Training::says(result, float_bytes(&[1.5, -2.0]));
    let live = training.live();
    assert!(live.is_running());
    for (of, tensor) in [
        ("weight", live.weights("generator/a.weight")),
        ("gradient", live.grad("generator/a.weight")),
        ("optimizer", live.optimizer("generator/a.weight")),
    ] {
        assert_eq!((tensor.shape(), tensor.data()), (&[2, 1][..], &[1.5, -2.0][..]));
        let source = tensor.source().unwrap();
        assert_eq!((source.step, source.epoch, source.live, source.age_ms), (1200, Some(3.5), true, Some(12.0)));
        let _ = of;
    }
    let last = "{\"command\":\"probe\",\"what\":\"tensor\",\"of\":\"optimizer\",\"name\":\"generator/a.weight\"}";
    assert_eq!(training.asked(), last);
    assert!(training.asked().contains("\"of\":\"gradient\"") && training.asked().contains("\"of\":\"weight\""));
    let shown = live.weights("a").to_string();
    assert!(shown.ends_with("260101-x · step 1\u{202f}200 · live · 12 ms old"), "{shown}");
}

#[test]
fn lists_statistics_and_taps_are_tables() {
    let training =
        Training::says("\"result\":{\"tensors\":[{\"name\":\"g/a\",\"shape\":[3],\"kind\":\"bf16\"}]}", Vec::new());
    let list = training.live().list("g/*");
    assert_eq!(
        (list.names(), list.rows()[0].shape.clone(), list.rows()[0].kind.as_str()),
        (vec!["g/a".to_owned()], vec![3], "bf16")
    );
    assert_eq!(training.asked(), "{\"command\":\"probe\",\"what\":\"list\",\"of\":\"weight\",\"glob\":\"g/*\"}");

    let rows = "\"result\":{\"rows\":[{\"name\":\"g/a\",\"shape\":[3],\"count\":3,\"mean\":0.5,\"std\":0.25,\"min\":null,\
                \"max\":1,\"norm\":2,\"nans\":1,\"zeros\":0,\"step\":1200}]}";
    let training = Training::says(rows, Vec::new());
    let stats = training.live().gradient_stats("*");
    assert_eq!(training.asked(), "{\"command\":\"probe\",\"what\":\"stats\",\"of\":\"gradient\",\"glob\":\"*\"}");
    assert_eq!((stats.get("g/a").mean, stats.get("g/a").nans, stats.with_nans().rows().len()), (0.5, 1, 1));
    assert!(stats.get("g/a").min.is_nan());
    assert!(stats.to_string().contains("live · 12 ms old"));
    assert!(message(|| _ = stats.get("g/b")).contains("g/b"));

    let training = Training::says("\"result\":{\"names\":[\"model.4\",\"model.7\"]}", Vec::new());
    assert_eq!(training.live().taps(), ["model.4", "model.7"]);
    assert_eq!(training.asked(), "{\"command\":\"probe\",\"what\":\"taps\"}");
}

/// What a forward pass of a picture of 1 by 2 pixels answers.
fn forward(parts: &[(&str, &[usize])]) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let part = |(name, shape): &(&str, &[usize])| {
        let offset = bytes.len();
        let count = shape.iter().product::<usize>();
        bytes.extend(float_bytes(&vec![offset as f32 / 100.0; count]));
        format!("{{\"name\":\"{name}\",\"shape\":{shape:?},\"offset\":{offset}}}")
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    let fields = format!(
        "\"result\":{{\"id\":\"000017\",\"weights\":\"average\",\"score\":null,\"parts\":[{}]}}",
        parts.join(",")
    );
    (fields, bytes)
}

#[test]
fn a_forward_pass_shows_input_target_and_output_side_by_side() {
    let (fields, bytes) = forward(&[
        ("input", &[3, 1, 2]),
        ("target", &[3, 1, 2]),
        ("output", &[3, 1, 2]),
        ("tap:model.4", &[1, 8, 1, 1]),
    ]);
    let training = Training::says(&fields, bytes);
    let output = training.live().with_taps(&["model.*"]).with_budget(200).forward(17);
    assert_eq!(
        training.asked(),
        "{\"command\":\"probe\",\"what\":\"forward\",\"input\":{\"pair\":17,\"part\":\"held-out\"},\
         \"taps\":[\"model.*\"],\"saliency\":false,\"budget_ms\":200}"
    );
    let image = output.image();
    assert_eq!((image.width(), image.height()), (2 + 4 + 2 + 4 + 2, 1));
    assert_eq!((output.input().data()[0], output.target().data()[0], output.output().data()[0]), (0.0, 0.24, 0.48));
    assert_eq!(output.tap("model.4").shape(), [1, 8, 1, 1]);
    let shown = output.to_string();
    assert!(shown.contains("input | target | output: picture, 14 x 1"), "{shown}");
    assert!(shown.ends_with("000017 · weights: average · 260101-x · step 1\u{202f}200 · live · 12 ms old"), "{shown}");
    // Nothing was asked for the tap that had come; for another it is.
    assert!(training.asked.lock().unwrap().is_empty());
    assert!(message(|| drop(output.tap("model.9"))).contains("there is no tap model.9"));
    assert!(training.asked().contains("\"taps\":[\"model.9\"]"));
    assert!(message(|| drop(output.saliency_map())).contains("it has input, target, output, tap:model.4"));
    training.live().forward_train(3);
    assert!(training.asked().contains("{\"pair\":3,\"part\":\"train\"}"));
}

#[test]
fn a_picture_of_one_s_own_is_sent_as_the_network_takes_it() {
    let (fields, bytes) = forward(&[("input", &[3, 1, 2]), ("output", &[3, 1, 2]), ("saliency", &[3, 1, 2])]);
    let fields = format!("{LIVE},{fields}");
    let training = Training::new("running").answers(move |request, sent| {
        if request.get("input").fields()[0].0 == "image" {
            assert_eq!(wire::floats(sent), [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
        }
        yes(&fields, &bytes)
    });
    let output = training.live().forward_image(&Image::new(2, 1, vec![0, 0, 0, 255, 255, 255]));
    assert!(training.asked().contains("\"input\":{\"image\":[3,1,2]},\"taps\":[],\"saliency\":false"));
    assert!(message(|| drop(output.target())).contains("has no target"));
    let saliency = training.live().saliency(2);
    assert!(training.asked().contains("\"saliency\":true"));
    assert_eq!((saliency.saliency_map().len(), saliency.image().width()), (6, 14));
}

#[test]
fn gradient_norms_are_curves_the_greatest_first() {
    let rows = "\"result\":{\"rows\":[{\"step\":1,\"name\":\"a\",\"norm\":0.5},{\"step\":1,\"name\":\"b\",\"norm\":9},\
                {\"step\":2,\"name\":\"a\",\"norm\":0.25},{\"step\":2,\"name\":\"b\",\"norm\":null}]}";
    let training = Training::says(rows, Vec::new());
    let norms = training.live().gradient_norms(2);
    assert_eq!(training.asked(), "{\"command\":\"probe\",\"what\":\"gradient-norms\",\"steps\":2,\"glob\":\"*\"}");
    assert_eq!(
        (norms.names(), norms.series("a")),
        (vec!["a".to_owned(), "b".to_owned()], Series::new("a", vec![1.0, 2.0], vec![0.5, 0.25]))
    );
    assert_eq!(norms.series("b").nans(), 1);
    let text = norms.to_string();
    assert!(text.find("\nb ").unwrap() < text.find("\na ").unwrap(), "{text}");
    assert!(norms.plot().to_string().contains("greatest 2 of 2"));
    assert!(message(|| drop(training.live().gradient_norms(0))).contains("1 to 10000"));
}

#[test]
fn a_training_is_steered() {
    let training = Training::new("paused").answers(|request, _| {
        yes(&format!("\"step\":5,\"message\":\"did {}\"", request.get("command").as_str().unwrap()), &[])
    });
    let live = training.live();
    for (said, request) in [
        (live.pause(), "{\"command\":\"pause\"}"),
        (live.step(3), "{\"command\":\"step\",\"n\":3}"),
        (live.resume(), "{\"command\":\"resume\"}"),
        (live.set_lr(2.5e-4), "{\"command\":\"set\",\"key\":\"lr\",\"value\":\"2.5e-4\"}"),
        (live.status(), "{\"command\":\"status\"}"),
    ] {
        // The first field of a name counts: the message is that of the helper.
        assert_eq!(said.step(), 5, "{said}");
        let asked = training.asked.lock().unwrap();
        let found = asked.iter().any(|(sent, _)| sent.to_string().replace("\"version\":1,", "") == request);
        assert!(found, "{request}");
    }
}

#[test]
fn what_the_training_refuses_is_told_in_its_words_with_the_session() {
    let training = Training::new("running").answers(|_, _| {
        b"{\"version\":1,\"outcome\":\"error\",\"message\":\"512 MiB are too many: ask for stats\"}\n".to_vec()
    });
    assert_eq!(message(|| drop(training.live().weights("x"))), "260101-x: 512 MiB are too many: ask for stats");
    assert!(message(|| drop(training.live().pause())).starts_with("260101-x: "));
}

#[test]
fn a_session_that_does_not_run_is_asked_through_its_checkpoint_and_says_so() {
    // One that has ended, and one that ended since the hub looked: its socket is gone.
    for state in ["finished", "running"] {
        let training = Training::new(state);
        let live = training.live();
        assert_eq!(live.taps(), ["checkpoint"]);
        assert!(training.asked().contains("\"what\":\"taps\""));
        let told = message(|| drop(live.set_lr(1.0)));
        assert!(told.contains("260101-x") && told.contains("nothing to steer"), "{told}");
    }
    let source = Source::of(&Json::parse(b"{\"source\":\"checkpoint\",\"step\":7,\"age_ms\":7200000}").unwrap(), "s");
    assert_eq!(source.to_string(), "s · step 7 · checkpoint · 2 h old");
}

#[test]
fn answers_that_do_not_add_up_are_refused() {
    for (result, bytes) in [
        ("\"result\":{\"shape\":[3],\"kind\":\"f32\"}", 8),
        ("\"result\":{\"shape\":[2],\"kind\":\"bf16\"}", 8),
        ("\"result\":{\"shape\":[-2],\"kind\":\"f32\"}", 8),
        ("\"result\":{}", 8),
        ("\"nothing\":1", 7),
    ] {
        let training = Training::says(result, vec![0; bytes]);
        assert!(message(|| drop(training.live().weights("x"))).contains("makes no sense"), "{result}");
    }
    for part in [
        "{\"name\":\"input\",\"shape\":[3],\"offset\":4}",
        "{\"name\":\"input\",\"shape\":[3],\"offset\":-4}",
        "{\"name\":\"input\",\"shape\":[4611686018427387904,4],\"offset\":0}",
        "{\"name\":\"input\",\"shape\":[1],\"offset\":9223372036854775807}",
        "{\"name\":\"input\",\"offset\":0}",
        "{\"shape\":[1],\"offset\":0}",
    ] {
        let training = Training::says(&format!("\"result\":{{\"parts\":[{part}]}}"), vec![0; 12]);
        assert!(message(|| drop(training.live().forward(0))).contains("makes no sense"), "{part}");
    }
    let training = Training::says("\"result\":{\"names\":7}", Vec::new());
    assert!(message(|| drop(training.live().taps())).contains("makes no sense"));
}

#[test]
fn mutated_answers_are_errors_and_never_another_panic() {
    let (fields, bytes) = forward(&[("input", &[3, 1, 2]), ("tap:x", &[2])]);
    let good = format!("{{{fields}}}");
    let mut dice = Dice(17);
    let source = Source::of(&Json::Null, "s");
    for _ in 0..20_000 {
        if let Ok(line) = Json::parse(&dice.mutate(good.as_bytes())) {
            if let Ok(tensors) = parts::tensors(line.get("result"), &bytes, &source) {
                tensors.iter().for_each(|tensor| drop(tensor.to_string()));
            }
            parts::rows(line.get("result").get("parts")).ok();
            parts::list(line.get("result").get("parts")).ok();
        }
    }
}
