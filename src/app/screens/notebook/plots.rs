//! Plots that cells gave, drawn as the dashboard's charts are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
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
    let words = legend(plot, shared, area.width, text::width(&chart.title));
    plots::beside_title(&words, &chart, shared.theme.rule, area, buffer);
}

/// The names of the series in their colours, as long as there is room for them beside the title.
fn legend(plot: &Plot, shared: &Shared, width: u16, title: usize) -> Vec<(String, Style)> {
    if plot.series.len() < 2 {
        return Vec::new();
    }
    let shown = plot.series.len().min(cells::MOST_SERIES);
    let left_out = plot.series.len() - shown;
    let names = apart(&plot.series[..shown].iter().map(|series| series.name.as_str()).collect::<Vec<_>>());
    // Beside the title and the number of points, and with a space after each.
    let room = usize::from(width).saturating_sub(title + 22 + if left_out > 0 { 20 } else { 0 });
    let most = longest(&names, room);
    let mut words: Vec<(String, Style)> = names
        .iter()
        .zip(shared.theme.series)
        .map(|(name, style)| (text::fit_ends(name, most, shared.glyphs.ellipsis), style))
        .collect();
    if left_out > 0 {
        words.push((format!("{left_out} more not drawn"), shared.theme.warn));
    }
    words
}

/// How long a name may be so that all of them, with a space after each, fit into the room.
fn longest(names: &[String], room: usize) -> usize {
    let widths: Vec<usize> = names.iter().map(|name| text::width(name)).collect();
    let needed = |most: usize| widths.iter().map(|width| (*width).min(most) + 1).sum::<usize>();
    (1..=widths.iter().copied().max().unwrap_or(0)).rev().find(|most| needed(*most) <= room).unwrap_or(0)
}

/// Names without the words at their end that all of them share: what tells them apart is at their beginning.
fn apart(names: &[&str]) -> Vec<String> {
    let words: Vec<Vec<&str>> = names.iter().map(|name| name.split(' ').collect()).collect();
    let shortest = words.iter().map(Vec::len).min().unwrap_or(0);
    let same = |back: &usize| words.iter().all(|it| it[it.len() - back] == words[0][words[0].len() - back]);
    let shared = (1..shortest).take_while(same).count();
    let bare = |it: &Vec<&str>| it[..it.len() - shared].join(" ").trim_end_matches([' ', '·']).to_owned();
    words.iter().map(bare).collect()
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
    let (from, to) = cells::span(cells::edges(&series.x).iter(), false).unwrap_or((0.0, 1.0));
    let looks = bars::Looks { bar: theme.series[0], axis: theme.dim, levels: shared.glyphs.levels, log: plot.log_y };
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    bars::draw(&series.y, (from, to), looks, below, buffer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_have_no_room_are_shortened() {
        let names = ["loss/g".to_owned(), "a-very-long-name-of-a-run".to_owned()];
        assert_eq!((longest(&names, 40), longest(&names, 20), longest(&names, 1)), (25, 12, 0));
        assert_eq!(longest(&[], 10), 0);
    }

    #[test]
    fn names_are_cut_to_what_tells_them_apart() {
        assert_eq!(apart(&["loss/d · run-1 · ema .98", "loss/g · run-1 · ema .98"]), ["loss/d", "loss/g"]);
        assert_eq!(apart(&["a", "a"]), ["a", "a"]);
        assert_eq!(apart(&["x y", "y"]), ["x y", "y"]);
        assert_eq!(apart(&["", ""]), ["", ""]);
        assert!(apart(&[]).is_empty());
    }
}
