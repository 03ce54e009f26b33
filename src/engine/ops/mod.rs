//! Our own operators inside tract, and the lowering of a parsed graph to one that runs.

mod blocks;
mod prelu;
mod quant;
mod reader;
mod segment;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::Arithmetic;
use super::int8::Network;
pub(super) use blocks::Coverage;

/// tract's ONNX reader with our operators in place of its own.
pub(super) fn framework() -> tract_onnx::Onnx {
    let mut reader = onnx();
    reader.op_register.insert("QuantizeLinear", quant::quantize);
    reader.op_register.insert("DequantizeLinear", quant::dequantize);
    reader.op_register.insert("PRelu", prelu::build);
    reader
}

/// The executable form of a graph.
pub(super) enum Runnable {
    /// One integer network, which makes up the whole graph: it takes u8 pixels (rows, columns, channels).
    Whole(Arc<Network>),
    /// tract, with our operators: it takes f32 NCHW.
    Graph(Arc<TypedRunnableModel>),
}

/// A graph that is ready to run.
pub(super) struct Lowered {
    pub(super) runnable: Runnable,
    /// What is computed in integers; empty if integers were not asked for.
    pub(super) coverage: Coverage,
}

/// Applies the arithmetic and lets tract plan the rest. `mean` is the pixel value that stands for zero.
pub(super) fn lower(graph: InferenceModel, arithmetic: Arithmetic, mean: u8) -> TractResult<Lowered> {
    let mut graph = graph.into_typed()?;
    let mut coverage = Coverage::default();
    match arithmetic {
        Arithmetic::Integer(isa) => coverage = blocks::replace(&mut graph, isa)?,
        Arithmetic::Float => quant::fold_activations(&mut graph)?,
        Arithmetic::Emulated => {}
    }
    if let Some(network) = blocks::whole(&graph, mean) {
        return Ok(Lowered { runnable: Runnable::Whole(network), coverage });
    }
    quant::decode_weights(&mut graph)?;
    let graph = graph.into_decluttered()?;
    Ok(Lowered { runnable: Runnable::Graph(graph.into_optimized()?.into_runnable()?), coverage })
}

/// Constant input number `index` of a node that is being wired.
fn constant(model: &TypedModel, inputs: &[OutletId], index: usize) -> TractResult<Arc<Tensor>> {
    let outlet = inputs.get(index).with_context(|| format!("input {index} is missing"))?;
    model.outlet_fact(*outlet)?.konst.clone().with_context(|| format!("input {index} must be constant"))
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::NodeProto;
    use tract_onnx::tract_core::ops::math::add;

    use super::*;
    use crate::engine::{Isa, ModelSet, Role, self_test_picture};

    /// The detector after a change of its nodes.
    fn changed(arithmetic: Arithmetic, change: impl FnOnce(&mut Vec<NodeProto>)) -> Lowered {
        let models = ModelSet::embedded().expect("the embedded models");
        let reader = framework();
        let onnx = models.get(Role::Detector).onnx();
        let mut proto = reader.proto_model_for_read(&mut &*onnx).expect("the model can be read");
        change(&mut proto.graph.as_mut().expect("a graph").node);
        let mut graph = reader.model_for_proto_model(&proto).expect("the model can be parsed");
        graph.set_input_fact(0, f32::fact([1, 3, 96, 96]).into()).expect("an input");
        lower(graph, arithmetic, 0).expect("a plan")
    }

    /// A graph with a layer that the integer engine lacks: `Elu` in place of a ReLU in the middle.
    fn strange(arithmetic: Arithmetic) -> Lowered {
        changed(arithmetic, |nodes| {
            let relus: Vec<usize> = (0..nodes.len()).filter(|i| nodes[*i].op_type == "Relu").collect();
            nodes[relus[relus.len() / 2]].op_type = "Elu".into();
        })
    }

    #[test]
    fn a_tensor_that_is_read_with_another_scale_is_left_to_tract() {
        let lowered = changed(Arithmetic::Integer(Isa::best()), |nodes| {
            // Two layers with equally many channels.
            let [read, other] = ["b01_conv.dequantize", "b02_conv.dequantize"]
                .map(|name| nodes.iter().position(|n| n.name == name).expect("a node"));
            nodes[read].input[1] = nodes[other].input[1].clone();
        });
        let coverage = lowered.coverage;
        assert!(coverage.float.iter().any(|why| why.contains("other scales")), "{coverage:?}");
    }

    #[test]
    fn a_graph_of_many_ways_is_read_in_no_time() -> TractResult<()> {
        let mut model = TypedModel::default();
        let mut x = model.add_source("x", f32::fact([1, 16, 2, 2]))?;
        for i in 0..60 {
            x = model.wire_node(format!("double.{i}"), add(), &[x, x])?[0];
        }
        model.select_output_outlets(&[x])?;
        let coverage = blocks::replace(&mut model, Isa::PORTABLE)?;
        assert_eq!((coverage.integer, coverage.float.len()), (0, 1));
        Ok(())
    }

    #[test]
    fn a_layer_that_is_not_ours_is_run_by_tract_between_ours() -> TractResult<()> {
        let planes =
            |pixels: Vec<u8>| (0..3).flat_map(move |c| pixels.clone().into_iter().skip(c).step_by(3)).map(f32::from);
        let values: Vec<f32> = planes(self_test_picture(96)).collect();
        let input = Tensor::from_shape(&[1, 3, 96, 96], &values)?;
        let graph = |lowered: &Lowered| match &lowered.runnable {
            Runnable::Graph(graph) => Arc::clone(graph),
            Runnable::Whole(_) => panic!("all of it was taken"),
        };
        let run = |lowered: &Lowered| graph(lowered).run(tvec!(input.clone().into_tvalue()));
        let integer = strange(Arithmetic::Integer(Isa::best()));
        let coverage = &integer.coverage;
        assert!(coverage.integer > 20, "{coverage:?}");
        assert!(matches!(&coverage.float[..], [one] if one.contains("no layer of ours")), "{coverage:?}");
        // Segments read what other segments make: tract stores only the picture and the unsupported layer's output.
        let stores = graph(&integer).model().nodes.iter().filter(|n| n.op_is::<quant::Quantize>()).count();
        assert_eq!(stores, 2);
        let (mut energy, mut error) = (0.0, 0.0);
        for (a, b) in run(&integer)?.iter().zip(run(&strange(Arithmetic::Emulated))?.iter()) {
            assert_eq!(a.shape(), b.shape());
            let (a, b) = (a.try_as_plain_ram()?.as_slice::<f32>()?, b.try_as_plain_ram()?.as_slice::<f32>()?);
            energy += b.iter().map(|v| v * v).sum::<f32>();
            error += a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        }
        assert!(error < 1e-2 * energy, "{error} of {energy}");
        Ok(())
    }
}
