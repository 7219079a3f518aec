//! What is around every screen: the first line, the last line, layers and messages.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
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
    foot(app, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer, hits);
    for layer in &app.layers {
        // What lies beneath a layer is not clicked through it.
        hits.cover();
        layer.draw(&app.shared, area, buffer, hits);
    }
    toasts(app, area, buffer);
    hits.settle(buffer);
}

fn head(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &app.shared.theme;
    let right = tabs(app, area, buffer, hits);
    let x = text::put(buffer, area.x + 1, area.y, right, "atelier", theme.accent);
    let title = app.screens.get(app.shared.screen).title(&app.shared);
    let mut x = x + 2;
    for span in &title {
        x = text::put(buffer, x, area.y, right, &span.content, span.style);
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
    let watching = app.shared.watching.words();
    let right = text::put_right(buffer, area.x, area.y, area.right() - 1, watching, theme.dim);
    let mut x = area.x + 1;
    let mut hint = |key: &str, word: &str, verb: Option<Verb>| {
        let needed = text::width(key) + 1 + text::width(word);
        if usize::from(x) + needed >= usize::from(right) {
            return;
        }
        let begin = x;
        x = text::put(buffer, x, area.y, right, key, theme.key);
        x = text::put(buffer, x + 1, area.y, right, word, theme.dim);
        if let Some(verb) = verb {
            hits.push(Rect { x: begin, y: area.y, width: x - begin, height: 1 }, Target::Verb(verb));
        }
        x += 2;
    };
    if let Some(layer) = app.layers.last() {
        layer.hints().iter().for_each(|(key, word)| hint(key, word, None));
        return;
    }
    let own = app.screens.get(app.shared.screen).bindings();
    for binding in own.iter().chain(GLOBAL).filter(|binding| !binding.hint.is_empty()) {
        let Some(key) = binding.keys.first() else { continue };
        hint(&keymap::shown(key), binding.hint, Some(binding.verb));
    }
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
        Clear.render(place, buffer);
        buffer.set_style(place, theme.layer);
        for (row, line) in lines.iter().take(shown).enumerate() {
            let y = place.y + row as u16;
            text::put(buffer, place.x, y, place.right(), app.shared.glyphs.cursor, style.patch(theme.layer));
            text::put(buffer, place.x + 2, y, place.right(), line, theme.text.patch(theme.layer));
        }
        bottom = y.saturating_sub(1);
    }
}
