//! Every key a config may hold: read from the JSON schema, which is made from the structs of `experiment.rs`.
//!
//! One truth: checks, suggestions, the documentation and the editor's schema all follow from the structs.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Experiment;

/// One key: what it means and what it may hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name within its table.
    pub name: String,
    /// The dotted path from the top: `optimizer.lr`.
    pub path: String,
    /// What it means, from the struct's doc comment.
    pub doc: String,
    /// The value it has when it is not written; `None` when it is required or has none.
    pub default: Option<Value>,
    /// Whether a config must spell it.
    pub required: bool,
    /// What it may hold.
    pub shape: Shape,
    /// The kinds of a rule it belongs to, by the rule's `kind`; empty when it belongs to all.
    pub kinds: Vec<String>,
    /// The key that it takes the place of: both together are a mistake.
    pub instead_of: Option<String>,
}

/// What a key may hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A table of further keys.
    Table(Vec<Key>),
    /// An array.
    Array {
        /// What each element may hold.
        item: Box<Self>,
        /// Fewest and most elements.
        length: (usize, usize),
        /// Whether no element may come twice.
        unique: bool,
    },
    /// Any text of at least this many characters and at most that many.
    Text(usize, usize),
    /// One of these words.
    Choice(Vec<String>),
    /// A whole number.
    Integer(Bounds),
    /// A finite number.
    Float(Bounds),
    /// `true` or `false`.
    Bool,
    /// A form of schema that this module does not read; serde alone checks it. A test holds that no key has it.
    Other,
}

/// The limits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// The smallest value, and whether it is itself excluded.
    pub min: Option<(f64, bool)>,
    /// The largest value, and whether it is itself excluded.
    pub max: Option<(f64, bool)>,
}

impl Bounds {
    /// Whether `value` is within.
    pub fn hold(&self, value: f64) -> bool {
        let above = self.min.is_none_or(|(min, open)| if open { value > min } else { value >= min });
        let below = self.max.is_none_or(|(max, open)| if open { value < max } else { value <= max });
        above && below
    }

    /// The limits in words, with a leading space: ` from 1 to 8`; empty without limits.
    fn words(&self) -> String {
        match (self.min, self.max) {
            (Some((min, false)), Some((max, false))) => format!(" from {} to {}", number(min), number(max)),
            (min, max) => {
                let min = min.map(|(v, open)| format!("{} {}", if open { "above" } else { "at least" }, number(v)));
                let max = max.map(|(v, open)| format!("{} {}", if open { "below" } else { "at most" }, number(v)));
                match (min, max) {
                    (None, None) => String::new(),
                    (Some(one), None) | (None, Some(one)) => format!(" {one}"),
                    (Some(min), Some(max)) => format!(" {min} and {max}"),
                }
            }
        }
    }
}

/// A limit as a person writes it.
fn number(value: f64) -> String {
    // i64::MAX has no exact f64; it is the limit of every TOML integer.
    if value >= i64::MAX as f64 { i64::MAX.to_string() } else { value.to_string() }
}

impl Shape {
    /// What is expected, in words: `a whole number from 1 to 8`.
    pub fn expected(&self) -> String {
        match self {
            Self::Table(_) => "a table".to_owned(),
            Self::Array { item, length: (min, max), .. } => {
                let items = item.plural();
                match (min, max) {
                    (min, max) if min == max => format!("an array of {min} {items}"),
                    (0, _) => format!("an array of {items}"),
                    (min, _) => format!("an array of at least {min} {items}"),
                }
            }
            Self::Text(0, _) => "text in quotes".to_owned(),
            Self::Text(min, usize::MAX) if *min == 1 => "text in quotes, not empty".to_owned(),
            Self::Text(min, max) => format!("text in quotes of {min} to {max} characters"),
            Self::Choice(words) => match words.as_slice() {
                [one] => format!("\"{one}\""),
                [a, b] => format!("\"{a}\" or \"{b}\""),
                many => format!("one of {}", quoted(many)),
            },
            Self::Integer(bounds) => format!("a whole number{}", bounds.words()),
            Self::Float(bounds) => format!("a number{}", bounds.words()),
            Self::Bool => "true or false".to_owned(),
            Self::Other => "another kind of value".to_owned(),
        }
    }

    /// The same, for the elements of an array.
    fn plural(&self) -> String {
        match self {
            Self::Text(..) => "texts in quotes".to_owned(),
            Self::Choice(words) => format!("words out of {}", quoted(words)),
            Self::Integer(bounds) => format!("whole numbers{}", bounds.words()),
            Self::Float(bounds) => format!("numbers{}", bounds.words()),
            Self::Table(_) => "tables".to_owned(),
            Self::Array { .. } | Self::Bool | Self::Other => {
                format!("values, each {}", self.expected())
            }
        }
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// The JSON schema of a config (draft 7, which editors understand best).
pub fn json_schema() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Experiment>().to_value()
}

/// The keys at the top of a config, in the order of the structs.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let schema = json_schema();
        let definitions = schema.get("definitions").and_then(Value::as_object).cloned().unwrap_or_default();
        Reader { definitions }.table(&schema, "")
    });
    &KEYS
}

/// Every key that holds a value rather than a table, in order, from all depths.
pub fn leaves() -> Vec<&'static Key> {
    fn gather(keys: &'static [Key], into: &mut Vec<&'static Key>) {
        for key in keys {
            match &key.shape {
                Shape::Table(inner) => gather(inner, into),
                _ => into.push(key),
            }
        }
    }
    let mut all = Vec::new();
    gather(keys(), &mut all);
    all
}

/// The key at a dotted path.
pub fn find(path: &str) -> Option<&'static Key> {
    let mut keys = keys();
    let mut found = None;
    for name in path.split('.') {
        let key = keys.iter().find(|key| key.name == name)?;
        keys = if let Shape::Table(inner) = &key.shape { inner } else { &[] };
        found = Some(key);
    }
    found
}

/// Reads schema nodes into keys.
struct Reader {
    definitions: Map<String, Value>,
}

impl Reader {
    fn table(&self, schema: &Value, path: &str) -> Vec<Key> {
        let required: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
        properties
            .iter()
            .map(|(name, node)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                Key {
                    name: name.clone(),
                    doc: text(node, "description")
                        .or_else(|| text(self.resolve(node), "description"))
                        .unwrap_or_default(),
                    default: node.get("default").or(node.get("x-default")).cloned().filter(|value| !value.is_null()),
                    required: required.contains(&name.as_str()),
                    shape: self.shape(node, &path),
                    path,
                    kinds: list(node, "x-kinds").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                    instead_of: text(node, "x-instead-of"),
                }
            })
            .collect()
    }

    /// Follow `$ref`, an `allOf` of one, and the non-null half of an optional value.
    fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        if let Some(target) = node.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().unwrap_or_default();
            return self.definitions.get(name).map_or(node, |found| self.resolve(found));
        }
        if let [only] = list(node, "allOf") {
            return self.resolve(only);
        }
        match list(node, "anyOf").iter().filter(|one| one["type"] != "null").collect::<Vec<_>>().as_slice() {
            [only] => self.resolve(only),
            _ => node,
        }
    }

    fn shape(&self, node: &Value, path: &str) -> Shape {
        let node = self.resolve(node);
        if let Some(choices) = choices(node) {
            return Shape::Choice(choices);
        }
        let kind = match &node["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or(""),
            _ => "",
        };
        let size = |key: &str| node.get(key).and_then(Value::as_u64).map(|size| size as usize);
        match kind {
            "object" => Shape::Table(self.table(node, path)),
            "array" => Shape::Array {
                item: Box::new(node.get("items").map_or(Shape::Other, |item| self.shape(item, path))),
                length: (size("minItems").unwrap_or(0), size("maxItems").unwrap_or(usize::MAX)),
                unique: node["uniqueItems"] == true,
            },
            "string" => Shape::Text(size("minLength").unwrap_or(0), size("maxLength").unwrap_or(usize::MAX)),
            "integer" => Shape::Integer(bounds(node)),
            "number" => Shape::Float(bounds(node)),
            "boolean" => Shape::Bool,
            _ => Shape::Other,
        }
    }
}

/// The words of an enumeration: `enum: [..]`, or `oneOf: [{const: ..}, ..]` when its variants are documented.
fn choices(node: &Value) -> Option<Vec<String>> {
    let words: Vec<&Value> = match list(node, "oneOf") {
        [] => list(node, "enum").iter().collect(),
        variants => variants.iter().flat_map(|one| list(one, "enum").iter().chain(one.get("const"))).collect(),
    };
    let words: Vec<String> = words.into_iter().filter_map(Value::as_str).map(str::to_owned).collect();
    (!words.is_empty()).then_some(words)
}

fn bounds(node: &Value) -> Bounds {
    let at = |key: &str| node.get(key).and_then(Value::as_f64);
    let side = |closed: &str, open: &str| at(open).map(|v| (v, true)).or_else(|| at(closed).map(|v| (v, false)));
    Bounds { min: side("minimum", "exclusiveMinimum"), max: side("maximum", "exclusiveMaximum") }
}

fn list<'a>(node: &'a Value, key: &str) -> &'a [Value] {
    node.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text with its hard line breaks undone.
fn text(node: &Value, key: &str) -> Option<String> {
    node.get(key).and_then(Value::as_str).map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a rule, which stand in an array of tables.
    fn rule_keys() -> &'static [Key] {
        let Shape::Array { item, .. } = &find("alerts").unwrap().shape else { panic!("no array") };
        let Shape::Table(keys) = &**item else { panic!("no tables") };
        keys
    }

    #[test]
    fn the_keys_of_a_rule_name_the_kinds_that_there_are() {
        let kinds = &rule_keys().iter().find(|key| key.name == "kind").unwrap().shape;
        let Shape::Choice(kinds) = kinds else { panic!("no words") };
        assert!(kinds.len() == 7 && rule_keys().len() > 15);
        for key in rule_keys() {
            assert!(key.kinds.iter().all(|kind| kinds.contains(kind)), "{}", key.path);
            let other = key.instead_of.as_ref();
            assert!(other.is_none_or(|other| rule_keys().iter().any(|key| key.name == *other)), "{}", key.path);
        }
    }

    #[test]
    fn every_key_is_understood_and_documented() {
        for key in leaves().into_iter().chain(rule_keys()) {
            assert_ne!(key.shape, Shape::Other, "{}", key.path);
            if let Shape::Array { item, .. } = &key.shape {
                assert_ne!(**item, Shape::Other, "{}", key.path);
            }
            assert!(!key.doc.is_empty(), "{} has no documentation", key.path);
        }
        assert!(leaves().len() > 50);
    }

    #[test]
    fn every_number_has_both_limits() {
        for key in leaves().into_iter().chain(rule_keys()) {
            if let Shape::Integer(bounds) | Shape::Float(bounds) = key.shape {
                assert!(bounds.min.is_some() && bounds.max.is_some(), "{} is unlimited", key.path);
            }
        }
    }

    #[test]
    fn defaults_of_the_schema_are_within_its_limits() {
        for key in leaves().into_iter().chain(rule_keys()) {
            let Some(default) = key.default.as_ref().and_then(Value::as_f64) else { continue };
            if let Shape::Integer(bounds) | Shape::Float(bounds) = key.shape {
                assert!(bounds.hold(default), "{} = {default}", key.path);
            }
        }
    }

    #[test]
    fn limits_read_as_words() {
        let words = |path: &str| find(path).unwrap().shape.expected();
        assert_eq!(words("optimizer.lr"), "a number above 0 and at most 1");
        assert_eq!(words("optimizer.betas"), "an array of 2 numbers at least 0 and below 1");
        assert_eq!(words("train.batch_size"), "a whole number from 1 to 4096");
        assert_eq!(words("seed"), "a whole number from 0 to 9223372036854775807");
        assert_eq!(words("pix2pixhd.loss.gan"), "\"lsgan\" or \"hinge\"");
        assert_eq!(words("data.flip"), "true or false");
        assert!(find("train.nothing").is_none());
        assert!(find("train.epochs.deeper").is_none());
    }
}
