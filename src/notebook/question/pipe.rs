//! What stands behind the query: `| plot x=step y=value by=series log=y`.

/// How an answer is to be drawn. What is not said is chosen from the columns that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlotWish {
    /// The column that runs from left to right.
    pub x: Option<String>,
    /// The column that runs from bottom to top.
    pub y: Option<String>,
    /// The columns whose values tell one line from another.
    pub by: Vec<String>,
    /// Which axes are logarithmic.
    pub log: Logarithmic,
}

/// Which axes are logarithmic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logarithmic {
    /// The one from left to right.
    pub x: bool,
    /// The one from bottom to top.
    pub y: bool,
}

const USAGE: &str = "`| plot` takes x=COLUMN, y=COLUMN, by=COLUMN[,COLUMN] and log=x|y|xy";

/// The query, and how to draw its answer.
pub(super) fn split(text: &str) -> Result<(&str, Option<PlotWish>), String> {
    let Some(at) = bar(text) else { return Ok((text, None)) };
    let (query, rest) = (&text[..at], text[at + 1..].trim());
    let mut words = rest.split_whitespace();
    match words.next() {
        Some("plot") => {}
        Some(other) => return Err(format!("`{other}` is nothing that can be done with an answer: {USAGE}")),
        None => return Err(format!("nothing stands behind `|`: {USAGE}")),
    }
    let mut wish = PlotWish::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if value.is_empty() {
            return Err(format!("`{word}` says no column: {USAGE}"));
        }
        match key {
            "x" => wish.x = Some(value.to_owned()),
            "y" => wish.y = Some(value.to_owned()),
            "by" => wish.by = value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            "log" => {
                wish.log = match value {
                    "x" => Logarithmic { x: true, y: false },
                    "y" => Logarithmic { x: false, y: true },
                    "xy" | "yx" => Logarithmic { x: true, y: true },
                    other => return Err(format!("`{other}` is no axis: {USAGE}")),
                }
            }
            other => return Err(format!("`{other}` is unknown: {USAGE}")),
        }
    }
    Ok((query.trim_end(), Some(wish)))
}

/// Where the last single bar outside of quotes stands. SQL itself has only the double one.
fn bar(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut found = None;
    let mut at = 0;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (None, b'|') if bytes.get(at + 1) == Some(&b'|') => at += 1,
            (None, b'|') => found = Some(at),
            (None, open @ (b'\'' | b'"')) => quote = Some(open),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
        at += 1;
    }
    found
}
