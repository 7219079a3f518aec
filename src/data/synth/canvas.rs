//! The drawing surface: what stands at each sub-pixel, before it has a colour.

/// What a thing is made of; each has one look in the photo and one in the illustration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Material {
    /// Air.
    Sky,
    /// A cloud, where the illustration sees one; the photo goes by [`Sample::cover`].
    Cloud,
    /// Bare rock.
    Rock,
    /// Snow on it.
    Snow,
    /// Crowns of a wood.
    Wood,
    /// A hill's grass.
    Grass,
    /// The near meadow.
    Meadow,
    /// Still water.
    Water,
    /// Trodden earth.
    Path,
    /// Leaves.
    Leaf,
    /// Needles.
    Needle,
    /// Bark.
    Trunk,
    /// Plaster.
    Wall,
    /// Tiles.
    Roof,
    /// Glass.
    Window,
    /// Planks.
    Door,
    /// Petals.
    Flower,
}

/// What stands at one sub-pixel.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Its material.
    pub material: Material,
    /// Number of its object, growing towards the viewer; ink runs where it changes.
    pub object: u16,
    /// How much it faces the light, in [0, 1].
    pub tone: f32,
    /// 0 at the viewer, 1 lost in haze.
    pub depth: f32,
    /// Texture coordinates, in units of about one texture feature.
    pub uv: [f32; 2],
    /// Colour variation of its object, in [0, 1].
    pub vary: f32,
    /// Of the sky alone: how much cloud the photo sees, in [0, 1].
    pub cover: f32,
}

/// A square of samples.
#[derive(Debug)]
pub struct Canvas {
    /// Samples along a side.
    pub side: usize,
    /// Rows from the top.
    pub samples: Vec<Sample>,
    objects: u16,
}

impl Canvas {
    /// An empty sky.
    pub fn new(side: usize) -> Self {
        let air =
            Sample { material: Material::Sky, object: 0, tone: 0.0, depth: 1.0, uv: [0.0; 2], vary: 0.0, cover: 0.0 };
        Self { side, samples: vec![air; side * side], objects: 0 }
    }

    /// A number for the next object, in front of all before it.
    pub fn next_object(&mut self) -> u16 {
        self.objects = self.objects.saturating_add(1);
        self.objects
    }

    /// Visit the samples within left, top, right, bottom; `place` gets the sample's x and y and what stands there, and
    /// changes it or leaves it.
    pub fn within(&mut self, bounds: [f32; 4], mut place: impl FnMut(f32, f32, &mut Sample)) {
        let side = self.side as f32;
        let index = |v: f32| (v * side).floor().clamp(0.0, side) as usize;
        let (left, top) = (index(bounds[0]), index(bounds[1]));
        let (right, bottom) = (index(bounds[2] + 1.0 / side), index(bounds[3] + 1.0 / side));
        for row in top..bottom {
            let y = (row as f32 + 0.5) / side;
            let line = &mut self.samples[row * self.side..(row + 1) * self.side];
            for (column, sample) in line.iter_mut().enumerate().take(right).skip(left) {
                place((column as f32 + 0.5) / side, y, sample);
            }
        }
    }

    /// Visit everything below an outline (asked once a column), down to where `cover` begins. `place` gets the sample's x and y,
    /// the outline's y and its rise over `2 * span` around x.
    pub fn below(
        &mut self,
        outline: impl Fn(f32) -> f32,
        span: f32,
        cover: &[f32],
        mut place: impl FnMut([f32; 2], f32, f32, &mut Sample),
    ) {
        let side = self.side as f32;
        let columns: Vec<[f32; 3]> = (0..self.side)
            .map(|column| {
                let x = (column as f32 + 0.5) / side;
                [x, outline(x), outline(x + span) - outline(x - span)]
            })
            .collect();
        let top = columns.iter().map(|column| column[1]).fold(1.0_f32, f32::min);
        for row in ((top * side).floor().clamp(0.0, side) as usize)..self.side {
            let y = (row as f32 + 0.5) / side;
            let line = &mut self.samples[row * self.side..(row + 1) * self.side];
            for ((sample, &[x, edge, slope]), &cover) in line.iter_mut().zip(&columns).zip(cover) {
                if y >= edge && y < cover {
                    place([x, y], edge, slope, sample);
                }
            }
        }
    }

    /// Visit the samples inside a convex polygon, corners in order.
    pub fn polygon(&mut self, corners: &[[f32; 2]], mut place: impl FnMut(f32, f32, &mut Sample)) {
        let bounds = corners.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, c| {
            [b[0].min(c[0]), b[1].min(c[1]), b[2].max(c[0]), b[3].max(c[1])]
        });
        self.within(bounds, |x, y, sample| {
            let (mut left, mut right) = (false, false);
            for (n, a) in corners.iter().enumerate() {
                let b = corners[(n + 1) % corners.len()];
                let cross = (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]);
                left |= cross < 0.0;
                right |= cross > 0.0;
            }
            if !(left && right) {
                place(x, y, sample);
            }
        });
    }
}
