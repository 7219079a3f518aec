//! Things kept by a key for as long as there is room for them: the longest unused goes first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// The things.
pub struct Kept<K, V> {
    most: usize,
    bytes: usize,
    clock: u64,
    things: HashMap<K, Thing<V>>,
}

struct Thing<V> {
    value: Arc<V>,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Kept<K, V> {
    /// Room for so many bytes.
    pub fn new(most: usize) -> Self {
        Self { most, bytes: 0, clock: 0, things: HashMap::new() }
    }

    /// A thing, if it is still there.
    pub fn get(&mut self, key: &K) -> Option<Arc<V>> {
        self.clock += 1;
        let thing = self.things.get_mut(key)?;
        thing.used = self.clock;
        Some(Arc::clone(&thing.value))
    }

    /// Keep a thing that takes so many bytes. One that is larger than all the room is not kept.
    pub fn put(&mut self, key: K, value: Arc<V>, bytes: usize) {
        if bytes > self.most {
            return;
        }
        self.clock += 1;
        if let Some(before) = self.things.insert(key, Thing { value, bytes, used: self.clock }) {
            self.bytes -= before.bytes;
        }
        self.bytes += bytes;
        while self.bytes > self.most {
            let oldest = self.things.iter().min_by_key(|(_, thing)| thing.used).map(|(key, _)| key.clone());
            let Some(thing) = oldest.and_then(|key| self.things.remove(&key)) else { return };
            self.bytes -= thing.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first_and_the_room_is_never_exceeded() {
        let mut kept = Kept::new(100);
        for key in 0..5 {
            kept.put(key, Arc::new(key), 20);
        }
        assert!(kept.get(&0).is_some());
        kept.put(5, Arc::new(5), 30);
        let there: Vec<i32> = (0..6).filter(|key| kept.things.contains_key(key)).collect();
        assert_eq!(there, [0, 3, 4, 5], "0 was used, 1 and 2 were not");
        assert_eq!(kept.bytes, 90);
        kept.put(5, Arc::new(5), 10);
        assert_eq!(kept.bytes, 70);
        kept.put(9, Arc::new(9), 101);
        assert!(kept.get(&9).is_none() && kept.get(&0).is_some());
    }
}
