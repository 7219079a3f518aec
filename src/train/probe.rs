//! Probes: questions about the model, answered between two steps of a run that they leave as it was.
//!
//! Three threads have a part in an answer. The client's own ([`crate::train::control`]) reads the question, gets the
//! picture that it is about ([`Desk`]), and afterwards makes numbers and bytes of tensors ([`Digest`]). The training
//! thread ([`Probes`]) does what only it can, looking and copying, for at most [`BOUNDARY`] between two steps: what takes
//! longer is done in pieces over several boundaries, or refused with what to ask instead. While the run is paused nobody
//! waits, and nothing is refused for its time.
//!
//! Why a probe changes nothing: it predicts as validation does (no gradient, running statistics as they are), each step
//! seeds libtorch's generators anew from its number, and gradients for a saliency are taken with respect to the picture
//! alone. `tests/it/probe.rs` holds it to the last bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tch::Tensor;

use crate::record::At;
use crate::session::control::Response;
use crate::tracks::Saliency;

mod desk;
mod digest;
mod job;
mod serve;
mod summary;
mod tally;

pub use desk::Desk;
pub use digest::{Digest, Finished};
pub use serve::{Moment, Probes};
pub use summary::Summary;

/// What probes may cost between two steps.
pub const BOUNDARY: Duration = Duration::from_millis(50);
/// Bytes of tensors that wait to be read by clients' threads; where there are more, probes wait.
const HELD_LIMIT: u64 = 256 << 20;

/// What the training thread gives to a client's.
#[derive(Debug)]
pub enum Answer {
    /// The last of an order that is no probe, or of one that cannot be answered.
    Said(Response),
    /// A part of what was asked for; more will come.
    Piece(Piece),
    /// The last of a probe.
    Found(Box<Found>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Said(response)
    }
}

/// Tensors as they were at a boundary.
#[derive(Debug)]
pub struct Piece {
    /// Steps finished.
    pub step: i64,
    /// By name; nothing changes them any more.
    pub tensors: Vec<(String, Tensor)>,
    _held: Held,
}

/// Bytes that a client's thread has not read yet; told to the ledger when it has.
#[derive(Debug)]
struct Held {
    bytes: u64,
    ledger: Arc<AtomicU64>,
}

impl Held {
    fn new(bytes: u64, ledger: &Arc<AtomicU64>) -> Self {
        ledger.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, ledger: Arc::clone(ledger) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a probe found.
#[derive(Debug)]
pub struct Found {
    /// Where the run was.
    pub at: At,
    /// When.
    pub time: Timestamp,
    /// What was found.
    pub body: Body,
}

/// What was found, by the kind of question.
#[derive(Debug)]
pub enum Body {
    /// Names, shapes and kinds: the tensors are looked at, not read.
    List(Vec<(String, Vec<i64>, &'static str)>),
    /// One tensor.
    Tensor(String, Tensor),
    /// Statistics of the pieces that came before.
    Stats,
    /// Norms of the pieces that came before.
    Norms,
    /// Names of taps.
    Taps(Vec<String>),
    /// A prediction.
    Shown(Shown),
}

/// A prediction and what was seen on the way.
#[derive(Debug)]
pub struct Shown {
    /// The picture, `[1, 3, H, W]`.
    pub input: Tensor,
    /// What it should become.
    pub target: Option<Tensor>,
    /// What it becomes.
    pub output: Tensor,
    /// How much its pixels matter.
    pub saliency: Option<Saliency>,
    /// What passed the taps.
    pub taps: Vec<(String, Tensor)>,
    /// The pair's id.
    pub id: Option<String>,
    /// Whether the moving average predicted.
    pub by_average: bool,
}
