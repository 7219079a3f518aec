//! Changes to a cell before evcxr sees it, and the way back from a place in the changed one.

use crate::source::Place;
use std::ops::Range;

/// A stretch of the cell, and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// In bytes of the cell.
    pub range: Range<usize>,
    /// Without a newline: lines stay where they are.
    pub text: String,
}

/// Changes, in order and apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// In any order.
    pub fn new(mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        Self(edits)
    }

    /// The cell with them.
    pub fn apply(&self, cell: &str) -> String {
        let mut text = String::with_capacity(cell.len() * 2);
        let mut from = 0;
        for edit in &self.0 {
            text.push_str(&cell[from..edit.range.start]);
            text.push_str(&edit.text);
            from = edit.range.end;
        }
        text + &cell[from..]
    }

    /// The byte of the cell that a byte of the changed one comes from; what was put in counts as the place it stands at.
    pub fn back(&self, byte: usize) -> usize {
        let (mut from, mut passed) = (0, 0);
        for edit in &self.0 {
            // Between the edit before and this one, the two texts are the same.
            let same = edit.range.start - from;
            if byte < passed + same {
                break;
            }
            passed += same + edit.text.len();
            if byte < passed {
                return edit.range.start;
            }
            from = edit.range.end;
        }
        from + byte.saturating_sub(passed)
    }

    /// The same for a place.
    pub fn place_back(&self, cell: &str, changed: &str, place: Place) -> Place {
        if self.0.is_empty() {
            return place;
        }
        Place::of(cell, self.back(place.byte(changed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_changed_is_found_again() {
        let cell = "let é = 1; let b = é;\nx";
        let edits = Edits::new(vec![
            Edit { range: 17..17, text: ": u8".to_owned() },
            Edit { range: 6..6, text: ": i32".to_owned() },
        ]);
        let changed = edits.apply(cell);
        assert_eq!(changed, "let é: i32 = 1; let b: u8 = é;\nx");
        for (at, text) in changed.char_indices().filter(|(_, text)| "1bx=".contains(*text)) {
            assert_eq!(cell[edits.back(at)..].chars().next(), Some(text), "at {at}");
        }
        let place = edits.place_back(cell, &changed, Place { line: 1, column: 29 });
        assert_eq!(place, Place { line: 1, column: 20 });
        assert_eq!(edits.place_back(cell, &changed, Place { line: 2, column: 1 }), Place { line: 2, column: 1 });
    }
}
