//! The parameters of a repaint, as a TOML file gives them.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml_edit::{Document, Item, Table};

use super::oklab;
use crate::config::{ConfigError, ConfigErrors, nearest};

/// How a photo is repainted. Lengths are in pixels of a picture whose longest side is 1024, and grow with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Larger photos are first brought to this longest side, in pixels.
    pub max_side: usize,
    /// `[smooth]`: texture removed, edges kept.
    pub smooth: Smooth,
    /// `[palette]`: few colours.
    pub palette: Palette,
    /// `[grade]`: light and strength of colour.
    pub grade: Grade,
    /// `[ink]`: outlines.
    pub ink: Ink,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            max_side: 1280,
            smooth: Smooth::default(),
            palette: Palette::default(),
            grade: Grade::default(),
            ink: Ink::default(),
        }
    }
}

/// `[smooth]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smooth {
    /// Passes of the guided filter.
    pub passes: usize,
    /// Its radius.
    pub radius: f32,
    /// Variance of lightness under which detail is taken for texture.
    pub epsilon: f32,
    /// Radius of brush strokes (Kuwahara filter); 0 leaves them out.
    pub brush: f32,
    /// How sharply strokes end at edges.
    pub sharpness: f32,
}

impl Default for Smooth {
    fn default() -> Self {
        Self { passes: 2, radius: 3.0, epsilon: 0.0025, brush: 6.5, sharpness: 6.0 }
    }
}

/// `[palette]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Palette {
    /// Colours a picture is gathered into (k-means in Oklab).
    pub colours: usize,
    /// How far each pixel goes to its colour: 0 not at all, 1 all the way.
    pub flatness: f32,
    /// How far the colours go to the swatches that resemble them.
    pub pull: f32,
    /// The painter's colours, `#rrggbb`.
    pub swatches: Vec<String>,
}

impl Default for Palette {
    fn default() -> Self {
        let swatches = [
            "#4aa8e4", "#9fd6f0", "#d4eef6", "#fdf9ee", "#c3d4e4", "#93a9c4", "#5c9e3a", "#8cc44c", "#bfe06c",
            "#2f7a48", "#1f5a48", "#3f9cb8", "#2f7298", "#ecd6a0", "#c9a06a", "#8c6444", "#5c4232", "#d4583f",
            "#a8402f", "#f0a060", "#f6cfa8", "#ffe08a", "#9aa3a0", "#6c7478", "#34406a", "#2c2c38", "#e8a0b0",
        ];
        Self { colours: 24, flatness: 0.72, pull: 0.65, swatches: swatches.map(str::to_owned).to_vec() }
    }
}

/// `[grade]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grade {
    /// How far middle tones are lifted.
    pub lift: f32,
    /// How far light and dark are spread.
    pub contrast: f32,
    /// Factor on pale colours; vivid ones change less.
    pub chroma: f32,
}

impl Default for Grade {
    fn default() -> Self {
        Self { lift: 0.16, contrast: 0.25, chroma: 1.55 }
    }
}

/// `[ink]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ink {
    /// How dark lines are: 0 leaves them out, 1 covers all.
    pub strength: f32,
    /// Width of a line.
    pub width: f32,
    /// How far lines run on along an edge.
    pub flow: f32,
    /// Difference of lightness under which nothing is a line.
    pub threshold: f32,
    /// How quickly a line becomes solid above the threshold.
    pub sharpness: f32,
    /// The ink, `#rrggbb`; lines take half of it and half of a darker form of what they cross.
    pub colour: String,
}

impl Default for Ink {
    fn default() -> Self {
        Self { strength: 0.75, width: 1.0, flow: 3.5, threshold: 0.007, sharpness: 60.0, colour: "#2c2430".to_owned() }
    }
}

impl Recipe {
    /// Read a recipe from a file. Absent keys keep their defaults.
    ///
    /// # Errors
    /// Everything wrong with it: line, column, what was expected, the nearest valid key.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let origin = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            let next = "name a TOML file, or leave --config out to repaint with the defaults";
            let error =
                ConfigError { next: Some(next.to_owned()), ..plain(&origin, format!("cannot be read: {error}")) };
            ConfigErrors { origin: origin.clone(), errors: vec![error] }
        })?;
        Self::parse(&text, &origin)
    }

    /// Read a recipe from a text; `origin` is what errors call it.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigErrors> {
        let wrong = |errors| ConfigErrors { origin: origin.to_owned(), errors };
        let document = Document::parse(text.to_owned())
            .map_err(|error| wrong(vec![placed(origin, text, error.span(), error.message())]))?;
        let unknown = unknown_keys(document.as_table(), origin, text);
        if !unknown.is_empty() {
            return Err(wrong(unknown));
        }
        let recipe: Self = toml_edit::de::from_str(text)
            .map_err(|error| wrong(vec![placed(origin, text, error.span(), error.message())]))?;
        let errors: Vec<ConfigError> = recipe
            .out_of_range()
            .into_iter()
            .map(|(path, message)| {
                let span = find(document.as_table(), path).and_then(Item::span);
                ConfigError { key: Some(path.to_owned()), ..placed(origin, text, span, &message) }
            })
            .collect();
        if errors.is_empty() { Ok(recipe) } else { Err(wrong(errors)) }
    }

    /// The recipe as a TOML file with every key.
    pub fn to_toml(&self) -> String {
        // A struct of numbers and texts always has a TOML form.
        toml_edit::ser::to_string_pretty(self).unwrap_or_default()
    }

    fn out_of_range(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut hold = |path: &'static str, value: f64, range: RangeInclusive<f64>| {
            if !range.contains(&value) {
                wrong.push((path, format!("{path} = {value} is not between {} and {}", range.start(), range.end())));
            }
        };
        hold("max_side", self.max_side as f64, 64.0..=8192.0);
        hold("smooth.passes", self.smooth.passes as f64, 0.0..=10.0);
        hold("smooth.radius", self.smooth.radius.into(), 0.0..=100.0);
        hold("smooth.epsilon", self.smooth.epsilon.into(), 1e-6..=1.0);
        hold("smooth.brush", self.smooth.brush.into(), 0.0..=100.0);
        hold("smooth.sharpness", self.smooth.sharpness.into(), 0.0..=20.0);
        hold("palette.colours", self.palette.colours as f64, 2.0..=256.0);
        hold("palette.flatness", self.palette.flatness.into(), 0.0..=1.0);
        hold("palette.pull", self.palette.pull.into(), 0.0..=1.0);
        hold("grade.lift", self.grade.lift.into(), -0.5..=0.5);
        hold("grade.contrast", self.grade.contrast.into(), -1.0..=1.0);
        hold("grade.chroma", self.grade.chroma.into(), 0.0..=4.0);
        hold("ink.strength", self.ink.strength.into(), 0.0..=1.0);
        hold("ink.width", self.ink.width.into(), 0.3..=20.0);
        hold("ink.flow", self.ink.flow.into(), 0.0..=40.0);
        hold("ink.threshold", self.ink.threshold.into(), 0.0..=1.0);
        hold("ink.sharpness", self.ink.sharpness.into(), 0.0..=10_000.0);
        let colours = self.palette.swatches.iter().map(|c| ("palette.swatches", c));
        for (path, colour) in colours.chain([("ink.colour", &self.ink.colour)]) {
            if oklab::of_hex(colour).is_none() {
                wrong.push((path, format!("`{colour}` is no colour: write it as \"#rrggbb\"")));
            }
        }
        wrong
    }
}

/// Keys that no recipe has, each with the nearest one that it has.
fn unknown_keys(table: &Table, origin: &str, text: &str) -> Vec<ConfigError> {
    let Ok(known) = Recipe::default().to_toml().parse::<toml_edit::DocumentMut>() else { return Vec::new() };
    let mut errors = Vec::new();
    let mut report = |table: &Table, known: &Table, path: &str| {
        for (name, _) in table.iter().filter(|(name, _)| !known.contains_key(name)) {
            let span = table.key(name).and_then(toml_edit::Key::span);
            let key = format!("{path}{name}");
            let error = placed(origin, text, span, &format!("unknown key `{key}`"));
            let suggestions = nearest(name, known.iter().map(|(name, _)| name));
            errors.push(ConfigError { key: Some(key), suggestions, ..error });
        }
    };
    report(table, known.as_table(), "");
    for (name, item) in table {
        if let (Some(inner), Some(known)) = (item.as_table(), known.get(name).and_then(Item::as_table)) {
            report(inner, known, &format!("{name}."));
        }
    }
    errors
}

/// The item at a dotted path.
fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Item> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let item = table.get(first)?;
    if rest.is_empty() { Some(item) } else { item.get(rest) }
}

fn plain(origin: &str, message: impl Into<String>) -> ConfigError {
    ConfigError {
        origin: origin.to_owned(),
        line: None,
        column: None,
        key: None,
        message: message.into(),
        expected: None,
        suggestions: Vec::new(),
        next: None,
        snippet: None,
    }
}

/// An error at a place in the text.
fn placed(origin: &str, text: &str, span: Option<std::ops::Range<usize>>, message: &str) -> ConfigError {
    let error = plain(origin, message.trim_end());
    let Some(before) = span.as_ref().and_then(|span| text.get(..span.start)) else { return error };
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let column = before[start..].chars().count();
    let length =
        span.map_or(1, |span| text.get(span).map_or(1, |part| part.lines().next().unwrap_or_default().chars().count()));
    let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (column + length.max(1)).min(shown.chars().count().max(column + 1));
    ConfigError {
        line: Some(before.matches('\n').count() + 1),
        column: Some(column + 1),
        snippet: Some(crate::config::Snippet { text: shown, mark: column..end }),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_survives_its_file_and_may_be_partial() {
        let recipe = Recipe::default();
        assert_eq!(Recipe::parse(&recipe.to_toml(), "a").unwrap(), recipe);
        let partial = Recipe::parse("[ink]\nstrength = 0.5", "a").unwrap();
        assert_eq!(partial.ink, Ink { strength: 0.5, ..Ink::default() });
        assert_eq!(partial.smooth, recipe.smooth);
        assert_eq!(Recipe::parse("", "a").unwrap(), recipe);
    }

    #[test]
    fn mistakes_come_with_line_and_column() {
        for (text, expected) in [
            ("max_side = 100\n[smoth]\nradius = 3", vec!["a.toml:2:", "unknown key `smoth`", "did you mean `smooth`?"]),
            ("[ink]\nwidht = 2", vec!["a.toml:2:1: unknown key `ink.widht`", "did you mean `width`?"]),
            ("[ink]\nwidth = 'broad'", vec!["a.toml:2:9:", "string"]),
            ("[ink]\nwidth = -2", vec!["a.toml:2:9: ink.width = -2 is not between"]),
            ("[ink]\nwidth = nan", vec!["a.toml:2:9:"]),
            ("[palette]\n\ncolours = 1", vec!["a.toml:3:11: palette.colours = 1 is not between 2 and 256"]),
            ("[palette]\nswatches = ['#fff']", vec!["`#fff` is no colour"]),
            ("ink = 3", vec!["a.toml:1:"]),
            ("[ink", vec!["a.toml:1:"]),
        ] {
            let error = Recipe::parse(text, "a.toml").unwrap_err().to_string();
            for part in expected {
                assert!(error.contains(part), "{text:?} gave {error}");
            }
        }
        assert!(Recipe::load(Path::new("/no/such.toml")).unwrap_err().to_string().contains("cannot be read"));
    }
}
