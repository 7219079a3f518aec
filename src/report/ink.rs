//! What figures are drawn with: strokes, bands and words in CSS pixels, by meaning rather than by colour.
//!
//! [`draw`](super::draw) knows where things go, an [`Ink`] knows how they get there: [`Svg`] writes them so that one
//! picture is both light and dark, [`Pixels`] paints them with plotters.

pub mod palette;
mod pixels;
mod svg;

pub use palette::Ground;
pub use pixels::{PictureError, Pixels};
pub(crate) use svg::escaped as svg_escaped;
pub use svg::{Svg, SvgText, clean};

/// A place in CSS pixels from the upper left.
pub type Place = (f64, f64);

/// What something stands for; the back end knows its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Words that carry the message.
    Text,
    /// Words that explain it.
    Muted,
    /// Lines that only guide the eye.
    Grid,
    /// A series, by [`Line::colour`](super::Line::colour) modulo the palette's number.
    Series(usize),
    /// Something is wrong here.
    Alert,
    /// Something to know.
    Info,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    /// Its colour.
    pub paint: Paint,
    /// In CSS pixels.
    pub width: f64,
    /// From 0 to 1.
    pub opacity: f64,
    /// In dashes.
    pub dashed: bool,
}

impl Pen {
    /// A whole, opaque line.
    pub fn new(paint: Paint, width: f64) -> Self {
        Self { paint, width, opacity: 1.0, dashed: false }
    }
}

/// How large words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Ticks, legends, notes.
    Small,
    /// The title of one panel of several.
    Panel,
    /// The title of a figure.
    Title,
}

impl Face {
    /// Height of an em in CSS pixels.
    pub fn size(self) -> f64 {
        match self {
            Self::Small => 11.5,
            Self::Panel => 12.5,
            Self::Title => 16.0,
        }
    }

    /// Whether it is bold.
    pub fn bold(self) -> bool {
        self != Self::Small
    }

    /// How wide `text` is in CSS pixels, in the font inside of the program: a viewer's own fonts differ by a few percent.
    pub fn width(self, text: &str) -> f64 {
        pixels::width(self, text)
    }

    /// The beginning of `text` that fits into `room` CSS pixels, its end marked if something is missing.
    pub fn fitted(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let mut short: Vec<char> = text.chars().collect();
        while short.pop().is_some() {
            let cut: String = short.iter().collect::<String>().trim_end().to_owned() + "…";
            if self.width(&cut) <= room {
                return cut;
            }
        }
        String::new()
    }
}

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

/// A mark of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A point of a series.
    Disc,
    /// A value that is no number.
    Cross,
    /// An alert; a value beyond the upper edge.
    Up,
    /// A value beyond the lower edge.
    Down,
    /// Something to know.
    Diamond,
}

/// What a figure is drawn with.
pub trait Ink {
    /// A line through these places.
    fn line(&mut self, places: &[Place], pen: Pen);

    /// The surface between two lines: (x, upper, lower).
    fn band(&mut self, spans: &[(f64, f64, f64)], paint: Paint, opacity: f64);

    /// A mark of so many CSS pixels to each side.
    fn mark(&mut self, shape: Shape, at: Place, radius: f64, paint: Paint);

    /// Words on one line, `at` on their baseline.
    fn text(&mut self, at: Place, text: &str, face: Face, anchor: Anchor, paint: Paint);

    /// What a plot shows, for readers that can ask it: the back end may leave it.
    fn hover(&mut self, _hover: &Hover) {}
}

/// What stands where in one plot, as text, at places evenly along its width.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hover {
    /// Left, top, width and height of the plot.
    pub plot: (f64, f64, f64, f64),
    /// What x is.
    pub x_name: String,
    /// Where on it each place is.
    pub x: Vec<String>,
    /// A name, a colour, and the value at each place, for every line.
    pub lines: Vec<(String, usize, Vec<String>)>,
}
