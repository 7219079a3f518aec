//! What holds for every key there is, and for any text.

use atelier::config::{Key, Shape, keys, leaves};

use super::{MINIMAL, configs, parse};

/// All keys, tables included.
fn all() -> Vec<&'static Key> {
    fn gather(keys: &'static [Key], into: &mut Vec<&'static Key>) {
        for key in keys {
            into.push(key);
            if let Shape::Table(inner) = &key.shape {
                gather(inner, into);
            }
        }
    }
    let mut found = Vec::new();
    gather(keys(), &mut found);
    found
}

/// A name with one slip: a letter left out, doubled, replaced, or two exchanged.
fn slips(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut slips = Vec::new();
    for at in 0..letters.len() {
        let with = |change: &dyn Fn(&mut Vec<char>)| {
            let mut letters = letters.clone();
            change(&mut letters);
            letters.into_iter().collect::<String>()
        };
        slips.push(with(&|letters| {
            letters.remove(at);
        }));
        slips.push(with(&|letters| letters.insert(at, letters[at])));
        slips.push(with(&|letters| letters[at] = 'x'));
        if at + 1 < letters.len() {
            slips.push(with(&|letters| letters.swap(at, at + 1)));
        }
    }
    slips.retain(|slip| !slip.is_empty() && slip != name);
    slips
}

/// A value that the key takes, as TOML.
fn sample(shape: &Shape) -> String {
    match shape {
        Shape::Table(inner) => {
            let inside: Vec<String> = inner
                .iter()
                .filter(|key| key.required)
                .map(|key| format!("{} = {}", key.name, sample(&key.shape)))
                .collect();
            format!("{{ {} }}", inside.join(", "))
        }
        Shape::Array { item, length: (min, _), .. } => format!("[{}]", vec![sample(item); (*min).max(1)].join(", ")),
        Shape::Choice(words) => format!("\"{}\"", words.last().unwrap()),
        Shape::Text(..) => "\"cpu\"".to_owned(),
        Shape::Integer(bounds) => format!("{}", (bounds.min.unwrap().0 as i64).max(3)),
        Shape::Float(bounds) => format!("{:?}", bounds.min.unwrap().0.midpoint(bounds.max.unwrap().0.min(1.0))),
        Shape::Bool => "false".to_owned(),
        Shape::Other => unreachable!("no key has it"),
    }
}

#[test]
fn every_key_misspelt_by_one_letter_suggests_the_right_one() {
    let mut tried = 0;
    for key in all() {
        let parent = key.path.rsplit_once('.').map_or("", |(parent, _)| parent);
        let siblings: Vec<&Key> =
            all().into_iter().filter(|other| other.path.rsplit_once('.').map_or("", |(up, _)| up) == parent).collect();
        for slip in slips(&key.name) {
            if siblings.iter().any(|other| other.name == slip) {
                continue;
            }
            let wrong = if parent.is_empty() { slip.clone() } else { format!("{parent}.{slip}") };
            let over = format!("{wrong}={}", sample(&key.shape));
            let errors = parse(MINIMAL, &[&over]).unwrap_err().errors;
            let error = errors.iter().find(|error| error.key.as_deref() == Some(&wrong)).unwrap();
            assert!(error.suggestions.contains(&key.name), "{wrong}: {error}");
            assert!(error.origin.starts_with(&format!("--set {wrong}=")), "{error}");
            tried += 1;
        }
    }
    assert!(tried > 1500, "{tried}");
}

#[test]
fn every_key_takes_an_override_and_round_trips() {
    let mut taken = 0;
    for key in leaves() {
        let over = format!("{}={}", key.path, sample(&key.shape));
        // Some values break a rule that involves another key; none may break the key's own limits.
        // `data.procedural` needs its count.
        let text = format!("{MINIMAL}{}", if key.path.contains("procedural") { "procedural.count = 2" } else { "" });
        match parse(&text, &[&over]) {
            Ok(loaded) => {
                let again = parse(&loaded.text, &[]).unwrap_or_else(|errors| panic!("{errors}"));
                assert_eq!(loaded, again);
                taken += 1;
            }
            Err(errors) => {
                for error in errors.errors {
                    assert!(error.next.is_some() && error.expected.is_none(), "{over}: {error}");
                }
            }
        }
    }
    assert!(taken + 8 > leaves().len(), "{taken} of {}", leaves().len());
}

#[test]
fn every_key_refuses_what_is_not_its_kind() {
    for key in leaves() {
        for value in ["1979-05-27", "{ a = 1 }", "[[1]]", "nan"] {
            if matches!(key.shape, Shape::Text(..)) {
                continue; // without quotes these are texts
            }
            let over = format!("{}={value}", key.path);
            let errors = parse(MINIMAL, &[&over]).unwrap_err();
            let error = errors.errors.iter().find(|error| error.key.as_deref() == Some(&key.path));
            assert!(error.is_some_and(|error| error.expected.is_some()), "{over}: {errors}");
        }
    }
}

#[test]
fn every_limit_is_held_on_both_sides() {
    let refuses = |key: &Key, value: &str| {
        let over = format!("{}={value}", key.path);
        parse(MINIMAL, &[&over]).err().is_some_and(|errors| {
            errors
                .errors
                .iter()
                .any(|error| error.key.as_ref() == Some(&key.path) && error.message.contains("out of range"))
        })
    };
    let mut tried = 0;
    for key in leaves() {
        let (bounds, whole) = match key.shape {
            Shape::Integer(bounds) => (bounds, true),
            Shape::Float(bounds) => (bounds, false),
            _ => continue,
        };
        let spell = |value: f64| if whole { format!("{value:.0}") } else { format!("{value:?}") };
        let (low, open) = bounds.min.unwrap();
        assert_eq!(refuses(key, &spell(low)), open, "{} = {low}", key.path);
        assert!(refuses(key, &spell(low - 1.0)), "{} below {low}", key.path);
        let (high, open) = bounds.max.unwrap();
        // No TOML integer lies above the largest one.
        if high < 9e18 {
            assert_eq!(refuses(key, &spell(high)), open, "{} = {high}", key.path);
            assert!(refuses(key, &spell(high + 1.0)), "{} above {high}", key.path);
        }
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn a_config_cut_at_any_byte_never_panics() {
    for path in configs("configs") {
        let text = std::fs::read_to_string(&path).unwrap();
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            if let Err(errors) = parse(&text[..end], &[]) {
                assert!(!errors.errors.is_empty() && !errors.to_string().is_empty());
            }
        }
    }
}

#[test]
fn a_config_with_any_character_changed_never_panics() {
    let text = std::fs::read_to_string(&configs("configs")[2]).unwrap();
    let foreign =
        ["", "\"", "'", "[", "]", "{", "}", "=", ".", ",", "\n", "\r", "#", "\0", "\u{feff}", "\u{1f3a8}", "-", "0"];
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for (turn, &at) in places.iter().enumerate() {
        let width = text[at..].chars().next().unwrap().len_utf8();
        // Every place, with a third of the characters in turn.
        for with in foreign.iter().skip(turn % 3).step_by(3) {
            let changed = format!("{}{with}{}", &text[..at], &text[at + width..]);
            if let Err(errors) = parse(&changed, &[]) {
                assert!(!errors.errors.is_empty() && !errors.to_string().is_empty());
            }
        }
    }
}

#[test]
fn any_override_is_taken_or_refused_never_a_panic() {
    let pieces = ["train", ".", "epochs", "=", "3", "\"", "[", "]", "\n", " ", "#", "{", "'", "\u{e9}", "\0"];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                let _ = parse(MINIMAL, &[&format!("{a}{b}{c}")]);
                let _ = parse(MINIMAL, &[&format!("train.epochs={a}{b}{c}")]);
            }
        }
    }
}
