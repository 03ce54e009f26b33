//! Runs a network as a list of steps over a few buffers; one thread's buffers are its state. Others may help it with a step ([`Team`]).
//!
//! The assignment of tensors to buffers is fixed when the network is built, for the largest input; smaller inputs use parts of
//! the same buffers. A run allocates only a pointer for each tap of each depthwise layer.

use std::sync::{Mutex, PoisonError};

use super::add::ElementwiseAdd;
use super::cut::{Cut, Part};
use super::depthwise::{Depthwise, Window};
use super::gemm::Gemm;
use super::kernels::Kernels;
use super::requantize::Out;
use super::sizes::Sizes;
use super::step::{BufferId, Network, Op, Output, Port, Step};
use super::{BLOCK, Isa, Shape};
use crate::engine::team::{MOST_PARTS, Team};

/// The buffers of one thread.
#[derive(Clone, Debug)]
pub(in crate::engine) struct State {
    buffers: Vec<Vec<u8>>,
    floats: Vec<Vec<f32>>,
    scratch: Vec<u8>,
    gates: Vec<f32>,
}

/// What one part of a step writes: its results, and scratch memory.
type Space<'a> = (Out<'a>, &'a mut [u8]);

/// What a step reads in one run.
struct Read<'a> {
    x: &'a [u8],
    shape: Shape,
    residual: Option<&'a [u8]>,
}

impl Network {
    /// The instruction set of its kernels.
    pub(in crate::engine) fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of layers.
    pub(in crate::engine) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The largest shapes of the inputs.
    pub(in crate::engine) fn inputs(&self) -> &[Shape] {
        &self.inputs
    }

    /// The outputs for the largest inputs: whether they are floats, and their shapes.
    pub(in crate::engine) fn outputs(&self) -> impl ExactSizeIterator<Item = (bool, Shape)> {
        self.outputs.iter().map(|port| (matches!(port.from, Output::Floats(_)), port.shape_in(port.shape)))
    }

    /// Buffers for the leader of a team.
    pub(in crate::engine) fn state(&self, team: &Team) -> State {
        let kernels = self.kernels;
        let floats = |step: &Step| matches!(step.to, Output::Floats(_)).then(|| vec![0.0; step.result.len()]);
        State {
            buffers: self.buffers.iter().map(|size| vec![0; *size]).collect(),
            floats: self.steps.iter().filter_map(floats).collect(),
            scratch: vec![
                0;
                self.steps.iter().map(|step| step.scratch(kernels)).max().unwrap_or(0) * team.most_threads()
            ],
            gates: vec![0.0; self.steps.iter().map(Step::gates).max().unwrap_or(0)],
        }
    }

    /// Runs all steps. `inputs` are tensors of the shapes of [`Network::inputs`] or, if there is only one, of a smaller
    /// one that [`Sizes::of`] allows. `team` is the one that the state was made for.
    pub(in crate::engine) fn run(&self, state: &mut State, sizes: &Sizes, inputs: &[&[u8]], team: &Team) {
        let _open = team.open();
        assert!(inputs.len() == sizes.inputs.len(), "{} inputs", inputs.len());
        assert!(inputs.iter().zip(&sizes.inputs).all(|(x, shape)| x.len() == shape.len()), "an input's size");
        let kernels = self.kernels;
        for (step, (shape, result)) in self.steps.iter().zip(&sizes.steps) {
            // Taken out while it is written: a step never writes the buffer it reads.
            let mut bytes = match step.to {
                Output::Buffer(i) => std::mem::take(&mut state.buffers[i]),
                Output::Floats(_) => vec![],
            };
            let buffers = &state.buffers;
            let read = |place: BufferId, shape: &Shape| match place {
                BufferId::Input(i) => inputs[i],
                BufferId::Buffer(i) => &buffers[i][..shape.len()],
            };
            let out = match step.to {
                Output::Buffer(_) => Out::Bytes(&mut bytes[..result.len()]),
                Output::Floats(i) => Out::Floats(&mut state.floats[i][..result.len()]),
            };
            let residual = step.residual.map(|place| match step.op {
                Op::Add { doubled: true } => read(place, &result.halved()),
                _ => read(place, result),
            });
            let x = Read { x: read(step.from, shape), shape: *shape, residual };
            step.run(kernels, &x, *result, (&mut state.scratch, &mut state.gates), out, team);
            if let Output::Buffer(i) = step.to {
                state.buffers[i] = bytes;
            }
        }
    }

    /// A byte output of the last run, which had these sizes, starting at its first channel.
    pub(in crate::engine) fn bytes<'a>(&self, state: &'a State, sizes: &Sizes, output: usize) -> Option<&'a [u8]> {
        let Port { from: Output::Buffer(i), first, .. } = self.outputs[output] else { return None };
        Some(&state.buffers[i][first..sizes.outputs[output].len()])
    }

    /// A float output of the last run, which had these sizes.
    pub(in crate::engine) fn floats<'a>(&self, state: &'a State, sizes: &Sizes, output: usize) -> Option<&'a [f32]> {
        let Port { from: Output::Floats(i), first, .. } = self.outputs[output] else { return None };
        Some(&state.floats[i][first..sizes.outputs[output].len()])
    }
}

impl Port {
    /// The output's shape if its tensor has shape `shape`: other channels of the tensor lie between those of two pixels.
    pub(super) fn shape_in(&self, shape: Shape) -> Shape {
        Shape { channels: self.channels, ..shape }
    }
}

impl Shape {
    /// The shape with half as many rows and columns.
    pub(super) fn halved(&self) -> Self {
        Self { rows: self.rows.div_ceil(2), columns: self.columns.div_ceil(2), ..*self }
    }
}

impl Step {
    /// Whether the tensor itself already has the rows of a dense convolution.
    pub(super) fn is_direct(&self) -> bool {
        let Op::Dense { window, k, .. } = &self.op else { return false };
        self.shape.stride.is_multiple_of(BLOCK)
            && window.pad == 0
            && (window.kernel == 1 && window.stride == 1 || *k == self.shape.len())
    }

    /// Bytes of scratch memory that one part needs.
    fn scratch(&self, kernels: &Kernels) -> usize {
        match &self.op {
            Op::Dense { k, .. } if self.is_direct() => (kernels.scratch)(*k),
            Op::Dense { k, .. } => (kernels.scratch)(*k) + self.result.columns * k,
            _ => 0,
        }
    }

    fn gates(&self) -> usize {
        match &self.op {
            Op::Excite(gate) => gate.scratch(),
            _ => 0,
        }
    }

    /// Computes the step, in parts if others help and it is worth it. Each part has `scratch` of its own.
    fn run(
        &self,
        kernels: &Kernels,
        read: &Read<'_>,
        result: Shape,
        (scratch, gates): (&mut [u8], &mut [f32]),
        out: Out<'_>,
        team: &Team,
    ) {
        let gates = match &self.op {
            Op::Excite(gate) => Some(gate.open(read.x, &read.shape, gates)),
            _ => None,
        };
        let cut = Cut::of(self, &result);
        let count = cut.parts(team.threads());
        if count == 1 {
            return self.compute(kernels, read, result, &cut.part(0, 1), scratch, gates, out);
        }
        let parts: [Mutex<Option<Space<'_>>>; MOST_PARTS] = {
            let size = self.scratch(kernels);
            let (mut out, mut scratch) = (Some(out), scratch);
            std::array::from_fn(|number| {
                let whole = out.take().filter(|_| number < count)?;
                let (part, rest) = whole.split_at(cut.part(number, count).elements.len());
                out = Some(rest);
                let mine = scratch.split_off_mut(..size)?;
                Some((part, mine))
            })
            .map(Mutex::new)
        };
        team.run(count, &|number| {
            let taken = parts[number].lock().unwrap_or_else(PoisonError::into_inner).take();
            let (out, scratch) = taken.expect("each part is computed once");
            self.compute(kernels, read, result, &cut.part(number, count), scratch, gates, out);
        });
    }

    /// Computes one part, which may be all; `out` is where it goes.
    #[expect(clippy::too_many_arguments, reason = "what a step reads, what of it, and where it writes")]
    fn compute(
        &self,
        kernels: &Kernels,
        &Read { x, shape, residual }: &Read<'_>,
        result: Shape,
        Part { units, elements }: &Part,
        scratch: &mut [u8],
        gates: Option<&[f32]>,
        mut out: Out<'_>,
    ) {
        let (columns, activation) = (&self.columns[..], self.activation);
        let rows = units.clone();
        // Of residuals of the result's own shape.
        let residual_part = || residual.map(|residual| &residual[elements.clone()]);
        match &self.op {
            Op::Dense { weights, k, .. } if self.is_direct() => {
                let (all, residual) = (columns.len(), residual_part());
                let (a, blocks) = match result.pixels() {
                    // One pixel is cut by its channels.
                    1 => (x, units.clone()),
                    _ => (&x[units.start * k..units.end * k], 0..all),
                };
                let (weights, columns) = (weights.blocks(blocks.clone(), all), &columns[blocks]);
                (kernels.gemm)(&Gemm { a, k: *k, weights, columns, activation, residual }, scratch, out);
            }
            Op::Dense { window, weights, k, border } => {
                let (gathered, scratch) = scratch.split_at_mut(result.columns * k);
                let (width, residual) = (result.columns * result.stride, residual_part());
                let weights = weights.blocks(0..columns.len(), columns.len());
                for (number, row) in rows.enumerate() {
                    gather(x, &shape, window, border, row, *k, gathered);
                    let range = number * width..(number + 1) * width;
                    let out = match &mut out {
                        Out::Bytes(bytes) => Out::Bytes(&mut bytes[range.clone()]),
                        Out::Floats(floats) => Out::Floats(&mut floats[range.clone()]),
                    };
                    let residual = residual.map(|r| &r[range]);
                    (kernels.gemm)(&Gemm { a: gathered, k: *k, weights, columns, activation, residual }, scratch, out);
                }
            }
            Op::Depthwise { window, weights, border } => {
                let (window, border, residual) = (*window, &border[..shape.columns * shape.stride], residual_part());
                (kernels.depthwise)(
                    &Depthwise { x, shape, window, rows, border, weights, columns, activation, residual },
                    out,
                );
            }
            Op::MaxPool => {
                let Out::Bytes(out) = out else { unreachable!("a pooled tensor is stored") };
                let pair = 2 * shape.columns * shape.stride;
                max_pool(&x[rows.start * pair..rows.end * pair], &shape, out, result.stride);
            }
            Op::Add { .. } | Op::Excite(_) => {
                let residual = residual.expect("an addition has two operands");
                let doubled = matches!(self.op, Op::Add { doubled: true });
                let part = Shape { rows: rows.len(), ..shape };
                let residual = match doubled {
                    // Parts begin at even rows.
                    true => {
                        let line = shape.halved().columns * shape.stride;
                        &residual[rows.start / 2 * line..rows.end.div_ceil(2) * line]
                    }
                    false => &residual[elements.clone()],
                };
                let sum = ElementwiseAdd { x: &x[elements.clone()], shape: part, residual, doubled, columns, gates };
                (kernels.add)(&sum, out);
            }
        }
    }
}

/// The windows of one row of outputs, one after the other; bytes past the window's own up to `k` keep their value.
fn gather(x: &[u8], shape: &Shape, window: &Window, border: &[u8], row: usize, k: usize, rows: &mut [u8]) {
    let (line, pitch) = (window.kernel * shape.stride, shape.columns * shape.stride);
    let source = |i: usize| window.source(row, i, shape.rows).map(|y| &x[y * pitch..][..pitch]);
    let columns = rows.len() / k;
    let mut inner = 0..0;
    // The usual first layer, without a call for each copy.
    if let (3, 3, Some(a), Some(b), Some(c)) = (window.kernel, shape.stride, source(0), source(1), source(2)) {
        inner = window.inner(shape.columns);
        let first = (inner.start * window.stride).saturating_sub(window.pad) * 3;
        let outs = rows[inner.start * k..inner.end * k].chunks_exact_mut(k);
        copy([a, b, c].map(|row| row.get(first..).unwrap_or_default()), window.stride * 3, outs);
    }
    for column in (0..inner.start).chain(inner.end..columns) {
        for (i, out) in rows[column * k..][..window.kernel * line].chunks_exact_mut(line).enumerate() {
            for (j, out) in out.chunks_exact_mut(shape.stride).enumerate() {
                out.copy_from_slice(match (source(i), window.source(column, j, shape.columns)) {
                    (Some(source), Some(at)) => &source[at * shape.stride..][..shape.stride],
                    _ => border,
                });
            }
        }
    }
}

/// Copies nine bytes of each of three rows, `step` bytes further each time, into each of `outs`.
fn copy<'a>([a, b, c]: [&[u8]; 3], step: usize, outs: impl Iterator<Item = &'a mut [u8]>) {
    // With one length for all three, each window needs one bounds check.
    let length = a.len().min(b.len()).min(c.len());
    let (a, b, c) = (&a[..length], &b[..length], &c[..length]);
    let mut at = 0;
    for out in outs {
        let out: &mut [u8; 27] = out.first_chunk_mut().expect("space for a window");
        out[..9].copy_from_slice(&a[at..at + 9]);
        out[9..18].copy_from_slice(&b[at..at + 9]);
        out[18..].copy_from_slice(&c[at..at + 9]);
        at += step;
    }
}

/// Pixels of the result have `stride` bytes, of which those beyond the tensor's own become 0.
fn max_pool(x: &[u8], shape: &Shape, out: &mut [u8], stride: usize) {
    let line = shape.columns * shape.stride;
    let wide = shape.columns / 2 * stride;
    for (pair, out) in x.chunks_exact(2 * line).zip(out.chunks_exact_mut(wide)) {
        let (above, below) = pair.split_at(line);
        let (above, below) = (above.chunks_exact(2 * shape.stride), below.chunks_exact(2 * shape.stride));
        for ((above, below), out) in above.zip(below).zip(out.chunks_exact_mut(stride)) {
            let ((a, b), (c, d)) = (above.split_at(shape.stride), below.split_at(shape.stride));
            let (out, more) = out.split_at_mut(shape.stride);
            more.fill(0);
            for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *out = *a.max(b).max(c.max(d));
            }
        }
    }
}
