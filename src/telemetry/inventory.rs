//! What machine this is: written into a session's manifest and shown by `atelier doctor`.

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::nvml::{self, Absent};

/// A machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// Its network name.
    pub host: String,
    /// Operating system and release.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Processor architecture as Rust calls it.
    pub architecture: String,
    /// The processors' own name.
    pub cpu: String,
    /// Logical processors that this process may use.
    pub cpus: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// The NVIDIA driver's release, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The newest CUDA that the driver serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<String>,
    /// Why no GPU is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_gpus: Option<String>,
    /// The GPUs that CUDA shows this process, in CUDA's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuInfo>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GpuInfo {
    /// CUDA's index of it in this process.
    pub index: usize,
    /// Product name.
    pub name: String,
    /// NVML's identity, stable across boots.
    pub uuid: String,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Compute capability, as `9.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Power limit in force, watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_watts: Option<f64>,
}

/// Look at this machine.
pub fn inventory() -> Inventory {
    let kinds =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds).ok();
    let system = system.as_ref();
    let unknown = || "unknown".to_owned();
    let brand = system.and_then(|system| system.cpus().first()).map(|cpu| cpu.brand().trim().to_owned());
    let mut found = Inventory {
        host: System::host_name().unwrap_or_else(|_| unknown()),
        os: System::long_os_version().unwrap_or_else(|_| unknown()),
        kernel: System::kernel_version().unwrap_or_else(|_| unknown()),
        architecture: std::env::consts::ARCH.to_owned(),
        cpu: brand.filter(|brand| !brand.is_empty()).unwrap_or_else(unknown),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: system.map_or(0, System::total_memory),
        ..Inventory::default()
    };
    match (nvml::library(), nvml::devices()) {
        (Ok(nvml), Ok(devices)) => {
            found.driver = nvml.sys_driver_version().ok();
            let cuda = nvml.sys_cuda_driver_version().ok();
            found.cuda = cuda.map(|version| format!("{}.{}", version / 1000, version % 1000 / 10));
            found.gpus = devices.iter().enumerate().map(|(index, device)| gpu(index, device)).collect();
            if found.gpus.is_empty() {
                found.no_gpus = Some(match std::env::var("CUDA_VISIBLE_DEVICES") {
                    Ok(setting) => format!("CUDA_VISIBLE_DEVICES={setting} hides them all"),
                    Err(_) => "the driver lists none".to_owned(),
                });
            }
        }
        (Err(Absent::NoDriver(reason) | Absent::Broken(reason)), _)
        | (_, Err(Absent::NoDriver(reason) | Absent::Broken(reason))) => found.no_gpus = Some(reason),
    }
    found
}

fn gpu(index: usize, device: &nvml_wrapper::Device<'_>) -> GpuInfo {
    GpuInfo {
        index,
        name: device.name().unwrap_or_else(|_| "unknown".to_owned()),
        uuid: device.uuid().unwrap_or_default(),
        memory_bytes: device.memory_info().map_or(0, |memory| memory.total),
        compute_capability: device.cuda_compute_capability().ok().map(|it| format!("{}.{}", it.major, it.minor)),
        power_limit_watts: device.enforced_power_limit().ok().map(|milliwatts| f64::from(milliwatts) / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described_and_survives_toml() {
        let found = inventory();
        assert!(found.cpus >= 1 && found.memory_bytes > 1 << 20, "{found:?}");
        assert!(found.gpus.is_empty() == found.no_gpus.is_some(), "either GPUs or why not: {found:?}");
        let text = toml_edit::ser::to_string(&found).unwrap();
        assert_eq!(toml_edit::de::from_str::<Inventory>(&text).unwrap(), found);
    }
}
