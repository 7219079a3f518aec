//! What the machine does while it trains: GPUs through NVML, the host and this process through the kernel.
//!
//! Every series name ends in its unit. What a device or kernel does not tell is absent, never zero and never NaN. The
//! whole list is in `docs/telemetry.md`.

mod gpu;
mod host;
mod inventory;
mod nvml;
mod process;
mod rate;
mod thread;
mod visible;

use std::path::Path;
use std::time::Instant;

pub use gpu::{Gpu, GpuError, Quantity};
pub use inventory::{GpuInfo, Inventory, inventory};
pub use thread::{Handle, Reading, spawn};

/// Reads everything there is to read, once a call.
pub struct Sampler {
    gpus: Vec<gpu::Poll>,
    host: host::Host,
    process: process::Process,
    remarks: Vec<String>,
}

impl Sampler {
    /// A sampler of the GPUs that CUDA shows this process, of the host, and of this process.
    ///
    /// `folder` is where the session is written: the free space of its filesystem is among the samples.
    pub fn new(folder: &Path) -> Self {
        let (gpus, remark) = match nvml::visible() {
            Ok(gpus) => (gpus, None),
            // A machine without an NVIDIA driver is no mistake, and `atelier doctor` says why there is none.
            Err(nvml::Absent::NoDriver(_)) => (Vec::new(), None),
            Err(nvml::Absent::Broken(reason)) => (Vec::new(), Some(format!("no GPU telemetry: {reason}"))),
        };
        let mut sampler = Self::with_gpus(gpus, folder);
        sampler.remarks.extend(remark);
        sampler
    }

    /// A sampler of these GPUs, numbered in their order.
    pub fn with_gpus(gpus: Vec<Box<dyn Gpu>>, folder: &Path) -> Self {
        let gpus = gpus.into_iter().enumerate().map(|(index, device)| gpu::Poll::new(index, device)).collect();
        Self { gpus, host: host::Host::new(folder), process: process::Process::new(), remarks: Vec::new() }
    }

    /// Read everything: (series name, value), finite values only. Rates need two readings: the first call has none.
    pub fn sample(&mut self) -> Vec<(String, f64)> {
        let now = Instant::now();
        let mut values = Vec::with_capacity(32 + 32 * self.gpus.len());
        for gpu in &mut self.gpus {
            gpu.sample(&mut values, &mut self.remarks);
        }
        self.host.sample(now, &mut values);
        self.process.sample(now, &mut values);
        values.retain(|(_, value)| value.is_finite());
        values
    }

    /// What went wrong since the last call and is worth a line, each thing said once in the sampler's life.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }
}
