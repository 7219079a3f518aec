//! Bending TOML: numbers that it cannot hold, nulls that it does not know, tables that should print as tables.

use serde::{Deserialize, Deserializer};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

/// Where the long tables go: after the short ones, in this order.
const LAST: [&str; 2] = ["inventory", "config"];

/// Put `from` into `into`: tables are merged key by key, so that keys only the file has stay; those in `replaced` and
/// everything else are put in the old one's place.
pub fn merge(into: &mut Table, from: Table, replaced: &[&str]) {
    for (key, item) in from {
        let item = expand(item);
        match (into.get_mut(&key), item) {
            (Some(Item::Table(old)), Item::Table(new)) if !replaced.contains(&key.as_str()) => merge(old, new, &[]),
            (_, item) => {
                into.insert(&key, item);
            }
        }
    }
}

/// Inline tables and arrays of them as tables with headers of their own.
fn expand(item: Item) -> Item {
    match item {
        Item::Value(Value::InlineTable(inline)) => {
            let mut table = Table::new();
            for (key, value) in inline {
                table.insert(&key, expand(Item::Value(value)));
            }
            // A table that holds only tables needs no header of its own.
            table.set_implicit(!table.is_empty() && table.iter().all(|(_, item)| !item.is_value()));
            Item::Table(table)
        }
        Item::Value(Value::Array(array)) if !array.is_empty() && array.iter().all(Value::is_inline_table) => {
            let mut tables = ArrayOfTables::new();
            for value in array {
                if let Item::Table(mut table) = expand(Item::Value(value)) {
                    table.set_implicit(false);
                    tables.push(table);
                }
            }
            Item::ArrayOfTables(tables)
        }
        Item::Table(mut table) => {
            for (_, child) in table.iter_mut() {
                let taken = std::mem::take(child);
                *child = expand(taken);
            }
            Item::Table(table)
        }
        other => other,
    }
}

/// `table` without the places its tables had in the file they were parsed from, which mean nothing in another file.
pub fn unplaced(mut table: Table) -> Table {
    table.set_position(None);
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(child) => *child = unplaced(std::mem::take(child)),
            Item::ArrayOfTables(children) => {
                for child in children.iter_mut() {
                    *child = unplaced(std::mem::take(child));
                }
            }
            Item::None | Item::Value(_) => {}
        }
    }
    table
}

/// Plain values first (TOML would put them into the table above otherwise), then the short tables, then the long ones.
pub fn order(document: &mut DocumentMut) {
    let rank = |key: &str, item: &Item| {
        let last = LAST.iter().position(|name| *name == key).map_or(0, |place| place + 1);
        (item.is_table() || item.is_array_of_tables(), last)
    };
    let table = document.as_table_mut();
    table.sort_values_by(|a, left, b, right| rank(a.get(), left).cmp(&rank(b.get(), right)));
    *table = unplaced(std::mem::take(table));
}

/// A `u64` in a format whose integers end at `i64::MAX`: larger ones are kept as text.
pub mod seed {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seed {
        Number(u64),
        Text(String),
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(seed: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match seed.map(|seed| i64::try_from(seed).map_err(|_large| seed)) {
            None => serializer.serialize_none(),
            Some(Ok(small)) => serializer.serialize_i64(small),
            Some(Err(large)) => serializer.serialize_str(&large.to_string()),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Ok(match Option::<Seed>::deserialize(deserializer)? {
            None => None,
            Some(Seed::Number(seed)) => Some(seed),
            Some(Seed::Text(text)) => Some(text.parse().map_err(de::Error::custom)?),
        })
    }
}

/// Any TOML as JSON. Nulls never got into the file; date-times come as text.
pub fn inventory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<serde_json::Value, D::Error> {
    serde_json::Value::deserialize(deserializer)
}

/// JSON without its nulls, which TOML does not have, and with numbers beyond `i64` as text.
pub fn fit(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => Json::Array(items.into_iter().filter(|item| !item.is_null()).map(fit).collect()),
        Json::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Json::Object(fields.map(|(key, value)| (key, fit(value))).collect())
        }
        Json::Number(number) if number.as_u64().is_some_and(|large| i64::try_from(large).is_err()) => {
            Json::String(number.to_string())
        }
        other => other,
    }
}
