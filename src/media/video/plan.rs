//! What to decode of a clip of which only a few frames are wanted.
//!
//! The time that is shown is split into equal slots, and the middle frame of each is chosen. The chosen ones, and what they
//! need, are decoded; all else is left out: what comes before a sample with which decoding may start, and what no other
//! sample needs.

use super::codec::Role;
use super::track::Sample;

/// For each sample what happens to it.
pub(super) struct Plan {
    /// Whether the picture of a sample is wanted.
    pub(super) wanted: Vec<bool>,
    /// Whether a sample is decoded.
    pub(super) decoded: Vec<bool>,
}

impl Plan {
    /// For `count` slots, or fewer if fewer frames are shown. `roles` has one entry for each sample.
    pub(super) fn new(samples: &[Sample<'_>], roles: &[Role], count: usize) -> Self {
        let mut shown: Vec<usize> = (0..samples.len()).filter(|&number| samples[number].shown).collect();
        shown.sort_by_key(|&number| (samples[number].time_us, number));
        let count = count.min(shown.len());
        if count == 0 {
            shown.clear();
        }
        let mut wanted = vec![false; samples.len()];
        let slot_of = slots_by_time(samples, &shown, count);
        for members in shown.chunk_by(|&a, &b| slot_of(a) == slot_of(b)) {
            wanted[middle(members, roles)] = true;
        }
        let decoded = decoded(samples, roles, &wanted);
        Self { wanted, decoded }
    }
}

/// Says in which slot a shown sample lies: that of the middle of the time for which frames are shown on average, so that it
/// does not matter how containers round.
fn slots_by_time<'a>(samples: &'a [Sample<'a>], shown: &[usize], count: usize) -> impl Fn(usize) -> i64 + use<'a> {
    let time = |index: Option<&usize>| index.map_or(0, |&number| i128::from(samples[number].time_us));
    let (first, last) = (time(shown.first()), time(shown.last()));
    let gaps = i128::try_from(shown.len().saturating_sub(1)).unwrap_or(i128::MAX).max(1);
    // At least a microsecond: the last frame needs some time in which it is shown to lie in the last slot.
    let each = ((last - first) / gaps).max(1);
    let whole = last - first + each;
    let count = i128::try_from(count).unwrap_or(i128::MAX);
    move |number| {
        let middle = i128::from(samples[number].time_us) - first + each / 2;
        i64::try_from(middle * count / whole).unwrap_or(i64::MAX)
    }
}

/// The middle one of the members of a slot. Samples that others need are preferred: they are decoded anyway, and encoders
/// spend more bits on them.
fn middle(members: &[usize], roles: &[Role]) -> usize {
    let needed: Vec<usize> = members.iter().copied().filter(|&number| roles[number] != Role::Free).collect();
    let from = if needed.is_empty() { members } else { &needed };
    from[from.len() / 2]
}

/// Goes backwards: a sample is needed from the last wanted one of its group to the start of the group.
fn decoded(samples: &[Sample<'_>], roles: &[Role], wanted: &[bool]) -> Vec<bool> {
    let mut decoded = vec![false; samples.len()];
    let mut needed = false;
    let mut earliest_after = i64::MAX;
    for number in (0..samples.len()).rev() {
        needed |= wanted[number];
        decoded[number] = needed && (wanted[number] || roles[number] != Role::Free);
        // Where a later sample is presented earlier, it may need what comes before the start.
        if roles[number] == Role::Start && samples[number].time_us <= earliest_after {
            needed = false;
        }
        earliest_after = earliest_after.min(samples[number].time_us);
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::Role::{Chained as C, Free as F, Start as S};
    use super::*;

    fn samples(times: &[i64]) -> Vec<Sample<'static>> {
        times.iter().map(|&time_us| Sample { data: vec![0].into(), time_us, key: false, shown: true }).collect()
    }

    fn numbers(flags: &[bool]) -> Vec<usize> {
        (0..flags.len()).filter(|&number| flags[number]).collect()
    }

    #[test]
    fn slots_share_the_time() {
        let samples = samples(&(0..12).map(|n| 1000 * n).collect::<Vec<_>>());
        let plan = Plan::new(&samples, &[S; 12], 2);
        assert_eq!(numbers(&plan.wanted), [3, 9]);
        assert_eq!(numbers(&plan.decoded), [3, 9]);
    }

    #[test]
    fn few_frames_have_a_slot_each() {
        for count in [3, 4, 100, usize::MAX] {
            let plan = Plan::new(&samples(&[0, 40, 80]), &[S, C, C], count);
            assert_eq!(plan.wanted, [true; 3], "{count}");
        }
        let rounded: Vec<i64> = (0..30).map(|n| n * 1_000_000 / 30).collect();
        assert_eq!(Plan::new(&samples(&rounded), &[C; 30], 30).wanted, [true; 30]);
        let plan = Plan::new(&samples(&[7]), &[S], 16);
        assert_eq!(plan.wanted, [true]);
        let plan = Plan::new(&samples(&[7, 7]), &[S, C], 0);
        assert_eq!((plan.wanted, plan.decoded), (vec![false; 2], vec![false; 2]));
    }

    #[test]
    fn an_empty_slot_is_left_out() {
        // Frames close together, then nothing for long.
        let plan = Plan::new(&samples(&[0, 10, 20, 1000]), &[S, C, C, C], 4);
        assert_eq!(numbers(&plan.wanted), [1, 3]);
    }

    #[test]
    fn frames_that_share_a_microsecond_do_not_make_more_slots() {
        let plan = Plan::new(&samples(&[0, 0, 1, 1, 2, 2, 3, 3, 4]), &[S, C, C, C, C, C, C, C, C], 4);
        assert_eq!(numbers(&plan.wanted).len(), 4);
        assert_eq!(numbers(&Plan::new(&samples(&[5; 9]), &[C; 9], 4).wanted).len(), 1);
    }

    #[test]
    fn what_is_not_shown_is_not_chosen() {
        let mut samples = samples(&[-80, -40, 0, 40]);
        samples[0].shown = false;
        samples[1].shown = false;
        let plan = Plan::new(&samples, &[S, C, C, C], 4);
        assert_eq!(numbers(&plan.wanted), [2, 3]);
        assert_eq!(numbers(&plan.decoded), [0, 1, 2, 3]);
    }

    #[test]
    fn groups_of_which_nothing_is_wanted_are_skipped() {
        let samples = samples(&(0..40).collect::<Vec<_>>());
        let roles: Vec<Role> = (0..40).map(|n| if n % 4 == 0 { S } else { C }).collect();
        let plan = Plan::new(&samples, &roles, 3);
        assert_eq!(numbers(&plan.wanted), [7, 20, 33]);
        assert_eq!(numbers(&plan.decoded), [4, 5, 6, 7, 20, 32, 33]);
    }

    #[test]
    fn an_open_group_needs_the_one_before() {
        // The pictures after the second start are presented before it.
        let samples = samples(&[0, 1, 2, 5, 3, 4]);
        let plan = Plan::new(&samples, &[S, C, C, S, C, C], 6);
        assert_eq!(numbers(&plan.decoded), [0, 1, 2, 3, 4, 5]);
        let last = [false, false, false, false, false, true];
        assert_eq!(numbers(&decoded(&samples, &[S, C, C, S, C, C], &last)), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn free_samples_are_skipped_unless_they_are_all_there_is() {
        let samples = samples(&[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
        let roles = [S, C, F, F, C, F, F, C, F, F];
        // Of the four that others need the third is the middle one, and number 1 is decoded for its sake.
        let plan = Plan::new(&samples, &roles, 1);
        assert_eq!((numbers(&plan.wanted), numbers(&plan.decoded)), (vec![4], vec![0, 1, 4]));
        let plan = Plan::new(&samples, &roles, 10);
        assert_eq!(plan.decoded, [true; 10]);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let samples = samples(&[0, 1 << 61, i64::MAX]);
        let plan = Plan::new(&samples, &[S, C, C], 3);
        assert_eq!(plan.wanted.len(), 3);
    }
}
