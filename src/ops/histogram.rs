//! Histogram of durations.

use std::time::Duration;

/// Counts of durations by bucket, their number and sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

/// Upper bounds of the buckets in seconds: from one comparison to the longest wait for a face.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, took: Duration) {
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(took.as_secs_f64() <= bound);
        }
        self.count += 1;
        self.sum += took;
    }

    /// For each upper bound in seconds, how many durations were no longer.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS.into_iter().zip(self.buckets)
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the durations.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}
