//! Small pieces of text that pages and Markdown share.

use serde_json::Value;

/// The names of the GPUs of an inventory, repeated ones counted: `2 x NVIDIA H100`.
pub fn gpus(inventory: &Value) -> String {
    let gpus = inventory.get("gpus").and_then(Value::as_array);
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for name in gpus.into_iter().flatten().filter_map(|gpu| gpu.get("name")?.as_str()) {
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    let texts: Vec<String> = counted
        .into_iter()
        .map(|(name, count)| if count == 1 { name.to_owned() } else { format!("{count} x {name}") })
        .collect();
    texts.join(", ")
}

/// The processors of an inventory: `AMD EPYC 9354, 32 logical`.
pub fn processor(inventory: &Value) -> Option<String> {
    let name = inventory.get("cpu")?.as_str()?;
    Some(match inventory.get("cpus").and_then(Value::as_u64) {
        Some(count) => format!("{name}, {count} logical"),
        None => name.to_owned(),
    })
}

/// The memory of an inventory: `251 GiB`.
pub fn memory(inventory: &Value) -> Option<String> {
    let bytes = inventory.get("memory_bytes")?.as_u64()?;
    Some(format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30)))
}

/// An argument as a shell takes it.
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

/// A command line as a shell takes it; the program by its name alone.
pub fn command(arguments: &[String]) -> String {
    let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let words = arguments.iter().enumerate().map(|(place, word)| if place == 0 { name(word) } else { word.clone() });
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// `a and b`, `a, b and c`; of many the first and a number.
pub fn versus(labels: &[String]) -> String {
    match labels {
        [first, .., _] if labels.len() > 4 => format!("{first} and {} more", labels.len() - 1),
        _ => super::verdict::and(&labels.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_given_to_a_shell() {
        let words = ["/usr/bin/atelier", "train", "a b.toml", "--set", "name='x'", "$(rm -rf /)"].map(str::to_owned);
        assert_eq!(command(&words), "atelier train 'a b.toml' --set 'name='\\''x'\\''' '$(rm -rf /)'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn equal_gpus_are_counted() {
        let inventory = serde_json::json!({"gpus": [{"name": "H200"}, {"name": "H200"}, {"name": "L4"}, {}]});
        assert_eq!(gpus(&inventory), "2 x H200, L4");
        assert_eq!(gpus(&Value::Null), "");
    }
}
