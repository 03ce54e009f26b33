//! Puts pictures into order of presentation.
//!
//! All times are known before anything is decoded, so nothing has to be guessed: a picture waits until each earlier one that
//! is wanted has come or is given up.

use std::collections::{BTreeMap, BTreeSet};

use super::track::Sample;

/// The time of a sample; its number tells apart those that have the same.
type Key = (i64, usize);

/// Pictures, or what stands for them, on their way.
pub(super) struct Order<'a, T> {
    samples: &'a [Sample<'a>],
    awaited: BTreeSet<Key>,
    held: BTreeMap<Key, T>,
    /// The last that was given away.
    last: Option<Key>,
}

impl<'a, T> Order<'a, T> {
    /// Waits for the samples with these numbers.
    pub(super) fn new(samples: &'a [Sample<'a>], wanted: impl Iterator<Item = usize>) -> Self {
        let awaited = wanted.map(|number| (samples[number].time_us, number)).collect();
        Self { samples, awaited, held: BTreeMap::new(), last: None }
    }

    fn key(&self, sample: usize) -> Key {
        (self.samples[sample].time_us, sample)
    }

    /// The picture of a sample has come. If it was given up and a later one is gone already, it is dropped.
    pub(super) fn came(&mut self, sample: usize, picture: T) {
        let key = self.key(sample);
        self.awaited.remove(&key);
        if self.last < Some(key) {
            self.held.insert(key, picture);
        }
    }

    /// No picture comes from a sample any more.
    pub(super) fn give_up(&mut self, sample: usize) {
        let key = self.key(sample);
        self.awaited.remove(&key);
    }

    /// No picture comes from a sample up to number `last` that is presented before `sample`.
    pub(super) fn give_up_before(&mut self, sample: usize, last: usize) {
        let key = self.key(sample);
        while let Some(&first) = self.awaited.first().filter(|&&first| first < key && first.1 <= last) {
            self.awaited.remove(&first);
        }
    }

    /// No picture comes any more.
    pub(super) fn give_up_all(&mut self) {
        self.awaited.clear();
    }

    /// The next picture in order, if it does not have to wait.
    pub(super) fn next(&mut self) -> Option<(usize, T)> {
        let first = self.held.first_entry()?;
        if self.awaited.first().is_some_and(|awaited| awaited < first.key()) {
            return None;
        }
        let (key, picture) = first.remove_entry();
        self.last = Some(key);
        Some((key.1, picture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(times: &[i64]) -> Vec<Sample<'static>> {
        times.iter().map(|&time_us| Sample { data: vec![0].into(), time_us, key: false, shown: true }).collect()
    }

    fn ready(order: &mut Order<'_, ()>) -> Vec<usize> {
        std::iter::from_fn(|| order.next().map(|(sample, ())| sample)).collect()
    }

    #[test]
    fn pictures_wait_for_earlier_ones() {
        let samples = samples(&[0, 30, 10, 20, 40]);
        let mut order = Order::new(&samples, 0..5);
        order.came(0, ());
        assert_eq!(ready(&mut order), [0]);
        order.came(1, ());
        assert!(ready(&mut order).is_empty());
        order.came(2, ());
        assert_eq!(ready(&mut order), [2]);
        order.give_up(3);
        assert_eq!(ready(&mut order), [1]);
        order.came(4, ());
        assert_eq!(ready(&mut order), [4]);
    }

    #[test]
    fn equal_times_keep_the_order_of_decoding() {
        let samples = samples(&[5, 5, 5]);
        let mut order = Order::new(&samples, [0, 2].into_iter());
        order.came(2, ());
        assert!(ready(&mut order).is_empty());
        order.came(0, ());
        assert_eq!(ready(&mut order), [0, 2]);
    }

    #[test]
    fn what_was_lost_does_not_hold_up_others() {
        let samples = samples(&[0, 30, 10, 20, 25]);
        let mut order = Order::new(&samples, 0..5);
        order.came(3, ());
        // 4 is presented between 3 and 1 but was not decoded yet.
        order.give_up_before(1, 3);
        order.came(1, ());
        assert_eq!(ready(&mut order), [3]);
        // It was given up, and it is too late.
        order.came(2, ());
        assert!(ready(&mut order).is_empty());
        order.give_up_all();
        assert_eq!(ready(&mut order), [1]);
    }
}
