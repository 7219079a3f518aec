//! Rust and SQL as tokens: enough for colours and for names, with no claim to more. Any text has tokens, however broken
//! it is, because it is looked at while it is typed.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A word of the language.
    Keyword,
    /// A name that begins with a capital, or a primitive type.
    Type,
    /// A name that is called.
    Function,
    /// A macro with its `!`.
    Macro,
    /// Any other name.
    Name,
    /// A text or a character.
    Text,
    /// A number.
    Number,
    /// A remark.
    Comment,
    /// `'a`.
    Lifetime,
    /// `#[…]`: the sign and the bracket.
    Attribute,
    /// Everything else but space.
    Sign,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub class: Class,
    /// Where.
    pub range: Range<usize>,
}

const RUST: [&str; 40] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn",
    "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "Self",
    "static", "struct", "super", "trait", "true", "type", "union", "unsafe", "use", "where", "while", "yield",
];
const PRIMITIVES: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32", "u64", "u128",
    "usize",
];
const SQL: [&str; 51] = [
    "all",
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "count",
    "cross",
    "desc",
    "distinct",
    "else",
    "end",
    "exists",
    "explain",
    "false",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "plot",
    "right",
    "select",
    "show",
    "sum",
    "tables",
    "then",
    "true",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// Whether a name is one of the language's own types.
pub fn is_primitive(name: &str) -> bool {
    PRIMITIVES.contains(&name)
}

/// The tokens of a cell's source, in order and without gaps but space.
pub fn tokens(source: &str, sql: bool) -> Vec<Token> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new(), sql };
    while lexer.next() {}
    lexer.tokens
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
    sql: bool,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest().chars().nth(ahead)
    }

    fn push(&mut self, class: Class, length: usize) {
        let end = (self.at + length.max(1)).min(self.source.len());
        self.tokens.push(Token { class, range: self.at..end });
        self.at = end;
    }

    fn next(&mut self) -> bool {
        let space = self.rest().len() - self.rest().trim_start().len();
        self.at += space;
        let Some(first) = self.peek(0) else { return false };
        let rest = self.rest();
        if self.sql && rest.starts_with("--") || !self.sql && rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            self.push(Class::Comment, length);
        } else if rest.starts_with("/*") {
            let length = block_comment(rest, !self.sql);
            self.push(Class::Comment, length);
        } else if first.is_ascii_digit() {
            let length = number(rest);
            self.push(Class::Number, length);
        } else if self.sql && (first == '\'' || first == '"') {
            let length = quoted_sql(rest, first);
            self.push(if first == '\'' { Class::Text } else { Class::Name }, length);
        } else if let Some(length) = (!self.sql).then(|| text(rest)).flatten() {
            self.push(Class::Text, length);
        } else if first == '\'' {
            self.quote();
        } else if first == '_' || first.is_alphabetic() {
            self.word();
        } else if !self.sql && (rest.starts_with("#[") || rest.starts_with("#![")) {
            self.push(Class::Attribute, rest.find('[').unwrap_or(0) + 1);
        } else {
            let length = first.len_utf8();
            self.push(Class::Sign, length);
        }
        true
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        match (characters.next(), characters.next()) {
            (Some((_, '\\')), _) => {
                let end = rest.char_indices().skip(3).find(|(_, c)| *c == '\'' || *c == '\n');
                let length = end.map_or(rest.len(), |(at, c)| if c == '\'' { at + 1 } else { at });
                self.push(Class::Text, length);
            }
            (Some(_), Some((at, '\''))) => self.push(Class::Text, at + 1),
            (Some((_, c)), _) if c == '_' || c.is_alphabetic() => {
                let length = 1 + word_length(&rest[1..]);
                self.push(Class::Lifetime, length);
            }
            _ => self.push(Class::Sign, 1),
        }
    }

    fn word(&mut self) {
        let rest = self.rest();
        let raw = !self.sql && rest.starts_with("r#") && word_length(&rest[2..]) > 0;
        let length = if raw { 2 + word_length(&rest[2..]) } else { word_length(rest) };
        let word = &rest[..length];
        let after = rest[length..].trim_start();
        let class = if self.sql {
            let lower = word.to_ascii_lowercase();
            if SQL.contains(&lower.as_str()) {
                Class::Keyword
            } else if after.starts_with('(') {
                Class::Function
            } else {
                Class::Name
            }
        } else if RUST.contains(&word) && word != "union" {
            Class::Keyword
        } else if PRIMITIVES.contains(&word) || word.starts_with(char::is_uppercase) {
            Class::Type
        } else if rest[length..].starts_with('!') && !rest[length..].starts_with("!=") {
            self.push(Class::Macro, length + 1);
            return;
        } else if after.starts_with('(') || after.starts_with("::<") {
            Class::Function
        } else {
            Class::Name
        };
        self.push(class, length);
    }
}

fn word_length(text: &str) -> usize {
    text.char_indices().find(|(_, c)| *c != '_' && !c.is_alphanumeric()).map_or(text.len(), |(at, _)| at)
}

fn number(text: &str) -> usize {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        let fits = c.is_ascii_alphanumeric()
            || c == '_'
            || c == '.'
                && next.is_none_or(|next| next != '.' && next != '_' && !next.is_alphabetic())
                && !text[..at].contains('.')
            || (c == '-' || c == '+') && matches!(before, 'e' | 'E') && !text.starts_with("0x");
        if !fits {
            break;
        }
        before = c;
        end = at + c.len_utf8();
    }
    end
}

fn block_comment(text: &str, nested: bool) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") && (nested || depth == 0) {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted_sql(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote {
            // Doubled, it is one of the text's own.
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

/// The length of a Rust text that begins here, raw ones and bytes included; none if none does.
fn text(source: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let rest = source.strip_prefix(prefix);
        rest.is_some_and(|rest| {
            rest.starts_with('"')
                || prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"') && rest.starts_with('#')
        })
    })?;
    let rest = &source[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 1;
        return Some(rest[body..].find(&end).map_or(source.len(), |at| prefix.len() + body + at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(source.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(source: &str, sql: bool) -> Vec<(Class, &str)> {
        tokens(source, sql).into_iter().map(|token| (token.class, &source[token.range])).collect()
    }

    #[test]
    fn rust_is_told_apart() {
        use Class::{Attribute, Comment, Function, Keyword, Lifetime, Macro, Name, Number, Sign, Text, Type};
        let source =
            "let x: f64 = r.last(0.5e-3) /* a /* b */ c */ as Vec; println!(\"a\\\"b\"); 'a' '\\n' 'long: #[x] // end";
        let found: Vec<(Class, &str)> =
            classes(source, false).into_iter().filter(|(class, _)| *class != Sign).collect();
        assert_eq!(
            found,
            [
                (Keyword, "let"),
                (Name, "x"),
                (Type, "f64"),
                (Name, "r"),
                (Function, "last"),
                (Number, "0.5e-3"),
                (Comment, "/* a /* b */ c */"),
                (Keyword, "as"),
                (Type, "Vec"),
                (Macro, "println!"),
                (Text, "\"a\\\"b\""),
                (Text, "'a'"),
                (Text, "'\\n'"),
                (Lifetime, "'long"),
                (Attribute, "#["),
                (Name, "x"),
                (Comment, "// end"),
            ]
        );
        assert_eq!(
            classes("r#\"a\"b\"#+br\"\\\"1..2", false)[..3],
            [(Text, "r#\"a\"b\"#"), (Sign, "+"), (Text, "br\"\\\"")]
        );
        assert_eq!(classes("1..2 t.0.1 0xff_u8", false).iter().filter(|(class, _)| *class == Number).count(), 4);
    }

    #[test]
    fn sql_is_told_apart() {
        use Class::{Comment, Function, Keyword, Name, Sign, Text};
        let found = classes("?SELECT mean(\"a b\") FROM metrics WHERE series = 'it''s' -- end", true);
        let wanted = [
            (Sign, "?"),
            (Keyword, "SELECT"),
            (Function, "mean"),
            (Sign, "("),
            (Name, "\"a b\""),
            (Sign, ")"),
            (Keyword, "FROM"),
            (Name, "metrics"),
            (Keyword, "WHERE"),
            (Name, "series"),
            (Sign, "="),
            (Text, "'it''s'"),
            (Comment, "-- end"),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn any_text_has_tokens_that_cover_it() {
        let mut seed = 0x5eed_u64;
        let pieces =
            ["'", "\"", "r#", "/*", "*/", "//", "\n", "写", "\\", "b'", "x!", "1.", "e-", "é", "#[", " ", "r\"", "--"];
        for _ in 0..20_000 {
            let mut source = String::new();
            for _ in 0..8 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                source.push_str(pieces[(seed % pieces.len() as u64) as usize]);
            }
            for sql in [false, true] {
                let mut at = 0;
                for token in tokens(&source, sql) {
                    assert!(source[at..token.range.start].trim().is_empty(), "{source:?}");
                    assert!(token.range.end > token.range.start);
                    at = token.range.end;
                }
                assert!(source[at..].trim().is_empty(), "{source:?}");
            }
        }
    }
}
