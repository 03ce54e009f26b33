//! Reads one block of a graph: translates it to layers of `engine/int8`, or says why it cannot.

use std::collections::HashMap;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cnn::conv::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::cnn::{MaxPool, PaddingSpec};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer, Sigmoid};

use super::prelu::PRelu;
use super::quant::{Dequantize, Quantize};
use crate::engine::int8::{self, Builder, Excite, Isa, Layer, Shape, Stored, TensorId, Unsupported};

/// Neighboring blocks that become one operator.
pub(super) struct Draft {
    pub(super) builder: Builder,
    /// Stored tensors that other operators make.
    pub(super) inputs: Vec<OutletId>,
    /// Tensors that blocks end in.
    pub(super) made: Vec<(OutletId, TensorId)>,
    tensors: HashMap<OutletId, TensorId>,
}

impl Draft {
    /// A draft without blocks.
    pub(super) fn new(isa: Isa) -> Self {
        Self { builder: Builder::new(isa), inputs: vec![], made: vec![], tensors: HashMap::new() }
    }
}

/// Whether a node only stores the graph's input, without computing anything.
pub(super) fn is_input(model: &TypedModel, node: &TypedNode) -> bool {
    node.op_is::<Quantize>() && model.inputs.contains(&node.inputs[0])
}

/// Reads one block.
pub(super) struct Reader<'a, 'd> {
    model: &'a TypedModel,
    draft: &'d mut Draft,
}

/// The second input of a convolution's block.
struct Residual {
    tensor: TensorId,
    /// Whether it is added before the activation.
    add_first: bool,
}

type Fit<T> = Result<T, Unsupported>;

fn unfit<T>(why: impl Into<String>) -> Fit<T> {
    Err(Unsupported(why.into()))
}

impl<'a, 'd> Reader<'a, 'd> {
    /// A reader for blocks of this graph.
    pub(super) fn new(model: &'a TypedModel, draft: &'d mut Draft) -> Self {
        Self { model, draft }
    }

    /// Adds the block that ends in `node` to the draft, or says why there is no layer for it.
    pub(super) fn read(&mut self, node: &TypedNode) -> Fit<()> {
        let tensor = self.block(node).and_then(|tensor| self.same_shape(tensor, node))?;
        let outlet = OutletId::from(node.id);
        self.draft.tensors.insert(outlet, tensor);
        self.draft.made.push((outlet, tensor));
        Ok(())
    }

    /// The tensor that the block makes.
    fn block(&mut self, node: &TypedNode) -> Fit<TensorId> {
        let (end, stored) = match node.op_as::<Quantize>() {
            Some(op) => (self.model.node(node.inputs[0].node), Some(op.0.stored(self.channels(node.inputs[0])?)?)),
            None => (node, None),
        };
        let (sum, slopes) = self.activation(end)?;
        if let (Some([a, b]), Some(slopes)) = (self.operands::<Add>(sum), &slopes) {
            for (a, b) in [(a, b), (b, a)] {
                let Ok(other) = self.tensor(b) else { continue };
                let residual = Residual { tensor: other, add_first: true };
                return self.conv(self.model.node(a.node), Some(slopes.clone()), Some(residual), stored);
            }
            return unfit("an activation of a sum of two tensors that are not stored");
        }
        let Some([a, b]) = self.operands::<Add>(end) else {
            return self.conv(sum, slopes, None, stored);
        };
        for (a, b) in [(a, b), (b, a)] {
            let Ok(other) = self.tensor(b) else { continue };
            if let Ok(tensor) = self.tensor(a) {
                return self.draft.builder.add(tensor, other, stored);
            }
            let node = self.model.node(a.node);
            if let Some(small) = self.doubled(node)? {
                return self.draft.builder.add(other, small, stored);
            }
            return match self.operands::<Mul>(node) {
                Some([x, gate]) => self.excite(x, gate, other, stored),
                None => {
                    let (node, slopes) = self.activation(node)?;
                    self.conv(node, slopes, Some(Residual { tensor: other, add_first: false }), stored)
                }
            };
        }
        unfit("a sum of two tensors that are not stored")
    }

    /// The tensor, if its shape is the one that tract inferred for the output of `node`.
    fn same_shape(&self, tensor: TensorId, node: &TypedNode) -> Fit<TensorId> {
        let (ours, theirs) = (self.draft.builder.shape(tensor), self.shape(node.id.into())?);
        let same = theirs[..] == [1, ours.channels, ours.rows, ours.columns];
        if same { Ok(tensor) } else { unfit("a block that makes another shape than its layers") }
    }

    /// A convolution with an activation of these slopes.
    fn conv(
        &mut self,
        node: &TypedNode,
        slopes: Option<Vec<f32>>,
        residual: Option<Residual>,
        stored: Option<Stored>,
    ) -> Fit<TensorId> {
        let Some(op) = node.op_as::<Conv>() else { return unfit(format!("{} is no layer of ours", node.op.name())) };
        let pool = &op.pool_spec;
        let from = self.tensor(node.inputs[0])?;
        let is_depthwise = op.group == pool.input_channels && op.group == pool.output_channels;
        let weights = self.weights(node.inputs[1], is_depthwise)?;
        let side = |values: &[usize]| values.iter().all(|v| *v == values[0]).then_some(values[0]);
        let pad = match &pool.padding {
            PaddingSpec::Explicit(before, after) if before == after => side(before),
            PaddingSpec::Valid => Some(0),
            _ => None,
        };
        let plain = op.q_params.is_none()
            && op.kernel_fmt == KernelFormat::OIHW
            && pool.data_format == DataFormat::NCHW
            && pool.dilations().iter().all(|d| *d == 1)
            && pool.kernel_shape.len() == 2
            && (is_depthwise || op.group == 1);
        let (Some(kernel), Some(stride), Some(pad), true) =
            (side(&pool.kernel_shape), side(&pool.strides()), pad, plain)
        else {
            return unfit("a convolution of an unusual kind");
        };
        let bias = self.floats(node.inputs[2])?;
        let wide = |values: Vec<f32>| if values.len() == 1 { vec![values[0]; pool.output_channels] } else { values };
        let conv = int8::Conv {
            weights: weights.0,
            scale: wide(weights.1),
            input_scale: weights.2,
            bias: wide(bias),
            slopes: slopes.unwrap_or_else(|| vec![1.0; pool.output_channels]),
            is_depthwise,
            kernel,
            stride,
            pad,
            add_first: residual.as_ref().is_some_and(|r| r.add_first),
        };
        self.draft.builder.conv(&conv, from, residual.map(|r| r.tensor), stored)
    }

    /// The input of an activation, and its factors of negative values.
    fn activation(&self, node: &'a TypedNode) -> Fit<(&'a TypedNode, Option<Vec<f32>>)> {
        let before = |input: usize| self.model.node(node.inputs[input].node);
        if let Some(op) = node.op_as::<PRelu>() {
            return Ok((before(0), Some(floats(&op.slopes)?)));
        }
        match self.operands::<Max>(node) {
            Some([a, b]) if self.floats(b).is_ok_and(|v| v.iter().all(|v| *v == 0.0)) => {
                let channels = self.channels(a)?;
                Ok((self.model.node(a.node), Some(vec![0.0; channels])))
            }
            _ => Ok((node, None)),
        }
    }

    /// `x * sigmoid(layer(relu(layer(mean of x)))) + other`
    fn excite(&mut self, x: OutletId, gate: OutletId, other: TensorId, stored: Option<Stored>) -> Fit<TensorId> {
        let (x, gate) = if self.tensor(x).is_ok() { (x, gate) } else { (gate, x) };
        let from = self.tensor(x)?;
        let node = |outlet: OutletId| self.model.node(outlet.node);
        let sigmoid = node(gate);
        let is_sigmoid = sigmoid.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Sigmoid>());
        if !is_sigmoid || self.shape(gate)?[..] != [1, self.channels(x)?, 1, 1] {
            return unfit("a product of two tensors");
        }
        let (excite, between) = self.layer(node(sigmoid.inputs[0]))?;
        let (relu, slopes) = self.activation(node(between))?;
        if slopes.is_none_or(|s| s.iter().any(|s| *s != 0.0)) {
            return unfit("a gate without ReLU");
        }
        let (squeeze, mean) = self.layer(relu)?;
        if !self.is_mean_of(node(mean), x) {
            return unfit("a gate that is not made of means");
        }
        self.draft.builder.excite(&Excite { squeeze, excite }, from, other, stored)
    }

    /// A 1x1 convolution of one pixel in floats, and its input.
    fn layer(&self, node: &TypedNode) -> Fit<(Layer, OutletId)> {
        let Some(op) = node.op_as::<Conv>() else { return unfit("a gate that is no fully connected layer") };
        let one = op.group == 1 && op.pool_spec.kernel_shape.iter().all(|k| *k == 1);
        if !one || self.shape(node.inputs[0])?[2..] != [1, 1] {
            return unfit("a gate of an unusual kind");
        }
        let layer = Layer { weights: self.floats(node.inputs[1])?, bias: self.floats(node.inputs[2])? };
        if layer.bias.len() != op.pool_spec.output_channels || layer.bias.is_empty() {
            return unfit("a gate without a bias for each output");
        }
        Ok((layer, node.inputs[0]))
    }

    /// Whether `node` is the mean of `x` over rows and columns.
    fn is_mean_of(&self, node: &TypedNode, x: OutletId) -> bool {
        let is_quotient = node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Div>());
        let (&[sum, count], true) = (&node.inputs[..], is_quotient) else { return false };
        let reduce = self.model.node(sum.node);
        let is_sum = reduce
            .op_as::<Reduce>()
            .is_some_and(|op| op.reducer == Reducer::Sum && op.axes.as_slice() == [2, 3] && reduce.inputs[0] == x);
        let pixels = self.shape(x).map_or(0, |s| s[2] * s[3]);
        is_sum && self.floats(count).is_ok_and(|v| v == [pixels as f32])
    }

    /// What `node` enlarges twofold by repeating pixels, if it does that: found by running it.
    fn doubled(&mut self, node: &TypedNode) -> Fit<Option<TensorId>> {
        let Some(scales) = node.inputs.get(1).filter(|_| node.op.name() == "Resize") else { return Ok(None) };
        if self.floats(*scales)? != [1.0, 1.0, 2.0, 2.0] {
            return Ok(None);
        }
        let tried = || -> TractResult<bool> {
            let x = Tensor::from_shape(&[1, 1, 2, 2], &[1.0f32, 2.0, 3.0, 4.0])?;
            let scales = tensor1(&[1.0f32, 1.0, 2.0, 2.0]);
            let Some(y) = node.op.eval_out_of_plan(tvec!(x.into_tvalue(), scales.into_tvalue()))? else {
                return Ok(false);
            };
            let want = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0];
            Ok(y[0].try_as_plain_ram()?.as_slice::<f32>()? == want)
        };
        if tried().unwrap_or(false) { self.tensor(node.inputs[0]).map(Some) } else { Ok(None) }
    }

    /// The stored tensor that `outlet` reads, possibly through pooling.
    fn tensor(&mut self, outlet: OutletId) -> Fit<TensorId> {
        let node = self.model.node(outlet.node);
        if let Some(op) = node.op_as::<Dequantize>() {
            let stored = node.inputs[0];
            let &[1, channels, rows, columns] = &self.shape(stored)?[..] else {
                return unfit("a tensor that is no map");
            };
            let Some(Quantize(written)) = self.model.node(stored.node).op_as() else {
                return unfit("a tensor that is not stored by QuantizeLinear");
            };
            if *written != op.0 {
                return unfit("a tensor that is read with other scales than it is stored with");
            }
            if let Some(tensor) = self.draft.tensors.get(&stored) {
                return Ok(*tensor);
            }
            // Pictures come as packed pixels.
            let packed = is_input(self.model, self.model.node(stored.node)) && channels == 3;
            let shape = if packed { Shape::packed } else { Shape::new }(rows, columns, channels);
            let tensor = self.draft.builder.input(shape, op.0.stored(channels)?);
            self.draft.inputs.push(stored);
            self.draft.tensors.insert(stored, tensor);
            return Ok(tensor);
        }
        if let Some(tensor) = self.draft.tensors.get(&outlet) {
            return Ok(*tensor);
        }
        let (pooling, channels) = match node.op_as::<Pad>() {
            Some(op) => (self.model.node(node.inputs[0].node), self.more_channels(op, node)?),
            None => (node, self.channels(outlet)?),
        };
        let Some(op) = pooling.op_as::<MaxPool>() else { return unfit("a tensor that is not stored") };
        let pool = &op.pool_spec;
        let zeros = |v: &[usize]| v.iter().all(|v| *v == 0);
        let unpadded = match &pool.padding {
            PaddingSpec::Explicit(a, b) | PaddingSpec::ExplicitOnnxPool(a, b, _) => zeros(a) && zeros(b),
            PaddingSpec::Valid => true,
            _ => false,
        };
        let halves = pool.kernel_shape.as_slice() == [2, 2] && pool.strides().as_ref() == [2, 2] && unpadded;
        if !halves || op.with_index_outputs.is_some() || pool.dilations().iter().any(|d| *d != 1) {
            return unfit("pooling of an unusual kind");
        }
        let from = self.tensor(pooling.inputs[0])?;
        let tensor = self.draft.builder.max_pool(from, channels)?;
        self.draft.tensors.insert(outlet, tensor);
        Ok(tensor)
    }

    /// Channels of a tensor to which only channels of zeros are added, after its own.
    fn more_channels(&self, op: &Pad, node: &TypedNode) -> Fit<usize> {
        let PadMode::Constant(value) = &op.mode else { return unfit("padding with something else than zeros") };
        let is_zero = value.cast_to_scalar::<f32>().is_ok_and(|v| v == 0.0);
        match op.pads[..] {
            [(0, 0), (0, more), (0, 0), (0, 0)] if is_zero => Ok(self.channels(node.inputs[0])? + more),
            _ => unfit("padding of rows or columns outside of a layer"),
        }
    }

    /// int8 weights, the factor of each row and, if there is one, that of each input.
    #[expect(clippy::type_complexity, reason = "three vectors that are taken apart at once")]
    fn weights(&self, outlet: OutletId, is_depthwise: bool) -> Fit<(Vec<i8>, Vec<f32>, Option<Vec<f32>>)> {
        let node = self.model.node(outlet.node);
        let (decode, input_scale) = match self.operands::<Mul>(node) {
            Some([weights, factor]) => (self.model.node(weights.node), Some(factor)),
            None => (node, None),
        };
        let Some(scale) = decode.op_as::<Dequantize>().and_then(Dequantize::symmetric_rows) else {
            return unfit("weights that are not i8 with a scale for each output");
        };
        let Some(weights) = self.constant(decode.inputs[0]) else { return unfit("weights that are not constant") };
        let weights = weights.try_as_plain_ram().and_then(|w| Ok(w.as_slice::<i8>()?.to_vec()));
        let weights = weights.map_err(|_| Unsupported("weights that are not i8".into()))?;
        // One for each input: axis 1, or 0 where every channel has its own input.
        let axis = usize::from(!is_depthwise);
        let input_scale = match input_scale {
            Some(factor) => {
                let (shape, kernel) = (self.shape(factor)?, self.shape(decode.inputs[0])?);
                let mut want = [1; 4];
                want[axis] = kernel[axis];
                if shape[..] != want {
                    return unfit("weights with factors of an unusual shape");
                }
                Some(self.floats(factor)?)
            }
            None => None,
        };
        Ok((weights, floats(&scale)?, input_scale))
    }

    /// The two inputs of a binary operator, a constant second.
    fn operands<T: BinMiniOp>(&self, node: &TypedNode) -> Option<[OutletId; 2]> {
        let is_op = node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<T>());
        let &[a, b] = &node.inputs[..] else { return None };
        is_op.then(|| if self.constant(a).is_some() { [b, a] } else { [a, b] })
    }

    fn constant(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        let node = self.model.node(outlet.node);
        let wanted = self.model.outlet_fact(outlet).ok()?.datum_type;
        let is_cast = node.op.name() == "Cast" && node.inputs.len() == 1;
        let outlet = if is_cast { node.inputs[0] } else { outlet };
        let constant = self.model.outlet_fact(outlet).ok()?.konst.clone();
        constant.filter(|c| c.datum_type() == wanted)
    }

    fn floats(&self, outlet: OutletId) -> Fit<Vec<f32>> {
        let constant = self.constant(outlet).ok_or_else(|| Unsupported("a value that is not constant".into()))?;
        floats(&constant)
    }

    fn shape(&self, outlet: OutletId) -> Fit<TVec<usize>> {
        let fact = self.model.outlet_fact(outlet).map_err(|e| Unsupported(e.to_string()))?;
        let shape = fact.shape.as_concrete().filter(|s| s.len() == 4 && !s.contains(&0));
        shape.map(Into::into).ok_or_else(|| Unsupported("a tensor that is no map of known size".into()))
    }

    fn channels(&self, outlet: OutletId) -> Fit<usize> {
        Ok(self.shape(outlet)?[1])
    }
}

fn floats(tensor: &Tensor) -> Fit<Vec<f32>> {
    let values = tensor.try_as_plain_ram().and_then(|t| Ok(t.as_slice::<f32>()?.to_vec()));
    values.map_err(|_| Unsupported("a constant that is not f32".into()))
}
