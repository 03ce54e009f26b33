//! Assigns tensors to buffers.

use super::Unsupported;
use super::build::Builder;
use super::step::{BufferId, Network, Output, Port};

impl Builder {
    /// Builds the network: every tensor gets a buffer from the step that writes it to the last step that reads it.
    pub(in crate::engine) fn finish(mut self) -> Result<Network, Unsupported> {
        self.merge()?;
        let mut last_use = vec![0; self.tensors.len()];
        for (number, step) in self.steps.iter().enumerate() {
            for place in [Some(step.from), step.residual].into_iter().flatten() {
                let BufferId::Buffer(tensor) = place else { unreachable!("places are tensors until here") };
                last_use[tensor] = number;
            }
        }
        for output in &self.outputs {
            if self.tensors[output.of.0].is_input {
                return Err(Unsupported("an output that is an input".into()));
            }
            last_use[output.of.0] = usize::MAX;
        }
        let mut buffers: Vec<usize> = vec![];
        let mut held: Vec<Option<usize>> = vec![]; // the tensor in each buffer
        let mut place = vec![usize::MAX; self.tensors.len()];
        let inputs = self.tensors.iter().zip(&mut place).filter(|(tensor, _)| tensor.is_input);
        inputs.enumerate().for_each(|(number, (_, place))| *place = number);
        let (tensors, mut floats) = (&self.tensors, 0);
        for (number, step) in self.steps.iter_mut().enumerate() {
            match &mut step.to {
                Output::Floats(to) => {
                    place[*to] = floats;
                    *to = floats;
                    floats += 1;
                }
                Output::Buffer(to) => {
                    let size = step.result.len();
                    // The free buffer whose size is nearest.
                    let free = (0..buffers.len()).filter(|b| held[*b].is_none());
                    let buffer = free.min_by_key(|b| buffers[*b].abs_diff(size)).unwrap_or_else(|| {
                        buffers.push(0);
                        held.push(None);
                        buffers.len() - 1
                    });
                    buffers[buffer] = buffers[buffer].max(size);
                    held[buffer] = Some(*to);
                    place[*to] = buffer;
                    *to = buffer;
                }
            }
            for at in std::iter::once(&mut step.from).chain(step.residual.as_mut()) {
                let BufferId::Buffer(tensor) = *at else { unreachable!("places are tensors until here") };
                *at = match tensors[tensor].is_input {
                    true => BufferId::Input(place[tensor]),
                    false => BufferId::Buffer(place[tensor]),
                };
            }
            held.iter_mut().for_each(|held| *held = held.filter(|t| last_use[*t] > number));
        }
        let outputs = self.outputs.iter().map(|view| {
            let tensor = &self.tensors[view.of.0];
            let to = if tensor.stored.is_some() { Output::Buffer } else { Output::Floats };
            Port { from: to(place[view.of.0]), first: view.first, channels: view.channels, shape: tensor.shape }
        });
        Ok(Network {
            isa: self.isa,
            kernels: self.kernels,
            outputs: outputs.collect(),
            steps: self.steps,
            buffers,
            inputs: self.inputs,
        })
    }
}
