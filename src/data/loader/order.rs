//! Which pairs make a batch, and how each is augmented.

use super::LoaderOptions;
use crate::data::augment::Augment;
use crate::data::random::Draw;

/// Separates the order's use of a seed from the others.
const STREAM: u64 = 0x6f_7264_6572;

/// The order of some of a dataset's pairs: a pure function of the seed and the epoch.
#[derive(Debug)]
pub struct Order {
    indices: Vec<usize>,
    options: LoaderOptions,
}

impl Order {
    /// The pairs at `indices`, drawn as `options` say.
    pub fn new(indices: Vec<usize>, options: LoaderOptions) -> Self {
        Self { indices, options }
    }

    /// The pairs, as indices into the dataset, unshuffled.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// How they are drawn.
    pub fn options(&self) -> &LoaderOptions {
        &self.options
    }

    /// Batches in an epoch, the last partial one included.
    pub fn batches(&self) -> usize {
        self.indices.len().div_ceil(self.options.batch_size)
    }

    /// The pairs of a batch, as indices into the dataset.
    pub fn pairs(&self, epoch: usize, index: usize) -> Vec<usize> {
        let size = self.options.batch_size;
        let take = |order: &[usize]| order.iter().skip(index * size).take(size).copied().collect();
        if !self.options.shuffle {
            return take(&self.indices);
        }
        let mut order = self.indices.clone();
        Draw::new(&[STREAM, self.options.seed, epoch as u64]).shuffle(&mut order);
        take(&order)
    }

    /// What happens to a pair in an epoch.
    pub fn augment(&self, epoch: usize, pair: usize) -> Augment {
        if self.options.augment {
            Augment::draw(&self.options.config, self.options.seed, epoch, pair)
        } else {
            Augment::none()
        }
    }
}
