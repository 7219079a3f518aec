//! GPUs as NVML shows them. The library is opened at run time: a machine without an NVIDIA driver has none.

use std::ffi::OsStr;
use std::sync::OnceLock;

use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, PcieUtilCounter, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::gpm::gpm_metrics_get;
use nvml_wrapper::{Device, GpmSample, Nvml};

use super::gpu::{Gpu, GpuError, PCIE_RX, PCIE_TX, Quantity};
use super::visible::{self, Choice};

/// Why there are no GPUs to sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Absent {
    /// The driver's library is not installed: this machine has no NVIDIA GPU, or no driver for it.
    #[error("{0}")]
    NoDriver(String),
    /// There is a driver, and it does not work.
    #[error("{0}")]
    Broken(String),
}

/// What the hardware's counters (GPM, Hopper and later) are asked.
const ACTIVITY: [(GpmMetricId, &str); 8] = [
    (GpmMetricId::SmUtil, "sm_active_percent"),
    (GpmMetricId::SmOccupancy, "sm_occupancy_percent"),
    (GpmMetricId::AnyTensorUtil, "tensor_active_percent"),
    (GpmMetricId::DramBwUtil, "dram_active_percent"),
    (GpmMetricId::PcieTxPerSec, PCIE_TX),
    (GpmMetricId::PcieRxPerSec, PCIE_RX),
    (GpmMetricId::NvlinkTotalTxPerSec, "nvlink_tx_bytes_per_sec"),
    (GpmMetricId::NvlinkTotalRxPerSec, "nvlink_rx_bytes_per_sec"),
];

/// The library, opened once a process and never closed: handles to its devices then live as long as they like.
pub(super) fn library() -> Result<&'static Nvml, Absent> {
    static LIBRARY: OnceLock<Result<Nvml, Absent>> = OnceLock::new();
    LIBRARY.get_or_init(open).as_ref().map_err(Clone::clone)
}

fn open() -> Result<Nvml, Absent> {
    // The name without a number comes with the development package only.
    let found = Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init();
    let found =
        found.or_else(|error| if matches!(error, NvmlError::LibloadingError(_)) { Nvml::init() } else { Err(error) });
    found.map_err(|error| match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            Absent::NoDriver("libnvidia-ml.so.1 is not installed".to_owned())
        }
        NvmlError::DriverNotLoaded => Absent::NoDriver("the NVIDIA driver is not loaded".to_owned()),
        other => Absent::Broken(format!("NVML does not start: {other}")),
    })
}

/// The devices that CUDA shows this process, in CUDA's order.
pub(super) fn devices() -> Result<Vec<Device<'static>>, Absent> {
    let nvml = library()?;
    let broken = |error: NvmlError| Absent::Broken(format!("NVML lists no devices: {error}"));
    let count = nvml.device_count().map_err(broken)?;
    let all: Vec<Device<'static>> = (0..count).filter_map(|index| nvml.device_by_index(index).ok()).collect();
    let uuids: Vec<String> = all.iter().map(|device| device.uuid().unwrap_or_default()).collect();
    let setting = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let choices = visible::choices(setting.as_deref(), &uuids);
    let device = |choice| match choice {
        Choice::Index(index) => nvml.device_by_uuid(uuids.get(index)?.as_str()).ok(),
        Choice::Mig(uuid) => nvml.device_by_uuid(uuid).ok(),
    };
    Ok(choices.into_iter().filter_map(device).collect())
}

/// The same devices, ready to be sampled.
pub(super) fn visible() -> Result<Vec<Box<dyn Gpu>>, Absent> {
    let nvml = library()?;
    Ok(devices()?.into_iter().map(|device| Box::new(NvmlGpu { nvml, device, last: None }) as Box<dyn Gpu>).collect())
}

struct NvmlGpu {
    nvml: &'static Nvml,
    device: Device<'static>,
    /// The counters at the last call.
    last: Option<GpmSample<'static>>,
}

impl Gpu for NvmlGpu {
    fn name(&self) -> String {
        self.device.name().unwrap_or_else(|_| "unknown".to_owned())
    }

    fn quantity(&mut self, quantity: Quantity) -> Result<f64, GpuError> {
        let device = &self.device;
        let integer = |value: Result<u32, NvmlError>| value.map(f64::from);
        let errors = |kind| device.total_ecc_errors(kind, EccCounter::Volatile).map(|count| count as f64);
        let value = match quantity {
            Quantity::Utilization => device.utilization_rates().map(|rates| f64::from(rates.gpu)),
            Quantity::MemoryUtilization => device.utilization_rates().map(|rates| f64::from(rates.memory)),
            Quantity::MemoryUsed => device.memory_info().map(|memory| memory.used as f64),
            Quantity::MemoryTotal => device.memory_info().map(|memory| memory.total as f64),
            Quantity::Power => integer(device.power_usage()),
            Quantity::PowerLimit => integer(device.enforced_power_limit()),
            Quantity::Energy => device.total_energy_consumption().map(|energy| energy as f64),
            Quantity::Temperature => integer(device.temperature(TemperatureSensor::Gpu)),
            Quantity::SmClock => integer(device.clock_info(Clock::SM)),
            Quantity::MemoryClock => integer(device.clock_info(Clock::Memory)),
            Quantity::Fan => integer(device.fan_speed(0)),
            Quantity::PcieTx => integer(device.pcie_throughput(PcieUtilCounter::Send)),
            Quantity::PcieRx => integer(device.pcie_throughput(PcieUtilCounter::Receive)),
            Quantity::Encoder => device.encoder_utilization().map(|info| f64::from(info.utilization)),
            Quantity::Decoder => device.decoder_utilization().map(|info| f64::from(info.utilization)),
            Quantity::ThrottleReasons => device.current_throttle_reasons().map(|reasons| reasons.bits() as f64),
            Quantity::EccCorrected => errors(MemoryError::Corrected),
            Quantity::EccUncorrected => errors(MemoryError::Uncorrected),
        };
        value.map_err(|error| gpu_error(&error))
    }

    fn activity(&mut self) -> Result<Vec<(&'static str, f64)>, GpuError> {
        if self.last.is_none() && !self.device.gpm_support().map_err(|error| gpu_error(&error))? {
            return Err(GpuError::Unsupported);
        }
        let sample = self.device.gpm_sample().map_err(|error| gpu_error(&error))?;
        let Some(before) = self.last.replace(sample) else {
            return Ok(Vec::new());
        };
        let Some(after) = &self.last else {
            return Ok(Vec::new());
        };
        let metrics = ACTIVITY.map(|(metric, _)| metric);
        let results = gpm_metrics_get(self.nvml, &before, after, &metrics).map_err(|error| gpu_error(&error))?;
        let mut values = Vec::with_capacity(results.len());
        for (result, (_, name)) in results.into_iter().zip(ACTIVITY) {
            // A metric that this device lacks (NVLink on a PCIe card) is absent.
            if let Ok(metric) = result {
                let factor = if name.ends_with("bytes_per_sec") { bytes(&metric.metric_info.unit) } else { 1.0 };
                values.push((name, metric.value * factor));
            }
        }
        Ok(values)
    }

    fn processes(&mut self) -> Result<Vec<(u32, Option<u64>)>, GpuError> {
        let processes = self.device.running_compute_processes().map_err(|error| gpu_error(&error))?;
        Ok(processes
            .into_iter()
            .map(|process| match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => (process.pid, Some(bytes)),
                UsedGpuMemory::Unavailable => (process.pid, None),
            })
            .collect())
    }
}

/// Bytes in the unit in which GPM gives a throughput. nvml.h says MiB/s for all of them; the unit that comes with the
/// value says the same or is empty.
fn bytes(unit: &str) -> f64 {
    match unit.split('/').next().unwrap_or_default().trim() {
        "B" | "bytes" => 1.0,
        "KB" => 1e3,
        "KiB" => 1024.0,
        "MB" => 1e6,
        "GB" => 1e9,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => 1024.0 * 1024.0,
    }
}

fn gpu_error(error: &NvmlError) -> GpuError {
    match error {
        NvmlError::NotSupported
        | NvmlError::InvalidArg
        | NvmlError::NoPermission
        | NvmlError::NotFound
        | NvmlError::FunctionNotFound
        | NvmlError::FailedToLoadSymbol(_) => GpuError::Unsupported,
        NvmlError::GpuLost | NvmlError::ResetRequired => GpuError::Lost(error.to_string()),
        other => GpuError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_in_bytes_whatever_the_unit() {
        assert_eq!(bytes("MiB/s"), 1_048_576.0);
        assert_eq!(bytes(""), 1_048_576.0);
        assert_eq!(bytes("GB/sec"), 1e9);
    }

    #[test]
    fn what_a_device_cannot_do_is_told_from_what_it_did_not_do() {
        assert_eq!(gpu_error(&NvmlError::NotSupported), GpuError::Unsupported);
        assert!(matches!(gpu_error(&NvmlError::GpuLost), GpuError::Lost(_)));
        assert!(matches!(gpu_error(&NvmlError::Unknown), GpuError::Failed(_)));
    }
}
