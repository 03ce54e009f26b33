//! A network in integers as one operator of tract.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::engine::int8::{Network, Sizes, State};

/// Blocks of the graph that were replaced. Its inputs are stored tensors, NCHW or, for the picture, as it comes; its outputs
/// are NCHW, stored ones as they are stored.
#[derive(Clone)]
pub(super) struct Segment {
    network: Arc<Network>,
    /// Whether input 0 is a picture of packed pixels (rows, columns, channels) instead of NCHW. It may then be smaller than what
    /// the network was built for, if [`Sizes::of`] allows.
    takes_pixels: bool,
}

impl Segment {
    pub(super) fn new(network: Network) -> Self {
        Self { network: Arc::new(network), takes_pixels: false }
    }

    /// The same for a picture as it comes.
    pub(super) fn with_pixels(&self) -> Self {
        Self { takes_pixels: true, ..self.clone() }
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn run(&self, state: &mut State, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let shapes = self.network.inputs();
        ensure!(inputs.len() == shapes.len(), "{} inputs instead of {}", inputs.len(), shapes.len());
        let mut rearranged = vec![];
        for (input, shape) in inputs.iter().zip(shapes).skip(usize::from(self.takes_pixels)) {
            let mut bytes = vec![0; shape.len()];
            let planes = input.try_as_plain_ram()?;
            for (c, plane) in planes.as_slice::<u8>()?.chunks_exact(shape.pixels()).enumerate() {
                bytes[c..].iter_mut().step_by(shape.stride).zip(plane).for_each(|(to, from)| *to = *from);
            }
            ensure!(planes.as_slice::<u8>()?.len() == shape.pixels() * shape.channels, "an input of another size");
            rearranged.push(bytes);
        }
        let mut given: TVec<&[u8]> = tvec!();
        let pixels;
        if self.takes_pixels {
            pixels = inputs[0].try_as_plain_ram()?;
            given.push(pixels.as_slice::<u8>()?);
        }
        given.extend(rearranged.iter().map(Vec::as_slice));
        let sizes = match *inputs[0].shape() {
            [_, rows, columns, _] if self.takes_pixels => Sizes::of(&self.network, rows, columns),
            _ => Some(Sizes::whole(&self.network)),
        };
        let sizes = sizes.context("a picture of a size that not all layers can go over")?;
        self.network.run(state, &sizes, &given);
        let mut outputs = tvec!();
        for (number, shape) in sizes.outputs().iter().enumerate() {
            let (pixels, dims) = (shape.pixels(), [1, shape.channels, shape.rows, shape.columns]);
            let tensor = match (self.network.floats(state, number), self.network.bytes(state, number)) {
                (Some(floats), _) => planes(floats, shape.stride, pixels, &dims)?,
                (_, Some(bytes)) => planes(bytes, shape.stride, pixels, &dims)?,
                _ => bail!("output {number} is nowhere"),
            };
            outputs.push(tensor.into_tvalue());
        }
        Ok(outputs)
    }
}

/// From pixels of `stride` elements to planes.
fn planes<T: Copy + Datum + Default>(
    values: &[T],
    stride: usize,
    pixels: usize,
    dims: &[usize; 4],
) -> TractResult<Tensor> {
    let mut planes = vec![T::default(); pixels * dims[1]];
    for (c, plane) in planes.chunks_exact_mut(pixels).enumerate() {
        plane.iter_mut().zip(values[c..].iter().step_by(stride)).for_each(|(to, from)| *to = *from);
    }
    Tensor::from_shape(dims, &planes)
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({} layers, {})", self.network.len(), self.network.isa().name())
    }
}

impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.network, &other.network) && self.takes_pixels == other.takes_pixels
    }
}

impl Eq for Segment {}

impl Op for Segment {
    fn name(&self) -> StaticName {
        "Segment".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Segment {
    not_out_of_plan!();

    fn state(&self, _: &EvalContext<'_>) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Buffers(self.network.state()))))
    }
}

impl TypedOp for Segment {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        // Of a picture, rows and columns are known only when it comes.
        let symbols = inputs[0].shape.iter().flat_map(TDim::symbols).next().and_then(|symbol| symbol.scope());
        let any = |n: usize| symbols.as_ref().map_or_else(|| n.to_dim(), |scope| scope.new_with_prefix("side").into());
        let fact = |(is_float, shape): (bool, &crate::engine::int8::Shape)| {
            let dims = [1.to_dim(), shape.channels.to_dim(), any(shape.rows), any(shape.columns)];
            if is_float { f32::fact(dims) } else { u8::fact(dims) }
        };
        Ok(self.network.outputs().map(fact).collect())
    }
    as_op!();
}

/// What one thread runs a segment with.
#[derive(Clone, Debug)]
struct Buffers(State);

impl OpState for Buffers {
    fn eval(&mut self, _: &EvalContext<'_>, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let segment = op.downcast_ref::<Segment>().context("the state of a segment belongs to a segment")?;
        segment.run(&mut self.0, &inputs)
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(()) // nothing is kept from one run to the next
    }
}
