//! Safe Rust over `checkpoint.cpp`: a segment of the autograd graph that is computed again on the way back.
#![allow(unsafe_code, reason = "foreign functions that call back; see each block")]

use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

use super::torch::{check, handles};

unsafe extern "C" {
    fn atelier_checkpoint(
        inputs: *const *const C_tensor,
        count: usize,
        run: unsafe extern "C" fn(*mut c_void, *const *const C_tensor, usize, *mut *mut C_tensor) -> *mut c_char,
        release: unsafe extern "C" fn(*mut c_void),
        context: *mut c_void,
        output: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn strdup(text: *const c_char) -> *mut c_char;
}

type Run = dyn Fn(&[Tensor]) -> Result<Tensor, TchError> + Send;

/// What `segment` makes of `inputs`, keeping nothing of how: when a gradient is asked for, it runs once more, with the
/// generators as they were, so that dropout repeats. Gradients flow to the inputs alone; what else the segment owns is
/// fixed. It may run on another thread (libtorch's, one a GPU), while the one that asked waits.
pub fn checkpoint(
    inputs: &[Tensor],
    segment: impl Fn(&[Tensor]) -> Result<Tensor, TchError> + Send + 'static,
) -> Result<Tensor, TchError> {
    let segment: Box<Run> = Box::new(segment);
    // Twice boxed, because a pointer to a `dyn` is two words.
    let context = Box::into_raw(Box::new(segment)).cast::<c_void>();
    let mut output = std::ptr::null_mut();
    // SAFETY: live handles; `context` is given away, and freed once by `release`, also on failure; on success the shim
    // stores a new tensor, whose ownership `from_ptr` takes.
    unsafe {
        check(atelier_checkpoint(handles(inputs).as_ptr(), inputs.len(), run, release, context, &raw mut output))?;
        Ok(Tensor::from_ptr(output))
    }
}

/// Calls the closure behind `context`; nothing unwinds into C++.
///
/// # Safety
/// `context` comes from [`checkpoint`] and was not released; `inputs` are `count` live tensors, and `output` is valid.
unsafe extern "C" fn run(
    context: *mut c_void,
    inputs: *const *const C_tensor,
    count: usize,
    output: *mut *mut C_tensor,
) -> *mut c_char {
    // SAFETY: the contract above. `clone_from_ptr` makes handles of our own.
    let (segment, inputs) = unsafe {
        let borrowed = std::slice::from_raw_parts(inputs, count);
        let inputs: Vec<Tensor> = borrowed.iter().map(|&input| Tensor::clone_from_ptr(input.cast_mut())).collect();
        (&*context.cast::<Box<Run>>(), inputs)
    };
    let what = match catch_unwind(AssertUnwindSafe(|| segment(&inputs))) {
        Ok(Ok(tensor)) => {
            // SAFETY: the receiver owns the tensor from here on.
            unsafe { *output = std::mem::ManuallyDrop::new(tensor).as_mut_ptr() };
            return std::ptr::null_mut();
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a panic in a checkpointed segment".to_owned(),
    };
    let what = CString::new(what.replace('\0', " ")).unwrap_or_default();
    // SAFETY: a NUL-terminated text; the receiver frees the copy.
    unsafe { strdup(what.as_ptr()) }
}

/// Frees the closure.
///
/// # Safety
/// `context` comes from [`checkpoint`], and this is its last use.
unsafe extern "C" fn release(context: *mut c_void) {
    // SAFETY: the contract above.
    drop(unsafe { Box::from_raw(context.cast::<Box<Run>>()) });
}
