//! The image pool: the discriminator also sees older predictions (Shrivastava et al. 2017), as NVIDIA's `ImagePool`.

use std::collections::HashMap;

use tch::{TchError, Tensor};

use crate::models::init;

/// A history of what the discriminator saw: (photo, prediction) pairs, `[1, 6, H, W]` each.
#[derive(Debug)]
pub struct Pool {
    capacity: usize,
    seed: u64,
    images: Vec<Tensor>,
    /// Images asked so far: the place in the random stream.
    asked: u64,
}

impl Pool {
    /// An empty pool of at most `capacity` images.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self { capacity, seed, images: Vec::new(), asked: 0 }
    }

    /// Whether the pool is off.
    pub fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// For each image of `[B, 6, H, W]`, detached: itself while the pool fills; then, half of the time, an older one
    /// whose place it takes.
    pub fn query(&mut self, images: &Tensor) -> Result<Tensor, TchError> {
        let images = images.f_detach()?;
        let mut answer = Vec::new();
        for at in 0..images.size4()?.0 {
            let image = images.f_narrow(0, at, 1)?;
            let place = 2 * self.asked;
            self.asked += 1;
            // copy: a slice would keep its whole batch alive.
            let kept = || image.f_to_device_(image.device(), image.f_kind()?, false, true);
            if self.images.len() < self.capacity {
                self.images.push(kept()?);
            } else if init::draw(self.seed, "image pool", place) > 0.5 {
                let chosen = (init::draw(self.seed, "image pool", place + 1) * self.capacity as f32) as usize;
                let older = std::mem::replace(&mut self.images[chosen.min(self.capacity - 1)], kept()?);
                answer.push(older);
                continue;
            }
            answer.push(image);
        }
        Tensor::f_cat(&answer, 0)
    }

    /// The images and the place in the random stream, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        if self.is_off() {
            return Vec::new();
        }
        let images = self.images.iter().enumerate();
        let mut state: Vec<_> = images.map(|(at, image)| (format!("pool.{at}"), image.shallow_clone())).collect();
        state.push(("pool.asked".to_owned(), Tensor::from(self.asked as i64)));
        state
    }

    /// Take back what [`Pool::state`] gave, onto `device`.
    pub fn load_state(&mut self, state: &HashMap<String, Tensor>, device: tch::Device) -> Result<(), String> {
        if self.is_off() {
            return Ok(());
        }
        let asked = state.get("pool.asked").ok_or("`pool.asked` is missing")?;
        let asked = asked.f_int64_value(&[]).map_err(|error| format!("`pool.asked`: {error}"))?;
        let images = (0..self.capacity).map_while(|at| state.get(&format!("pool.{at}")));
        let images = images.map(|image| image.f_to_device(device)).collect::<Result<Vec<_>, _>>();
        (self.images, self.asked) = (images.map_err(|error| format!("`pool`: {error}"))?, asked.max(0) as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn batch(first: i64) -> Tensor {
        (Tensor::arange(4, (Kind::Float, Device::Cpu)) + first).reshape([4, 1, 1, 1]).expand([4, 6, 2, 2], false)
    }

    fn values(images: &Tensor) -> Vec<f32> {
        Vec::try_from(images.select(1, 0).select(1, 0).select(1, 0).contiguous()).unwrap()
    }

    #[test]
    fn fills_then_swaps_about_half() {
        let mut pool = Pool::new(6, 3);
        assert_eq!(values(&pool.query(&batch(0)).unwrap()), [0.0, 1.0, 2.0, 3.0]);
        let mut swapped = 0;
        for round in 1..101 {
            let fresh = batch(4 * round);
            let answer = values(&pool.query(&fresh).unwrap());
            swapped += answer.iter().zip(values(&fresh)).filter(|(a, b)| *a != b).count();
        }
        assert!((150..250).contains(&swapped), "{swapped} of 398");
    }

    #[test]
    fn goes_on_from_its_state_exactly() {
        let mut pool = Pool::new(3, 3);
        for round in 0..5 {
            let _ = pool.query(&batch(4 * round)).unwrap();
        }
        let mut other = Pool::new(3, 3);
        other.load_state(&pool.state().into_iter().collect(), Device::Cpu).unwrap();
        for round in 5..15 {
            assert_eq!(pool.query(&batch(4 * round)).unwrap(), other.query(&batch(4 * round)).unwrap());
        }
        assert!(other.load_state(&HashMap::new(), Device::Cpu).unwrap_err().contains("pool.asked"));
    }
}
