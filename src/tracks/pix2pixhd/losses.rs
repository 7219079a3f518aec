//! Track 1's losses. Predictions and features come in the arithmetic's precision; every mean is taken in float32.

use tch::{Kind, TchError, Tensor};

use crate::config::GanMode;
use crate::models::layers::wide;
use crate::models::perceptual::vgg::Vgg19;

/// Weights of VGG's five taps.
const TAPS: [f64; 5] = [1.0 / 32.0, 1.0 / 16.0, 1.0 / 8.0, 1.0 / 4.0, 1.0];

/// What a discriminator should say of these images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An illustration.
    Real,
    /// A prediction.
    Fake,
}

/// How far the discriminator's maps are from `verdict`. Least squares: summed over scales, as NVIDIA's code; hinge:
/// averaged over them, as SPADE's.
pub fn discriminator(mode: GanMode, scales: &[Vec<Tensor>], verdict: Verdict) -> Result<Tensor, TchError> {
    over_scales(mode, scales, |map| match (mode, verdict) {
        (GanMode::Lsgan, Verdict::Real) => squares(&map.f_sub_scalar(1.0)?),
        (GanMode::Lsgan, Verdict::Fake) => squares(map),
        (GanMode::Hinge, Verdict::Real) => mean(&map.f_neg()?.f_add_scalar(1.0)?.f_relu()?),
        (GanMode::Hinge, Verdict::Fake) => mean(&map.f_add_scalar(1.0)?.f_relu()?),
    })
}

/// How far the maps of predictions are from passing as illustrations.
pub fn generator(mode: GanMode, scales: &[Vec<Tensor>]) -> Result<Tensor, TchError> {
    match mode {
        GanMode::Lsgan => discriminator(mode, scales, Verdict::Real),
        GanMode::Hinge => over_scales(mode, scales, |map| mean(&map.f_neg()?)),
    }
}

/// L1 between the features of prediction and illustration, all layers but the last, weighted 4 / (layers D has) over
/// the number of scales. No gradient flows to `real`.
pub fn feature_matching(fake: &[Vec<Tensor>], real: &[Vec<Tensor>]) -> Result<Tensor, TchError> {
    let mut terms = Vec::new();
    for (fake, real) in fake.iter().zip(real) {
        let layers = fake.len() - 1;
        for (fake, real) in fake.iter().zip(real).take(layers) {
            terms.push(l1(fake, &real.f_detach()?)?.f_mul_scalar(4.0 / layers as f64)?);
        }
    }
    sum(terms)?.f_div_scalar(fake.len() as f64)
}

/// L1 between VGG's features of prediction and illustration. No gradient flows to `real`.
pub fn perceptual(vgg: &Vgg19, fake: &Tensor, real: &Tensor) -> Result<Tensor, TchError> {
    let wanted = tch::no_grad(|| vgg.features(real))?;
    let have = vgg.features(fake)?;
    let terms =
        have.iter().zip(&wanted).zip(TAPS).map(|((have, wanted), weight)| l1(have, wanted)?.f_mul_scalar(weight));
    sum(terms.collect::<Result<_, _>>()?)
}

/// Mean absolute difference, in float32 whatever the kind of its arguments.
pub fn l1(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    mean(&a.f_sub(b)?.f_abs()?)
}

/// The sum of scalars; 0 of none.
pub fn sum(terms: Vec<Tensor>) -> Result<Tensor, TchError> {
    let mut terms = terms.into_iter();
    let Some(first) = terms.next() else { return Tensor::f_zeros([], (Kind::Float, tch::Device::Cpu)) };
    terms.try_fold(first, |sum, term| sum.f_add(&term))
}

fn squares(x: &Tensor) -> Result<Tensor, TchError> {
    mean(&x.f_square()?)
}

/// The mean, accumulated and returned in float32 (float64 of float64).
fn mean(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_mean(wide(x.f_kind()?))
}

fn over_scales(
    mode: GanMode,
    scales: &[Vec<Tensor>],
    loss: impl Fn(&Tensor) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    let maps = scales.iter().filter_map(|features| features.last());
    let terms = maps.map(|map| loss(&map.f_to_kind(wide(map.f_kind()?))?)).collect::<Result<_, _>>()?;
    let total = sum(terms)?;
    match mode {
        GanMode::Lsgan => Ok(total),
        GanMode::Hinge => total.f_div_scalar(scales.len() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales() -> Vec<Vec<Tensor>> {
        [[-2.0_f32, 0.5], [3.0, 0.0]]
            .iter()
            .map(|map| vec![Tensor::from_slice(&[9.0_f32]), Tensor::from_slice(map)])
            .collect()
    }

    fn value(loss: Result<Tensor, TchError>) -> f64 {
        f64::try_from(loss.unwrap()).unwrap()
    }

    /// The mean of a scale's two values.
    fn mean_of(a: f64, b: f64) -> f64 {
        0.5 * (a + b)
    }

    #[test]
    fn least_squares_add_up_over_scales() {
        let (real, fake) = (mean_of(9.0, 0.25) + mean_of(4.0, 1.0), mean_of(4.0, 0.25) + mean_of(9.0, 0.0));
        assert_eq!(value(discriminator(GanMode::Lsgan, &scales(), Verdict::Real)), real);
        assert_eq!(value(discriminator(GanMode::Lsgan, &scales(), Verdict::Fake)), fake);
        assert_eq!(value(generator(GanMode::Lsgan, &scales())), real);
    }

    #[test]
    fn hinge_is_averaged_over_scales() {
        let real = mean_of(mean_of(3.0, 0.5), mean_of(0.0, 1.0));
        let fake = mean_of(mean_of(0.0, 1.5), mean_of(4.0, 1.0));
        assert_eq!(value(discriminator(GanMode::Hinge, &scales(), Verdict::Real)), real);
        assert_eq!(value(discriminator(GanMode::Hinge, &scales(), Verdict::Fake)), fake);
        assert_eq!(value(generator(GanMode::Hinge, &scales())), mean_of(mean_of(2.0, -0.5), mean_of(-3.0, 0.0)));
    }

    #[test]
    fn features_match_without_the_last_layer_and_without_moving_the_real_ones() {
        let leaf = |v: f32| Tensor::from_slice(&[v, v]).set_requires_grad(true);
        let (fake, real) = (vec![vec![leaf(1.0), leaf(2.0), leaf(100.0)]], vec![vec![leaf(0.0), leaf(0.0), leaf(0.0)]]);
        let loss = feature_matching(&fake, &real).unwrap();
        assert_eq!(value(Ok(loss.shallow_clone())), 4.0 / 2.0 * (1.0 + 2.0));
        loss.backward();
        assert!(fake[0][0].grad().defined() && !real[0][0].grad().defined());
    }
}
