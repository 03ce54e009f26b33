//! The evidence that one frame adds to the verdict.

/// The evidence of one frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FrameEvidence {
    /// Log-odds that the face is live, one for each look at it.
    pub(super) live: Vec<f64>,
    /// Whether the face looks at the camera, as the model's training faces do.
    pub(super) frontal: bool,
    /// The face as a unit vector.
    pub(super) vector: Vec<f64>,
    /// The same by the model of before, if that runs as well.
    pub(super) previous: Option<Vec<f64>>,
    /// How good it is as a best shot: only the order counts.
    pub(super) rank: i32,
    /// Quality of the sample, 0..100.
    pub(super) quality: u8,
}
