//! What a client's thread makes of the tensors that the training thread gave it: numbers, and bytes to send.

use std::io::{self, Write};

use serde_json::{Value, json};
use tch::{TchError, Tensor};

use super::summary::{norm, pieces, plain};
use super::{Body, Found, Piece, Shown, Summary};
use crate::session::control::{Probe, Response};

/// An answer in the making.
#[derive(Debug)]
pub struct Digest {
    rows: Vec<Value>,
    norms: bool,
}

/// An answer that is ready to be sent.
#[derive(Debug)]
pub struct Finished {
    /// What to say.
    pub response: Response,
    /// What was found.
    pub result: Value,
    /// Values that follow the line, float32 on the CPU.
    parts: Vec<Tensor>,
}

impl Digest {
    /// Of the answer to this probe.
    pub fn of(probe: &Probe) -> Self {
        Self { rows: Vec::new(), norms: matches!(probe, Probe::GradientNorms { .. }) }
    }

    /// Take a piece in.
    pub fn take(&mut self, piece: &Piece) -> Result<(), TchError> {
        for (name, tensor) in &piece.tensors {
            self.rows.push(if self.norms {
                json!({ "step": piece.step, "name": name, "norm": norm(tensor)? })
            } else {
                row(name, tensor, piece.step)?
            });
        }
        Ok(())
    }

    /// The answer, all pieces having come.
    pub fn finish(self, found: Found) -> Result<Finished, TchError> {
        let Found { at, time, body } = found;
        let mut parts = Vec::new();
        let (message, result) = match body {
            Body::List(tensors) => {
                let list: Vec<Value> = tensors
                    .iter()
                    .map(|(name, shape, kind)| json!({ "name": name, "shape": shape, "kind": kind }))
                    .collect();
                (format!("{} tensors", list.len()), json!({ "tensors": list }))
            }
            Body::Taps(names) => (format!("{} taps", names.len()), json!({ "names": names })),
            Body::Stats => (format!("{} tensors", self.rows.len()), json!({ "rows": self.rows })),
            Body::Norms => (format!("{} norms", self.rows.len()), json!({ "rows": self.rows })),
            Body::Tensor(name, tensor) => {
                let shape = tensor.size();
                parts.push(plain(&tensor)?);
                (format!("{name} {shape:?}"), json!({ "name": name, "shape": shape, "kind": "f32" }))
            }
            Body::Shown(shown) => ("predicted".to_owned(), show(shown, &mut parts, at.step)?),
        };
        let response = Response::Ok { message, step: at.step, epoch: Some(at.epoch).filter(|e| e.is_finite()), time };
        Ok(Finished { response, result, parts })
    }
}

/// Statistics of a tensor. What is not finite is null in JSON.
fn row(name: &str, tensor: &Tensor, step: i64) -> Result<Value, TchError> {
    let Summary { count, nans, zeros, mean, std, min, max, norm } = Summary::of(tensor)?;
    Ok(json!({
        "name": name, "shape": tensor.size(), "count": count, "mean": mean, "std": std, "min": min, "max": max,
        "norm": norm, "nans": nans, "zeros": zeros, "step": step,
    }))
}

fn show(shown: Shown, parts: &mut Vec<Tensor>, step: i64) -> Result<Value, TchError> {
    let Shown { input, target, output, saliency, taps, id, by_average } = shown;
    let mut listed = Vec::new();
    let mut offset = 0;
    let mut add = |name: String, tensor: Tensor| {
        listed.push(json!({ "name": name, "shape": tensor.size(), "offset": offset }));
        offset += 4 * tensor.numel();
        parts.push(tensor);
    };
    let score = saliency.as_ref().map(|saliency| saliency.score);
    let pictures = [
        ("input", Some(input)),
        ("target", target),
        ("output", Some(output)),
        ("saliency", saliency.map(|saliency| saliency.gradient)),
    ];
    for (name, picture) in pictures {
        if let Some(picture) = picture {
            add(name.to_owned(), plain(&picture)?.f_squeeze_dim(0)?);
        }
    }
    let mut stats = Vec::with_capacity(taps.len());
    for (name, tensor) in taps {
        let tensor = plain(&tensor)?;
        stats.push(row(&name, &tensor, step)?);
        add(format!("tap:{name}"), tensor);
    }
    let weights = if by_average { "average" } else { "trained" };
    Ok(json!({ "parts": listed, "stats": stats, "id": id, "weights": weights, "score": score }))
}

impl Finished {
    /// Bytes that follow the line.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| 4 * part.numel() as u64).sum()
    }

    /// Send them.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            let mut written = Ok(());
            let flat = part.f_flatten(0, -1).map_err(io::Error::other)?;
            let read = pieces(&flat, |values| {
                if written.is_ok() {
                    bytes.clear();
                    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
                    written = to.write_all(&bytes);
                }
            });
            read.map_err(io::Error::other)?;
            written?;
        }
        Ok(())
    }
}
