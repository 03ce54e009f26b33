//! Computes tensor shapes for pictures smaller than the network was built for, which layers that move a window over the picture
//! can process.

use super::Shape;
use super::step::{BufferId, Network, Op, Output, Port, Step};

/// The shapes of all tensors in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Sizes {
    pub(super) inputs: Vec<Shape>,
    /// The shapes that each step reads and makes.
    pub(super) steps: Vec<(Shape, Shape)>,
    pub(super) outputs: Vec<Shape>,
}

impl Sizes {
    /// The shapes that the network was built for.
    pub(in crate::engine) fn whole(network: &Network) -> Self {
        Self {
            inputs: network.inputs.clone(),
            steps: network.steps.iter().map(|step| (step.shape, step.result)).collect(),
            outputs: network.outputs().map(|(_, shape)| shape).collect(),
        }
    }

    /// The shapes for an input of so many rows and columns. `None` if the network has several inputs, if the input is larger than it was
    /// built for, or if a layer cannot process it.
    pub(in crate::engine) fn of(network: &Network, rows: usize, columns: usize) -> Option<Self> {
        let [largest] = network.inputs[..] else { return None };
        if rows > largest.rows || columns > largest.columns {
            return None;
        }
        let input = Shape { rows, columns, ..largest };
        let mut buffers = vec![input; network.buffers.len()]; // the shape of what each buffer holds, once it is written
        let (mut steps, mut floats) = (vec![], vec![]);
        for step in &network.steps {
            let at = |place: BufferId| match place {
                BufferId::Input(_) => input,
                BufferId::Buffer(i) => buffers[i],
            };
            let shape = at(step.from);
            let result = step.result_of(shape)?;
            let fits = step.residual.is_none_or(|place| match step.op {
                Op::Add { doubled: true } => at(place) == result.halved(),
                _ => at(place) == result,
            });
            if !fits {
                return None;
            }
            match step.to {
                Output::Buffer(i) => buffers[i] = result,
                Output::Floats(_) => floats.push(result),
            }
            steps.push((shape, result));
        }
        let output = |port: &Port| match port.from {
            Output::Buffer(i) => port.shape_in(buffers[i]),
            Output::Floats(i) => port.shape_in(floats[i]),
        };
        Some(Self { inputs: vec![input], steps, outputs: network.outputs.iter().map(output).collect() })
    }

    /// The shapes of the inputs.
    pub(in crate::engine) fn inputs(&self) -> &[Shape] {
        &self.inputs
    }

    /// The shapes of the outputs.
    pub(in crate::engine) fn outputs(&self) -> &[Shape] {
        &self.outputs
    }
}

impl Step {
    /// The shape of this step's result for a tensor of `shape`, which is not larger than what it was built for.
    fn result_of(&self, shape: Shape) -> Option<Shape> {
        let is_even = shape.rows.is_multiple_of(2) && shape.columns.is_multiple_of(2);
        match &self.op {
            // A window as large as the picture: a fully connected layer.
            Op::Dense { window, .. } if window.kernel > 1 && self.is_direct() => {
                (shape == self.shape).then_some(self.result)
            }
            Op::Dense { window, .. } | Op::Depthwise { window, .. } => {
                let (rows, columns) = (window.outputs(shape.rows), window.outputs(shape.columns));
                let fits = rows > 0 && columns > 0 && window.kernel <= shape.columns;
                fits.then_some(Shape { rows, columns, ..self.result })
            }
            Op::MaxPool => is_even.then_some(Shape { rows: shape.rows / 2, columns: shape.columns / 2, ..self.result }),
            Op::Add { doubled } => (is_even || !doubled).then_some(shape),
            Op::Excite(_) => Some(shape),
        }
    }
}
