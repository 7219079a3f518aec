//! Randomness as a pure function: a counter-based generator keyed by whatever a draw may depend on.
//!
//! A key is hashed from its words (say seed, epoch, pair), a draw is the hash of key and counter. Nothing has to be
//! saved to resume, nothing depends on which thread draws first. The hash is `SplitMix64`'s finaliser (Steele, Lea and
//! Flood 2014, "Fast splittable pseudorandom number generators", variant 13 of Stafford's mixers): `SplitMix64` is
//! itself that finaliser over a counter in steps of the golden ratio, which is what [`Draw`] is with a hashed start.

/// 2^64 / golden ratio, odd: the increment of `SplitMix64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64`'s finaliser: a bijection of 64 bits in which every input bit reaches every output bit.
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of draws that depends on its key alone.
#[derive(Debug, Clone)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The stream of a key. The order and the number of words matter: `[1, 2]`, `[2, 1]` and `[1, 2, 0]` differ.
    pub fn new(key: &[u64]) -> Self {
        let mut state = mix(key.len() as u64 ^ GOLDEN);
        for &word in key {
            state = mix(state.wrapping_add(GOLDEN) ^ mix(word.wrapping_add(GOLDEN)));
        }
        Self { state }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn within(&mut self, low: f32, high: f32) -> f32 {
        // 24 bits: every value is exact in f32 and 1.0 is never reached.
        let unit = (self.bits() >> 40) as f32 * (1.0 / 16_777_216.0);
        low + (high - low) * unit
    }

    /// Uniform in `0..count` without bias (Lemire 2019: multiply, reject the short part). 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        let count = count as u64;
        if count == 0 {
            return 0;
        }
        let rejected = count.wrapping_neg() % count;
        loop {
            let product = u128::from(self.bits()) * u128::from(count);
            if product as u64 >= rejected {
                return (product >> 64) as usize;
            }
        }
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Shuffle in place (Fisher and Yates), every order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finaliser_is_splitmix64s() {
        // First outputs of SplitMix64 seeded with 1234567, as published with the reference code.
        let mut state = 1_234_567_u64;
        let published = [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for expected in published {
            state = state.wrapping_add(GOLDEN);
            assert_eq!(mix(state), expected);
        }
    }

    #[test]
    fn streams_of_different_keys_differ() {
        let first = |key: &[u64]| Draw::new(key).bits();
        let draws = [first(&[]), first(&[0]), first(&[0, 0]), first(&[1, 2]), first(&[2, 1]), first(&[1, 2, 0])];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn draws_are_uniform_and_in_range() {
        let mut draw = Draw::new(&[7]);
        let mut counts = [0_u32; 5];
        let mut sum = 0.0;
        for _ in 0..50_000 {
            counts[draw.below(5)] += 1;
            let unit = draw.unit();
            assert!((0.0..1.0).contains(&unit));
            sum += unit;
            let within = draw.within(-2.0, 3.0);
            assert!((-2.0..3.0).contains(&within));
        }
        // Five standard deviations of a fair five-sided die, and of a mean of uniforms.
        assert!(counts.iter().all(|&n| n.abs_diff(10_000) < 450), "{counts:?}");
        assert!((sum / 50_000.0 - 0.5).abs() < 0.0065);
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        Draw::new(&[3]).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
