//! Networks that judge images as a viewer might.

pub mod fetch;
pub mod vgg;
