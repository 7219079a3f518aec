//! What sessions differ in: their effective configs key by key, then code, machine and versions.

use std::collections::HashMap;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::Manifest;

/// Keys that name a session and change nothing in what it computes.
const LABELS: [&str; 3] = ["name", "tags", "notes"];
/// Key of the one number that everything random follows from.
const SEED: &str = "seed";
/// Characters of a commit that tell it from others.
const COMMIT: usize = 10;

/// What differs between several sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Keys whose values are not the same everywhere, in the order of the config, then of the machine.
    pub rows: Vec<Row>,
    /// How many other keys there are, the same everywhere.
    pub equal: usize,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its dotted path in the config, or `git commit`, `host`, `gpu`, `driver`, `version of …`.
    pub key: String,
    /// Its value in each session, in the order they were given; none where the session does not have the key.
    pub values: Vec<Option<String>>,
}

/// Keys with their values as text, in the order of the config.
type Leaves = Vec<(String, String)>;

/// Compare manifests; a session whose manifest cannot be read (none here) has no values and decides nothing.
///
/// Numbers are compared as numbers (`1e-3` is `0.001`), everything else as it is written. Names, tags and notes are left
/// out: they are what tells the sessions apart on the screen already.
pub fn diff(manifests: &[Option<&Manifest>]) -> Diff {
    let all: Vec<Option<Leaves>> = manifests.iter().map(|manifest| manifest.map(leaves)).collect();
    let mut keys: Vec<&str> = Vec::new();
    let mut rows: HashMap<&str, Vec<Option<String>>> = HashMap::new();
    for (place, leaves) in all.iter().enumerate() {
        for (key, value) in leaves.iter().flatten() {
            let row = rows.entry(key).or_insert_with(|| {
                keys.push(key);
                vec![None; manifests.len()]
            });
            row[place] = Some(value.clone());
        }
    }
    let mut found = Diff::default();
    for key in keys {
        let Some(values) = rows.remove(key) else { continue };
        let mut readable = values.iter().zip(manifests).filter(|(_, manifest)| manifest.is_some()).map(|(it, _)| it);
        let first = readable.next();
        if readable.any(|value| Some(value) != first) {
            found.rows.push(Row { key: key.to_owned(), values });
        } else {
            found.equal += 1;
        }
    }
    found
}

/// Sessions whose configs differ in nothing but seed, name, tags and notes, as places in `manifests`: each place once,
/// groups and members in the order given. One that cannot be read, or has no config, is alone.
pub fn seed_groups(manifests: &[Option<&Manifest>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Option<Leaves>, Vec<usize>)> = Vec::new();
    for (place, manifest) in manifests.iter().enumerate() {
        let recipe = manifest.map(|manifest| {
            let mut recipe = config_leaves(manifest);
            recipe.retain(|(key, _)| key != SEED);
            recipe.sort_unstable();
            recipe
        });
        let recipe = recipe.filter(|recipe| !recipe.is_empty());
        match groups.iter_mut().find(|(known, _)| known.is_some() && *known == recipe) {
            Some((_, members)) => members.push(place),
            None => groups.push((recipe, vec![place])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// Everything of a manifest that is compared: (key, value).
fn leaves(manifest: &Manifest) -> Leaves {
    let mut all = config_leaves(manifest);
    let mut add = |key: &str, value: Option<String>| all.extend(value.map(|value| (key.to_owned(), value)));
    if !manifest.config_value(SEED).is_some_and(Value::is_integer) {
        add(SEED, manifest.seed.map(|seed| seed.to_string()));
    }
    add(
        "git commit",
        manifest.git.as_ref().map(|git| {
            let short: String = git.commit.chars().take(COMMIT).collect();
            if git.dirty == Some(true) { format!("{short} + changes") } else { short }
        }),
    );
    add("host", manifest.host.clone());
    add("gpu", gpus(&manifest.inventory));
    add("driver", manifest.inventory.get("driver").and_then(|it| it.as_str()).map(str::to_owned));
    for (name, version) in &manifest.versions {
        add(&format!("version of {name}"), Some(version.clone()));
    }
    all
}

/// The GPUs in words: `2 NVIDIA H100`.
fn gpus(inventory: &serde_json::Value) -> Option<String> {
    let names: Vec<&str> =
        inventory.get("gpus")?.as_array()?.iter().filter_map(|gpu| gpu.get("name")?.as_str()).collect();
    let first = *names.first()?;
    let same = names.iter().all(|name| *name == first);
    Some(match names.len() {
        1 => first.to_owned(),
        count if same => format!("{count} {first}"),
        _ => names.join(", "),
    })
}

/// The config without labels.
fn config_leaves(manifest: &Manifest) -> Leaves {
    let mut all = Vec::new();
    // The manifest was parsed from TOML: its config parses again.
    if let Ok(document) = manifest.config().parse::<DocumentMut>() {
        walk(document.as_table(), "", &mut all);
    }
    all.retain(|(key, _)| !LABELS.contains(&key.as_str()));
    all
}

fn walk(table: &dyn TableLike, path: &str, all: &mut Leaves) {
    for (key, item) in table.iter() {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match item {
            Item::None => {}
            Item::Value(Value::InlineTable(inner)) => walk(inner, &path, all),
            Item::Table(inner) => walk(inner, &path, all),
            Item::ArrayOfTables(tables) => {
                for (index, inner) in tables.iter().enumerate() {
                    walk(inner, &format!("{path}[{index}]"), all);
                }
            }
            Item::Value(value) => all.push((path, text(value))),
        }
    }
}

/// One spelling for each value.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => float(*number.value()),
        Value::Boolean(flag) => flag.value().to_string(),
        Value::Datetime(time) => time.value().to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::InlineTable(table) => {
            let fields: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {}", text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn float(number: f64) -> String {
    if number != 0.0 && !(1e-2..1e15).contains(&number.abs()) { format!("{number:e}") } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Git;

    fn manifest(config: &str) -> Manifest {
        Manifest::new("a", config).unwrap()
    }

    fn compared(manifests: &[Manifest]) -> Diff {
        diff(&manifests.iter().map(Some).collect::<Vec<_>>())
    }

    fn row(key: &str, values: &[Option<&str>]) -> Row {
        Row { key: key.to_owned(), values: values.iter().map(|it| it.map(str::to_owned)).collect() }
    }

    #[test]
    fn only_changed_keys_are_rows_and_the_rest_is_counted() {
        let found = compared(&[
            manifest(
                "name = 'a'\ntrack = 'pix2pixhd'\n[optimizer]\nlr = 2e-4\nbetas = [0.5, 0.999]\n[train]\nepochs = 8",
            ),
            manifest(
                "name = 'b'\ntrack = 'pix2pixhd'\n[optimizer]\nlr = 0.0001\nbetas = [0.5, 0.999]\n[train]\nepochs = 8",
            ),
        ]);
        assert_eq!(found.rows, [row("optimizer.lr", &[Some("2e-4"), Some("1e-4")])]);
        assert_eq!(found.equal, 3, "track, betas, epochs; the name is no setting");
    }

    #[test]
    fn one_number_in_two_spellings_is_no_difference() {
        let found = compared(&[
            manifest("[optimizer]\nlr = 1e-3\nweight = 1.0"),
            manifest("[optimizer]\nlr = 0.001\nweight = 1"),
        ]);
        assert_eq!(found, Diff { rows: Vec::new(), equal: 2 });
    }

    #[test]
    fn a_key_that_one_does_not_have_differs() {
        let found =
            compared(&[manifest("[a]\nx = 1\n[[b]]\ny = 2"), manifest("a = { x = 1 }"), manifest("[a]\nx = 2")]);
        assert_eq!(
            found.rows,
            [row("a.x", &[Some("1"), Some("1"), Some("2")]), row("b[0].y", &[Some("2"), None, None])]
        );
    }

    #[test]
    fn a_session_that_cannot_be_read_decides_nothing() {
        let (one, other) = (manifest("x = 1"), manifest("x = 1"));
        assert_eq!(diff(&[Some(&one), None, Some(&other)]), Diff { rows: Vec::new(), equal: 1 });
        assert_eq!(seed_groups(&[Some(&one), None, Some(&other), None]), [vec![0, 2], vec![1], vec![3]]);
    }

    #[test]
    fn code_machine_and_versions_count_as_differences() {
        let mut one = manifest("x = 1");
        one.git = Some(Git { commit: "0123456789abcdef".to_owned(), branch: None, dirty: Some(false) });
        one.host = Some("alpha".to_owned());
        one.seed = Some(1);
        one.versions.insert("libtorch".to_owned(), "2.11.0".to_owned());
        one.set_inventory(serde_json::json!({ "gpus": [{ "name": "H100" }, { "name": "H100" }] }));
        let mut other = one.clone();
        other.git = Some(Git { dirty: Some(true), ..one.git.clone().unwrap() });
        other.seed = Some(2);
        other.versions.insert("libtorch".to_owned(), "2.12.0".to_owned());
        other.set_inventory(serde_json::json!({ "gpus": [{ "name": "H100" }] }));
        let found = compared(&[one, other]);
        assert_eq!(
            found.rows,
            [
                row("seed", &[Some("1"), Some("2")]),
                row("git commit", &[Some("0123456789"), Some("0123456789 + changes")]),
                row("gpu", &[Some("2 H100"), Some("H100")]),
                row("version of libtorch", &[Some("2.11.0"), Some("2.12.0")]),
            ]
        );
        assert_eq!(found.equal, 2, "x and the host");
    }

    #[test]
    fn seeds_of_one_recipe_are_a_group() {
        let all = [
            manifest("seed = 1\nname = 'a-1'\n[train]\nepochs = 8"),
            manifest("seed = 1\nname = 'b'\n[train]\nepochs = 9"),
            manifest("name = 'a-2'\ntags = ['x']\nnotes = 'again'\nseed = 2\n[train]\nepochs = 8"),
            manifest(""),
            manifest(""),
        ];
        let groups = seed_groups(&all.iter().map(Some).collect::<Vec<_>>());
        assert_eq!(groups, [vec![0, 2], vec![1], vec![3], vec![4]], "without a config nothing says that two are alike");
    }
}
