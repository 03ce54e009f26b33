//! How far a gesture goes that is held for several frames.

/// What one frame shows of a gesture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shown {
    /// Nothing of it, or something else: what comes after is another attempt.
    Neutral,
    /// A share of what is needed.
    Share(f64),
}

/// Below this share of what is needed a face is back where it was.
const BACK: f64 = 0.35;

impl Shown {
    /// By a share of what is needed, which may be negative.
    pub(super) fn of(share: f64) -> Self {
        if share >= BACK { Self::Share(share) } else { Self::Neutral }
    }
}

/// The largest share that `least` frames of one attempt reach. Others may be between them.
pub(super) fn sustained(frames: impl Iterator<Item = Shown>, least: usize) -> f64 {
    let (mut attempt, mut most) = (vec![], 0.0_f64);
    for shown in frames {
        match shown {
            Shown::Neutral => attempt.clear(),
            Shown::Share(share) => {
                attempt.push(share);
                attempt.sort_by(|a, b| b.total_cmp(a));
                attempt.truncate(least);
                most = most.max(attempt.get(least - 1).copied().unwrap_or(0.0));
            }
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_largest_of_one_attempt_counts() {
        let shares = |of: &[f64]| sustained(of.iter().map(|share| Shown::of(*share)), 3);
        assert_eq!(shares(&[0.0, 1.2, 0.5, 1.4, 1.1, 0.0]), 1.1);
        // Two attempts of two frames are none of three.
        assert_eq!(shares(&[1.2, 1.2, 0.1, 1.2, 1.2]), 0.0);
        assert_eq!(shares(&[0.6, 0.7, 0.8, f64::NAN, 1.2]), 0.6);
        assert_eq!(shares(&[]), 0.0);
    }

    #[test]
    fn one_frame_may_be_enough() {
        assert_eq!(sustained([0.0, 1.3, 0.0].into_iter().map(Shown::of), 1), 1.3);
    }
}
