//! Networks that judge images as a viewer might.
//!
//! | module | what |
//! |---|---|
//! | [`vgg`] | VGG19 of the perceptual loss |
//! | [`backbone`] | AlexNet, VGG16, SqueezeNet up to what LPIPS looks at |
//! | [`lpips`] | LPIPS v0.1 on top of one of them |
//! | [`inception`] | the Inception of FID and KID |
//! | [`library`] | where weights of judging networks lie, and how they get there |
//! | [`judge`] | the metrics of a config or a command, ready to measure |
//! | [`fetch`] | pinned downloads |

pub mod backbone;
pub mod fetch;
pub mod inception;
pub mod judge;
pub mod library;
pub mod lpips;
mod unit_distance;
pub mod vgg;
mod winograd;
