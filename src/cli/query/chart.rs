//! An answer drawn in the characters of a terminal.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget as _;

use crate::app::widgets::chart::{ChartView, Palette, Regions};
use crate::app::{Depth, Theme, ThemeName};
use crate::notebook::question::Plot;

/// Wide enough for a pipe, where no terminal says how wide it is.
const WIDTH: usize = 100;
const HEIGHT: u16 = 20;

/// The chart with its legend, `columns` wide.
pub(super) fn draw(plot: &Plot, columns: Option<usize>, colours: bool) -> String {
    // 256 colours: every terminal has them.
    let palette =
        if colours { Theme::new(ThemeName::ColourBlind, Depth::Indexed).chart(false) } else { Palette::default() };
    let area = Rect::new(0, 0, columns.unwrap_or(WIDTH).clamp(20, 300) as u16, HEIGHT);
    let chart = plot.chart(Regions::of(area, true).columns());
    let mut buffer = Buffer::empty(area);
    ChartView::new(&chart, &palette).render(area, &mut buffer);
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(area.width)) {
        text.push_str(&line(row, colours));
    }
    text.push_str(&format!("{:>width$}\n", plot.x_name, width = usize::from(area.width)));
    for (number, group) in plot.groups.iter().enumerate().filter(|(_, group)| !group.label.is_empty()) {
        let name: String = group.label.chars().filter(|letter| !letter.is_control()).collect();
        text.push_str(&format!("{} {name}\n", paint("━━", palette.series[number % palette.series.len()], colours)));
    }
    text
}

/// A row of cells, neighbours of one style together.
fn line(row: &[Cell], colours: bool) -> String {
    let written = row.iter().rposition(|cell| cell.symbol() != " ").map_or(0, |last| last + 1);
    let mut text = String::new();
    for run in row[..written].chunk_by(|a, b| a.style() == b.style()) {
        let symbols: String = run.iter().map(Cell::symbol).collect();
        text.push_str(&paint(&symbols, run[0].style(), colours));
    }
    text.push('\n');
    text
}

fn paint(text: &str, style: Style, colours: bool) -> String {
    let mut codes = Vec::new();
    if let Some(Color::Indexed(index)) = style.fg {
        codes.push(format!("38;5;{index}"));
    }
    if style.add_modifier.contains(Modifier::BOLD) {
        codes.push("1".to_owned());
    }
    if style.add_modifier.contains(Modifier::DIM) {
        codes.push("2".to_owned());
    }
    if codes.is_empty() || !colours { text.to_owned() } else { format!("\x1b[{}m{text}\x1b[0m", codes.join(";")) }
}
