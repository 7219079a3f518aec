//! One GPU: which quantities are asked, what they are called, and what happens when it does not answer.

/// What a GPU can be asked, in NVML's own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Share of the last period in which a kernel ran, percent.
    Utilization,
    /// Share of the last period in which device memory was read or written, percent.
    MemoryUtilization,
    /// Device memory in use, bytes.
    MemoryUsed,
    /// Device memory, bytes.
    MemoryTotal,
    /// Power drawn, milliwatts.
    Power,
    /// Power limit in force, milliwatts.
    PowerLimit,
    /// Energy drawn since the driver was loaded, millijoules.
    Energy,
    /// Temperature of the chip, degrees Celsius.
    Temperature,
    /// Clock of the multiprocessors, MHz.
    SmClock,
    /// Clock of the memory, MHz.
    MemoryClock,
    /// Intended fan speed, percent.
    Fan,
    /// Sent over PCIe, KB/s (NVML measures 20 ms for it).
    PcieTx,
    /// Received over PCIe, KB/s (NVML measures 20 ms for it).
    PcieRx,
    /// Utilization of the video encoder, percent.
    Encoder,
    /// Utilization of the video decoder, percent.
    Decoder,
    /// Why clocks are held down, NVML's bit mask.
    ThrottleReasons,
    /// Memory errors corrected since the driver was loaded.
    EccCorrected,
    /// Memory errors not corrected since the driver was loaded.
    EccUncorrected,
}

/// Series name, quantity, and the factor from NVML's unit to the name's.
const GAUGES: [(&str, Quantity, f64); 17] = [
    ("utilization_percent", Quantity::Utilization, 1.0),
    ("memory_utilization_percent", Quantity::MemoryUtilization, 1.0),
    ("memory_used_bytes", Quantity::MemoryUsed, 1.0),
    ("memory_total_bytes", Quantity::MemoryTotal, 1.0),
    ("power_watts", Quantity::Power, 1e-3),
    ("power_limit_watts", Quantity::PowerLimit, 1e-3),
    ("energy_joules", Quantity::Energy, 1e-3),
    ("temperature_celsius", Quantity::Temperature, 1.0),
    ("sm_clock_mhz", Quantity::SmClock, 1.0),
    ("memory_clock_mhz", Quantity::MemoryClock, 1.0),
    ("fan_percent", Quantity::Fan, 1.0),
    (PCIE_TX, Quantity::PcieTx, 1000.0),
    (PCIE_RX, Quantity::PcieRx, 1000.0),
    ("encoder_utilization_percent", Quantity::Encoder, 1.0),
    ("decoder_utilization_percent", Quantity::Decoder, 1.0),
    ("ecc_corrected_errors", Quantity::EccCorrected, 1.0),
    ("ecc_uncorrected_errors", Quantity::EccUncorrected, 1.0),
];

/// Bits of NVML's throttle reasons that a person can act on (nvml.h, `nvmlClocksEventReason*`).
const THROTTLES: [(&str, u64); 6] = [
    ("throttle_software_power_cap", 0x04),
    ("throttle_hardware_slowdown", 0x08),
    ("throttle_sync_boost", 0x10),
    ("throttle_software_thermal", 0x20),
    ("throttle_hardware_thermal", 0x40),
    ("throttle_power_brake", 0x80),
];

/// The series that GPM also gives, without the wait.
pub(super) const PCIE_TX: &str = "pcie_tx_bytes_per_sec";
pub(super) const PCIE_RX: &str = "pcie_rx_bytes_per_sec";

/// What is asked besides gauges.
const ACTIVITY: &str = "activity counters";
const THROTTLE: &str = "throttle reasons";
const PROCESS: &str = "processes";

/// Processes that get a series of their own, the largest first: a shared machine must not flood the store.
const PROCESSES: usize = 16;

/// Why a GPU did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// This device or driver never will: not asked again.
    #[error("not supported")]
    Unsupported,
    /// The device fell off the bus: nothing of it is asked again.
    #[error("the GPU is lost: {0}")]
    Lost(String),
    /// Not this time.
    #[error("{0}")]
    Failed(String),
}

/// One GPU as the sampler sees it: the border to NVML, and where tests put a device of their own.
pub trait Gpu: Send {
    /// The device's product name.
    fn name(&self) -> String;

    /// One quantity, in its own unit.
    fn quantity(&mut self, quantity: Quantity) -> Result<f64, GpuError>;

    /// Activity since the last call as (series name, value), from the hardware's counters. Empty on the first call.
    fn activity(&mut self) -> Result<Vec<(&'static str, f64)>, GpuError>;

    /// Processes that compute on the GPU: (pid, bytes of device memory where known).
    fn processes(&mut self) -> Result<Vec<(u32, Option<u64>)>, GpuError>;
}

/// One GPU and what is still asked of it.
pub(super) struct Poll {
    index: usize,
    device: Box<dyn Gpu>,
    gauges: Vec<(&'static str, Quantity, f64)>,
    /// What it does not answer besides gauges.
    lacks: Vec<&'static str>,
    lost: bool,
    /// What was complained of already.
    said: Vec<&'static str>,
}

impl Poll {
    pub(super) fn new(index: usize, device: Box<dyn Gpu>) -> Self {
        let gauges = GAUGES.to_vec();
        Self { index, device, gauges, lacks: Vec::new(), lost: false, said: Vec::new() }
    }

    /// Append this GPU's values, and to `remarks` what is worth saying for the first time.
    pub(super) fn sample(&mut self, values: &mut Vec<(String, f64)>, remarks: &mut Vec<String>) {
        if self.lost {
            return;
        }
        let index = self.index;
        let mut push = |name: &str, value: f64| values.push((format!("gpu{index}/{name}"), value));

        let mut from_counters = Vec::new();
        if self.asks(ACTIVITY) {
            match self.device.activity() {
                Ok(found) => from_counters = found,
                Err(error) => self.note(ACTIVITY, &error, remarks),
            }
        }
        for &(name, value) in &from_counters {
            push(name, value);
        }

        let mut kept = Vec::with_capacity(self.gauges.len());
        for (name, quantity, factor) in std::mem::take(&mut self.gauges) {
            if self.lost {
                return;
            }
            if from_counters.iter().any(|&(known, _)| known == name) {
                kept.push((name, quantity, factor));
                continue;
            }
            match self.device.quantity(quantity) {
                Ok(value) => {
                    push(name, value * factor);
                    kept.push((name, quantity, factor));
                }
                Err(error) => {
                    if self.keep(name, &error, remarks) {
                        kept.push((name, quantity, factor));
                    }
                }
            }
        }
        self.gauges = kept;

        if self.asks(THROTTLE) {
            match self.device.quantity(Quantity::ThrottleReasons) {
                Ok(mask) => {
                    for (name, bit) in THROTTLES {
                        push(name, f64::from(u8::from(mask as u64 & bit != 0)));
                    }
                }
                Err(error) => self.note(THROTTLE, &error, remarks),
            }
        }
        if self.asks(PROCESS) {
            match self.device.processes() {
                Ok(processes) => push_processes(processes, std::process::id(), push),
                Err(error) => self.note(PROCESS, &error, remarks),
            }
        }
    }

    fn asks(&self, what: &str) -> bool {
        !self.lost && !self.lacks.contains(&what)
    }

    fn note(&mut self, what: &'static str, error: &GpuError, remarks: &mut Vec<String>) {
        if !self.keep(what, error, remarks) {
            self.lacks.push(what);
        }
    }

    /// Whether to ask for `what` again after `error`.
    fn keep(&mut self, what: &'static str, error: &GpuError, remarks: &mut Vec<String>) -> bool {
        match error {
            GpuError::Unsupported => false,
            GpuError::Lost(_) => {
                self.lost = true;
                remarks.push(format!("gpu{} ({}): {error}; its telemetry ends here", self.index, self.device.name()));
                false
            }
            GpuError::Failed(reason) => {
                if !self.said.contains(&what) {
                    self.said.push(what);
                    remarks.push(format!("gpu{}: {what} could not be read: {reason}", self.index));
                }
                true
            }
        }
    }
}

/// How many processes there are, this one's memory, and the memory of the largest others.
fn push_processes(mut processes: Vec<(u32, Option<u64>)>, own: u32, mut push: impl FnMut(&str, f64)) {
    push("processes", processes.len() as f64);
    processes.sort_by_key(|&(pid, bytes)| (std::cmp::Reverse(bytes), pid));
    for (pid, bytes) in processes.iter().take(PROCESSES) {
        if let Some(bytes) = bytes {
            push(&format!("process_{pid}_memory_bytes"), *bytes as f64);
        }
    }
    if let Some((_, Some(bytes))) = processes.iter().find(|&&(pid, _)| pid == own) {
        push("own_memory_bytes", *bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A device that answers what it is told to and counts what it is asked.
    #[derive(Default, Clone)]
    struct Fake {
        answers: HashMap<Quantity, Result<f64, GpuError>>,
        activity: Vec<(&'static str, f64)>,
        processes: Vec<(u32, Option<u64>)>,
        asked: Arc<Mutex<HashMap<Quantity, usize>>>,
    }

    impl Gpu for Fake {
        fn name(&self) -> String {
            "Fake 1".to_owned()
        }

        fn quantity(&mut self, quantity: Quantity) -> Result<f64, GpuError> {
            *self.asked.lock().unwrap().entry(quantity).or_default() += 1;
            self.answers.get(&quantity).cloned().unwrap_or(Err(GpuError::Unsupported))
        }

        fn activity(&mut self) -> Result<Vec<(&'static str, f64)>, GpuError> {
            if self.activity.is_empty() { Err(GpuError::Unsupported) } else { Ok(self.activity.clone()) }
        }

        fn processes(&mut self) -> Result<Vec<(u32, Option<u64>)>, GpuError> {
            Ok(self.processes.clone())
        }
    }

    fn sample(poll: &mut Poll) -> (HashMap<String, f64>, Vec<String>) {
        let (mut values, mut remarks) = (Vec::new(), Vec::new());
        poll.sample(&mut values, &mut remarks);
        (values.into_iter().collect(), remarks)
    }

    #[test]
    fn nvml_units_become_the_names_units() {
        let answers = [
            (Quantity::Power, 412_500.0),
            (Quantity::Energy, 9_000.0),
            (Quantity::PcieTx, 7.0),
            (Quantity::Utilization, 98.0),
            (Quantity::MemoryUsed, 1e10),
            (Quantity::ThrottleReasons, f64::from(0x04_u32 | 0x40)),
        ];
        let answers = answers.into_iter().map(|(quantity, value)| (quantity, Ok(value))).collect();
        let (values, remarks) = sample(&mut Poll::new(3, Box::new(Fake { answers, ..Fake::default() })));
        assert_eq!(remarks, Vec::<String>::new());
        assert_eq!(values["gpu3/power_watts"], 412.5);
        assert_eq!(values["gpu3/energy_joules"], 9.0);
        assert_eq!(values["gpu3/pcie_tx_bytes_per_sec"], 7000.0);
        assert_eq!(values["gpu3/utilization_percent"], 98.0);
        assert_eq!(values["gpu3/memory_used_bytes"], 1e10);
        assert_eq!(values["gpu3/throttle_software_power_cap"], 1.0);
        assert_eq!(values["gpu3/throttle_hardware_thermal"], 1.0);
        assert_eq!(values["gpu3/throttle_power_brake"], 0.0);
        assert!(!values.contains_key("gpu3/fan_percent"), "what a device lacks is absent: {values:?}");
    }

    #[test]
    fn the_unsupported_is_asked_once_and_the_failing_again() {
        let answers = HashMap::from([(Quantity::Temperature, Err(GpuError::Failed("timeout".to_owned())))]);
        let fake = Fake { answers, ..Fake::default() };
        let asked = fake.asked.clone();
        let mut poll = Poll::new(0, Box::new(fake));
        let remarks: Vec<String> = (0..3).flat_map(|_| sample(&mut poll).1).collect();
        assert_eq!(remarks, ["gpu0: temperature_celsius could not be read: timeout"]);
        let asked = asked.lock().unwrap();
        assert_eq!((asked[&Quantity::Temperature], asked[&Quantity::Fan]), (3, 1));
    }

    #[test]
    fn a_lost_gpu_is_said_once_and_then_left_alone() {
        let answers = HashMap::from([(Quantity::Utilization, Err(GpuError::Lost("xid 79".to_owned())))]);
        let fake = Fake { answers, ..Fake::default() };
        let asked = fake.asked.clone();
        let mut poll = Poll::new(1, Box::new(fake));
        let remarks: Vec<String> = (0..3).flat_map(|_| sample(&mut poll).1).collect();
        assert_eq!(remarks, ["gpu1 (Fake 1): the GPU is lost: xid 79; its telemetry ends here"]);
        assert_eq!(asked.lock().unwrap().values().sum::<usize>(), 1);
    }

    #[test]
    fn counters_replace_the_slow_pcie_reading() {
        let fake = Fake { activity: vec![(PCIE_TX, 5.0), ("tensor_active_percent", 61.0)], ..Fake::default() };
        let asked = fake.asked.clone();
        let (values, _) = sample(&mut Poll::new(0, Box::new(fake)));
        assert_eq!((values["gpu0/pcie_tx_bytes_per_sec"], values["gpu0/tensor_active_percent"]), (5.0, 61.0));
        assert!(!asked.lock().unwrap().contains_key(&Quantity::PcieTx));
        assert!(asked.lock().unwrap().contains_key(&Quantity::PcieRx));
    }

    #[test]
    fn processes_are_counted_and_the_largest_named() {
        let mut processes: Vec<(u32, Option<u64>)> = (1..=20).map(|pid| (pid, Some(u64::from(pid) * 100))).collect();
        processes.push((99, None));
        let mut values = HashMap::new();
        push_processes(processes, 2, |name, value| {
            values.insert(name.to_owned(), value);
        });
        assert_eq!(values["processes"], 21.0);
        assert_eq!(values["own_memory_bytes"], 200.0);
        assert_eq!(values["process_20_memory_bytes"], 2000.0);
        assert!(!values.contains_key("process_1_memory_bytes") && !values.contains_key("process_99_memory_bytes"));
    }
}
