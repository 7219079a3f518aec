//! Networks, with the reference implementations' state-dict keys.
//!
//! A network is a layout (names and shapes), an initialisation and a forward function over [`params::Params`]; there
//! are no module objects. [`weights`] reads and writes the files.

pub mod catalog;
pub mod init;
pub mod layers;
pub mod pad;
pub mod params;
pub mod perceptual;
pub mod pix2pixhd;
pub mod spectral;
pub mod stable_diffusion;
pub mod tap;
pub mod tile;
pub mod weights;
