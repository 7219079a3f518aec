//! Reading one image file as 8-bit RGB, and saying exactly why it cannot be.
//!
//! Converted: grey and palette images become RGB, 16-bit channels are rounded to 8, transparency is laid over white,
//! the EXIF orientation is applied. Refused: CMYK (without its colour profile it would only be guessed), animations,
//! truncated files (also JPEGs, which decoders silently fill with grey), and sizes over the limits. Colour profiles
//! are not applied: pixels are taken as sRGB.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

/// Longest side that is decoded, in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Most pixels that are decoded: 512 MiB as RGB.
pub const MAX_PIXELS: u64 = 512 * 1024 * 1024 / 3;
/// Largest file that is read.
pub const MAX_BYTES: u64 = 1 << 30;

/// A decoded image and what its file looked like.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The pixels, upright.
    pub image: RgbImage,
    /// What the file holds.
    pub facts: Facts,
}

/// What an image file says about itself, before any conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The container, by content and not by name.
    pub format: ImageFormat,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// Channels in the file: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha. A palette counts as what it expands to.
    pub channels: u8,
    /// Bits a channel: 8 or 16.
    pub bits: u8,
    /// Whether an EXIF orientation was applied.
    pub rotated: bool,
}

impl Facts {
    /// Whether the file's own bytes already are upright 8-bit RGB.
    pub fn is_plain(&self) -> bool {
        self.channels == 3 && self.bits == 8 && !self.rotated
    }

    /// `RGB`, `grey with alpha, 16 bit`, ...
    pub fn kind(&self) -> String {
        let name = match self.channels {
            1 => "grey",
            2 => "grey with alpha",
            3 => "RGB",
            _ => "RGB with alpha",
        };
        if self.bits == 8 { name.to_owned() } else { format!("{name}, {} bit", self.bits) }
    }

    /// The usual extension of the container.
    pub fn extension(&self) -> &'static str {
        match self.format {
            ImageFormat::Jpeg => "jpg",
            ImageFormat::WebP => "webp",
            _ => "png",
        }
    }
}

/// Why a file gives no image. Messages do not name the file: whoever lists them does.
#[derive(Debug, thiserror::Error)]
pub enum ImageFault {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A folder, a pipe, a device.
    #[error("is no regular file")]
    NotAFile,
    /// Nothing in it.
    #[error("is empty (0 bytes)")]
    Empty,
    /// Content of no known format.
    #[error("is no PNG, JPEG or WebP image")]
    UnknownFormat,
    /// File size over the limit.
    #[error("is a file of {bytes} bytes; at most {MAX_BYTES} are read")]
    HugeFile {
        /// Size of the file.
        bytes: u64,
    },
    /// Image size over the limit, or zero.
    #[error("is {width}x{height} pixels; at most {MAX_SIDE} a side and {} megapixels are read", MAX_PIXELS / 1_000_000)]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A JPEG of four channels.
    #[error("is a CMYK JPEG; convert it to RGB with its colour profile first")]
    Cmyk,
    /// More than one frame.
    #[error("is an animation; save the wanted frame as an image")]
    Animated,
    /// The file ends early.
    #[error("is truncated")]
    Truncated,
    /// The decoder refused.
    #[error("cannot be decoded: {0}")]
    Decode(String),
}

/// Read a file's bytes, of regular files up to [`MAX_BYTES`] only.
pub fn read(path: &Path) -> Result<Vec<u8>, ImageFault> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ImageFault::NotAFile);
    }
    if metadata.len() > MAX_BYTES {
        return Err(ImageFault::HugeFile { bytes: metadata.len() });
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // The file may grow while it is read.
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(ImageFault::Empty);
    }
    Ok(bytes)
}

/// Decode the image at `path`.
pub fn open(path: &Path) -> Result<Decoded, ImageFault> {
    decode(&read(path)?)
}

/// Decode an image from a file's bytes.
pub fn decode(bytes: &[u8]) -> Result<Decoded, ImageFault> {
    let (mut decoder, facts) = header(bytes)?;
    if facts.format == ImageFormat::Jpeg && !jpeg_facts(bytes).complete {
        return Err(ImageFault::Truncated);
    }
    let orientation = decoder.orientation().map_err(|error| fault(&error))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| fault(&error))?;
    image.apply_orientation(orientation);
    let image = if image.color().has_alpha() { over_white(&image) } else { image.into_rgb8() };
    Ok(Decoded { image, facts })
}

/// What a file's header says, without decoding its pixels.
pub fn probe(bytes: &[u8]) -> Result<Facts, ImageFault> {
    header(bytes).map(|(_, facts)| facts)
}

fn header(bytes: &[u8]) -> Result<(impl ImageDecoder + '_, Facts), ImageFault> {
    if bytes.is_empty() {
        return Err(ImageFault::Empty);
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let Some(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) = reader.format() else {
        return Err(ImageFault::UnknownFormat);
    };
    if format == ImageFormat::Jpeg && jpeg_facts(bytes).components == Some(4) {
        return Err(ImageFault::Cmyk);
    }
    if is_animated(bytes, format) {
        return Err(ImageFault::Animated);
    }
    let mut reader = reader;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(4 * MAX_PIXELS * 2); // 16-bit RGBA of the largest size
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| fault(&error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(ImageFault::Size { width, height });
    }
    let color = decoder.color_type();
    let orientation = decoder.orientation().map_err(|error| fault(&error))?;
    let (width, height) = if orientation.to_exif() >= 5 { (height, width) } else { (width, height) };
    let channels = color.channel_count();
    let bits = (color.bits_per_pixel() / u16::from(channels)) as u8;
    let rotated = orientation.to_exif() != 1;
    Ok((decoder, Facts { format, width, height, channels, bits, rotated }))
}

fn fault(error: &image::ImageError) -> ImageFault {
    match error {
        image::ImageError::IoError(io) if io.kind() == io::ErrorKind::UnexpectedEof => ImageFault::Truncated,
        other => {
            let text = other.to_string();
            if text.to_ascii_lowercase().contains("unexpected end") {
                ImageFault::Truncated
            } else {
                ImageFault::Decode(text)
            }
        }
    }
}

/// Lay an image with alpha over white.
fn over_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, alpha] = rgba.get_pixel(x, y).0;
        let alpha = u32::from(alpha);
        let blend = |value: u8| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}

/// Encode as PNG: lossless, and a good deal faster than the smallest possible.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, ImageFault> {
    use image::ImageEncoder;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.as_raw(), image.width(), image.height(), image::ExtendedColorType::Rgb8)
        .map_err(|error| ImageFault::Decode(error.to_string()))?;
    Ok(bytes)
}

fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        // The animation control chunk must stand before the image data.
        ImageFormat::Png => {
            let mut at = 8;
            while let Some(head) = bytes.get(at..at + 8) {
                match &head[4..] {
                    b"acTL" => return true,
                    b"IDAT" => return false,
                    _ => {}
                }
                let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
                at = at.saturating_add(12).saturating_add(length);
            }
            false
        }
        // The extended header's flags: bit 1 says animation.
        ImageFormat::WebP => bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0),
        _ => false,
    }
}

/// What the markers of a JPEG file say.
struct JpegFacts {
    components: Option<u8>,
    /// Whether the end-of-image marker is reached.
    complete: bool,
}

/// Walk a JPEG's markers (ITU T.81, B.1.1): segments by their length, entropy-coded data to the next marker.
fn jpeg_facts(bytes: &[u8]) -> JpegFacts {
    let mut components = None;
    let mut at = 2;
    while let (Some(&lead), Some(&marker)) = (bytes.get(at), bytes.get(at + 1)) {
        if lead != 0xFF || matches!(marker, 0x00 | 0xFF | 0x01 | 0xD0..=0xD8) {
            // Entropy-coded data, a stuffed zero, a fill byte, or a marker without a segment.
            at += if lead == 0xFF && marker != 0xFF { 2 } else { 1 };
            continue;
        }
        if marker == 0xD9 {
            return JpegFacts { components, complete: true };
        }
        // Frame headers: all of 0xC0..0xCF but the tables DHT, JPG and DAC.
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            components = components.or(bytes.get(at + 9).copied());
        }
        let (Some(&high), Some(&low)) = (bytes.get(at + 2), bytes.get(at + 3)) else { break };
        at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
    }
    JpegFacts { components, complete: false }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbaImage};

    use super::*;

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn picture(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7) as u8, (y * 5) as u8, (x * y) as u8])).into()
    }

    /// A JPEG with an EXIF segment that holds nothing but an orientation.
    fn oriented(orientation: u8) -> Vec<u8> {
        let jpeg = encoded(&picture(32, 16), ImageFormat::Jpeg);
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let mut bytes = jpeg[..2].to_vec();
        bytes.extend([0xFF, 0xE1]);
        bytes.extend((exif.len() as u16 + 2).to_be_bytes());
        bytes.extend(exif);
        bytes.extend(&jpeg[2..]);
        bytes
    }

    #[test]
    fn every_format_comes_back_as_rgb() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let decoded = decode(&encoded(&picture(20, 10), format)).unwrap();
            assert_eq!(decoded.image.dimensions(), (20, 10));
            assert!(decoded.facts.is_plain(), "{:?}", decoded.facts);
            assert_eq!(decoded.facts.format, format);
        }
    }

    #[test]
    fn grey_sixteen_bit_and_alpha_are_converted() {
        let grey: DynamicImage = GrayImage::from_pixel(4, 4, Luma([90])).into();
        let decoded = decode(&encoded(&grey, ImageFormat::Png)).unwrap();
        assert_eq!((decoded.image.get_pixel(1, 1).0, decoded.facts.kind().as_str()), ([90; 3], "grey"));

        let deep: DynamicImage = ImageBuffer::from_pixel(4, 4, Rgb([0_u16, 128 * 257, 65535])).into();
        let decoded = decode(&encoded(&deep, ImageFormat::Png)).unwrap();
        assert_eq!((decoded.image.get_pixel(0, 0).0, decoded.facts.bits), ([0, 128, 255], 16));

        let clear: DynamicImage = RgbaImage::from_pixel(4, 4, image::Rgba([0, 100, 200, 0])).into();
        assert_eq!(decode(&encoded(&clear, ImageFormat::Png)).unwrap().image.get_pixel(0, 0).0, [255; 3]);
        let half: DynamicImage = RgbaImage::from_pixel(4, 4, image::Rgba([0, 100, 200, 128])).into();
        assert_eq!(decode(&encoded(&half, ImageFormat::Png)).unwrap().image.get_pixel(0, 0).0, [127, 177, 227]);
    }

    #[test]
    fn the_exif_orientation_is_applied() {
        let upright = decode(&oriented(1)).unwrap();
        assert_eq!(upright.image.dimensions(), (32, 16));
        let turned = decode(&oriented(6)).unwrap();
        assert_eq!((turned.image.dimensions(), turned.facts.width, turned.facts.height), ((16, 32), 16, 32));
        assert!(turned.facts.rotated);
        // Orientation 6: rotate by 90 degrees clockwise, so the top left corner goes to the top right.
        assert_eq!(turned.image.get_pixel(15, 0), upright.image.get_pixel(0, 0));
        assert_eq!(probe(&oriented(6)).unwrap(), turned.facts);
    }

    #[test]
    fn truncated_files_are_refused_in_every_format() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encoded(&picture(64, 64), format);
            for share in [2, 3, 4] {
                let cut = bytes.len() * (share - 1) / share;
                let fault = decode(&bytes[..cut]).unwrap_err();
                assert!(matches!(fault, ImageFault::Truncated | ImageFault::Decode(_)), "{format:?} at {cut}: {fault}");
            }
        }
        let jpeg = encoded(&picture(64, 64), ImageFormat::Jpeg);
        assert!(matches!(decode(&jpeg[..jpeg.len() - 2]), Err(ImageFault::Truncated)));
    }

    #[test]
    fn noise_empty_and_foreign_content_are_told_apart() {
        assert!(matches!(decode(b""), Err(ImageFault::Empty)));
        assert!(matches!(decode(b"GIF89a and so on"), Err(ImageFault::UnknownFormat)));
        assert!(matches!(decode(b"\xff\xd8\xff\xe0 nothing more"), Err(ImageFault::Decode(_) | ImageFault::Truncated)));
        assert!(matches!(decode(b"\x89PNG\r\n\x1a\n"), Err(ImageFault::Decode(_) | ImageFault::Truncated)));
    }

    #[test]
    fn a_small_file_that_claims_a_huge_image_is_refused_before_memory_is_taken() {
        let mut bytes = encoded(&picture(4, 4), ImageFormat::Png);
        // The header's size and its checksum; 60,000 x 60,000 would be 10.8 GB.
        bytes[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(decode(&bytes), Err(ImageFault::Size { width: 60_000, height: 60_000 })));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
        })
    }

    #[test]
    fn cmyk_is_refused_with_advice() {
        let mut jpeg = encoded(&picture(16, 16), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        jpeg[frame + 9] = 4;
        assert!(matches!(decode(&jpeg), Err(ImageFault::Cmyk)));
    }

    #[test]
    fn folders_and_pipes_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path()), Err(ImageFault::NotAFile)));
        assert!(matches!(read(Path::new("/dev/zero")), Err(ImageFault::NotAFile)));
        assert!(matches!(read(&dir.path().join("no.png")), Err(ImageFault::Read(_))));
    }

    #[test]
    fn png_keeps_every_pixel() {
        let image = picture(33, 17).into_rgb8();
        assert_eq!(decode(&encode_png(&image).unwrap()).unwrap().image, image);
    }
}
