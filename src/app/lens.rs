//! Where on an x axis one looks: the stretch in view and the crosshair, moved by keys and by the mouse.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use crate::app::data::Window;

/// How much a notch of the wheel makes the stretch narrower, or moves it.
const NOTCH: f64 = 0.8;
const SLIDE: f64 = 0.1;

/// The stretch in view and the crosshair, of all charts of a screen alike.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lens {
    /// The stretch.
    pub window: Window,
    /// The crosshair.
    pub crosshair: Option<f64>,
    /// Equal ratios on the axis, and so in every move.
    pub log: bool,
    /// Where the axis is held by the mouse: the column, and the stretch that was in view then.
    grip: Option<(u16, (f64, f64))>,
}

impl Lens {
    /// Make the stretch `factor` as wide around `centre`, inside of what there is.
    pub fn zoom(&mut self, factor: f64, centre: Option<f64>, shown: (f64, f64), extent: (f64, f64)) {
        let (from, to) = shown;
        let centre = centre.or(self.crosshair).filter(|x| (from..=to).contains(x));
        // Without a place to look at, the newest end stays where it is: that is what one watches.
        let middle = if to >= extent.1 { 1.0 } else { 0.5 };
        let share = centre.map_or(middle, |centre| self.share_of(centre, shown));
        let begin = self.at(share - share * factor, shown);
        let end = self.at(share + (1.0 - share) * factor, shown);
        // What ratios leave of a bound after a step there and back is not that bound to the last bit.
        let close = 1e-9 * (to - from).abs();
        self.window = if begin <= extent.0 + close && end >= extent.1 - close {
            Window::All
        } else if to >= extent.1 && share >= 1.0 {
            Window::Last((end - begin).max(f64::MIN_POSITIVE))
        } else {
            Window::Fixed(begin.max(extent.0), end.min(extent.1))
        };
    }

    /// Move the stretch by a share of its width, inside of what there is.
    pub fn pan(&mut self, share: f64, shown: (f64, f64), extent: (f64, f64)) {
        let room = (self.share_of(extent.0, shown), self.share_of(extent.1, shown) - 1.0);
        let share = share.min(room.1.max(0.0)).max(room.0.min(0.0));
        self.window = Window::Fixed(self.at(share, shown), self.at(1.0 + share, shown));
    }

    /// Put the crosshair so many of `columns` cells further; it begins at the newest end.
    pub fn walk(&mut self, cells: f64, columns: usize, shown: (f64, f64)) {
        let Some(at) = self.crosshair else {
            self.crosshair = Some(shown.1);
            if cells < 0.0 {
                self.walk(cells, columns, shown);
            }
            return;
        };
        let share = self.share_of(at, shown) + cells / columns.max(1) as f64;
        self.crosshair = Some(self.at(share.clamp(0.0, 1.0), shown));
    }

    /// The mouse on a chart whose x axis runs along `plot`: press and drag move the crosshair, with another button or
    /// a key held the axis itself, the wheel zooms around the pointer, with a key held it moves. Whether it meant
    /// something.
    pub fn mouse(&mut self, mouse: MouseEvent, plot: Rect, shown: (f64, f64), extent: (f64, f64)) -> bool {
        let width = f64::from(plot.width.max(1));
        let share = (f64::from(mouse.column.saturating_sub(plot.x)) + 0.5) / width;
        let here = self.at(share.clamp(0.0, 1.0), shown);
        let plain = mouse.modifiers == KeyModifiers::NONE;
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) if plain => {
                self.crosshair = Some(here);
            }
            MouseEventKind::Down(_) => self.grip = Some((mouse.column, shown)),
            MouseEventKind::Drag(_) => {
                let (column, held) = *self.grip.get_or_insert((mouse.column, shown));
                self.pan((f64::from(column) - f64::from(mouse.column)) / width, held, extent);
            }
            MouseEventKind::Up(_) => self.grip = None,
            MouseEventKind::ScrollUp if plain => self.zoom(NOTCH, Some(here), shown, extent),
            MouseEventKind::ScrollDown if plain => self.zoom(1.0 / NOTCH, Some(here), shown, extent),
            MouseEventKind::ScrollUp | MouseEventKind::ScrollLeft => self.pan(-SLIDE, shown, extent),
            MouseEventKind::ScrollDown | MouseEventKind::ScrollRight => self.pan(SLIDE, shown, extent),
            MouseEventKind::Moved => return false,
        }
        true
    }

    /// Whether anything but everything is looked at.
    pub fn is_moved(&self) -> bool {
        self.window != Window::All || self.crosshair.is_some()
    }

    /// Look at everything, at no place.
    pub fn reset(&mut self) {
        *self = Self { log: self.log, ..Self::default() };
    }

    /// The x at a share of the stretch.
    fn at(&self, share: f64, (from, to): (f64, f64)) -> f64 {
        if self.is_log(from, to) { from * (to / from).powf(share) } else { from + (to - from) * share }
    }

    /// The share of the stretch at an x.
    fn share_of(&self, x: f64, (from, to): (f64, f64)) -> f64 {
        if to <= from {
            return 0.0;
        }
        if self.is_log(from, to) {
            (x / from).max(f64::MIN_POSITIVE).ln() / (to / from).ln()
        } else {
            (x - from) / (to - from)
        }
    }

    fn is_log(&self, from: f64, to: f64) -> bool {
        self.log && from > 0.0 && to > from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: (f64, f64) = (0.0, 100.0);

    fn event(kind: MouseEventKind, column: u16, modifiers: KeyModifiers) -> MouseEvent {
        MouseEvent { kind, column, row: 0, modifiers }
    }

    #[test]
    fn the_crosshair_begins_at_the_newest_end_and_stays_in_view() {
        let mut lens = Lens::default();
        lens.walk(1.0, 10, ALL);
        assert_eq!(lens.crosshair, Some(100.0));
        lens.walk(-3.0, 10, ALL);
        assert_eq!(lens.crosshair, Some(70.0));
        lens.walk(-99.0, 10, ALL);
        assert_eq!(lens.crosshair, Some(0.0));
    }

    #[test]
    fn a_zoom_follows_the_newest_end_unless_a_place_is_looked_at() {
        let mut lens = Lens::default();
        lens.zoom(0.5, None, ALL, ALL);
        assert_eq!(lens.window, Window::Last(50.0));
        lens.crosshair = Some(60.0);
        lens.zoom(0.5, None, (50.0, 100.0), ALL);
        assert_eq!(lens.window, Window::Fixed(55.0, 80.0));
        lens.zoom(100.0, None, (55.0, 80.0), ALL);
        assert_eq!(lens.window, Window::All);
    }

    #[test]
    fn a_pan_ends_where_the_data_ends() {
        let mut lens = Lens::default();
        lens.pan(-0.25, (40.0, 60.0), ALL);
        assert_eq!(lens.window, Window::Fixed(35.0, 55.0));
        lens.pan(9.0, (40.0, 60.0), ALL);
        assert_eq!(lens.window, Window::Fixed(80.0, 100.0));
        lens.pan(-9.0, (40.0, 60.0), ALL);
        assert_eq!(lens.window, Window::Fixed(0.0, 20.0));
        // Of everything there is nothing to move.
        lens.pan(0.5, ALL, ALL);
        assert_eq!(lens.window, Window::Fixed(0.0, 100.0));
    }

    #[test]
    fn on_a_logarithmic_axis_a_click_and_a_step_mean_what_they_point_at() {
        let (shown, plot) = ((1.0, 10_000.0), Rect::new(10, 0, 40, 5));
        let mut lens = Lens { log: true, ..Lens::default() };
        lens.mouse(event(MouseEventKind::Down(MouseButton::Left), 29, KeyModifiers::NONE), plot, shown, shown);
        let middle = lens.crosshair.unwrap();
        assert!((middle.log10() - 4.0 * 19.5 / 40.0).abs() < 1e-9, "{middle}");
        lens.crosshair = Some(100.0);
        lens.walk(10.0, 40, shown);
        assert!((lens.crosshair.unwrap() - 1000.0).abs() < 1e-6, "{lens:?}");
        lens.zoom(0.5, Some(100.0), shown, shown);
        let Window::Fixed(from, to) = lens.window else { panic!("{lens:?}") };
        assert!((from - 10.0).abs() < 1e-6 && (to - 1000.0).abs() < 1e-6, "{from} {to}");
    }

    #[test]
    fn the_mouse_moves_the_crosshair_and_with_a_key_or_another_button_the_axis() {
        let (shown, plot) = ((40.0, 60.0), Rect::new(0, 0, 20, 5));
        let mut lens = Lens::default();
        let plain = KeyModifiers::NONE;
        assert!(lens.mouse(event(MouseEventKind::Drag(MouseButton::Left), 9, plain), plot, shown, ALL));
        assert_eq!(lens.crosshair, Some(49.5));
        for (button, modifiers) in [(MouseButton::Right, plain), (MouseButton::Left, KeyModifiers::CONTROL)] {
            let mut lens = Lens::default();
            lens.mouse(event(MouseEventKind::Down(button), 10, modifiers), plot, shown, ALL);
            lens.mouse(event(MouseEventKind::Drag(button), 5, modifiers), plot, shown, ALL);
            assert_eq!((lens.window, lens.crosshair), (Window::Fixed(45.0, 65.0), None));
        }
        assert!(!lens.mouse(event(MouseEventKind::Moved, 5, plain), plot, shown, ALL));
    }
}
