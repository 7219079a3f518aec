//! Names by pattern, as the training process understands them too.

/// Whether all of `text` fits `glob`: `*` is any text, `?` any character, `{a,b}` one of several, everything else itself.
pub(crate) fn fits(glob: &str, text: &str) -> bool {
    choices(glob).iter().any(|glob| simple(glob, text))
}

/// `glob` for every choice of what stands in its braces; a brace without its other one is itself.
fn choices(glob: &str) -> Vec<String> {
    const MOST: usize = 256;
    let mut open = vec![glob.to_owned()];
    let mut done = Vec::new();
    while let Some(glob) = open.pop() {
        let inner = glob.find('}').and_then(|end| Some((glob[..end].rfind('{')?, end)));
        match inner {
            Some((begin, end)) if open.len() + done.len() < MOST => {
                let choices = glob[begin + 1..end].split(',');
                open.extend(choices.map(|choice| format!("{}{choice}{}", &glob[..begin], &glob[end + 1..])));
            }
            _ => done.push(glob),
        }
    }
    done
}

fn simple(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where to go back to: the last star, and how much of the text it takes so far.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((behind, taken)) => {
                    star = Some((behind, taken + 1));
                    (at, place) = (behind + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_and_question_marks() {
        for (glob, text) in
            [("*", ""), ("loss/*", "loss/g"), ("*.1.*t", "g/model.1.weight"), ("g?", "gé"), ("a*b*c", "aXbbYc")]
        {
            assert!(fits(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("", "a"), ("loss", "loss/g"), ("g?", "g"), ("a*b", "ac"), ("*a", "ab")] {
            assert!(!fits(glob, text), "{glob} {text}");
        }
        assert!(fits("{loss,val}/*", "val/l1") && fits("a{b,c{d,e}}f", "acef") && fits("a}{b", "a}{b"));
        assert!(!fits("{loss,val}/*", "lr") && !fits(&"{a,b}".repeat(40), "x"));
        // Many stars cost no more than the product of the lengths.
        assert!(!fits(&"*a".repeat(50), &"b".repeat(10_000)));
    }
}
