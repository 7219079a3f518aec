//! One pair: read, decode and measure it.

use std::path::Path;

use image::RgbImage;
use sha2::{Digest, Sha256};

use super::{Kind, Problem, RELATED, SHIFTED, SHIFTED_LITTLE, SURE, VERY_SURE};
use crate::data::Pair;
use crate::data::image_file::{self, Decoded};
use crate::data::luminance::{Luminance, correlation, deviation};
use crate::data::manifest::{FileRecord, hex, sha256};
use crate::data::perceptual_hash::Print;
use crate::data::phase_correlation::{self, Shift};

/// Standard deviation of a thumbnail, in levels, under which a picture is too even to be told from another.
const EVEN: f64 = 12.0;

/// What one pair gave.
pub(super) struct Examined {
    pub problems: Vec<Problem>,
    /// Of the photo.
    pub print: Option<Print>,
    /// SHA-256 of the photo's size and pixels.
    pub pixels: String,
    pub shift: Option<Shift>,
    pub correlation: Option<f64>,
}

pub(super) fn examine(pair: &Pair, root: &Path) -> Examined {
    let mut examined =
        Examined { problems: Vec::new(), print: None, pixels: String::new(), shift: None, correlation: None };
    let records = pair.entry.as_ref().map(|entry| (&entry.photo, &entry.illustration));
    let photo = side(pair, root, &pair.photo, records.map(|r| r.0), &mut examined.problems);
    let illustration = side(pair, root, &pair.illustration, records.map(|r| r.1), &mut examined.problems);
    if let Some(photo) = &photo {
        let luminance = Luminance::of(&photo.image);
        examined.print = Some(Print::of(&luminance));
        examined.pixels = pixels(&photo.image);
        if let Some(illustration) = &illustration {
            compare(pair, photo, &luminance, illustration, &mut examined);
        }
    }
    examined
}

/// Read one image and hold it against its line of the manifest.
fn side(
    pair: &Pair,
    root: &Path,
    path: &Path,
    record: Option<&FileRecord>,
    problems: &mut Vec<Problem>,
) -> Option<Decoded> {
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let mut found = |kind, message| problems.push(Problem { kind, id: pair.id.clone(), other: None, message });
    let bytes = match image_file::read(path) {
        Ok(bytes) => bytes,
        Err(fault) => {
            found(Kind::Undecodable, format!("{name} {fault}"));
            return None;
        }
    };
    if let Some(record) = record {
        if record.file != name {
            found(Kind::HashMismatch, format!("{name} stands where the manifest has {}", record.file));
        } else if record.sha256 != sha256(&bytes) {
            let sizes = format!("{} bytes, {} when it was written down", bytes.len(), record.bytes);
            found(Kind::HashMismatch, format!("{name} has changed since the manifest was written ({sizes})"));
        }
    }
    match image_file::decode(&bytes) {
        Ok(decoded) => Some(decoded),
        Err(fault) => {
            found(Kind::Undecodable, format!("{name} {fault}"));
            None
        }
    }
}

fn compare(pair: &Pair, photo: &Decoded, luminance: &Luminance, illustration: &Decoded, examined: &mut Examined) {
    let mut found = |kind, message| examined.problems.push(Problem { kind, id: pair.id.clone(), other: None, message });
    if photo.facts.kind() != illustration.facts.kind() {
        let (o, g) = (photo.facts.kind(), illustration.facts.kind());
        found(Kind::ChannelMismatch, format!("the photo is {o}, the illustration {g}"));
    }
    if photo.image.dimensions() != illustration.image.dimensions() {
        let (o, g) = (photo.image.dimensions(), illustration.image.dimensions());
        found(Kind::SizeMismatch, format!("the photo has {}x{} pixels, the illustration {}x{}", o.0, o.1, g.0, g.1));
        return;
    }
    let drawn = Luminance::of(&illustration.image);
    let (small, small_drawn) = (luminance.shrunk(32, 32), drawn.shrunk(32, 32));
    let alike = correlation(&small.values, &small_drawn.values);
    let shift = phase_correlation::shift(luminance, &drawn);
    if let Some(shift) = shift {
        let even = deviation(&small.values) < EVEN || deviation(&small_drawn.values) < EVEN;
        let bound = if shift.confidence >= VERY_SURE { SHIFTED_LITTLE } else { SHIFTED };
        if shift.confidence >= SURE && shift.distance() >= bound {
            found(
                Kind::Misaligned,
                format!(
                    "the illustration is shifted by {:+.1} pixels to the right and {:+.1} down (confidence {:.0})",
                    shift.dx, shift.dy, shift.confidence
                ),
            );
        } else if shift.confidence < SURE && alike < RELATED && !even {
            found(
                Kind::Unrelated,
                format!(
                    "photo and illustration show different things (correlation {alike:.2}, phase correlation {:.0})",
                    shift.confidence
                ),
            );
        }
    }
    examined.shift = shift;
    examined.correlation = Some(alike);
}

fn pixels(image: &RgbImage) -> String {
    let size = [image.width().to_le_bytes(), image.height().to_le_bytes()].concat();
    hex(&Sha256::new().chain_update(size).chain_update(image.as_raw()).finalize())
}
