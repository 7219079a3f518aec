//! Write a fresh tensor's memory in place: tch would copy from a slice, which costs more than most of what fills it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
