//! What is asked of the network and how its answers are weighed: pure functions of latents, noise and draws.

use tch::{Device, Kind, TchError, Tensor};

use crate::config::{SdObjective, Timesteps};
use crate::models::stable_diffusion::scheduler::NoiseSchedule;

/// Timesteps of a batch, int64 `[count]` on `device`, from libtorch's generator.
pub fn timesteps(how: Timesteps, levels: i64, count: i64, device: Device) -> Result<Tensor, TchError> {
    let options = (Kind::Int64, device);
    match how {
        Timesteps::PerSample => Tensor::f_randint(levels, [count], options),
        Timesteps::PerBatch => Tensor::f_randint(levels, [1], options)?.f_repeat([count]),
    }
}

/// Noise like `latents` `[B, C, h, w]`, with one more number a channel where there is an offset.
pub fn noise(latents: &Tensor, offset: f64) -> Result<Tensor, TchError> {
    let noise = latents.f_randn_like()?;
    if offset == 0.0 {
        return Ok(noise);
    }
    let (count, channels, _, _) = latents.size4()?;
    let shift = Tensor::f_randn([count, channels, 1, 1], (latents.f_kind()?, latents.device()))?;
    noise.f_add(&shift.f_mul_scalar(offset)?)
}

/// Mean squared error in float32 of predictions `[B, C, h, w]`: the weighted mean, and the plain one.
pub fn loss(
    schedule: &NoiseSchedule,
    min_snr_gamma: f64,
    predicted: &Tensor,
    target: &Tensor,
    timesteps: &Tensor,
) -> Result<(Tensor, Tensor), TchError> {
    let (predicted, target) = (predicted.f_to_kind(Kind::Float)?, target.f_to_kind(Kind::Float)?);
    let squares = predicted.f_sub(&target)?.f_square()?;
    if min_snr_gamma == 0.0 {
        let mean = squares.f_mean(Kind::Float)?;
        return Ok((mean.shallow_clone(), mean));
    }
    let each = squares.f_mean_dim(&[1_i64, 2, 3][..], false, Kind::Float)?; // [B]
    let weighted = each.f_mul(&schedule.min_snr_weight(timesteps, min_snr_gamma)?)?;
    Ok((weighted.f_mean(Kind::Float)?, each.f_mean(Kind::Float)?))
}

/// Which pictures of a batch go without their prompt, and which without their photo.
///
/// One number a picture decides both, so that they coincide half as often as the photo is left out: at dropouts of 2p
/// each, `InstructPix2Pix`'s text for u < 2p and photo for p <= u < 3p.
pub fn dropped(objective: &SdObjective, count: i64) -> Result<(Vec<bool>, Vec<bool>), TchError> {
    // On the CPU wherever the rest is: what is known here need not be waited for.
    let drawn = Vec::<f32>::try_from(Tensor::f_rand([count], (Kind::Float, Device::Cpu))?)?;
    Ok(drawn.into_iter().map(|u| split(objective, f64::from(u))).unzip())
}

fn split(objective: &SdObjective, u: f64) -> (bool, bool) {
    let SdObjective { caption_dropout: caption, image_dropout: image, .. } = objective;
    let begin = (caption - image / 2.0).max(0.0);
    (u < *caption, (begin..begin + image).contains(&u))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::stable_diffusion::config::sd15_scheduler;
    use crate::models::stable_diffusion::scheduler::{Prediction, SchedulerConfig};

    fn schedule(prediction: Prediction) -> NoiseSchedule {
        let mut config: SchedulerConfig = serde_json::from_value(sd15_scheduler()).unwrap();
        config.prediction_type = prediction;
        NoiseSchedule::new(&config, Device::Cpu).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }

    fn near(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance * b.abs()
    }

    #[test]
    fn min_snr_weights_are_the_known_ones() {
        let schedule = schedule(Prediction::Epsilon);
        let all = Tensor::arange(1000, (Kind::Int64, Device::Cpu));
        let weights = values(&schedule.min_snr_weight(&all, 5.0).unwrap());
        assert!(near(weights[0], 0.0043, 0.02), "{}", weights[0]);
        let mean = weights.iter().sum::<f64>() / 1000.0;
        assert!(near(mean, 0.917, 1e-3), "{mean}");
        assert_eq!(weights.iter().position(|weight| *weight == 1.0), Some(147), "gamma 5 cuts t < 147 alone");
        // The velocity's weight is that of the noise times snr / (snr + 1), which is the share kept.
        let velocity = self::schedule(Prediction::Velocity);
        let kept = velocity.alphas_cumprod();
        for (t, weight) in values(&velocity.min_snr_weight(&all, 5.0).unwrap()).into_iter().enumerate() {
            assert!(near(weight, weights[t] * f64::from(kept[t]), 1e-4), "{t}");
        }
    }

    #[test]
    fn noise_and_velocity_give_the_latents_back() {
        let normal = || Tensor::randn([3, 4, 2, 2], (Kind::Float, Device::Cpu));
        let (latents, noise) = (normal(), normal());
        let t = Tensor::from_slice(&[0_i64, 500, 999]);
        let schedule = schedule(Prediction::Velocity);
        let noisy = schedule.add_noise(&latents, &noise, &t).unwrap();
        let velocity = schedule.target(&latents, &noise, &t).unwrap();
        // x0 = sqrt(a) x - sqrt(1 - a) v
        let kept = Tensor::from_slice(schedule.alphas_cumprod()).index_select(0, &t).view([-1, 1, 1, 1]);
        let rest: Tensor = 1.0 - &kept;
        let back = kept.sqrt() * noisy - rest.sqrt() * velocity;
        assert!(back.allclose(&latents, 1e-5, 1e-5, false));
        assert_eq!(self::schedule(Prediction::Epsilon).target(&latents, &noise, &t).unwrap(), noise);
    }

    #[test]
    fn the_loss_weighs_each_picture() {
        let schedule = schedule(Prediction::Epsilon);
        let predicted = Tensor::from_slice(&[1.0_f32, 3.0]).view([2, 1, 1, 1]).expand([2, 4, 2, 2], false);
        let target = Tensor::zeros([2, 4, 2, 2], (Kind::BFloat16, Device::Cpu));
        let t = Tensor::from_slice(&[0_i64, 999]);
        let (weighted, plain) = loss(&schedule, 0.0, &predicted, &target, &t).unwrap();
        assert_eq!((values(&weighted)[0], values(&plain)[0]), (5.0, 5.0));
        let (weighted, plain) = loss(&schedule, 5.0, &predicted, &target, &t).unwrap();
        let first = values(&schedule.min_snr_weight(&t, 5.0).unwrap())[0];
        assert!(near(values(&weighted)[0], 0.5 * (first + 9.0), 1e-6));
        assert_eq!((values(&plain)[0], weighted.kind()), (5.0, Kind::Float));
    }

    #[test]
    fn timesteps_are_one_each_or_one_for_all_and_reach_every_level() {
        let each = values(&timesteps(Timesteps::PerSample, 1000, 20_000, Device::Cpu).unwrap());
        let of = |t: f64| each.iter().filter(|v| **v == t).count();
        assert!(of(0.0) > 0 && of(999.0) > 0 && of(1000.0) == 0);
        let one = values(&timesteps(Timesteps::PerBatch, 1000, 8, Device::Cpu).unwrap());
        assert!(one.len() == 8 && one.iter().all(|t| *t == one[0]));
    }

    #[test]
    fn an_offset_moves_whole_channels() {
        let latents = Tensor::zeros([64, 4, 16, 16], (Kind::Float, Device::Cpu));
        let spread = |offset: f64| {
            let means = noise(&latents, offset).unwrap().mean_dim(&[2_i64, 3][..], false, Kind::Float);
            f64::try_from(means.square().mean(Kind::Float)).unwrap()
        };
        // The mean of 256 unit normals varies by 1 / 256; an offset of 0.5 adds 0.25.
        assert!(spread(0.0) < 0.006 && (0.2..0.33).contains(&spread(0.5)));
    }

    #[test]
    fn dropout_is_instruct_pix2pix_s() {
        let objective = SdObjective { caption_dropout: 0.1, image_dropout: 0.1, ..SdObjective::default() };
        let drops = |u: f64| split(&objective, u);
        assert_eq!([0.0, 0.049].map(drops), [(true, false); 2]);
        assert_eq!([0.051, 0.099].map(drops), [(true, true); 2]);
        assert_eq!([0.101, 0.149].map(drops), [(false, true); 2]);
        assert_eq!([0.151, 0.999].map(drops), [(false, false); 2]);
        let (text, photo) = dropped(&SdObjective::default(), 64).unwrap();
        assert!(!text.contains(&true) && !photo.contains(&true));
        let (text, photo) = dropped(&SdObjective { caption_dropout: 1.0, ..SdObjective::default() }, 64).unwrap();
        assert!(!text.contains(&false) && !photo.contains(&true));
    }
}
