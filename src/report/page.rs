//! A report as one HTML file: inline pictures, no script needed to read it, nothing loaded from anywhere.
//!
//! What a session contains is text here, whatever it is: `Html` takes markup from this program's source
//! alone, and the page forbids every script but its own by a content security policy, so that even a mistake in the
//! first would run nothing.

mod comparison;
mod events;
mod html;
mod notebook;
mod session;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::draw::{self, Look};
use super::figure::Figure;
use super::ink::Svg;
use super::ink::palette::{self, Ground};
use super::{Axis, Kind, Report, number};

use html::Html;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/hover.js");
/// A figure in a page, in CSS pixels; the page scales it.
const SIZE: (f64, f64) = (544.0, 268.0);
/// Height that each further panel of a figure adds.
const PANEL: f64 = 112.0;

/// The page of a report. `refresh` is after how many seconds a browser loads it again.
pub fn page(report: &Report, refresh: Option<u32>) -> String {
    let mut html = Html::new();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"generator\" content=\"atelier\">");
    html.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy())]);
    if let Some(seconds) = refresh {
        html.open("meta", &[("http-equiv", "refresh"), ("content", &seconds.to_string())]);
    }
    html.element("title", &[], &title(report));
    html.raw("<style>").piece(&style()).raw("</style></head><body>\n");
    match report.parts.as_slice() {
        [part] => session::whole(&mut html, part),
        parts => comparison::whole(&mut html, report, parts),
    }
    html.raw("<footer>Made by Atelier ").text(env!("CARGO_PKG_VERSION"));
    html.raw(
        " from the session's folder alone. Times are UTC. Curves are smoothed at full resolution first; then each \
              column of a picture shows its first, lowest, highest and last value.</footer>\n",
    );
    html.raw("<script>").raw(SCRIPT).raw("</script></body></html>\n");
    html.into_text()
}

fn title(report: &Report) -> String {
    match report.labels.as_slice() {
        [one] => format!("{one} · Atelier report"),
        all => format!("{} · Atelier report", all.join(", ")),
    }
}

/// Nothing from elsewhere, no script but this page's own.
fn policy() -> String {
    let hash = BASE64.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    )
}

/// The style sheet; colours for light screens and paper, and for dark screens.
fn style() -> Html {
    let own = |ground| match ground {
        Ground::Light => "--good:#1a7434;--warn:#8a5a00;--soft:#f6f7f9;",
        Ground::Dark => "--good:#62c77a;--warn:#e0b04e;--soft:#1b1f25;",
    };
    let colours = |ground| palette::on(ground).css() + own(ground);
    let mut style = Html::new();
    // Colours and rules hold nothing that escaping would change.
    style
        .raw(":root{color-scheme:light dark;")
        .text(&colours(Ground::Light))
        .raw("}@media screen and (prefers-color-scheme:dark){:root{");
    style.text(&colours(Ground::Dark)).raw("}}");
    style.raw_style(&Svg::style()).raw(STYLE);
    style
}

/// Figures beside each other.
fn figures(html: &mut Html, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    html.raw("<div class=\"figures\">");
    for one in figures {
        figure(html, one);
    }
    html.raw("</div>\n");
}

/// A figure with its title, value and note as text.
fn figure(html: &mut Html, figure: &Figure) {
    html.open("figure", &[("id", &figure.name)]).raw("<figcaption><h4>").text(&figure.title).raw("</h4>");
    html.element("span", &[("class", "v")], &figure.value().unwrap_or_default());
    html.element("p", &[], &figure.note());
    if !figure.caption.is_empty() {
        html.element("p", &[], &figure.caption);
    }
    let legend = figure.legend();
    if !legend.is_empty() {
        html.raw("<p class=\"legend\">");
        for key in legend {
            let class = format!("key c{}{}", key.colour % 8, if key.dim { " d" } else { "" });
            html.raw("<span>").element("span", &[("class", &class)], "").text(&key.label).raw("</span>");
        }
        html.raw("</p>");
    }
    html.raw("</figcaption><div class=\"plot\">");
    let mut svg = Svg::new(SIZE.0, height(figure));
    draw::figure(figure, (SIZE.0, height(figure)), Look::IN_PAGE, &mut svg);
    html.picture(svg.inline(&figure.alt())).raw("</div></figure>\n");
}

/// How high a figure is in a page.
fn height(figure: &Figure) -> f64 {
    match figure.panels.len() {
        0 | 1 => SIZE.1,
        several => PANEL * several as f64 + 30.0,
    }
}

/// A part of the report with a heading; `level` is 2 where it stands alone and 3 inside of a session's part.
fn section(html: &mut Html, id: &str, level: u8, title: &str, explained: &str, body: impl FnOnce(&mut Html)) {
    html.open("section", &[("id", id)]);
    if level == 2 {
        html.element("h2", &[], title)
    } else {
        html.element("h3", &[], title)
    };
    if !explained.is_empty() {
        html.element("p", &[("class", "mut")], explained);
    }
    body(html);
    html.raw("</section>\n");
}

/// A file's bytes as an address of their own.
fn data_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64.encode(bytes))
}

/// A time in UTC, to the second.
fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A length of time: `1h46m10`.
fn lasted(seconds: f64) -> String {
    if seconds < 1.0 { format!("{seconds:.1}s") } else { Axis::new(Kind::Relative, 0.0, 1.0).reading(seconds) }
}

/// `3.5`, and `3` where nothing would follow the point.
fn epochs(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.1}") }
}

/// `1 point`, `2 points`.
fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number::count(count as u64), if count == 1 { "" } else { "s" })
}
