//! Making pictures off the drawing thread: read, cut, compared, resized, encoded, and kept for as long as there is room.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use image::RgbImage;
use ratatui::layout::Size;

use crate::app::graphics::Graphics;
use crate::app::theme::ThemeName;
use crate::app::widgets::picture::Picture;
use crate::data::{image_file, resize};

mod kept;
mod paint;

pub use paint::Measure;

use kept::Kept;

/// Memory for decoded files.
const DECODED_BYTES: usize = 64 << 20;
/// Memory for pictures as they are drawn.
const MADE_BYTES: usize = 32 << 20;

/// A file, or one of the equal parts that lie side by side in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// Which part of how many; the whole picture where absent.
    pub of: Option<(u32, u32)>,
}

/// A PNG file that is held in memory.
#[derive(Clone)]
pub struct Held {
    key: u64,
    png: Arc<[u8]>,
}

impl Held {
    /// The file of these bytes. Its end holds a checksum of all of it: that and the length tell two files apart, at a
    /// cost that does not grow with them.
    pub fn new(png: &Arc<[u8]>) -> Self {
        let mut hasher = DefaultHasher::new();
        png.len().hash(&mut hasher);
        let spread = (0..64).map(|part| part * png.len() / 64).filter_map(|at| png.get(at));
        spread.for_each(|byte| byte.hash(&mut hasher));
        png[png.len().saturating_sub(64)..].hash(&mut hasher);
        Self { key: hasher.finish(), png: Arc::clone(png) }
    }

    /// Whether it is the file that lies there.
    pub fn is(&self, png: &Arc<[u8]>) -> bool {
        Arc::ptr_eq(&self.png, png)
    }

    /// A number that tells it from others.
    pub fn key(&self) -> u64 {
        self.key
    }

    fn name(&self) -> PathBuf {
        PathBuf::from(format!("held/{:016x}", self.key))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({:016x})", self.key)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.png.len() == other.png.len()
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// What a picture shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// A file that lies in memory.
    Held(Held),
    /// A file or a part of one.
    Plain(Part),
    /// One picture left of a seam, another one right of it.
    Wipe {
        /// Left of the seam.
        left: Part,
        /// Right of it.
        right: Part,
        /// Where the seam is, in thousandths of the width of what is seen.
        at: u16,
        /// The seam's colour.
        seam: [u8; 3],
    },
    /// How far two pictures are apart, pixel by pixel.
    Difference {
        /// A picture.
        of: Part,
        /// Another one.
        against: Part,
        /// The difference that gets the last colour, in thousandths of the whole scale.
        top: u16,
        /// Whose colours.
        ramp: ThemeName,
    },
}

impl Recipe {
    fn parts(&self) -> [Option<&Part>; 2] {
        match self {
            Self::Held(_) => [None, None],
            Self::Plain(part) => [Some(part), None],
            Self::Wipe { left, right, .. } => [Some(left), Some(right)],
            Self::Difference { of, against, .. } => [Some(of), Some(against)],
        }
    }
}

/// Which part of a picture is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// How many times as large as when all is seen: 1, 2, 4.
    pub zoom: u16,
    /// The middle of what is seen, in thousandths of the width and height.
    pub centre: (u16, u16),
}

impl Default for View {
    fn default() -> Self {
        Self { zoom: 1, centre: (500, 500) }
    }
}

impl View {
    /// The same with its middle where all that is seen lies inside the picture.
    #[must_use]
    pub fn inside(self) -> Self {
        let margin = 500 / self.zoom.max(1);
        let keep = |middle: u16| middle.clamp(margin, 1000 - margin);
        Self { centre: (keep(self.centre.0), keep(self.centre.1)), ..self }
    }
}

/// A picture that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Want {
    /// What it shows.
    pub recipe: Recipe,
    /// Which part of it.
    pub view: View,
    /// Columns and rows that there are for it.
    pub room: Size,
}

/// A picture that is finished.
#[derive(Debug, PartialEq)]
pub struct Made {
    /// The picture.
    pub picture: Arc<Picture>,
    /// Width and height in pixels of what it shows, whichever part is seen.
    pub source: (u32, u32),
    /// What was measured, of a difference.
    pub measure: Option<Measure>,
    /// The size that the second picture had before it was made as large as the first, if it had another one.
    pub resized: Option<(u32, u32)>,
}

/// When a file changed, and its length.
type Stamp = (Option<SystemTime>, u64);

/// What a finished picture is kept by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    want: Want,
    graphics: Graphics,
    stamps: [Option<Stamp>; 2],
}

/// Makes pictures, and keeps those it made last.
pub struct Studio {
    decoded: Mutex<Kept<(PathBuf, Stamp), RgbImage>>,
    made: Mutex<Kept<Key, Made>>,
}

impl Default for Studio {
    fn default() -> Self {
        Self { decoded: Mutex::new(Kept::new(DECODED_BYTES)), made: Mutex::new(Kept::new(MADE_BYTES)) }
    }
}

impl fmt::Debug for Studio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Studio")
    }
}

impl Studio {
    /// Make a picture, or find it made.
    ///
    /// # Errors
    /// Which file cannot be shown, and why.
    pub fn make(&self, want: &Want, graphics: Graphics) -> Result<Arc<Made>, String> {
        let parts = want.recipe.parts();
        let mut stamps = [None; 2];
        for (part, stamp) in parts.iter().zip(&mut stamps) {
            if let Some(part) = part {
                *stamp = Some(stamp_of(&part.path)?);
            }
        }
        let key = Key { want: want.clone(), graphics, stamps };
        if let Some(made) = lock(&self.made).get(&key) {
            return Ok(made);
        }
        let mut images = [None, None];
        if let Recipe::Held(held) = &want.recipe {
            images[0] = Some(self.held(held)?);
        }
        for ((part, stamp), image) in parts.iter().zip(stamps).zip(&mut images) {
            if let (Some(part), Some(stamp)) = (part, stamp) {
                *image = Some(self.part(part, stamp)?);
            }
        }
        let [Some(first), second] = images else { return Err("nothing to show".to_owned()) };
        let made = Arc::new(compose(want, graphics, &first, second)?);
        let bytes = made.picture.bytes();
        lock(&self.made).put(key, Arc::clone(&made), bytes);
        Ok(made)
    }

    /// A file's pixels, or those of one of its parts.
    fn part(&self, part: &Part, stamp: Stamp) -> Result<Arc<RgbImage>, String> {
        let whole = self.decode(&part.path, stamp)?;
        let Some((index, count)) = part.of else { return Ok(whole) };
        let (width, height) = whole.dimensions();
        if width % count != 0 || width == 0 {
            let name = short(&part.path);
            return Err(format!("{name} is {width}x{height} pixels, which are no {count} pictures of one width"));
        }
        let width = width / count;
        Ok(Arc::new(paint::crop(&whole, (index * width, 0), (width, height))))
    }

    fn held(&self, held: &Held) -> Result<Arc<RgbImage>, String> {
        let key = (held.name(), (None, held.png.len() as u64));
        if let Some(image) = lock(&self.decoded).get(&key) {
            return Ok(image);
        }
        let decoded = image::ImageReader::with_format(Cursor::new(&held.png), image::ImageFormat::Png).decode();
        let image = Arc::new(decoded.map_err(|error| format!("the picture cannot be decoded: {error}"))?.into_rgb8());
        lock(&self.decoded).put(key, Arc::clone(&image), image.as_raw().len());
        Ok(image)
    }

    fn decode(&self, path: &Path, stamp: Stamp) -> Result<Arc<RgbImage>, String> {
        let key = (path.to_owned(), stamp);
        if let Some(image) = lock(&self.decoded).get(&key) {
            return Ok(image);
        }
        let decoded = image_file::open(path).map_err(|fault| format!("{} {fault}", short(path)))?;
        let image = Arc::new(decoded.image);
        lock(&self.decoded).put(key, Arc::clone(&image), image.as_raw().len());
        Ok(image)
    }
}

fn compose(want: &Want, graphics: Graphics, first: &RgbImage, second: Option<Arc<RgbImage>>) -> Result<Made, String> {
    let source = first.dimensions();
    let mut resized = None;
    let second = match second {
        Some(second) if second.dimensions() != source => {
            resized = Some(second.dimensions());
            Some(Arc::new(resize::resize(&second, source.0 as usize, source.1 as usize)?))
        }
        second => second,
    };
    let mut measure = None;
    let seen = |image: &RgbImage, width, height| paint::seen(image, want.view, width, height);
    let picture = match (&want.recipe, second) {
        (Recipe::Wipe { at, seam, .. }, Some(right)) => Picture::new(source, want.room, graphics, |width, height| {
            let (left, right) = (seen(first, width, height)?, seen(&right, width, height)?);
            Ok(paint::wipe(&left, &right, *at, *seam))
        })?,
        (Recipe::Difference { top, ramp, .. }, Some(against)) => {
            let (map, measured) = paint::difference(first, &against, *top, *ramp);
            measure = Some(measured);
            Picture::new(source, want.room, graphics, |width, height| seen(&map, width, height))?
        }
        _ => Picture::new(source, want.room, graphics, |width, height| seen(first, width, height))?,
    };
    Ok(Made { picture: Arc::new(picture), source, measure, resized })
}

fn stamp_of(path: &Path) -> Result<Stamp, String> {
    let data = std::fs::metadata(path).map_err(|error| format!("{} cannot be read: {error}", short(path)))?;
    Ok((data.modified().ok(), data.len()))
}

/// The end of a path, which tells it from the others on the screen.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::*;
    use crate::app::theme::Depth;
    use crate::app::widgets::picture::Look;

    /// A sample: red, green and blue, side by side.
    fn sample(folder: &Path) -> PathBuf {
        let path = folder.join("00.png");
        let colours = [Rgb([255, 0, 0]), Rgb([0, 255, 0]), Rgb([0, 0, 255])];
        RgbImage::from_fn(24, 8, |x, _| colours[(x / 8) as usize]).save(&path).unwrap();
        path
    }

    fn part(path: &Path, index: u32) -> Part {
        Part { path: path.to_owned(), of: Some((index, 3)) }
    }

    fn want(recipe: Recipe) -> Want {
        Want { recipe, view: View::default(), room: Size::new(8, 4) }
    }

    /// The colours of the upper row of pixels.
    fn row(made: &Made) -> Vec<[u8; 3]> {
        let area = Rect::new(0, 0, 8, 4);
        let mut buffer = Buffer::empty(area);
        made.picture.draw(area, Look::Blocks(Depth::True), &mut buffer);
        (0..8)
            .map(|x| match buffer[(x, 0)].fg {
                ratatui::style::Color::Rgb(r, g, b) => [r, g, b],
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_part_of_a_sample_is_shown_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path());
        let studio = Studio::default();
        for (index, colour) in [[255, 0, 0], [0, 255, 0], [0, 0, 255]].into_iter().enumerate() {
            let made = studio.make(&want(Recipe::Plain(part(&path, index as u32))), Graphics::default()).unwrap();
            assert_eq!(made.source, (8, 8));
            assert_eq!(row(&made), [colour; 8]);
        }
    }

    #[test]
    fn what_is_made_is_found_again_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path());
        let studio = Studio::default();
        let want = want(Recipe::Plain(Part { path: path.clone(), of: None }));
        let first = studio.make(&want, Graphics::default()).unwrap();
        assert!(Arc::ptr_eq(&first, &studio.make(&want, Graphics::default()).unwrap()));
        RgbImage::from_pixel(5, 7, Rgb([1, 2, 3])).save(&path).unwrap();
        assert_eq!(studio.make(&want, Graphics::default()).unwrap().source, (5, 7));
    }

    #[test]
    fn a_file_that_cannot_be_shown_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-00000001/00.png");
        let studio = Studio::default();
        let problem = |part: Part| studio.make(&want(Recipe::Plain(part)), Graphics::default()).unwrap_err();
        let gone = problem(part(&path, 0));
        assert!(gone.contains("step-00000001/00.png cannot be read"), "{gone}");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"not a picture").unwrap();
        let foreign = problem(part(&path, 0));
        assert!(foreign.contains("00.png is no PNG"), "{foreign}");
        let whole = std::fs::read(sample(folder.path())).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let cut = problem(part(&path, 0));
        assert!(cut.contains("truncated"), "{cut}");
        RgbImage::new(25, 8).save(&path).unwrap();
        let odd = problem(part(&path, 0));
        assert!(odd.contains("25x8") && odd.contains("3 pictures"), "{odd}");
    }

    #[test]
    fn a_wipe_shows_one_left_of_the_seam_and_the_other_right_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path());
        let recipe = |at| Recipe::Wipe { left: part(&path, 0), right: part(&path, 2), at, seam: [9; 3] };
        let studio = Studio::default();
        let row_at = |at| row(&studio.make(&want(recipe(at)), Graphics::default()).unwrap());
        let (red, blue, seam) = ([255, 0, 0], [0, 0, 255], [9; 3]);
        assert_eq!(row_at(500), [red, red, red, red, seam, blue, blue, blue]);
        assert_eq!(row_at(0)[1..], [blue; 7]);
        assert_eq!(row_at(1000)[..7], [red; 7]);
    }

    #[test]
    fn pictures_of_two_sizes_are_compared_and_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path());
        let other = folder.path().join("01.png");
        RgbImage::from_pixel(48, 16, Rgb([255, 0, 0])).save(&other).unwrap();
        let recipe =
            Recipe::Difference { of: part(&path, 0), against: part(&other, 1), top: 250, ramp: ThemeName::Dark };
        let made = Studio::default().make(&want(recipe), Graphics::default()).unwrap();
        assert_eq!((made.source, made.resized), ((8, 8), Some((16, 16))));
        assert_eq!(made.measure.unwrap().mean, 0.0);
    }
}
