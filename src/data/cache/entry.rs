//! One decoded pair in a file of its own: a header of 64 bytes, then six planes of bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `ATELPAIR` |
//! | 8..12 | version of this layout, little-endian like all that follows |
//! | 12..16 | width |
//! | 16..20 | height |
//! | 20..24 | zero |
//! | 24..32 | checksum of the planes |
//! | 32..64 | zero |
//! | 64.. | photo R, G, B, then illustration R, G, B: `width * height` bytes each, rows from the top |

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use image::RgbImage;
use memmap2::Mmap;

use crate::native;

/// Version of the layout and of everything that decides the pixels (decoder, resizer); part of every key.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"ATELPAIR";
const HEADER: usize = 64;

/// A decoded pair: photo and illustration of one size, as planes of bytes.
#[derive(Debug)]
pub struct Planes {
    width: usize,
    height: usize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl Planes {
    /// Take the planes of two images of one size apart.
    pub(super) fn of(photo: &RgbImage, illustration: &RgbImage) -> Self {
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        let mut file = vec![0; HEADER + 6 * width * height];
        for (half, image) in file[HEADER..].chunks_exact_mut((3 * width * height).max(1)).zip([photo, illustration]) {
            let (red, rest) = half.split_at_mut(width * height);
            let (green, blue) = rest.split_at_mut(width * height);
            for (((pixel, r), g), b) in image.as_raw().chunks_exact(3).zip(red).zip(green).zip(blue) {
                (*r, *g, *b) = (pixel[0], pixel[1], pixel[2]);
            }
        }
        file[..8].copy_from_slice(MAGIC);
        file[8..12].copy_from_slice(&VERSION.to_le_bytes());
        file[12..16].copy_from_slice(&(width as u32).to_le_bytes());
        file[16..20].copy_from_slice(&(height as u32).to_le_bytes());
        let sum = checksum(&file[HEADER..]);
        file[24..32].copy_from_slice(&sum.to_le_bytes());
        Self { width, height, store: Store::Held(file) }
    }

    /// Map the file at `path` and verify all of it. `Ok(None)`: there is no such file.
    ///
    /// # Errors
    /// Why it is no whole entry.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, String> {
        let map = match native::map_file(path) {
            Ok(map) => map,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error.to_string()),
        };
        let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(map.get(at..at + 4)?.try_into().ok()?)) };
        let (Some(version), Some(width), Some(height)) = (word(8), word(12), word(16)) else {
            return Err(format!("{} bytes are no entry", map.len()));
        };
        if &map[..8] != MAGIC || version != VERSION {
            return Err("its header is no entry's".to_owned());
        }
        let (width, height) = (width as usize, height as usize);
        let expected = width.checked_mul(height).and_then(|n| n.checked_mul(6)).and_then(|n| n.checked_add(HEADER));
        if expected != Some(map.len()) {
            return Err(format!("{} bytes cannot be a pair of {width}x{height} pixels", map.len()));
        }
        let stored = map.get(24..32).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        if stored != Some(checksum(&map[HEADER..])) {
            return Err("its checksum does not match".to_owned());
        }
        Ok(Some(Self { width, height, store: Store::Mapped(map) }))
    }

    /// Write beside `path` and rename into place.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
        file.write_all(self.file())?;
        // Not synced: a loss of power leaves at worst a file whose checksum fails, and that is rebuilt.
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn file(&self) -> &[u8] {
        match &self.store {
            Store::Mapped(map) => map,
            Store::Held(bytes) => bytes,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All six planes, `2 * 3 * height * width` bytes: photo, then illustration.
    pub fn both(&self) -> &[u8] {
        &self.file()[HEADER..]
    }

    /// The photo's planes, `3 * height * width` bytes.
    pub fn photo(&self) -> &[u8] {
        &self.both()[..3 * self.width * self.height]
    }

    /// The illustration's planes, `3 * height * width` bytes.
    pub fn illustration(&self) -> &[u8] {
        &self.both()[3 * self.width * self.height..]
    }

    /// Whether the planes lie in a mapped file rather than in memory of their own.
    pub fn is_mapped(&self) -> bool {
        matches!(self.store, Store::Mapped(_))
    }
}

/// A checksum against damage, not against malice: four lanes of multiply and rotate over 8-byte words, several GB/s.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b1_85eb_ca87;
    let step = |lane: u64, word: u64| (lane ^ word).wrapping_mul(PRIME).rotate_left(29);
    let mut lanes = [1_u64, 2, 3, 4];
    let blocks = bytes.chunks_exact(32);
    let rest = blocks.remainder();
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            *lane = step(*lane, u64::from_le_bytes(eight));
        }
    }
    let mut sum = lanes.iter().fold(bytes.len() as u64, |sum, &lane| step(sum, lane));
    for &byte in rest {
        sum = step(sum, u64::from(byte));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Planes {
        let photo = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let illustration = RgbImage::from_fn(5, 3, |x, y| image::Rgb([100 + x as u8, 100 + y as u8, 107]));
        Planes::of(&photo, &illustration)
    }

    #[test]
    fn planes_survive_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ab/entry.pair");
        assert!(Planes::open(&path).unwrap().is_none());
        sample().save(&path).unwrap();
        let loaded = Planes::open(&path).unwrap().unwrap();
        assert!(loaded.is_mapped());
        assert_eq!((loaded.width(), loaded.height()), (5, 3));
        assert_eq!(loaded.both(), sample().both());
        assert_eq!(&loaded.photo()[..5], [0, 1, 2, 3, 4]);
        assert_eq!(loaded.photo()[15..20], [0; 5]);
        assert_eq!(loaded.illustration()[30..], [107; 15]);
        assert_eq!(fs::read_dir(dir.path().join("ab")).unwrap().count(), 1);
    }

    #[test]
    fn every_kind_of_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("entry.pair");
        sample().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in [0, 7, 63, 64, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(Planes::open(&path).is_err(), "cut to {cut}");
        }
        for at in [0, 8, 12, 16, 24, 31, 64, 100, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            assert!(Planes::open(&path).is_err(), "bit flipped in byte {at}");
        }
    }
}
