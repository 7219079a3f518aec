//! The picture that a question is about, got by the client's thread: a pair may have to be decoded first.

use std::sync::Arc;

use tch::Tensor;

use crate::data::batch::Pairs;
use crate::session::control::{Input, Part, Source};
use crate::train::learner::Sight;

/// What clients' threads know of the run.
pub struct Desk {
    /// The session's id.
    pub session: String,
    /// Whether the model learns or was kept.
    pub source: Source,
    /// Pairs to learn from.
    pub train: Option<Arc<dyn Pairs>>,
    /// Pairs held out.
    pub held_out: Option<Arc<dyn Pairs>>,
}

impl Desk {
    /// The picture that `input` means; `payload` is what came with the question.
    pub fn sight(&self, input: Input, payload: &[u8]) -> Result<Sight, String> {
        match input {
            Input::Image { height, width } => {
                let values: Vec<f32> =
                    payload.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                let input = Tensor::f_from_slice(&values)
                    .and_then(|image| image.f_reshape([1, 3, i64::from(height), i64::from(width)]))
                    .map_err(|error| error.to_string())?;
                Ok(Sight { input, target: None, id: None })
            }
            Input::Pair { index, part } => {
                let pairs = match part {
                    Part::Train => &self.train,
                    Part::HeldOut => &self.held_out,
                };
                let pairs = pairs.as_ref().ok_or_else(|| self.without(part))?;
                let count = pairs.count();
                if index >= count {
                    return Err(format!("there is no {part} pair {index}: they are 0 to {}", count.saturating_sub(1)));
                }
                let mut pair = pairs.pair(index).map_err(|error| format!("{part} pair {index}: {error}"))?;
                Ok(Sight { input: pair.input, target: Some(pair.target), id: pair.ids.pop() })
            }
        }
    }

    fn without(&self, part: Part) -> String {
        match (part, self.source) {
            (Part::HeldOut, Source::Live) => {
                "nothing is held out in this run: ask for a pair of the part `train`, or send an image".to_owned()
            }
            _ => format!("the session's {part} pairs cannot be read here: send an image instead"),
        }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Desk").field("session", &self.session).field("source", &self.source).finish_non_exhaustive()
    }
}
