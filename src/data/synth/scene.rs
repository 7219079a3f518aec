//! What a landscape is, before anything is drawn: hour, sky, ridges, water, trees, houses, drawn from (seed, scene).
//!
//! Positions are in units of the picture's side, x to the right and y down, so one scene fits every size.

use crate::data::random::Draw;
use crate::data::synth::colour::{Rgb, hex};
use crate::data::synth::noise::{fbm, ridged};

/// One landscape.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Seed of every noise field.
    pub noise: u32,
    /// Time of day.
    pub hour: &'static Hour,
    /// Where the sun stands.
    pub sun: [f32; 2],
    /// Direction towards the light: right, down, towards the viewer; of length 1.
    pub light: [f32; 3],
    /// Height of the horizon.
    pub horizon: f32,
    /// Clouds, far ones first.
    pub clouds: Vec<Cloud>,
    /// Everything on the ground, far ones first.
    pub items: Vec<Item>,
}

/// A time of day: what it does to light, in the photo and in the illustration.
#[derive(Debug)]
pub struct Hour {
    /// Name, for the manifest and for people.
    pub name: &'static str,
    /// Direct light, linear.
    pub sun: Rgb,
    /// Light of the sky, linear.
    pub ambient: Rgb,
    /// The photo's sky: zenith and horizon; haze has the horizon's colour.
    pub sky: [Rgb; 2],
    /// The illustration's sky.
    pub painted_sky: [Rgb; 2],
    /// The illustration's clouds: shadow, base, light.
    pub painted_cloud: [Rgb; 3],
    /// Factor on every flat colour of the illustration.
    pub wash: Rgb,
    /// Height of the sun: lowest and highest y.
    pub sun_height: [f32; 2],
}

/// The hours a scene may have. Photo and illustration shift together, so colours map the same way within an hour.
pub static HOURS: [Hour; 5] = [
    Hour {
        name: "day",
        sun: [1.02, 0.97, 0.88],
        ambient: [0.30, 0.36, 0.44],
        sky: [hex(0x005f_86ae), hex(0x00b4_c3cb)],
        painted_sky: [hex(0x003f_9be0), hex(0x00c4_ecf7)],
        painted_cloud: [hex(0x00a9_c8e4), hex(0x00e2_eff8), hex(0x00ff_fef8)],
        wash: [1.0, 1.0, 1.0],
        sun_height: [-0.3, 0.0],
    },
    Hour {
        name: "morning",
        sun: [1.00, 0.90, 0.76],
        ambient: [0.30, 0.35, 0.42],
        sky: [hex(0x0073_8ea8), hex(0x00c3_bfb4)],
        painted_sky: [hex(0x0064_b4e6), hex(0x00fb_efd6)],
        painted_cloud: [hex(0x00b3_c9df), hex(0x00f1_ece4), hex(0x00ff_fcef)],
        wash: [1.02, 1.0, 0.96],
        sun_height: [0.05, 0.2],
    },
    Hour {
        name: "golden",
        sun: [1.10, 0.76, 0.46],
        ambient: [0.28, 0.28, 0.33],
        sky: [hex(0x0068_7a92), hex(0x00cf_a67a)],
        painted_sky: [hex(0x0062_9fd0), hex(0x00ff_d9a0)],
        painted_cloud: [hex(0x00c4_a3b4), hex(0x00ff_dcb4), hex(0x00ff_f4d8)],
        wash: [1.06, 0.96, 0.84],
        sun_height: [0.16, 0.32],
    },
    Hour {
        name: "dusk",
        sun: [0.66, 0.44, 0.42],
        ambient: [0.34, 0.34, 0.46],
        sky: [hex(0x004a_5880), hex(0x00c8_9484)],
        painted_sky: [hex(0x0043_56a0), hex(0x00fb_a98c)],
        painted_cloud: [hex(0x0068_66a4), hex(0x00c4_8aa8), hex(0x00ff_c4a8)],
        wash: [0.78, 0.74, 0.92],
        sun_height: [0.3, 0.4],
    },
    Hour {
        name: "overcast",
        sun: [0.34, 0.35, 0.36],
        ambient: [0.52, 0.55, 0.58],
        sky: [hex(0x0088_949c), hex(0x00ad_b2b3)],
        painted_sky: [hex(0x008f_b8cc), hex(0x00dc_e9ea)],
        painted_cloud: [hex(0x009d_b4c4), hex(0x00c8_d8e0), hex(0x00ee_f4f4)],
        wash: [0.92, 0.97, 0.98],
        sun_height: [-0.3, 0.1],
    },
];

/// A heap of round puffs on a flat base.
#[derive(Debug, Clone)]
pub struct Cloud {
    /// `[x, y, radius]` of each puff.
    pub puffs: Vec<[f32; 3]>,
    /// Where it is cut flat.
    pub base: f32,
    /// Left, top, right, bottom of all it may cover.
    pub bounds: [f32; 4],
}

/// The outline of a mountain or hill.
#[derive(Debug, Clone)]
pub struct Ridge {
    /// Height of its foot.
    pub base: f32,
    /// How far it rises above that.
    pub rise: f32,
    /// Features a picture's width.
    pub pace: f32,
    /// Rise from the left edge to the right.
    pub tilt: f32,
    /// Creased like mountains rather than rolling.
    pub creased: bool,
    /// Seed of its noise.
    pub seed: u32,
    /// 0 at the viewer, 1 lost in haze.
    pub depth: f32,
    /// Variation of its colour in [0, 1].
    pub vary: f32,
}

impl Ridge {
    /// The outline's y at x.
    pub fn height(&self, x: f32) -> f32 {
        let n = if self.creased {
            0.8 * ridged(x * self.pace, 0.37, self.seed, 2) + 0.2 * fbm(x * self.pace * 6.0, 0.61, self.seed, 3)
        } else {
            fbm(x * self.pace, 0.37, self.seed, 3)
        };
        self.base - self.rise * n - self.tilt * (x - 0.5)
    }
}

/// A tree: where its trunk meets the ground, how tall, how deep in the haze.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Foot of the trunk.
    pub foot: [f32; 2],
    /// Height.
    pub height: f32,
    /// Needles on a cone rather than leaves in a crown.
    pub conifer: bool,
    /// As [`Ridge::depth`].
    pub depth: f32,
    /// As [`Ridge::vary`].
    pub vary: f32,
    /// Key of its own draws.
    pub key: u64,
}

/// A house with its gable to the viewer.
#[derive(Debug, Clone)]
pub struct House {
    /// Corner of gable and side wall on the ground.
    pub foot: [f32; 2],
    /// Width of the gable.
    pub width: f32,
    /// The side wall runs to the right (1) or left (-1).
    pub side: f32,
    /// As [`Ridge::depth`].
    pub depth: f32,
    /// Below 0.7 red tiles, else slate.
    pub vary: f32,
}

/// The nearest ground.
#[derive(Debug, Clone)]
pub struct Meadow {
    /// Its far edge.
    pub ridge: Ridge,
    /// A path: x at the bottom, x at the far edge, and how far it swings.
    pub path: Option<[f32; 3]>,
    /// How many flowers.
    pub flowers: usize,
    /// How many blades of grass.
    pub blades: usize,
    /// Key of its own draws.
    pub key: u64,
}

/// Something on the ground.
#[derive(Debug, Clone)]
pub enum Item {
    /// Bare rock, perhaps with snow above this y.
    Mountain(Ridge, Option<f32>),
    /// A hill under grass.
    Hill(Ridge),
    /// A hill under trees whose crowns have this radius.
    Wood(Ridge, f32),
    /// Still water from this y down.
    Water(f32),
    /// The nearest ground.
    Meadow(Meadow),
    /// A tree.
    Tree(Tree),
    /// A house.
    House(House),
}

impl Scene {
    /// The scene of this number under this seed.
    pub fn draw(seed: u64, number: u64) -> Self {
        let mut draw = Draw::new(&[seed, number, 0x5ce7e]);
        let noise = draw.bits() as u32;
        let hour = &HOURS[[0, 0, 0, 1, 1, 2, 2, 3, 4][draw.below(9)]];
        let sun = [draw.within(0.1, 0.9), draw.within(hour.sun_height[0], hour.sun_height[1])];
        let horizon = draw.within(0.42, 0.6);
        let light = direction(sun, horizon);
        let clouds = clouds(&mut draw, horizon, hour.name);
        let items = ground(&mut draw, horizon, noise);
        Self { noise, hour, sun, light, horizon, clouds, items }
    }
}

/// Towards the sun as a lamp over the viewer's shoulder: side from where it stands, height from its altitude.
fn direction(sun: [f32; 2], horizon: f32) -> [f32; 3] {
    let (x, y, z) = (1.7 * (sun[0] - 0.5), -(0.35 + horizon - sun[1]), 0.55);
    let length = (x * x + y * y + z * z).sqrt();
    [x / length, y / length, z / length]
}

fn clouds(draw: &mut Draw, horizon: f32, hour: &str) -> Vec<Cloud> {
    let count = if hour == "overcast" { 6 + draw.below(4) } else { 1 + draw.below(5) };
    let mut clouds: Vec<Cloud> = (0..count)
        .map(|_| {
            // Higher in the picture is nearer and larger.
            let near = draw.within(0.0, 1.0);
            let base = horizon - 0.06 - near * (horizon - 0.12);
            let width = draw.within(0.14, 0.30) * (0.5 + 1.3 * near);
            let x = draw.within(-0.1, 1.1);
            cloud(draw, x, base, width)
        })
        .collect();
    clouds.sort_by(|a, b| b.base.total_cmp(&a.base));
    clouds
}

fn cloud(draw: &mut Draw, x: f32, base: f32, width: f32) -> Cloud {
    let mut puffs = Vec::new();
    let peak = draw.within(-0.25, 0.25);
    for _ in 0..16 + draw.below(14) {
        let along = draw.within(-1.0, 1.0);
        // Tall in the middle (wherever that is), flat at the ends.
        let swell = (1.0 - (along - peak) * (along - peak) * 0.9).max(0.12);
        let up = draw.within(0.0, 1.0);
        let radius = width * draw.within(0.14, 0.30) * (0.4 + 0.8 * swell) * (1.0 - 0.3 * up);
        puffs.push([x + along * width * 0.8, base - up * swell * width * 0.62 - radius * 0.35, radius]);
    }
    // Near the viewer last: lower puffs stand before higher ones.
    puffs.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let margin = 0.35 * width;
    let bounds = puffs.iter().fold([f32::MAX, f32::MAX, f32::MIN, base + 0.1 * width], |b, p| {
        [b[0].min(p[0] - p[2] - margin), b[1].min(p[1] - p[2] - margin), b[2].max(p[0] + p[2] + margin), b[3]]
    });
    Cloud { puffs, base, bounds }
}

/// Trees on a ridge: near each other, sinking a little below the outline.
fn grove(draw: &mut Draw, ridge: &Ridge, count: usize, height: f32, conifers: f64) -> Vec<Tree> {
    let mut trees: Vec<Tree> = Vec::new();
    let mut centre = draw.within(0.0, 1.0);
    for n in 0..count {
        if n % 4 == 0 {
            centre = draw.within(0.0, 1.0);
        }
        let x = centre + draw.within(-0.12, 0.12);
        let sink = draw.within(0.004, 0.05) * (1.0 - 0.6 * ridge.depth);
        trees.push(Tree {
            foot: [x, ridge.height(x) + sink],
            height: height * draw.within(0.7, 1.25),
            conifer: draw.chance(conifers),
            depth: ridge.depth,
            vary: draw.within(0.0, 1.0),
            key: draw.bits(),
        });
    }
    trees.sort_by(|a, b| a.foot[1].total_cmp(&b.foot[1]));
    trees
}

fn ridge(draw: &mut Draw, base: f32, rise: f32, pace: f32, depth: f32, creased: bool) -> Ridge {
    Ridge {
        base,
        rise: rise * draw.within(0.75, 1.3),
        pace: pace * draw.within(0.75, 1.3),
        tilt: draw.within(-1.0, 1.0) * 0.3 * rise,
        creased,
        seed: draw.bits() as u32,
        depth,
        vary: draw.within(0.0, 1.0),
    }
}

fn ground(draw: &mut Draw, horizon: f32, noise: u32) -> Vec<Item> {
    let mut items = Vec::new();
    let conifers = if draw.chance(0.35) { 0.8 } else { 0.12 };
    if draw.chance(0.75) {
        let far = ridge(draw, horizon + 0.02, 0.24, 2.2, 0.8, true);
        let snow = draw.chance(0.6).then(|| horizon - far.rise * draw.within(0.5, 0.75));
        items.push(Item::Mountain(far, snow));
        if draw.chance(0.6) {
            items.push(Item::Mountain(ridge(draw, horizon + 0.03, 0.14, 3.2, 0.62, true), None));
        }
    }
    items.push(Item::Wood(ridge(draw, horizon + 0.05, 0.10, 2.0, 0.5, false), 0.010));
    let lake = draw.chance(0.45);
    if draw.chance(0.7) {
        let hill = ridge(draw, horizon + 0.09, 0.12, 1.6, 0.33, false);
        items.push(Item::Hill(hill.clone()));
        let count = 3 + draw.below(9);
        let trees = grove(draw, &hill, count, 0.06, conifers);
        items.extend(trees.into_iter().map(Item::Tree));
    }
    let shore = horizon + 0.07;
    if lake {
        items.push(Item::Water(shore));
    } else {
        items.push(Item::Wood(ridge(draw, horizon + 0.17, 0.14, 1.7, 0.25, false), 0.019));
    }
    let knoll = ridge(draw, horizon + if lake { 0.36 } else { 0.22 }, 0.2, 1.1, 0.14, false);
    // By a lake the knoll is a steep bank on one side, so that the water shows on the other.
    let tilt = if lake { 0.34 * knoll.tilt.signum() } else { 1.5 * knoll.tilt };
    let knoll = Ridge { tilt, ..knoll };
    items.push(Item::Hill(knoll.clone()));
    let houses = village(draw, &knoll);
    let count = 2 + draw.below(8);
    let trees = grove(draw, &knoll, count, 0.13, conifers);
    let near = ridge(draw, (horizon + 0.36).min(0.92), 0.1, 1.0, 0.0, false);
    // What stands behind the meadow's edge would only peep over it.
    let seen = |foot: [f32; 2]| foot[1] < near.height(foot[0]) + 0.01;
    items.extend(houses.into_iter().filter(|house| seen(house.foot)).map(Item::House));
    items.extend(trees.into_iter().filter(|tree| seen(tree.foot)).map(Item::Tree));
    items.push(Item::Meadow(Meadow {
        path: draw.chance(0.55).then(|| [draw.within(0.25, 0.75), draw.within(0.2, 0.8), draw.within(-0.2, 0.2)]),
        flowers: draw.below(3) * 60,
        blades: 260,
        key: draw.bits() ^ u64::from(noise),
        ridge: near.clone(),
    }));
    if draw.chance(0.6) {
        let x = if draw.chance(0.5) { draw.within(0.02, 0.22) } else { draw.within(0.78, 0.98) };
        items.push(Item::Tree(Tree {
            foot: [x, near.height(x) + draw.within(0.04, 0.12)],
            height: draw.within(0.4, 0.62),
            conifer: draw.chance(conifers),
            depth: 0.03,
            vary: draw.within(0.0, 1.0),
            key: draw.bits(),
        }));
    }
    items
}

fn village(draw: &mut Draw, ridge: &Ridge) -> Vec<House> {
    if !draw.chance(0.65) {
        return Vec::new();
    }
    let centre = draw.within(0.15, 0.85);
    let side = if draw.chance(0.5) { 1.0 } else { -1.0 };
    let mut houses: Vec<House> = (0..=draw.below(4))
        .map(|n| {
            let x = centre + (n as f32 - 1.0) * 0.13 + draw.within(-0.03, 0.03);
            House {
                foot: [x, ridge.height(x) + draw.within(0.02, 0.06)],
                width: draw.within(0.05, 0.08),
                side,
                depth: ridge.depth,
                vary: draw.within(0.0, 1.0),
            }
        })
        .collect();
    houses.sort_by(|a, b| a.foot[1].total_cmp(&b.foot[1]));
    houses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_differ_by_number_and_by_seed() {
        let text = |seed, number| format!("{:?}", Scene::draw(seed, number));
        assert_eq!(text(1, 0), text(1, 0));
        assert_ne!(text(1, 0), text(1, 1));
        assert_ne!(text(1, 0), text(2, 0));
    }

    #[test]
    fn light_is_a_unit_vector_from_above() {
        for number in 0..50 {
            let [x, y, z] = Scene::draw(3, number).light;
            assert!((x * x + y * y + z * z - 1.0).abs() < 1e-5);
            assert!(y < 0.0 && z > 0.0);
        }
    }
}
