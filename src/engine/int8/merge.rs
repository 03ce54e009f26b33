//! Merges small convolutions into shared blocks: kernels compute whole blocks of channels, so that a detector's heads, of one channel
//! or a few each, together take as long as one of them alone.

use super::BLOCK;
use super::build::{Builder, Conv, Small, TensorId, TensorView};
use super::step::{BufferId, Output};
use super::{Stored, Unsupported};

/// A pointwise convolution, and the depthwise one that is its only reader and makes an output of the network.
struct Head {
    from: TensorId,
    pointwise: Conv,
    stored: Stored,
    between: TensorId,
    depthwise: Conv,
    output: TensorId,
}

impl Builder {
    /// Merges heads of one tensor with the same window into as few blocks as they fit in. Their results stay the same.
    pub(super) fn merge(&mut self) -> Result<(), Unsupported> {
        let mut heads = self.heads();
        while let Some(first) = heads.pop() {
            let (mut channels, mut group) = (first.channels(), vec![first]);
            for at in (0..heads.len()).rev() {
                if heads[at].goes_with(&group[0]) && channels + heads[at].channels() <= BLOCK {
                    channels += heads[at].channels();
                    group.push(heads.remove(at));
                }
            }
            if group.len() > 1 {
                self.put_together(&group)?;
            }
        }
        Ok(())
    }

    fn heads(&self) -> Vec<Head> {
        let reads = |id: TensorId| {
            let reads = |place: Option<BufferId>| usize::from(place == Some(BufferId::Buffer(id.0)));
            self.steps.iter().map(|step| reads(Some(step.from)) + reads(step.residual)).sum::<usize>()
        };
        let is_output = |id: TensorId| self.outputs.iter().any(|view| view.of == id);
        let head = |last: &Small| {
            let first = self.small.iter().find(|small| small.to == last.from)?;
            let fits = first.conv.kernel == 1
                && !first.conv.is_depthwise
                && last.conv.is_depthwise
                && last.conv.input_scale.is_none()
                && reads(first.to) == 1
                && !is_output(first.to)
                && reads(last.to) == 0
                && self.tensors[last.to.0].stored.is_none();
            fits.then_some(Head {
                from: first.from,
                pointwise: first.conv.clone(),
                stored: self.tensors[first.to.0].stored.clone()?,
                between: first.to,
                depthwise: last.conv.clone(),
                output: last.to,
            })
        };
        self.small.iter().filter_map(head).collect()
    }

    fn put_together(&mut self, group: &[Head]) -> Result<(), Unsupported> {
        let all = |part: fn(&Head) -> &[f32]| group.iter().flat_map(part).copied().collect();
        let stored = Stored {
            scale: all(|head| &head.stored.scale),
            zero: group.iter().flat_map(|head| &head.stored.zero).copied().collect(),
        };
        let between = self.conv(&together(group, |head| &head.pointwise), group[0].from, None, Some(stored))?;
        let output = self.conv(&together(group, |head| &head.depthwise), between, None, None)?;
        let mut first = 0;
        for head in group {
            let gone = [Output::Buffer(head.between.0), Output::Floats(head.output.0)];
            self.steps.retain(|step| !gone.contains(&step.to));
            let views = self.outputs.iter_mut().filter(|view| view.of == head.output);
            views.for_each(|view| *view = TensorView { of: output, first, channels: head.channels() });
            first += head.channels();
        }
        Ok(())
    }
}

impl Head {
    /// Whether all but the outputs is the same in both.
    fn goes_with(&self, other: &Self) -> bool {
        let windows = |head: &Self| (head.pointwise.window(), head.depthwise.window());
        self.from == other.from
            && windows(self) == windows(other)
            && self.pointwise.input_scale == other.pointwise.input_scale
    }

    fn channels(&self) -> usize {
        self.depthwise.bias.len()
    }
}

/// One convolution with the outputs of several that have all else in common.
fn together(group: &[Head], of: fn(&Head) -> &Conv) -> Conv {
    let first = of(&group[0]);
    let all = |part: fn(&Conv) -> &Vec<f32>| group.iter().flat_map(|head| part(of(head))).copied().collect();
    Conv {
        weights: group.iter().flat_map(|head| &of(head).weights).copied().collect(),
        scale: all(|conv| &conv.scale),
        bias: all(|conv| &conv.bias),
        slopes: all(|conv| &conv.slopes),
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Isa, Shape, Sizes};
    use super::*;
    use crate::engine::team::Team;

    /// Heads with these numbers of channels, on one input of 16, in one network.
    fn outputs(channels: &[usize], x: &[u8]) -> (usize, Vec<Vec<f32>>) {
        let mut builder = Builder::new(Isa::PORTABLE);
        let stored = |n: usize| Stored { scale: vec![0.5; n], zero: vec![100; n] };
        let input = builder.input(Shape::new(5, 6, 16), stored(16));
        for n in channels {
            // The number of channels tells the heads apart.
            let weights =
                |count: usize| (0..count).map(|i| ((i * 37 * n + 11) % 255) as i8).map(|w| w.max(-127)).collect();
            let conv = |kernel: usize, is_depthwise: bool, inputs: usize| Conv {
                weights: weights(n * inputs * kernel * kernel),
                scale: (0..*n).map(|o| 0.01 + o as f32 / 1000.0).collect(),
                input_scale: None,
                bias: (0..*n).map(|o| o as f32 - 1.0).collect(),
                slopes: vec![1.0; *n],
                is_depthwise,
                kernel,
                stride: 1,
                pad: kernel / 2,
                add_first: false,
            };
            let between = builder.conv(&conv(1, false, 16), input, None, Some(stored(*n))).unwrap();
            let output = builder.conv(&conv(3, true, 1), between, None, None).unwrap();
            builder.output(output);
        }
        let network = builder.finish().unwrap();
        let (sizes, mut state) = (Sizes::whole(&network), network.state(&Team::default()));
        network.run(&mut state, &sizes, &[x], &Team::default());
        let output = |i: usize| sizes.outputs()[i].planes(network.floats(&state, &sizes, i).unwrap());
        (network.len(), (0..channels.len()).map(output).collect())
    }

    #[test]
    fn heads_answer_together_what_each_answers_alone() {
        let x: Vec<u8> = (0..5 * 6 * 16u32).map(|i| ((i * i * 31) >> 3) as u8).collect();
        let channels = [1, 4, 10, 2, 15];
        let (layers, together) = outputs(&channels, &x);
        assert_eq!(layers, 4, "15 and 1, then 2, 10 and 4, and two layers for both");
        for (n, answer) in channels.iter().zip(together) {
            assert_eq!(answer, outputs(&[*n], &x).1[0], "{n}");
        }
    }
}
