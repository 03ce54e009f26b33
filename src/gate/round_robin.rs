//! Round-robin queue by key: however many items one key has, one item of each key is taken in turn (as in fair queuing by sessions).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The queue; see the module's documentation. `K` is the key of an item.
#[derive(Debug)]
pub(super) struct RoundRobin<K, T> {
    waiting: HashMap<K, VecDeque<T>>,
    /// Keys with items waiting, in the order of their turns.
    turns: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, T> RoundRobin<K, T> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new() }
    }

    /// Adds an item of `whose` after those that it has.
    pub(super) fn push(&mut self, whose: K, thing: T) {
        let things = self.waiting.entry(whose).or_default();
        if things.is_empty() {
            self.turns.push_back(whose);
        }
        things.push_back(thing);
    }

    /// The next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let whose = self.turns.pop_front()?;
        let things = self.waiting.get_mut(&whose)?;
        let thing = things.pop_front();
        match things.is_empty() {
            true => drop(self.waiting.remove(&whose)),
            false => self.turns.push_back(whose),
        }
        thing
    }

    /// Whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Keeps the items of `whose` for which `keep` returns true.
    pub(super) fn retain(&mut self, whose: K, keep: impl FnMut(&T) -> bool) {
        if let Some(things) = self.waiting.get_mut(&whose) {
            things.retain(keep);
            if things.is_empty() {
                self.waiting.remove(&whose);
                self.turns.retain(|other| *other != whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_served_in_rotation_however_many_entries_each_has() {
        let mut round_robin = RoundRobin::new();
        for number in 0..4 {
            round_robin.push('a', ('a', number));
        }
        round_robin.push('b', ('b', 0));
        round_robin.push('b', ('b', 1));
        assert_eq!((round_robin.pop(), round_robin.pop()), (Some(('a', 0)), Some(('b', 0))));
        round_robin.push('c', ('c', 0));
        round_robin.retain('a', |(_, number)| *number != 2);
        let rest: Vec<_> = std::iter::from_fn(|| round_robin.pop()).collect();
        assert_eq!(rest, [('a', 1), ('b', 1), ('c', 0), ('a', 3)]);
        assert!(round_robin.is_empty() && round_robin.waiting.is_empty());
        round_robin.push('d', ('d', 0));
        round_robin.retain('d', |_| false);
        assert!(round_robin.is_empty() && round_robin.pop().is_none());
    }
}
