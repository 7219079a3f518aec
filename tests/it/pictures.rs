//! Pictures as a terminal gets them.

use std::path::Path;

use atelier::session::{Folder, Manifest, State};
use image::{Rgb, RgbImage};

use crate::pty::Terminal;

/// The character that stands for a part of a picture in kitty's protocol.
const PLACEHOLDER: char = '\u{10eeee}';

/// A session with one sample: red, green and blue side by side.
fn session(directory: &Path) {
    let folder = Folder::new(directory.join("sessions/260304-120000-flag"));
    let samples = folder.samples_at(100);
    std::fs::create_dir_all(&samples).unwrap();
    let mut manifest = Manifest::new("flag", "track = \"pix2pixhd\"\n").unwrap();
    manifest.state = State::Finished;
    manifest.save(&folder).unwrap();
    let colours = [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255])];
    RgbImage::from_fn(96, 32, |x, _| colours[(x / 32) as usize]).save(samples.join("00.png")).unwrap();
}

fn samples_in(directory: &Path, term: &str) -> Terminal {
    session(directory);
    let mut terminal = Terminal::start_with(directory, &["--open", "flag"], 100, 30, &[("TERM", term)]);
    terminal.wait_for_text("flag");
    terminal.send("4");
    terminal.wait_for_text("prediction");
    terminal
}

fn count(bytes: &[u8], what: &str) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what.as_bytes()).count()
}

#[test]
fn a_terminal_with_kitty_graphics_is_sent_each_picture_once_and_forgets_it_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = samples_in(dir.path(), "xterm-kitty");
    let sharp = |screen: &str| screen.contains(PLACEHOLDER) && !screen.contains('▀');
    terminal.wait_for("pictures", sharp);
    terminal.send("?");
    terminal.wait_for("half blocks beneath the help", |screen| screen.contains('▀'));
    terminal.send("\x1b");
    terminal.wait_for("pictures again", sharp);
    terminal.send("q");
    assert!(terminal.end().success());
    assert!(terminal.is_given_back());
    let sent = count(&terminal.bytes, "a=T,U=1");
    assert!(sent >= 3, "{sent} of three pictures were sent");
    assert_eq!(count(&terminal.bytes, "a=d,d=I"), sent, "what was sent is forgotten");
}

#[test]
fn a_terminal_with_sixels_has_them_drawn_anew_after_something_lay_on_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = samples_in(dir.path(), "foot");
    terminal.wait_for("free cells beneath the pictures", |screen| {
        screen.contains("prediction") && screen.contains("step 100") && !screen.contains("decoding")
    });
    terminal.send("?");
    terminal.wait_for("half blocks beneath the help", |screen| screen.contains('▀'));
    terminal.send("\x1b");
    terminal.wait_for("pictures again", |screen| screen.contains("prediction") && !screen.contains('▀'));
    terminal.send("q");
    assert!(terminal.end().success());
    assert!(terminal.is_given_back());
    assert!(count(&terminal.bytes, "\x1bP") >= 3, "sixels were drawn");
}

#[test]
fn every_other_terminal_gets_half_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = samples_in(dir.path(), "xterm-256color");
    terminal.wait_for("half blocks", |screen| screen.contains("▀▀▀▀▀▀▀▀"));
    terminal.send("q");
    assert!(terminal.end().success());
    assert_eq!(count(&terminal.bytes, "\x1b_G") + count(&terminal.bytes, "\x1bP"), 0);
}
