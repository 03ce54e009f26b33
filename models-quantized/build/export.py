"""Writes a quantized `Net` as standard ONNX: int8 weights behind DequantizeLinear, activations through pairs of
QuantizeLinear and DequantizeLinear at exactly the places where an int8 engine stores them."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper


def export(net, activations, weights, sides, producer):
    nodes, init, stored = [], [], {}

    def const(name, value):
        init.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def store(tensor, name, scale, zero):
        """QuantizeLinear + DequantizeLinear; per channel unless the tensor has one scale."""
        axis = {"axis": 1} if len(scale) > 1 else {}
        s = const(f"{name}.scale", (scale if axis else scale[0]).astype(np.float32))
        z = const(f"{name}.zero", (zero if axis else zero[0]).astype(np.uint8))
        nodes.append(helper.make_node("QuantizeLinear", [tensor, s, z], [f"{name}.u8"], name=f"{name}.quantize", **axis))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}.u8", s, z], [f"{name}.f32"], name=f"{name}.dequantize", **axis)
        )
        return f"{name}.f32"

    outputs = {tensor: name for name, tensor in net.outputs.items()}
    stored[net.input] = store(net.input, "input", np.ones(1), np.array([net.mean]))
    for number, block in enumerate(net.blocks):
        name = f"b{number:02}_{block.op}"
        inputs = [stored[i] for i in block.inputs]
        final = outputs.get(block.output, name)
        if block.op == "maxpool":
            nodes.append(helper.make_node("MaxPool", inputs, [name], name=name, kernel_shape=[2, 2], strides=[2, 2]))
            stored[block.output] = name
            continue
        if block.op == "upadd":
            up = const(f"{name}.factor", np.array([1, 1, 2, 2], np.float32))
            nodes.append(
                helper.make_node(
                    "Resize",
                    [inputs[1], "", up],
                    [f"{name}.up"],
                    name=f"{name}.up",
                    mode="nearest",
                    coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor",
                )
            )
            nodes.append(helper.make_node("Add", [inputs[0], f"{name}.up"], [final], name=name))
        else:
            w = weights[block.output]
            source = const(f"{name}.weight.s8", w.q)
            scale = const(f"{name}.weight.scale", w.scale.astype(np.float32))
            zero = const(f"{name}.weight.zero", np.zeros(len(w.scale), np.int8))
            kernel = f"{name}.weight"
            nodes.append(
                helper.make_node("DequantizeLinear", [source, scale, zero], [kernel], name=f"{kernel}.dequantize", axis=0)
            )
            if w.inward is not None:
                factor = const(f"{name}.weight.inward", (1 / w.inward).astype(np.float32)[None, :, None, None])
                nodes.append(helper.make_node("Mul", [kernel, factor], [f"{kernel}.f32"], name=f"{kernel}.rescale"))
                kernel = f"{kernel}.f32"
            plain = final if not block.relu and block.slopes is None else f"{name}.linear"
            nodes.append(
                helper.make_node(
                    "Conv",
                    [inputs[0], kernel, const(f"{name}.bias", w.bias)],
                    [plain],
                    name=f"{name}",
                    kernel_shape=list(block.weight.shape[2:]),
                    strides=[block.stride] * 2,
                    pads=[block.pad] * 4,
                    group=block.groups,
                )
            )
            if block.relu:
                nodes.append(helper.make_node("Relu", [plain], [final], name=f"{name}.relu"))
            if block.slopes is not None:
                slopes = const(f"{name}.slopes", block.slopes.reshape(-1, 1, 1))
                nodes.append(helper.make_node("PRelu", [plain, slopes], [final], name=f"{name}.prelu"))
        if block.output in activations:
            a = activations[block.output]
            stored[block.output] = store(final, name, a.scale, a.zero)
    shape = [1, 3, *sides]
    channels = {b.output: len(b.bias) for b in net.blocks if b.op == "conv"}
    graph = helper.make_graph(
        nodes,
        producer,
        [helper.make_tensor_value_info(net.input, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels[tensor], *output_sides(name, sides)])
            for name, tensor in net.outputs.items()
        ],
        init,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name=producer)
    model.ir_version = 8
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def output_sides(name, sides):
    """Symbols of their own for the maps of a net that takes any size; the one position of a net that does not."""
    return [f"{name}_{side}" for side in sides] if isinstance(sides[0], str) else [1, 1]
