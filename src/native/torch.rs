//! Safe Rust over `shim.cpp`: what tch does not bind.
#![allow(unsafe_code, reason = "foreign functions; every call passes tensors that outlive it")]

use std::ffi::{CStr, CString, c_char, c_double, c_int, c_void};
use std::time::Instant;

use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn atelier_free(text: *mut c_char);
    fn atelier_libtorch_version() -> *const c_char;
    fn atelier_load_library(name: *const c_char) -> *mut c_char;
    fn atelier_fused_adam(
        params: *const *const C_tensor,
        grads: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        steps: *const *const C_tensor,
        count: usize,
        lr: c_double,
        beta1: c_double,
        beta2: c_double,
        weight_decay: c_double,
        eps: c_double,
        decoupled: c_int,
        found_inf: *const C_tensor,
    ) -> *mut c_char;
    fn atelier_clip_grad_norm(
        grads: *const *const C_tensor,
        count: usize,
        max_norm: c_double,
        norm: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn atelier_foreach_add(a: *const *const C_tensor, b: *const *const C_tensor, count: usize) -> *mut c_char;
    fn atelier_foreach_scale(a: *const *const C_tensor, count: usize, factor: c_double) -> *mut c_char;
    fn atelier_foreach_lerp(
        a: *const *const C_tensor,
        b: *const *const C_tensor,
        count: usize,
        weight: c_double,
    ) -> *mut c_char;
    fn atelier_allow_tf32(products: c_int, convolutions: c_int) -> *mut c_char;
    fn atelier_pin_memory(tensor: *const C_tensor, pinned: *mut *mut C_tensor) -> *mut c_char;
    fn atelier_memory(
        index: c_int,
        allocated: *mut i64,
        peak: *mut i64,
        reserved: *mut i64,
        free: *mut i64,
        total: *mut i64,
    ) -> *mut c_char;
    fn atelier_reset_peak_memory(index: c_int) -> *mut c_char;
    fn atelier_empty_cache() -> *mut c_char;
    fn atelier_event_new(event: *mut *mut c_void) -> *mut c_char;
    fn atelier_event_free(event: *mut c_void);
    fn atelier_event_record(event: *mut c_void, index: c_int) -> *mut c_char;
    fn atelier_event_synchronize(event: *const c_void) -> *mut c_char;
    fn atelier_event_elapsed_millis(begin: *const c_void, end: *const c_void, millis: *mut c_double) -> *mut c_char;
}

/// The shim's convention: null is success, else the text of a C++ exception, which is ours to free.
pub(super) fn check(text: *mut c_char) -> Result<(), TchError> {
    if text.is_null() {
        return Ok(());
    }
    // SAFETY: the shim returns a NUL-terminated string from strdup; it is copied, then freed once.
    let message = unsafe {
        let message = CStr::from_ptr(text).to_string_lossy().into_owned();
        atelier_free(text);
        message
    };
    Err(TchError::Torch(message))
}

pub(super) fn handles(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}

/// The version of libtorch that this program was built against, such as `2.11.0`.
pub fn libtorch_version() -> &'static str {
    // SAFETY: a string literal of the shim.
    unsafe { CStr::from_ptr(atelier_libtorch_version()) }.to_str().unwrap_or_default()
}

/// Load libtorch's CUDA half when it is there. The linker drops it as unneeded, and without it CUDA counts as absent.
///
/// # Errors
/// Why it could not be loaded; on a machine without the CUDA libraries this is the usual case.
pub fn load_cuda() -> Result<(), TchError> {
    let name = CString::from(c"libtorch_cuda.so");
    // SAFETY: a NUL-terminated name that lives through the call.
    check(unsafe { atelier_load_library(name.as_ptr()) })
}

/// Hyperparameters of one [`fused_adam`] step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Denominator offset.
    pub eps: f64,
    /// Weight decay: decoupled for `AdamW`, L2 for Adam.
    pub weight_decay: f64,
    /// `AdamW` instead of Adam.
    pub decoupled: bool,
}

/// Moments of the parameters, one tensor each per parameter.
#[derive(Debug)]
pub struct Moments {
    /// First moments.
    pub exp_avgs: Vec<Tensor>,
    /// Second moments.
    pub exp_avg_sqs: Vec<Tensor>,
    /// Updates so far, one float32 element each.
    pub steps: Vec<Tensor>,
}

/// One Adam or `AdamW` step in libtorch's fused kernels, in place. Where `found_inf` (a float32 scalar on the same device)
/// is 1, nothing changes and no update is counted: a non-finite gradient is skipped without asking the host.
pub fn fused_adam(
    params: &[Tensor],
    grads: &[Tensor],
    moments: &mut Moments,
    step: AdamStep,
    found_inf: &Tensor,
) -> Result<(), TchError> {
    let lengths = [grads.len(), moments.exp_avgs.len(), moments.exp_avg_sqs.len(), moments.steps.len()];
    if lengths.iter().any(|length| *length != params.len()) {
        return Err(TchError::Shape(format!("{} parameters, but {lengths:?} gradients and moments", params.len())));
    }
    // SAFETY: five arrays of `params.len()` live handles (checked above); the shim only borrows them.
    check(unsafe {
        atelier_fused_adam(
            handles(params).as_ptr(),
            handles(grads).as_ptr(),
            handles(&moments.exp_avgs).as_ptr(),
            handles(&moments.exp_avg_sqs).as_ptr(),
            handles(&moments.steps).as_ptr(),
            params.len(),
            step.lr,
            step.betas[0],
            step.betas[1],
            step.weight_decay,
            step.eps,
            c_int::from(step.decoupled),
            found_inf.as_ptr(),
        )
    })
}

/// The global L2 norm of `grads`, a scalar left on their device. With `max_norm` > 0 they are scaled in place so that it
/// is not exceeded. The host is not asked.
pub fn clip_grad_norm(grads: &[Tensor], max_norm: f64) -> Result<Tensor, TchError> {
    if grads.is_empty() {
        return Err(TchError::Shape("no gradients to take the norm of".to_owned()));
    }
    let mut norm = std::ptr::null_mut();
    // SAFETY: live handles; on success the shim stores a new tensor, whose ownership `from_ptr` takes.
    unsafe {
        check(atelier_clip_grad_norm(handles(grads).as_ptr(), grads.len(), max_norm, &raw mut norm))?;
        Ok(Tensor::from_ptr(norm))
    }
}

fn same_length(a: &[Tensor], b: &[Tensor]) -> Result<(), TchError> {
    if a.len() == b.len() {
        Ok(())
    } else {
        Err(TchError::Shape(format!("lists of {} and {} tensors", a.len(), b.len())))
    }
}

/// `a += b` over lists, in place.
pub fn add_lists(a: &[Tensor], b: &[Tensor]) -> Result<(), TchError> {
    same_length(a, b)?;
    // SAFETY: two arrays of equal length of live handles.
    check(unsafe { atelier_foreach_add(handles(a).as_ptr(), handles(b).as_ptr(), a.len()) })
}

/// `a *= factor` over a list, in place.
pub fn scale_list(a: &[Tensor], factor: f64) -> Result<(), TchError> {
    // SAFETY: live handles.
    check(unsafe { atelier_foreach_scale(handles(a).as_ptr(), a.len(), factor) })
}

/// `a += weight * (b - a)` over lists, in place: a moving average.
pub fn lerp_lists(a: &[Tensor], b: &[Tensor], weight: f64) -> Result<(), TchError> {
    same_length(a, b)?;
    // SAFETY: two arrays of equal length of live handles.
    check(unsafe { atelier_foreach_lerp(handles(a).as_ptr(), handles(b).as_ptr(), a.len(), weight) })
}

/// Let float32 matrix products, and convolutions, use TF32 (about three digits) on GPUs that have it.
pub fn allow_tf32(products: bool, convolutions: bool) -> Result<(), TchError> {
    // SAFETY: no pointers.
    check(unsafe { atelier_allow_tf32(c_int::from(products), c_int::from(convolutions)) })
}

/// A copy of a CPU tensor in page-locked memory, from which a GPU copies without stopping the host.
pub fn pin_memory(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut pinned = std::ptr::null_mut();
    // SAFETY: a live handle; on success the shim stores a new tensor, whose ownership `from_ptr` takes.
    unsafe {
        check(atelier_pin_memory(tensor.as_ptr(), &raw mut pinned))?;
        Ok(Tensor::from_ptr(pinned))
    }
}

/// Memory of a CUDA device as libtorch's allocator and the driver see it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// In tensors now.
    pub allocated: i64,
    /// Most in tensors since the last reset.
    pub peak_allocated: i64,
    /// Held from the driver.
    pub reserved: i64,
    /// Free on the device, whoever holds the rest.
    pub free: i64,
    /// On the device.
    pub total: i64,
}

/// Memory of a CUDA device; `None` for the CPU.
pub fn device_memory(device: Device) -> Result<Option<DeviceMemory>, TchError> {
    let Device::Cuda(index) = device else { return Ok(None) };
    let mut memory = DeviceMemory { allocated: 0, peak_allocated: 0, reserved: 0, free: 0, total: 0 };
    // SAFETY: five valid out-pointers.
    check(unsafe {
        atelier_memory(
            index as c_int,
            &raw mut memory.allocated,
            &raw mut memory.peak_allocated,
            &raw mut memory.reserved,
            &raw mut memory.free,
            &raw mut memory.total,
        )
    })?;
    Ok(Some(memory))
}

/// Start a new peak for [`DeviceMemory::peak_allocated`].
pub fn reset_peak_memory(device: Device) -> Result<(), TchError> {
    let Device::Cuda(index) = device else { return Ok(()) };
    // SAFETY: no pointers.
    check(unsafe { atelier_reset_peak_memory(index as c_int) })
}

/// Give cached, unused device memory back to the driver.
pub fn empty_cache(device: Device) -> Result<(), TchError> {
    match device {
        // SAFETY: no pointers.
        Device::Cuda(_) => check(unsafe { atelier_empty_cache() }),
        _ => Ok(()),
    }
}

/// A point in a device's work: on a GPU an event in its stream, reached when the work before it is done; on the CPU,
/// where work is done when the call returns, the time of day.
#[derive(Debug)]
pub enum Mark {
    /// The CPU's.
    Cpu(Instant),
    /// A GPU's.
    Cuda(CudaEvent),
}

impl Mark {
    /// Mark this point of the device's current stream.
    pub fn now(device: Device) -> Result<Self, TchError> {
        match device {
            Device::Cuda(index) => CudaEvent::record(index as c_int).map(Self::Cuda),
            _ => Ok(Self::Cpu(Instant::now())),
        }
    }

    /// Wait until the device has come here.
    pub fn wait(&self) -> Result<(), TchError> {
        match self {
            Self::Cpu(_) => Ok(()),
            // SAFETY: the event lives as long as `self`.
            Self::Cuda(event) => check(unsafe { atelier_event_synchronize(event.0) }),
        }
    }

    /// Seconds of the device's time from `earlier` to here; both must have been reached ([`Mark::wait`]).
    pub fn seconds_since(&self, earlier: &Self) -> Result<f64, TchError> {
        match (earlier, self) {
            (Self::Cpu(begin), Self::Cpu(end)) => Ok(end.saturating_duration_since(*begin).as_secs_f64()),
            (Self::Cuda(begin), Self::Cuda(end)) => {
                let mut millis = 0.0;
                // SAFETY: both events live as long as their owners; the out-pointer is valid.
                check(unsafe { atelier_event_elapsed_millis(begin.0, end.0, &raw mut millis) })?;
                Ok(millis / 1e3)
            }
            _ => Err(TchError::Kind("marks of different devices have no time between them".to_owned())),
        }
    }
}

/// An owned CUDA event.
#[derive(Debug)]
pub struct CudaEvent(*mut c_void);

impl CudaEvent {
    fn record(index: c_int) -> Result<Self, TchError> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: a valid out-pointer; on success it holds a new event that `Drop` frees.
        check(unsafe { atelier_event_new(&raw mut raw) })?;
        let event = Self(raw);
        // SAFETY: the event was just made.
        check(unsafe { atelier_event_record(event.0, index) })?;
        Ok(event)
    }
}

impl Drop for CudaEvent {
    fn drop(&mut self) {
        // SAFETY: made by `atelier_event_new`, freed once.
        unsafe { atelier_event_free(self.0) }
    }
}
