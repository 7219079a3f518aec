//! The `.pth` form since PyTorch 1.6: a zip of one pickle and one uncompressed entry a storage.

use std::io::{Cursor, Read};
use std::ops::Range;

use tch::Tensor;
use zip::{CompressionMethod, ZipArchive};

use super::storage::tensor_of_storage;
use super::{Fault, pickle};

/// All tensors, in the file's order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, Fault> {
    let broken = |error| Fault::format(format!("a damaged zip file ({error}); fetch or write it again"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    // Entries lie in one folder, named as the file once was.
    let names: Vec<String> = archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let folder = names
        .iter()
        .find_map(|name| name.strip_suffix("data.pkl").filter(|folder| folder.is_empty() || folder.ends_with('/')))
        .map(str::to_owned);
    let Some(folder) = folder else {
        return Err(Fault::format("a zip without `data.pkl`: torch.save did not write it"));
    };
    if names.iter().any(|name| *name == format!("{folder}constants.pkl")) {
        return Err(Fault::format("a TorchScript program, not a state dict; save `module.state_dict()` instead"));
    }
    let order = entry(&mut archive, bytes.len(), &format!("{folder}byteorder"))?;
    if order.is_some_and(|order| &bytes[order] != b"little") {
        return Err(Fault::format("written on a big-endian machine, which is not supported"));
    }
    let pickle = entry(&mut archive, bytes.len(), &format!("{folder}data.pkl"))?
        .ok_or_else(|| Fault::format("a zip without `data.pkl`"))?;
    let document = pickle::parse(&bytes[pickle])?;
    document
        .tensors()?
        .into_iter()
        .map(|(name, tensor)| {
            let storage = entry(&mut archive, bytes.len(), &format!("{folder}data/{}", tensor.key))?
                .ok_or_else(|| Fault::format(format!("`{name}`: its storage `{}` is missing", tensor.key)))?;
            let made = tensor_of_storage(&name, &bytes[storage], &tensor.view)?;
            Ok((name, made))
        })
        .collect()
}

/// Where an uncompressed entry's bytes lie in a file of `length` bytes; none when there is no such entry.
fn entry<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    length: usize,
    name: &str,
) -> Result<Option<Range<usize>>, Fault> {
    let Some(index) = archive.index_for_name_raw(name.as_bytes()) else { return Ok(None) };
    let damaged = || Fault::format(format!("a damaged zip file at entry `{name}`; fetch or write it again"));
    let file = archive.by_index(index).ok().ok_or_else(damaged)?;
    if file.compression() != CompressionMethod::Stored || file.encrypted() {
        return Err(Fault::format(format!(
            "entry `{name}` is compressed, as torch.save never does; zip it uncompressed"
        )));
    }
    let start = file.data_start().and_then(|start| usize::try_from(start).ok()).ok_or_else(damaged)?;
    let size = usize::try_from(file.size()).ok().ok_or_else(damaged)?;
    let end = start.checked_add(size).filter(|&end| end <= length).ok_or_else(damaged)?;
    Ok(Some(start..end))
}
