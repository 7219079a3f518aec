//! A state dict in the zip form, as `torch.save` writes it: an ordered dict, one storage a tensor.

use std::io::{self, Seek, Write};

use tch::{Kind, Tensor};
use zip::CompressionMethod;
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::storage::{bytes_of, contiguous_stride};
use super::{Fault, WriteFault};

/// The folder inside the zip; torch takes any name.
const FOLDER: &str = "archive";
/// torch aligns storages so that they can be mapped.
const ALIGNMENT: u16 = 64;
/// Entries of this size and more need the 64-bit zip fields.
const LARGE: u64 = u32::MAX as u64;

impl From<ZipError> for WriteFault {
    fn from(error: ZipError) -> Self {
        Self::Io(match error {
            ZipError::Io(error) => error,
            other => io::Error::other(other),
        })
    }
}

pub(super) fn write(out: &mut (impl Write + Seek), tensors: &[(String, Tensor)]) -> Result<(), WriteFault> {
    let mut archive = ZipWriter::new(out);
    let mut entry = |name: &str, bytes: &[u8]| -> Result<(), WriteFault> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(ALIGNMENT)
            .large_file(bytes.len() as u64 >= LARGE);
        archive.start_file(format!("{FOLDER}/{name}"), options)?;
        Ok(archive.write_all(bytes)?)
    };
    entry("data.pkl", &pickle(tensors)?)?;
    entry("byteorder", b"little")?;
    for (key, (_, tensor)) in tensors.iter().enumerate() {
        entry(&format!("data/{key}"), &bytes_of(tensor)?)?;
    }
    entry("version", b"3\n")?;
    archive.finish()?;
    Ok(())
}

/// `OrderedDict` of name → `_rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`, protocol 2.
fn pickle(tensors: &[(String, Tensor)]) -> Result<Vec<u8>, WriteFault> {
    let mut out = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (key, (name, tensor)) in tensors.iter().enumerate() {
        let kind = tensor.f_kind()?;
        let class = storage_class(kind).ok_or_else(|| {
            WriteFault::Tensor(Fault::format(format!("`{name}` is of kind {kind:?}, which .pth files do not hold")))
        })?;
        let size: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        text(&mut out, name);
        out.extend_from_slice(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend_from_slice(format!("ctorch\n{class}\n").as_bytes());
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        int(&mut out, tensor.numel());
        out.push(b't'); // the storage's tuple, and its persistent id
        out.push(b'Q');
        int(&mut out, 0);
        tuple(&mut out, &size);
        tuple(&mut out, &contiguous_stride(&size));
        out.extend_from_slice(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend_from_slice(b"u.");
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn int(out: &mut Vec<u8>, number: usize) {
    if let Ok(small) = i32::try_from(number) {
        out.push(b'J');
        out.extend_from_slice(&small.to_le_bytes());
    } else {
        out.extend_from_slice(&[0x8a, 8]);
        out.extend_from_slice(&(number as u64).to_le_bytes());
    }
}

fn tuple(out: &mut Vec<u8>, numbers: &[usize]) {
    out.push(b'(');
    for &number in numbers {
        int(out, number);
    }
    out.push(b't');
}

fn storage_class(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Float => "FloatStorage",
        Kind::Double => "DoubleStorage",
        Kind::Half => "HalfStorage",
        Kind::BFloat16 => "BFloat16Storage",
        Kind::Int64 => "LongStorage",
        Kind::Int => "IntStorage",
        Kind::Int16 => "ShortStorage",
        Kind::Int8 => "CharStorage",
        Kind::Uint8 => "ByteStorage",
        Kind::Bool => "BoolStorage",
        _ => return None,
    })
}
