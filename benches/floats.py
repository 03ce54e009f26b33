"""Writes a model with its weights and activations in floats: QuantizeLinear and DequantizeLinear folded away.

    floats.py MODEL.int8.onnx FLOAT.onnx SIDE
"""

import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def floats(model, side):
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    alias, nodes = {}, []
    for node in graph.node:
        node.input[:] = [alias.get(name, name) for name in node.input]
        if node.op_type == "QuantizeLinear":
            alias[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
            stored, scale, _ = (constants[name] for name in node.input)
            constants[node.output[0]] = stored.astype(np.float32) * scale.reshape((-1,) + (1,) * (stored.ndim - 1))
        elif node.op_type == "DequantizeLinear":
            alias[node.output[0]] = node.input[0]
        elif node.op_type == "Mul" and all(name in constants for name in node.input):
            constants[node.output[0]] = constants[node.input[0]] * constants[node.input[1]]
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items() if k in used)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(graph.input[0].name, onnx.TensorProto.FLOAT, [1, 3, side, side]))
    return model


if __name__ == "__main__":
    source, target, side = sys.argv[1:]
    onnx.save(floats(onnx.load(source), int(side)), target)
