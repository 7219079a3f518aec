//! What makes a terminal tell a person.

use crate::config::Notify;

/// Longest text of a desktop notification, in characters.
const LONGEST: usize = 200;

/// The bytes that ring and notify, to be written to a terminal. Inside tmux (`tmux`) a notification has to be passed
/// through, which tmux does with `set -g allow-passthrough on`.
pub fn terminal_sequence(notify: &[Notify], message: &str, tmux: bool) -> String {
    let mut sequence = String::new();
    for how in notify {
        match how {
            Notify::Bell => sequence.push('\u{7}'),
            Notify::Osc9 => {
                // Nothing in a series' name may end the sequence or begin another. The word in front also keeps a text
                // of digits from being taken for a progress bar (OSC 9;4).
                let text: String = message.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
                let (begin, end) =
                    if tmux { ("\u{1b}Ptmux;\u{1b}\u{1b}", "\u{7}\u{1b}\\") } else { ("\u{1b}", "\u{7}") };
                sequence.extend([begin, "]9;Atelier: ", &text, end]);
            }
        }
    }
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_ends_the_sequence() {
        let both = [Notify::Bell, Notify::Osc9];
        assert_eq!(
            terminal_sequence(&both, "loss\u{7}\u{1b}]0;x\nis NaN", false),
            "\u{7}\u{1b}]9;Atelier: loss]0;xis NaN\u{7}"
        );
        let through = terminal_sequence(&[Notify::Osc9], "a", true);
        assert_eq!(through, "\u{1b}Ptmux;\u{1b}\u{1b}]9;Atelier: a\u{7}\u{1b}\\");
        assert_eq!(terminal_sequence(&[], "a", false), "");
    }
}
