//! Parts that screens are made of. Each draws into a buffer and knows nothing of the program around it.

pub mod bars;
pub mod chart;
pub mod editor;
pub mod input;
pub mod meter;
pub mod picture;
