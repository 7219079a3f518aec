//! Figures as SVG, in tenths of a CSS pixel, with colours by class: the page's or the file's own style sheet says which.

use std::fmt::Write as _;

use super::{Anchor, Face, Hover, Ink, Paint, Pen, Place, Shape, palette};

/// Units a CSS pixel.
const UNITS: f64 = 10.0;

/// An SVG picture being written. Whatever text it is given is escaped.
#[derive(Debug, Default)]
pub struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// A whole picture as text that can stand in a page: only [`Svg`] makes one, and it escapes whatever it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvgText(String);

impl SvgText {
    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Svg {
    /// An empty picture of so many CSS pixels.
    pub fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    /// As a part of a page, whose style sheet has the rules of [`style`](Self::style). `alt` says in words what is to be
    /// seen.
    pub fn inline(&self, alt: &str) -> SvgText {
        SvgText(self.wrapped("class=\"fig\"", alt, ""))
    }

    /// As a small course of a series in a table.
    pub fn spark(&self, alt: &str) -> SvgText {
        SvgText(self.wrapped("class=\"fig spark\"", alt, ""))
    }

    /// As a file of its own, `dpi` pixels an inch: light, and dark for readers who ask for that.
    pub fn file(&self, alt: &str, scale: f64) -> String {
        let (width, height) = (self.width * scale, self.height * scale);
        let attributes = format!("class=\"fig\" width=\"{}\" height=\"{}\"", short(width), short(height));
        let style = format!(
            "<style>:root{{color-scheme:light dark;{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}\
             svg{{background:var(--ground)}}{}</style>",
            palette::on(palette::Ground::Light).css(),
            palette::on(palette::Ground::Dark).css(),
            Self::style()
        );
        self.wrapped(&attributes, alt, &style) + "\n"
    }

    /// The rules that pictures need: colours are the variables of [`Palette::css`](palette::Palette::css).
    pub fn style() -> String {
        let mut css = String::from(
            ".fig{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"Helvetica Neue\",Arial,sans-serif;\
             font-variant-numeric:tabular-nums}\
             .fig path{fill:none;stroke:currentColor;stroke-linejoin:round;stroke-linecap:round}\
             .fig .b{fill:currentColor;stroke:none}.fig text{fill:currentColor}\
             .fig .d{stroke-dasharray:50 40;stroke-linecap:butt}\
             .fig .m{text-anchor:middle}.fig .e{text-anchor:end}\
             .cT{color:var(--text)}.cM{color:var(--muted)}.cG{color:var(--grid)}.cA{color:var(--alert)}.cI{color:var(--info)}",
        );
        for number in 0..8 {
            write!(css, ".c{number}{{color:var(--s{number})}}").ok();
        }
        for face in [Face::Small, Face::Panel, Face::Title] {
            let weight = if face.bold() { ";font-weight:600" } else { "" };
            write!(css, ".fig .{}{{font-size:{}px{weight}}}", name(face), face.size() * UNITS).ok();
        }
        css
    }

    fn wrapped(&self, attributes: &str, alt: &str, head: &str) -> String {
        let (width, height) = (units(self.width), units(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" {attributes} role=\"img\" \
             aria-label=\"{}\">{head}{}</svg>",
            escaped(alt),
            self.body
        )
    }

    fn path(&mut self, class: &str, style: &str, data: &str) {
        write!(self.body, "<path class=\"{class}\"{style} d=\"{data}\"/>").ok();
    }
}

impl Ink for Svg {
    fn line(&mut self, places: &[Place], pen: Pen) {
        let mut data = String::new();
        trace(places.iter().copied(), &mut data);
        if data.is_empty() {
            return;
        }
        let mut style = format!(" stroke-width=\"{}\"", units(pen.width));
        if pen.opacity < 1.0 {
            write!(style, " stroke-opacity=\"{}\"", short(pen.opacity)).ok();
        }
        let class = class(pen.paint);
        self.path(&if pen.dashed { format!("{class} d") } else { class }, &style, &data);
    }

    fn band(&mut self, spans: &[(f64, f64, f64)], paint: Paint, opacity: f64) {
        let mut data = String::new();
        let upper = spans.iter().map(|&(x, upper, _)| (x, upper));
        trace(upper.chain(spans.iter().rev().map(|&(x, _, lower)| (x, lower))), &mut data);
        if !data.is_empty() {
            self.path(&format!("{} b", class(paint)), &format!(" fill-opacity=\"{}\"", short(opacity)), &(data + "z"));
        }
    }

    fn mark(&mut self, shape: Shape, (x, y): Place, radius: f64, paint: Paint) {
        let class = class(paint);
        let (left, right, top, bottom) = (x - radius, x + radius, y - radius, y + radius);
        let mut data = String::new();
        match shape {
            Shape::Disc => {
                let (x, y, r) = (units(x), units(y), units(radius));
                write!(self.body, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"currentColor\"/>")
                    .ok();
                return;
            }
            Shape::Cross => {
                trace([(left, top), (right, bottom)].into_iter(), &mut data);
                trace([(left, bottom), (right, top)].into_iter(), &mut data);
                return self.path(&class, " stroke-width=\"14\"", &data);
            }
            Shape::Up => trace([(x, top), (right, bottom), (left, bottom)].into_iter(), &mut data),
            Shape::Down => trace([(x, bottom), (right, top), (left, top)].into_iter(), &mut data),
            Shape::Diamond => trace([(x, top), (right, y), (x, bottom), (left, y)].into_iter(), &mut data),
        }
        self.path(&format!("{class} b"), "", &(data + "z"));
    }

    fn text(&mut self, (x, y): Place, text: &str, face: Face, anchor: Anchor, paint: Paint) {
        let at = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " m",
            Anchor::End => " e",
        };
        let (class, face, x, y) = (class(paint), name(face), units(x), units(y));
        write!(self.body, "<text class=\"{class} {face}{at}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text)).ok();
    }

    fn hover(&mut self, hover: &Hover) {
        let (x, y, width, height) = hover.plot;
        let joined = |texts: &[String]| escaped(&texts.join("|"));
        write!(
            self.body,
            "<g class=\"hover\" data-box=\"{} {} {} {}\" data-name=\"{}\" data-x=\"{}\">",
            units(x),
            units(y),
            units(width),
            units(height),
            escaped(&hover.x_name),
            joined(&hover.x)
        )
        .ok();
        for (label, colour, values) in &hover.lines {
            let (colour, label) = (colour % 8, escaped(&label.replace('|', "¦")));
            write!(self.body, "<g data-c=\"{colour}\" data-label=\"{label}\" data-y=\"{}\"></g>", joined(values)).ok();
        }
        self.body.push_str("</g>");
    }
}

/// A path through places, relative and without what its rounding makes equal.
fn trace(places: impl Iterator<Item = Place>, data: &mut String) {
    let mut last: Option<(i64, i64)> = None;
    for place in places {
        let here = (units(place.0), units(place.1));
        match last {
            None => {
                write!(data, "M{} {}", here.0, here.1).ok();
                data.push('l');
            }
            Some(last) if last == here => continue,
            Some(last) => {
                let (dx, dy) = (here.0 - last.0, here.1 - last.1);
                if dx >= 0 && !data.ends_with('l') {
                    data.push(' ');
                }
                push(data, dx);
                if dy >= 0 {
                    data.push(' ');
                }
                push(data, dy);
            }
        }
        last = Some(here);
    }
    if data.ends_with('l') {
        // A single place: a line of no length, which its round ends make a dot.
        data.push_str("0 0");
    }
}

/// A whole number in decimal, without the machinery of `format!`: pages have hundreds of thousands.
fn push(text: &mut String, number: i64) {
    let mut digits = [0_u8; 20];
    let (mut at, mut left) = (digits.len(), number.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        text.push('-');
    }
    text.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

fn units(pixels: f64) -> i64 {
    (pixels * UNITS).round() as i64
}

/// At most two decimals.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn class(paint: Paint) -> String {
    match paint {
        Paint::Text => "cT".to_owned(),
        Paint::Muted => "cM".to_owned(),
        Paint::Grid => "cG".to_owned(),
        Paint::Series(number) => format!("c{}", number % 8),
        Paint::Alert => "cA".to_owned(),
        Paint::Info => "cI".to_owned(),
    }
}

fn name(face: Face) -> &'static str {
    match face {
        Face::Small => "fs",
        Face::Panel => "fp",
        Face::Title => "ft",
    }
}

/// Text that can stand in XML and HTML, between tags and in quotes, and does nothing there.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| harmless(*c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// Without what no document may hold (control characters) and what makes text read as other than it is (marks that turn
/// the direction of writing).
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| harmless(*c)).collect()
}

fn harmless(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let forbidden = (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    !turns && !forbidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_and_drop_what_rounding_makes_equal() {
        let mut data = String::new();
        trace([(1.0, 2.0), (1.04, 2.0), (3.0, 1.5), (4.0, 1.5), (4.0, 3.0)].into_iter(), &mut data);
        assert_eq!(data, "M10 20l20-5 10 0 0 15");
        data.clear();
        trace([(1.0, 2.0)].into_iter(), &mut data);
        assert_eq!(data, "M10 20l0 0");
        let mut number = String::new();
        for value in [0, -7, 1234, i64::MIN] {
            push(&mut number, value);
            number.push(' ');
        }
        assert_eq!(number, "0 -7 1234 -9223372036854775808 ");
    }

    #[test]
    fn text_is_escaped_wherever_it_goes() {
        let mut svg = Svg::new(10.0, 10.0);
        let bad = "<script>alert(\"1\")</script>&'\u{202e}\u{0}";
        svg.text((0.0, 0.0), bad, Face::Small, Anchor::Start, Paint::Text);
        let lines = vec![(bad.to_owned(), 0, vec![bad.to_owned()])];
        svg.hover(&Hover { plot: (0.0, 0.0, 1.0, 1.0), x_name: bad.to_owned(), x: vec![bad.to_owned()], lines });
        let text = svg.file(bad, 1.0);
        assert!(!text.contains("<script") && !text.contains("\"1\"") && !text.contains("&'"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{0}']));
        assert!(text.contains("&lt;script&gt;alert(&quot;1&quot;)"));
    }
}
