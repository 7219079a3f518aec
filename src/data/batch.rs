//! One batch of pairs as tensors, and where batches come from.

use std::sync::Arc;

use tch::{TchError, Tensor};

/// One batch of pairs, on the training device.
#[derive(Debug)]
pub struct Batch {
    /// Photos: pixels float32 `[B, 3, H, W]` in [-1, 1], or what [`Form`] says.
    pub input: Tensor,
    /// Illustrations, likewise.
    pub target: Tensor,
    /// What the two hold.
    pub form: Form,
    /// The pairs' ids (`NNNN`), in order.
    pub ids: Vec<String>,
}

/// What a batch holds of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The pictures.
    Pixels,
    /// What a variational autoencoder made of them: the means of their latents, then the logarithms of their variances,
    /// float32 `[B, 2C, h, w]`. A track that looks at no photos gets `[B, 0]` for them.
    Moments,
}

impl Batch {
    /// The first `count` pairs, as views.
    pub fn first(&self, count: usize) -> Result<Self, TchError> {
        let count = count.min(self.ids.len());
        Ok(Self {
            input: self.input.f_narrow(0, 0, count as i64)?,
            target: self.target.f_narrow(0, 0, count as i64)?,
            form: self.form,
            ids: self.ids[..count].to_vec(),
        })
    }
}

/// Why a batch could not be had; its text names the file and what to do.
pub type BatchError = Box<dyn std::error::Error + Send + Sync>;

/// Where batches come from: the loader, or a test.
pub trait Batches: Send {
    /// Batches in an epoch, at least 1.
    fn per_epoch(&self) -> usize;

    /// The batch at `index` of `epoch`, both from 0: the same one whenever it is asked for.
    fn batch(&mut self, epoch: usize, index: usize) -> Result<Batch, BatchError>;

    /// What a person should know about how batches came so far, once each.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The pairs that the batches are made of, one by one; none where there is no such thing.
    fn pairs(&self) -> Option<Arc<dyn Pairs>> {
        None
    }
}

/// Single pairs, not shuffled and not augmented, for any thread: whoever asks about one is in no batch's way.
pub trait Pairs: Send + Sync {
    /// How many.
    fn count(&self) -> usize;

    /// The pair at this place, as a batch of one with its pixels.
    fn pair(&self, index: usize) -> Result<Batch, BatchError>;
}
