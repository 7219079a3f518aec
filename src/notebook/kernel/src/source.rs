//! A cell's source as evcxr sees it: commands first, then statements.

use crate::protocol::Span;
use ra_ap_syntax::ast::{self, AstNode as _, HasName as _};
use ra_ap_syntax::{Edition, SourceFile, SyntaxKind};
use std::ops::Range;

/// What a cell is parsed inside of.
const BEFORE: &str = "fn f(){";

/// A command at the beginning of a cell.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// With its colon; `!` for a shell line.
    pub name: String,
    /// The whole line.
    pub text: String,
    /// Where the line begins, in bytes.
    pub at: usize,
}

/// A variable that a pattern binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Where its pattern begins: what rustc calls its place.
    pub at: usize,
    /// Whether it can change.
    pub mutable: bool,
}

/// A `let` at the top level of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Let {
    /// From `let` to the semicolon.
    pub range: Range<usize>,
    /// What it binds.
    pub bindings: Vec<Binding>,
    /// Where the pattern ends, if it is but a name.
    pub name_end: Option<usize>,
    /// The type, if one is written.
    pub written: Option<Range<usize>>,
    /// Whether the type leaves something out, or is missing.
    pub untyped: bool,
}

/// A cell.
#[derive(Debug)]
pub struct Cell<'a> {
    /// As the user wrote it.
    pub text: &'a str,
    /// What comes first.
    pub commands: Vec<Command>,
    /// Where the rest begins.
    pub code_at: usize,
    /// The statements of the rest, each with the white space behind it, as evcxr splits them.
    pub statements: Vec<Range<usize>>,
    parsed: ra_ap_syntax::SyntaxNode,
}

impl<'a> Cell<'a> {
    /// Whatever it is: what is no Rust has no statements.
    pub fn parse(text: &'a str) -> Self {
        let mut commands = Vec::new();
        let mut code_at = text.len();
        for line in text.lines() {
            let at = line.as_ptr() as usize - text.as_ptr() as usize;
            let trimmed = line.trim_start_matches(' ');
            if line.starts_with('!') {
                commands.push(Command { name: "!".to_owned(), text: line.to_owned(), at });
            } else if trimmed.starts_with(':') {
                let name = trimmed.split(char::is_whitespace).next().unwrap_or(trimmed).to_owned();
                commands.push(Command { name, text: line.to_owned(), at });
            } else if !(line.starts_with("//") || line.trim().is_empty()) {
                code_at = at;
                break;
            }
        }
        let code = &text[code_at..];
        let parsed = SourceFile::parse(&format!("{BEFORE}{code}\n}}"), Edition::Edition2024).syntax_node();
        let mut cell = Self { text, commands, code_at, statements: Vec::new(), parsed };
        cell.statements = cell.split();
        cell
    }

    /// The cell with spaces where the commands are: every other byte stays where it is.
    pub fn without_commands(&self) -> String {
        let mut text = self.text.to_owned();
        for command in &self.commands {
            text.replace_range(command.at..command.at + command.text.len(), &" ".repeat(command.text.len()));
        }
        text
    }

    fn body(&self) -> Option<ast::StmtList> {
        let function = self.parsed.children().find_map(ast::Fn::cast)?;
        function.body()?.stmt_list()
    }

    /// As evcxr does it: every node of the block with what follows it.
    fn split(&self) -> Vec<Range<usize>> {
        let mut statements = Vec::new();
        let Some(body) = self.body() else { return statements };
        let end_of_code = self.text.len();
        let mut start = self.code_at;
        let mut children = body.syntax().children().peekable();
        while children.next().is_some() {
            let next = children.peek().map(|next| usize::from(next.text_range().start()) - BEFORE.len() + self.code_at);
            let end = next.unwrap_or(end_of_code).min(end_of_code);
            if start >= end {
                break;
            }
            statements.push(start..end);
            start = end;
        }
        statements
    }

    fn range(&self, range: ra_ap_syntax::TextRange) -> Range<usize> {
        let shift = |place: ra_ap_syntax::TextSize| {
            (usize::from(place) + self.code_at).saturating_sub(BEFORE.len()).min(self.text.len())
        };
        shift(range.start())..shift(range.end())
    }

    /// `mod x;`, wherever it stands.
    pub fn modules_in_files(&self) -> Vec<Range<usize>> {
        let modules = self.parsed.descendants().filter_map(ast::Module::cast);
        modules
            .filter(|module| module.item_list().is_none())
            .map(|module| self.range(module.syntax().text_range()))
            .collect()
    }

    /// The lets at the top level that bind something.
    pub fn lets(&self) -> Vec<Let> {
        let Some(body) = self.body() else { return Vec::new() };
        let lets = body.syntax().children().filter_map(ast::LetStmt::cast);
        lets.filter_map(|statement| self.read_let(&statement)).collect()
    }

    fn read_let(&self, statement: &ast::LetStmt) -> Option<Let> {
        let pattern = statement.pat()?;
        // Half a statement is for the compiler to complain about.
        statement.semicolon_token()?;
        let bindings: Vec<_> = pattern
            .syntax()
            .descendants()
            .filter_map(ast::IdentPat::cast)
            .filter_map(|binding| {
                let name = binding.name()?.text().to_owned();
                let at = self.range(binding.syntax().text_range()).start;
                Some(Binding { name, at, mutable: binding.mut_token().is_some() })
            })
            .collect();
        if bindings.is_empty() {
            return None;
        }
        let is_name = matches!(pattern, ast::Pat::IdentPat(_));
        let written = statement.ty();
        let leaves_out = written
            .as_ref()
            .is_none_or(|written| written.syntax().descendants().any(|node| node.kind() == SyntaxKind::INFER_TYPE));
        Some(Let {
            range: self.range(statement.syntax().text_range()),
            bindings,
            name_end: is_name.then(|| self.range(pattern.syntax().text_range()).end),
            written: written.map(|written| self.range(written.syntax().text_range())),
            untyped: leaves_out || !is_name,
        })
    }
}

/// A place in a text, as compilers count: lines and characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Place {
    /// Of a byte.
    pub fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte.min(text.len())).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
    }

    /// The stretch of a text, as what is wrong with it.
    pub fn span(text: &str, bytes: &Range<usize>) -> Span {
        let (from, to) = (Self::of(text, bytes.start), Self::of(text, bytes.end));
        let (line, column, end_line, end_column) = (from.line, from.column, to.line, to.column);
        Span { line, column, end_line, end_column, label: String::new(), primary: true }
    }

    /// The byte at it; the end of the line for a column beyond.
    pub fn byte(self, text: &str) -> usize {
        let mut start = 0;
        for _ in 1..self.line {
            match text[start..].find('\n') {
                Some(newline) => start += newline + 1,
                None => return text.len(),
            }
        }
        let line = text[start..].split('\n').next().unwrap_or_default();
        let within = line.char_indices().nth(self.column.saturating_sub(1)).map_or(line.len(), |(byte, _)| byte);
        start + within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_first_and_statements_after() {
        let text = "// note\n:dep x = \"1\"\n\nlet é = 1; é + 1\n";
        let cell = Cell::parse(text);
        assert_eq!(cell.commands[0].name, ":dep");
        let pieces: Vec<_> = cell.statements.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(pieces, ["let é = 1; ", "é + 1\n"]);
    }

    #[test]
    fn lets_say_what_they_bind_and_whether_a_type_is_written() {
        let text = "let a = 1; let mut b: u8 = 2; let c: Vec<_> = d(); let (e, mut f) = g; let _ = 1; let h";
        let lets = Cell::parse(text).lets();
        let seen: Vec<_> =
            lets.iter().map(|one| (one.bindings[0].name.as_str(), one.untyped, one.name_end.is_some())).collect();
        assert_eq!(seen, [("a", true, true), ("b", false, true), ("c", true, true), ("e", true, false)]);
        assert_eq!(&text[lets[2].written.clone().unwrap()], "Vec<_>");
        assert!(lets[3].bindings[1].mutable);
        assert_eq!(&text[lets[3].bindings[1].at..][..5], "mut f");
    }

    #[test]
    fn places_and_bytes_are_each_others_inverse() {
        let text = "a\nßb→c\n\nx";
        for (byte, _) in text.char_indices() {
            assert_eq!(Place::of(text, byte).byte(text), byte);
        }
    }
}
