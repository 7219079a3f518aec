//! What a terminal would make of the bytes: readers of the three protocols, written from their descriptions.
#![allow(clippy::missing_panics_doc, reason = "a test fails by panicking, in its helpers too")]

use std::io::Read as _;

use image::{Rgb, RgbImage};

/// A picture sent by kitty's protocol.
pub struct Sent {
    /// By which it is known.
    pub id: u32,
    /// Its pixels.
    pub image: RgbImage,
}

/// Read a transmission: `APC G key=value,... ; base64 ST` in chunks, each wrapped for tmux if it goes through it.
pub fn kitty(bytes: &str, tmux: bool) -> Sent {
    let plain = if tmux { unwrapped(bytes) } else { bytes.to_owned() };
    let mut rest = plain.as_str();
    let mut keys = std::collections::HashMap::new();
    let mut payload = String::new();
    let mut over = false;
    while !rest.is_empty() {
        assert!(!over, "something follows the last chunk");
        let body = rest.strip_prefix("\x1b_G").expect("a graphics command");
        let end = body.find("\x1b\\").expect("an end");
        let (control, data) = body[..end].split_once(';').expect("data");
        for pair in control.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap();
            keys.insert(key.to_owned(), value.to_owned());
        }
        assert!(data.len() <= 4096, "chunks are at most 4096 characters");
        payload.push_str(data);
        over = keys["m"] == "0";
        rest = &body[end + 2..];
    }
    assert!(over, "the last chunk says that it is the last");
    assert_eq!((keys["a"].as_str(), keys["U"].as_str()), ("T", "1"), "transmit, and place by characters");
    assert_eq!((keys["f"].as_str(), keys["o"].as_str()), ("32", "z"));
    let mut raw = Vec::new();
    flate2::read::ZlibDecoder::new(base64(&payload).as_slice()).read_to_end(&mut raw).unwrap();
    let (width, height) = (keys["s"].parse().unwrap(), keys["v"].parse().unwrap());
    let image = image::RgbaImage::from_raw(width, height, raw).expect("as many bytes as it says");
    Sent { id: keys["i"].parse().unwrap(), image: image::DynamicImage::ImageRgba8(image).into_rgb8() }
}

/// What tmux passes on of `DCS tmux; ... ST` with escapes doubled.
fn unwrapped(bytes: &str) -> String {
    let mut plain = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = rest.strip_prefix("\x1bPtmux;").expect("wrapped for tmux");
        loop {
            let next = rest.find('\x1b').expect("an end");
            plain.push_str(&rest[..next]);
            match rest.as_bytes()[next + 1] {
                0x1b => plain.push('\x1b'),
                b'\\' => {
                    rest = &rest[next + 2..];
                    break;
                }
                other => panic!("a lone escape before {other}"),
            }
            rest = &rest[next + 2..];
        }
    }
    plain
}

/// Read `OSC 1337 ; File=...:base64 BEL`.
pub fn iterm2(bytes: &str) -> RgbImage {
    let begin = bytes.find("\x1b]1337;File=").expect("a file");
    let (arguments, data) = bytes[begin + 12..].split_once(':').unwrap();
    assert!(arguments.contains("inline=1") && arguments.contains("doNotMoveCursor=1"), "{arguments}");
    let data = data.strip_suffix('\x07').expect("an end");
    image::load_from_memory_with_format(&base64(data), image::ImageFormat::Png).unwrap().into_rgb8()
}

/// Read the sixels of `DCS ... q ... ST`: raster attributes, colours, repeats, carriage returns, new lines.
pub fn sixel(bytes: &str) -> RgbImage {
    let begin = bytes.find("\x1bP").expect("a device control string");
    let body = &bytes[begin + 2..];
    let body = &body[body.find('q').expect("sixel data") + 1..body.find("\x1b\\").expect("an end")];
    let mut palette = std::collections::HashMap::new();
    let mut image = RgbImage::new(0, 0);
    let (mut x, mut y, mut colour) = (0, 0, Rgb([0; 3]));
    let mut at = 0;
    let data = body.as_bytes();
    let numbers = |at: &mut usize| {
        let begin = *at;
        while *at < data.len() && (data[*at].is_ascii_digit() || data[*at] == b';') {
            *at += 1;
        }
        body[begin..*at].split(';').map(|it| it.parse().unwrap_or(0)).collect::<Vec<u32>>()
    };
    while at < data.len() {
        let code = data[at];
        at += 1;
        match code {
            b'"' => {
                let raster = numbers(&mut at);
                image = RgbImage::new(raster[2], raster[3]);
            }
            b'#' => {
                let given = numbers(&mut at);
                if let [number, 2, r, g, b] = given[..] {
                    palette.insert(number, Rgb([r, g, b].map(|percent| (percent * 255 / 100) as u8)));
                }
                colour = palette[&given[0]];
            }
            b'$' => x = 0,
            b'-' => (x, y) = (0, y + 6),
            b'!' => {
                let count = numbers(&mut at)[0];
                paint(&mut image, (x, y), count, data[at], colour);
                x += count;
                at += 1;
            }
            b'?'..=b'~' => {
                paint(&mut image, (x, y), 1, code, colour);
                x += 1;
            }
            _ => {}
        }
    }
    image
}

fn paint(image: &mut RgbImage, (x, y): (u32, u32), count: u32, code: u8, colour: Rgb<u8>) {
    let (width, height) = image.dimensions();
    for bit in (0..6).filter(|bit| (code - b'?') >> bit & 1 == 1) {
        for x in x..(x + count).min(width) {
            if y + bit < height {
                image.put_pixel(x, y + bit, colour);
            }
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no base64"),
    };
    let mut bytes = Vec::new();
    // Chunks may be padded each for themselves.
    for four in text.as_bytes().chunks(4) {
        let kept: Vec<u8> = four.iter().copied().filter(|c| *c != b'=').map(digit).collect();
        let bits = kept.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - kept.len()));
        bytes.extend(&bits.to_be_bytes()[1..kept.len()]);
    }
    bytes
}
