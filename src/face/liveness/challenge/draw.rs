//! Draws what a challenge asks for. The random bytes come from the caller.

use std::time::Duration;

use crate::face::liveness::turn::Direction;

/// Shortest and longest time that a head has to be held still before a direction is asked for. Whoever moves meanwhile has not waited
/// to be asked, so that a recording that moves all the time is found out.
const PAUSE_MS: (u64, u64) = (100, 600);

/// One direction of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::face::liveness) struct Task {
    /// Where the head is to turn, as seen in the picture.
    pub(in crate::face::liveness) direction: Direction,
    /// How long the head is held still before this is asked for.
    pub(in crate::face::liveness) pause: Duration,
}

/// Draws `count` directions, none twice in a row, other ones than `last`. Each needs 16 bits, so that their distribution is even to
/// one part in ten thousand.
pub(in crate::face::liveness) fn draw(count: usize, last: &[Direction], mut random: impl FnMut() -> u16) -> Vec<Task> {
    loop {
        let mut tasks: Vec<Task> = Vec::with_capacity(count);
        while tasks.len() < count {
            let direction = Direction::ALL[usize::from(random()) % Direction::ALL.len()];
            if tasks.last().is_some_and(|task| task.direction == direction) {
                continue;
            }
            let span = PAUSE_MS.1 - PAUSE_MS.0;
            let pause = Duration::from_millis(PAUSE_MS.0 + u64::from(random()) * span / u64::from(u16::MAX));
            tasks.push(Task { direction, pause });
        }
        if !tasks.iter().map(|task| task.direction).eq(last.iter().copied()) {
            return tasks;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A linear congruential generator.
    fn noise(mut state: u32) -> impl FnMut() -> u16 {
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16
        }
    }

    fn directions(tasks: &[Task]) -> Vec<Direction> {
        tasks.iter().map(|task| task.direction).collect()
    }

    #[test]
    fn no_direction_comes_twice_in_a_row_and_no_challenge_either() {
        let (mut random, mut last) = (noise(7), vec![]);
        for _ in 0..2_000 {
            let drawn = directions(&draw(2, &last, &mut random));
            assert_ne!(drawn[0], drawn[1]);
            assert_ne!(drawn, last);
            last = drawn;
        }
    }

    #[test]
    fn all_challenges_are_drawn_equally_often() {
        let (mut random, mut counts) = (noise(1), HashMap::new());
        for _ in 0..36_000 {
            *counts.entry(directions(&draw(3, &[], &mut random))).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 36);
        assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn pauses_lie_in_their_range() {
        let mut random = noise(3);
        let pauses: Vec<_> = (0..500).flat_map(|_| draw(2, &[], &mut random)).map(|task| task.pause).collect();
        let ms = |ms: u64| Duration::from_millis(ms);
        assert!(pauses.iter().all(|pause| (ms(PAUSE_MS.0)..=ms(PAUSE_MS.1)).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < ms(150)) && pauses.iter().any(|pause| *pause > ms(550)));
    }
}
