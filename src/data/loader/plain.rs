//! Single pairs as they are, for whoever asks about one: not shuffled, not augmented, in no batch's way.

use tch::Device;

use super::device::on_device;
use super::pinned;
use crate::data::augment::Augment;
use crate::data::augment::jitter::{self, Image};
use crate::data::batch::{Batch, BatchError, Form, Pairs};
use crate::data::cache::{Cache, DataError, Planes};
use crate::native::floats;

/// Some of a cache's pairs, by their place among them.
#[derive(Debug)]
pub struct Plain {
    cache: Cache,
    indices: Vec<usize>,
    device: Device,
}

impl Plain {
    /// The pairs at `indices` of the cache's dataset, wanted on `device`.
    pub fn new(cache: Cache, indices: Vec<usize>, device: Device) -> Self {
        Self { cache, indices, device }
    }

    fn batch(&self, index: usize) -> Result<Batch, DataError> {
        let count = self.indices.len();
        let &pair = self.indices.get(index).ok_or(DataError::Range { what: "pair", index, count })?;
        let planes = self.cache.pair(pair)?;
        let size = self.cache.size();
        let (input, target) = if self.device.is_cuda() {
            // As the loader makes them there, to the last bit.
            let bytes = pinned(&planes, self.device)?.f_to_device(self.device)?;
            let both = on_device(&bytes, &Augment::none(), size)?;
            (both.f_narrow(0, 0, 1)?.f_contiguous()?, both.f_narrow(0, 1, 1)?.f_contiguous()?)
        } else {
            let half = |of: fn(&Planes) -> &[u8]| {
                floats::filled(&[1, 3, size as i64, size as i64], |out| {
                    let image = Image { planes: of(&planes), width: planes.width(), height: planes.height() };
                    jitter::render(image, &Augment::none(), size, out).map_err(DataError::Tensor)
                })
            };
            (half(Planes::photo)?, half(Planes::illustration)?)
        };
        let ids = self.cache.id(pair).map(str::to_owned).into_iter().collect();
        Ok(Batch { input, target, form: Form::Pixels, ids })
    }
}

impl Pairs for Plain {
    fn count(&self) -> usize {
        self.indices.len()
    }

    fn pair(&self, index: usize) -> Result<Batch, BatchError> {
        self.batch(index).map_err(Into::into)
    }
}
