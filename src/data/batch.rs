//! One batch of pairs as tensors, and where batches come from.

use tch::Tensor;

/// One batch of pairs, on the training device.
#[derive(Debug)]
pub struct Batch {
    /// Photos, float32 `[B, 3, H, W]` in [-1, 1].
    pub input: Tensor,
    /// Illustrations, same shape and range.
    pub target: Tensor,
    /// The pairs' ids (`NNNN`), in order.
    pub ids: Vec<String>,
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
}
