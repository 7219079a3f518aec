//! The layers that the three networks share, as functions of a [`Net`] and a key.

use tch::{Kind, TchError, Tensor};

use super::lora::Prepared;
use crate::models::params::Params;

/// A frozen network as one pass reads it: its parameters and the adapters beside them. A layer finds both by its key.
#[derive(Debug, Clone, Copy)]
pub struct Net<'a> {
    /// The frozen parameters.
    pub params: &'a Params,
    /// What is added to layers or stands in for parameters.
    pub adapters: &'a Prepared,
}

impl Net<'_> {
    /// The parameter of this key: an adapter's where it has one.
    pub fn get(&self, key: &str) -> Result<&Tensor, TchError> {
        self.adapters
            .replaced(key)
            .or_else(|| self.params.get(key))
            .ok_or_else(|| TchError::TensorNameNotFound(key.to_owned(), "the network's parameters".to_owned()))
    }

    fn bias(&self, key: &str) -> Option<&Tensor> {
        let key = format!("{key}.bias");
        self.adapters.replaced(&key).or_else(|| self.params.get(&key))
    }

    /// Linear layer `[.., in]` → `[.., out]`, with a bias where it has one.
    pub fn linear(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let weight = self.get(&format!("{key}.weight"))?;
        let Some(adapter) = self.adapters.layer(key) else {
            return x.f_linear(weight, self.bias(key));
        };
        // As one matrix, so that the adapter's product can be added in place.
        let rows = x.f_flatten(0, -2)?; // [N, in]
        let mut y = rows.f_linear(weight, self.bias(key))?; // [N, out]
        let low = self.adapters.dropped(&rows)?.f_linear(&adapter.down, None::<&Tensor>)?; // [N, r]
        let y = y.f_addmm_(&low, &adapter.up.f_transpose(0, 1)?)?;
        let mut shape = x.size();
        if let Some(last) = shape.last_mut() {
            *last = y.size2()?.1;
        }
        y.f_view(shape.as_slice())
    }

    /// Convolution `[B, in, H, W]` → `[B, out, H', W']` with zero padding.
    pub fn conv(&self, key: &str, x: &Tensor, stride: i64, padding: i64) -> Result<Tensor, TchError> {
        let weight = self.get(&format!("{key}.weight"))?;
        let y = x.f_conv2d(weight, self.bias(key), [stride; 2], [padding; 2], [1; 2], 1)?;
        let Some(adapter) = self.adapters.layer(key) else { return Ok(y) };
        let none = None::<&Tensor>;
        let dropped = self.adapters.dropped(x)?;
        let low = dropped.f_conv2d(&adapter.down, none, [stride; 2], [padding; 2], [1; 2], 1)?; // [B, r, H', W']
        y.f_add(&low.f_conv2d(&adapter.up, none, [1; 2], [0; 2], [1; 2], 1)?)
    }

    /// Group norm, computed and returned in its weights' kind: float32 (libtorch would keep mean and deviation of a
    /// bfloat16 input in bfloat16).
    fn wide_group_norm(&self, key: &str, x: &Tensor, groups: i64, eps: f64) -> Result<Tensor, TchError> {
        let weight = self.get(&format!("{key}.weight"))?;
        x.f_to_kind(weight.f_kind()?)?.f_group_norm(groups, Some(weight), self.bias(key), eps, true)
    }

    /// Group norm of `[B, C, ..]`, in the kind of `x`.
    pub fn group_norm(&self, key: &str, x: &Tensor, groups: i64, eps: f64) -> Result<Tensor, TchError> {
        self.wide_group_norm(key, x, groups, eps)?.f_to_kind(x.f_kind()?)
    }

    /// Group norm, then `SiLU`, in the kind of `x`.
    pub fn group_norm_silu(&self, key: &str, x: &Tensor, groups: i64, eps: f64) -> Result<Tensor, TchError> {
        self.wide_group_norm(key, x, groups, eps)?.f_silu()?.f_to_kind(x.f_kind()?)
    }

    /// Layer norm over the last dimension. libtorch accumulates the statistics of a bfloat16 input in float32.
    pub fn layer_norm(&self, key: &str, x: &Tensor, eps: f64) -> Result<Tensor, TchError> {
        let weight = self.get(&format!("{key}.weight"))?;
        x.f_layer_norm(weight.size(), Some(weight), self.bias(key), eps, true)
    }
}

/// The kind in which a network of `kind` keeps the parameter of this name: group norms stay float32.
pub fn kind_of(name: &str, kind: Kind) -> Kind {
    let is_group_norm = match name.rsplit('.').nth(1) {
        Some("norm1" | "norm2") => name.contains("resnets."),
        Some("norm" | "group_norm" | "conv_norm_out") => true,
        _ => false,
    };
    if is_group_norm && kind != Kind::Double { Kind::Float } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_norms_alone_stay_float32() {
        let kept = |name: &str| kind_of(name, Kind::BFloat16) == Kind::Float;
        for name in [
            "down_blocks.0.resnets.1.norm2.bias",
            "mid_block.attentions.0.norm.weight",
            "conv_norm_out.weight",
            "encoder.mid_block.attentions.0.group_norm.bias",
        ] {
            assert!(kept(name), "{name}");
        }
        for name in [
            "mid_block.attentions.0.transformer_blocks.0.norm1.weight",
            "encoder.layers.0.layer_norm1.weight",
            "down_blocks.0.resnets.1.conv1.weight",
            "final_layer_norm.weight",
        ] {
            assert!(!kept(name), "{name}");
        }
        assert_eq!(kind_of("conv_norm_out.weight", Kind::Double), Kind::Double);
    }
}
