//! The walk over a merged document: every key known, every value of its kind and within its limits.

use std::collections::BTreeSet;
use std::ops::Range;

use toml_edit::{Array, Item, Table, TableLike, Value};

use super::errors::ConfigError;
use super::keys::{self, Bounds, Key, Shape};
use super::source::Sources;
use super::suggest::nearest;

/// What the walk found, and which keys it had to set aside.
pub struct Walk<'a> {
    sources: &'a Sources,
    /// What is wrong, each with its span.
    pub errors: Vec<(Option<Range<usize>>, ConfigError)>,
    /// Keys whose value was wrong or missing: a default or a stand-in is in their place, so no rule may judge them.
    pub set_aside: BTreeSet<String>,
    /// Whether the absence of a required key may be a consequence of an earlier mistake, and is not to be reported.
    forgive_absence: bool,
}

impl<'a> Walk<'a> {
    /// Walk `table`, the top of a config that may hold `keys`, and repair it: what is wrong is taken out, so that what remains can be
    /// deserialized and judged further. The result is used to report mistakes, never to run.
    pub fn over(table: &mut Table, keys: &'static [Key], sources: &'a Sources, forgive_absence: bool) -> Self {
        let mut walk = Self { sources, errors: Vec::new(), set_aside: BTreeSet::new(), forgive_absence };
        walk.table(table, keys, "", None);
        walk
    }

    fn report(&mut self, span: Option<Range<usize>>, key: &str, message: String) -> &mut ConfigError {
        let error = self.sources.error(span.clone(), message);
        self.errors.push((span, ConfigError { key: Some(key.to_owned()), ..error }));
        let last = self.errors.len() - 1;
        &mut self.errors[last].1
    }

    fn table(&mut self, table: &mut dyn TableLike, keys: &'static [Key], path: &str, header: Option<Range<usize>>) {
        // Where a missing key belongs: below the header, or above the first key.
        let header = header.filter(|span| !span.is_empty()).or_else(|| first_span(table)).unwrap_or(0..0);
        let mut meant: Vec<String> = Vec::new();
        let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
        // What a rule of this kind may hold, where the keys depend on one.
        let kind = table.get("kind").and_then(Item::as_str).map(str::to_owned);
        let fits = |key: &&Key| key.kinds.is_empty() || kind.as_ref().is_none_or(|kind| key.kinds.contains(kind));
        let siblings: Vec<&Key> = keys.iter().filter(fits).collect();
        for name in names {
            let span = table.key(&name).and_then(toml_edit::Key::span);
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                meant.extend(self.unknown(&name, &siblings, path, span));
                table.remove(&name);
                continue;
            };
            let dotted = join(path, &name);
            let Some(item) = table.get_mut(&name) else { continue };
            if !self.item(item, key, &dotted, span) {
                self.set_aside.insert(dotted);
                table.remove(&name);
            }
        }
        self.misplaced(table, keys, path);
        for key in keys.iter().filter(|key| key.required) {
            if table.contains_key(&key.name) {
                continue;
            }
            let dotted = join(path, &key.name);
            let known = self.forgive_absence || self.set_aside.contains(&dotted) || meant.contains(&key.name);
            if !known {
                self.missing(key, &dotted, header.clone());
            }
            self.set_aside.insert(dotted);
            let stand_in = self.stand_in(key);
            table.insert(&key.name, stand_in);
        }
    }

    /// Report and take out what is known but has no place here: keys of another kind of rule, and of two keys that
    /// exclude each other one.
    fn misplaced(&mut self, table: &mut dyn TableLike, keys: &[Key], path: &str) {
        let kind = table.get("kind").and_then(Item::as_str).map(str::to_owned);
        for key in keys.iter().filter(|key| !key.kinds.is_empty()) {
            if !table.contains_key(&key.name) {
                continue;
            }
            let span = table.key(&key.name).and_then(toml_edit::Key::span);
            let dotted = join(path, &key.name);
            match (&kind, &key.instead_of) {
                (Some(kind), _) if !key.kinds.contains(kind) => {
                    let fitting = keys.iter().filter(|key| key.kinds.is_empty() || key.kinds.contains(kind));
                    let names: Vec<&str> = fitting.map(|key| key.name.as_str()).collect();
                    let message = format!("`{dotted}` is no key of a \"{kind}\" rule");
                    self.report(span, &dotted, message).expected = Some(format!("one of: {}", names.join(", ")));
                }
                (Some(_), Some(other)) if table.contains_key(other) => {
                    let message = format!("`{dotted}` stands beside `{other}`, which it takes the place of");
                    self.report(span, &dotted, message).next = Some("give one of the two".to_owned());
                }
                (Some(_), _) => continue,
                // The kind is missing or wrong, which was said: nothing can be held against its keys.
                (None, _) => {}
            }
            self.set_aside.insert(dotted);
            table.remove(&key.name);
        }
    }

    /// Report an unknown key; returns the siblings it may have been meant for.
    fn unknown(&mut self, name: &str, siblings: &[&Key], path: &str, span: Option<Range<usize>>) -> Vec<String> {
        let dotted = join(path, name);
        let near = nearest(name, siblings.iter().map(|key| key.name.as_str()));
        // A key of another table, or the reference implementation's name for one, which its explanation mentions.
        let mention = format!("`{name}`");
        let named: Vec<&Key> = keys::leaves().into_iter().filter(|key| key.name == name).collect();
        let mentioned = keys::leaves().into_iter().filter(|key| key.doc.contains(&mention));
        let elsewhere = if named.is_empty() { mentioned.collect() } else { named };
        let home = match path.split_once('[') {
            _ if path.is_empty() => "at the top".to_owned(),
            Some((array, _)) => format!("in [[{array}]]"),
            None => format!("in [{path}]"),
        };
        let error = self.report(span, &dotted, format!("unknown key `{}`", dotted.escape_debug()));
        if near.is_empty() && !elsewhere.is_empty() {
            error.next = Some(format!("`{name}` is no key {home}"));
            error.suggestions = elsewhere.into_iter().map(|key| key.path.clone()).take(3).collect();
        } else {
            let names: Vec<&str> = siblings.iter().map(|key| key.name.as_str()).collect();
            error.expected = Some(format!("{home} one of: {}", names.join(", ")));
            error.suggestions.clone_from(&near);
        }
        near
    }

    fn missing(&mut self, key: &Key, path: &str, header: Range<usize>) {
        let (what, next) = match &key.shape {
            Shape::Table(inner) => {
                let needed: Vec<&str> = inner.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
                (format!("the table [{path}] is missing"), format!("add [{path}] with {}", needed.join(", ")))
            }
            _ => (format!("the key `{path}` is missing"), format!("add it: {}", key.doc)),
        };
        let error = self.report(Some(header), path, what);
        error.expected = Some(key.shape.expected()).filter(|_| !matches!(key.shape, Shape::Table(_)));
        error.next = Some(next);
    }

    /// A value for a required key that is missing, so that the rest can still be judged.
    fn stand_in(&mut self, key: &Key) -> Item {
        match &key.shape {
            Shape::Table(inner) => {
                let mut table = Table::new();
                for key in inner.iter().filter(|key| key.required) {
                    self.set_aside.insert(key.path.clone());
                    let value = self.stand_in(key);
                    table.insert(&key.name, value);
                }
                Item::Table(table)
            }
            Shape::Choice(words) => words.first().map_or("", String::as_str).into(),
            Shape::Text(..) | Shape::Other => "x".into(),
            Shape::Integer(bounds) => (bounds.min.map_or(0, |(min, _)| min as i64)).into(),
            Shape::Float(bounds) => bounds.min.map_or(0.0, |(min, _)| min).into(),
            Shape::Bool => false.into(),
            Shape::Array { .. } => Array::new().into(),
        }
    }

    /// Check the value of a key at `path`; false when it has to be taken out. `key_span` is where the key itself stands.
    fn item(&mut self, item: &mut Item, key: &'static Key, path: &str, key_span: Option<Range<usize>>) -> bool {
        if let Shape::Table(inner) = &key.shape
            && let Some(table) = table_of(item)
        {
            let (table, span) = table;
            self.table(table, inner, path, span.or(key_span));
            return true;
        }
        if let Shape::Array { item: element, .. } = &key.shape
            && let Shape::Table(inner) = &**element
            && let Some(fine) = self.tables(item, inner, path)
        {
            return fine;
        }
        let span = item.span().filter(|span| !span.is_empty()).or(key_span);
        match item {
            Item::Value(value) => self.value(value, &key.shape, key, path, path, span),
            Item::Table(_) => self.wrong_kind(span, key, path, path, "a table"),
            Item::ArrayOfTables(_) => self.wrong_kind(span, key, path, path, "an array of tables"),
            Item::None => true,
        }
    }

    /// Check an array of tables, under headers of their own or in line; none when it is something else.
    fn tables(&mut self, item: &mut Item, keys: &'static [Key], path: &str) -> Option<bool> {
        match item {
            Item::ArrayOfTables(tables) => {
                for (index, table) in tables.iter_mut().enumerate() {
                    let span = table.span();
                    self.table(table, keys, &format!("{path}[{index}]"), span);
                }
                Some(true)
            }
            Item::Value(Value::Array(array)) if array.iter().all(Value::is_inline_table) => {
                for (index, value) in array.iter_mut().enumerate() {
                    let span = value.span();
                    if let Value::InlineTable(table) = value {
                        self.table(table, keys, &format!("{path}[{index}]"), span);
                    }
                }
                Some(true)
            }
            _ => None,
        }
    }

    /// Check a value of `key` at `path`; `label` names it in messages (`optimizer.betas[1]` for an element).
    fn value(
        &mut self,
        value: &Value,
        shape: &Shape,
        key: &Key,
        path: &str,
        label: &str,
        span: Option<Range<usize>>,
    ) -> bool {
        match (shape, value) {
            (Shape::Other, _) | (Shape::Bool, Value::Boolean(_)) | (Shape::Table(_), Value::InlineTable(_)) => true,
            (Shape::Integer(bounds) | Shape::Float(bounds), Value::Integer(number)) => {
                self.number(*number.value() as f64, bounds, key, path, label, span)
            }
            (Shape::Float(bounds), Value::Float(number)) => {
                self.number(*number.value(), bounds, key, path, label, span)
            }
            (Shape::Choice(words), Value::String(word)) => {
                let known = words.contains(word.value());
                if !known {
                    let near = nearest(word.value(), words.iter().map(String::as_str));
                    let message = format!("`{label}` does not know \"{}\"", brief(word.value()));
                    let error = self.report(span, path, message);
                    error.expected = Some(shape.expected());
                    error.suggestions = near;
                }
                known
            }
            (Shape::Text(min, max), Value::String(text)) => {
                let count = text.value().chars().count();
                let fits = (*min..=*max).contains(&count);
                if !fits {
                    let message = match count {
                        0 => format!("`{label}` is empty"),
                        _ => format!("`{label}` is {count} characters long"),
                    };
                    self.report(span, path, message).expected = Some(shape.expected());
                }
                fits
            }
            (Shape::Array { .. }, Value::Array(array)) => self.array(array, shape, key, path, span.as_ref()),
            (_, other) => self.wrong_kind(span, key, path, label, kind(other)),
        }
    }

    fn array(&mut self, array: &Array, shape: &Shape, key: &Key, path: &str, span: Option<&Range<usize>>) -> bool {
        let Shape::Array { item, length: (min, max), unique } = shape else { return true };
        let mut fine = true;
        if !(*min..=*max).contains(&array.len()) {
            let message = format!("`{path}` has {} elements", array.len());
            self.report(span.cloned(), path, message).expected = Some(key.shape.expected());
            fine = false;
        }
        let mut seen: Vec<&str> = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let at = element.span().or_else(|| span.cloned());
            fine &= self.value(element, item, key, path, &format!("{path}[{index}]"), at.clone());
            let Some(text) = element.as_str().filter(|_| *unique) else { continue };
            if seen.contains(&text) {
                let message = format!("`{path}` lists \"{}\" twice", brief(text));
                self.report(at, path, message).next = Some("remove one of the two".to_owned());
                fine = false;
            }
            seen.push(text);
        }
        fine
    }

    fn number(
        &mut self,
        number: f64,
        bounds: &Bounds,
        key: &Key,
        path: &str,
        label: &str,
        span: Option<Range<usize>>,
    ) -> bool {
        let fine = number.is_finite() && bounds.hold(number);
        if !fine {
            let shown = span.as_ref().and_then(|span| self.sources.slice(span)).map_or(number.to_string(), brief);
            let message = format!("`{label}` = {shown} is out of range");
            // The element's limits when the key is an array.
            self.report(span, path, message).expected = Some(key.shape.expected());
        }
        fine
    }

    fn wrong_kind(&mut self, span: Option<Range<usize>>, key: &Key, path: &str, label: &str, found: &str) -> bool {
        let message = format!("`{label}` is {found}");
        self.report(span, path, message).expected = Some(key.shape.expected());
        false
    }
}

/// `a.b`, and `b` at the top.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The table in an item, with the place of its header or braces.
fn table_of(item: &mut Item) -> Option<(&mut dyn TableLike, Option<Range<usize>>)> {
    let span = item.span();
    item.as_table_like_mut().map(|table| (table, span))
}

/// Where the first key of a table stands: for tables that have no header of their own.
fn first_span(table: &dyn TableLike) -> Option<Range<usize>> {
    table.iter().filter_map(|(name, _)| table.key(name)?.span()).min_by_key(|span| span.start)
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(number) if !number.value().is_finite() => "not a finite number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(truth) if *truth.value() => "true",
        Value::Boolean(_) => "false",
        Value::Datetime(_) => "a date or a time",
        Value::Array(_) => "an array",
        Value::InlineTable(_) => "a table",
    }
}

/// A user's text, short and printable.
fn brief(text: &str) -> String {
    let short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 { format!("{short}...") } else { short }
}
