//! GPUs, their driver, and NVML.

use std::fs;
use std::path::Path;

use super::{Check, bytes};
use crate::telemetry::Inventory;

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    if let Some(reason) = &inventory.no_gpus {
        return vec![none(reason, on_bus(Path::new("/sys/bus/pci/devices")))];
    }
    let unknown = "unknown".to_owned();
    let driver = inventory.driver.as_ref().unwrap_or(&unknown);
    let cuda = inventory.cuda.as_ref().unwrap_or(&unknown);
    let mut checks = vec![match cuda.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major < 13 => Check::error(
            "driver",
            format!("{driver}, which serves CUDA up to {cuda}"),
            "libtorch 2.11.0 is built for CUDA 13: install driver 580 or later",
        ),
        _ => Check::ok("driver", format!("{driver}, CUDA {cuda}; NVML answers")),
    }];
    for gpu in &inventory.gpus {
        let capability = gpu.compute_capability.as_ref().unwrap_or(&unknown);
        let limit = gpu.power_limit_watts.map(|watts| format!(", {watts:.0} W")).unwrap_or_default();
        let memory = bytes(gpu.memory_bytes);
        let finding = format!("{}: {}, {memory}, compute capability {capability}{limit}", gpu.index, gpu.name);
        checks.push(Check::ok("gpu", finding));
    }
    checks
}

/// No GPU to use: a machine without one is as it is, one with an idle card can be helped.
fn none(reason: &str, on_bus: usize) -> Check {
    if reason.starts_with("CUDA_VISIBLE_DEVICES") {
        return Check::warning("gpu", reason, "unset it, or name the GPUs to use");
    }
    if on_bus > 0 {
        let finding = format!("{on_bus} NVIDIA GPU on the bus, but {reason}");
        return Check::warning(
            "gpu",
            finding,
            "install the NVIDIA driver (580 or later); in a container, pass the GPU in",
        );
    }
    Check::warning(
        "gpu",
        format!("none ({reason})"),
        "nothing for configs/quickstart.toml; the paper's configs take days on a CPU",
    )
}

/// NVIDIA's display and compute devices on the PCI bus.
fn on_bus(devices: &Path) -> usize {
    let Ok(entries) = fs::read_dir(devices) else {
        return 0;
    };
    let read = |path: &Path, name| fs::read_to_string(path.join(name)).unwrap_or_default();
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let path = entry.path();
            read(&path, "vendor").trim() == "0x10de" && read(&path, "class").starts_with("0x03")
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;
    use crate::telemetry::GpuInfo;

    #[test]
    fn a_driver_that_is_too_old_is_an_error() {
        let gpus = vec![GpuInfo { name: "NVIDIA X".to_owned(), memory_bytes: 80 << 30, ..GpuInfo::default() }];
        let driver = |cuda: &str| Inventory {
            driver: Some("560.1".to_owned()),
            cuda: Some(cuda.to_owned()),
            gpus: gpus.clone(),
            ..Inventory::default()
        };
        let statuses = |cuda| checks(&driver(cuda)).iter().map(|check| check.status).collect::<Vec<_>>();
        assert_eq!(statuses("12.8"), [Status::Error, Status::Ok]);
        assert_eq!(statuses("13.0"), [Status::Ok, Status::Ok]);
    }

    #[test]
    fn an_idle_card_is_told_from_no_card() {
        let devices = tempfile::tempdir().unwrap();
        for (slot, vendor, class) in
            [("a", "0x10de\n", "0x030200\n"), ("b", "0x10de\n", "0x040300\n"), ("c", "0x8086\n", "0x030000\n")]
        {
            fs::create_dir(devices.path().join(slot)).unwrap();
            fs::write(devices.path().join(slot).join("vendor"), vendor).unwrap();
            fs::write(devices.path().join(slot).join("class"), class).unwrap();
        }
        assert_eq!(on_bus(devices.path()), 1);
        assert!(none("no driver", 1).remedy.unwrap().contains("driver"));
        assert!(none("no driver", 0).remedy.unwrap().contains("quickstart"));
    }
}
