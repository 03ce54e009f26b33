//! Defines the output maps of a network.

/// One output: a map of `channels` planes of `rows` x `columns`, CHW.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Name in the graph.
    pub name: String,
    /// Number of planes.
    pub channels: usize,
    /// Height.
    pub rows: usize,
    /// Width.
    pub columns: usize,
    /// `channels * rows * columns` values.
    pub values: Vec<f32>,
}
