//! `kill -9` at random moments, then `--resume`: the losses are those of a run that nobody killed.

use crate::trainer::{Bench, newest, stderr, wait_until};

/// Kills in the everyday test; the long script sets another number.
const KILLS: usize = 20;

#[test]
fn losses_after_kills_equal_those_of_an_uninterrupted_run_bit_for_bit() {
    let kills = std::env::var("ATELIER_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    // Long enough to outlast that many kills.
    let epochs = format!("train.epochs={}", 2 * kills);
    let train = ["train", "tiny.toml", "--set", &epochs];
    let bench = Bench::new();
    let whole = bench.command_in("whole", &train).output().unwrap();
    assert!(whole.status.success(), "{}", stderr(&whole));

    // Where in a step a kill falls is the scheduler's; how many steps it waits for is drawn here.
    let mut draw = u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..kills {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wanted = bench.recorded("loss/g") + (draw >> 33) as usize % 9;
        let fresh = bench.session_in("sessions").is_none();
        let mut child = if fresh { bench.spawn(&train) } else { bench.spawn(&["train", "--resume", "last"]) };
        wait_until(|| child.try_wait().unwrap().is_some() || bench.recorded("loss/g") >= wanted);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let fresh = bench.session_in("sessions").is_none();
    let last = if fresh { bench.run(&train) } else { bench.run(&["train", "--resume", "last"]) };
    assert!(last.status.success(), "{}", stderr(&last));
    let reference = bench.session_in("whole").unwrap();
    assert!(newest(&reference, "loss/g").len() >= 4 * kills);
    for series in ["loss/g", "loss/d", "grad_norm/generator", "val/l1"] {
        assert_eq!(newest(&bench.session(), series), newest(&reference, series), "{series}");
    }
}
