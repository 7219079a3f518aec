//! Decode once: every pair at the working size, as bytes in a mapped file whose name is the hash of what it was made
//! from.
//!
//! The key is SHA-256 over both files' bytes, the size, the fit and the layout's version: a changed image has another
//! key, and the same image is decoded once for every dataset and run that holds it. Entries are made when a pair is
//! first asked for, so the first batch waits for its own pairs only. They may be deleted at any time.
//!
//! Where the disk refuses (full, read-only), decoded pairs stay in memory while half of what is free lasts, and after
//! that are decoded anew each time; [`Cache::remarks`] says so.

mod entry;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

pub use entry::{Planes, VERSION};

use crate::config::{Data, Fit};
use crate::data::image_file::{self, ImageFault};
use crate::data::manifest;
use crate::data::pairs::{Dataset, Pair};
use crate::data::resize;

/// Pairs whose maps are kept; beyond, entries are mapped anew at each use (Linux allows a process 65,530 maps).
const KEPT_MAPS: usize = 20_000;

/// Why a batch cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// An image cannot be read or decoded.
    #[error("{} (pair {id}) {fault}; `atelier dataset check` lists every such image", path.display())]
    Image {
        /// The pair.
        id: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: ImageFault,
    },
    /// An image cannot be brought to the working size.
    #[error("{} (pair {id}) cannot be resized to {width}x{height} pixels: {reason}", path.display())]
    Resize {
        /// The pair.
        id: String,
        /// The file.
        path: PathBuf,
        /// Wanted width.
        width: usize,
        /// Wanted height.
        height: usize,
        /// Why not.
        reason: String,
    },
    /// No such pair or batch.
    #[error("there is no {what} {index}: there are {count}")]
    Range {
        /// What was asked for.
        what: &'static str,
        /// Which.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Options under which nothing can be loaded.
    #[error("{0}")]
    Options(String),
    /// libtorch refused: out of memory, mostly.
    #[error("cannot make the batch's tensors: {0}")]
    Tensor(String),
    /// A loader thread failed in a way that should be impossible.
    #[error("a loader thread failed: {0}; please report this")]
    Thread(String),
}

/// Decoded pairs of one dataset at one size, shared by the loaders that draw from it. Clones share everything.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    size: usize,
    fit: Fit,
    pairs: Vec<Pair>,
    /// One lock a pair: two threads that want the same pair decode it once.
    slots: Vec<Mutex<Slot>>,
    writable: AtomicBool,
    /// Bytes that may still be held in memory when the disk refuses.
    memory_left: AtomicU64,
    remarks: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Where the entry lies, once its key is known.
    path: Option<PathBuf>,
    planes: Option<Arc<Planes>>,
}

/// Where decoded pairs are kept unless told otherwise: `$XDG_CACHE_HOME/atelier/pairs`, else `~/.cache/atelier/pairs`.
pub fn default_dir() -> PathBuf {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("atelier/pairs")
}

impl Cache {
    /// The cache of `dataset` at `config.size` and `config.fit` under the folder `dir`. Reads no image yet.
    pub fn open(dataset: &Dataset, config: &Data, dir: &Path) -> Result<Self, DataError> {
        if !(1..=16_384).contains(&config.size) {
            return Err(DataError::Options(format!("data.size = {} is not between 1 and 16384 pixels", config.size)));
        }
        let slots = dataset.pairs.iter().map(|_| Mutex::default()).collect();
        let inner = Inner {
            dir: dir.to_path_buf(),
            size: config.size,
            fit: config.fit,
            pairs: dataset.pairs.clone(),
            slots,
            writable: AtomicBool::new(true),
            memory_left: AtomicU64::new(free_memory() / 2),
            remarks: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.inner.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inner.pairs.is_empty()
    }

    /// Side of the square that batches have.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// How pictures become that square.
    pub fn fit(&self) -> Fit {
        self.inner.fit
    }

    /// The id of a pair.
    pub fn id(&self, index: usize) -> Option<&str> {
        self.inner.pairs.get(index).map(|pair| pair.id.as_str())
    }

    /// What a person should know, once each: entries found damaged, a disk that refuses.
    pub fn remarks(&self) -> Vec<String> {
        guard(&self.inner.remarks).clone()
    }

    /// The decoded pair at `index` of the dataset: from memory, from its entry, or decoded now.
    ///
    /// # Errors
    /// [`DataError::Image`] when it was never decoded and a file of it is missing or damaged.
    pub fn pair(&self, index: usize) -> Result<Arc<Planes>, DataError> {
        let inner = &*self.inner;
        let (Some(pair), Some(slot)) = (inner.pairs.get(index), inner.slots.get(index)) else {
            return Err(DataError::Range { what: "pair", index, count: inner.pairs.len() });
        };
        let mut slot = guard(slot);
        if let Some(planes) = &slot.planes {
            return Ok(Arc::clone(planes));
        }
        if let Some(path) = &slot.path
            && let Ok(Some(planes)) = Planes::open(path)
        {
            return Ok(Arc::new(planes));
        }
        let (planes, path) = inner.load(pair)?;
        slot.path = Some(path);
        let planes = Arc::new(planes);
        let keep = if planes.is_mapped() { inner.pairs.len() <= KEPT_MAPS } else { inner.reserve(planes.both().len()) };
        if keep {
            slot.planes = Some(Arc::clone(&planes));
        }
        Ok(planes)
    }
}

impl Inner {
    /// From the entry if there is a whole one, else from the images.
    fn load(&self, pair: &Pair) -> Result<(Planes, PathBuf), DataError> {
        let read = |path: &Path| image_file::read(path).map_err(|fault| fail(pair, path, fault));
        let (photo, illustration) = (read(&pair.photo)?, read(&pair.illustration)?);
        let path = self.entry(&photo, &illustration);
        match Planes::open(&path) {
            Ok(Some(planes)) => return Ok((planes, path)),
            Ok(None) => {}
            Err(reason) => self.remark(format!("{} was damaged ({reason}) and is rebuilt", path.display())),
        }
        let planes = self.decode(pair, &photo, &illustration)?;
        if !self.writable.load(Ordering::Relaxed) {
            return Ok((planes, path));
        }
        match planes.save(&path) {
            // What was just written is used from the map: the copy in memory is given back.
            Ok(()) => Ok((Planes::open(&path).ok().flatten().unwrap_or(planes), path)),
            Err(error) => {
                if self.writable.swap(false, Ordering::Relaxed) {
                    self.remark(format!(
                        "decoded pairs cannot be kept in {}: {error}; they stay in memory, and the next run decodes \
                         again. Free some space, or point XDG_CACHE_HOME elsewhere",
                        self.dir.display()
                    ));
                }
                Ok((planes, path))
            }
        }
    }

    fn entry(&self, photo: &[u8], illustration: &[u8]) -> PathBuf {
        let fit = match self.fit {
            Fit::Squash => "squash",
            Fit::Crop => "crop",
        };
        let mut hash = Sha256::new();
        hash.update(format!("atelier pair {VERSION} {fit} {} {} ", self.size, photo.len()));
        hash.update(photo);
        hash.update(illustration);
        let key = manifest::hex(&hash.finalize());
        self.dir.join(&key[..2]).join(format!("{key}.pair"))
    }

    fn decode(&self, pair: &Pair, photo: &[u8], illustration: &[u8]) -> Result<Planes, DataError> {
        let open = |path: &Path, bytes: &[u8]| {
            image_file::decode(bytes).map(|decoded| decoded.image).map_err(|fault| fail(pair, path, fault))
        };
        let (photo, illustration) = (open(&pair.photo, photo)?, open(&pair.illustration, illustration)?);
        let (width, height) = match self.fit {
            Fit::Squash => (self.size, self.size),
            // The photo decides for both, so that they stay aligned.
            Fit::Crop => resize::short_side(photo.width() as usize, photo.height() as usize, self.size),
        };
        let fitted = |path: &Path, image| {
            resize::resize(image, width, height).map_err(|reason| DataError::Resize {
                id: pair.id.clone(),
                path: path.to_path_buf(),
                width,
                height,
                reason,
            })
        };
        Ok(Planes::of(&fitted(&pair.photo, &photo)?, &fitted(&pair.illustration, &illustration)?))
    }

    /// Take `bytes` of the memory that may be held; false when it does not last.
    fn reserve(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let taken =
            self.memory_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if !taken && self.memory_left.swap(0, Ordering::Relaxed) > 0 {
            self.remark("memory for decoded pairs is used up: the rest are decoded anew in every epoch".to_owned());
        }
        taken
    }

    fn remark(&self, text: String) {
        let mut remarks = guard(&self.remarks);
        if !remarks.contains(&text) {
            remarks.push(text);
        }
    }
}

fn fail(pair: &Pair, path: &Path, fault: ImageFault) -> DataError {
    DataError::Image { id: pair.id.clone(), path: path.to_path_buf(), fault }
}

/// A lock whose holder panicked guards data that is whole all the same: slots are filled in one assignment.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory that the system could give out, in bytes; 1 GiB where it does not say.
pub fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map_or(1 << 30, |kib| kib * 1024)
}

#[cfg(test)]
mod tests;
