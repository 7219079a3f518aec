//! Pictures: of tensors, of what a network answers, of a PPM file. PNG and JPEG are not read: the dashboard shows those.

use std::fs;
use std::path::Path;

use super::json::Json;
use super::problem::{Problem, answer};
use super::show::{Content, shown};
use super::tensor::Tensor;

/// Most pixels of a picture.
const PIXELS: usize = 64 * 1024 * 1024;
/// Pixels between pictures set side by side.
const GAP: usize = 4;

/// A picture of red, green and blue bytes. Show it by leaving it at the end of a cell.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}
shown!(Image);

impl Image {
    /// A picture of rows of red, green and blue bytes.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        answer(Self::checked(width, height, rgb))
    }

    pub(crate) fn checked(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, Problem> {
        let pixels = width.checked_mul(height).filter(|pixels| (1..=PIXELS).contains(pixels));
        if pixels.is_none_or(|pixels| rgb.len() != pixels * 3) {
            let bytes = rgb.len();
            return Err(Problem::new(format!("{bytes} bytes are no picture of {width} x {height} x 3 bytes")));
        }
        Ok(Self { width, height, rgb })
    }

    /// Pixels from left to right.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Red, green and blue at a place.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        if x >= self.width || y >= self.height {
            let size = format!("{} x {}", self.width, self.height);
            answer::<()>(Err(Problem::new(format!("({x}, {y}) lies outside of the picture, which has {size} pixels"))));
        }
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// As a network takes it: `[3, height, width]`, from -1 to 1.
    pub fn tensor(&self) -> Tensor {
        let plane =
            |channel: usize| self.rgb.iter().skip(channel).step_by(3).map(|byte| f32::from(*byte) / 127.5 - 1.0);
        Tensor::new("picture", vec![3, self.height, self.width], (0..3).flat_map(plane).collect())
    }

    /// Read a picture of the formats PPM and PGM (`P6`, `P5`, 8 bits), which every image tool writes.
    pub fn load_ppm(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let read = fs::read(path).map_err(|error| Problem::new(error.to_string()));
        answer(read.and_then(|bytes| read_ppm(&bytes)).map_err(|problem| problem.about(path.display())))
    }

    /// Write it in the format PPM.
    pub fn save_ppm(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let mut bytes = format!("P6\n{} {}\n255\n", self.width, self.height).into_bytes();
        bytes.extend(&self.rgb);
        answer(fs::write(path, bytes).map_err(|error| Problem::new(error.to_string()).about(path.display())));
    }

    /// Set side by side, from the top.
    pub(crate) fn beside(images: &[Self]) -> Option<Self> {
        let height = images.iter().map(Self::height).max()?;
        let width = images.iter().map(Self::width).sum::<usize>() + GAP * (images.len() - 1);
        let mut rgb = vec![0; width * height * 3];
        let mut left = 0;
        for image in images {
            for (y, row) in image.rgb.chunks_exact(image.width * 3).enumerate() {
                let at = (y * width + left) * 3;
                rgb[at..at + row.len()].copy_from_slice(row);
            }
            left += image.width + GAP;
        }
        Self::checked(width, height, rgb).ok()
    }

    /// As the hub takes it.
    pub(crate) fn message(&self) -> Vec<u8> {
        let size = |size: usize| Json::Whole(size as i64);
        let line = Json::object([("width", size(self.width)), ("height", size(self.height))]);
        let mut bytes = format!("{line}\n").into_bytes();
        bytes.extend(&self.rgb);
        bytes
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        vec![Content::Image(self.clone(), String::new())]
    }
}

fn read_ppm(bytes: &[u8]) -> Result<Image, Problem> {
    let wrong = || Problem::new("no PPM or PGM picture with 8 bits (convert it: `magick picture.png picture.ppm`)");
    let mut at = 0;
    let mut words = Vec::new();
    while words.len() < 4 {
        let rest = bytes.get(at..).ok_or_else(wrong)?;
        match rest.first().ok_or_else(wrong)? {
            b'#' => at += rest.iter().position(|byte| *byte == b'\n').ok_or_else(wrong)?,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let length = rest.iter().position(u8::is_ascii_whitespace).ok_or_else(wrong)?;
                words.push(std::str::from_utf8(&rest[..length]).ok().ok_or_else(wrong)?);
                at += length;
            }
        }
    }
    let size = |text: &str| text.parse::<usize>().ok().filter(|size| (1..=PIXELS).contains(size));
    let (Some(width), Some(height)) = (size(words[1]), size(words[2])) else { return Err(wrong()) };
    if words[3] != "255" {
        return Err(wrong());
    }
    // One byte of white space, then the picture.
    let body = bytes.get(at + 1..).ok_or_else(wrong)?;
    match words[0] {
        "P6" => Image::checked(width, height, body.to_vec()),
        "P5" => Image::checked(width, height, body.iter().flat_map(|grey| [*grey; 3]).collect()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_same_after_ppm_and_after_the_network_s_range() {
        let image = Image::new(3, 2, (0..18).map(|byte| byte * 14).collect());
        assert_eq!(image.pixel(1, 1), [168, 182, 196]);
        let path = std::env::temp_dir().join(format!("atelier-probe-{}.ppm", std::process::id()));
        image.save_ppm(&path);
        assert_eq!(Image::load_ppm(&path), image);
        fs::remove_file(&path).unwrap();
        assert_eq!(image.tensor().picture(), image);
        assert_eq!(read_ppm(b"P5 # grey\n2 1\n255\n\x07\x09").unwrap().pixel(1, 0), [9; 3]);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in
            [&b""[..], b"P6", b"P6 2 2 255\nxx", b"P6 0 2 255\n", b"P6 2 2 65535\n", b"P3 1 1 255\n1 2 3", b"#"]
        {
            assert!(read_ppm(bytes).is_err(), "{bytes:?}");
        }
        assert!(Image::checked(usize::MAX, 2, Vec::new()).is_err());
    }

    #[test]
    fn pictures_are_set_side_by_side() {
        let (red, blue) = (Image::new(1, 2, [255, 0, 0].repeat(2)), Image::new(2, 1, [0, 0, 255].repeat(2)));
        let both = Image::beside(&[red, blue]).unwrap();
        assert_eq!((both.width(), both.height()), (1 + GAP + 2, 2));
        assert_eq!(
            (both.pixel(0, 1), both.pixel(GAP + 1, 0), both.pixel(GAP + 1, 1)),
            ([255, 0, 0], [0, 0, 255], [0; 3])
        );
        let message = both.message();
        let line = message.split(|byte| *byte == b'\n').next().unwrap();
        assert_eq!(line, br#"{"width":7,"height":2}"#);
        assert_eq!(message.len(), line.len() + 1 + 7 * 2 * 3);
    }
}
