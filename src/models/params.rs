//! Named parameters of one network, in a fixed order, and with them what batch norms keep: running statistics, which
//! are part of the reference's state dict and are never trained.

use std::collections::{HashMap, HashSet};

use tch::{Device, Kind, TchError, Tensor};

/// Name and shape of every parameter of a network, in the order of the reference's state dict.
pub type Layout = Vec<(String, Vec<i64>)>;

/// How many scalars a layout holds.
pub fn count(layout: &Layout) -> i64 {
    layout.iter().map(|(_, shape)| shape.iter().product::<i64>()).sum()
}

/// Parameters of one network: leaves that require a gradient (running statistics do not), in the order of the reference's
/// state dict. Float32, unless made with [`Params::from_tensors_as`].
#[derive(Debug, Default)]
pub struct Params {
    entries: Vec<(String, Tensor)>,
    index: HashMap<String, usize>,
}

/// Why tensors did not become parameters. Everything that is wrong is listed, not only the first thing.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// Names or shapes differ from the network's. The message shows the first of them.
    #[error("the weights do not fit the network: {}", gist(.0))]
    Mismatch(Vec<String>),
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// The first of many problems, and how many there are: of another network's weights, all are wrong.
pub fn gist(problems: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = problems.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if problems.len() > SHOWN { format!("{shown}; and {} more", problems.len() - SHOWN) } else { shown }
}

impl Params {
    /// Parameters of this layout, each made by `make` from its name and shape, moved to `device` as float32.
    pub fn build(
        layout: &Layout,
        device: Device,
        mut make: impl FnMut(&str, &[i64]) -> Result<Tensor, TchError>,
    ) -> Result<Self, TchError> {
        let mut params = Self::default();
        for (name, shape) in layout {
            params.push(name, &make(name, shape)?, device, Kind::Float)?;
        }
        Ok(params)
    }

    /// Parameters of this layout from tensors of any floating kind, in any order. Strict: a missing, extra or
    /// misshapen tensor is an error that names it. See [`drop_baggage`] for what to drop before.
    pub fn from_tensors(layout: &Layout, tensors: &[(String, Tensor)], device: Device) -> Result<Self, ParamsError> {
        Self::from_tensors_as(layout, tensors, device, Kind::Float)
    }

    /// The same, kept in `kind`: float64 for checks that rounding must not blur.
    pub fn from_tensors_as(
        layout: &Layout,
        tensors: &[(String, Tensor)],
        device: Device,
        kind: Kind,
    ) -> Result<Self, ParamsError> {
        let chosen = choose(layout, tensors)?;
        let mut params = Self::default();
        for ((name, _), tensor) in layout.iter().zip(chosen) {
            params.push(name, tensor, device, kind)?;
        }
        Ok(params)
    }

    /// Parameters that are never trained, each in the kind and on the device that it has: adopted, not copied. Strict,
    /// as [`Params::from_tensors`].
    pub fn frozen(layout: &Layout, tensors: &[(String, Tensor)]) -> Result<Self, ParamsError> {
        let chosen = choose(layout, tensors)?;
        let mut params = Self::default();
        for ((name, _), tensor) in layout.iter().zip(chosen) {
            params.insert(name, tensor.f_detach()?);
        }
        Ok(params)
    }

    /// Those whose names begin with one of `prefixes`: views, not copies.
    #[must_use]
    pub fn part(&self, prefixes: &[&str]) -> Self {
        let mut params = Self::default();
        for (name, tensor) in self.iter().filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix))) {
            params.insert(name, tensor.shallow_clone());
        }
        params
    }

    /// Overwrite every parameter in place (same storage: an optimizer that holds them goes on). Strict, as
    /// [`Params::from_tensors`]; on a mismatch nothing has changed.
    pub fn assign(&self, tensors: &[(String, Tensor)]) -> Result<(), ParamsError> {
        self.overwrite(&self.layout(), tensors)
    }

    /// Overwrite in place the parameters that `tensors` names; the others stay. An extra or misshapen tensor is an
    /// error, and nothing has changed then.
    pub fn assign_part(&self, tensors: &[(String, Tensor)]) -> Result<(), ParamsError> {
        let mut layout = self.layout();
        layout.retain(|(name, _)| tensors.iter().any(|(given, _)| given == name));
        self.overwrite(&layout, tensors)
    }

    fn overwrite(&self, layout: &Layout, tensors: &[(String, Tensor)]) -> Result<(), ParamsError> {
        let chosen = choose(layout, tensors)?;
        let _guard = tch::no_grad_guard();
        for ((name, _), tensor) in layout.iter().zip(chosen) {
            if let Some(parameter) = self.get(name) {
                parameter.shallow_clone().f_copy_(tensor)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &str, value: &Tensor, device: Device, kind: Kind) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        // copy: the leaf must not share storage with what it was made of.
        let leaf = value.f_detach()?.f_to_device_(device, kind, false, true)?.f_contiguous()?;
        self.insert(name, leaf.f_set_requires_grad(!is_running(name))?);
        Ok(())
    }

    fn insert(&mut self, name: &str, tensor: Tensor) {
        self.index.insert(name.to_owned(), self.entries.len());
        self.entries.push((name.to_owned(), tensor));
    }

    /// Whether a name is one of a batch norm's four.
    pub fn is_of_norm(&self, name: &str) -> bool {
        name.rsplit_once('.').is_some_and(|(stem, _)| self.index.contains_key(&format!("{stem}.running_mean")))
    }

    /// The running statistics, in order: what a forward pass in training writes.
    pub fn running(&self) -> impl Iterator<Item = &Tensor> {
        self.iter().filter(|(name, _)| is_running(name)).map(|(_, tensor)| tensor)
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many scalars.
    pub fn count(&self) -> i64 {
        self.entries.iter().map(|(_, tensor)| tensor.size().iter().product::<i64>()).sum()
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&at| &self.entries[at].1)
    }

    /// Names and shapes, in order.
    pub fn layout(&self) -> Layout {
        self.entries.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
    }

    /// Detached views (no copy) with their names, in order: what a checkpoint saves.
    pub fn snapshot(&self) -> Result<Vec<(String, Tensor)>, TchError> {
        self.entries.iter().map(|(name, tensor)| Ok((name.clone(), tensor.f_detach()?))).collect()
    }
}

/// Whether a name is a batch norm's running mean or variance.
pub fn is_running(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

/// The tensors without known baggage, and a remark on what was dropped when something was. Baggage are the running
/// statistics that PyTorch 0.3 saved for instance norms that never used them (there is no weight beside them), and the
/// count of batches that a batch norm saw, which only matters to one without a momentum.
pub fn drop_baggage(tensors: Vec<(String, Tensor)>) -> (Vec<(String, Tensor)>, Option<String>) {
    let norms: HashSet<String> =
        tensors.iter().filter_map(|(key, _)| key.strip_suffix(".weight").map(str::to_owned)).collect();
    let is_used = |key: &str| key.rsplit_once('.').is_some_and(|(stem, _)| norms.contains(stem));
    let is_baggage = |key: &str| key.ends_with(".num_batches_tracked") || (is_running(key) && !is_used(key));
    let (baggage, kept): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(key, _)| is_baggage(key));
    let remark = baggage.first().map(|(key, _)| {
        format!("ignored {} tensors of running statistics that the networks never use (`{key}`, ...)", baggage.len())
    });
    (kept, remark)
}

/// The tensors of a layout, in its order; or everything that keeps them from fitting.
fn choose<'a>(layout: &Layout, tensors: &'a [(String, Tensor)]) -> Result<Vec<&'a Tensor>, ParamsError> {
    let mut given: HashMap<&str, &Tensor> = HashMap::with_capacity(tensors.len());
    let mut problems = Vec::new();
    for (name, tensor) in tensors {
        if given.insert(name, tensor).is_some() {
            problems.push(format!("`{name}` is there twice"));
        }
    }
    let mut chosen = Vec::with_capacity(layout.len());
    for (name, shape) in layout {
        match given.remove(name.as_str()) {
            None => problems.push(format!("`{name}` {shape:?} is missing")),
            Some(tensor) if tensor.size() != *shape => {
                problems.push(format!("`{name}` is {:?} where the network has {shape:?}", tensor.size()));
            }
            Some(tensor) => chosen.push(tensor),
        }
    }
    let mut extra: Vec<&str> = given.into_keys().collect();
    extra.sort_unstable();
    problems.extend(extra.into_iter().map(|name| format!("`{name}` is not a parameter of the network")));
    if problems.is_empty() { Ok(chosen) } else { Err(ParamsError::Mismatch(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        vec![("b.weight".into(), vec![2, 3]), ("a.bias".into(), vec![2])]
    }

    fn zeros(shape: &[i64], kind: Kind) -> Tensor {
        Tensor::zeros(shape, (kind, Device::Cpu))
    }

    #[test]
    fn keeps_the_layouts_order_casts_and_requires_gradients() {
        let tensors = vec![
            ("a.bias".to_owned(), zeros(&[2], Kind::Half)),
            ("b.weight".to_owned(), zeros(&[2, 3], Kind::BFloat16)),
        ];
        let params = Params::from_tensors(&layout(), &tensors, Device::Cpu).unwrap();
        assert_eq!(params.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b.weight", "a.bias"]);
        assert!(params.iter().all(|(_, t)| t.kind() == Kind::Float && t.requires_grad()));
        assert_eq!((params.len(), params.count(), count(&layout())), (2, 8, 8));
        assert_eq!(params.layout(), layout());
    }

    #[test]
    fn names_everything_that_does_not_fit_and_changes_nothing() {
        let params = Params::build(&layout(), Device::Cpu, |_, shape| Ok(zeros(shape, Kind::Float))).unwrap();
        let wrong = vec![
            ("a.bias".to_owned(), Tensor::ones([3], (Kind::Float, Device::Cpu))),
            ("z.weight".to_owned(), zeros(&[1], Kind::Float)),
        ];
        let message = params.assign(&wrong).unwrap_err().to_string();
        for part in ["`b.weight` [2, 3] is missing", "`a.bias` is [3] where the network has [2]", "`z.weight` is not a"]
        {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(f64::try_from(params.get("a.bias").unwrap().sum(Kind::Float)).unwrap(), 0.0);
    }

    #[test]
    fn assigns_in_place() {
        let params = Params::build(&layout(), Device::Cpu, |_, shape| Ok(zeros(shape, Kind::Float))).unwrap();
        let held = params.get("a.bias").unwrap().shallow_clone();
        let ones: Vec<_> =
            layout().into_iter().map(|(n, s)| (n, Tensor::ones(s.as_slice(), (Kind::Double, Device::Cpu)))).collect();
        params.assign(&ones).unwrap();
        assert_eq!(f64::try_from(held.sum(Kind::Float)).unwrap(), 2.0);
    }

    #[test]
    fn drops_running_statistics_with_a_remark() {
        let tensors = vec![("m.1.weight".to_owned(), Tensor::new()), ("m.2.running_mean".to_owned(), Tensor::new())];
        let (kept, remark) = drop_baggage(tensors);
        assert_eq!(kept.len(), 1);
        assert!(remark.unwrap().contains("m.2.running_mean"));
    }

    #[test]
    fn keeps_the_running_statistics_of_norms_that_use_them() {
        let names = ["m.2.weight", "m.2.bias", "m.2.running_mean", "m.2.running_var", "m.2.num_batches_tracked"];
        let (kept, _) = drop_baggage(names.map(|name| (name.to_owned(), Tensor::new())).into());
        assert_eq!(kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names[..4]);
        let layout: Layout = names[..4].iter().map(|name| ((*name).to_owned(), vec![2])).collect();
        let params = Params::build(&layout, Device::Cpu, |_, shape| Ok(zeros(shape, Kind::Float))).unwrap();
        let trained: Vec<bool> = params.iter().map(|(_, tensor)| tensor.requires_grad()).collect();
        assert_eq!(trained, [true, true, false, false]);
        assert_eq!(params.running().count(), 2);
        assert!(params.is_of_norm("m.2.bias") && !params.is_of_norm("m.1.bias"));
    }
}
