//! Chooses which samples of a clip to decode for a few frames.
//!
//! The shown frames, in order of presentation, are split into equal segments, and the middle frame of each is chosen. Frames are
//! counted, not seconds: recorders omit times or send frames in bursts, and a frame that shares its time with others was
//! recorded like any other. The chosen ones, and what they need, are decoded; the rest is left out: what comes before a sample
//! with which decoding may start, and what no other sample needs.

use super::codec::Role;
use super::track::Sample;

/// What happens to each sample.
pub(super) struct SamplingPlan {
    /// Whether the picture of a sample is wanted.
    pub(super) wanted: Vec<bool>,
    /// Whether a sample is decoded.
    pub(super) decoded: Vec<bool>,
}

impl SamplingPlan {
    /// For `count` segments, or fewer if fewer frames are shown. `roles` has one entry for each sample.
    pub(super) fn new(samples: &[Sample<'_>], roles: &[Role], count: usize) -> Self {
        let mut shown: Vec<usize> = (0..samples.len()).filter(|&number| samples[number].shown).collect();
        shown.sort_by_key(|&number| (samples[number].time_us, number));
        let count = count.min(shown.len());
        if count == 0 {
            shown.clear();
        }
        let mut wanted = vec![false; samples.len()];
        // The frame at the middle of the segment, if all were shown equally long.
        let slot = |place: usize| (2 * place as u128 + 1) * count as u128 / (2 * shown.len() as u128);
        let places: Vec<usize> = (0..shown.len()).collect();
        for members in places.chunk_by(|&a, &b| slot(a) == slot(b)) {
            wanted[middle(&shown[members[0]..][..members.len()], roles)] = true;
        }
        let decoded = decoded(samples, roles, &wanted);
        Self { wanted, decoded }
    }
}

/// The middle one of the members of a segment. Samples that others need are preferred: they are decoded anyway, and encoders
/// spend more bits on them.
fn middle(members: &[usize], roles: &[Role]) -> usize {
    let needed: Vec<usize> = members.iter().copied().filter(|&number| roles[number] != Role::Disposable).collect();
    let from = if needed.is_empty() { members } else { &needed };
    from[from.len() / 2]
}

/// Goes backwards: a sample is decoded from the last wanted one of its group to the start of the group.
fn decoded(samples: &[Sample<'_>], roles: &[Role], wanted: &[bool]) -> Vec<bool> {
    let mut decoded = vec![false; samples.len()];
    let mut needed = false;
    let mut earliest_after = i64::MAX;
    for number in (0..samples.len()).rev() {
        needed |= wanted[number];
        decoded[number] = needed && (wanted[number] || roles[number] != Role::Disposable);
        // If a later sample is presented earlier, it may need what comes before the start.
        if roles[number] == Role::Sync && samples[number].time_us <= earliest_after {
            needed = false;
        }
        earliest_after = earliest_after.min(samples[number].time_us);
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::Role::{Disposable as F, Reference as C, Sync as S};
    use super::*;

    fn samples(times: &[i64]) -> Vec<Sample<'static>> {
        times.iter().map(|&time_us| Sample { data: vec![0].into(), time_us, key: false, shown: true }).collect()
    }

    fn numbers(flags: &[bool]) -> Vec<usize> {
        (0..flags.len()).filter(|&number| flags[number]).collect()
    }

    #[test]
    fn wanted_frames_are_spread_evenly() {
        let even = samples(&(0..12).map(|n| 1000 * n).collect::<Vec<_>>());
        let plan = SamplingPlan::new(&even, &[S; 12], 2);
        assert_eq!(numbers(&plan.wanted), [3, 9]);
        assert_eq!(numbers(&plan.decoded), [3, 9]);
        // All at once, in bursts, or a long pause: each frame counts as one.
        let bursts = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let pause = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 9_000_000];
        for times in [bursts, pause] {
            assert_eq!(numbers(&SamplingPlan::new(&samples(&times), &[S; 12], 2).wanted), [3, 9], "{times:?}");
        }
    }

    #[test]
    fn all_of_few_frames_are_wanted() {
        for count in [3, 4, 100, usize::MAX] {
            let plan = SamplingPlan::new(&samples(&[0, 40, 80]), &[S, C, C], count);
            assert_eq!(plan.wanted, [true; 3], "{count}");
        }
        let rounded: Vec<i64> = (0..30).map(|n| n * 1_000_000 / 30).collect();
        assert_eq!(SamplingPlan::new(&samples(&rounded), &[C; 30], 30).wanted, [true; 30]);
        let plan = SamplingPlan::new(&samples(&[7]), &[S], 16);
        assert_eq!(plan.wanted, [true]);
        let plan = SamplingPlan::new(&samples(&[7, 7]), &[S, C], 0);
        assert_eq!((plan.wanted, plan.decoded), (vec![false; 2], vec![false; 2]));
    }

    #[test]
    fn frames_with_equal_times_count_separately() {
        let plan = SamplingPlan::new(&samples(&[0, 0, 1, 1, 2, 2, 3, 3, 4]), &[S, C, C, C, C, C, C, C, C], 4);
        assert_eq!(numbers(&plan.wanted), [1, 3, 5, 8]);
        assert_eq!(numbers(&SamplingPlan::new(&samples(&[5; 9]), &[C; 9], 3).wanted), [1, 4, 7]);
    }

    #[test]
    fn samples_that_are_not_shown_are_not_chosen() {
        let mut samples = samples(&[-80, -40, 0, 40]);
        samples[0].shown = false;
        samples[1].shown = false;
        let plan = SamplingPlan::new(&samples, &[S, C, C, C], 4);
        assert_eq!(numbers(&plan.wanted), [2, 3]);
        assert_eq!(numbers(&plan.decoded), [0, 1, 2, 3]);
    }

    #[test]
    fn groups_without_wanted_frames_are_skipped() {
        let samples = samples(&(0..40).collect::<Vec<_>>());
        let roles: Vec<Role> = (0..40).map(|n| if n % 4 == 0 { S } else { C }).collect();
        let plan = SamplingPlan::new(&samples, &roles, 3);
        assert_eq!(numbers(&plan.wanted), [6, 20, 33]);
        assert_eq!(numbers(&plan.decoded), [4, 5, 6, 20, 32, 33]);
    }

    #[test]
    fn an_open_group_needs_the_one_before() {
        // The pictures after the second start are presented before it.
        let samples = samples(&[0, 1, 2, 5, 3, 4]);
        let plan = SamplingPlan::new(&samples, &[S, C, C, S, C, C], 6);
        assert_eq!(numbers(&plan.decoded), [0, 1, 2, 3, 4, 5]);
        let last = [false, false, false, false, false, true];
        assert_eq!(numbers(&decoded(&samples, &[S, C, C, S, C, C], &last)), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn disposable_samples_are_skipped_unless_all_are_wanted() {
        let samples = samples(&[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
        let roles = [S, C, F, F, C, F, F, C, F, F];
        // Of the four that others need the third is the middle one, and number 1 is decoded for its sake.
        let plan = SamplingPlan::new(&samples, &roles, 1);
        assert_eq!((numbers(&plan.wanted), numbers(&plan.decoded)), (vec![4], vec![0, 1, 4]));
        let plan = SamplingPlan::new(&samples, &roles, 10);
        assert_eq!(plan.decoded, [true; 10]);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let samples = samples(&[0, 1 << 61, i64::MAX]);
        let plan = SamplingPlan::new(&samples, &[S, C, C], 3);
        assert_eq!(plan.wanted.len(), 3);
    }
}
