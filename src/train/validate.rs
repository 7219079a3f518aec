//! Held-out metrics and the pictures that go with them.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use tch::{Device, Kind, TchError, Tensor};

use crate::data::batch::{Batch, BatchError, Batches};
use crate::models::perceptual::judge::{Judge, Score, Tally};
use crate::train::learner::Learner;

/// Why validation or sampling came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// A held-out batch could not be had.
    #[error("held-out pairs: {0}")]
    Data(BatchError),
    /// libtorch refused.
    #[error("{0}")]
    Torch(#[from] TchError),
    /// A picture could not be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The picture or its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Pairs that nothing learns from, and what judges on them.
pub struct HeldOut {
    /// The pairs.
    pub batches: Box<dyn Batches>,
    /// The metrics.
    pub judge: Judge,
}

impl HeldOut {
    /// What a reader of the session must know: metrics that were asked for and are not measured.
    pub fn remarks(&self) -> Vec<String> {
        self.judge.unavailable().iter().map(|one| format!("val/{one}")).collect()
    }
}

/// Over the held-out pairs, `val/<metric>` of the prediction and `val/identity_<metric>` of the untouched input, the
/// baseline that a trained network must beat: the mean over the pairs, or the distance of all of them. `seed` is the
/// experiment's.
pub fn validate(
    learner: &Learner,
    held_out: &mut HeldOut,
    max_pairs: usize,
    seed: u64,
) -> Result<Vec<(String, f64)>, ValidateError> {
    let HeldOut { batches, judge } = held_out;
    let mut tally = Tally::default();
    let mut pairs = 0;
    for index in 0..batches.per_epoch() {
        if max_pairs > 0 && pairs >= max_pairs {
            break;
        }
        let batch = batches.batch(0, index).map_err(ValidateError::Data)?;
        let prediction = learner.predict(&batch.input)?;
        tally.extend(measure(judge, &prediction, &batch)?);
        pairs += batch.ids.len();
    }
    let scores = judge.scores(&tally, seed)?;
    Ok(scores
        .iter()
        .flat_map(|Score { metric, prediction, identity }| {
            let name = metric.name();
            let baseline = identity.as_ref().map(|identity| (format!("val/identity_{name}"), identity.value()));
            [(format!("val/{name}"), prediction.value())].into_iter().chain(baseline)
        })
        .collect())
}

/// Measure what a generator made of a batch, `[B, 3, H, W]` in [-1, 1], against its targets and beside its inputs.
pub fn measure(judge: &Judge, prediction: &Tensor, batch: &Batch) -> Result<Tally, TchError> {
    judge.measure(&to_unit(prediction)?, &to_unit(&batch.target)?, Some(&to_unit(&batch.input)?))
}

/// [-1, 1] to [0, 1], clamped.
fn to_unit(image: &Tensor) -> Result<Tensor, TchError> {
    image.f_to_kind(Kind::Float)?.f_add_scalar(1.0)?.f_mul_scalar(0.5)?.f_clamp(0.0, 1.0)
}

/// Write `input | target | prediction`, side by side, of the first `count` held-out pairs to
/// `<dir>/step-XXXXXXXX/NN.png`; the folder appears whole or not at all. Gives its path.
pub fn sample(
    learner: &Learner,
    batches: &mut dyn Batches,
    count: usize,
    dir: &Path,
    step: i64,
) -> Result<PathBuf, ValidateError> {
    let target = dir.join(format!("step-{step:08}"));
    let partial = dir.join(format!("step-{step:08}.partial"));
    fs::remove_dir_all(&partial).ok();
    let drawn = draw(learner, batches, count, &partial).and_then(|()| {
        fs::remove_dir_all(&target).ok();
        fs::rename(&partial, &target).map_err(wrote(&partial))
    });
    if let Err(error) = drawn {
        // On a full disk what was half written only makes it worse.
        fs::remove_dir_all(&partial).ok();
        return Err(error);
    }
    Ok(target)
}

fn wrote(path: &Path) -> impl FnOnce(io::Error) -> ValidateError {
    let path = path.to_owned();
    move |source| ValidateError::Write { path, source }
}

/// The pictures, into the new folder `dir`.
fn draw(learner: &Learner, batches: &mut dyn Batches, count: usize, dir: &Path) -> Result<(), ValidateError> {
    fs::create_dir_all(dir).map_err(wrote(dir))?;
    let mut written = 0;
    for index in 0..batches.per_epoch() {
        if written >= count {
            break;
        }
        let batch = batches.batch(0, index).map_err(ValidateError::Data)?;
        for picture in triptychs(learner, &batch)?.into_iter().take(count - written) {
            let path = dir.join(format!("{written:02}.png"));
            // Encoded first and written in one go: `RgbImage::save` drops the error of its last write, and on a full
            // disk would leave torn pictures that count as drawn.
            let mut png = Cursor::new(Vec::new());
            picture.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other).map_err(wrote(&path))?;
            fs::write(&path, png.into_inner()).map_err(wrote(&path))?;
            written += 1;
        }
    }
    Ok(())
}

/// `input | target | prediction` of each pair of a batch.
fn triptychs(learner: &Learner, batch: &Batch) -> Result<Vec<RgbImage>, ValidateError> {
    let prediction = learner.predict(&batch.input)?;
    let parts = [&batch.input, &batch.target, &prediction.f_to_kind(Kind::Float)?];
    // [B, 3, H, 3W] in [-1, 1] to bytes [B, H, 3W, 3]
    let bytes = Tensor::f_cat(&parts, 3)?
        .f_add_scalar(1.0)?
        .f_mul_scalar(127.5)?
        .f_round()?
        .f_clamp(0.0, 255.0)?
        .f_permute([0, 2, 3, 1])?
        .f_to_kind(Kind::Uint8)?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?;
    let (count, height, width, _) = bytes.size4()?;
    (0..count)
        .map(|index| {
            let raw = Vec::<u8>::try_from(bytes.f_get(index)?.f_flatten(0, -1)?)?;
            RgbImage::from_raw(width as u32, height as u32, raw)
                .ok_or_else(|| TchError::Shape(format!("a sample of {width}x{height} pixels has too few bytes")).into())
        })
        .collect()
}
