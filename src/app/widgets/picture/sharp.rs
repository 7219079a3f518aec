//! A picture in the terminal's own pixels: bytes for one of the protocols.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use image::{DynamicImage, RgbImage};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget as _;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as Encoded;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::protocol::sixel::Sixel;

use crate::app::graphics::Protocol;

/// Columns and rows that kitty's placeholders can name.
const MOST_CELLS: u16 = 297;
/// The character that stands for a part of a picture.
const PLACEHOLDER: char = '\u{10eeee}';

/// Bytes of a picture for one protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Sharp {
    /// Sent once, then placed by characters.
    Placed {
        /// By which the terminal knows it.
        id: u32,
        /// Sent through tmux.
        tmux: bool,
        /// Sends it.
        transmit: String,
        /// Row by row the characters that stand for it.
        cells: Vec<Cell>,
    },
    /// Drawn where the cursor is, whenever it is to be seen.
    Drawn {
        /// Tells it from others.
        id: u32,
        /// Draws it.
        data: String,
    },
}

impl Sharp {
    /// Encode `pixels`, which fill `size` cells exactly.
    ///
    /// # Errors
    /// The encoder's reason.
    pub fn new(pixels: RgbImage, size: Size, protocol: Protocol, tmux: bool) -> Result<Self, String> {
        let pixels = DynamicImage::ImageRgb8(pixels);
        let id = next_id();
        let data = match protocol {
            Protocol::Kitty => return Self::placed(pixels, size, id, tmux),
            Protocol::Sixel => Sixel::new(pixels, size, tmux).map(|it| it.data),
            Protocol::Iterm2 => Iterm2::new(pixels, size, tmux).map(|it| it.data),
            Protocol::HalfBlocks => return Err("half blocks have no pixels".to_owned()),
        };
        Ok(Self::Drawn { id, data: data.map_err(|error| error.to_string())? })
    }

    fn placed(pixels: DynamicImage, size: Size, id: u32, tmux: bool) -> Result<Self, String> {
        if size.width > MOST_CELLS || size.height > MOST_CELLS {
            return Err(format!("{}x{} cells are more than {MOST_CELLS} a side", size.width, size.height));
        }
        // Kitty and ghostty, the terminals that have placeholders, both inflate what is sent deflated.
        let kitty = Kitty::new(pixels, size, id, tmux, true).map_err(|error| error.to_string())?;
        let area = Rect::new(0, 0, size.width, size.height);
        let mut drawn = Buffer::empty(area);
        Image::new(&Encoded::Kitty(kitty)).render(area, &mut drawn);
        // The first cell holds what sends the picture before what stands for it.
        let first = drawn[(0, 0)].symbol().to_owned();
        let begin = first.find(PLACEHOLDER).ok_or("no placeholder was drawn")?;
        drawn[(0, 0)].set_symbol(&first[begin..]);
        Ok(Self::Placed { id, tmux, transmit: first[..begin].to_owned(), cells: drawn.content })
    }

    /// By which the terminal, or we, know it.
    pub fn id(&self) -> u32 {
        match self {
            Self::Placed { id, .. } | Self::Drawn { id, .. } => *id,
        }
    }

    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Placed { transmit, cells, .. } => transmit.len() + cells.len() * size_of::<Cell>(),
            Self::Drawn { data, .. } => data.len(),
        }
    }
}

/// What makes a terminal forget the kitty picture `id`.
pub fn forget(id: u32, tmux: bool, bytes: &mut String) {
    let (start, escape, end) = if tmux { ("\x1bPtmux;", "\x1b\x1b", "\x1b\\") } else { ("", "\x1b", "") };
    // Writing to a string cannot fail.
    write!(bytes, "{start}{escape}_Gq=2,a=d,d=I,i={id}{escape}\\{end}").ok();
}

/// Numbers from a random one upwards: two dashboards may share one terminal, through tmux. The lower 24 bits are also a
/// colour, and zero is no number.
fn next_id() -> u32 {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(RandomState::new().hash_one(0) as u32));
    NEXT.fetch_add(1, Ordering::Relaxed).max(1)
}

#[cfg(test)]
pub mod decode;

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    const CELL: (u32, u32) = (6, 12);

    fn landscape(size: Size) -> RgbImage {
        let (width, height) = (u32::from(size.width) * CELL.0, u32::from(size.height) * CELL.1);
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128]))
    }

    #[test]
    fn kitty_gets_every_pixel_once_and_every_cell_its_place() {
        for tmux in [false, true] {
            let size = Size::new(5, 3);
            let sharp = Sharp::new(landscape(size), size, Protocol::Kitty, tmux).unwrap();
            let Sharp::Placed { id, transmit, cells, .. } = &sharp else { panic!("{sharp:?}") };
            let sent = decode::kitty(transmit, tmux);
            assert_eq!(sent.id, *id);
            assert_eq!(sent.image, landscape(size));
            assert_eq!(cells.len(), 15);
            assert!(cells.iter().all(|cell| cell.symbol().starts_with(PLACEHOLDER)));
            // A row begins with its number, written as a combining character of kitty's table: U+0305, U+030D, U+030E.
            let rows: Vec<char> = (0..3).map(|row| cells[row * 5].symbol().chars().nth(1).unwrap()).collect();
            assert_eq!(rows, ['\u{305}', '\u{30d}', '\u{30e}']);
        }
    }

    #[test]
    fn sixels_decode_to_the_picture_within_their_256_colours() {
        let size = Size::new(6, 2);
        let sharp = Sharp::new(landscape(size), size, Protocol::Sixel, false).unwrap();
        let Sharp::Drawn { data, .. } = &sharp else { panic!("{sharp:?}") };
        let seen = decode::sixel(data);
        let wanted = landscape(size);
        assert_eq!(seen.dimensions(), wanted.dimensions());
        let apart: u64 = seen.as_raw().iter().zip(wanted.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = apart as f64 / wanted.as_raw().len() as f64;
        assert!(mean < 6.0, "a mean error of {mean} levels");
    }

    #[test]
    fn iterm2_gets_a_png_of_every_pixel() {
        let size = Size::new(4, 2);
        let sharp = Sharp::new(landscape(size), size, Protocol::Iterm2, false).unwrap();
        let Sharp::Drawn { data, .. } = &sharp else { panic!("{sharp:?}") };
        assert_eq!(decode::iterm2(data), landscape(size));
    }

    #[test]
    fn two_pictures_are_never_taken_for_one() {
        let size = Size::new(1, 1);
        let ids: Vec<u32> =
            (0..3).map(|_| Sharp::new(landscape(size), size, Protocol::Kitty, false).unwrap().id()).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    }
}
