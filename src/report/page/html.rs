//! HTML that cannot be broken out of: markup is only what stands in this program's source, everything else is text.

use std::fmt::Write as _;

use crate::report::ink::svg_escaped as escaped;

/// A piece of a page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Markup that this program's source spells out.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, whatever it is.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escaped(text));
        self
    }

    /// The beginning of an element; attributes are text.
    pub fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        write!(self.0, "<{tag}").ok();
        for (name, value) in attributes {
            write!(self.0, " {name}=\"{}\"", escaped(value)).ok();
        }
        self.0.push('>');
        self
    }

    /// The end of an element.
    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        write!(self.0, "</{tag}>").ok();
        self
    }

    /// An element with text in it.
    pub fn element(&mut self, tag: &'static str, attributes: &[(&'static str, &str)], text: &str) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// A picture that [`Svg`](crate::report::ink::Svg) wrote, which escapes whatever it is given.
    pub fn picture(&mut self, svg: crate::report::ink::SvgText) -> &mut Self {
        self.0.push_str(&svg.into_text());
        self
    }

    /// Rules of a style sheet that this program made: nothing of a session is in them.
    pub fn raw_style(&mut self, rules: &str) -> &mut Self {
        // A style sheet ends where a tag begins.
        self.0.push_str(&rules.replace('<', ""));
        self
    }

    /// Another piece.
    pub fn piece(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// A table: a row of headings, then rows; numbers stand at the right where `right` says so.
    pub fn table(&mut self, head: &[&str], right: &[bool], rows: &[Vec<String>]) -> &mut Self {
        self.raw("<div class=\"scroll\"><table>");
        let class = |column: usize| if right.get(column).copied().unwrap_or(false) { "n" } else { "" };
        if head.iter().any(|title| !title.is_empty()) {
            self.raw("<thead><tr>");
            for (column, title) in head.iter().enumerate() {
                self.element("th", &[("class", class(column)), ("scope", "col")], title);
            }
            self.raw("</tr></thead>");
        }
        self.raw("<tbody>");
        for row in rows {
            self.raw("<tr>");
            for (column, cell) in row.iter().enumerate() {
                self.element("td", &[("class", class(column))], cell);
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table></div>")
    }

    /// Names with their values.
    pub fn facts(&mut self, facts: &[(&str, String)]) -> &mut Self {
        self.raw("<dl>");
        for (name, value) in facts {
            self.raw("<div>").element("dt", &[], name).element("dd", &[], value).raw("</div>");
        }
        self.raw("</dl>")
    }

    /// The text of the page.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_become_markup() {
        let bad = "\"'><script>alert(1)</script>";
        let mut html = Html::new();
        html.text(bad).element("a", &[("title", bad)], bad).table(&[bad], &[], &[vec![bad.to_owned()]]);
        html.facts(&[(bad, bad.to_owned())]);
        let text = html.into_text();
        assert!(!text.contains("<script") && !text.contains("\"'>"), "{text}");
    }
}
