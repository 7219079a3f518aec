//! Probes and steps one by one, of a run of the engine.

use super::*;
use crate::session::control::{Of, Probe, Response};

#[test]
fn a_paused_run_takes_the_steps_it_is_told_to_and_pauses_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    let refused = ask(&run.orders, Request::Step { n: 1 });
    ask(&run.orders, Request::Pause);
    let asker = std::thread::spawn(move || {
        let said = |answer: Answer| match answer {
            Answer::Said(Response::Ok { message, step, .. }) => (message, step),
            other => panic!("{other:?}"),
        };
        let mut heard = Vec::new();
        for n in [1, 3] {
            heard.push(said(ask(&run.orders, Request::Step { n }).recv().unwrap()));
            heard.push(said(ask(&run.orders, Request::Status).recv().unwrap()));
        }
        // More than there are.
        heard.push(said(ask(&run.orders, Request::Step { n: 100 }).recv().unwrap()));
        heard
    });
    assert_eq!(run.engine.run().unwrap(), Outcome::Finished);
    assert!(format!("{:?}", refused.recv().unwrap()).contains("`pause` it first"));
    let heard = asker.join().unwrap();
    let expected = [
        ("1 step taken, paused", 1),
        ("paused", 1),
        ("3 steps taken, paused", 4),
        ("paused", 4),
        ("the run ended after 8 of 100 steps", 12),
    ];
    assert_eq!(heard, expected.map(|(message, step)| (message.to_owned(), step)));
    assert_eq!(run.memory.events("command").iter().filter(|(_, message)| message.starts_with("step")).count(), 4);
    let last = run.states.lock().unwrap().clone();
    assert_eq!(last[..4], [State::Running, State::Paused, State::Running, State::Paused]);
}

/// Ask a probe as a client's thread does.
fn probe(orders: &Sender<Order>, probe: Probe) -> Receiver<Answer> {
    let (reply, answers) = crossbeam_channel::unbounded();
    orders.send(Order { request: Request::Probe(probe), sight: None, reply, reason: None }).unwrap();
    answers
}

#[test]
fn gradients_are_those_of_the_last_step_as_the_optimizer_took_them() {
    for (accumulate, clip) in [(1, 0.0), (2, 0.0), (3, 0.01)] {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings();
        settings.train.accumulate = accumulate;
        settings.optimizer.clip_grad_norm = clip;
        let mut run = bench(dir.path(), settings, Line::new(&[]), &[]);
        assert!(run.engine.learner.tensors(Of::Gradient).unwrap_err().contains("no step has been taken"));
        let norms = probe(&run.orders, Probe::GradientNorms { steps: 2, glob: "*/weight".to_owned() });
        run.engine.obey().unwrap();
        for _ in 0..2 {
            run.engine.advance().unwrap();
            run.engine.obey().unwrap();
            let gradients = run.engine.learner.tensors(Of::Gradient).unwrap();
            let (name, gradient) = &gradients[0];
            let norm = f64::try_from(gradient.norm()).unwrap();
            let step = run.engine.step;
            let recorded = run.memory.series("grad_norm/generator")[step as usize - 1].1;
            // Recorded before clipping; `norm.weight` has none.
            let expected = if clip > 0.0 { recorded.min(clip) } else { recorded };
            assert!(name == "generator/weight" && (norm - expected).abs() < 1e-5 * norm, "{norm} and {expected}");
            let Answer::Piece(piece) = norms.recv().unwrap() else { panic!("no piece") };
            assert_eq!((piece.step, piece.tensors.len()), (step, 1));
            assert_eq!(piece.tensors[0].1, *gradient);
        }
        assert!(matches!(norms.recv().unwrap(), Answer::Found(_)));
    }
}

#[test]
fn what_the_run_s_end_leaves_unanswered_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    let norms = probe(&run.orders, Probe::GradientNorms { steps: 100, glob: "*".to_owned() });
    run.engine.run().map(|_| ()).unwrap();
    let all: Vec<Answer> = norms.iter().collect();
    // After the last step nothing is looked at any more.
    assert_eq!(all.len(), 12);
    assert!(format!("{:?}", all.last().unwrap()).contains("the run has ended"));
}

#[test]
fn probing_a_run_changes_none_of_its_numbers() {
    let run = |probing: bool| {
        let dir = tempfile::tempdir().unwrap();
        let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
        let mut answers = Vec::new();
        for _ in (0..40).filter(|_| probing) {
            answers.push(probe(&run.orders, Probe::Stats { of: Of::Weight, glob: "*".to_owned() }));
            answers.push(probe(&run.orders, Probe::List { of: Of::Optimizer, glob: "*".to_owned() }));
            answers.push(probe(&run.orders, Probe::GradientNorms { steps: 5, glob: "*".to_owned() }));
        }
        run.engine.run().map(|_| ()).unwrap();
        for answers in &answers {
            assert!(matches!(answers.iter().last().unwrap(), Answer::Found(_)));
        }
        let told = run.memory.events.lock().unwrap().iter().filter(|(_, event)| event.kind == "probe").count();
        assert_eq!(told > 0, probing);
        let names = ["loss/g", "grad_norm/generator", "lr/generator"];
        names.map(|name| run.memory.series(name).into_iter().map(|(step, v)| (step, v.to_bits())).collect::<Vec<_>>())
    };
    assert_eq!(run(true), run(false));
}
