//! Batches of augmented pairs: what [`Loader::batch`] gives is a pure function of the seed, the epoch and the index,
//! whatever the number of threads and whichever batches were asked for before.
//!
//! On the CPU, threads decode (once, into the [cache](crate::data::cache)) and augment ahead of the one that trains.
//! With a GPU they only bring bytes: flips, jitter and normalisation are tensor operations there, a quarter of the
//! traffic, from pinned memory and without waiting. Pairs that fit stay on the device as bytes, and from the second
//! epoch on nothing is copied at all.

mod device;
pub mod order;
mod plain;
mod pool;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, TchError, Tensor};

use self::device::on_device;
use self::order::Order;
pub use self::plain::Plain;
use self::pool::{Pool, Spot};
use crate::config::{Data, Resident};
use crate::data::augment::Augment;
use crate::data::augment::jitter::{self, Image};
use crate::data::batch::{Batch, BatchError, Batches, Form, Pairs};
use crate::data::cache::{Cache, Planes};
use crate::native::floats;

pub use crate::data::cache::DataError;

/// How a loader draws.
#[derive(Debug, Clone)]
pub struct LoaderOptions {
    /// Size, fit, augmentations, threads, residency.
    pub config: Data,
    /// Pairs a batch; the last batch of an epoch holds what is left.
    pub batch_size: usize,
    /// Order and augmentation are functions of this.
    pub seed: u64,
    /// Flip, crop at random and jitter as the config says; else only the centre crop.
    pub augment: bool,
    /// Another order in each epoch; else that of the indices.
    pub shuffle: bool,
    /// Where batches are wanted.
    pub device: Device,
}

/// Draws batches of some of a cache's pairs. Its threads end when it is dropped.
#[derive(Debug)]
pub struct Loader {
    plan: Arc<Plan>,
    pool: Pool<Prepared>,
    /// Pairs that live on the device, by their index in the dataset: bytes `[2, 3, H, W]`.
    resident: HashMap<usize, Tensor>,
    keep_resident: bool,
}

/// What threads make of a batch's place in an epoch.
#[derive(Debug)]
enum Prepared {
    /// For the CPU: finished tensors.
    Whole(Batch),
    /// For a GPU: pinned bytes `[2, 3, H, W]` of each pair that is not there yet.
    Raw(Vec<(usize, Tensor)>),
}

/// Everything that decides a batch; shared with the threads.
#[derive(Debug)]
struct Plan {
    cache: Cache,
    order: Order,
    /// Whether a pair lives on the device already, by its index in the dataset.
    on_device: Vec<AtomicBool>,
}

impl From<TchError> for DataError {
    fn from(error: TchError) -> Self {
        Self::Tensor(error.to_string())
    }
}

impl Loader {
    /// A loader of the pairs at `indices` of the cache's dataset.
    ///
    /// # Errors
    /// [`DataError::Options`] for no pairs or a batch size of 0; [`DataError::Range`] for an index that is not there.
    pub fn new(cache: Cache, indices: Vec<usize>, options: LoaderOptions) -> Result<Self, DataError> {
        if indices.is_empty() {
            return Err(DataError::Options("there are no pairs to load".to_owned()));
        }
        if options.batch_size == 0 {
            return Err(DataError::Options("train.batch_size = 0: a batch needs at least 1 pair".to_owned()));
        }
        if options.config.size != cache.size() || options.config.fit != cache.fit() {
            return Err(DataError::Options("the cache was opened for another size or fit".to_owned()));
        }
        if let Some(&index) = indices.iter().find(|&&index| index >= cache.len()) {
            return Err(DataError::Range { what: "pair", index, count: cache.len() });
        }
        let keep_resident = options.device.is_cuda() && fits(&options, indices.len());
        let workers = options.config.workers;
        let on_device = (0..cache.len()).map(|_| AtomicBool::new(false)).collect();
        let plan = Arc::new(Plan { cache, order: Order::new(indices, options), on_device });
        let pool = {
            let plan = Arc::clone(&plan);
            Pool::new(workers, move |spot, stopped| plan.prepare(spot, stopped))?
        };
        Ok(Self { plan, pool, resident: HashMap::new(), keep_resident })
    }

    /// Batches in an epoch, the last partial one included.
    pub fn batches_per_epoch(&self) -> usize {
        self.plan.order.batches()
    }

    /// Pairs in an epoch.
    pub fn pairs(&self) -> usize {
        self.plan.order.indices().len()
    }

    /// What a person should know: see [`Cache::remarks`].
    pub fn remarks(&self) -> Vec<String> {
        self.plan.cache.remarks()
    }

    /// The batch at `index` of `epoch`, on the loader's device; those that follow are prepared meanwhile.
    ///
    /// # Errors
    /// [`DataError::Image`] when a pair that was never decoded cannot be; asking again tries again.
    pub fn batch(&mut self, epoch: usize, index: usize) -> Result<Batch, DataError> {
        let count = self.plan.order.batches();
        if index >= count {
            return Err(DataError::Range { what: "batch", index, count });
        }
        let wanted: Vec<Spot> = (0..=self.pool.ahead())
            .map(|n| Spot { epoch: epoch + (index + n) / count, index: (index + n) % count })
            .filter(|&spot| spot == Spot { epoch, index } || !self.plan.is_resident(spot))
            .collect();
        let here = Spot { epoch, index };
        if !self.plan.options().device.is_cuda() {
            return match self.pool.take(here, &wanted)? {
                Prepared::Whole(batch) => Ok(batch),
                Prepared::Raw(_) => Err(DataError::Thread("bytes came where tensors were due".to_owned())),
            };
        }
        let fresh = if self.plan.is_resident(here) { Vec::new() } else { self.fetch(here, &wanted)? };
        self.assemble(here, fresh)
    }

    /// Bring the batch's missing pairs to the device; keep them there if that was decided.
    fn fetch(&mut self, here: Spot, wanted: &[Spot]) -> Result<Vec<(usize, Tensor)>, DataError> {
        let Prepared::Raw(raw) = self.pool.take(here, wanted)? else {
            return Err(DataError::Thread("tensors came where bytes were due".to_owned()));
        };
        let mut fresh = Vec::with_capacity(raw.len());
        for (pair, bytes) in raw {
            let there = bytes.f_to_device_(self.plan.options().device, tch::Kind::Uint8, true, false)?;
            if self.keep_resident {
                self.resident.insert(pair, there);
                self.plan.on_device[pair].store(true, Ordering::Release);
            } else {
                fresh.push((pair, there));
            }
        }
        Ok(fresh)
    }

    fn assemble(&self, here: Spot, fresh: Vec<(usize, Tensor)>) -> Result<Batch, DataError> {
        let fresh: HashMap<usize, Tensor> = fresh.into_iter().collect();
        let pairs = self.plan.order.pairs(here.epoch, here.index);
        let mut made = Vec::with_capacity(pairs.len());
        for &pair in &pairs {
            let bytes = fresh
                .get(&pair)
                .or_else(|| self.resident.get(&pair))
                .ok_or_else(|| DataError::Thread(format!("pair {pair} is missing from its batch")))?;
            made.push(on_device(bytes, &self.plan.order.augment(here.epoch, pair), self.plan.options().config.size)?);
        }
        // [B, 2, 3, S, S] -> two of [B, 3, S, S]
        let stacked = Tensor::f_stack(&made, 0)?;
        let half = |n: i64| stacked.f_select(1, n)?.f_contiguous();
        Ok(Batch { input: half(0)?, target: half(1)?, form: Form::Pixels, ids: self.plan.ids(&pairs) })
    }
}

impl Batches for Loader {
    fn per_epoch(&self) -> usize {
        self.batches_per_epoch()
    }

    fn batch(&mut self, epoch: usize, index: usize) -> Result<Batch, BatchError> {
        Self::batch(self, epoch, index).map_err(Into::into)
    }

    fn remarks(&self) -> Vec<String> {
        Self::remarks(self)
    }

    fn pairs(&self) -> Option<Arc<dyn Pairs>> {
        let Plan { cache, order, .. } = self.plan.as_ref();
        Some(Arc::new(Plain::new(cache.clone(), order.indices().to_vec(), order.options().device)))
    }
}

impl Plan {
    fn options(&self) -> &LoaderOptions {
        self.order.options()
    }

    fn ids(&self, pairs: &[usize]) -> Vec<String> {
        pairs.iter().filter_map(|&pair| self.cache.id(pair)).map(str::to_owned).collect()
    }

    fn is_resident(&self, spot: Spot) -> bool {
        self.options().device.is_cuda()
            && self.order.pairs(spot.epoch, spot.index).iter().all(|&pair| self.on_device[pair].load(Ordering::Acquire))
    }

    /// A thread's part of a batch.
    fn prepare(&self, spot: Spot, stopped: &AtomicBool) -> Result<Prepared, DataError> {
        let pairs = self.order.pairs(spot.epoch, spot.index);
        if self.options().device.is_cuda() {
            let mut raw = Vec::with_capacity(pairs.len());
            for &pair in &pairs {
                check(stopped)?;
                if !self.on_device[pair].load(Ordering::Acquire) {
                    raw.push((pair, pinned(&*self.cache.pair(pair)?, self.options().device)?));
                }
            }
            return Ok(Prepared::Raw(raw));
        }
        let planes = pairs
            .iter()
            .map(|&pair| {
                check(stopped)?;
                self.cache.pair(pair)
            })
            .collect::<Result<Vec<Arc<Planes>>, DataError>>()?;
        let augments: Vec<Augment> = pairs.iter().map(|&pair| self.order.augment(spot.epoch, pair)).collect();
        let half = |of: fn(&Planes) -> &[u8]| self.floats(&planes, &augments, of, stopped);
        let (input, target) = (half(Planes::photo)?, half(Planes::illustration)?);
        Ok(Prepared::Whole(Batch { input, target, form: Form::Pixels, ids: self.ids(&pairs) }))
    }

    /// `[B, 3, S, S]` in [-1, 1] of one half of each pair.
    fn floats(
        &self,
        planes: &[Arc<Planes>],
        augments: &[Augment],
        half: fn(&Planes) -> &[u8],
        stopped: &AtomicBool,
    ) -> Result<Tensor, DataError> {
        let size = self.options().config.size;
        let shape = [planes.len() as i64, 3, size as i64, size as i64];
        floats::filled(&shape, |elements| {
            for ((planes, augment), out) in planes.iter().zip(augments).zip(elements.chunks_exact_mut(3 * size * size))
            {
                check(stopped)?;
                let image = Image { planes: half(planes), width: planes.width(), height: planes.height() };
                jitter::render(image, augment, size, out).map_err(DataError::Tensor)?;
            }
            Ok(())
        })
    }
}

/// A thread that should end ends between two images.
fn check(stopped: &AtomicBool) -> Result<(), DataError> {
    if stopped.load(Ordering::Relaxed) {
        return Err(DataError::Thread("it was stopped".to_owned()));
    }
    Ok(())
}

/// Both images' bytes as `[2, 3, H, W]` in memory that the device reads without a detour.
fn pinned(planes: &Planes, device: Device) -> Result<Tensor, DataError> {
    let shape = [2, 3, planes.height() as i64, planes.width() as i64];
    let bytes = Tensor::f_from_data_size(planes.both(), &shape, tch::Kind::Uint8)?;
    if device.is_cuda() { Ok(crate::native::torch::pin_memory(&bytes)?) } else { Ok(bytes) }
}

/// Whether this many decoded pairs should live on the device.
fn fits(options: &LoaderOptions, pairs: usize) -> bool {
    match options.config.resident {
        Resident::Always => true,
        Resident::Never => false,
        Resident::Auto => {
            // Cropped pairs are longer than wide: 3 by 2 is a camera's usual shape.
            let stretch = if options.config.fit == crate::config::Fit::Crop { 3 } else { 2 };
            let bytes = (pairs * 3 * stretch * options.config.size * options.config.size) as u64;
            device::free_memory(options.device).is_some_and(|free| bytes < free / 4)
        }
    }
}

#[cfg(test)]
mod tests;
