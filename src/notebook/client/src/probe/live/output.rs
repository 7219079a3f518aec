//! What a model made of one input.

use super::Live;
use crate::probe::image::Image;
use crate::probe::problem::{Problem, answer};
use crate::probe::show::{Content, shown};
use crate::probe::source::Source;
use crate::probe::tables::StatsTable;
use crate::probe::tensor::Tensor;

/// What a forward pass was made of.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Pair { index: usize, held_out: bool },
    Picture(Tensor),
}

/// What a model made of one input: input, target (of a pair) and output side by side, and activations by name.
#[derive(Clone)]
pub struct Output {
    live: Live,
    given: Input,
    parts: Vec<Tensor>,
    stats: StatsTable,
    source: Source,
    notes: String,
}
shown!(Output);

const TAP: &str = "tap:";

impl Output {
    pub(super) fn new(
        live: Live,
        given: Input,
        parts: Vec<Tensor>,
        stats: StatsTable,
        source: Source,
        notes: String,
    ) -> Self {
        Self { live, given, parts, stats, source, notes }
    }

    fn part(&self, name: &str) -> Result<Tensor, Problem> {
        let found = self.parts.iter().find(|part| part.name() == name).cloned();
        found.ok_or_else(|| {
            let names: Vec<&str> = self.parts.iter().map(Tensor::name).collect();
            Problem::new(format!("the answer has no {name}: it has {}", names.join(", ")))
        })
    }

    /// What the network was given, from -1 to 1.
    pub fn input(&self) -> Tensor {
        answer(self.part("input"))
    }

    /// What it should have made of it; a picture of your own has none.
    pub fn target(&self) -> Tensor {
        answer(self.part("target"))
    }

    /// What it made of it.
    pub fn output(&self) -> Tensor {
        answer(self.part("output"))
    }

    /// How much the output depends on each pixel of the input; asked for by [`Live::saliency`].
    pub fn saliency_map(&self) -> Tensor {
        answer(self.part("saliency"))
    }

    /// The activations at a place that [`Live::taps`] names. Those that did not come with the output are asked for now:
    /// a training that goes on answers them at a later step, which the tensor says.
    pub fn tap(&self, name: &str) -> Tensor {
        answer(self.part(&format!("{TAP}{name}")).or_else(|_| {
            let again = self.live.run_forward(&self.given, &[name.to_owned()], false)?;
            let tap = again.parts.iter().find(|part| part.name().strip_prefix(TAP) == Some(name)).cloned();
            tap.ok_or_else(|| Problem::new(format!("there is no tap {name}: .taps() lists them")))
        }))
    }

    /// Statistics of the activations that came with the output.
    pub fn tap_stats(&self) -> StatsTable {
        self.stats.clone()
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Input, target and output side by side, and the saliency if it was asked for.
    pub fn image(&self) -> Image {
        let none = || Problem::new("nothing in the answer is a picture: see .output()");
        answer(self.side_by_side().map(|(image, _)| image).ok_or_else(none))
    }

    fn side_by_side(&self) -> Option<(Image, String)> {
        let shown = |name: &&str| {
            let range = if *name == "saliency" { None } else { Some((-1.0, 1.0)) };
            Some((self.part(name).ok()?.try_image(range).ok()?, (*name).to_owned()))
        };
        let (images, names): (Vec<Image>, Vec<String>) =
            ["input", "target", "output", "saliency"].iter().filter_map(shown).unzip();
        Some((Image::beside(&images)?, names.join(" | ")))
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let mut contents = Vec::new();
        match self.side_by_side() {
            Some((image, label)) => contents.push(Content::Image(image, label)),
            None => contents.extend(self.parts.iter().flat_map(Tensor::contents)),
        }
        if self.stats.rows().is_empty() {
            contents.push(Content::Text(self.notes.clone()));
        } else {
            contents.extend(self.stats.contents());
        }
        contents
    }
}
