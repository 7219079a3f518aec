//! Figures as pixels: plotters' bitmap back end at several times the resolution, made smaller at the end, so that edges
//! are smooth at any angle.

use std::fmt::Display;
use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color as _, RGBAColor, RGBColor};

use super::palette::{self, Palette};
use super::{Anchor, Face, Ground, Ink, Paint, Pen, Place, Shape};

/// Pixels painted for each one kept, in each direction.
const OVER: u32 = 2;
/// Length of a dash and of the gap after it, in CSS pixels.
const DASH: (f64, f64) = (5.0, 4.0);

/// Why a picture came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// More pixels than anyone can mean.
    #[error("a picture of {0} x {1} pixels is too large: at most {MOST} on a side")]
    TooLarge(u32, u32),
    /// A side of no pixels.
    #[error("a picture needs at least {LEAST} pixels on a side, not {0} x {1}")]
    TooSmall(u32, u32),
    /// The encoder refused.
    #[error("cannot encode the picture: {0}")]
    Encode(#[from] png::EncodingError),
    /// Plotters refused.
    #[error("cannot draw: {0}")]
    Draw(String),
}

/// Longest side in pixels.
const MOST: u32 = 10_000;
/// Shortest side in pixels.
const LEAST: u32 = 64;

/// A picture being painted.
pub struct Pixels {
    buffer: Vec<u8>,
    /// In pixels of the buffer.
    wide: u32,
    high: u32,
    /// Pixels of the buffer a CSS pixel.
    scale: f64,
    dpi: f64,
    palette: &'static Palette,
    failed: Option<PictureError>,
    /// Pictures laid over it, with their places in pixels of the file.
    laid: Vec<(image::RgbImage, (u32, u32))>,
}

impl std::fmt::Debug for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pixels").field("wide", &self.wide).field("high", &self.high).finish_non_exhaustive()
    }
}

impl Pixels {
    /// An empty picture of so many pixels, `dpi` an inch: 96 make a CSS pixel of each.
    pub fn new(size: (u32, u32), dpi: f64, ground: Ground) -> Result<Self, PictureError> {
        let (width, height) = size;
        if width > MOST || height > MOST {
            return Err(PictureError::TooLarge(width, height));
        }
        if width < LEAST || height < LEAST {
            return Err(PictureError::TooSmall(width, height));
        }
        let palette = palette::on(ground);
        let (wide, high) = (width * OVER, height * OVER);
        let ground = [palette.ground.0, palette.ground.1, palette.ground.2];
        let buffer = ground.repeat(wide as usize * high as usize);
        Ok(Self {
            buffer,
            wide,
            high,
            scale: dpi / 96.0 * f64::from(OVER),
            dpi,
            palette,
            failed: None,
            laid: Vec::new(),
        })
    }

    /// The picture as a PNG file, which says how many pixels an inch has.
    pub fn png(self) -> Result<Vec<u8>, PictureError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (width, height) = (self.wide / OVER, self.high / OVER);
        let mut kept = image::RgbImage::from_raw(width, height, halved(&self.buffer, self.wide)).unwrap_or_default();
        for (picture, (x, y)) in &self.laid {
            image::imageops::replace(&mut kept, picture, i64::from(*x), i64::from(*y));
        }
        encode(&kept, self.dpi)
    }

    /// Lay a picture over it, pixel for pixel of the file.
    pub fn place(&mut self, picture: &image::RgbImage, at: (u32, u32)) {
        self.laid.push((picture.clone(), at));
    }

    fn with<E: Display>(&mut self, draw: impl FnOnce(&mut BitMapBackend<'_>) -> Result<(), E>) {
        let mut backend = BitMapBackend::with_buffer(&mut self.buffer, (self.wide, self.high));
        if let Err(error) = draw(&mut backend) {
            self.failed.get_or_insert_with(|| refused(&error));
        }
    }

    fn at(&self, (x, y): Place) -> (f64, f64) {
        (x * self.scale, y * self.scale)
    }

    fn rectangle(&mut self, (left, top): (f64, f64), (right, bottom): (f64, f64), colour: RGBColor) {
        let whole = |edge: f64| edge.round().clamp(-1e6, 1e6) as i32;
        // plotters fills up to the lower right corner and leaves that out.
        let (left, top) = (whole(left), whole(top));
        let (right, bottom) = (whole(right).max(left + 1), whole(bottom).max(top + 1));
        self.with(|backend| backend.draw_rect((left, top), (right, bottom), &colour, true));
    }

    fn polygon(&mut self, corners: &[(f64, f64)], colour: RGBColor) {
        let corners: Vec<(i32, i32)> = corners.iter().map(|&(x, y)| (x.round() as i32, y.round() as i32)).collect();
        self.with(|backend| backend.fill_polygon(corners, &colour));
    }

    fn disc(&mut self, (x, y): (f64, f64), radius: f64, colour: RGBColor) {
        let (at, radius) = ((x.round() as i32, y.round() as i32), radius.round() as u32);
        if radius > 0 {
            self.with(|backend| backend.draw_circle(at, radius, &colour, true));
        }
    }

    /// A straight piece of a line, in pixels of the buffer: a run of pixels in each row of a steep one, in each column of
    /// a flat one. Noisy curves are thousands of long steep pieces, for which a polygon each would cost a hundred times as
    /// much.
    fn piece(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: RGBColor) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        if !length.is_finite() || length == 0.0 {
            return;
        }
        let steep = dy.abs() > dx.abs();
        // Along the longer direction, across the other; half of the line's width, measured across.
        let turn = |(x, y): (f64, f64)| if steep { (y, x) } else { (x, y) };
        let (mut begin, mut end) = (turn(from), turn(to));
        if begin.0 > end.0 {
            std::mem::swap(&mut begin, &mut end);
        }
        let slope = (end.1 - begin.1) / (end.0 - begin.0);
        let half = width / 2.0 * length / (end.0 - begin.0);
        let limit = f64::from(if steep { self.high } else { self.wide });
        let (first, last) = (begin.0.round().max(0.0), end.0.round().min(limit - 1.0));
        let mut along = first;
        while along <= last {
            let across = begin.1 + (along + 0.5 - begin.0).clamp(0.0, end.0 - begin.0) * slope;
            let (low, high) = (across - half, across + half);
            if steep {
                self.rectangle((low, along), (high, along + 1.0), colour);
            } else {
                self.rectangle((along, low), (along + 1.0, high), colour);
            }
            along += 1.0;
        }
    }

    fn colour(&self, paint: Paint, opacity: f64) -> RGBColor {
        let (red, green, blue) = self.palette.mixed(paint, opacity);
        RGBColor(red, green, blue)
    }
}

/// The mean of each two by two pixels of RGB rows that are `wide` pixels long. Plain loops: every pixel of every figure
/// goes through here, also where this crate is hardly optimised.
fn halved(rgb: &[u8], wide: u32) -> Vec<u8> {
    let row = wide as usize * 3;
    let mut halved = vec![0; rgb.len() / 4];
    let mut to = 0;
    for rows in rgb.chunks_exact(2 * row) {
        let (above, below) = rows.split_at(row);
        let mut from = 0;
        while from + 5 < row {
            let mut channel = from;
            while channel < from + 3 {
                let upper = u16::from(above[channel]) + u16::from(above[channel + 3]);
                let lower = u16::from(below[channel]) + u16::from(below[channel + 3]);
                halved[to] = ((upper + lower + 2) >> 2) as u8;
                to += 1;
                channel += 1;
            }
            from += 6;
        }
    }
    halved
}

fn refused(error: &dyn Display) -> PictureError {
    PictureError::Draw(error.to_string())
}

/// How wide `text` is in CSS pixels.
pub(super) fn width(face: Face, text: &str) -> f64 {
    laid_out(face, face.size(), text, |_, _| {})
}

/// The fonts inside of the program; none only if their bytes were no font, which a test of this module would notice.
static FONTS: LazyLock<Option<[FontRef<'static>; 2]>> = LazyLock::new(|| {
    let read = |bytes| FontRef::try_from_slice(bytes).ok();
    Some([read(notosans::REGULAR_TTF)?, read(notosans::BOLD_TTF)?])
});

/// Give each letter of a line of text with its distance from the beginning, in pixels; returns how long the line is. An
/// em has `size` pixels.
fn laid_out(face: Face, size: f64, text: &str, mut letter: impl FnMut(&FontRef<'static>, ab_glyph::Glyph)) -> f64 {
    let Some(fonts) = &*FONTS else { return 0.0 };
    let font = &fonts[usize::from(face.bold())];
    // What ab_glyph scales by is the height from ascender to descender.
    let em = f64::from(font.units_per_em().unwrap_or(1000.0));
    let scale = PxScale::from((size * f64::from(font.height_unscaled()) / em) as f32);
    let scaled = font.as_scaled(scale);
    let (mut x, mut before) = (0.0, None);
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        x += before.map_or(0.0, |before| scaled.kern(before, id));
        letter(font, id.with_scale_and_position(scale, point(x, 0.0)));
        x += scaled.h_advance(id);
        before = Some(id);
    }
    f64::from(x)
}

/// A picture as a PNG file of so many pixels an inch.
fn encode(picture: &image::RgbImage, dpi: f64) -> Result<Vec<u8>, PictureError> {
    let mut file = Vec::new();
    let (width, height) = picture.dimensions();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let per_metre = (dpi / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.as_raw())?;
    writer.finish()?;
    Ok(file)
}

impl Ink for Pixels {
    fn line(&mut self, places: &[Place], pen: Pen) {
        // Never thinner than can be seen; mixed with the ground beforehand, so that nothing shows where pieces meet.
        let width = (pen.width * self.scale).max(1.0);
        let colour = self.colour(pen.paint, pen.opacity);
        let places: Vec<(f64, f64)> = places.iter().map(|place| self.at(*place)).collect();
        if let [only] = places.as_slice() {
            self.disc(*only, width / 2.0, colour);
        }
        let (on, off) = if pen.dashed { (DASH.0 * self.scale, DASH.1 * self.scale) } else { (f64::INFINITY, 0.0) };
        let mut walked = 0.0;
        for pair in places.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length == 0.0 {
                continue;
            }
            let point = |way: f64| (from.0 + (to.0 - from.0) * way / length, from.1 + (to.1 - from.1) * way / length);
            let mut way = 0.0;
            while way < length {
                let phase = if on.is_finite() { walked % (on + off) } else { 0.0 };
                let (drawn, left) = if phase < on { (true, on - phase) } else { (false, on + off - phase) };
                let step = left.min(length - way).max(1e-6);
                if drawn {
                    self.piece(point(way), point(way + step), width, colour);
                }
                way += step;
                walked += step;
            }
            if width > 2.5 && !pen.dashed {
                self.disc(to, (width / 2.0 - 0.5).max(1.0), colour);
            }
        }
    }

    fn band(&mut self, spans: &[(f64, f64, f64)], paint: Paint, opacity: f64) {
        let colour = self.colour(paint, opacity);
        for pair in spans.windows(2) {
            let ((from, upper), (_, lower)) = (self.at((pair[0].0, pair[0].1)), self.at((0.0, pair[0].2)));
            let ((to, next_upper), (_, next_lower)) = (self.at((pair[1].0, pair[1].1)), self.at((0.0, pair[1].2)));
            let (first, end) = (from.round(), to.round());
            let columns = (end - first).max(1.0);
            for column in 0..columns as usize {
                let share = (column as f64 + 0.5) / columns;
                let between = |from: f64, to: f64| from + (to - from) * share;
                let x = first + column as f64;
                self.rectangle((x, between(upper, next_upper)), (x + 1.0, between(lower, next_lower)), colour);
            }
        }
    }

    fn mark(&mut self, shape: Shape, at: Place, radius: f64, paint: Paint) {
        let ((x, y), r, colour) = (self.at(at), radius * self.scale, self.colour(paint, 1.0));
        match shape {
            Shape::Disc => self.disc((x, y), r, colour),
            Shape::Cross => {
                let width = 1.4 * self.scale;
                self.piece((x - r, y - r), (x + r, y + r), width, colour);
                self.piece((x - r, y + r), (x + r, y - r), width, colour);
            }
            Shape::Up => self.polygon(&[(x, y - r), (x + r, y + r), (x - r, y + r)], colour),
            Shape::Down => self.polygon(&[(x, y + r), (x + r, y - r), (x - r, y - r)], colour),
            Shape::Diamond => self.polygon(&[(x, y - r), (x + r, y), (x, y + r), (x - r, y)], colour),
        }
    }

    fn text(&mut self, at: Place, text: &str, face: Face, anchor: Anchor, paint: Paint) {
        let text: String = super::clean(text).replace(['\n', '\t'], " ");
        let (x, y) = self.at(at);
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width(face, &text) * self.scale / 2.0,
            Anchor::End => x - width(face, &text) * self.scale,
        };
        let (red, green, blue) = self.palette.of(paint);
        let colour = |alpha: f32| RGBAColor(red, green, blue, f64::from(alpha)).to_backend_color();
        let (wide, high) = (self.wide as i32, self.high as i32);
        let size = face.size() * self.scale;
        self.with(|backend| {
            let mut drawn = Ok(());
            laid_out(face, size, &text, |font, mut glyph| {
                glyph.position += point(left as f32, y as f32);
                let Some(outline) = font.outline_glyph(glyph) else { return };
                let (from_x, from_y) = (outline.px_bounds().min.x as i32, outline.px_bounds().min.y as i32);
                outline.draw(|x, y, alpha| {
                    let at = (from_x + x as i32, from_y + y as i32);
                    let inside = (0..wide).contains(&at.0) && (0..high).contains(&at.1);
                    if inside && alpha > 0.0 && drawn.is_ok() {
                        drawn = backend.draw_pixel(at, colour(alpha.min(1.0)));
                    }
                });
            });
            drawn
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(draw: impl FnOnce(&mut Pixels)) -> image::RgbImage {
        let mut pixels = Pixels::new((200, 100), 96.0, Ground::Light).unwrap();
        draw(&mut pixels);
        image::load_from_memory(&pixels.png().unwrap()).unwrap().to_rgb8()
    }

    fn dark(image: &image::RgbImage) -> Vec<(u32, u32)> {
        image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[1] < 128).map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn words_stand_on_their_baseline_from_their_anchor_and_are_as_wide_as_measured() {
        for (anchor, left) in [(Anchor::Start, 100.0), (Anchor::Middle, 0.5), (Anchor::End, 0.0)] {
            let text = "HHHHHH";
            let wide = Face::Title.width(text);
            let image = painted(|ink| ink.text((100.0, 60.0), text, Face::Title, anchor, Paint::Text));
            let found = dark(&image);
            let (first, last) = (found.iter().map(|p| p.0).min().unwrap(), found.iter().map(|p| p.0).max().unwrap());
            let (top, bottom) = (found.iter().map(|p| p.1).min().unwrap(), found.iter().map(|p| p.1).max().unwrap());
            let start = match anchor {
                Anchor::Start => left,
                Anchor::Middle => 100.0 - wide * left,
                Anchor::End => 100.0 - wide,
            };
            assert!((f64::from(first) - start).abs() < 3.0, "{anchor:?}: {first} for {start}");
            assert!((f64::from(last - first) - wide).abs() < 5.5, "{} for {wide}", last - first);
            assert!((58..=60).contains(&bottom), "{bottom}: capitals stand on the baseline");
            assert!((10..=13).contains(&(bottom - top)), "{}: capitals of 16 pixels are about 11.4 high", bottom - top);
        }
    }

    #[test]
    fn a_thin_line_is_smooth_at_every_angle_and_stays_where_it_belongs() {
        for to in [(180.0, 50.0), (180.0, 80.0), (100.0, 90.0), (21.0, 90.0), (20.0, 90.0)] {
            let image = painted(|ink| ink.line(&[(20.0, 50.0), to], Pen::new(Paint::Text, 1.5)));
            let ink: f64 = image.pixels().map(|pixel| (255.0 - f64::from(pixel.0[1])) / 222.0).sum();
            let meant = (to.0 - 20.0_f64).hypot(to.1 - 50.0) * 1.5;
            assert!((ink / meant - 1.0).abs() < 0.25, "{to:?}: {ink:.0} for {meant:.0}");
        }
    }

    #[test]
    fn the_file_says_how_many_pixels_an_inch_has_and_sizes_have_limits() {
        let file = Pixels::new((64, 64), 200.0, Ground::Dark).unwrap().png().unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        assert_eq!(reader.info().pixel_dims.map(|dims| (dims.xppu, dims.yppu)), Some((7874, 7874)));
        assert!(matches!(Pixels::new((10, 64), 96.0, Ground::Light), Err(PictureError::TooSmall(10, 64))));
        assert!(matches!(Pixels::new((64, 20_000), 96.0, Ground::Light), Err(PictureError::TooLarge(64, 20_000))));
    }
}
