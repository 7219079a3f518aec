//! Weight files: safetensors and PyTorch's `.pth`, read and written.
//!
//! Reading executes nothing and trusts nothing: a `.pth` is a pickle, and the small reader here knows only what a state
//! dict needs. Files are mapped; every tensor is copied once, from the map into its own memory.

mod legacy;
mod pickle;
mod pth;
mod pth_write;
mod storage;
mod tensors;

use std::collections::HashMap;
use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tch::Tensor;

use crate::native;

/// Why a weight file could not be read or written. The path comes first in every message.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is not what its beginning says, or holds no state dict.
    #[error("{}: {what}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A tensor could not be made or read back.
    #[error("{}: libtorch: {cause}", .path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What libtorch said.
        cause: tch::TchError,
    },
}

/// What a reader of bytes reports; [`load_file`] adds the path.
#[derive(Debug)]
enum Fault {
    Format(String),
    Torch(tch::TchError),
}

impl Fault {
    fn format(what: impl Into<String>) -> Self {
        Self::Format(what.into())
    }

    fn at(self, path: &Path) -> WeightsError {
        let path = path.to_owned();
        match self {
            Self::Format(what) => WeightsError::Format { path, what },
            Self::Torch(cause) => WeightsError::Torch { path, cause },
        }
    }
}

impl From<tch::TchError> for Fault {
    fn from(cause: tch::TchError) -> Self {
        Self::Torch(cause)
    }
}

/// The tensors of a `.safetensors` or `.pth` file (zip form or the older pickle form, told apart by content), on the
/// CPU, each in the file's own kind, in the file's order. Nested dicts of a `.pth` give keys joined with dots.
pub fn load_file(path: &Path) -> Result<Vec<(String, Tensor)>, WeightsError> {
    let io = |cause| WeightsError::Io { path: path.to_owned(), cause };
    let length = std::fs::metadata(path).map_err(io)?;
    if length.is_dir() {
        return Err(io(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if length.len() == 0 {
        return Err(Fault::format("the file is empty").at(path));
    }
    let map = native::map_file(path).map_err(io)?;
    let read = if map.starts_with(b"PK\x03\x04") {
        pth::read(&map)
    } else if map.first() == Some(&0x80) && map.get(8) != Some(&b'{') {
        legacy::read(&map)
    } else {
        tensors::read(&map)
    };
    read.map_err(|fault| fault.at(path))
}

/// The tensors of a safetensors file that is in memory already; `name` is what errors call it.
pub fn parse_safetensors(name: &Path, bytes: &[u8]) -> Result<Vec<(String, Tensor)>, WeightsError> {
    tensors::read(bytes).map_err(|fault| fault.at(name))
}

/// The text metadata in a safetensors file's header; empty for a `.pth`.
pub fn metadata(path: &Path) -> Result<HashMap<String, String>, WeightsError> {
    let map = native::map_file(path).map_err(|cause| WeightsError::Io { path: path.to_owned(), cause })?;
    if map.starts_with(b"PK\x03\x04") {
        return Ok(HashMap::new());
    }
    tensors::metadata(&map).map_err(|fault| fault.at(path))
}

/// Write a safetensors file: to a neighbour, synced, then renamed, so that it is never half there. Tensors may be on
/// any device and in any memory layout.
pub fn save_safetensors(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: &[(&str, &str)],
) -> Result<(), WeightsError> {
    write_beside(path, |out| tensors::write(out, tensors, metadata))
}

/// Write a state dict that `torch.load(path, weights_only=True)` reads, in order; atomically as [`save_safetensors`].
pub fn save_pth(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), WeightsError> {
    write_beside(path, |out| pth_write::write(out, tensors))
}

/// What stops a writer: the disk, or the tensors.
enum WriteFault {
    Io(io::Error),
    Tensor(Fault),
}

impl From<io::Error> for WriteFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<tch::TchError> for WriteFault {
    fn from(error: tch::TchError) -> Self {
        Self::Tensor(Fault::Torch(error))
    }
}

fn write_beside(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> Result<(), WriteFault>,
) -> Result<(), WeightsError> {
    let io = |cause| WeightsError::Io { path: path.to_owned(), cause };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".weights-")
        .permissions(Permissions::from_mode(0o666)) // less the umask, as any file a program writes
        .tempfile_in(folder)
        .map_err(io)?;
    let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    match write(&mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => {}
        Err(WriteFault::Io(cause)) => return Err(io(cause)),
        Err(WriteFault::Tensor(fault)) => return Err(fault.at(path)),
    }
    drop(out);
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    // The rename itself must survive a power cut too.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}
