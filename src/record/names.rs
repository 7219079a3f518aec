//! Series names, each stored once.

use std::{collections::HashMap, sync::Arc};

/// Names by number and numbers by name; a name keeps its number.
///
/// A step names its series in the same order as the step before it, so after each name the one that followed it last
/// time is tried first: a comparison instead of a hash.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    by_name: HashMap<Arc<str>, u32>,
    by_number: Vec<Arc<str>>,
    /// By number: the number that followed it last.
    after: Vec<u32>,
    previous: usize,
}

impl Names {
    /// The number of `name`, given on first sight.
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if let Some(&guess) = self.after.get(self.previous)
            && let Some(known) = self.by_number.get(guess as usize)
            && **known == *name
        {
            self.previous = guess as usize;
            return guess;
        }
        let number = self.look_up(name);
        if let Some(after) = self.after.get_mut(self.previous) {
            *after = number;
        }
        self.previous = number as usize;
        number
    }

    fn look_up(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.by_name.get(name) {
            return number;
        }
        let number = self.by_number.len() as u32;
        let name: Arc<str> = Arc::from(name);
        self.by_number.push(Arc::clone(&name));
        self.by_name.insert(name, number);
        self.after.push(number);
        number
    }

    /// All names in the order of their numbers.
    pub(crate) fn all(&self) -> &[Arc<str>] {
        &self.by_number
    }

    /// The number of `name`, if it was seen.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_in_any_order() {
        let mut names = Names::default();
        let steps = ["a b c", "a b c", "a c b", "c c a a", "d a", " ", "a b c d"];
        let mut plain: Vec<&str> = Vec::new();
        for name in steps.iter().flat_map(|step| step.split(' ')) {
            let expected = plain.iter().position(|known| *known == name).unwrap_or_else(|| {
                plain.push(name);
                plain.len() - 1
            });
            assert_eq!(names.intern(name) as usize, expected, "{name:?}");
            assert_eq!(names.number(name), Some(expected as u32));
        }
        assert_eq!(names.all().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), plain);
    }
}
