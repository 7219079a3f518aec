//! What is around every screen: the first line, the last line, layers and messages.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget as _};

use crate::app::App;
use crate::app::action::{AppVerb, Verb};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::{self, GLOBAL};
use crate::app::screens::ScreenKind;
use crate::app::text;
use crate::app::toast::{Toast, Tone};

/// The smallest screen on which anything can be read.
const SMALLEST: (u16, u16) = (20, 5);

/// Draw everything.
pub fn draw(app: &App, buffer: &mut Buffer, hits: &mut Hits) {
    let area = buffer.area;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        text::put(buffer, 0, 0, area.right(), "too small", Style::new());
        return;
    }
    let screen = app.screens.get(app.shared.screen);
    head(app, Rect { height: 1, ..area }, buffer, hits);
    let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    screen.draw(&app.shared, body, buffer, hits);
    for layer in &app.layers {
        // What lies beneath a layer is not clicked through it.
        hits.cover();
        layer.draw(&app.shared, area, buffer, hits);
    }
    foot(app, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer, hits);
    toasts(app, area, buffer);
    hits.settle(buffer);
}

fn head(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &app.shared.theme;
    let right = tabs(app, area, buffer, hits);
    let x = text::put(buffer, area.x + 1, area.y, right, "atelier", theme.accent);
    let title = app.screens.get(app.shared.screen).title(&app.shared);
    facts(&title, Rect { x: x + 2, width: right.saturating_sub(x + 2), ..area }, app, buffer);
}

/// What the screen says of itself, piece by piece: a piece that has no room goes whole, half a number would be another
/// one. The first is cut instead.
fn facts(title: &Line<'_>, area: Rect, app: &App, buffer: &mut Buffer) {
    let glyphs = &app.shared.glyphs;
    let is_gap = |text: &str| text.trim().is_empty() || text == glyphs.dot;
    let mut x = area.x;
    let mut gap: Option<&Span<'_>> = None;
    for (index, span) in title.iter().enumerate() {
        if is_gap(&span.content) {
            gap = Some(span);
            continue;
        }
        let room = usize::from(area.right().saturating_sub(x));
        let before = gap.take().filter(|_| index > 0);
        let needed = before.map_or(0, |gap| text::width(&gap.content)) + text::width(&span.content);
        if index == 0 {
            let name = text::fit(&span.content, room, glyphs.ellipsis);
            x = text::put(buffer, x, area.y, area.right(), &name, span.style);
        } else if needed <= room {
            for piece in before.into_iter().chain([span]) {
                x = text::put(buffer, x, area.y, area.right(), &piece.content, piece.style);
            }
        }
    }
}

/// The screens by number, at the right; gives where they begin.
fn tabs(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) -> u16 {
    let theme = &app.shared.theme;
    // Words where there is room, numbers alone where not.
    let words = area.width >= 110;
    let mut right = area.right().saturating_sub(1);
    for (index, kind) in ScreenKind::ALL.into_iter().enumerate().rev() {
        let front = kind == app.shared.screen;
        let label = if words || front { format!("{} {}", index + 1, kind.word()) } else { format!("{}", index + 1) };
        let style = if front { theme.accent } else { theme.dim };
        let begin = text::put_right(buffer, area.x, area.y, right, &label, style);
        let place = Rect { x: begin, y: area.y, width: right - begin, height: 1 };
        hits.push(place, Target::Verb(Verb::App(AppVerb::Go(kind))));
        right = begin.saturating_sub(2);
    }
    right
}

fn foot(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &app.shared.theme;
    Clear.render(area, buffer);
    let words = app.shared.watching.words();
    let watching = if area.width < 110 { words.trim_start_matches("watching: ") } else { words };
    let mut right = text::put_right(buffer, area.x, area.y, area.right() - 1, watching, theme.dim);
    if app.layers.is_empty() {
        // However little room there is: where to find the rest.
        right = help(area.x, right, area.y, app, buffer, hits);
    }
    let mut x = area.x + 1;
    let mut hint = |key: &str, word: &str, target: Option<Target>| {
        let needed = text::width(key) + 1 + text::width(word);
        if usize::from(x) + needed >= usize::from(right) {
            return;
        }
        let begin = x;
        x = text::put(buffer, x, area.y, right, key, theme.key);
        x = text::put(buffer, x + 1, area.y, right, word, theme.dim);
        if let Some(target) = target {
            hits.push(Rect { x: begin, y: area.y, width: x - begin, height: 1 }, target);
        }
        x += 2;
    };
    if let Some(layer) = app.layers.last() {
        let ascii = app.shared.glyphs.ascii;
        for (key, word) in layer.hints() {
            hint(&keymap::plain(key, ascii), word, keymap::code(key).map(Target::Key));
        }
        return;
    }
    let own = app.screens.get(app.shared.screen).bindings();
    for binding in own.iter().filter(|binding| !binding.hint.is_empty()) {
        hint(&keymap::hinted(binding, app.shared.glyphs.ascii), binding.hint, Some(Target::Verb(binding.verb)));
    }
}

/// The hints that every screen has, at the right; gives where they begin.
fn help(left: u16, right: u16, y: u16, app: &App, buffer: &mut Buffer, hits: &mut Hits) -> u16 {
    let theme = &app.shared.theme;
    let mut right = right.saturating_sub(2);
    for binding in GLOBAL.iter().rev().filter(|binding| !binding.hint.is_empty()) {
        let key = keymap::hinted(binding, app.shared.glyphs.ascii);
        let end = right;
        right = text::put_right(buffer, left, y, right, &format!(" {}", binding.hint), theme.dim);
        right = text::put_right(buffer, left, y, right, &key, theme.key);
        hits.push(Rect { x: right, y, width: end - right, height: 1 }, Target::Verb(binding.verb));
        right = right.saturating_sub(2);
    }
    right
}

fn toasts(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.shared.theme;
    let mut bottom = area.bottom().saturating_sub(2);
    let widest = area.width.saturating_sub(4).min(76);
    for Toast { text: message, tone, .. } in app.toasts.iter().rev() {
        let style = match tone {
            Tone::Good => theme.good,
            Tone::Plain => theme.text,
            Tone::Warn => theme.warn,
            Tone::Bad => theme.bad,
        };
        let lines = text::wrap(message, usize::from(widest.saturating_sub(4)));
        let shown = lines.len().min(usize::from(area.height / 3).max(1));
        let width = lines.iter().map(|line| text::width(line)).max().unwrap_or(0) as u16 + 3;
        let height = shown as u16;
        let Some(y) = bottom.checked_sub(height).filter(|y| *y > area.y) else { return };
        let place = Rect { x: area.right().saturating_sub(width + 1), y, width, height };
        // A free cell before it: what lies beneath would read on into it.
        let gap = place.x.min(1);
        Clear.render(Rect { x: place.x - gap, width: place.width + gap, ..place }, buffer);
        buffer.set_style(place, theme.layer);
        for (row, line) in lines.iter().take(shown).enumerate() {
            let y = place.y + row as u16;
            text::put(buffer, place.x, y, place.right(), app.shared.glyphs.cursor, style.patch(theme.layer));
            text::put(buffer, place.x + 2, y, place.right(), line, theme.text.patch(theme.layer));
        }
        bottom = y.saturating_sub(1);
    }
}
