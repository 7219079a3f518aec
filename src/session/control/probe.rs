//! What a probe asks: questions about the model that change nothing about its training.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::wire::PAYLOAD_LIMIT;

/// Most globs of one question.
const MOST_GLOBS: usize = 64;
/// Longest glob or name, in bytes.
const LONGEST: usize = 512;
/// Most steps that gradient norms are asked of at a time.
pub const MOST_STEPS: u32 = 100_000;
/// Longest boundary that a question may ask for, in milliseconds.
pub const MOST_MS: u64 = 600_000;

/// A question about the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Probe {
    /// Which tensors there are.
    List {
        /// Of what.
        of: Of,
        /// Those whose names it matches.
        #[serde(default = "everything")]
        glob: String,
    },
    /// The values of one.
    Tensor {
        /// Of what.
        of: Of,
        /// Its name.
        name: String,
    },
    /// Statistics of each.
    Stats {
        /// Of what.
        of: Of,
        /// Those whose names it matches.
        #[serde(default = "everything")]
        glob: String,
    },
    /// Which stages a forward pass can show.
    Taps,
    /// A prediction, and what is asked for on the way.
    Forward {
        /// Of which picture.
        input: Input,
        /// Stages to show, by glob.
        #[serde(default)]
        taps: Vec<String>,
        /// Whether to show how much each pixel matters.
        #[serde(default)]
        saliency: bool,
        /// What the pass may cost a running training, in milliseconds, where the usual is too little.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget_ms: Option<u64>,
    },
    /// Norms of gradients over the next steps.
    GradientNorms {
        /// How many steps.
        steps: u32,
        /// Of the parameters whose names it matches.
        #[serde(default = "everything")]
        glob: String,
    },
}

fn everything() -> String {
    "*".to_owned()
}

/// Which of a parameter's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// Its values.
    Weight,
    /// Its gradient in the last step.
    Gradient,
    /// What the optimizer keeps of it.
    Optimizer,
}

impl fmt::Display for Of {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Weight => "weight",
            Self::Gradient => "gradient",
            Self::Optimizer => "optimizer",
        })
    }
}

/// The picture of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawInput", into = "RawInput")]
pub enum Input {
    /// One of the dataset's pairs.
    Pair {
        /// Its place among those of the part.
        index: usize,
        /// Of which part of the dataset.
        part: Part,
    },
    /// A picture `[3, H, W]` that comes with the question: float32 in [-1, 1].
    Image {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
}

/// A part of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What is learnt from.
    Train,
    /// What is not.
    #[default]
    HeldOut,
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Train => "train",
            Self::HeldOut => "held-out",
        })
    }
}

/// [`Input`] on the wire.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct RawInput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pair: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<[u32; 3]>,
}

impl TryFrom<RawInput> for Input {
    type Error = &'static str;

    fn try_from(raw: RawInput) -> Result<Self, Self::Error> {
        match raw {
            RawInput { pair: Some(index), part, image: None } => {
                Ok(Self::Pair { index, part: part.unwrap_or_default() })
            }
            RawInput { pair: None, part: None, image: Some([3, height, width]) } if height > 0 && width > 0 => {
                Ok(Self::Image { height, width })
            }
            RawInput { image: Some(_), pair: None, .. } => Err("`image` is [3, H, W], the shape of the payload"),
            _ => Err("`input` is {\"pair\": index, \"part\": \"train\" or \"held-out\"} or {\"image\": [3, H, W]}"),
        }
    }
}

impl From<Input> for RawInput {
    fn from(input: Input) -> Self {
        match input {
            Input::Pair { index, part } => Self { pair: Some(index), part: Some(part), image: None },
            Input::Image { height, width } => Self { pair: None, part: None, image: Some([3, height, width]) },
        }
    }
}

impl Probe {
    /// Bytes that come with the question.
    pub fn payload(&self) -> u64 {
        match self {
            Self::Forward { input: Input::Image { height, width }, .. } => {
                12_u64.saturating_mul(u64::from(*height)).saturating_mul(u64::from(*width))
            }
            _ => 0,
        }
    }

    /// What is wrong with the question, in words, if something is.
    pub fn check(&self) -> Result<(), String> {
        let fits = |what: &str, text: &str| match text.len() {
            0 => Err(format!("`{what}` is empty")),
            length if length > LONGEST => Err(format!("`{what}` has {length} bytes, and {LONGEST} are the most")),
            _ => Ok(()),
        };
        match self {
            Self::List { glob, .. } | Self::Stats { glob, .. } => fits("glob", glob),
            Self::Tensor { name, .. } => fits("name", name),
            Self::Taps => Ok(()),
            Self::Forward { taps, budget_ms, .. } => {
                if taps.len() > MOST_GLOBS {
                    return Err(format!("{} globs in `taps`, and {MOST_GLOBS} are the most", taps.len()));
                }
                if budget_ms.is_some_and(|ms| ms > MOST_MS) {
                    return Err(format!("`budget_ms` is {MOST_MS} at most"));
                }
                if self.payload() > PAYLOAD_LIMIT {
                    return Err(format!(
                        "an image of {} bytes, and {PAYLOAD_LIMIT} are the most: send a smaller one",
                        self.payload()
                    ));
                }
                taps.iter().try_for_each(|glob| fits("taps", glob))
            }
            Self::GradientNorms { steps, glob } => {
                if !(1..=MOST_STEPS).contains(steps) {
                    return Err(format!("`steps` is from 1 to {MOST_STEPS}, not {steps}"));
                }
                fits("glob", glob)
            }
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List { of, glob } => write!(out, "list {of} {glob}"),
            Self::Tensor { of, name } => write!(out, "tensor {of} {name}"),
            Self::Stats { of, glob } => write!(out, "stats {of} {glob}"),
            Self::Taps => out.write_str("taps"),
            Self::Forward { input, taps, saliency, .. } => {
                match input {
                    Input::Pair { index, part } => write!(out, "forward of {part} pair {index}")?,
                    Input::Image { height, width } => write!(out, "forward of a {width}x{height} image")?,
                }
                if !taps.is_empty() {
                    write!(out, ", taps {}", taps.join(" "))?;
                }
                out.write_str(if *saliency { ", saliency" } else { "" })
            }
            Self::GradientNorms { steps, glob } => write!(out, "gradient-norms {glob} over {steps} steps"),
        }
    }
}
