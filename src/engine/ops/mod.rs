//! Operators of our own inside tract, and the way from a parsed graph to one that runs.

mod blocks;
mod dense;
mod depthwise;
mod prelu;
mod quant;
mod segment;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::Arithmetic;
pub(super) use blocks::Coverage;

/// tract's ONNX reader with our operators in the places of its own.
pub(super) fn framework() -> tract_onnx::Onnx {
    let mut reader = onnx();
    reader.op_register.insert("QuantizeLinear", quant::quantize);
    reader.op_register.insert("DequantizeLinear", quant::dequantize);
    reader.op_register.insert("PRelu", prelu::build);
    reader
}

/// A graph that is ready to run.
pub(super) struct Lowered {
    pub(super) runnable: Arc<TypedRunnableModel>,
    /// Whether it takes u8 pixels (rows, columns, channels) instead of f32 NCHW.
    pub(super) takes_pixels: bool,
    /// What is computed in integers, if anything was meant to be.
    pub(super) coverage: Option<Coverage>,
}

/// Chooses the arithmetic and lets tract plan the rest.
pub(super) fn lower(graph: InferenceModel, arithmetic: Arithmetic) -> TractResult<Lowered> {
    let mut graph = graph.into_typed()?;
    let mut coverage = None;
    match arithmetic {
        Arithmetic::Integer(isa) => coverage = Some(blocks::replace(&mut graph, isa)?),
        Arithmetic::Float => quant::fold_activations(&mut graph)?,
        Arithmetic::Emulated => {}
    }
    if let Some(whole) = blocks::on_pixels(&graph)? {
        return Ok(Lowered { runnable: whole.into_runnable()?, takes_pixels: true, coverage });
    }
    dense::replace_covering(&mut graph)?;
    quant::decode_weights(&mut graph)?;
    let mut graph = graph.into_decluttered()?;
    depthwise::replace_strided(&mut graph)?;
    Ok(Lowered { runnable: graph.into_optimized()?.into_runnable()?, takes_pixels: false, coverage })
}

/// Constant input number `index` of a node that is being wired.
fn constant(model: &TypedModel, inputs: &[OutletId], index: usize) -> TractResult<Arc<Tensor>> {
    let outlet = inputs.get(index).with_context(|| format!("input {index} is missing"))?;
    model.outlet_fact(*outlet)?.konst.clone().with_context(|| format!("input {index} must be constant"))
}
