//! What x is, and the columns into which a stretch of it is cut.

/// What stands on the x axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Optimizer steps finished.
    Step,
    /// Epochs finished, as a fraction.
    Epoch,
    /// Seconds since the Unix epoch, UTC.
    Wall,
    /// Seconds since `start_ns` (nanoseconds since the Unix epoch): see [`Curve::relative`](super::Curve::relative).
    Relative {
        /// Where zero is.
        start_ns: i64,
    },
}

/// A stretch of an axis in columns of equal width, or of equal ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// What x is.
    pub axis: Axis,
    /// The left edge.
    pub from: f64,
    /// The right edge, which belongs to the last column.
    pub to: f64,
    /// How many columns: for the terminal two a cell.
    pub columns: usize,
    /// Columns of equal width in log10 of x; nothing is shown unless `from` is above zero.
    pub log: bool,
}

impl Grid {
    /// Columns of equal width.
    pub fn new(axis: Axis, from: f64, to: f64, columns: usize) -> Self {
        Self { axis, from, to, columns, log: false }
    }

    /// The same edges, with columns of equal width in log10 of x or in x.
    #[must_use]
    pub fn log(self, log: bool) -> Self {
        Self { log, ..self }
    }

    /// Whether any point can be in it.
    pub(super) fn is_sound(self) -> bool {
        let edges = self.from.is_finite() && self.to.is_finite() && self.from <= self.to;
        self.columns > 0 && edges && (!self.log || self.from > 0.0)
    }

    /// What finds columns, with all that can be computed beforehand.
    pub(super) fn ruler(self) -> Ruler {
        let scale = |x: f64| if self.log { x.log10() } else { x };
        let from = scale(self.from);
        Ruler {
            from,
            width: (scale(self.to) - from) / self.columns as f64,
            last: self.columns.saturating_sub(1),
            log: self.log,
        }
    }
}

/// Finds the column of an x.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruler {
    from: f64,
    width: f64,
    last: usize,
    log: bool,
}

impl Ruler {
    /// The column of an x between the edges: never falls when x rises, and the very arithmetic of
    /// [`decimate`](crate::record::decimate), so that a point on an edge goes the same way.
    pub(super) fn place(&self, x: f64) -> usize {
        let x = if self.log { x.log10() } else { x };
        let place = if self.width > 0.0 { ((x - self.from) / self.width) as usize } else { 0 };
        place.min(self.last)
    }
}
