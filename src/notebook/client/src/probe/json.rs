//! As much of JSON as the sockets and the headers of checkpoints speak: bounded in depth, exact about escapes.

use std::fmt::{self, Write as _};

use super::problem::Problem;

/// Deepest nesting that is read.
const DEPTH: usize = 64;

/// A JSON value. Whole numbers keep all their digits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order in which they came; of a repeated name the first counts.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of these fields.
    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub fn texts<T: AsRef<str>>(texts: &[T]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(text.as_ref())).collect())
    }

    /// A list of numbers.
    pub fn numbers(numbers: &[f64]) -> Self {
        Self::List(numbers.iter().map(|number| Self::Number(*number)).collect())
    }

    /// Read one value that is all of `text`.
    pub fn parse(text: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(text).map_err(|error| Problem::new(format!("no UTF-8: {error}")))?;
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.wrong("something follows the value"));
        }
        Ok(value)
    }

    /// The field `name`; null where there is none.
    pub fn get(&self, name: &str) -> &Self {
        const NULL: &Json = &Json::Null;
        let Self::Object(fields) = self else { return NULL };
        fields.iter().find(|(key, _)| key == name).map_or(NULL, |(_, value)| value)
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A whole number, also when it is written as 3.0.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Whole(whole) => Some(*whole),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        self.as_i64().and_then(|whole| u64::try_from(whole).ok())
    }

    /// A number; what JSON has none for is a text there: `NaN`, `inf`, `-inf`.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            Self::Text(text) if ["NaN", "inf", "-inf"].contains(&text.as_str()) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    pub fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    /// A list of sizes, such as a shape.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        let Self::List(list) = self else { return None };
        list.iter().map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok())).collect()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(truth) => write!(out, "{truth}"),
            Self::Whole(whole) => write!(out, "{whole}"),
            // JSON has no NaN and no infinities: a gap in a plot is a null.
            Self::Number(number) if !number.is_finite() => out.write_str("null"),
            Self::Number(number) => write!(out, "{number:?}"),
            Self::Text(text) => quote(text, out),
            Self::List(list) => {
                out.write_char('[')?;
                for (index, value) in list.iter().enumerate() {
                    write!(out, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                out.write_char(']')
            }
            Self::Object(fields) => {
                out.write_char('{')?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.write_str(if index > 0 { "," } else { "" })?;
                    quote(name, out)?;
                    write!(out, ":{value}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn quote(text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control))?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn wrong(&self, what: &str) -> Problem {
        Problem::new(format!("no JSON: {what} at byte {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Problem> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.wrong("an unknown word"))
    }

    fn value(&mut self, depth: usize) -> Result<Json, Problem> {
        if depth > DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        self.space();
        match self.peek() {
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[') => self.items(b']', |parser| parser.value(depth + 1)).map(Json::List),
            Some(b'{') => self.items(b'}', |parser| parser.field(depth)).map(Json::Object),
            Some(_) => Err(self.wrong("an unexpected character")),
            None => Err(self.wrong("it ends")),
        }
    }

    fn field(&mut self, depth: usize) -> Result<(String, Json), Problem> {
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a name is missing"));
        }
        let name = self.string()?;
        self.space();
        if !self.take(b':') {
            return Err(self.wrong("a colon is missing"));
        }
        Ok((name, self.value(depth + 1)?))
    }

    fn items<T>(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.space();
            if self.take(end) {
                return Ok(items);
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, Problem> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[begin..self.at];
        if let Ok(whole) = text.parse() {
            return Ok(Json::Whole(whole));
        }
        text.parse().ok().map(Json::Number).ok_or_else(|| self.wrong("a number that is none"))
    }

    fn string(&mut self) -> Result<String, Problem> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(['"', '\\']).ok_or_else(|| self.wrong("a text without an end"))?;
            text.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest.as_bytes()[plain] == b'"' {
                return Ok(text);
            }
            let escape = self.peek().ok_or_else(|| self.wrong("it ends"))?;
            self.at += 1;
            text.push(match escape {
                b'n' => '\n',
                b't' => '\t',
                b'r' => '\r',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'u' => self.unicode()?,
                b'"' | b'\\' | b'/' => char::from(escape),
                _ => {
                    self.at -= 1;
                    return Err(self.wrong("an unknown escape"));
                }
            });
        }
    }

    /// The four digits after `\u`, with the second half of a pair if they are the first. Half a pair is no character.
    fn unicode(&mut self) -> Result<char, Problem> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.wrong("no character"));
        }
        if first < 0xdc00 && self.take(b'\\') && self.take(b'u') {
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(code).ok_or_else(|| self.wrong("no character"));
            }
        }
        Err(self.wrong("half a character"))
    }

    fn hex(&mut self) -> Result<u32, Problem> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("four digits are missing"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_as_it_was() {
        let value = Json::object([
            ("name", Json::text("a\"b\\c\n\u{1}é宮\u{1f600}")),
            ("whole", Json::Whole(i64::MAX)),
            ("number", Json::Number(-1.25e-7)),
            ("list", Json::List(vec![Json::Null, Json::Bool(true), Json::Object(Vec::new()), Json::List(Vec::new())])),
        ]);
        assert_eq!(Json::parse(value.to_string().as_bytes()).unwrap(), value);
        assert_eq!(Json::numbers(&[f64::NAN, 1.0]).to_string(), "[null,1.0]");
        let escaped = Json::parse(br#" "\u00e9\ud83d\ude00\/\b" "#).unwrap();
        assert_eq!(escaped.as_str(), Some("é\u{1f600}/\u{8}"));
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        for text in [
            "",
            "{",
            "[1,",
            "nul",
            "1 2",
            "\"a",
            r#""\x""#,
            r#""\ud800""#,
            r#""\ud800A""#,
            "{1:2}",
            "{\"a\" 1}",
            "[1 2]",
            "--1",
            "\"\\u12",
            "-",
        ] {
            let error = Json::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("at byte"), "{text}: {error}");
        }
        assert!(Json::parse(&[b'"', 0xff, b'"']).is_err());
        let deep = "[".repeat(100_000);
        assert!(Json::parse(deep.as_bytes()).unwrap_err().to_string().contains("too deeply"));
    }

    #[test]
    fn numbers_are_taken_as_what_they_are_asked_for() {
        let value = Json::parse(br#"{"a":3.0,"b":"NaN","c":-1,"d":1e400,"shape":[2,3]}"#).unwrap();
        assert_eq!(value.get("a").as_u64(), Some(3));
        assert!(value.get("b").as_f64().unwrap().is_nan());
        assert_eq!(value.get("c").as_u64(), None);
        assert_eq!(value.get("d").as_f64(), Some(f64::INFINITY));
        assert_eq!(value.get("shape").sizes(), Some(vec![2, 3]));
        assert_eq!(*value.get("none").get("deeper"), Json::Null);
    }
}
