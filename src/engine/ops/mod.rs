//! Operators of our own inside tract, and the way from a parsed graph to one that runs.

mod dense;
mod depthwise;
mod prelu;
mod quant;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::Arithmetic;

/// tract's ONNX reader with our operators in the places of its own.
pub(super) fn framework() -> tract_onnx::Onnx {
    let mut reader = onnx();
    reader.op_register.insert("QuantizeLinear", quant::quantize);
    reader.op_register.insert("DequantizeLinear", quant::dequantize);
    reader.op_register.insert("PRelu", prelu::build);
    reader
}

/// Chooses the arithmetic and lets tract plan the rest.
pub(super) fn lower(graph: InferenceModel, arithmetic: Arithmetic) -> TractResult<Arc<TypedRunnableModel>> {
    let mut graph = graph.into_typed()?;
    match arithmetic {
        Arithmetic::Float => quant::fold_activations(&mut graph)?,
        Arithmetic::Emulated => {}
    }
    dense::replace_covering(&mut graph)?;
    quant::decode_weights(&mut graph)?;
    let mut graph = graph.into_decluttered()?;
    depthwise::replace_strided(&mut graph)?;
    graph.into_optimized()?.into_runnable()
}

/// Constant input number `index` of a node that is being wired.
fn constant(model: &TypedModel, inputs: &[OutletId], index: usize) -> TractResult<Arc<Tensor>> {
    let outlet = inputs.get(index).with_context(|| format!("input {index} is missing"))?;
    model.outlet_fact(*outlet)?.konst.clone().with_context(|| format!("input {index} must be constant"))
}
