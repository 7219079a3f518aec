//! The styles a chart is drawn in; the theme fills them.

use ratatui::style::{Modifier, Style};

/// Every style a chart uses. Drawing code names none itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    /// Lines, by [`Line::colour`](crate::report::Line::colour) modulo eight.
    pub series: [Style; 8],
    /// Laid over a series' style for what is drawn faintly: older generations, sessions not in focus.
    pub dim: Style,
    /// What lies behind the line of each series: raw values under the smoothed ones, bands.
    pub bands: [Style; 8],
    /// Tick labels, and words about an empty chart.
    pub axis: Style,
    /// The rule that holds the title.
    pub rule: Style,
    /// The title.
    pub title: Style,
    /// The latest value.
    pub value: Style,
    /// How it is shown, and how many points there are.
    pub note: Style,
    /// The crosshair and the value under it.
    pub crosshair: Style,
    /// Alerts, NaN and infinities.
    pub mark_alert: Style,
    /// Checkpoints and whatever else is worth knowing.
    pub mark_info: Style,
    /// Where a new generation begins.
    pub restart: Style,
    /// Draw with ASCII characters only.
    pub ascii: bool,
}

impl Default for Palette {
    /// No colour at all: what is faint is dim, what matters is bold.
    fn default() -> Self {
        let (plain, dim, bold) =
            (Style::new(), Style::new().add_modifier(Modifier::DIM), Style::new().add_modifier(Modifier::BOLD));
        Self {
            series: [plain; 8],
            dim,
            bands: [dim; 8],
            axis: dim,
            rule: dim,
            title: bold,
            value: plain,
            note: dim,
            crosshair: bold,
            mark_alert: bold,
            mark_info: plain,
            restart: dim,
            ascii: false,
        }
    }
}
