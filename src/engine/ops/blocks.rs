//! Finds the blocks of a graph that can be computed in integers and replaces each group of neighboring blocks by one
//! [`Segment`], as large as possible.
//!
//! A block lies between the tensors that the file stores in u8: it begins after DequantizeLinear and ends in
//! QuantizeLinear or at an output of the graph. Blocks that `engine/int8` has no layers for stay as they are.

use std::collections::{HashMap, HashSet};

use tract_onnx::prelude::*;

use super::quant::Quantize;
use super::reader::{self, Draft, Reader};
use super::segment::Segment;
use crate::engine::int8::{self, Isa, Unsupported};

/// Which blocks of a graph were replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Coverage {
    /// Blocks that are computed in integers.
    pub(in crate::engine) integer: usize,
    /// The others, each with the reason.
    pub(in crate::engine) float: Vec<String>,
}

/// Replaces all blocks that it can.
pub(super) fn replace(model: &mut TypedModel, isa: Isa) -> TractResult<Coverage> {
    let mut parts =
        Parts { model, isa, segments: vec![], current: None, read: HashSet::new(), coverage: Coverage::default() };
    for id in model.eval_order()? {
        let node = model.node(id);
        let is_output = model.outputs.iter().any(|output| output.node == id);
        if node.op_is::<Quantize>() || is_output {
            parts.block(node);
        }
    }
    let (segments, coverage) = parts.finish()?;
    let mut patch = TypedModelPatch::default();
    let mut made: HashMap<OutletId, OutletId> = HashMap::new(); // outputs of earlier segments, in the patch
    for segment in segments {
        let wire = |o: &OutletId| made.get(o).map_or_else(|| patch.tap_model(model, *o), |wire| Ok(*wire));
        let inputs = segment.inputs.iter().map(wire).collect::<TractResult<TVec<_>>>()?;
        let name = format!("{}.int8", model.node(segment.outputs[0].node).name);
        let wires = patch.wire_node(name, Segment::new(segment.network), &inputs)?;
        for (outlet, wire) in segment.outputs.iter().zip(wires) {
            patch.shunt_outside(model, *outlet, wire)?;
            made.insert(*outlet, wire);
        }
    }
    patch.apply(model)?;
    model.compact()?;
    Ok(coverage)
}

/// The network, if it makes up the whole graph, takes the picture as it comes (`pixel - mean` is stored as the pixel) and
/// gives floats.
pub(super) fn whole(model: &TypedModel, mean: u8) -> Option<Arc<int8::Network>> {
    let [source] = model.inputs[..] else { return None };
    let [stored] = model.node(source.node).outputs[0].successors[..] else { return None };
    let stored = model.node(stored.node);
    let [segment] = stored.outputs[0].successors[..] else { return None };
    let segment = model.node(segment.node);
    let network = segment.op_as::<Segment>()?.network();
    let [picture] = network.inputs()[..] else { return None };
    let is_all = stored.op_as::<Quantize>().is_some_and(|op| op.0.is_identity(mean))
        && picture.stride == picture.channels
        && network.outputs().all(|(is_float, _)| is_float)
        && model.outputs.iter().enumerate().all(|(slot, o)| *o == OutletId::new(segment.id, slot));
    is_all.then(|| Arc::clone(network))
}

/// A segment with its inputs and outputs.
struct Done {
    network: int8::Network,
    inputs: Vec<OutletId>,
    outputs: Vec<OutletId>,
}

/// Goes through a graph block by block.
struct Parts<'a> {
    model: &'a TypedModel,
    isa: Isa,
    segments: Vec<Draft>,
    current: Option<Draft>,
    /// Stored tensors that are read outside the segment that makes them.
    read: HashSet<OutletId>,
    coverage: Coverage,
}

impl<'a> Parts<'a> {
    /// Adds the block that ends in `node` to the current segment, or closes the segment.
    fn block(&mut self, node: &'a TypedNode) {
        let model = self.model;
        let draft = self.current.get_or_insert_with(|| Draft::new(self.isa));
        match Reader::new(model, draft).read(node) {
            Ok(()) => self.coverage.integer += 1,
            Err(Unsupported(why)) => {
                self.segments.extend(self.current.take());
                self.leaves(node);
                if !reader::is_input(model, node) {
                    self.coverage.float.push(format!("{}: {why}", node.name));
                }
            }
        }
    }

    /// Records the stored tensors that the block before `node` reads.
    fn leaves(&mut self, node: &TypedNode) {
        let mut rest: Vec<OutletId> = node.inputs.to_vec();
        let mut seen = HashSet::new();
        while let Some(outlet) = rest.pop() {
            let node = self.model.node(outlet.node);
            if node.op_is::<Quantize>() {
                self.read.insert(outlet);
            } else if seen.insert(outlet.node) {
                rest.extend(&node.inputs);
            }
        }
    }

    fn finish(mut self) -> TractResult<(Vec<Done>, Coverage)> {
        self.segments.extend(self.current.take());
        self.read.extend(&self.model.outputs);
        self.read.extend(self.segments.iter().flat_map(|d| d.inputs.iter().copied()));
        let close = |mut draft: Draft| {
            let outputs: Vec<_> = draft.made.iter().filter(|(outlet, _)| self.read.contains(outlet)).copied().collect();
            let outputs: Vec<_> = self
                .model
                .outputs
                .iter()
                .filter_map(|o| outputs.iter().find(|(outlet, _)| outlet == o))
                .chain(outputs.iter().filter(|(outlet, _)| !self.model.outputs.contains(outlet)))
                .copied()
                .collect();
            outputs.iter().for_each(|(_, tensor)| draft.builder.output(*tensor));
            let network = draft.builder.finish().map_err(|Unsupported(why)| TractError::msg(why))?;
            Ok(Done { network, inputs: draft.inputs, outputs: outputs.into_iter().map(|(outlet, _)| outlet).collect() })
        };
        // Tensors without a reader are not computed.
        let is_read = |d: &Draft| d.made.iter().any(|(outlet, _)| self.read.contains(outlet));
        let (read, unread): (Vec<Draft>, Vec<Draft>) = self.segments.into_iter().partition(is_read);
        self.coverage.integer -= unread.iter().map(|d| d.made.len()).sum::<usize>();
        Ok((read.into_iter().map(close).collect::<TractResult<_>>()?, self.coverage))
    }
}
