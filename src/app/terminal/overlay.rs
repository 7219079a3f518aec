//! Pictures in the terminal's pixels, laid over the cells that are drawn.
//!
//! Kitty's are sent once, and then are characters like any others: cells that change are written, wherever they lie.
//! Sixels and iTerm2's files are drawn where they are to be seen, after the cells; as long as they are seen their cells
//! are not written, and when they go, every one of their cells is.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;

use crate::app::hits::Placed;
use crate::app::widgets::picture::{Sharp, sharp};

/// Pictures that a terminal keeps for us at most; its own limit is in bytes, and takes away what it likes.
const MOST_KEPT: usize = 24;
/// Stands in cells that a picture covers. It is never written, and differs from whatever comes after the picture.
const COVERED: &str = "\u{fffc}";

/// What the terminal holds and shows.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Pictures that were sent to be placed, oldest first, and whether through tmux.
    kept: Vec<(u32, bool)>,
    /// Pictures that were drawn and are still to be seen, with their places.
    seen: Vec<(u32, Rect)>,
}

impl Overlay {
    /// Lay pictures over `next`. Bytes to be written before its cells are added to `before`; those after them are
    /// given.
    pub fn lay(&mut self, placed: &[Placed], next: &mut Buffer, before: &mut String) -> String {
        let mut after = String::new();
        let mut seen = Vec::new();
        for Placed { area, picture, .. } in placed {
            match picture.sharp() {
                Some(Sharp::Placed { id, tmux, transmit, cells }) => {
                    if !self.kept.iter().any(|(kept, _)| kept == id) {
                        before.push_str(transmit);
                        self.kept.push((*id, *tmux));
                    }
                    for (cell, position) in cells.iter().zip(area.positions()) {
                        if let Some(free) = next.cell_mut(position) {
                            free.clone_from(cell);
                        }
                    }
                }
                Some(Sharp::Drawn { id, data }) => {
                    if !self.seen.contains(&(*id, *area)) {
                        // Cells that are erased before the picture is drawn take the present colours.
                        write!(after, "\x1b[{};{}H\x1b[0m{data}", area.y + 1, area.x + 1).ok();
                    }
                    seen.push((*id, *area));
                    for position in area.positions() {
                        if let Some(cell) = next.cell_mut(position) {
                            cell.reset();
                            cell.set_symbol(COVERED).set_diff_option(CellDiffOption::Skip);
                        }
                    }
                }
                None => {}
            }
        }
        self.seen = seen;
        self.let_go(placed, before);
        after
    }

    /// The terminal was cleared, or is given to somebody else: nothing is known any more of what it holds. Gives what
    /// makes it forget the rest.
    pub fn forget(&mut self) -> String {
        let mut bytes = String::new();
        for (id, tmux) in self.kept.drain(..) {
            sharp::forget(id, tmux, &mut bytes);
        }
        self.seen.clear();
        bytes
    }

    /// The oldest pictures that are not to be seen now.
    fn let_go(&mut self, placed: &[Placed], bytes: &mut String) {
        let mut surplus = self.kept.len().saturating_sub(MOST_KEPT);
        self.kept.retain(|(id, tmux)| {
            let needed = placed.iter().any(|it| it.picture.sharp().is_some_and(|sharp| sharp.id() == *id));
            if surplus == 0 || needed {
                return true;
            }
            surplus -= 1;
            sharp::forget(*id, *tmux, bytes);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::{Rgb, RgbImage};
    use ratatui::layout::Size;

    use super::*;
    use crate::app::graphics::{Graphics, Protocol};
    use crate::app::hits::Hits;
    use crate::app::theme::Depth;
    use crate::app::widgets::picture::sharp::decode;
    use crate::app::widgets::picture::{Look, Picture};

    const SCREEN: Rect = Rect::new(0, 0, 20, 8);
    const PLACE: Rect = Rect::new(2, 1, 8, 4);

    fn picture(protocol: Protocol, shade: u8) -> Arc<Picture> {
        let graphics = Graphics { protocol, cell: Some((4, 8)), tmux: false };
        let render = |width, height| Ok(RgbImage::from_pixel(width, height, Rgb([shade; 3])));
        Arc::new(Picture::new((4, 4), Size::new(8, 4), graphics, render).unwrap())
    }

    /// A terminal's side: what is shown, and what was written to show it.
    struct Screen {
        overlay: Overlay,
        shown: Buffer,
    }

    impl Screen {
        fn new() -> Self {
            Self { overlay: Overlay::default(), shown: Buffer::empty(SCREEN) }
        }

        /// Draw a frame with a picture in its place and text over `covered`; gives the bytes before the cells, the
        /// cells that are written, and the bytes after them.
        fn frame(
            &mut self,
            picture: Option<&Arc<Picture>>,
            covered: Option<Rect>,
        ) -> (String, Vec<(u16, u16)>, String) {
            let mut next = Buffer::empty(SCREEN);
            let mut hits = Hits::default();
            if let Some(picture) = picture {
                let drawn = picture.draw(PLACE, Look::Blocks(Depth::True), &mut next);
                hits.picture(drawn, picture, &next);
            }
            for position in covered.into_iter().flat_map(Rect::positions) {
                next[position].reset();
                next[position].set_char('#');
            }
            hits.settle(&next);
            let mut before = String::new();
            let after = self.overlay.lay(hits.pictures(), &mut next, &mut before);
            let written = self.shown.diff(&next).into_iter().map(|(x, y, _)| (x, y)).collect();
            self.shown = next;
            (before, written, after)
        }
    }

    #[test]
    fn a_kitty_picture_is_sent_once_and_its_cells_are_like_any_others() {
        let mut screen = Screen::new();
        let picture = picture(Protocol::Kitty, 9);
        let (before, written, after) = screen.frame(Some(&picture), None);
        assert_eq!(decode::kitty(&before, false).image, RgbImage::from_pixel(32, 32, Rgb([9; 3])));
        assert_eq!((written.len(), after.as_str()), (32, ""));
        assert_eq!(screen.frame(Some(&picture), None), (String::new(), vec![], String::new()), "then it is left alone");
        let (before, written, _) = screen.frame(None, None);
        assert_eq!((before.as_str(), written.len()), ("", 32), "its cells are written when it goes");
        let (before, written, _) = screen.frame(Some(&picture), None);
        assert_eq!((before.as_str(), written.len()), ("", 32), "and it needs not be sent again");
    }

    #[test]
    fn a_sixel_is_drawn_once_after_the_cells_and_at_its_place() {
        let mut screen = Screen::new();
        let picture = picture(Protocol::Sixel, 9);
        let (before, written, after) = screen.frame(Some(&picture), None);
        assert_eq!((before.as_str(), written.len()), ("", 0), "its cells are left free");
        assert!(after.starts_with("\x1b[2;3H"), "{after:?}");
        assert_eq!(decode::sixel(&after).dimensions(), (32, 32));
        assert_eq!(screen.frame(Some(&picture), None), (String::new(), vec![], String::new()));
    }

    #[test]
    fn nothing_of_a_picture_stays_when_it_goes_or_something_lies_on_it() {
        for protocol in [Protocol::Sixel, Protocol::Iterm2, Protocol::Kitty] {
            let mut screen = Screen::new();
            let picture = picture(protocol, 9);
            screen.frame(Some(&picture), None);
            // A layer over a corner of it: every cell is written, with half blocks around the layer.
            let layer = Rect::new(7, 3, 10, 3);
            let (_, written, after) = screen.frame(Some(&picture), Some(layer));
            for position in PLACE.positions() {
                assert!(written.contains(&(position.x, position.y)), "{protocol:?}: {position:?} still shows pixels");
            }
            assert_eq!(after, "", "a covered picture is not drawn over what covers it");
            // The layer goes: the picture is whole again.
            let (_, written, after) = screen.frame(Some(&picture), None);
            assert_eq!(after.is_empty(), protocol == Protocol::Kitty);
            assert!(written.contains(&(16, 5)), "what lay beside it is gone");
            // The screen changes.
            let (_, written, after) = screen.frame(None, None);
            assert!(PLACE.positions().all(|it| written.contains(&(it.x, it.y))), "{protocol:?}");
            assert_eq!(after, "");
        }
    }

    #[test]
    fn another_picture_in_the_same_place_replaces_it() {
        let mut screen = Screen::new();
        screen.frame(Some(&picture(Protocol::Iterm2, 9)), None);
        let (_, _, after) = screen.frame(Some(&picture(Protocol::Iterm2, 200)), None);
        assert_eq!(decode::iterm2(&after), RgbImage::from_pixel(32, 32, Rgb([200; 3])));
    }

    #[test]
    fn a_terminal_keeps_a_bounded_number_and_forgets_them_all_in_the_end() {
        let mut screen = Screen::new();
        let pictures: Vec<_> = (0..40).map(|shade| picture(Protocol::Kitty, shade)).collect();
        let mut deleted = 0;
        for picture in &pictures {
            let (before, ..) = screen.frame(Some(picture), None);
            deleted += before.matches("a=d,d=I").count();
        }
        assert_eq!(deleted, 40 - MOST_KEPT);
        assert_eq!(screen.overlay.forget().matches("a=d,d=I").count(), MOST_KEPT);
        screen.shown = Buffer::empty(SCREEN);
        let (before, ..) = screen.frame(Some(&pictures[39]), None);
        assert!(before.contains("a=T"), "after that it is sent anew");
    }
}
