//! From scene to samples: everything is laid down from far to near, once, for both pictures.

use crate::data::random::Draw;
use crate::data::synth::canvas::{Canvas, Material, Sample};
use crate::data::synth::noise::{bell, fbm, lerp, ridged, step, value};
use crate::data::synth::scene::{Cloud, House, Item, Meadow, Ridge, Scene, Tree};

/// Draw the scene's samples on a square of `side` sub-pixels.
pub fn paint(scene: &Scene, side: usize) -> Canvas {
    let mut canvas = Canvas::new(side);
    canvas.within([0.0, 0.0, 1.0, 1.0], |x, y, sample| sample.uv = [x, y]);
    for cloud in &scene.clouds {
        paint_cloud(&mut canvas, scene, cloud);
    }
    for (item, cover) in scene.items.iter().zip(covers(scene, side)) {
        match item {
            Item::Mountain(ridge, snow) => mountain(&mut canvas, scene, ridge, *snow, &cover),
            Item::Hill(ridge) => hill(&mut canvas, scene, ridge, &cover),
            Item::Wood(ridge, radius) => wood(&mut canvas, scene, ridge, *radius, &cover),
            Item::Water(top) => water(&mut canvas, *top, &cover),
            Item::Meadow(ground) => meadow(&mut canvas, scene, ground, &cover),
            Item::Tree(tree) if tree.conifer => conifer(&mut canvas, scene, tree),
            Item::Tree(tree) => broadleaf(&mut canvas, scene, tree),
            Item::House(house) => paint_house(&mut canvas, scene, house),
        }
    }
    canvas
}

/// For each item and column, the y from which later ground hides it: nothing has to be laid down below that.
fn covers(scene: &Scene, side: usize) -> Vec<Vec<f32>> {
    let mut cover = vec![f32::MAX; side];
    let mut covers = Vec::with_capacity(scene.items.len());
    for item in scene.items.iter().rev() {
        covers.push(cover.clone());
        for (column, cover) in cover.iter_mut().enumerate() {
            let x = (column as f32 + 0.5) / side as f32;
            let outline = match item {
                Item::Mountain(ridge, _) | Item::Hill(ridge) => ridge.height(x),
                Item::Wood(ridge, radius) => ridge.height(x) + UNDERGROWTH * radius,
                Item::Water(top) => *top,
                Item::Meadow(ground) => ground.ridge.height(x),
                Item::Tree(_) | Item::House(_) => continue,
            };
            *cover = cover.min(outline);
        }
    }
    covers.reverse();
    covers
}

/// How far under a wood's outline its dark ground begins, in crown radii.
const UNDERGROWTH: f32 = 0.6;

/// How much the front of a ball faces the light, at an offset from its centre in radii; 0 to 1.
fn ball(light: [f32; 3], dx: f32, dy: f32) -> f32 {
    let dz = (1.0 - dx * dx - dy * dy).max(0.0).sqrt();
    0.5 + 0.5 * (dx * light[0] + dy * light[1] + dz * light[2])
}

fn paint_cloud(canvas: &mut Canvas, scene: &Scene, cloud: &Cloud) {
    let size = cloud.puffs.iter().map(|p| p[2]).fold(0.0, f32::max);
    let pace = 1.1 / size;
    let height = (cloud.base - cloud.bounds[1]).max(1e-3);
    canvas.within(cloud.bounds, |x, y, sample| {
        // Warping moves a point by at most 0.64 sizes: most of the box is far from every puff.
        let reached = |&[px, py, radius]: &[f32; 3]| {
            let (dx, dy, reach) = (x - px, y - py, 1.49 * radius + 0.64 * size);
            dx * dx + dy * dy < reach * reach
        };
        if !cloud.puffs.iter().any(reached) {
            return;
        }
        let (wx, wy) = (
            x + 0.9 * size * (fbm(x * pace, y * pace, scene.noise ^ 0x0b, 4) - 0.5),
            y + 0.9 * size * (fbm(x * pace, y * pace, scene.noise ^ 0x0c, 4) - 0.5),
        );
        let (mut field, mut front, mut tone) = (-1.0_f32, 0.0_f32, 0.0_f32);
        for &[px, py, radius] in &cloud.puffs {
            let (dx, dy) = ((wx - px) / radius, (wy - py) / radius);
            let square = dx * dx + dy * dy;
            if square < 2.2 {
                field = field.max(1.0 - square);
                let rise = radius * (1.0 - square).max(0.0).sqrt();
                if rise > front {
                    (front, tone) = (rise, ball(scene.light, dx, dy));
                }
            }
        }
        if field <= -1.0 {
            return;
        }
        let flat = step(cloud.base + 0.10 * size, cloud.base - 0.25 * size, y);
        let fine = fbm(x * pace * 3.0, y * pace * 3.0, scene.noise ^ 0x0d, 4) - 0.5;
        let cover = step(-0.35, 0.55, field + 1.1 * fine) * flat;
        let lift = ((cloud.base - y) / height).clamp(0.0, 1.0);
        let tone = (0.62 * tone + 0.5 * lift + 0.18 * fine).clamp(0.0, 1.0);
        sample.tone = lerp(sample.tone, tone, cover.max(if field > 0.0 { 0.5 } else { 0.0 }));
        sample.cover = 1.0 - (1.0 - sample.cover) * (1.0 - cover);
        if field > 0.0 && y < cloud.base + 0.03 * size * fine {
            sample.material = Material::Cloud;
            sample.tone = tone;
        }
    });
}

fn mountain(canvas: &mut Canvas, scene: &Scene, ridge: &Ridge, snow: Option<f32>, cover: &[f32]) {
    let object = canvas.next_object();
    let side = if scene.light[0] < 0.0 { -1.0 } else { 1.0 };
    canvas.below(
        |x| ridge.height(x),
        0.012,
        cover,
        |[x, y], edge, crest, sample| {
            let down = y - edge;
            // Spurs run down and outwards: noise over a sheared plane, lit by its slope along x.
            let (px, py) = (x * 7.0 + 1.5 * down, down * 5.0);
            let slope = ridged(px + 0.12, py, ridge.seed ^ 0x03, 3) - ridged(px - 0.12, py, ridge.seed ^ 0x03, 3);
            let tone = (0.5 - side * 1.5 * slope + side * 4.0 * crest * bell(down * 9.0)).clamp(0.0, 1.0);
            let line = snow.map(|s| s + 0.10 * (fbm(x * 16.0, y * 9.0, ridge.seed ^ 0x05, 3) - 0.5) + 0.12 * slope);
            *sample = Sample {
                material: if line.is_some_and(|line| y < line) { Material::Snow } else { Material::Rock },
                object,
                tone,
                depth: ridge.depth,
                uv: [x * 40.0, y * 40.0],
                vary: ridge.vary,
                cover: 0.0,
            };
        },
    );
}

/// Light on rolling ground: the slope of its outline, and soft undulation below it.
fn rolling(scene: &Scene, ridge: &Ridge, x: f32, down: f32, slope: f32) -> f32 {
    let waves = fbm(x * 3.0 + 2.0 * down, down * 7.0, ridge.seed ^ 0x09, 3) - 0.5;
    (0.6 + 5.0 * slope * scene.light[0] + 1.1 * waves).clamp(0.0, 1.0)
}

fn hill(canvas: &mut Canvas, scene: &Scene, ridge: &Ridge, cover: &[f32]) {
    let object = canvas.next_object();
    canvas.below(
        |x| ridge.height(x),
        0.02,
        cover,
        |[x, y], edge, slope, sample| {
            *sample = Sample {
                material: Material::Grass,
                object,
                tone: rolling(scene, ridge, x, y - edge, slope),
                depth: ridge.depth,
                uv: [x * 60.0, y * 120.0],
                vary: ridge.vary,
                cover: 0.0,
            };
        },
    );
}

fn wood(canvas: &mut Canvas, scene: &Scene, ridge: &Ridge, radius: f32, cover: &[f32]) {
    let object = canvas.next_object();
    let leaf = |canvas: &mut Canvas, x: f32, y: f32, r: f32, vary: f32, shade: f32| {
        canvas.within([x - 1.2 * r, y - 1.2 * r, x + 1.2 * r, y + 1.2 * r], |px, py, sample| {
            let (dx, dy) = ((px - x) / r, (py - y) / r);
            let rough = 0.45 * (value(px * 2.2 / r, py * 2.2 / r, ridge.seed ^ 0x15) - 0.5);
            if dx * dx + dy * dy < 1.0 + rough {
                *sample = Sample {
                    material: Material::Wood,
                    object,
                    tone: (ball(scene.light, dx, dy) * shade + 0.3 * rough).clamp(0.0, 1.0),
                    depth: ridge.depth,
                    uv: [px * 1.6 / r, py * 1.6 / r],
                    vary,
                    cover: 0.0,
                };
            }
        });
    };
    canvas.below(
        |x| ridge.height(x) + UNDERGROWTH * radius,
        0.0,
        cover,
        |[x, y], _, _, sample| {
            *sample = Sample {
                material: Material::Wood,
                object,
                tone: 0.15,
                depth: ridge.depth,
                uv: [x * 1.6 / radius, y * 1.6 / radius],
                vary: ridge.vary,
                cover: 0.0,
            };
        },
    );
    let mut draw = Draw::new(&[u64::from(ridge.seed), 77]);
    let across = (0.8 / radius) as usize;
    for row in 0..14 {
        for column in 0..=across {
            let x = (column as f32 + draw.within(-0.5, 0.5)) / across as f32;
            let y = ridge.height(x) + row as f32 * 1.05 * radius + draw.within(-0.5, 0.5) * radius;
            let r = radius * draw.within(0.75, 1.45);
            let vary = (0.5 * ridge.vary + draw.within(0.0, 0.5)).min(1.0);
            let side = cover.len() as f32;
            let column = |x: f32| ((x * side) as usize).min(cover.len());
            let seen = &cover[column(x - 1.2 * r)..column(x + 1.2 * r + 1.0 / side)];
            if seen.iter().all(|&cover| y - 1.2 * r > cover) {
                continue;
            }
            leaf(canvas, x, y, r, vary, 1.0 - 0.02 * row as f32);
        }
    }
}

fn water(canvas: &mut Canvas, top: f32, cover: &[f32]) {
    let object = canvas.next_object();
    canvas.below(
        |_| top,
        0.0,
        cover,
        |[x, y], _, _, sample| {
            let near = ((y - top) / (1.0 - top)).clamp(0.0, 1.0);
            *sample = Sample {
                material: Material::Water,
                object,
                tone: near,
                depth: 0.3 * (1.0 - near),
                // Ripples are longer than high, and both grow towards the viewer.
                uv: [x * 14.0 / (0.15 + near), 9.0 / (0.12 + near)],
                vary: top,
                cover: 0.0,
            };
        },
    );
}

fn meadow(canvas: &mut Canvas, scene: &Scene, ground: &Meadow, cover: &[f32]) {
    let ridge = &ground.ridge;
    let object = canvas.next_object();
    let trail = canvas.next_object();
    canvas.below(
        |x| ridge.height(x),
        0.02,
        cover,
        |[x, y], edge, slope, sample| {
            let near = ((y - edge) / (1.0 - edge).max(0.05)).clamp(0.0, 1.0);
            let reach = 1.0 / (0.18 + near);
            let uv = [(x - 0.5) * reach * 26.0, reach * 22.0];
            let mut tone = rolling(scene, ridge, x, 0.6 * (y - edge), slope);
            let mut material = Material::Meadow;
            let mut number = object;
            if let Some([bottom, far, swing]) = ground.path {
                let bend = swing * 4.0 * near * (1.0 - near) * (1.0 - near);
                let centre = lerp(far, bottom, near) + bend;
                let half = lerp(0.012, 0.085, near)
                    * (1.0 + 0.35 * (fbm(uv[0] * 0.5, uv[1] * 0.5, ridge.seed ^ 0x1f, 2) - 0.5));
                if (x - centre).abs() < half {
                    (material, number) = (Material::Path, trail);
                    tone = 0.45 + 0.5 * fbm(uv[0] * 0.4, uv[1] * 0.4, ridge.seed ^ 0x20, 2);
                }
            }
            *sample =
                Sample { material, object: number, tone, depth: 0.08 * (1.0 - near), uv, vary: ridge.vary, cover: 0.0 };
        },
    );
    let mut draw = Draw::new(&[ground.key, 5]);
    let tufts = canvas.next_object();
    for n in 0..ground.blades {
        // Far rows first.
        let far = (n as f32 + 0.5) / ground.blades as f32;
        let x = draw.within(0.0, 1.0);
        let y = lerp(ridge.height(x) + 0.02, 1.03, far * far * 0.4 + far * 0.6);
        let length = lerp(0.010, 0.050, far) * draw.within(0.6, 1.2);
        let lean = draw.within(-0.5, 0.5) * length;
        let half = 0.07 * length;
        let tone = if draw.chance(0.55) { draw.within(0.75, 1.0) } else { draw.within(0.05, 0.3) };
        if on_path(ground, x, y) {
            continue;
        }
        canvas.polygon(&[[x - half, y], [x + half, y], [x + lean, y - length]], |px, py, sample| {
            *sample = Sample {
                material: Material::Meadow,
                object: tufts,
                tone,
                depth: 0.0,
                uv: [px * 90.0, py * 90.0],
                vary: ridge.vary,
                cover: 0.0,
            };
        });
    }
    flowers(canvas, ground, &mut draw);
}

fn on_path(ground: &Meadow, x: f32, y: f32) -> bool {
    let edge = ground.ridge.height(x);
    let near = ((y - edge) / (1.0 - edge).max(0.05)).clamp(0.0, 1.0);
    ground.path.is_some_and(|[bottom, far, swing]| {
        let centre = lerp(far, bottom, near) + swing * 4.0 * near * (1.0 - near) * (1.0 - near);
        (x - centre).abs() < lerp(0.016, 0.1, near)
    })
}

fn flowers(canvas: &mut Canvas, ground: &Meadow, draw: &mut Draw) {
    for n in 0..ground.flowers {
        let far = (n as f32 + 0.5) / ground.flowers as f32;
        let x = draw.within(0.0, 1.0);
        let y = lerp(ground.ridge.height(x) + 0.01, 1.0, far);
        let radius = lerp(0.0025, 0.009, far) * draw.within(0.7, 1.3);
        let vary = draw.within(0.0, 1.0);
        if on_path(ground, x, y) {
            continue;
        }
        let object = canvas.next_object();
        canvas.within([x - radius, y - radius, x + radius, y + radius], |px, py, sample| {
            let (dx, dy) = ((px - x) / radius, (py - y) / (0.8 * radius));
            if dx * dx + dy * dy < 1.0 {
                *sample = Sample {
                    material: Material::Flower,
                    object,
                    tone: 0.7 - 0.3 * dy,
                    depth: 0.0,
                    uv: [px * 200.0, py * 200.0],
                    vary,
                    cover: 0.0,
                };
            }
        });
    }
}

fn trunk(canvas: &mut Canvas, scene: &Scene, tree: &Tree, top: f32, half: f32) {
    let [x, y] = tree.foot;
    let object = canvas.next_object();
    let corners = [[x - 1.5 * half, y], [x + 1.5 * half, y], [x + 0.6 * half, y - top], [x - 0.6 * half, y - top]];
    canvas.polygon(&corners, |px, py, sample| {
        let across = ((px - x) / half).clamp(-1.0, 1.0);
        *sample = Sample {
            material: Material::Trunk,
            object,
            tone: (0.5 + 0.5 * across * scene.light[0]).clamp(0.0, 1.0),
            depth: tree.depth,
            uv: [px * 4.0 / half, py * 0.7 / half],
            vary: tree.vary,
            cover: 0.0,
        };
    });
}

fn broadleaf(canvas: &mut Canvas, scene: &Scene, tree: &Tree) {
    let mut draw = Draw::new(&[tree.key]);
    let [x, y] = tree.foot;
    trunk(canvas, scene, tree, 0.55 * tree.height, 0.03 * tree.height);
    let object = canvas.next_object();
    let (wide, tall) = (0.36 * tree.height, 0.33 * tree.height);
    let (cx, cy) = (x + draw.within(-0.05, 0.05) * tree.height, y - 0.66 * tree.height);
    let mut blobs: Vec<[f32; 3]> = Vec::new();
    while blobs.len() < 26 {
        let (dx, dy) = (draw.within(-1.0, 1.0), draw.within(-1.0, 1.0));
        if dx * dx + dy * dy < 1.0 {
            let radius = tree.height * draw.within(0.085, 0.16);
            blobs.push([cx + 0.8 * wide * dx, cy + 0.8 * tall * dy, radius]);
        }
    }
    // Lower ones behind, upper ones in front: each lit top covers the shaded foot of the one above it.
    blobs.sort_by(|a, b| b[1].total_cmp(&a[1]));
    let grain = 3.2 / (0.13 * tree.height);
    for [bx, by, radius] in blobs {
        let (ox, oy) = (((bx - cx) / wide).clamp(-1.0, 1.0), ((by - cy) / tall).clamp(-1.0, 1.0));
        let crown = 0.5 + 0.5 * (ox * scene.light[0] + oy * scene.light[1]);
        canvas.within(
            [bx - 1.3 * radius, by - 1.3 * radius, bx + 1.3 * radius, by + 1.3 * radius],
            |px, py, sample| {
                let (dx, dy) = ((px - bx) / radius, (py - by) / radius);
                let square = dx * dx + dy * dy;
                if square > 1.6 {
                    return;
                }
                let rough = fbm(px * grain, py * grain, scene.noise ^ 0x29, 2) - 0.5;
                if square < 1.0 + 0.9 * rough {
                    *sample = Sample {
                        material: Material::Leaf,
                        object,
                        tone: (0.55 * ball(scene.light, dx, dy) + 0.5 * crown + 0.35 * rough - 0.03).clamp(0.0, 1.0),
                        depth: tree.depth,
                        uv: [px * grain, py * grain],
                        vary: tree.vary,
                        cover: 0.0,
                    };
                }
            },
        );
    }
}

fn conifer(canvas: &mut Canvas, scene: &Scene, tree: &Tree) {
    let [x, y] = tree.foot;
    trunk(canvas, scene, tree, 0.2 * tree.height, 0.02 * tree.height);
    let object = canvas.next_object();
    let mut draw = Draw::new(&[tree.key]);
    let layers = 6 + draw.below(4);
    let wide = tree.height * draw.within(0.19, 0.26);
    let (top, bottom) = (y - tree.height, y - 0.08 * tree.height);
    let grain = 26.0 / tree.height;
    canvas.within([x - 1.3 * wide, top, x + 1.3 * wide, bottom + 0.05 * tree.height], |px, py, sample| {
        let rough = fbm(px * grain, py * grain, scene.noise ^ 0x2b, 2) - 0.5;
        let down = (py - top) / (bottom - top) + 0.05 * rough;
        if !(0.0..=1.0).contains(&down) {
            return;
        }
        let saw = (down * layers as f32).fract();
        let half = wide * down * (0.62 + 0.45 * saw) * (1.0 + 0.5 * rough);
        let across = (px - x) / half.max(1e-4);
        if across.abs() < 1.0 {
            *sample = Sample {
                material: Material::Needle,
                object,
                tone: (0.62 + 0.34 * across * scene.light[0] - 0.45 * (1.0 - saw) * (1.0 - saw) + 0.35 * rough)
                    .clamp(0.0, 1.0),
                depth: tree.depth,
                uv: [px * grain, py * grain],
                vary: tree.vary,
                cover: 0.0,
            };
        }
    });
}

fn paint_house(canvas: &mut Canvas, scene: &Scene, house: &House) {
    let [x, y] = house.foot;
    let (w, s) = (house.width, house.side);
    // Units of the gable's width; the side wall recedes upwards a little.
    let at = |u: f32, v: f32| [x + s * u * w, y - v * w];
    let (wall, gable, long, back) = (0.72, 0.55, 1.25, 0.10);
    let front = (0.58 - 0.3 * s * scene.light[0]).clamp(0.1, 0.95);
    let flank = (0.58 + 0.55 * s * scene.light[0]).clamp(0.1, 0.95);
    let mut part = |corners: &[[f32; 2]], material: Material, tone: f32| {
        let object = canvas.next_object();
        canvas.polygon(corners, |px, py, sample| {
            *sample = Sample {
                material,
                object,
                tone,
                depth: house.depth,
                uv: [(px - x) * 18.0 / w, (py - y) * 18.0 / w],
                vary: house.vary,
                cover: 0.0,
            };
        });
    };
    part(&[at(0.0, 0.0), at(long, back), at(long, wall + back), at(0.0, wall)], Material::Wall, flank);
    part(&[at(-1.0, 0.06), at(0.0, 0.0), at(0.0, wall), at(-0.5, wall + gable), at(-1.0, wall)], Material::Wall, front);
    // The far slope of the roof shows as a thin edge over the gable, the near one as a broad sheet over the side.
    part(
        &[
            at(-1.14, wall - 0.06),
            at(-1.06, wall - 0.12),
            at(-0.46, wall + gable - 0.02),
            at(-0.5, wall + gable + 0.12),
        ],
        Material::Roof,
        front * 0.6,
    );
    part(
        &[
            at(0.14, wall - 0.14),
            at(long + 0.12, wall + back - 0.12),
            at(long - 0.38, wall + gable + back + 0.1),
            at(-0.5, wall + gable + 0.12),
        ],
        Material::Roof,
        (flank + 0.18).min(1.0),
    );
    part(&[at(-0.2, 0.02), at(-0.42, 0.03), at(-0.42, 0.42), at(-0.2, 0.41)], Material::Door, front);
    part(&[at(-0.6, 0.28), at(-0.84, 0.29), at(-0.84, 0.53), at(-0.6, 0.52)], Material::Window, front);
    part(&[at(-0.4, 0.74), at(-0.6, 0.75), at(-0.6, 0.95), at(-0.4, 0.94)], Material::Window, front);
    part(&[at(0.25, 0.30), at(0.5, 0.32), at(0.5, 0.54), at(0.25, 0.52)], Material::Window, flank);
    part(&[at(0.75, 0.34), at(1.0, 0.36), at(1.0, 0.58), at(0.75, 0.56)], Material::Window, flank);
    part(
        &[
            at(0.5, wall + gable - 0.12),
            at(0.68, wall + gable - 0.12),
            at(0.68, wall + gable + 0.3),
            at(0.5, wall + gable + 0.3),
        ],
        Material::Wall,
        flank,
    );
}
