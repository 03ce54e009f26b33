//! Runs an integer network as one operator of tract.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::engine::int8::{Network, Shape, Sizes, State};
use crate::engine::team::Team;

/// Blocks of the graph that were replaced. Inputs are stored tensors; outputs are stored tensors or floats, all NCHW.
#[derive(Clone)]
pub(super) struct Segment(Arc<Network>);

impl Segment {
    pub(super) fn new(network: Network) -> Self {
        Self(Arc::new(network))
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        &self.0
    }

    fn run(&self, state: &mut State, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let network = &self.0;
        let sizes = Sizes::whole(network);
        ensure!(inputs.len() == sizes.inputs().len(), "{} inputs instead of {}", inputs.len(), sizes.inputs().len());
        let mut rearranged = vec![];
        for (input, shape) in inputs.iter().zip(sizes.inputs()) {
            let planes = input.try_as_plain_ram()?;
            let planes = planes.as_slice::<u8>()?;
            ensure!(planes.len() == shape.pixels() * shape.channels, "an input of another size");
            let mut bytes = vec![0; shape.len()];
            for (c, plane) in planes.chunks_exact(shape.pixels()).enumerate() {
                bytes[c..].iter_mut().step_by(shape.stride).zip(plane).for_each(|(to, from)| *to = *from);
            }
            rearranged.push(bytes);
        }
        let given: TVec<&[u8]> = rearranged.iter().map(Vec::as_slice).collect();
        network.run(state, &sizes, &given, &Team::default());
        let mut outputs = tvec!();
        for (number, shape) in sizes.outputs().iter().enumerate() {
            let dims = dims(shape);
            let tensor = match (network.floats(state, &sizes, number), network.bytes(state, &sizes, number)) {
                (Some(floats), _) => Tensor::from_shape(&dims, &shape.planes(floats))?,
                (_, Some(bytes)) => Tensor::from_shape(&dims, &shape.planes(bytes))?,
                _ => bail!("output {number} is nowhere"),
            };
            outputs.push(tensor.into_tvalue());
        }
        Ok(outputs)
    }
}

fn dims(shape: &Shape) -> [usize; 4] {
    [1, shape.channels, shape.rows, shape.columns]
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({} layers, {})", self.0.len(), self.0.isa().name())
    }
}

impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
        Ok(Some(Box::new(Buffers(self.0.state(&Team::default())))))
    }
}

impl TypedOp for Segment {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let fact = |(is_float, shape): (bool, Shape)| match is_float {
            true => f32::fact(dims(&shape)),
            false => u8::fact(dims(&shape)),
        };
        Ok(self.0.outputs().map(fact).collect())
    }
    as_op!();
}

/// The state with which one thread runs a segment.
#[derive(Clone, Debug)]
struct Buffers(State);

impl OpState for Buffers {
    fn eval(&mut self, _: &EvalContext<'_>, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let segment = op.downcast_ref::<Segment>().context("the state of a segment belongs to a segment")?;
        segment.run(&mut self.0, &inputs)
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(()) // no state is kept from one run to the next
    }
}
