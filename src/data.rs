//! Pairs of photo and illustration: on disk, imported, checked, split, drawn, augmented, loaded.

pub mod augment;
#[cfg(feature = "train")]
pub mod batch;
pub mod cache;
pub mod card;
pub mod check;
pub mod export;
pub mod image_file;
pub mod import;
#[cfg(feature = "train")]
pub mod loader;
pub mod luminance;
pub mod manifest;
pub mod names;
pub mod pairs;
pub mod perceptual_hash;
pub mod phase_correlation;
pub mod random;
pub mod resize;
pub mod split;
pub mod staging;
pub mod stats;
pub mod synth;

pub use pairs::{Dataset, DatasetError, Pair};
pub use split::{Split, split};
