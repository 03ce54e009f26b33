//! Puts pictures into order of presentation.
//!
//! All times are known before anything is decoded, so nothing has to be guessed: a picture waits until each earlier one that
//! wanted has come or is given up. If the decoder puts pictures into order itself, its order is kept, whatever the times are: AVI
//! stores only those of decoding, and other files give all samples the same time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::track::Sample;

/// The time of a sample, then its number, which separates samples with the same time.
type Key = (i64, usize);

/// Pictures, or what stands for them, that wait for their turn.
pub(super) struct ReorderBuffer<'a, T> {
    samples: &'a [Sample<'a>],
    awaited: BTreeSet<Key>,
    held: BTreeMap<Key, T>,
    /// Pictures whose turn has come, with their times, which ascend.
    ready: VecDeque<(i64, T)>,
    last: Option<i64>,
}

impl<'a, T> ReorderBuffer<'a, T> {
    /// Waits for the samples with these numbers.
    pub(super) fn new(samples: &'a [Sample<'a>], wanted: impl Iterator<Item = usize>) -> Self {
        let awaited = wanted.map(|number| (samples[number].time_us, number)).collect();
        Self { samples, awaited, held: BTreeMap::new(), ready: VecDeque::new(), last: None }
    }

    fn key(&self, sample: usize) -> Key {
        (self.samples[sample].time_us, sample)
    }

    /// Adds the picture of a sample.
    pub(super) fn came(&mut self, sample: usize, picture: T) {
        let key = self.key(sample);
        self.awaited.remove(&key);
        self.held.insert(key, picture);
    }

    /// Adds the picture of a sample in the decoder's order. A time before that of an earlier one is raised to it; a second picture of
    /// the same sample, which a damaged stream may give, is dropped.
    pub(super) fn came_in_turn(&mut self, sample: usize, picture: T) {
        if !self.awaited.remove(&self.key(sample)) {
            return;
        }
        let (time, _) = self.key(sample);
        let time = self.last.map_or(time, |last| last.max(time));
        self.last = Some(time);
        self.ready.push_back((time, picture));
    }

    /// No further picture comes from a sample.
    pub(super) fn give_up(&mut self, sample: usize) {
        let key = self.key(sample);
        self.awaited.remove(&key);
    }

    /// No further picture comes.
    pub(super) fn give_up_all(&mut self) {
        self.awaited.clear();
    }

    /// The next picture in order, if it does not have to wait, with its time.
    pub(super) fn next(&mut self) -> Option<(i64, T)> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        let first = self.held.first_entry()?;
        if self.awaited.first().is_some_and(|awaited| awaited < first.key()) {
            return None;
        }
        let ((time, _), picture) = first.remove_entry();
        Some((time, picture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(times: &[i64]) -> Vec<Sample<'static>> {
        times.iter().map(|&time_us| Sample { data: vec![0].into(), time_us, key: false, shown: true }).collect()
    }

    /// Pictures that stand for the numbers of their samples.
    fn ready(order: &mut ReorderBuffer<'_, usize>) -> Vec<(i64, usize)> {
        std::iter::from_fn(|| order.next()).collect()
    }

    #[test]
    fn pictures_wait_for_earlier_ones() {
        let samples = samples(&[0, 30, 10, 20, 40]);
        let mut order = ReorderBuffer::new(&samples, 0..5);
        order.came(0, 0);
        assert_eq!(ready(&mut order), [(0, 0)]);
        order.came(1, 1);
        assert!(ready(&mut order).is_empty());
        order.came(2, 2);
        assert_eq!(ready(&mut order), [(10, 2)]);
        order.give_up(3);
        assert_eq!(ready(&mut order), [(30, 1)]);
        order.came(4, 4);
        assert_eq!(ready(&mut order), [(40, 4)]);
    }

    #[test]
    fn equal_times_keep_the_order_of_decoding() {
        let samples = samples(&[5, 5, 5]);
        let mut order = ReorderBuffer::new(&samples, [0, 2].into_iter());
        order.came(2, 2);
        assert!(ready(&mut order).is_empty());
        order.came(0, 0);
        assert_eq!(ready(&mut order), [(5, 0), (5, 2)]);
    }

    #[test]
    fn lost_pictures_do_not_delay_others() {
        let samples = samples(&[0, 30, 10, 20, 25]);
        let mut order = ReorderBuffer::new(&samples, 0..5);
        order.came(1, 1);
        order.came(3, 3);
        order.give_up(0);
        order.give_up(2);
        assert_eq!(ready(&mut order), [(20, 3)]);
        order.give_up_all();
        assert_eq!(ready(&mut order), [(30, 1)]);
    }

    #[test]
    fn the_order_of_a_reordering_decoder_is_kept() {
        for (times, want) in [([0, 30, 10, 20], [0, 10, 20, 30]), ([0, 10, 20, 30], [0, 20, 30, 30]), ([7; 4], [7; 4])]
        {
            let samples = samples(&times);
            let mut order = ReorderBuffer::new(&samples, 0..4);
            let mut got = Vec::new();
            for turn in [&[0][..], &[2, 3], &[1]] {
                turn.iter().chain(turn).for_each(|&number| order.came_in_turn(number, number));
                got.extend(ready(&mut order));
            }
            assert_eq!(got, want.into_iter().zip([0, 2, 3, 1]).collect::<Vec<_>>(), "{times:?}");
        }
    }
}
