//! Charts as a reader sees them.

use ratatui::style::{Color, Modifier, Style};

use super::*;
use crate::{
    record::{
        Column, Curve, Point, Series1,
        curve::{Axis as CurveAxis, Grid as CurveGrid, Part, Values},
        decimate,
    },
    report::{Axis, Crosshair, Kind, Line, Mark, MarkKind, axis::Fit},
};

fn columns(values: &[f64], count: usize) -> Vec<Column> {
    let x: Vec<f64> = (0..values.len()).map(|i| i as f64).collect();
    decimate(&x, values, 0.0, (values.len() as f64 - 1.0).max(0.0), count)
}

/// The values as one line over the plot of an area of this size.
fn chart(values: &[f64], width: u16, height: u16) -> Chart {
    let count = Regions::of(Rect::new(0, 0, width, height), true).columns();
    let x = Axis::new(Kind::Step, 0.0, values.len() as f64 - 1.0);
    let line = Line { raw: columns(values, count), ..Line::default() };
    Chart { lines: vec![line], ..Chart::new("loss", x, Axis::default()) }.fitted(false, Fit::Full)
}

fn drawn_in(chart: &Chart, palette: &Palette, width: u16, height: u16) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    ChartView::new(chart, palette).render(buffer.area, &mut buffer);
    buffer
}

fn drawn(chart: &Chart, width: u16, height: u16) -> Vec<String> {
    text(&drawn_in(chart, &Palette::default(), width, height))
}

/// The rows without spaces at their ends.
fn text(buffer: &Buffer) -> Vec<String> {
    let row = |y: u16| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned()).collect()
}

#[test]
fn a_whole_chart_has_its_title_in_a_rule_labels_and_a_line() {
    let values: Vec<f64> = (0..=13_600).map(|step| 1.9 + 2.0 * (-f64::from(step) / 2000.0).exp()).collect();
    let mut chart = chart(&values, 58, 6);
    chart.title = "G loss".to_owned();
    chart.value = Some("2.013".to_owned());
    chart.note = Some("ema .98".to_owned());
    chart.points = Some(54_400);
    assert_eq!(
        drawn(&chart, 58, 6),
        [
            "── G loss  2.013  ema .98 ────────────────── 54 400 pts ──",
            "       ⠲⣄",
            "     3  ⠈⠙⠦⣄⡀",
            "            ⠉⠓⠲⠤⣄⣀⣀",
            "     2            ⠈⠉⠉⠙⠒⠒⠒⠒⠒⠦⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤",
            "       0                 5k                10k",
        ]
    );
}

#[test]
fn nan_and_infinities_show_where_they_are_and_no_line_crosses_them() {
    let mut values = vec![1.0; 20]; // one a column of dots: where there is none the line has a hole
    values[5] = f64::NAN;
    values[10] = f64::INFINITY;
    values[15] = f64::NEG_INFINITY;
    // Below twelve columns there are no labels: the plot is the area less the title.
    let chart = chart(&values, 10, 4);
    assert_eq!(drawn(&chart, 10, 4), ["── loss ──", "     ▲", "⠤⠤⠄⠤⠤⠠⠤⠄⠤⠤", "  ×    ▼"]);
}

#[test]
fn a_curve_of_nothing_but_nan_is_not_called_empty() {
    let rows = drawn(&chart(&[f64::NAN; 5], 20, 5), 20, 5);
    assert!(rows.iter().any(|row| row.contains('×')) && !rows.iter().any(|row| row.contains(EMPTY)), "{rows:?}");
    let rows = drawn(&chart(&[], 30, 5), 30, 5);
    assert!(rows.iter().any(|row| row.contains(EMPTY)), "{rows:?}");
}

#[test]
fn what_leaves_the_range_is_cut_at_its_edge() {
    let mut chart = chart(&[0.0, 10.0, 0.0, -10.0, 0.0], 10, 4);
    chart.y = Axis::new(Kind::Value, -1.0, 1.0);
    assert_eq!(drawn(&chart, 10, 4), ["── loss ──", "⡎    ⡇", "⠇    ⡇   ⢠", "     ⢇   ⢸"]);
}

#[test]
fn the_smoothed_line_stays_readable_on_the_values_behind_it() {
    let noise: Vec<f64> = (0..200).map(|i| if i % 2 == 0 { 0.0 } else { 4.0 }).collect();
    let mut chart = chart(&noise, 10, 4);
    chart.lines[0].smooth = Some(columns(&[2.0; 200], 20));
    let palette = Palette {
        series: [Style::new().fg(Color::Cyan); 8],
        bands: [Style::new().fg(Color::Cyan).add_modifier(Modifier::DIM); 8],
        ..Palette::default()
    };
    let buffer = drawn_in(&chart, &palette, 10, 4);
    assert_eq!(text(&buffer), ["── loss ──", "⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿", "⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤", "⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿"]);
    let styled = |y: u16| (buffer[(4, y)].fg, buffer[(4, y)].modifier);
    assert_eq!(styled(1), (Color::Cyan, Modifier::DIM));
    assert_eq!(styled(2), (Color::Cyan, Modifier::empty()));
}

#[test]
fn older_generations_are_dim_and_in_a_shared_cell_the_later_line_has_the_colour_and_both_the_dots() {
    let mut chart = chart(&[0.0, 1.0], 8, 3);
    chart.lines[0].dim = true;
    chart.lines.push(Line { raw: columns(&[1.0, 0.0], 16), colour: 9, ..Line::default() });
    let mut palette = Palette::default();
    palette.series[0] = Style::new().fg(Color::Red);
    palette.series[1] = Style::new().fg(Color::Blue);
    let buffer = drawn_in(&chart, &palette, 8, 3);
    assert_eq!(text(&buffer), ["── lo… ─", "⠑⠢⢄⣀⣀⡠⠔⠊", "⣀⠤⠒⠉⠉⠒⠤⣀"]);
    assert_eq!((buffer[(0, 2)].fg, buffer[(0, 2)].modifier), (Color::Red, Modifier::DIM));
    assert_eq!((buffer[(7, 2)].fg, buffer[(7, 2)].modifier), (Color::Blue, Modifier::empty()), "9 is 1 modulo 8");
}

#[test]
fn bands_are_filled_behind_the_line() {
    let mut chart = chart(&[1.0; 20], 10, 4);
    chart.lines[0].band = Some((0..10).map(|i| if i < 5 { (0.0, 2.0) } else { (f64::NAN, f64::NAN) }).collect());
    chart.y = Axis::new(Kind::Value, 0.0, 4.0);
    assert_eq!(drawn(&chart, 10, 4), ["── loss ──", "", "⣤⣤⣤⣤⣤", "⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉"]);
}

#[test]
fn marks_stand_at_their_place_and_the_crosshair_goes_through_all_but_lines() {
    let mut chart = chart(&[1.0; 41], 12, 5);
    chart.x = Axis::new(Kind::Step, 0.0, 40.0);
    chart.y = Axis::new(Kind::Value, 0.0, 4.0);
    let mark = |x: f64, y: Option<f64>, kind: MarkKind| Mark { x, y, kind, label: String::new() };
    chart.marks = vec![
        mark(20.0, None, MarkKind::Restart),
        mark(8.0, Some(3.0), MarkKind::Alert),
        mark(30.0, None, MarkKind::Info),
        mark(400.0, None, MarkKind::Alert),
        mark(f64::NAN, Some(f64::NAN), MarkKind::Nan),
    ];
    assert_eq!(drawn(&chart, 12, 5), ["── loss ────", "   4  ▲ ┆", "   2    ┆", "   0 ⠉⠉⠉⠉⠉◆⠉", "     0    40"]);
    chart.crosshair = Some(Crosshair { x: 39.0, value: Some("1.5".to_owned()) });
    chart.value = Some("9.9".to_owned());
    assert_eq!(drawn(&chart, 12, 5), ["── loss ────", "   4  ▲ ┆  ┊", "   2    ┆  ┊", "   0 ⠉⠉⠉⠉⠉◆⠉", "     0    40"]);
    let palette = Palette { crosshair: Style::new().fg(Color::Magenta), ..Palette::default() };
    let line = &drawn_in(&chart, &palette, 12, 5)[(11, 3)];
    assert_eq!(line.fg, Color::Magenta, "the line stays, in the crosshair's colour");
    assert_eq!(drawn(&chart, 20, 5)[0], "── loss  1.5 ───────", "what stands under it, not the latest");
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut chart = chart(&[0.0, 3.0, f64::NAN, 1.0, 2.0], 30, 7);
    chart.title = "loss that is much too long for this".to_owned();
    chart.points = Some(5);
    chart.crosshair = Some(Crosshair { x: 3.5, value: None });
    chart.marks = vec![
        Mark { x: 1.0, y: Some(3.0), kind: MarkKind::Alert, label: String::new() },
        Mark { x: 2.5, y: None, kind: MarkKind::Restart, label: String::new() },
    ];
    let buffer = drawn_in(&chart, &Palette { ascii: true, ..Palette::default() }, 30, 7);
    let rows = text(&buffer);
    assert!(rows.iter().all(|row| row.is_ascii()), "{rows:#?}");
    assert_eq!(
        rows,
        [
            "-- loss that is much too lo~ -",
            "           *!        :     |",
            "    2     **         :     | *",
            "        **           :   ****",
            "       **            :  ** |",
            "    0 **          x  :     |",
            "      0           2          4",
        ]
    );
}

#[test]
fn a_logarithmic_axis_draws_decades_equally_far_apart_and_zero_below_its_edge() {
    let values: Vec<f64> = (0..4).map(|i| 10_f64.powi(i)).chain([0.0]).collect();
    let chart = chart(&values, 10, 5).fitted(true, Fit::Full);
    assert_eq!(drawn(&chart, 10, 5), ["── loss ──", "      ⡠⢲", "    ⡠⠊ ⢸", "  ⡠⠊   ⢸", "⠤⠊     ⢸"]);
}

#[test]
fn a_zoom_between_two_points_shows_the_line_through_it() {
    let mut curve = Curve::new();
    for (step, value) in [(0, 0.0), (1000, 4.0)] {
        curve.push(Point { step, epoch: 0.0, time_ns: 0, generation: 0, value });
    }
    let regions = Regions::of(Rect::new(0, 0, 10, 5), true);
    let grid = CurveGrid::new(CurveAxis::Step, 400.0, 600.0, regions.columns());
    let part = &curve.parts()[0];
    let line = Line {
        raw: curve.columns(part, Values::Raw, grid),
        beyond: curve.beyond(part, Values::Raw, grid),
        ..Line::default()
    };
    let chart = Chart {
        lines: vec![line],
        ..Chart::new("", Axis::new(Kind::Step, 400.0, 600.0), Axis::new(Kind::Value, 1.6, 2.4))
    };
    assert_eq!(drawn(&chart, 10, 5), ["──────────", "       ⢀⡠⠊", "     ⡠⠔⠁", "  ⢀⠔⠊", "⡠⠊⠁"]);
}

#[test]
fn an_overtaken_end_is_drawn_on_from_where_it_was_left() {
    let mut series = Series1::default();
    let points = (0..=20).map(|step| (step, 0, step as f64)).chain((11..=20).map(|step| (step, 1, 10.0)));
    for (step, generation, value) in points {
        series.push(Point { step, epoch: 0.0, time_ns: step, generation, value });
    }
    let curve = Curve::from_series(series);
    let regions = Regions::of(Rect::new(0, 0, 11, 5), true);
    let grid = CurveGrid::new(CurveAxis::Step, 0.0, 20.0, regions.columns());
    let of = |part: &Part| Line {
        dim: part.superseded,
        raw: curve.columns(part, Values::Raw, grid),
        beyond: curve.beyond(part, Values::Raw, grid),
        ..Line::default()
    };
    let chart = Chart {
        lines: curve.parts().iter().map(of).collect(),
        ..Chart::new("", Axis::new(Kind::Step, 0.0, 20.0), Axis::default())
    };
    let buffer = drawn_in(&chart.fitted(false, Fit::Full), &Palette::default(), 11, 5);
    assert_eq!(text(&buffer), ["───────────", "        ⢀⡠⠒", "      ⡠⠔⠁", "  ⢀⡠⠒⠉⠉⠉⠉⠉⠉", "⡠⠔⠁"]);
    assert_eq!(buffer[(10, 1)].modifier, Modifier::DIM);
    assert_eq!(buffer[(10, 3)].modifier, Modifier::empty());
}

#[test]
fn the_title_gives_up_what_matters_least() {
    let mut chart = chart(&[1.0], 40, 2);
    chart.title = "G loss".to_owned();
    chart.value = Some("2.013".to_owned());
    chart.note = Some("ema .98".to_owned());
    chart.points = Some(54_400);
    let title = |width: u16| drawn(&chart, width, 2)[0].clone();
    let widths = [50, 41, 40, 32, 31, 16, 15, 12, 8, 4, 2];
    assert_eq!(
        widths.map(title),
        [
            "── G loss  2.013  ema .98 ────────── 54 400 pts ──",
            "── G loss  2.013  ema .98 ─ 54 400 pts ──",
            "── G loss  2.013 ───────── 54 400 pts ──",
            "── G loss  2.013 ─ 54 400 pts ──",
            "── G loss  2.013 ──────────────",
            "── G l…  2.013 ─",
            "── G loss ─────",
            "── G loss ──",
            "── G … ─",
            "────",
            "──",
        ]
    );
    for width in 0..60 {
        let row = drawn(&chart, width, 2)[0].chars().count();
        assert_eq!(row, usize::from(width), "the rule goes from edge to edge");
    }
}

#[test]
fn wide_characters_in_a_title_take_the_cells_they_take() {
    let mut chart = chart(&[1.0], 20, 2);
    chart.title = "損失\u{7}関数 🎨 生成器".to_owned();
    chart.points = Some(5);
    let buffer = drawn_in(&chart, &Palette::default(), 24, 2);
    // A buffer keeps a blank behind each wide character.
    assert_eq!(text(&buffer)[0], "── 損 失 関 数  🎨  生 成 器  ──");
    chart.points = None;
    for width in 0..30 {
        let _ = drawn(&chart, width, 3);
    }
}

#[test]
fn charts_of_one_size_line_up_whatever_they_show() {
    let area = Rect::new(3, 2, 40, 12);
    let regions = Regions::of(area, true);
    assert_eq!(regions.plot, Rect::new(10, 3, 33, 10));
    assert_eq!(regions.columns(), 66);
    let axis = Axis::new(Kind::Step, 0.0, 330.0);
    assert_eq!((regions.x_at(&axis, 9), regions.x_at(&axis, 43)), (None, None));
    assert_eq!((regions.x_at(&axis, 10), regions.x_at(&axis, 42)), (Some(5.0), Some(325.0)));
    assert_eq!(Regions::of(area, false).x_labels, None);
    let tiny = Regions::of(Rect::new(0, 0, 11, 1), true);
    assert_eq!((tiny.title, tiny.y_labels, tiny.x_labels, tiny.plot.width), (None, None, None, 11));
}

#[test]
fn only_the_given_area_is_touched_and_one_outside_of_the_buffer_is_cut() {
    let chart = chart(&[1.0, 2.0, 3.0], 20, 6);
    let palette = Palette::default();
    let mut buffer = Buffer::filled(Rect::new(0, 0, 30, 10), ratatui::buffer::Cell::new("#"));
    let area = Rect::new(5, 2, 20, 6);
    ChartView::new(&chart, &palette).render(area, &mut buffer);
    for y in 0..10 {
        for x in (0..30).filter(|&x| !area.contains((x, y).into())) {
            assert_eq!(buffer[(x, y)].symbol(), "#", "{x} {y}");
        }
    }
    ChartView::new(&chart, &palette).render(Rect::new(25, 8, 40, 40), &mut buffer);
    ChartView::new(&chart, &palette).render(Rect::new(100, 100, 4, 4), &mut buffer);
}

/// Data nobody wants to plot.
fn hostile() -> Vec<Chart> {
    let sets: [&[f64]; 10] = [
        &[],
        &[0.5],
        &[f64::NAN],
        &[f64::INFINITY, f64::NEG_INFINITY],
        &[7.0; 9],
        &[0.0; 9],
        &[-f64::MAX, f64::MAX, -f64::MAX, 0.0],
        &[f64::MIN_POSITIVE, 5e-324, 0.0],
        &[1.0, f64::NAN, 1e300, f64::INFINITY, -1e-300, 2.0],
        &[1e15, 1e15 + 1.0, 1e15 + 2.0],
    ];
    let mut charts = Vec::new();
    for set in sets {
        for count in [0, 1, 7, 80] {
            for log in [false, true] {
                let raw = columns(set, count);
                let smooth = (count == 7).then(|| raw.clone());
                let band =
                    (count == 80).then(|| vec![(f64::NEG_INFINITY, 1.0), (-f64::MAX, f64::MAX), (f64::NAN, 0.0)]);
                let far = Some(crate::record::Mark { x: -1e300, y: f64::MAX });
                let line = Line { raw, smooth, band, beyond: (far, far), colour: usize::MAX, ..Line::default() };
                let x = Axis::new(Kind::Relative, 0.0, set.len() as f64 - 1.0).log(log);
                let marks = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1.0].into_iter();
                let kinds = [MarkKind::Alert, MarkKind::Info, MarkKind::Restart, MarkKind::Nan];
                let marks = marks.zip(kinds.into_iter().cycle());
                let marks = marks.map(|(x, kind)| Mark { x, y: Some(x), kind, label: String::new() }).collect();
                charts.push(Chart {
                    value: Some("−1.3e-5 損失".to_owned()),
                    note: Some("\u{1b}[31m".to_owned()),
                    points: Some(u64::MAX),
                    lines: vec![line.clone(), line],
                    marks,
                    crosshair: Some(Crosshair { x: 0.0, value: None }),
                    ..Chart::new("🎨🎨 größe", x, Axis::default()).fitted(log, Fit::WithoutOutliers)
                });
            }
        }
    }
    // Ranges that make no sense at all.
    for (from, to) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (-1.0, 1.0)] {
        let mut chart = charts[20].clone();
        chart.x = Axis::new(Kind::Wall { offset_s: i32::MAX }, from, to).log(from < 0.0);
        chart.y = Axis::new(Kind::Value, from, to).log(from < 0.0);
        charts.push(chart);
    }
    charts
}

#[test]
fn no_size_and_no_data_breaks_it() {
    let palettes = [Palette::default(), Palette { ascii: true, ..Palette::default() }];
    for chart in hostile() {
        let fitted = chart.clone().fitted(chart.x.log, Fit::Full);
        for width in 0..=40 {
            for height in 0..=12 {
                for (chart, palette) in [(&chart, &palettes[0]), (&fitted, &palettes[1])] {
                    let buffer = drawn_in(chart, palette, width, height);
                    assert_eq!(buffer.content.len(), usize::from(width) * usize::from(height));
                    assert!(buffer.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
                }
            }
        }
    }
}
