//! The `.pth` form before PyTorch 1.6: five pickles in a row, then the storages' bytes.

use std::collections::HashMap;

use tch::Tensor;

use super::storage::tensor_of_storage;
use super::{Fault, pickle};

/// The first pickle: torch's magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.";
const PROTOCOL: i64 = 1001;

/// All tensors, in the file's order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, Fault> {
    let mut rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| Fault::format("a pickle that torch.save did not write; save it with torch.save"))?;
    let mut next = || -> Result<pickle::Document<'_>, Fault> {
        let document = pickle::parse(rest)?;
        rest = &rest[document.length..];
        Ok(document)
    };
    if next()?.int() != Some(PROTOCOL) {
        return Err(Fault::format("an unknown version of torch's older format"));
    }
    next()?; // what machine wrote it; all common ones are little-endian
    let tensors = next()?.tensors()?;
    let keys = next()?;
    let keys = keys.texts().ok_or_else(|| Fault::format("a damaged list of storages"))?;

    // Each storage: its number of elements, then them. Only the tensors tell how wide an element is.
    let widths: HashMap<&str, usize> =
        tensors.iter().map(|(_, tensor)| (tensor.key, tensor.view.kind.elt_size_in_bytes())).collect();
    let mut storages = HashMap::new();
    for key in keys {
        let cut = || Fault::format("cut short inside the tensors' bytes; fetch it again");
        let (count, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let Some(width) = widths.get(key) else {
            return Err(Fault::format(format!("storage `{key}` belongs to no tensor, so its length is unknown")));
        };
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(*width));
        let (storage, after) = length.and_then(|length| after.split_at_checked(length)).ok_or_else(cut)?;
        storages.insert(key, storage);
        rest = after;
    }
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let storage = storages
                .get(tensor.key)
                .ok_or_else(|| Fault::format(format!("`{name}`: its storage `{}` is missing", tensor.key)))?;
            let made = tensor_of_storage(&name, storage, &tensor.view)?;
            Ok((name, made))
        })
        .collect()
}
