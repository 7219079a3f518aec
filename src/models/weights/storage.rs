//! Tensors from raw little-endian bytes, and back.

use tch::{Kind, TchError, Tensor};

use super::Fault;

/// A view of a storage, as a state dict describes it: elements, not bytes.
#[derive(Debug, Clone)]
pub(super) struct Strided {
    pub kind: Kind,
    pub offset: usize,
    pub size: Vec<usize>,
    pub stride: Vec<usize>,
}

/// A tensor of its own from exactly the bytes of a contiguous one.
pub(super) fn tensor_of_bytes(name: &str, bytes: &[u8], shape: &[i64], kind: Kind) -> Result<Tensor, Fault> {
    // Checked here because libtorch would read as many bytes as the shape says.
    let expected = shape
        .iter()
        .try_fold(kind.elt_size_in_bytes(), |length, &side| length.checked_mul(usize::try_from(side).ok()?));
    if expected != Some(bytes.len()) {
        return Err(Fault::format(format!(
            "`{name}`: shape {shape:?} of {kind:?} does not take {} bytes",
            bytes.len()
        )));
    }
    Ok(Tensor::f_from_data_size(bytes, shape, kind)?)
}

/// A contiguous tensor of its own from a view of a storage's bytes. A view that repeats elements (expanded) is refused:
/// it could ask for any amount of memory.
pub(super) fn tensor_of_storage(name: &str, storage: &[u8], view: &Strided) -> Result<Tensor, Fault> {
    let bad = |what: &str| {
        let Strided { offset, size, stride, .. } = view;
        Fault::format(format!("`{name}`: {what} (size {size:?}, stride {stride:?}, offset {offset})"))
    };
    if view.size.len() != view.stride.len() {
        return Err(bad("size and stride do not match"));
    }
    let shape: Vec<i64> = view.size.iter().map(|&side| side as i64).collect();
    let elements =
        view.size.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)).ok_or_else(|| bad("too large"))?;
    if elements == 0 {
        return tensor_of_bytes(name, &[], &shape, view.kind);
    }
    let reach = view
        .size
        .iter()
        .zip(&view.stride)
        .try_fold(0_usize, |at, (&side, &stride)| at.checked_add((side - 1).checked_mul(stride)?))
        .and_then(|reach| reach.checked_add(1))
        .ok_or_else(|| bad("too large"))?;
    if elements > reach {
        return Err(bad("an expanded tensor; save its contiguous copy"));
    }
    let width = view.kind.elt_size_in_bytes();
    let end = view.offset.checked_add(reach).and_then(|end| end.checked_mul(width)).ok_or_else(|| bad("too large"))?;
    let bytes =
        storage.get(view.offset * width..end).ok_or_else(|| bad("reaches past its storage: is the file cut short?"))?;
    if is_contiguous(&view.size, &view.stride) {
        return tensor_of_bytes(name, bytes, &shape, view.kind);
    }
    let stride: Vec<i64> = view.stride.iter().map(|&step| step as i64).collect();
    let flat = tensor_of_bytes(name, bytes, &[reach as i64], view.kind)?;
    Ok(flat.f_as_strided(shape.as_slice(), stride.as_slice(), 0)?.f_contiguous()?)
}

/// The bytes of a tensor on any device, in any memory layout, as a contiguous one.
pub(super) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    let elements = tensor.numel();
    let mut bytes = vec![0; elements * tensor.f_kind()?.elt_size_in_bytes()];
    if elements > 0 {
        tensor.f_detach()?.f_copy_data_u8(&mut bytes, elements)?;
    }
    Ok(bytes)
}

/// Row-major strides, in elements.
pub(super) fn contiguous_stride(size: &[usize]) -> Vec<usize> {
    let mut stride = vec![1_usize; size.len()];
    for at in (1..size.len()).rev() {
        stride[at - 1] = stride[at].saturating_mul(size[at].max(1));
    }
    stride
}

/// Row-major but for sides of one, whose stride means nothing.
fn is_contiguous(size: &[usize], stride: &[usize]) -> bool {
    contiguous_stride(size).iter().zip(stride).zip(size).all(|((want, have), &side)| side == 1 || want == have)
}
