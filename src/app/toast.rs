//! Short messages that go by themselves: what came of a command, what went wrong.

use jiff::{SignedDuration, Timestamp};

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done.
    Good,
    /// For information.
    Plain,
    /// Look at this.
    Warn,
    /// It did not work.
    Bad,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The message, of one or more lines.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// When it goes.
    pub until: Timestamp,
}

/// The messages in sight, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Toasts(Vec<Toast>);

/// Messages in sight at most: a flood must not cover the screen.
const MOST: usize = 4;

impl Toasts {
    /// Show a message. The same one again only lasts longer.
    pub fn push(&mut self, text: impl Into<String>, tone: Tone, now: Timestamp) {
        let text = text.into();
        let secs = match tone {
            Tone::Good | Tone::Plain => 4,
            Tone::Warn => 8,
            Tone::Bad => 15,
        };
        self.0.retain(|toast| toast.text != text);
        self.0.push(Toast { text, tone, until: now + SignedDuration::from_secs(secs) });
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    /// Take one away: something newer is said about the same.
    pub fn retract(&mut self, text: &str) {
        self.0.retain(|toast| toast.text != text);
    }

    /// Take away those whose time is over; whether there were any.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.0.len();
        self.0.retain(|toast| toast.until > now);
        self.0.len() != before
    }

    /// Take all away; whether there were any.
    pub fn dismiss(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }

    /// When the next one goes.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.0.iter().map(|toast| toast.until).min()
    }

    /// Those in sight, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Toast> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_by_themselves_and_a_flood_keeps_the_newest() {
        let mut toasts = Toasts::default();
        let begin = Timestamp::UNIX_EPOCH;
        for n in 0..10 {
            toasts.push(format!("message {n}"), Tone::Plain, begin);
        }
        assert_eq!(toasts.iter().count(), MOST);
        assert_eq!(toasts.iter().next_back().map(|it| it.text.as_str()), Some("message 9"));
        assert!(!toasts.expire(begin + SignedDuration::from_secs(3)));
        assert!(toasts.expire(begin + SignedDuration::from_secs(4)));
        assert_eq!(toasts.next_end(), None);
    }

    #[test]
    fn the_same_message_again_is_one_message() {
        let mut toasts = Toasts::default();
        toasts.push("no", Tone::Bad, Timestamp::UNIX_EPOCH);
        toasts.push("no", Tone::Bad, Timestamp::UNIX_EPOCH);
        assert_eq!(toasts.iter().count(), 1);
    }
}
