//! Drawing the list of sessions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::action::{AppVerb, Verb};
use crate::app::hits::{Hits, Target};
use crate::app::screens::ScreenKind;
use crate::app::screens::sessions::columns::{self, Column, GAP, MARGIN};
use crate::app::screens::sessions::{Sessions, details};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::meter;
use crate::session::Listing;

/// Rows of the part about the selected session, its rule included.
const DETAILS: u16 = 4;
/// Rows that the table must keep before that part is shown.
const LEAST_ROWS: u16 = 6;

/// How a screen is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Regions {
    rule: Option<u16>,
    titles: Rect,
    /// The sessions.
    pub rows: Rect,
    filter: Option<Rect>,
    details: Option<Rect>,
}

impl Regions {
    /// The division of `area`; a line is kept for a filter or a trouble where there is one.
    pub fn of(area: Rect, told: bool) -> Self {
        let mut rest = area;
        let top = |rest: &mut Rect| {
            let line = Rect { height: rest.height.min(1), ..*rest };
            rest.y += line.height;
            rest.height -= line.height;
            line
        };
        let rule = (area.height >= 8).then(|| top(&mut rest).y);
        let titles = top(&mut rest);
        let details = (rest.height >= LEAST_ROWS + DETAILS + u16::from(told)).then(|| {
            rest.height -= DETAILS;
            Rect { y: rest.bottom(), height: DETAILS, ..rest }
        });
        let filter = (told && rest.height > 1).then(|| {
            rest.height -= 1;
            Rect { y: rest.bottom(), height: 1, ..rest }
        });
        Self { rule, titles, rows: rest, filter, details }
    }
}

/// Draw everything.
pub fn draw(sessions: &Sessions, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let regions = sessions.regions(shared, area);
    if let Some(y) = regions.rule {
        text::rule(buffer, Rect { y, height: 1, ..area }, shared.glyphs.rule, shared.theme.rule);
        machine(shared, Rect { y, height: 1, ..area }, buffer, hits);
    }
    told(sessions, shared, regions, buffer);
    if sessions.rows.is_empty() {
        let place = Rect { y: regions.titles.y, height: regions.rows.bottom() - regions.titles.y, ..regions.rows };
        return empty(sessions, shared, place, buffer);
    }
    let listings = || sessions.rows.iter().filter_map(|&row| shared.listings.get(row));
    let shown = columns::fitting(&shared.listings, regions.rows.width);
    titles(sessions, shared, &shown, regions.titles, buffer, hits);
    let page = usize::from(regions.rows.height);
    let first = sessions.first.min(sessions.rows.len().saturating_sub(1));
    for (row, listing) in listings().enumerate().skip(first).take(page) {
        let place = Rect { y: regions.rows.y + (row - first) as u16, height: 1, ..regions.rows };
        line(sessions, shared, &shown, listing, place, buffer);
        hits.push(place, Target::Row(row));
    }
    if let (Some(place), Some(listing)) = (regions.details, sessions.selected(shared)) {
        details::draw(listing, sessions.details.as_ref(), shared, place, buffer);
        rest(sessions, shared, first, page, place, buffer);
    }
}

/// How the machine does, in the rule beneath the first line; a click leads to its screen.
fn machine(shared: &Shared, rule: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let Some(machine) = &shared.machine else { return };
    let theme = &shared.theme;
    // Of 0 to 100 percent, not of what there was.
    let scaled = machine.levels.iter().map(|load| load / 100.0);
    let levels = meter::levels(scaled, &shared.glyphs);
    let facts = machine.facts.join(shared.glyphs.dot);
    let pieces =
        [(format!(" {} ", machine.head), theme.dim), (levels, theme.accent), (format!(" {facts} "), theme.text)];
    let width: usize = pieces.iter().map(|(piece, _)| text::width(piece)).sum();
    if width + 8 > usize::from(rule.width) {
        return;
    }
    let begin = rule.right().saturating_sub(width as u16 + 2);
    let mut x = begin;
    for (piece, style) in &pieces {
        // The text has no colour of its own: it would take the rule's, which is not there to be read.
        let style = Style::reset().patch(*style);
        x = text::put(buffer, x, rule.y, rule.right(), piece, style);
    }
    let verb = Verb::App(AppVerb::Go(ScreenKind::System));
    hits.push(Rect { x: begin, width: x - begin, ..rule }, Target::Verb(verb));
}

/// How many rows are out of sight, in the rule beneath them.
fn rest(sessions: &Sessions, shared: &Shared, first: usize, page: usize, rule: Rect, buffer: &mut Buffer) {
    let below = sessions.rows.len().saturating_sub(first + page);
    if first + below > 0 && rule.width >= 100 {
        let words = format!(" {first} above, {below} below ");
        let x = rule.x + (rule.width - words.len() as u16) / 2;
        text::put(buffer, x, rule.y, rule.right(), &words, shared.theme.dim);
    }
}

fn titles(
    sessions: &Sessions,
    shared: &Shared,
    shown: &[(Column, u16)],
    area: Rect,
    buffer: &mut Buffer,
    hits: &mut Hits,
) {
    let theme = &shared.theme;
    let mut x = area.x + MARGIN;
    for &(column, cells) in shown {
        let sorted = sessions.settings.sort == Some(column);
        let title = if sorted {
            format!("{}{}", column.title(), shared.glyphs.sorted[usize::from(sessions.settings.reversed)])
        } else {
            column.title().to_owned()
        };
        let style = if sorted { theme.accent } else { theme.dim };
        let right = (x + cells).min(area.right());
        // The state's word stands behind its sign.
        let left = if column == Column::State { x + 2 } else { x };
        if column.is_right() {
            text::put_right(buffer, x, area.y, right, &title, style);
        } else {
            text::put(buffer, left, area.y, right, &title, style);
        }
        let index = Column::ALL.iter().position(|it| *it == column).unwrap_or(0);
        let place = Rect { x, width: right.saturating_sub(x), ..area };
        hits.push(place, Target::Column(index));
        x += cells + GAP;
    }
}

fn line(
    sessions: &Sessions,
    shared: &Shared,
    shown: &[(Column, u16)],
    listing: &Listing,
    place: Rect,
    buffer: &mut Buffer,
) {
    let theme = &shared.theme;
    let selected = sessions.chosen.as_ref() == Some(&listing.id);
    let ground = if selected { theme.selected } else { ratatui::style::Style::new() };
    if selected {
        buffer.set_style(place, ground);
        text::put(buffer, place.x, place.y, place.right(), shared.glyphs.cursor, theme.accent.patch(ground));
    }
    if shared.marked.contains(&listing.id) {
        let colour = theme.series[shared.colour(&listing.id)];
        text::put(buffer, place.x + 1, place.y, place.right(), shared.glyphs.mark, colour.patch(ground));
    }
    let has_eta = shown.iter().any(|(column, _)| *column == Column::Eta);
    let mut x = place.x + MARGIN;
    for &(column, cells) in shown {
        let right = (x + cells).min(place.right());
        let pieces = columns::cell(column, cells, has_eta, listing, shared);
        let width: usize = pieces.iter().map(|(piece, _)| text::width(piece)).sum();
        let mut at = if column.is_right() { x + cells.saturating_sub(width as u16) } else { x };
        for (piece, style) in pieces {
            let room = usize::from(right.saturating_sub(at));
            let piece = text::fit(&piece, room, shared.glyphs.ellipsis);
            at = text::put(buffer, at, place.y, right, &piece, style.patch(ground));
        }
        x += cells + GAP;
    }
}

/// The line above the rule: the filter, or why the list may be old.
fn told(sessions: &Sessions, shared: &Shared, regions: Regions, buffer: &mut Buffer) {
    let Some(place) = regions.filter else { return };
    let theme = &shared.theme;
    if let Some(trouble) = shared.trouble.as_ref().filter(|_| !shared.listings.is_empty()) {
        let room = usize::from(place.width.saturating_sub(4));
        let words = text::fit(&format!("as they were last seen: {trouble}"), room, shared.glyphs.ellipsis);
        text::put(buffer, place.x + 2, place.y, place.right(), &words, theme.bad);
        return;
    }
    let count = format!("{} of {}", sessions.rows.len(), shared.listings.len());
    let right = text::put_right(buffer, place.x, place.y, place.right().saturating_sub(1), &count, theme.dim);
    let x = text::put(buffer, place.x + 1, place.y, right, "/ ", theme.accent);
    let room = usize::from(right.saturating_sub(x + 1));
    text::put(buffer, x, place.y, right, &text::fit(&sessions.filter_text, room, shared.glyphs.ellipsis), theme.text);
}

/// Why there is nothing to see, and what to do about it.
fn empty(sessions: &Sessions, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let lines: Vec<(String, _)> = if let Some(trouble) = &shared.trouble {
        vec![("the sessions cannot be read".to_owned(), theme.bad), (trouble.clone(), theme.text)]
    } else if !shared.listed {
        vec![(format!("reading {}", shared.root.display()), theme.dim)]
    } else if shared.listings.is_empty() {
        vec![
            (format!("no sessions yet in {}", shared.root.display()), theme.title),
            ("n starts one, or `atelier train configs/quickstart.toml`".to_owned(), theme.dim),
        ]
    } else if sessions.filter_text.is_empty() {
        let all = shared.listings.len();
        vec![
            (format!("all {all} sessions are archived"), theme.title),
            ("/ archived:yes shows them, n starts another".to_owned(), theme.dim),
        ]
    } else {
        let all = shared.listings.len();
        vec![
            (format!("none of {all} sessions fits"), theme.title),
            (format!("{}   esc shows all again", sessions.filter_text), theme.dim),
        ]
    };
    let width = usize::from(area.width.saturating_sub(4)).clamp(1, 90);
    let wrapped: Vec<(String, _)> = lines
        .into_iter()
        .flat_map(|(line, style)| text::wrap(&line, width).into_iter().map(move |part| (part, style)))
        .collect();
    let top = area.y + area.height.saturating_sub(wrapped.len() as u16) / 3;
    for (row, (part, style)) in wrapped.iter().enumerate() {
        let y = top + row as u16;
        if y < area.bottom() {
            let x = area.x + (area.width.saturating_sub(text::width(part) as u16)) / 2;
            text::put(buffer, x, y, area.right(), part, *style);
        }
    }
}
