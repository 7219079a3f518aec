//! Where on an x axis one looks: the stretch in view and the crosshair.

use crate::app::data::Window;

/// The stretch in view and the crosshair, of all charts of a screen alike.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lens {
    /// The stretch.
    pub window: Window,
    /// The crosshair.
    pub crosshair: Option<f64>,
}

impl Lens {
    /// Make the stretch `factor` as wide around `centre`, inside of what there is.
    pub fn zoom(&mut self, factor: f64, centre: Option<f64>, shown: (f64, f64), extent: (f64, f64)) {
        let ((from, to), (begin, end)) = (shown, extent);
        let centre = centre.or(self.crosshair).filter(|x| (from..=to).contains(x));
        // Without a place to look at, the newest end stays where it is: that is what one watches.
        let centre = centre.unwrap_or(if to >= end { end } else { f64::midpoint(from, to) });
        let (from, to) = (centre - (centre - from) * factor, centre + (to - centre) * factor);
        self.window = if from <= begin && to >= end {
            Window::All
        } else if to >= end && centre >= end {
            Window::Last((to - from).max(f64::MIN_POSITIVE))
        } else {
            Window::Fixed(from.max(begin), to.min(end))
        };
    }

    /// Put the crosshair so many of `columns` cells further; it begins at the newest end.
    pub fn walk(&mut self, cells: f64, columns: usize, shown: (f64, f64)) {
        let (from, to) = shown;
        let cell = (to - from) / columns.max(1) as f64;
        let at = self.crosshair.unwrap_or(to);
        let begins = self.crosshair.is_none() && cells > 0.0;
        self.crosshair = Some(if begins { to } else { (at + cells * cell).clamp(from.min(to), to.max(from)) });
    }

    /// Look at everything, at no place.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crosshair_begins_at_the_newest_end_and_stays_in_view() {
        let mut lens = Lens::default();
        lens.walk(1.0, 10, (0.0, 100.0));
        assert_eq!(lens.crosshair, Some(100.0));
        lens.walk(-3.0, 10, (0.0, 100.0));
        assert_eq!(lens.crosshair, Some(70.0));
        lens.walk(-99.0, 10, (0.0, 100.0));
        assert_eq!(lens.crosshair, Some(0.0));
    }

    #[test]
    fn a_zoom_follows_the_newest_end_unless_a_place_is_looked_at() {
        let mut lens = Lens::default();
        lens.zoom(0.5, None, (0.0, 100.0), (0.0, 100.0));
        assert_eq!(lens.window, Window::Last(50.0));
        lens.crosshair = Some(60.0);
        lens.zoom(0.5, None, (50.0, 100.0), (0.0, 100.0));
        assert_eq!(lens.window, Window::Fixed(55.0, 80.0));
        lens.zoom(100.0, None, (55.0, 80.0), (0.0, 100.0));
        assert_eq!(lens.window, Window::All);
    }
}
