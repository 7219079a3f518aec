//! Scalars of a step that the device has still to compute: read without holding it up.

use tch::{Device, Kind, TchError, Tensor};

use crate::native::torch::Mark;
use crate::record::At;

/// Seconds of a step by phase.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Phases {
    /// Waiting for the loader.
    pub data: f64,
    /// Forward passes and losses.
    pub forward: f64,
    /// Gradients.
    pub backward: f64,
    /// Clipping, update, moving average.
    pub optimizer: f64,
}

/// Marks around the phases of one micro-batch.
#[derive(Debug)]
pub struct Lap {
    /// Before the forward pass.
    pub begin: Mark,
    /// After it.
    pub forward: Mark,
    /// After the gradients.
    pub backward: Mark,
}

/// A step whose work is queued and whose scalars are on their way to the host.
#[derive(Debug)]
pub struct Pending {
    /// The position the step leads to.
    pub at: At,
    /// Names of the scalars, in their order in `packed`.
    pub names: Vec<String>,
    /// The scalars, copied behind the step's own work.
    packed: Tensor,
    data_seconds: f64,
    laps: Vec<Lap>,
    end: Mark,
    arrived: Mark,
}

/// A step's scalars, on the host.
#[derive(Debug)]
pub struct Finished {
    /// The position the step led to.
    pub at: At,
    /// Scalars by name.
    pub values: Vec<(String, f64)>,
    /// Where its time went.
    pub phases: Phases,
    /// Seconds it took by itself, its waiting for data included.
    pub seconds: f64,
    /// When the device was done with it.
    pub end: Mark,
}

impl Pending {
    /// Queue the copy of `scalars` (one element each) to the host.
    pub fn new(
        at: At,
        scalars: Vec<(String, Tensor)>,
        data_seconds: f64,
        laps: Vec<Lap>,
        device: Device,
    ) -> Result<Self, TchError> {
        let (names, tensors): (Vec<_>, Vec<_>) = scalars.into_iter().unzip();
        let flat: Vec<_> = tensors
            .iter()
            .map(|tensor| tensor.f_detach()?.f_reshape([1])?.f_to_kind(Kind::Double))
            .collect::<Result<_, _>>()?;
        let end = Mark::now(device)?;
        // Non-blocking, into pinned memory: the mark after it tells when the values are there.
        let packed = Tensor::f_cat(&flat, 0)?.f_to_device_(Device::Cpu, Kind::Double, true, false)?;
        let arrived = Mark::now(device)?;
        Ok(Self { at, names, packed, data_seconds, laps, end, arrived })
    }

    /// Wait for the device to finish the step, and read its scalars.
    pub fn finish(self) -> Result<Finished, TchError> {
        self.arrived.wait()?;
        let values = Vec::<f64>::try_from(&self.packed)?;
        let mut phases = Phases { data: self.data_seconds, ..Phases::default() };
        let mut last = None;
        for lap in &self.laps {
            phases.forward += lap.forward.seconds_since(&lap.begin)?;
            phases.backward += lap.backward.seconds_since(&lap.forward)?;
            last = Some(&lap.backward);
        }
        if let Some(backward) = last {
            phases.optimizer = self.end.seconds_since(backward)?;
        }
        let busy = self.laps.first().map_or(Ok(0.0), |lap| self.end.seconds_since(&lap.begin))?;
        let values = self.names.into_iter().zip(values).collect();
        Ok(Finished { at: self.at, values, phases, seconds: phases.data + busy, end: self.end })
    }
}
