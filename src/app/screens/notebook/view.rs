//! Drawing a notebook.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::app::hits::{Hits, Target};
use crate::app::screens::notebook::layout::{self, Room, Row, Tone};
use crate::app::screens::notebook::{Notebook, Popup, gutter, plots};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::theme::ThemeName;
use crate::notebook::code::{self, Class, Token};
use crate::notebook::document::{Document, Entry, Kind, Standing};
use crate::notebook::kernel_client::Standing as Kernel;
use crate::report::number;
use crate::session::notebook::Output;

/// Columns of a session's name in the first line.
const NAME: usize = 28;

/// What the first line says.
pub fn title(shared: &Shared) -> Line<'static> {
    let theme = &shared.theme;
    let dot = || Span::styled(shared.glyphs.dot, theme.dim);
    let Some(listing) = shared.opened() else {
        let words = match &shared.open {
            Some(id) if shared.listed => format!("{id}: not there any more"),
            Some(id) => id.clone(),
            None => "notebook of all sessions".to_owned(),
        };
        return Line::from(Span::styled(words, theme.title));
    };
    let (sign, word) = shared.glyphs.state(listing.state);
    let mut line = vec![
        Span::styled(text::fit(&listing.name, NAME, shared.glyphs.ellipsis), theme.title),
        Span::raw("  "),
        Span::styled(format!("{sign} {word}"), theme.state(listing.state)),
    ];
    if let Some(step) = listing.step {
        line.extend([dot(), Span::styled(format!("step {}", number::count_of(step)), theme.text)]);
    }
    if let Some(epoch) = listing.epoch {
        line.extend([dot(), Span::styled(format!("epoch {epoch:.1}"), theme.dim)]);
    }
    Line::from(line)
}

/// Where what lies.
struct Parts {
    head: Rect,
    notice: Rect,
    cells: Rect,
}

fn parts(notebook: &Notebook, shared: &Shared, area: Rect) -> Parts {
    let lines = notice(notebook, shared, area.width).len().min(usize::from(area.height / 3)) as u16;
    let head = u16::from(area.height > 1);
    let at = |y: u16, height: u16| Rect { y: area.y + y, height: height.min(area.height.saturating_sub(y)), ..area };
    Parts {
        head: at(0, head),
        notice: at(head, lines),
        cells: at(head + lines, area.height.saturating_sub(head + lines)),
    }
}

/// What lies where of the text, on this screen.
pub fn room(notebook: &Notebook, shared: &Shared) -> Room {
    let parts = parts(notebook, shared, shared.body());
    let cells = notebook.document().map_or(0, Document::len);
    let left = gutter::width(parts.cells.width, cells);
    Room {
        width: usize::from(parts.cells.width.saturating_sub(left + 1)).max(1),
        height: parts.cells.height,
        ratio: shared.graphics.ratio(),
    }
}

/// Why the notebook, or the kernel, does not work.
fn notice(notebook: &Notebook, shared: &Shared, width: u16) -> Vec<(String, Style)> {
    let theme = &shared.theme;
    let wide = usize::from(width.saturating_sub(4)).max(8);
    let mut lines = Vec::new();
    let problem = notebook.path.as_ref().and_then(|path| notebook.problems.get(path));
    for words in problem.iter().flat_map(|problem| text::wrap(problem, wide)) {
        lines.push((words, theme.bad));
    }
    if let Kernel::Dead(why) = &notebook.runner.client.standing {
        let words = format!("no kernel: {why}. Questions in SQL still work; 0 0 starts it again.");
        lines.extend(text::wrap(&words, wide).into_iter().map(|words| (words, theme.warn)));
    }
    lines
}

/// Draw.
pub fn draw(notebook: &Notebook, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let parts = parts(notebook, shared, area);
    head(notebook, shared, parts.head, buffer);
    for (y, (words, style)) in (parts.notice.top()..parts.notice.bottom()).zip(notice(notebook, shared, area.width)) {
        text::put(buffer, area.x + 2, y, area.right(), &words, style);
    }
    let (Some(document), Some(view)) = (notebook.document(), notebook.view()) else {
        let known = notebook.path.as_ref().is_some_and(|path| notebook.problems.contains_key(path));
        if !known && !parts.cells.is_empty() {
            text::put(buffer, area.x + 2, parts.cells.y, area.right(), "reading", shared.theme.dim);
        }
        return;
    };
    if document.is_empty() {
        return empty(shared, parts.cells, buffer);
    }
    let left = gutter::width(parts.cells.width, document.len());
    let room = Room {
        width: usize::from(parts.cells.width.saturating_sub(left + 1)).max(1),
        height: parts.cells.height,
        ratio: shared.graphics.ratio(),
    };
    let mut cursor = None;
    for (at, first, y, rows) in view.visible(document, room) {
        let top = parts.cells.y + y as u16;
        let count = (rows.len() - first.min(rows.len())).min(usize::from(parts.cells.bottom() - top)) as u16;
        let place = Rect { y: top, height: count, ..parts.cells };
        hits.push(place, Target::Row(at));
        let canvas = Canvas { notebook, shared, entry: &document.entries()[at], at, left, room };
        let found = canvas.draw(&rows, first, place, buffer, hits);
        cursor = cursor.or(found);
    }
    if let (Some(at), Some(popup)) = (cursor, &notebook.popup) {
        match popup {
            Popup::Completions(completions) => completions.draw(shared, at, parts.cells, buffer),
            Popup::Hover(hover) => hover.draw(shared, at, parts.cells, buffer),
        }
    }
    if let Some(finder) = &notebook.finder {
        finder.draw(shared, parts.cells, buffer);
    }
}

/// The rule above the cells: where one is at the left, the kernel at the right.
fn head(notebook: &Notebook, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let (words, style) = kernel(notebook, shared);
    let end = area.right().saturating_sub(2);
    let right = text::put_right(buffer, area.x, area.y, end, &format!(" {words} "), style);
    let count = notebook.document().map_or(0, Document::len);
    let mut facts: Vec<(String, Style)> = Vec::new();
    if count > 0 {
        facts.push((format!("cell {} of {count}", notebook.at() + 1), theme.title));
    } else {
        facts.push(("notebook".to_owned(), theme.title));
    }
    if notebook.editing.is_some() {
        facts.push(("typing".to_owned(), theme.accent));
    }
    let stale = |entry: &&Entry| matches!(entry.standing(), Standing::Stale(_));
    let stale = notebook.document().map_or(0, |document| document.entries().iter().filter(stale).count());
    if stale > 0 {
        facts.push((format!("{stale} stale"), theme.warn));
    }
    if !notebook.search.is_empty() {
        facts.push((format!("/{}", notebook.search), theme.text));
    }
    let mut x = area.x + 2;
    for (index, (words, style)) in facts.iter().enumerate() {
        let needed = text::width(words) as u16 + 3;
        if x + needed >= right {
            break;
        }
        let before = if index == 0 { " " } else { shared.glyphs.dot };
        x = text::put(buffer, x, area.y, right, before, theme.dim);
        x = text::put(buffer, x, area.y, right, words, *style);
    }
    text::put(buffer, x, area.y, right, " ", theme.rule);
}

/// How the kernel stands, in a few words.
fn kernel(notebook: &Notebook, shared: &Shared) -> (String, Style) {
    let theme = &shared.theme;
    let client = &notebook.runner.client;
    let since = |at| gutter::elapsed(at, shared.now);
    if let Some(at) = client.interrupting {
        return (format!("interrupting {}", since(at)), theme.warn);
    }
    match &client.standing {
        Kernel::Absent => ("kernel off".to_owned(), theme.dim),
        Kernel::Starting(at) => (format!("kernel starting {}", since(*at)), theme.warn),
        Kernel::Ready => ("kernel ready".to_owned(), theme.good),
        Kernel::Compiling(at) => (format!("compiling {}", since(*at)), theme.accent),
        Kernel::Running(at) => (format!("running {}", since(*at)), theme.accent),
        Kernel::Dead(_) => ("no kernel".to_owned(), theme.bad),
    }
}

/// No cell yet: how to begin.
fn empty(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let lines = [
        ("no cells yet: press enter and type one", theme.text),
        ("", theme.dim),
        ("? select session, max(step) from metrics group by session", theme.dim),
        ("    a question in SQL about every session, answered at once", theme.dim),
        ("run(\"latest\").metrics().last(5)", theme.dim),
        ("    Rust, compiled by the kernel", theme.dim),
        ("", theme.dim),
        ("^e runs the cell", theme.dim),
    ];
    for (y, (words, style)) in (area.y + 1..area.bottom()).zip(lines) {
        text::put(buffer, area.x + 2, y, area.right(), words, style);
    }
}

/// The row of a cell's rows that the cursor is in, and its column.
pub fn cursor_row(rows: &[Row], source: &str, at: usize, room: Room) -> (usize, usize) {
    let (wanted, column) = layout::cursor(source, at, room.width);
    let mut sources = rows.iter().enumerate().filter(|(_, row)| matches!(row, Row::Source(_))).map(|(index, _)| index);
    // Behind the last row that is full, the cursor stands at its end.
    match sources.clone().nth(wanted) {
        Some(row) => (row, column),
        None => (sources.next_back().unwrap_or(0), room.width.saturating_sub(1)),
    }
}

/// A cell being drawn.
struct Canvas<'a> {
    notebook: &'a Notebook,
    shared: &'a Shared,
    entry: &'a Entry,
    at: usize,
    left: u16,
    room: Room,
}

impl Canvas<'_> {
    /// Draw the rows from `first` on; gives where the cursor is, if it is here.
    fn draw(&self, rows: &[Row], first: usize, area: Rect, buffer: &mut Buffer, hits: &mut Hits) -> Option<(u16, u16)> {
        let editing = self.notebook.editing.as_ref().filter(|editing| editing.cell == self.entry.id);
        let source = editing.map_or(self.entry.cell.source(), |editing| editing.editor.text());
        let kind = self.entry.kind();
        let tokens = if kind == Kind::Text {
            Vec::new()
        } else {
            code::tokens(source, crate::notebook::asked::is_question(source))
        };
        let spot = editing.map(|editing| cursor_row(rows, source, editing.editor.at(), self.room));
        let mut found = None;
        let mut y = area.y;
        let mut index = first;
        while y < area.bottom() && index < rows.len() {
            self.margin(index, rows, y, buffer);
            let x = area.x + self.left;
            match &rows[index] {
                Row::Source(range) => {
                    self.source(source, range, &tokens, kind, (x, y), buffer);
                    if let Some((_, column)) = spot.filter(|(row, _)| *row == index) {
                        let at = (x + column as u16).min(area.right().saturating_sub(1));
                        if let Some(cell) = buffer.cell_mut((at, y)) {
                            cell.modifier.insert(Modifier::REVERSED);
                        }
                        found = Some((at, y));
                    }
                }
                Row::Title => {
                    let title = text::fit(self.entry.cell.title(), self.room.width, self.shared.glyphs.ellipsis);
                    text::put(buffer, x, y, area.right(), &title, self.shared.theme.title);
                }
                Row::Mark { column, width, label, primary } => {
                    self.mark((x + *column as u16, y), *width, label, *primary, area.right(), buffer);
                }
                Row::Note { column, words, primary } => {
                    let style = if *primary { self.shared.theme.bad } else { self.shared.theme.accent };
                    text::put(buffer, x + *column as u16, y, area.right(), words, style);
                }
                Row::Text(words, tone) => {
                    text::put(buffer, x + layout::INSET, y, area.right(), words, self.tone(*tone));
                }
                Row::Part { output, row, size } => {
                    let rest = size.height.saturating_sub(*row).min(area.bottom() - y);
                    for further in 1..rest {
                        self.margin(index + usize::from(further), rows, y + further, buffer);
                    }
                    let x = x + layout::INSET;
                    let place = Rect { x, y, width: size.width.min(area.right().saturating_sub(x)), height: rest };
                    self.part(*output, *row, *size, place, buffer, hits);
                    y += rest;
                    index += usize::from(rest);
                    continue;
                }
                Row::Gap => {}
            }
            if !self.notebook.search.is_empty() {
                self.matches(y, Rect { x, y, width: area.right() - x, height: 1 }, buffer);
            }
            y += 1;
            index += 1;
        }
        self.reason(rows, first, area, buffer);
        found
    }

    fn is_selected(&self) -> bool {
        self.notebook.at() == self.at
    }

    fn margin(&self, index: usize, rows: &[Row], y: u16, buffer: &mut Buffer) {
        let theme = &self.shared.theme;
        if matches!(rows.get(index), Some(Row::Gap) | None) {
            return;
        }
        let right = self.left;
        if self.is_selected() {
            text::put(buffer, 0, y, right, self.shared.glyphs.cursor, theme.accent);
        }
        if self.entry.kind() != Kind::Text {
            text::put(buffer, right - 2, y, right, &self.shared.glyphs.bar.to_string(), theme.rule);
        }
        if index > 0 {
            return;
        }
        let (sign, word, style) = gutter::sign(self.entry, self.shared);
        let number = self.at + 1;
        let digits = usize::from(right) - if gutter::is_wide(self.room_width()) { 16 } else { 6 };
        let shown = if self.is_selected() { theme.text } else { theme.dim };
        if gutter::is_wide(self.room_width()) {
            let x = text::put(buffer, 1, y, right, &format!("{:>1$}", format!("[{number}]"), digits + 2), shown);
            let x = text::put(buffer, x + 1, y, right, sign, style);
            text::put(buffer, x + 1, y, right - 2, &word, style);
        } else {
            let x = text::put(buffer, 1, y, right, &format!("{number:>digits$}"), shown);
            text::put(buffer, x + 1, y, right, sign, style);
        }
    }

    /// Columns of the whole screen.
    fn room_width(&self) -> u16 {
        self.room.width as u16 + self.left + 1
    }

    fn source(
        &self,
        source: &str,
        range: &std::ops::Range<usize>,
        tokens: &[Token],
        kind: Kind,
        (x, y): (u16, u16),
        buffer: &mut Buffer,
    ) {
        let theme = &self.shared.theme;
        let right = x + self.room.width as u16;
        if kind == Kind::Text {
            let line = &source[range.clone()];
            let bare = line.strip_prefix("//").map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
            let typing = self.notebook.editing.as_ref().is_some_and(|it| it.cell == self.entry.id);
            let (words, style) = match bare.trim_start_matches('#') {
                _ if typing => (line, theme.text),
                heading if heading.len() < bare.len() => (heading.trim_start(), theme.title),
                _ => (bare, theme.text),
            };
            text::put(buffer, x, y, right, words, style);
            return;
        }
        let mut at = range.start;
        let mut column = x;
        let first = tokens.partition_point(|token| token.range.end <= range.start);
        for token in &tokens[first..] {
            if token.range.start >= range.end {
                break;
            }
            let (begin, end) = (token.range.start.max(at), token.range.end.min(range.end));
            if begin > at {
                column = text::put(buffer, column, y, right, &source[at..begin], theme.text);
            }
            let style = theme.code(token.class);
            let style =
                if token.class == Class::Keyword && theme.name == ThemeName::None { theme.title } else { style };
            column = text::put(buffer, column, y, right, &source[begin..end], style);
            at = end;
        }
        if at < range.end {
            text::put(buffer, column, y, right, &source[at..range.end], theme.text);
        }
    }

    /// `^^^^ expected f64` beneath the text that is wrong.
    fn mark(&self, (x, y): (u16, u16), width: usize, label: &str, primary: bool, right: u16, buffer: &mut Buffer) {
        let theme = &self.shared.theme;
        let style = if primary { theme.bad } else { theme.accent };
        let sign = if primary { "^" } else { "-" };
        let end = text::put(buffer, x, y, right, &sign.repeat(width), style);
        text::put(buffer, end + 1, y, right, label, style);
    }

    /// Why a stale cell is stale, at the end of its first line.
    fn reason(&self, rows: &[Row], first: usize, area: Rect, buffer: &mut Buffer) {
        let Standing::Stale(why) = self.entry.standing() else { return };
        let Some(Row::Source(range)) = rows.first().filter(|_| first == 0) else { return };
        let used = text::width(&self.entry.cell.source().get(range.clone()).unwrap_or_default().replace('\n', ""));
        let words = format!("({why})");
        let begin = self.left + used as u16 + 2;
        if begin + (text::width(&words) as u16) < area.right() {
            text::put_right(buffer, begin, area.y, area.right() - 1, &words, self.shared.theme.dim);
        }
    }

    fn tone(&self, tone: Tone) -> Style {
        let theme = &self.shared.theme;
        match tone {
            Tone::Plain | Tone::Value => theme.text,
            Tone::Warn => theme.warn,
            Tone::Bad => theme.bad,
            Tone::Dim | Tone::Head => theme.dim,
        }
    }

    /// A picture or a plot, from its row `row` on, into `place`.
    fn part(&self, output: usize, row: u16, size: Size, place: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        match self.entry.outputs.get(output) {
            Some(Output::Image(image)) => match self.notebook.pictures.get(&image.png, size) {
                Some(Ok(made)) if row == 0 && place.height == size.height => {
                    let drawn = made.picture.draw(place, self.shared.look(), buffer);
                    hits.picture(drawn, &made.picture, buffer);
                }
                Some(Ok(made)) => cut(row, size, place, buffer, |area, buffer| {
                    made.picture.draw(area, self.shared.look(), buffer);
                }),
                Some(Err(problem)) => {
                    text::put(buffer, place.x, place.y, place.right(), problem, self.shared.theme.bad);
                }
                None => {
                    text::put(buffer, place.x, place.y, place.right(), "decoding", self.shared.theme.dim);
                }
            },
            Some(Output::Plot(plot)) if row == 0 && place.height == size.height => {
                plots::draw(plot, self.shared, place, buffer);
            }
            Some(Output::Plot(plot)) => {
                cut(row, size, place, buffer, |area, buffer| plots::draw(plot, self.shared, area, buffer));
            }
            _ => {}
        }
    }

    /// What is looked for stands out.
    fn matches(&self, y: u16, line: Rect, buffer: &mut Buffer) {
        let wanted = self.notebook.search.to_lowercase();
        let cells: Vec<(u16, String)> = (line.left()..line.right())
            .filter_map(|x| buffer.cell((x, y)).map(|cell| (x, cell.symbol().to_lowercase())))
            .collect();
        let text: String = cells.iter().map(|(_, symbol)| symbol.as_str()).collect();
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(at) = text[from..].find(&wanted).map(|at| from + at) {
            places.push(at..at + wanted.len());
            from = at + wanted.len().max(1);
        }
        let mut at = 0;
        for (x, symbol) in cells {
            if places.iter().any(|place| place.contains(&at)) {
                buffer[(x, y)].modifier.insert(Modifier::REVERSED);
            }
            at += symbol.len();
        }
    }
}

/// Draw something whole elsewhere, and what is seen of it into `place`.
fn cut(row: u16, size: Size, place: Rect, buffer: &mut Buffer, draw: impl FnOnce(Rect, &mut Buffer)) {
    let area = Rect::new(0, 0, place.width, size.height);
    let mut whole = Buffer::empty(area);
    draw(area, &mut whole);
    for y in 0..place.height {
        for x in 0..place.width {
            if let (Some(from), Some(to)) = (whole.cell((x, row + y)), buffer.cell_mut((place.x + x, place.y + y))) {
                *to = from.clone();
            }
        }
    }
}
