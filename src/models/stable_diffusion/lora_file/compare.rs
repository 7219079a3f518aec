//! How large what a LoRA adds is, and how far two are apart: from their small factors, without making the products.

use std::collections::BTreeMap;

use tch::{Kind, TchError, Tensor};

use super::{Layer, LoraFile};

/// One layer of two LoRAs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// `unet.mid_block...`.
    pub layer: String,
    /// Frobenius norm of what the first adds; none where it has no such layer.
    pub first: Option<f64>,
    /// Of what the second adds.
    pub second: Option<f64>,
    /// Of the difference; none where only one has the layer, or their shapes differ.
    pub difference: Option<f64>,
}

impl Comparison {
    /// The difference over the larger of both norms: 0 are equal, 1 and more have nothing to do with each other.
    pub fn relative(&self) -> Option<f64> {
        let larger = self.first?.max(self.second?);
        Some(if larger == 0.0 { 0.0 } else { self.difference? / larger })
    }
}

impl Layer {
    /// Frobenius norm of what it adds to the layer's weight.
    pub fn norm(&self) -> Result<f64, TchError> {
        Ok(inner(self, self)?.max(0.0).sqrt())
    }

    /// Shape of the weight that it is added to, as a matrix.
    fn shape(&self) -> (i64, i64) {
        let inputs = self.down.size().iter().skip(1).product();
        (self.up.size().first().copied().unwrap_or_default(), inputs)
    }
}

/// The inner product of what two layers of one shape add: the trace of (B A)ᵀ (D C), as the sum of
/// Bᵀ D times A Cᵀ element by element, in float64.
fn inner(a: &Layer, b: &Layer) -> Result<f64, TchError> {
    let _guard = tch::no_grad_guard();
    let matrix = |tensor: &Tensor| tensor.f_flatten(1, -1)?.f_to_kind(Kind::Double);
    let ups = matrix(&a.up)?.f_transpose(0, 1)?.f_mm(&matrix(&b.up)?)?;
    let downs = matrix(&a.down)?.f_mm(&matrix(&b.down)?.f_transpose(0, 1)?)?;
    Ok(f64::try_from(&ups.f_mul(&downs)?.f_sum(Kind::Double)?)? * a.scale() * b.scale())
}

/// Every layer of either, by name.
pub fn compare(first: &LoraFile, second: &LoraFile) -> Result<Vec<Comparison>, TchError> {
    let mut layers: BTreeMap<String, [Option<&Layer>; 2]> = BTreeMap::new();
    for (which, file) in [first, second].into_iter().enumerate() {
        for layer in &file.layers {
            layers.entry(layer.name()).or_default()[which] = Some(layer);
        }
    }
    layers
        .into_iter()
        .map(|(layer, [a, b])| {
            let difference = match (a, b) {
                (Some(a), Some(b)) if a.shape() == b.shape() => {
                    Some((inner(a, a)? + inner(b, b)? - 2.0 * inner(a, b)?).max(0.0).sqrt())
                }
                _ => None,
            };
            let norm = |layer: Option<&Layer>| layer.map(Layer::norm).transpose();
            Ok(Comparison { layer, first: norm(a)?, second: norm(b)?, difference })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn layer(down: &[i64], up: &[i64], alpha: f64) -> Layer {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        Layer { network: "unet", module: "x".into(), down: random(down), up: random(up), alpha, rslora: false }
    }

    fn product(layer: &Layer) -> Tensor {
        layer.up.flatten(1, -1).mm(&layer.down.flatten(1, -1)).to_kind(Kind::Double) * layer.scale()
    }

    #[test]
    fn norms_are_those_of_the_products() {
        tch::manual_seed(3);
        let (a, b) = (layer(&[4, 6, 3, 3], &[5, 4, 1, 1], 16.0), layer(&[2, 6, 3, 3], &[5, 2, 1, 1], 1.0));
        let norm = |x: Tensor| f64::try_from(x.norm()).unwrap();
        assert!((a.norm().unwrap() / norm(product(&a)) - 1.0).abs() < 1e-6);
        let file = |layer: Layer| LoraFile {
            layers: vec![layer],
            whole: Vec::new(),
            form: super::super::Form::Kohya,
            metadata: BTreeMap::new(),
            remarks: Vec::new(),
        };
        let wanted = norm(product(&a) - product(&b));
        let (a, b) = (file(a), file(b));
        let found = &compare(&a, &b).unwrap()[0];
        assert!((found.difference.unwrap() / wanted - 1.0).abs() < 1e-6);
        assert!(compare(&a, &a).unwrap()[0].relative().unwrap() < 1e-6);
        let other = file(layer(&[2, 7], &[5, 2], 1.0));
        let found = &compare(&a, &other).unwrap()[0];
        assert_eq!((found.difference, found.relative()), (None, None));
    }
}
