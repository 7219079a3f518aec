//! Text that fits: cut and padded by what it takes on the screen, not by its bytes.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cells that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of `text` that fits into `cells`, ending in `ellipsis` where something was cut. Control characters,
/// which a name from a file may hold, become spaces: one of them could move the cursor.
pub fn fit(text: &str, cells: usize, ellipsis: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.width() <= cells {
        return clean;
    }
    let room = cells.saturating_sub(ellipsis.width());
    let mut kept = String::new();
    let mut used = 0;
    for c in clean.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > room {
            break;
        }
        used += wide;
        kept.push(c);
    }
    if cells >= ellipsis.width() {
        kept.push_str(ellipsis);
    }
    kept
}

/// As [`fit`], with the middle cut out: names of series and sessions are told apart by their ends.
pub fn fit_ends(text: &str, cells: usize, ellipsis: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let Some(room) = cells.checked_sub(ellipsis.width()).filter(|_| clean.width() > cells) else {
        return fit(&clean, cells, ellipsis);
    };
    let mut end = Vec::new();
    let mut used = 0;
    for c in clean.chars().rev() {
        used += c.width().unwrap_or(0);
        if used > room / 2 {
            break;
        }
        end.push(c);
    }
    let end: String = end.into_iter().rev().collect();
    fit(&clean, cells - end.width(), ellipsis) + &end
}

/// A message about a session with its paths as they are inside of the session's folder, whose name is `id`: what comes
/// before says nothing where the session is known.
pub fn within(message: &str, id: &str) -> String {
    let folder = format!("/{id}/");
    let mut kept = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(&folder) {
        let begin = rest[..at].rfind(char::is_whitespace).map_or(0, |space| space + 1);
        kept.push_str(&rest[..begin]);
        rest = &rest[at + folder.len()..];
    }
    kept + rest
}

/// Lines of at most `cells`, broken between words where there are any.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let needed = line.width() + usize::from(!line.is_empty()) + word.width();
            if needed > cells && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            let mut rest = word;
            while rest.width() > cells && cells > 0 {
                let mut cut = 0;
                let mut used = 0;
                for (at, c) in rest.char_indices() {
                    used += c.width().unwrap_or(0);
                    if used > cells {
                        break;
                    }
                    cut = at + c.len_utf8();
                }
                if cut == 0 {
                    break;
                }
                lines.push(rest[..cut].to_owned());
                rest = &rest[cut..];
            }
            line.push_str(rest);
        }
        lines.push(line);
    }
    lines
}

/// Write from `x` on row `y` at most up to `right` (excluded); gives where the next text goes.
pub fn put(buffer: &mut Buffer, x: u16, y: u16, right: u16, text: &str, style: Style) -> u16 {
    let right = right.min(buffer.area.right());
    if y < buffer.area.top() || y >= buffer.area.bottom() || x >= right {
        return x;
    }
    let room = usize::from(right - x);
    let text = fit(text, room, "");
    buffer.set_stringn(x, y, text, room, style).0
}

/// The same, ending before `right`; gives where it begins.
pub fn put_right(buffer: &mut Buffer, left: u16, y: u16, right: u16, text: &str, style: Style) -> u16 {
    let room = right.saturating_sub(left);
    let text = fit(text, usize::from(room), "");
    let begin = right.saturating_sub(text.width() as u16).max(left);
    put(buffer, begin, y, right, &text, style);
    begin
}

/// A rule over the width of `area`'s first row, with a title in it.
pub fn rule(buffer: &mut Buffer, area: Rect, glyph: char, style: Style) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    for x in area.left()..area.right() {
        buffer[(x, area.top())].set_char(glyph).set_style(style);
    }
}

/// Blank the wide characters of which the right half was drawn over, or lies outside: a terminal would show one whole,
/// and what lies on it, or the line after it, in the wrong place.
pub fn mend(buffer: &mut Buffer) {
    let right = buffer.area.right();
    for y in buffer.area.top()..buffer.area.bottom() {
        for x in buffer.area.left()..right {
            let cells = cells(&buffer[(x, y)]);
            let whole = (x + 1..x + cells).all(|x| x < right && buffer[(x, y)].symbol() == " ");
            if cells > 1 && !whole {
                buffer[(x, y)].set_symbol(" ");
            }
        }
    }
}

/// Columns that what is in a cell takes.
pub fn cells(cell: &Cell) -> u16 {
    if cell.symbol().is_ascii() { 1 } else { width(cell.symbol()) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_a_session_are_told_from_its_folder_on() {
        let id = "260304-120000-x";
        assert_eq!(
            within("samples in /data/s/260304-120000-x/samples/step-00000010", id),
            "samples in samples/step-00000010"
        );
        assert_eq!(within("sessions/260304-120000-x/checkpoints/a (1 MiB)", id), "checkpoints/a (1 MiB)");
        assert_eq!(within("nothing of it: 260304-120000-x", id), "nothing of it: 260304-120000-x");
    }

    #[test]
    fn wide_characters_are_never_cut_in_half() {
        assert_eq!(fit("写真からイラスト", 7, "…"), "写真か…");
        assert_eq!(fit("写真", 4, "…"), "写真");
        assert_eq!(fit("写真", 3, "…"), "写…");
        assert_eq!(fit("写真", 0, "…"), "");
        assert_eq!(fit("写真", 1, "…"), "…");
    }

    #[test]
    fn control_characters_never_reach_the_screen() {
        assert_eq!(fit("a\x1b[2Jb\nc", 20, "…"), "a [2Jb c");
        assert_eq!(fit_ends("val/lpips-alex_low", 12, "…"), "val/lp…x_low");
        assert_eq!(fit_ends("写真からイラスト", 8, "…"), "写真…ト");
        assert_eq!(fit_ends("写真", 4, "…"), "写真");
        assert_eq!([0, 1, 2, 3].map(|cells| fit_ends("abcdef", cells, "…")), ["", "…", "a…", "a…f"]);
        assert_eq!(fit_ends("a\x1bbcdef\n", 5, "…"), "a …f ");
    }

    #[test]
    fn a_wide_character_is_whole_or_not_there() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 7, 1));
        buffer.set_string(0, 0, "写真写", Style::new());
        buffer.set_string(3, 0, "│", Style::new());
        buffer[(6, 0)].set_symbol("写");
        mend(&mut buffer);
        assert_eq!(buffer, Buffer::with_lines(["写 │写 "]));
    }

    #[test]
    fn long_words_are_broken_and_nothing_is_lost() {
        let text = "a path /very/long/folder/name ends";
        let lines = wrap(text, 10);
        assert!(lines.iter().all(|line| line.width() <= 10), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }

    #[test]
    fn nothing_is_written_outside() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 5, 1));
        assert_eq!(put(&mut buffer, 3, 0, 99, "abcdef", Style::new()), 5);
        assert_eq!(put(&mut buffer, 0, 7, 99, "x", Style::new()), 0);
        assert_eq!(put_right(&mut buffer, 0, 0, 3, "12", Style::new()), 1);
        assert_eq!(buffer, Buffer::with_lines([" 12ab"]));
    }
}
