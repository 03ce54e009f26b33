//! Things that wait for their turn, one peer after another: however much one of them has, the next one's first comes after a
//! single thing of each (round robin, as in fair queueing by sessions).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// See above. `K` tells whose a thing is.
#[derive(Debug)]
pub(super) struct Rotation<K, T> {
    waiting: HashMap<K, VecDeque<T>>,
    /// Those who have something waiting, in the order of their turns.
    turns: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, T> Rotation<K, T> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new() }
    }

    /// Adds a thing of `whose` behind those that it has.
    pub(super) fn push(&mut self, whose: K, thing: T) {
        let things = self.waiting.entry(whose).or_default();
        if things.is_empty() {
            self.turns.push_back(whose);
        }
        things.push_back(thing);
    }

    /// The next thing.
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

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Keeps the things of `whose` for which `keep` says so.
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
    fn each_has_its_turn_whatever_the_others_have() {
        let mut rotation = Rotation::new();
        for number in 0..4 {
            rotation.push('a', ('a', number));
        }
        rotation.push('b', ('b', 0));
        rotation.push('b', ('b', 1));
        assert_eq!((rotation.pop(), rotation.pop()), (Some(('a', 0)), Some(('b', 0))));
        rotation.push('c', ('c', 0));
        rotation.retain('a', |(_, number)| *number != 2);
        let rest: Vec<_> = std::iter::from_fn(|| rotation.pop()).collect();
        assert_eq!(rest, [('a', 1), ('b', 1), ('c', 0), ('a', 3)]);
        assert!(rotation.is_empty() && rotation.waiting.is_empty());
        rotation.push('d', ('d', 0));
        rotation.retain('d', |_| false);
        assert!(rotation.is_empty() && rotation.pop().is_none());
    }
}
