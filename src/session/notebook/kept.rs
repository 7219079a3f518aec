//! `notebook.json`: what the cells gave when they last ran, so that opening a notebook again shows it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NotebookError, Output, write};

/// The version that is written.
const VERSION: u32 = 1;
/// Bytes of a text that are kept.
const TEXT: usize = 64 << 10;
/// Bytes of the outputs of a cell that are kept.
const OF_CELL: usize = 4 << 20;
/// Bytes of all outputs that are kept.
const OF_ALL: usize = 32 << 20;
/// The largest file that is read; base64 and JSON make it larger than what is in it.
const LARGEST: u64 = 96 << 20;

/// What the cells gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Of this format.
    pub version: u32,
    /// By cell.
    pub cells: Vec<KeptCell>,
}

/// What one cell gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptCell {
    /// What was run: a cell that is another one by now has not given this.
    pub source: String,
    /// Whether it did what it says.
    pub ok: bool,
    /// Milliseconds.
    pub ms: u64,
    /// When it was done.
    pub at: Option<Timestamp>,
    /// What it gave.
    pub outputs: Vec<Output>,
}

impl Kept {
    /// Read a file. One that is missing, damaged or of a later version is as good as empty: the cells can be run again.
    pub fn load(path: &Path) -> Self {
        let small = fs::metadata(path).is_ok_and(|data| data.len() <= LARGEST);
        let bytes = if small { fs::read(path).unwrap_or_default() } else { Vec::new() };
        let kept: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        if kept.version == VERSION { kept } else { Self::default() }
    }

    /// Write a file, leaving out what is too much.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(cells: Vec<KeptCell>, path: &Path) -> Result<(), NotebookError> {
        let kept = Self { version: VERSION, cells: bounded(cells) };
        let bytes = serde_json::to_vec(&kept)
            .map_err(|error| NotebookError::io("write", path)(std::io::Error::other(error)))?;
        write(path, &bytes)
    }

    /// What each of these sources gave, in their order; of two cells with one source each has its own.
    pub fn matched<'a>(self, sources: impl Iterator<Item = &'a str>) -> Vec<Option<KeptCell>> {
        let mut by_source: HashMap<String, Vec<KeptCell>> = HashMap::new();
        for cell in self.cells.into_iter().rev() {
            by_source.entry(cell.source.clone()).or_default().push(cell);
        }
        sources.map(|source| by_source.get_mut(source)?.pop()).collect()
    }
}

/// Texts cut, and outputs left out, newest cells first in favour.
fn bounded(mut cells: Vec<KeptCell>) -> Vec<KeptCell> {
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(cells[*index].at));
    let mut all = 0;
    for index in order {
        let mut own = 0;
        for output in &mut cells[index].outputs {
            if let Output::Text { text, .. } | Output::Value { text } = output {
                *text = text.shortened(TEXT);
            }
        }
        cells[index].outputs.retain(|output| {
            let bytes = output.bytes();
            let fits = own + bytes <= OF_CELL && all + bytes <= OF_ALL;
            if fits {
                own += bytes;
                all += bytes;
            }
            fits
        });
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::notebook::{Captured, Image, Plot, PlotSeries, Problem, Stream};

    fn cell(source: &str, outputs: Vec<Output>) -> KeptCell {
        KeptCell { source: source.to_owned(), ok: true, ms: 12, at: Some(Timestamp::UNIX_EPOCH), outputs }
    }

    #[test]
    fn outputs_come_back_with_the_cells_that_gave_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notebook.json");
        let plot = Plot {
            series: vec![PlotSeries { name: "a".to_owned(), x: vec![1.0, 2.0], y: vec![0.5, f64::NAN] }],
            ..Plot::default()
        };
        let outputs = vec![
            Output::Text { stream: Stream::Stderr, text: Captured::new("w\n") },
            Output::Plot(plot),
            Output::Image(Image { label: "x".to_owned(), width: 1, height: 2, png: vec![1, 2, 3].into() }),
            Output::Problem(Problem { kind: "panic".to_owned(), message: "no".to_owned(), ..Problem::default() }),
        ];
        Kept::save(vec![cell("a", outputs.clone()), cell("b", Vec::new()), cell("a", Vec::new())], &path).unwrap();
        let found = Kept::load(&path).matched(["a", "c", "a", "a"].into_iter());
        let first = found[0].as_ref().unwrap();
        assert_eq!(first.outputs.len(), 4);
        assert_eq!((&first.outputs[0], &first.outputs[2], &first.outputs[3]), (&outputs[0], &outputs[2], &outputs[3]));
        let Output::Plot(read) = &first.outputs[1] else { panic!() };
        assert!(read.series[0].y[1].is_nan(), "null is no number");
        assert_eq!(found[1], None);
        assert!(found[2].as_ref().unwrap().outputs.is_empty() && found[3].is_none());
    }

    #[test]
    fn too_much_is_left_out_and_damage_costs_the_outputs_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notebook.json");
        let image = |bytes: usize| {
            Output::Image(Image { label: String::new(), width: 1, height: 1, png: vec![7; bytes].into() })
        };
        let text = Output::Value { text: Captured::new(&"line\n".repeat(100_000)) };
        let many: Vec<KeptCell> = (0..12)
            .map(|index| cell(&index.to_string(), vec![image(OF_CELL - TEXT), image(TEXT * 2), text.clone()]))
            .collect();
        Kept::save(many, &path).unwrap();
        let kept = Kept::load(&path);
        assert!(fs::metadata(&path).unwrap().len() < LARGEST);
        assert_eq!(kept.cells.len(), 12);
        assert_eq!(kept.cells[0].outputs.len(), 2, "the second picture was too much");
        assert!(kept.cells[11].outputs.iter().all(|output| output.bytes() <= TEXT), "all of it was too much");
        for damage in
            ["{", "[]", "{\"version\":9,\"cells\":[]}", "{\"version\":1,\"cells\":[{\"outputs\":[{\"type\":\"?\"}]}]}"]
        {
            fs::write(&path, damage).unwrap();
            assert_eq!(Kept::load(&path), Kept::default(), "{damage}");
        }
    }
}
