//! The safetensors container.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use tch::{Kind, TchError, Tensor};

use super::storage::tensor_of_bytes;
use super::{Fault, WriteFault};

/// Hand every tensor to `take`, in the order of their bytes.
pub(super) fn each<E>(
    bytes: &[u8],
    fault: impl Fn(Fault) -> E,
    mut take: impl FnMut(String, Tensor) -> Result<(), E>,
) -> Result<(), E> {
    let broken =
        |error| Fault::format(format!("neither safetensors nor .pth, or cut short ({error}); fetch or write it again"));
    let file = SafeTensors::deserialize(bytes).map_err(|error| fault(broken(error)))?;
    let mut views: Vec<_> = file.iter().collect();
    views.sort_by_key(|(name, view)| (view.data().as_ptr(), name.to_owned()));
    for (name, view) in views {
        let kind = kind_of(view.dtype())
            .ok_or_else(|| Fault::format(format!("`{name}` is of kind {:?}, which is not supported", view.dtype())));
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let tensor = kind.and_then(|kind| tensor_of_bytes(name, view.data(), &shape, kind)).map_err(&fault)?;
        take(name.to_owned(), tensor)?;
    }
    Ok(())
}

/// The header's text entries.
pub(super) fn metadata(bytes: &[u8]) -> Result<HashMap<String, String>, Fault> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|error| Fault::format(format!("not a safetensors file ({error})")))?;
    Ok(header.metadata().clone().unwrap_or_default())
}

/// Write all of them; bytes are fetched one tensor at a time.
pub(super) fn write(
    out: &mut impl Write,
    tensors: &[(String, Tensor)],
    metadata: &[(&str, &str)],
) -> Result<(), WriteFault> {
    let mut infos = Vec::with_capacity(tensors.len());
    let mut offset = 0;
    let order = ordered(tensors)?;
    let mut names = HashSet::new();
    if let Some((twice, _)) = order.iter().find(|(name, _)| !names.insert(name)) {
        return Err(WriteFault::Tensor(Fault::format(format!("two tensors are called `{twice}`"))));
    }
    for (name, tensor) in &order {
        let kind = tensor.f_kind()?;
        let dtype = dtype_of(kind).ok_or_else(|| {
            WriteFault::Tensor(Fault::format(format!("`{name}` is of kind {kind:?}, which safetensors cannot hold")))
        })?;
        let length = tensor.numel() * kind.elt_size_in_bytes();
        let shape: Vec<i64> = tensor.size();
        infos.push((name, dtype, shape, offset, offset + length));
        offset += length;
    }
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        let entries = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        header.insert("__metadata__".to_owned(), serde_json::Value::Object(entries));
    }
    for (name, dtype, shape, start, end) in infos {
        let entry = serde_json::json!({ "dtype": dtype.to_string(), "shape": shape, "data_offsets": [start, end] });
        header.insert(name.clone(), entry);
    }
    let mut header = serde_json::Value::Object(header).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for (_, tensor) in order {
        out.write_all(&super::storage::bytes_of(tensor)?)?;
    }
    Ok(())
}

/// Wide kinds first keeps every tensor aligned, as the format asks; then by name, so that equal inputs give equal files.
fn ordered(tensors: &[(String, Tensor)]) -> Result<Vec<&(String, Tensor)>, TchError> {
    let widths = tensors.iter().map(|(_, tensor)| Ok(tensor.f_kind()?.elt_size_in_bytes()));
    let widths = widths.collect::<Result<Vec<_>, TchError>>()?;
    let mut order: Vec<_> = widths.into_iter().zip(tensors).collect();
    order.sort_by(|(a, (first, _)), (b, (second, _))| b.cmp(a).then_with(|| first.cmp(second)));
    Ok(order.into_iter().map(|(_, entry)| entry).collect())
}

/// SHA-256 of all bytes after the header, in hexadecimal.
pub(super) fn data_sha256(tensors: &[(String, Tensor)]) -> Result<String, TchError> {
    let mut hash = Sha256::new();
    for (_, tensor) in ordered(tensors)? {
        hash.update(super::storage::bytes_of(tensor)?);
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        text.push_str(&format!("{byte:02x}"));
    }
    Ok(text)
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        _ => return None,
    })
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Bool => Dtype::BOOL,
        Kind::Uint8 => Dtype::U8,
        Kind::Int8 => Dtype::I8,
        Kind::Int16 => Dtype::I16,
        Kind::Int => Dtype::I32,
        Kind::Int64 => Dtype::I64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        _ => return None,
    })
}
