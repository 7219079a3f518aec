//! One network's parameters, gathered tensor by tensor.

use std::collections::HashMap;
use std::path::Path;

use tch::{Device, Kind, TchError, Tensor};

use super::LoadError;
use crate::models::params::{Layout, Params, ParamsError, gist};
use crate::models::stable_diffusion::net::kind_of;

/// The tensors of one network, as they come.
pub struct Part {
    layout: Layout,
    shapes: HashMap<String, Vec<i64>>,
    tensors: Vec<(String, Tensor)>,
    /// Names of tensors that hold what no weight can be.
    broken: Vec<String>,
    kind: Kind,
    device: Device,
}

impl Part {
    /// None of them yet.
    pub fn new(layout: Layout, kind: Kind, device: Device) -> Self {
        let shapes = layout.iter().cloned().collect();
        Self { layout, shapes, tensors: Vec::new(), broken: Vec::new(), kind, device }
    }

    /// Another shape for one of them.
    pub fn expect(&mut self, name: &str, shape: Vec<i64>) {
        if let Some((_, old)) = self.layout.iter_mut().find(|(known, _)| known == name) {
            old.clone_from(&shape);
        }
        self.shapes.insert(name.to_owned(), shape);
    }

    /// Take one in, by its key in the network.
    pub fn take(&mut self, name: String, tensor: Tensor) -> Result<(), TchError> {
        let Some(shape) = self.shapes.get(&name) else {
            self.tensors.push((name, tensor)); // reported at the end, with all else
            return Ok(());
        };
        if !matches!(tensor.f_kind()?, Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double) {
            self.broken.push(format!("`{name}` holds {:?}, not floating-point numbers", tensor.f_kind()?));
            return Ok(());
        }
        // What once were 1x1 convolutions are linear layers now, and the other way round: the numbers are the same.
        let tensor = if is_pointwise(&tensor.size(), shape) { tensor.f_view(shape.as_slice())? } else { tensor };
        let tensor = tensor.f_to_kind(kind_of(&name, self.kind))?;
        if !is_finite(&tensor)? {
            let count = tensor.f_isfinite()?.f_logical_not()?.f_sum(Kind::Int64)?;
            self.broken.push(format!("`{name}` has {} values that are NaN or infinite", i64::try_from(&count)?));
        }
        self.tensors.push((name, tensor.f_to_device(self.device)?));
        Ok(())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The parameters, or all that keeps the tensors from being them; `path` is for the message.
    pub fn finish(self, path: &Path) -> Result<Params, LoadError> {
        if !self.broken.is_empty() {
            let what = format!("damaged weights: {}; fetch or convert them again", gist(&self.broken));
            return Err(LoadError::unfit(path, what));
        }
        Params::frozen(&self.layout, &self.tensors).map_err(|error| match error {
            ParamsError::Torch(cause) => LoadError::torch(path)(cause),
            mismatch @ ParamsError::Mismatch(_) => LoadError::unfit(path, mismatch.to_string()),
        })
    }
}

/// Whether two shapes differ by a kernel of 1x1 alone.
fn is_pointwise(have: &[i64], want: &[i64]) -> bool {
    let (long, short) = if have.len() > want.len() { (have, want) } else { (want, have) };
    short.len() == 2 && long.len() == 4 && long[..2] == *short && long[2..] == [1, 1]
}

fn is_finite(tensor: &Tensor) -> Result<bool, TchError> {
    if tensor.numel() == 0 {
        return Ok(true);
    }
    // One pass without a mask: NaN and infinities reach the extremes.
    let (low, high) = tensor.f_aminmax(None, false)?;
    Ok(f64::try_from(&low.f_to_kind(Kind::Double)?)?.is_finite()
        && f64::try_from(&high.f_to_kind(Kind::Double)?)?.is_finite())
}
