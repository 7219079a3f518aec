//! Batches of latents: every picture is encoded once, as it is and flipped, before the first step.
//!
//! What is kept are the moments of the autoencoder's posterior, not a draw from it, so that each step draws anew, as
//! with pictures. The order of pairs and which of them are flipped are those of the
//! [loader](crate::data::loader::Loader) with the same seed.

use std::collections::HashMap;
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use crate::config::Resident;
use crate::data::augment::Augment;
use crate::data::augment::jitter::{self, Image};
use crate::data::batch::{Batch, BatchError, Batches, Form, Pairs};
use crate::data::cache::{self, Cache, DataError, Planes};
use crate::data::loader::order::Order;
use crate::data::loader::{LoaderOptions, Plain};
use crate::native::floats::filled;
use crate::native::torch::device_memory;
use crate::tracks::sd_lora::store::Store;

/// Which of a pair's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Half {
    Photo,
    Illustration,
}

/// A picture in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Picture {
    pair: usize,
    half: Half,
    flip: bool,
}

/// What makes latents of pictures.
pub struct Encoder<'a> {
    /// `[1, 3, H, W]` in [-1, 1] on the device, to moments `[1, 2C, h, w]`.
    pub encode: &'a dyn Fn(&Tensor) -> Result<Tensor, TchError>,
    /// What tells its results from those of any other: a hash of its weights, the kind of its arithmetic.
    pub identity: &'a str,
    /// Whether photos are wanted too.
    pub photos: bool,
    /// Told how many pictures of how many are done, before each one and after the last; says whether to go on.
    pub progress: &'a mut dyn FnMut(usize, usize) -> bool,
}

/// Batches of moments.
#[derive(Debug)]
pub struct LatentBatches {
    cache: Cache,
    order: Order,
    photos: bool,
    store: Store,
    keys: HashMap<Picture, String>,
    /// Moments `[2C, h, w]` in memory: on the device where all fit, or on the CPU what the disk would not take.
    held: HashMap<Picture, Tensor>,
    keep: bool,
    /// Pairs that have no latents, and why.
    failed: HashMap<usize, String>,
}

impl LatentBatches {
    /// Encode what the store does not hold yet of the pairs at `indices`, and batch them as a loader would.
    ///
    /// A pair that cannot be read, or whose latents are not finite, is a remark, and an error of each batch that it is in.
    ///
    /// # Errors
    /// [`DataError::Options`] for no pairs, when none of them could be encoded, or when it is stopped; [`DataError::Tensor`] when libtorch
    /// refuses.
    pub fn new(
        cache: Cache,
        indices: Vec<usize>,
        options: LoaderOptions,
        store: Store,
        mut encoder: Encoder<'_>,
    ) -> Result<Self, DataError> {
        if indices.is_empty() || options.batch_size == 0 {
            return Err(DataError::Options("there are no pairs to encode".to_owned()));
        }
        let order = Order::new(indices, options);
        let (keys, held, failed) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut batches = Self { cache, order, photos: encoder.photos, store, keys, held, keep: false, failed };
        batches.encode(&mut encoder)?;
        Ok(batches)
    }

    fn encode(&mut self, encoder: &mut Encoder<'_>) -> Result<(), DataError> {
        let halves: &[Half] = if self.photos { &[Half::Photo, Half::Illustration] } else { &[Half::Illustration] };
        let options = self.order.options();
        let flips: &[bool] = if options.augment && options.config.flip { &[false, true] } else { &[false] };
        let (device, resident) = (options.device, options.config.resident);
        let forms: Vec<(Half, bool)> =
            halves.iter().flat_map(|&half| flips.iter().map(move |&flip| (half, flip))).collect();
        let pairs = self.order.indices().to_vec();
        let all = pairs.len() * forms.len();
        let mut bytes = 0;
        for (at, &pair) in pairs.iter().enumerate() {
            let planes = match self.cache.pair(pair) {
                Ok(planes) => planes,
                Err(error) => {
                    self.failed.insert(pair, error.to_string());
                    continue;
                }
            };
            for (form, &(half, flip)) in forms.iter().enumerate() {
                if !(encoder.progress)(at * forms.len() + form, all) {
                    return Err(DataError::Options(
                        "the encoding of pictures was stopped; those done are kept".to_owned(),
                    ));
                }
                bytes += self.picture(Picture { pair, half, flip }, &planes, encoder)?;
            }
        }
        (encoder.progress)(all, all);
        if let Some(reason) = self.failed.values().next().filter(|_| self.failed.len() == pairs.len()) {
            return Err(DataError::Options(format!("no pair could be encoded, one because: {reason}")));
        }
        self.keep = match resident {
            Resident::Always => true,
            Resident::Never => false,
            Resident::Auto => bytes < free_memory(device) / 4,
        };
        Ok(())
    }

    /// Encode a picture unless the store has it; gives the bytes of its moments.
    fn picture(&mut self, picture: Picture, planes: &Planes, encoder: &Encoder<'_>) -> Result<u64, DataError> {
        let key = key(planes, picture, encoder.identity);
        let kept =
            self.store.get(&key).map_or_else(|| self.make(picture, planes, &key, encoder), |kept| Ok(Some(kept)))?;
        let Some(moments) = kept else { return Ok(0) };
        self.keys.insert(picture, key);
        Ok(4 * moments.numel() as u64)
    }

    /// Encode a picture and keep its moments; none where they are not finite, which spoils its pair.
    fn make(
        &mut self,
        picture: Picture,
        planes: &Planes,
        key: &str,
        encoder: &Encoder<'_>,
    ) -> Result<Option<Tensor>, DataError> {
        let pixels = pixels(planes, picture)?.f_to_device(self.order.options().device)?;
        let moments = tch::no_grad(|| (encoder.encode)(&pixels))?.f_squeeze_dim(0)?;
        let moments = moments.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        if !bool::try_from(moments.f_isfinite()?.f_all()?)? {
            let id = self.cache.id(picture.pair).unwrap_or_default();
            let name = if picture.half == Half::Photo { "photo" } else { "illustration" };
            let reason = format!(
                "the latents of the {name} of pair {id} are not finite; if those of all pictures are, the base's \
                 autoencoder is damaged, or was made for other arithmetic"
            );
            self.failed.insert(picture.pair, reason);
            return Ok(None);
        }
        if !self.store.put(key, &moments) {
            self.held.insert(picture, moments.shallow_clone());
        }
        Ok(Some(moments))
    }

    /// Moments of a picture, on the device.
    fn moments(&mut self, picture: Picture) -> Result<Tensor, DataError> {
        let device = self.order.options().device;
        if let Some(held) = self.held.get(&picture) {
            return Ok(held.f_to_device(device)?);
        }
        let id = self.cache.id(picture.pair).unwrap_or_default();
        let gone = || {
            DataError::Options(format!("the latents of pair {id} are gone from the cache; --resume makes them anew"))
        };
        let key = self.keys.get(&picture).ok_or_else(gone)?;
        let moments = self.store.get(key).ok_or_else(gone)?.f_to_device(device)?;
        if self.keep {
            self.held.insert(picture, moments.shallow_clone());
        }
        Ok(moments)
    }

    /// Moments of one of the pictures of each pair, `[B, 2C, h, w]`.
    fn half(&mut self, epoch: usize, pairs: &[usize], half: Half) -> Result<Tensor, DataError> {
        let mut all = Vec::with_capacity(pairs.len());
        for &pair in pairs {
            let flip = self.order.augment(epoch, pair).flip;
            all.push(self.moments(Picture { pair, half, flip })?);
        }
        Ok(Tensor::f_stack(&all, 0)?)
    }

    fn gather(&mut self, epoch: usize, index: usize) -> Result<Batch, DataError> {
        let count = self.order.batches();
        if index >= count {
            return Err(DataError::Range { what: "batch", index, count });
        }
        let pairs = self.order.pairs(epoch, index);
        if let Some(reason) = pairs.iter().find_map(|pair| self.failed.get(pair)) {
            return Err(DataError::Options(reason.clone()));
        }
        let target = self.half(epoch, &pairs, Half::Illustration)?;
        let input = if self.photos {
            self.half(epoch, &pairs, Half::Photo)?
        } else {
            Tensor::f_zeros([pairs.len() as i64, 0], (Kind::Float, target.device()))?
        };
        let ids = pairs.iter().filter_map(|&pair| self.cache.id(pair)).map(str::to_owned).collect();
        Ok(Batch { input, target, form: Form::Moments, ids })
    }
}

impl Batches for LatentBatches {
    fn per_epoch(&self) -> usize {
        self.order.batches()
    }

    fn batch(&mut self, epoch: usize, index: usize) -> Result<Batch, BatchError> {
        self.gather(epoch, index).map_err(Into::into)
    }

    fn remarks(&self) -> Vec<String> {
        let mut failed: Vec<(&usize, &String)> = self.failed.iter().collect();
        failed.sort();
        let failed = failed.into_iter().map(|(_, reason)| format!("a pair is left out: {reason}"));
        self.cache.remarks().into_iter().chain(self.store.remarks().iter().cloned()).chain(failed).collect()
    }

    fn pairs(&self) -> Option<Arc<dyn Pairs>> {
        let (indices, device) = (self.order.indices().to_vec(), self.order.options().device);
        Some(Arc::new(Plain::new(self.cache.clone(), indices, device)))
    }
}

/// Named by the pixels that the network saw, so that a changed picture or size has another entry.
fn key(planes: &Planes, picture: Picture, identity: &str) -> String {
    let size = [planes.width() as u64, planes.height() as u64].map(u64::to_le_bytes).concat();
    let flip = [u8::from(picture.flip)];
    Store::key(&[b"moments", identity.as_bytes(), &size, &flip, bytes(planes, picture.half)])
}

fn bytes(planes: &Planes, half: Half) -> &[u8] {
    match half {
        Half::Photo => planes.photo(),
        Half::Illustration => planes.illustration(),
    }
}

/// `[1, 3, H, W]` in [-1, 1], as the loader makes it.
fn pixels(planes: &Planes, picture: Picture) -> Result<Tensor, DataError> {
    let (width, height) = (planes.width(), planes.height());
    let augment = Augment { flip: picture.flip, ..Augment::none() };
    filled(&[1, 3, height as i64, width as i64], |out| {
        let image = Image { planes: bytes(planes, picture.half), width, height };
        jitter::render(image, &augment, width, out).map_err(DataError::Tensor)
    })
}

fn free_memory(device: Device) -> u64 {
    match device_memory(device) {
        Ok(Some(memory)) => u64::try_from(memory.free).unwrap_or_default(),
        _ => cache::free_memory(),
    }
}

#[cfg(test)]
mod tests;
