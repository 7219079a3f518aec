//! Series by name or glob.

/// Most names that the braces of one glob may stand for; more are left out.
const MOST: usize = 256;

/// A pattern of series names: `*` stands for any text (slashes too), `?` for one character, `{a,b}` for either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The pattern without braces, once for each choice.
    choices: Vec<Vec<char>>,
}

impl Glob {
    /// Any text is a pattern: a brace without its partner stands for itself.
    pub fn new(pattern: &str) -> Self {
        let mut choices = Vec::new();
        expand("", pattern, &mut choices);
        Self { choices }
    }

    /// Whether `name` fits as a whole.
    pub fn matches(&self, name: &str) -> bool {
        self.choices.iter().any(|choice| fits(choice, name))
    }
}

/// Write out the first braces of `rest` and go on behind them.
fn expand(before: &str, rest: &str, into: &mut Vec<Vec<char>>) {
    if into.len() >= MOST {
        return;
    }
    let braces = rest.find('{').and_then(|open| Some((open, choices(&rest[open + 1..])?)));
    let Some((open, (alternatives, length))) = braces else {
        into.push(before.chars().chain(rest.chars()).collect());
        return;
    };
    let after = &rest[open + 1 + length..];
    for alternative in alternatives {
        expand(&format!("{before}{}", &rest[..open]), &format!("{alternative}{after}"), into);
    }
}

/// The alternatives at the head of `text` and how many bytes they take, the closing brace included.
fn choices(text: &str) -> Option<(Vec<&str>, usize)> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            '}' => {
                found.push(&text[start..at]);
                return Some((found, at + 1));
            }
            _ => {}
        }
    }
    None
}

/// The classic match with one step back: to the last `*`, which then takes one character more.
fn fits(pattern: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n, mut back) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, n));
                p += 1;
            }
            Some(&letter) if letter == '?' || letter == name[n] => (p, n) = (p + 1, n + 1),
            _ => match back {
                Some((star, taken)) => {
                    (p, n) = (star + 1, taken + 1);
                    back = Some((star, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&letter| letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_a_whole() {
        let fits = |pattern: &str, name: &str| Glob::new(pattern).matches(name);
        for (pattern, name) in [
            ("loss/g", "loss/g"),
            ("loss/*", "loss/g_feat"),
            ("*", "anything/at/all"),
            ("*", ""),
            ("gpu?/power_watts", "gpu3/power_watts"),
            ("*/*_bytes", "gpu0/memory_used_bytes"),
            ("{loss,grad_norm}/*", "grad_norm/generator"),
            ("{gpu{0,1},host}/memory_*", "gpu1/memory_total_bytes"),
            ("a{,b}c", "ac"),
            ("a{b", "a{b"),
            ("größe/?", "größe/é"),
            ("*a*b*", "xxaxxabxx"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("loss/*", "val/loss/g"),
            ("loss", "loss/g"),
            ("gpu*/utilization_percent", "gpu0/memory_utilization_percent"),
            ("?", ""),
            ("{a,b}", "c"),
            ("a*b", "abc"),
            ("", "x"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn braces_upon_braces_do_not_take_forever() {
        let glob = Glob::new(&"{a,b}".repeat(40));
        assert!(glob.choices.len() <= MOST);
        let stars = Glob::new(&"*a".repeat(30));
        assert!(!stars.matches(&"a".repeat(29)));
    }
}
