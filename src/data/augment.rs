//! Augmentation: one draw a pair, the same for photo and illustration, a pure function of (seed, epoch, pair).
//!
//! Horizontal flip, crop, and torchvision's `ColorJitter`: brightness, contrast and saturation factors uniform in
//! `[max(0, 1 - s), 1 + s]`, hue shift uniform in `[-h, h]` turns, applied in a random order. The arithmetic is the one
//! torchvision applies to float images in [0, 1] ([`jitter`]); on PIL images it rounds to bytes after each step.
//!
//! All draws are made whether or not the config uses them, so turning one augmentation off leaves the others' draws as
//! they were.

pub mod jitter;

use crate::config::{Data, Fit};
use crate::data::random::Draw;

/// Separates this use of a seed from the others.
const STREAM: u64 = 0x61_7567_6d65_6e74;

/// A step of the colour jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Multiply by a factor.
    Brightness(f32),
    /// Away from (or towards) the image's mean grey.
    Contrast(f32),
    /// Away from (or towards) each pixel's grey.
    Saturation(f32),
    /// Turn the hue by this many turns.
    Hue(f32),
}

impl Step {
    /// Whether the step changes anything.
    fn acts(self) -> bool {
        match self {
            Self::Brightness(factor) | Self::Contrast(factor) | Self::Saturation(factor) => factor != 1.0,
            Self::Hue(turns) => turns != 0.0,
        }
    }
}

/// What happens to one pair in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Augment {
    /// Mirror left and right.
    pub flip: bool,
    /// Where the crop lies, each in [0, 1): 0 is left or top.
    pub place: [f64; 2],
    /// Colour steps that act, in order.
    pub steps: Vec<Step>,
}

impl Augment {
    /// Nothing but the centre crop: for validation.
    pub fn none() -> Self {
        Self { flip: false, place: [0.5; 2], steps: Vec::new() }
    }

    /// The draw of this pair (its index in the dataset) in this epoch.
    pub fn draw(config: &Data, seed: u64, epoch: usize, pair: usize) -> Self {
        let mut draw = Draw::new(&[STREAM, seed, epoch as u64, pair as u64]);
        let flip = draw.chance(0.5) && config.flip;
        let place = [draw.unit(), draw.unit()];
        let mut factor = |strength: f64| {
            let unit = draw.unit();
            let low = (1.0 - strength).max(0.0);
            (low + (1.0 + strength - low) * unit) as f32
        };
        let jitter = &config.jitter;
        let (brightness, contrast, saturation) =
            (factor(jitter.brightness), factor(jitter.contrast), factor(jitter.saturation));
        let hue = ((2.0 * draw.unit() - 1.0) * jitter.hue) as f32;
        let mut steps =
            vec![Step::Brightness(brightness), Step::Contrast(contrast), Step::Saturation(saturation), Step::Hue(hue)];
        draw.shuffle(&mut steps);
        steps.retain(|step| step.acts());
        let place = if config.fit == Fit::Crop { place } else { [0.5; 2] };
        Self { flip, place, steps }
    }

    /// Left and top of a square of `size` within `width` x `height`.
    pub fn corner(&self, width: usize, height: usize, size: usize) -> [usize; 2] {
        let at = |place: f64, room: usize| ((place * (room + 1) as f64) as usize).min(room);
        [at(self.place[0], width.saturating_sub(size)), at(self.place[1], height.saturating_sub(size))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Jitter;

    fn config() -> Data {
        let mut config: Data = toml_edit::de::from_str("root = 'x'\nfit = 'crop'").unwrap();
        config.jitter = Jitter { brightness: 0.2, contrast: 1.5, saturation: 0.3, hue: 0.1 };
        config
    }

    #[test]
    fn a_draw_depends_on_seed_epoch_and_pair_alone() {
        let config = config();
        assert_eq!(Augment::draw(&config, 1, 2, 3), Augment::draw(&config, 1, 2, 3));
        for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_ne!(Augment::draw(&config, 1, 2, 3), Augment::draw(&config, other.0, other.1, other.2));
        }
    }

    #[test]
    fn factors_lie_in_torchvisions_ranges_and_all_orders_occur() {
        let config = config();
        let mut firsts = [0; 4];
        let mut flips = 0;
        for pair in 0..4000 {
            let augment = Augment::draw(&config, 9, 0, pair);
            flips += u32::from(augment.flip);
            assert_eq!(augment.steps.len(), 4);
            for step in &augment.steps {
                match *step {
                    Step::Brightness(f) => assert!((0.8..=1.2).contains(&f)),
                    Step::Contrast(f) => assert!((0.0..=2.5).contains(&f)),
                    Step::Saturation(f) => assert!((0.7..=1.3).contains(&f)),
                    Step::Hue(turns) => assert!((-0.1..=0.1).contains(&turns)),
                }
            }
            firsts[match augment.steps[0] {
                Step::Brightness(_) => 0,
                Step::Contrast(_) => 1,
                Step::Saturation(_) => 2,
                Step::Hue(_) => 3,
            }] += 1;
        }
        assert!(firsts.iter().all(|&n: &i32| n.abs_diff(1000) < 140), "{firsts:?}");
        assert!(flips.abs_diff(2000) < 160, "{flips}");
    }

    #[test]
    fn turning_one_off_leaves_the_others() {
        let all = config();
        let mut less = config();
        less.flip = false;
        less.jitter.hue = 0.0;
        for pair in 0..50 {
            let (a, b) = (Augment::draw(&all, 5, 1, pair), Augment::draw(&less, 5, 1, pair));
            assert!(!b.flip);
            assert_eq!(a.place, b.place);
            let kept: Vec<Step> = a.steps.iter().copied().filter(|s| !matches!(s, Step::Hue(_))).collect();
            assert_eq!(kept, b.steps);
        }
    }

    #[test]
    fn crops_stay_inside_and_reach_both_ends() {
        let config = config();
        let mut seen = [false; 5];
        for pair in 0..200 {
            let [left, top] = Augment::draw(&config, 1, 0, pair).corner(12, 8, 8);
            assert!(top == 0);
            seen[left] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(Augment::none().corner(13, 9, 8), [3, 1]);
        assert_eq!(Augment::none().corner(4, 4, 8), [0, 0]);
    }
}
