//! A picture in cells.
//!
//! Whatever the terminal can do, a picture first is two coloured pixels a character (or a ramp of grey characters).
//! Where the terminal can show pixels, the same picture is laid over those cells when everything else is drawn and
//! nothing lies on it: a layer, a message or a smaller screen so never fights with it, and half blocks need no special
//! case in tests or over a slow link.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use image::RgbImage;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use crate::app::graphics::Graphics;
use crate::app::theme::{self, Depth};

pub mod sharp;

pub use sharp::Sharp;

/// Brightness from nothing to full, by ink on the ground.
const RAMP: &[u8; 10] = b" .:-=+*#%@";

/// How the cells of a picture are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Half blocks, in so many colours.
    Blocks(Depth),
    /// Characters whose ink stands for light, as on a dark terminal.
    Bright,
    /// Characters whose ink stands for dark, as on paper.
    Dark,
}

/// A picture, ready to be drawn at one size.
#[derive(Debug, PartialEq)]
pub struct Picture {
    /// Columns and rows.
    size: Size,
    /// One pixel across and two down a cell.
    cells: RgbImage,
    /// The same in the terminal's pixels, where it has any.
    sharp: Option<Sharp>,
}

impl Picture {
    /// Make a picture of at most `room` out of what `render` draws at a size in pixels; `source` is width and height
    /// of what it shows, whose shape is kept.
    ///
    /// # Errors
    /// What `render` says, or that the picture cannot be encoded.
    pub fn new(
        source: (u32, u32),
        room: Size,
        graphics: Graphics,
        render: impl Fn(u32, u32) -> Result<RgbImage, String>,
    ) -> Result<Self, String> {
        let size = fit(source, room, graphics.ratio());
        let cells = render(u32::from(size.width), 2 * u32::from(size.height))?;
        let sharp = match graphics.sharp() {
            Some((protocol, (width, height))) => {
                let pixels =
                    render(u32::from(size.width) * u32::from(width), u32::from(size.height) * u32::from(height))?;
                Some(Sharp::new(pixels, size, protocol, graphics.tmux)?)
            }
            None => None,
        };
        Ok(Self { size, cells, sharp })
    }

    /// A picture of cells alone: a pixel across and two down each.
    pub fn of_cells(cells: RgbImage) -> Self {
        Self { size: Size::new(cells.width() as u16, (cells.height() / 2) as u16), cells, sharp: None }
    }

    /// Columns and rows.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The form in the terminal's pixels.
    pub fn sharp(&self) -> Option<&Sharp> {
        self.sharp.as_ref()
    }

    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        self.cells.as_raw().len() + self.sharp.as_ref().map_or(0, Sharp::bytes)
    }

    /// Draw into the upper left of `area`, cut where it is too small; gives the cells that were drawn.
    pub fn draw(&self, area: Rect, look: Look, buffer: &mut Buffer) -> Rect {
        let place = Rect { width: self.size.width.min(area.width), height: self.size.height.min(area.height), ..area }
            .intersection(buffer.area);
        for y in place.top()..place.bottom() {
            for x in place.left()..place.right() {
                let (column, row) = (u32::from(x - area.x), u32::from(y - area.y));
                let [upper, lower] = [2 * row, 2 * row + 1].map(|row| self.cells.get_pixel(column, row).0);
                let cell = &mut buffer[(x, y)];
                cell.reset();
                match look {
                    Look::Blocks(depth) => {
                        cell.set_char('▀').set_style(theme::halves(depth, upper, lower));
                    }
                    Look::Bright => {
                        cell.set_char(ink(light(upper, lower)));
                    }
                    Look::Dark => {
                        cell.set_char(ink(1.0 - light(upper, lower)));
                    }
                }
            }
        }
        place
    }
}

/// The most columns and rows of `room` that have the shape of `source` where a character is `ratio` times as high as
/// wide; at least one of each.
pub fn fit(source: (u32, u32), room: Size, ratio: f64) -> Size {
    let shape = f64::from(source.0.max(1)) / f64::from(source.1.max(1)) * ratio;
    let (width, height) = (f64::from(room.width), f64::from(room.height));
    let (width, height) = if height * shape <= width { (height * shape, height) } else { (width, width / shape) };
    let whole = |cells: f64, most: u16| (cells.round() as u16).clamp(1, most.max(1));
    Size::new(whole(width, room.width), whole(height, room.height))
}

/// What an area looks like, to know later whether anything was drawn over it.
pub fn print(buffer: &Buffer, area: Rect) -> u64 {
    let mut hasher = DefaultHasher::new();
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            buffer.cell((x, y)).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Mean luminance of two pixels, 0 to 1 (Rec. 709 weights on the encoded values).
fn light(upper: [u8; 3], lower: [u8; 3]) -> f32 {
    let of = |[r, g, b]: [u8; 3]| 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
    f32::midpoint(of(upper), of(lower)) / 255.0
}

fn ink(share: f32) -> char {
    let last = RAMP.len() - 1;
    char::from(RAMP[((share * last as f32).round() as usize).min(last)])
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use ratatui::buffer::Cell;
    use ratatui::style::Color;

    use super::*;
    use crate::app::graphics::Protocol;

    /// Left half black, right half white, the lower right pixel of all red.
    fn flag(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            if x == width - 1 && y == height - 1 {
                Rgb([255, 0, 0])
            } else {
                Rgb(if 2 * x < width { [0; 3] } else { [255; 3] })
            }
        })
    }

    fn picture(room: Size) -> Picture {
        Picture::new((4, 4), room, Graphics::default(), |width, height| Ok(flag(width, height))).unwrap()
    }

    #[test]
    fn two_pixels_a_character() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 3));
        let picture = picture(Size::new(4, 2));
        let drawn = picture.draw(Rect::new(1, 1, 4, 2), Look::Blocks(Depth::True), &mut buffer);
        assert_eq!(drawn, Rect::new(1, 1, 4, 2));
        let colours: Vec<_> = (1..5).map(|x| (buffer[(x, 2)].symbol(), buffer[(x, 2)].fg, buffer[(x, 2)].bg)).collect();
        let (black, white, red) = (rgb(0, 0, 0), rgb(255, 255, 255), rgb(255, 0, 0));
        assert_eq!(colours, [("▀", black, black), ("▀", black, black), ("▀", white, white), ("▀", white, red)]);
        assert_eq!(buffer[(0, 1)].symbol(), " ", "nothing beside it");
        assert_eq!(buffer[(5, 1)].symbol(), " ");
    }

    fn rgb(r: u8, g: u8, b: u8) -> Color {
        theme::halves(Depth::True, [r, g, b], [0; 3]).fg.unwrap()
    }

    #[test]
    fn grey_characters_where_there_are_only_characters() {
        let area = Rect::new(0, 0, 4, 2);
        let text = |look: Look| {
            let mut buffer = Buffer::empty(area);
            picture(Size::new(4, 2)).draw(area, look, &mut buffer);
            assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
            buffer.content().chunks(4).map(|row| row.iter().map(Cell::symbol).collect()).collect::<Vec<String>>()
        };
        assert_eq!(text(Look::Bright), ["  @@", "  @+"]);
        assert_eq!(text(Look::Dark), ["@@  ", "@@ ="], "ink is dark on paper");
    }

    #[test]
    fn the_shape_is_kept_and_the_room_filled() {
        let fits = |source, width, height| {
            let size = fit(source, Size::new(width, height), 2.0);
            (size.width, size.height)
        };
        assert_eq!(fits((256, 256), 80, 20), (40, 20));
        assert_eq!(fits((256, 256), 20, 80), (20, 10));
        assert_eq!(fits((512, 256), 40, 40), (40, 10));
        assert_eq!(fits((10_000, 1), 40, 40), (40, 1));
        assert_eq!(fits((0, 0), 0, 0), (1, 1), "nothing is still a cell, which is cut when it is drawn");
        let tall = fit((256, 256), Size::new(80, 20), 2.5);
        assert_eq!((tall.width, tall.height), (50, 20), "a character of 8x20 pixels is higher");
    }

    #[test]
    fn a_picture_is_cut_at_the_edge_and_never_drawn_outside() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 2));
        let drawn = picture(Size::new(8, 4)).draw(Rect::new(1, 1, 40, 40), Look::Bright, &mut buffer);
        assert_eq!(drawn, Rect::new(1, 1, 2, 1));
        let drawn = picture(Size::new(8, 4)).draw(Rect::new(9, 9, 4, 4), Look::Bright, &mut buffer);
        assert!(drawn.is_empty());
    }

    #[test]
    fn something_drawn_over_a_picture_is_noticed() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 4));
        let place = picture(Size::new(8, 4)).draw(buffer.area, Look::Blocks(Depth::True), &mut buffer);
        let before = print(&buffer, place);
        assert_eq!(print(&buffer, place), before);
        buffer[(7, 3)].set_char('x');
        assert_ne!(print(&buffer, place), before);
    }

    #[test]
    fn pixels_are_rendered_at_the_size_of_the_cells_that_they_cover() {
        let graphics = Graphics { protocol: Protocol::Kitty, cell: Some((7, 15)), tmux: false };
        let asked = std::cell::RefCell::new(Vec::new());
        let render = |width, height| {
            asked.borrow_mut().push((width, height));
            Ok(flag(width, height))
        };
        let picture = Picture::new((64, 64), Size::new(30, 10), graphics, render).unwrap();
        assert_eq!(picture.size(), Size::new(21, 10));
        assert_eq!(*asked.borrow(), [(21, 20), (21 * 7, 10 * 15)]);
        assert!(picture.sharp().is_some() && picture.bytes() > 21 * 20 * 3);
    }
}
