//! Every rule: what it must find, when, and what it must leave alone.

use super::*;
use serde_json::json;

use crate::config::{AlertRule, Better, Watch, Window, parse_alert_rules};

/// Rules as a config has them.
fn rules(text: &str) -> Vec<AlertRule> {
    parse_alert_rules(&format!("alert_defaults = false\n{text}"), "rules").unwrap_or_else(|errors| panic!("{errors}"))
}

/// A rule with its defaults, and what `more` says.
fn rule(kind: &str, more: &str) -> Vec<AlertRule> {
    rules(&format!("[[alerts]]\nkind = '{kind}'\n{more}"))
}

fn at(step: i64, seconds: f64) -> Moment {
    let at = At { step, epoch: step as f64 / 100.0 };
    Moment { at, time_ns: (seconds * 1e9) as i64, generation: 0 }
}

/// Feed `values`, one a step and a second from step 1 on; gives the steps at which something was raised.
fn steps(rules: &[AlertRule], series: &str, values: impl IntoIterator<Item = f64>) -> Vec<i64> {
    let mut monitor = Monitor::new(rules);
    let mut raised = Vec::new();
    for (step, value) in (1..).zip(values) {
        let alerts = monitor.observe(at(step, step as f64), &[(series, value)]);
        raised.extend(alerts.iter().map(|alert| alert.moment.at.step));
    }
    raised
}

/// Normally distributed numbers, the same every time.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

const NOTHING: [i64; 0] = [];
const NEVER: [f64; 0] = [];

#[test]
fn a_value_that_is_not_finite_is_told_once_while_it_lasts_and_again_after_it_was_well() {
    let rules = rule("not-finite", "cooldown_seconds = 10");
    let bad = [3, 4, 5, 8, 20, 21];
    let values = (1..=30).map(|step| if bad.contains(&step) { f64::NAN } else { 1.0 });
    assert_eq!(steps(&rules, "loss/g", values), [3, 20], "8 is within the cooldown of 3");
    let lasting = (1..=30).map(|step| if step >= 5 || step == 1 { f64::INFINITY } else { 1.0 });
    assert_eq!(steps(&rules, "loss/g", lasting), [1, 11], "what began within the cooldown is told after it");
    assert_eq!(steps(&rules, "speed/images_per_sec", [f64::NAN; 5]), NOTHING, "another series");
}

#[test]
fn several_series_at_one_moment_make_one_alert_whatever_their_order() {
    let names = ["loss/g", "loss/d", "grad_norm/d", "loss/g_l1", "loss/g_gan"];
    let raise = |names: Vec<&str>| {
        let values: Vec<(&str, f64)> = names.into_iter().map(|name| (name, f64::NAN)).collect();
        Monitor::new(&rule("not-finite", "")).observe(at(7, 7.0), &values)
    };
    let alerts = raise(names.to_vec());
    assert_eq!(alerts.len(), 1);
    let also: Vec<&str> = alerts[0].also.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        (&*alerts[0].series, also.as_slice()),
        ("grad_norm/d", &["loss/d", "loss/g", "loss/g_gan", "loss/g_l1"][..])
    );
    assert_eq!(alerts[0].message, "grad_norm/d is NaN; so with loss/d, loss/g, loss/g_gan and 1 more");
    assert_eq!(format!("{:?}", raise(names.into_iter().rev().collect())), format!("{alerts:?}"));
}

#[test]
fn an_alert_is_an_event_that_json_can_hold() {
    let rules = rule("not-finite", "action = 'pause'\nnotify = ['bell', 'osc9']");
    let alert = Monitor::new(&rules).observe(at(7, 7.0), &[("loss/g", f64::NEG_INFINITY)]).remove(0);
    let event = alert.event();
    assert_eq!((event.kind.as_str(), event.message.as_str()), ("alert", "loss/g is -inf"));
    let fields = serde_json::to_string(&event.fields).unwrap();
    assert_eq!(
        fields,
        r#"{"rule":"not-finite","series":"loss/g","value":"-inf","action":"pause","notify":["bell","osc9"]}"#
    );
}

#[test]
fn a_spike_is_found_at_its_step_and_says_why() {
    let mut noise = Noise(1);
    let values: Vec<f64> = (1..=1000).map(|step| if step == 700 { 3.9 } else { 2.0 + 0.1 * noise.normal() }).collect();
    assert_eq!(steps(&rule("spike", ""), "loss/g", values.iter().copied()), [700]);

    let mut monitor = Monitor::new(&rule("spike", ""));
    let mut alerts = Vec::new();
    for (step, value) in (1..).zip(values) {
        alerts.extend(monitor.observe(at(step, step as f64), &[("loss/g", value)]));
    }
    let message = &alerts[0].message;
    assert!(message.starts_with("loss/g 3.9 is 1") && message.contains(" sigma above its mean "), "{message}");
    assert!(message.ends_with(" of the last ~200 steps"), "{message}");
}

#[test]
fn noise_however_long_its_tail_is_no_spike() {
    let rules = rule("spike", "cooldown_seconds = 0\nside = 'both'");
    let mut noise = Noise(2);
    assert_eq!(steps(&rules, "loss/g", (0..200_000).map(|_| 1.0 + 0.2 * noise.normal())), NOTHING, "normal");
    assert_eq!(steps(&rules, "loss/g", (0..200_000).map(|_| noise.normal())), NOTHING, "around zero");
    assert_eq!(steps(&rules, "loss/g", (0..200_000).map(|_| (0.5 * noise.normal()).exp())), NOTHING, "log-normal");
    let falling = (0..50_000).map(|step| 10.0 * (-f64::from(step) / 5000.0).exp() * (1.0 + 0.1 * noise.normal()));
    assert_eq!(steps(&rules, "loss/g", falling), NOTHING, "a loss that falls");
}

#[test]
fn a_constant_series_has_no_spikes_until_it_jumps() {
    let rules = rule("spike", "");
    assert_eq!(steps(&rules, "loss/g", [0.5; 1000]), NOTHING);
    assert_eq!(steps(&rules, "loss/g", [0.0; 1000]), NOTHING);
    let shaky = (0..1000).map(|step| 0.5 + 1e-9 * f64::from(step % 7));
    assert_eq!(steps(&rules, "loss/g", shaky), NOTHING, "the last digits do not count");
    let jump = (1..=1000).map(|step| if step == 600 { 0.75 } else { 0.5 });
    assert_eq!(steps(&rules, "loss/g", jump), [600]);
}

#[test]
fn values_that_are_not_finite_teach_a_spike_rule_nothing() {
    let mut noise = Noise(3);
    let values = (1..=2000).map(|step| match step {
        1..=50 => f64::NAN,
        500 => f64::INFINITY,
        900 => 5.0,
        _ => 2.0 + 0.1 * noise.normal(),
    });
    assert_eq!(steps(&rule("spike", ""), "loss/g", values), [900]);
    assert_eq!(steps(&rule("spike", ""), "loss/g", [f64::NAN; 500]), NOTHING);
}

#[test]
fn one_spike_does_not_hide_the_next_and_a_new_level_is_learned() {
    let mut noise = Noise(4);
    let mut steady = |spikes: &'static [i64], level: f64| {
        let values: Vec<f64> = (1..=3000)
            .map(|step| {
                let usual = if step > 2000 { level } else { 1.0 };
                if spikes.contains(&step) { 50.0 } else { usual + 0.05 * noise.normal() }
            })
            .collect();
        steps(&rule("spike", "cooldown_seconds = 0"), "loss/g", values)
    };
    assert_eq!(steady(&[400, 420, 440, 900], 1.0), [400, 420, 440, 900]);
    assert_eq!(steady(&[], 3.0), [2001], "raised once, then the level is usual");
}

#[test]
fn spikes_are_looked_for_on_the_side_that_was_asked_for() {
    let values =
        |spike: f64| (1..=500).map(move |step| if step == 400 { spike } else { 2.0 + 0.05 * f64::from(step % 5) });
    for (side, found) in [("above", [1, 0]), ("below", [0, 1]), ("both", [1, 1])] {
        let rules = rule("spike", &format!("series = 'x/*'\nside = '{side}'"));
        assert_eq!([6.0, 0.2].map(|spike| steps(&rules, "x/y", values(spike)).len()), found, "{side}");
        assert_eq!(steps(&rules, "loss/g", values(6.0)), NOTHING, "another series");
    }
}

#[test]
fn a_series_too_sparse_for_its_half_life_makes_no_deviation() {
    let mut monitor = Monitor::new(&rule("spike", "series = 'val/*'"));
    let mut noise = Noise(5);
    for epoch in 1..=300 {
        let value = 0.1 + 0.01 * noise.normal();
        let step = epoch * 1000;
        assert_eq!(monitor.observe(at(step, step as f64), &[("val/l1", value)]), []);
    }
}

#[test]
fn the_warm_up_is_only_learned_from() {
    let values =
        |spike: i64| (1..=400).map(move |step| if step == spike { 9.0 } else { 1.0 + 0.01 * (step % 9) as f64 });
    assert_eq!(steps(&rule("spike", ""), "loss/g", values(80)), NOTHING);
    assert_eq!(steps(&rule("spike", "warmup_steps = 40"), "loss/g", values(80)), [80]);
}

#[test]
fn a_restart_that_repeats_steps_is_no_spike_no_plateau_and_no_stall() {
    let all = "[[alerts]]\nkind = 'spike'\nside = 'both'\n[[alerts]]\nkind = 'stalled'\n\
               [[alerts]]\nkind = 'plateau'\nseries = 'loss/g'\nwindow_epochs = 5\n\
               [[alerts]]\nkind = 'throughput-drop'\n";
    let mut monitor = Monitor::new(&rules(all));
    let loss = |step: i64| 10.0 * (-(step as f64) / 150.0).exp();
    let mut play = |generation: u32, from: i64, to: i64, begin: f64, speed: f64| {
        for step in from..=to {
            let seconds = begin + (step - from) as f64 * 32.0 / speed;
            let moment = Moment { generation, ..at(step, seconds) };
            let alerts = monitor.observe(moment, &[("loss/g", loss(step)), ("speed/images_per_sec", speed)]);
            assert_eq!(alerts, [], "generation {generation}, step {step}");
        }
    };
    play(0, 1, 800, 0.0, 32.0);
    // Hours later, from an early checkpoint, with a loss ten times the last one and on a machine four times as slow.
    play(1, 401, 1200, 50_000.0, 8.0);
    // What comes late from a generation that is over is passed over.
    let late = Moment { generation: 0, ..at(5000, 60_000.0) };
    assert_eq!(monitor.observe(late, &[("loss/g", 1e6)]), []);
    assert_eq!(monitor.turn_to(Activity::Paused, 0, 61_000_000_000_000), []);
}

#[test]
fn a_plateau_is_raised_when_nothing_got_better_for_the_whole_window() {
    let best_at = |step: i64, value: f64| move |now: i64| if now >= step { value } else { 1.0 - 0.01 * now as f64 };
    // 100 steps are an epoch; validated each epoch.
    let raised = |rules: &[AlertRule], series: &str, value: &dyn Fn(i64) -> f64| {
        let mut monitor = Monitor::new(rules);
        let epochs =
            (1..=60).flat_map(|epoch| monitor.observe(at(100 * epoch, 60.0 * epoch as f64), &[(series, value(epoch))]));
        epochs.map(|alert| (alert.moment.at.epoch, alert.message)).collect::<Vec<_>>()
    };
    let epochs = |found: Vec<(f64, String)>| found.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>();
    let found = raised(&rule("plateau", ""), "val/l1", &best_at(20, 0.8));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, 30.0, "ten epochs after the best at epoch 20");
    assert_eq!(found[0].1, "val/l1 has not become 1 % better than 0.8 for 10 epochs, since step 2000");

    assert_eq!(epochs(raised(&rule("plateau", ""), "val/l1", &|epoch| 1.0 / epoch as f64)), NEVER, "still falling");
    let steps = rule("plateau", "window_steps = 500");
    assert_eq!(
        steps[0].watch,
        Watch::Plateau { window: Window::Steps(500), min_relative_improvement: 0.01, better: Better::Auto }
    );
    assert_eq!(epochs(raised(&steps, "val/l1", &best_at(20, 0.8))), [25.0]);
    let crumbs = |epoch: i64| 0.8 - 1e-5 * epoch as f64;
    assert_eq!(epochs(raised(&rule("plateau", ""), "val/l1", &crumbs)), [11.0], "crumbs are no improvement");
    let crumbs_count = rule("plateau", "min_relative_improvement = 0");
    assert_eq!(epochs(raised(&crumbs_count, "val/l1", &crumbs)), NEVER);
}

#[test]
fn a_plateau_knows_what_is_better() {
    let rising = |epoch: i64| 0.1 * epoch as f64;
    for (series, better, quiet) in [
        ("val/ssim", "auto", true),
        ("val/psnr", "auto", true),
        ("val/l1", "auto", false),
        ("val/score", "higher", true),
        ("val/ssim", "lower", false),
    ] {
        let mut monitor = Monitor::new(&rule("plateau", &format!("series = '{series}'\nbetter = '{better}'")));
        let alerts: Vec<Alert> = (1..=40)
            .flat_map(|epoch| monitor.observe(at(100 * epoch, epoch as f64), &[(series, rising(epoch))]))
            .collect();
        assert_eq!(alerts.is_empty(), quiet, "{series} {better}");
    }
    let mut monitor = Monitor::new(&rule("plateau", ""));
    let alerts: Vec<Alert> =
        (1..=40).flat_map(|epoch| monitor.observe(at(100 * epoch, epoch as f64), &[("val/l1", f64::NAN)])).collect();
    assert_eq!(alerts, [], "NaN is no value to stay at");
}

#[test]
fn a_drop_of_speed_is_raised_once_and_again_after_it_recovered() {
    let rules = rule("throughput-drop", "cooldown_seconds = 0");
    let mut noise = Noise(6);
    assert_eq!(
        steps(&rules, "speed/images_per_sec", (0..20_000).map(|_| 20.0 * (1.0 + 0.2 * noise.normal()))),
        NOTHING
    );
    let hiccups = (0..20_000).map(|step| if step % 100 == 0 { 1.0 } else { 20.0 });
    assert_eq!(steps(&rules, "speed/images_per_sec", hiccups), NOTHING, "a slow step now and then is usual");

    let slow = |step: i64| (1000..2000).contains(&step) || (4000..5000).contains(&step);
    let values = (1..=6000).map(|step| if slow(step) { 10.0 } else { 20.0 });
    let raised = steps(&rules, "speed/images_per_sec", values);
    assert_eq!(raised.len(), 2, "{raised:?}");
    assert!((1000..=1240).contains(&raised[0]) && (4000..=4240).contains(&raised[1]), "{raised:?}");
    let values = (1..=2000).map(|step| if step > 1000 { 0.0 } else { 20.0 });
    assert_eq!(steps(&rules, "speed/images_per_sec", values), NOTHING, "zero is no speed; that is for `stalled`");
}

#[test]
fn an_idle_gpu_is_raised_unless_the_run_is_paused() {
    let rules = rule("gpu-idle", "idle_seconds = 60");
    let idle = |from: i64| move |step: i64| if step >= from { 1.0 } else { 97.0 };
    assert_eq!(steps(&rules, "gpu0/utilization_percent", (1..=300).map(idle(100))), [160]);
    assert_eq!(steps(&rules, "gpu0/memory_utilization_percent", (1..=300).map(idle(100))), NOTHING);
    let breaks = (1..=600).map(|step| if step % 50 == 0 { 50.0 } else { 0.0 });
    assert_eq!(steps(&rules, "gpu0/utilization_percent", breaks), NOTHING);

    let mut monitor = Monitor::new(&rules);
    let mut raised = Vec::new();
    for second in 1..=400 {
        if second == 50 {
            assert_eq!(monitor.turn_to(Activity::Paused, 0, 50_000_000_000), []);
        }
        if second == 300 {
            assert_eq!(monitor.turn_to(Activity::Training, 0, 300_000_000_000), []);
        }
        let alerts = monitor.observe(at(20, f64::from(second)), &[("gpu0/utilization_percent", 0.0)]);
        raised.extend(alerts.iter().map(|_| second));
    }
    assert_eq!(raised, [360], "a minute after it went on");
}

/// A run of `count` steps, one each half second.
fn stepped(rules: &[AlertRule], count: i64) -> Monitor {
    let mut monitor = Monitor::new(rules);
    for step in 1..=count {
        assert_eq!(monitor.observe(at(step, 0.5 * step as f64), &[("loss/g", 1.0), ("loss/d", 1.0)]), []);
    }
    monitor
}

#[test]
fn a_stalled_run_is_told_of_at_the_same_moment_whoever_looks_whenever() {
    let rules = rule("stalled", "");
    // Step 100 was at 50 s; 120 s is more than 20 times half a second.
    let due = Moment { time_ns: 170_000_000_000, ..at(100, 0.0) };
    let mut ticking = stepped(&rules, 100);
    assert_eq!(ticking.tick(169_900_000_000), []);
    let alert = ticking.tick(170_000_000_000).remove(0);
    assert_eq!((alert.moment, alert.value), (due, 120.0));
    assert_eq!(alert.message, "no step for 120 s after step 100, where a step usually takes 0.5 s");
    assert_eq!(ticking.tick(900_000_000_000), [], "said once");

    assert_eq!(stepped(&rules, 100).tick(5_000_000_000_000), std::slice::from_ref(&alert), "a look long after");
    let by_telemetry = stepped(&rules, 100).observe(at(100, 777.0), &[("host/cpu_percent", 1.0)]);
    assert_eq!(by_telemetry, std::slice::from_ref(&alert));
    let by_the_next_step = stepped(&rules, 100).observe(at(101, 777.0), &[("loss/g", 1.0)]);
    assert_eq!(by_the_next_step, [alert]);
}

#[test]
fn slow_steps_pauses_validations_and_beginnings_are_no_stalls() {
    let rules = rule("stalled", "min_seconds = 10\nstep_times = 4");
    let seconds = |value: f64| (value * 1e9) as i64;
    // Steps of 30 s: four of them are two minutes.
    let mut slow = Monitor::new(&rules);
    for step in 1..=10 {
        assert_eq!(slow.observe(at(step, 30.0 * step as f64), &[("loss/g", 1.0)]), []);
    }
    assert_eq!(slow.tick(seconds(300.0 + 119.0)), []);
    assert_eq!(slow.tick(seconds(300.0 + 121.0)).len(), 1);

    assert_eq!(stepped(&rules, 4).tick(seconds(1e6)), [], "too few steps to know what is usual");
    assert_eq!(Monitor::new(&rules).tick(seconds(1e6)), [], "nothing began yet");

    let mut paused = stepped(&rules, 100);
    assert_eq!(paused.turn_to(Activity::Paused, 0, seconds(51.0)), []);
    assert_eq!(paused.tick(seconds(5000.0)), []);
    assert_eq!(paused.turn_to(Activity::Training, 0, seconds(5000.0)), []);
    assert_eq!(paused.tick(seconds(5009.0)), [], "it has as long again");
    assert_eq!(paused.tick(seconds(5011.0)).len(), 1);

    // The first validation may take any time; later ones are held against it.
    let mut validating = stepped(&rules, 100);
    validating.turn_to(Activity::Validating, 0, seconds(50.0));
    assert_eq!(validating.tick(seconds(550.0)), []);
    assert_eq!(validating.observe(at(101, 100.0), &[("loss/g", 1.0)]), []);
    for step in 102..=200 {
        assert_eq!(validating.observe(at(step, 100.0 + 0.5 * (step - 101) as f64), &[("loss/g", 1.0)]), []);
    }
    validating.turn_to(Activity::Validating, 0, seconds(150.0));
    assert_eq!(validating.tick(seconds(349.0)), []);
    let message = validating.tick(seconds(351.0)).remove(0).message;
    assert_eq!(message, "no step for 3 min after step 200, where a validation usually takes 50 s");
}

/// Telemetry each second for `seconds`, memory as `used` says of a machine that has 64 GB.
fn memory(rules: &[AlertRule], seconds: i64, mut used: impl FnMut(f64) -> f64) -> Vec<(i64, String)> {
    let mut monitor = Monitor::new(rules);
    let mut raised = Vec::new();
    for second in 1..=seconds {
        let values = [("host/memory_total_bytes", 64e9), ("process/memory_rss_bytes", used(second as f64))];
        let alerts = monitor.observe(at(second / 2, second as f64), &values);
        raised.extend(alerts.into_iter().map(|alert| (second, alert.message)));
    }
    raised
}

#[test]
fn memory_that_grows_towards_its_limit_is_raised_in_time() {
    // 10 MB a second: full 6000 s after the start, half an hour before that at 4200 s.
    let raised = memory(&rule("memory-growth", ""), 5900, |second| 4e9 + 10e6 * second);
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!((4190..=4260).contains(&raised[0].0), "{raised:?}");
    let message = &raised[0].1;
    assert!(
        message.starts_with("process/memory_rss_bytes grows by 572 MiB a minute and reaches its limit of 60 GiB in ")
    );
    assert!(message.ends_with("30 min"), "{message}");

    let mut noise = Noise(7);
    let sawtooth = |second: f64| 4e9 + 10e6 * second + 2e9 * (second / 17.0).fract() + 0.2e9 * noise.normal();
    let raised = memory(&rule("memory-growth", ""), 5900, sawtooth);
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!((3800..=4400).contains(&raised[0].0), "{raised:?}");
}

#[test]
fn memory_that_has_levelled_out_or_only_swings_is_left_alone() {
    let rules = rule("memory-growth", "");
    let mut noise = Noise(8);
    let quiet = |what: &str, used: &mut dyn FnMut(f64) -> f64| {
        assert_eq!(memory(&rules, 8000, used), [], "{what}");
    };
    quiet("a cache that fills at the start", &mut |second| 4e9 + 50e9 * (second / 300.0).min(1.0));
    quiet("one that fills slowly", &mut |second| 4e9 + 55e9 * (1.0 - (-second / 250.0).exp()));
    quiet("nearly full, and steady", &mut |_| 63.5e9 + 0.05e9 * noise.normal());
    quiet("steps up and down", &mut |second| if (second / 700.0) as i64 % 2 == 0 { 20e9 } else { 50e9 });
    quiet("far from full", &mut |second| 1e9 + 1e6 * second);
    quiet("falling", &mut |second| 60e9 - 5e6 * second);
    let limited = rule("memory-growth", "capacity_series = 'host/nobody_knows'");
    assert_eq!(memory(&limited, 8000, |second| 8e6 * second), [], "no limit is known");
}

#[test]
fn a_container_s_limit_counts_before_the_machine_s() {
    let mut monitor = Monitor::new(&rule("memory-growth", ""));
    let mut raised = Vec::new();
    for second in 1..=1500 {
        let values = [
            ("host/memory_total_bytes", 1e12),
            ("host/memory_limit_bytes", 8e9),
            ("process/memory_rss_bytes", 1e9 + 3e6 * f64::from(second)),
        ];
        raised.extend(monitor.observe(at(1, f64::from(second)), &values));
    }
    assert_eq!(raised.len(), 1);
    assert!(raised[0].message.contains("its limit of 7.5 GiB"), "{}", raised[0].message);
}

#[test]
fn a_monitor_says_which_series_it_needs() {
    let monitor = Monitor::new(&AlertRule::built_in());
    for name in
        ["loss/g", "grad_norm/d", "gpu3/memory_used_bytes", "gpu3/memory_total_bytes", "host/memory_limit_bytes"]
    {
        assert!(monitor.watches(name), "{name}");
    }
    for name in ["lr/generator", "val/l1", "gpu0/power_watts", "host/cpu_percent"] {
        assert!(!monitor.watches(name), "{name}");
    }
    assert!(!Monitor::new(&rule("not-finite", "series = '*'")).watches(crate::record::DROPPED_ROWS));
    assert!(!Monitor::new(&[]).watches("loss/g"));
}

#[test]
fn activity_is_read_from_events() {
    let told = |kind: &str, fields: serde_json::Value| Activity::told(kind, fields.as_object().unwrap());
    assert_eq!(told("started", json!({})), Some(Activity::Training));
    assert_eq!(told("command", json!({"command": {"command": "pause"}})), Some(Activity::Paused));
    assert_eq!(told("command", json!({"command": {"command": "resume"}})), Some(Activity::Training));
    assert_eq!(told("command", json!({"command": {"command": "set", "key": "lr", "value": "1"}})), None);
    assert_eq!(told("command", json!({})), None);
    assert_eq!(told("checkpoint", json!({})), None);
}
