//! A tensor's memory in place: tch would copy from or to a slice, which costs more than most of what is done with it.

use tch::{Device, Kind, TchError, Tensor};

/// A new contiguous float32 tensor of `size` in host memory, filled by `fill`, which gets its elements in row-major
/// order. They hold whatever the memory held: `fill` writes all of them.
pub fn filled<E: From<TchError>>(size: &[i64], fill: impl FnOnce(&mut [f32]) -> Result<(), E>) -> Result<Tensor, E> {
    let tensor = Tensor::f_empty(size, (Kind::Float, Device::Cpu))?;
    let count = tensor.numel();
    if count == 0 {
        fill(&mut [])?;
        return Ok(tensor);
    }
    // SAFETY: `empty` gives a contiguous allocation of `count` aligned floats, by a foreign allocator whose memory has
    // some value in every byte, and every pattern is a float. No other handle to it exists yet, and the slice ends
    // before the tensor is handed out.
    let elements = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), count) };
    fill(elements)?;
    Ok(tensor)
}

/// The elements of a contiguous float32 tensor in host memory, in row-major order.
///
/// Nothing may write to the tensor meanwhile: neither `work` nor another thread, through whatever handle.
///
/// # Errors
/// The tensor is of another kind, on a device, or not contiguous.
pub fn read<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> R) -> Result<R, TchError> {
    if tensor.device() != Device::Cpu || tensor.f_kind()? != Kind::Float || !tensor.is_contiguous() {
        return Err(TchError::Kind(format!("{tensor:?} is no contiguous float32 tensor in host memory")));
    }
    let count = tensor.numel();
    if count == 0 {
        return Ok(work(&[]));
    }
    // SAFETY: a contiguous tensor of `count` floats in host memory, which `tensor` keeps alive for as long as the slice;
    // by the contract above nobody writes to it.
    Ok(work(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), count) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_floats_in_host_memory_are_read() {
        let tensor = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).reshape([2, 2]);
        assert_eq!(read(&tensor, <[f32]>::to_vec).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(read(&tensor.narrow(0, 1, 1), <[f32]>::to_vec).unwrap(), [3.0, 4.0], "begins where the part does");
        assert_eq!(read(&tensor.narrow(0, 0, 0), <[f32]>::to_vec).unwrap(), [0.0; 0]);
        let error = read(&tensor.transpose(0, 1), |_| ()).unwrap_err().to_string();
        assert!(error.contains("contiguous"), "{error}");
        assert!(read(&tensor.to_kind(Kind::Double), |_| ()).is_err());
    }

    #[test]
    fn what_is_written_is_the_tensor() {
        let tensor = filled::<TchError>(&[2, 3], |elements| {
            for (n, v) in elements.iter_mut().enumerate() {
                *v = n as f32;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(tensor.size(), [2, 3]);
        assert_eq!(Vec::<f32>::try_from(tensor.reshape([6])).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(filled::<TchError>(&[0, 3], |_| Ok(())).unwrap().numel(), 0);
    }
}
