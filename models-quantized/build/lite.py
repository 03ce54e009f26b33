"""Reads the operators of a TensorFlow Lite file with float weights, in the order in which they run."""

from dataclasses import dataclass

import numpy as np
import tflite

SAME = tflite.Padding.SAME
NAMES = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "ADD": tflite.AddOptions,
}
TYPES = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.INT32: np.int32}


@dataclass
class Op:
    kind: str
    inputs: list  # names of tensors that are computed
    output: str
    channels: int  # of the output
    constants: dict  # position among the inputs -> array
    options: object  # None where the kind has none


def read(path):
    """The operators, the name of the input and those of the outputs."""
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    name = lambda i: f"t{i}"

    def constant(i):
        data = model.Buffers(tensors[i].Buffer())
        if not data.DataLength():
            return None
        return np.frombuffer(data.DataAsNumpy().tobytes(), TYPES[tensors[i].Type()]).reshape(tensors[i].ShapeAsNumpy())

    ops = []
    for op in (graph.Operators(i) for i in range(graph.OperatorsLength())):
        code = model.OperatorCodes(op.OpcodeIndex())
        kind = NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        values = [constant(i) for i in op.InputsAsNumpy()]
        options = OPTIONS[kind]() if kind in OPTIONS else None
        if options:
            options.Init(op.BuiltinOptions().Bytes, op.BuiltinOptions().Pos)
            assert options.FusedActivationFunction() == 0, "an activation inside another operator"
        inputs = [name(i) for i, value in zip(op.InputsAsNumpy(), values) if value is None]
        constants = {at: value for at, value in enumerate(values) if value is not None}
        shape = tensors[op.Outputs(0)].ShapeAsNumpy()
        ops.append(Op(kind, inputs, name(op.Outputs(0)), int(shape[-1]), constants, options))
    return ops, name(graph.Inputs(0)), [name(graph.Outputs(i)) for i in range(graph.OutputsLength())]
