//! What frozen networks made of pictures and prompts, on disk: one tensor a file, named by the hash of all that it was
//! made from. Entries may be deleted at any time.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, TchError, Tensor};

use crate::data::manifest;
use crate::models::weights::{self, WeightsError};

/// Of the layout and of everything that decides the values but the weights; part of every key.
const VERSION: u32 = 1;
/// The one tensor of an entry.
const NAME: &str = "encoded";
/// Its checksum, in the file's metadata: a safetensors file has none of its own.
const SUM: &str = "sha256";

/// A folder of encoded things.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    writable: bool,
    remarks: Vec<String>,
}

impl Store {
    /// The store in `dir`, which need not be there yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, writable: true, remarks: Vec::new() }
    }

    /// The key of what is made from `parts`; each part's length is part of it.
    pub fn key(parts: &[&[u8]]) -> String {
        let mut hash = Sha256::new();
        hash.update(VERSION.to_le_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        manifest::hex(&hash.finalize())
    }

    /// The entry of this key, on the CPU; none where it was never made. A damaged one is none either, and a remark.
    pub fn get(&mut self, key: &str) -> Option<Tensor> {
        let path = self.path(key);
        match read(&path) {
            Ok(found) => found,
            Err(problem) => {
                self.remark(format!("{} was damaged ({problem}) and is made again", path.display()));
                None
            }
        }
    }

    /// Keep `tensor` under `key`; false where the disk refuses, which is a remark and not tried again.
    pub fn put(&mut self, key: &str, tensor: &Tensor) -> bool {
        if !self.writable {
            return false;
        }
        let path = self.path(key);
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .map_err(|error| error.to_string())
            .and_then(|()| write(&path, tensor).map_err(|error| error.to_string()));
        if let Err(problem) = &written {
            self.writable = false;
            self.remark(format!(
                "encoded pictures cannot be kept in {}: {problem}; they stay in memory, and the next run encodes again. \
                 Free some space, or point XDG_CACHE_HOME elsewhere",
                self.dir.display()
            ));
        }
        written.is_ok()
    }

    /// What a person should know, once each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.join(&key[..2]).join(format!("{key}.safetensors"))
    }

    fn remark(&mut self, text: String) {
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }
}

fn write(path: &Path, tensor: &Tensor) -> Result<(), WeightsError> {
    let torch = |cause| WeightsError::Torch { path: path.to_owned(), cause };
    let tensor = tensor.f_detach().and_then(|tensor| tensor.f_to_device(Device::Cpu)).map_err(torch)?;
    let sum = digest(&tensor).map_err(torch)?;
    weights::save_safetensors(path, &[(NAME.to_owned(), tensor)], &[(SUM, &sum)])
}

fn read(path: &Path) -> Result<Option<Tensor>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let mut tensors = weights::load_file(path).map_err(|error| error.to_string())?;
    let metadata = weights::metadata(path).map_err(|error| error.to_string())?;
    let (Some((name, tensor)), Some(sum)) = (tensors.pop(), metadata.get(SUM)) else {
        return Err("it holds nothing, or no checksum".to_owned());
    };
    if name != NAME || !tensors.is_empty() {
        return Err(format!("it holds `{name}` where `{NAME}` alone is due"));
    }
    let found = digest(&tensor).map_err(|error| error.to_string())?;
    if found != *sum {
        return Err("its checksum does not match".to_owned());
    }
    Ok(Some(tensor))
}

/// SHA-256 of a CPU tensor's elements, hexadecimal.
fn digest(tensor: &Tensor) -> Result<String, TchError> {
    let mut hash = Sha256::new();
    absorb(&mut hash, tensor)?;
    Ok(manifest::hex(&hash.finalize()))
}

/// SHA-256 over names, kinds, shapes and values of tensors on any device: what a network's weights are.
pub fn fingerprint<'a>(tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<String, TchError> {
    let mut hash = Sha256::new();
    for (name, tensor) in tensors {
        hash.update(format!("{name} {:?} {:?} ", tensor.f_kind()?, tensor.size()));
        absorb(&mut hash, tensor)?;
    }
    Ok(manifest::hex(&hash.finalize()))
}

/// Elements of a tensor that go into a hash at once.
const PIECE: i64 = 1 << 20;

fn absorb(hash: &mut Sha256, tensor: &Tensor) -> Result<(), TchError> {
    // A 16-bit float has the same value in 32 bits, and the kind is told apart by whoever hashes.
    let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_flatten(0, -1)?;
    let count = flat.numel() as i64;
    for begin in (0..count).step_by(PIECE as usize) {
        let piece = flat.f_narrow(0, begin, PIECE.min(count - begin))?.f_contiguous()?;
        let values = Vec::<f32>::try_from(&piece)?;
        let mut bytes = Vec::with_capacity(4 * values.len());
        values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        hash.update(&bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> Vec<PathBuf> {
        let Ok(folders) = std::fs::read_dir(dir) else { return Vec::new() };
        folders
            .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
            .map(|e| e.unwrap().path())
            .collect()
    }

    #[test]
    fn what_was_kept_comes_back_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::new(dir.path().join("latents"));
        let key = Store::key(&[b"a", b"bc"]);
        assert_ne!(key, Store::key(&[b"ab", b"c"]));
        assert!(store.get(&key).is_none());
        let tensor = Tensor::from_slice(&[1.5_f32, f32::NAN, -0.0]).reshape([1, 3]);
        assert!(store.put(&key, &tensor));
        let back = Store::new(dir.path().join("latents")).get(&key).unwrap();
        assert_eq!(back.size(), [1, 3]);
        let bits = |tensor: &Tensor| {
            Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(&tensor));
        assert!(store.remarks().is_empty());
    }

    #[test]
    fn every_kind_of_damage_is_noticed_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let key = Store::key(&[b"x"]);
        Store::new(dir.path().to_owned()).put(&key, &Tensor::arange(64, (Kind::Float, Device::Cpu)));
        let path = entries(dir.path()).remove(0);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            let mut store = Store::new(dir.path().to_owned());
            assert!(store.get(&key).is_none(), "bit flipped in byte {at}");
            assert!(store.remarks()[0].contains("was damaged"));
        }
        for cut in [0, 7, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(Store::new(dir.path().to_owned()).get(&key).is_none(), "cut to {cut}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(Store::new(dir.path().to_owned()).get(&key).is_some());
    }

    #[test]
    fn a_disk_that_refuses_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in-the-way");
        std::fs::write(&file, "").unwrap();
        let mut store = Store::new(file);
        let zero = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        assert!(!store.put(&Store::key(&[b"1"]), &zero) && !store.put(&Store::key(&[b"2"]), &zero));
        assert!(store.remarks().len() == 1 && store.remarks()[0].contains("XDG_CACHE_HOME"));
    }

    #[test]
    fn weights_are_told_apart_by_name_shape_and_value() {
        let print = |name: &str, tensor: Tensor| fingerprint([(name, &tensor)].into_iter()).unwrap();
        let base = || Tensor::arange(6, (Kind::Float, Device::Cpu));
        let all =
            [print("a", base()), print("b", base()), print("a", base().reshape([2, 3])), print("a", base() + 1e-6)];
        assert!((0..4).all(|i| (0..i).all(|j| all[i] != all[j])));
        assert_eq!(all[0], print("a", base()));
    }
}
