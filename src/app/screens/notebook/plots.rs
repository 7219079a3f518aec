//! Plots that cells gave, drawn as the dashboard's charts are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use crate::app::plots;
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::bars;
use crate::app::widgets::chart::{ChartView, Regions};
use crate::report::cells;
use crate::session::notebook::{Plot, PlotKind};

/// Draw a plot into `area`.
pub fn draw(plot: &Plot, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    match plot.kind {
        PlotKind::Line => lines(plot, shared, area, buffer),
        PlotKind::Bars => histogram(plot, shared, area, buffer),
    }
}

fn lines(plot: &Plot, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let palette = shared.theme.chart(shared.glyphs.ascii);
    let columns = Regions::of(area, true).columns();
    let chart = cells::chart(plot, columns, plots::offset(&shared.zone, shared.now));
    ChartView::new(&chart, &palette).render(area, buffer);
    let left_out = plot.series.len().saturating_sub(cells::MOST_SERIES);
    let mut words: Vec<_> = Vec::new();
    if plot.series.len() > 1 {
        let named = plot.series.iter().take(cells::MOST_SERIES).enumerate();
        words.extend(
            named.map(|(index, series)| {
                (text::fit(&series.name, 24, shared.glyphs.ellipsis), shared.theme.series[index])
            }),
        );
        if left_out > 0 {
            words.push((format!("{left_out} more not drawn"), shared.theme.warn));
        }
    }
    plots::beside_title(&words, &chart, shared.theme.rule, area, buffer);
}

fn histogram(plot: &Plot, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let line = Rect { height: 1, ..area };
    text::rule(buffer, line, shared.glyphs.rule, theme.rule);
    let title = format!(
        " {} ",
        text::fit(&cells::heading(plot), usize::from(area.width.saturating_sub(8)), shared.glyphs.ellipsis)
    );
    let x = text::put(buffer, area.x + 2, area.y, area.right(), &title, theme.title);
    if !plot.x_label.is_empty() {
        text::put(buffer, x + 1, area.y, area.right(), &format!(" {} ", plot.x_label), theme.dim);
    }
    let Some(series) = plot.series.first() else { return };
    let (from, to) = cells::span(series.x.iter(), false).unwrap_or((0.0, 1.0));
    let log = |height: &f64| if plot.log_y { (1.0 + height.max(0.0)).log10() } else { *height };
    let heights: Vec<f64> = series.y.iter().map(log).collect();
    let looks = bars::Looks { bar: theme.series[0], axis: theme.dim, levels: shared.glyphs.levels };
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    bars::draw(&heights, (from, to), looks, below, buffer);
}
