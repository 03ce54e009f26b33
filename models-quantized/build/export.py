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
            if block.channels:
                more = np.array([0, 0, 0, 0, 0, block.channels - channels_of(net, block.inputs[0]), 0, 0])
                stored[block.output] = f"{name}.wide"
                pads = const(f"{name}.pads", more.astype(np.int64))
                nodes.append(helper.make_node("Pad", [name, pads], [f"{name}.wide"], name=f"{name}.wide"))
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
        elif block.op == "excite":
            gate = f"{name}.mean"
            nodes.append(helper.make_node("GlobalAveragePool", [inputs[0]], [gate], name=gate))
            for layer, activation in zip(block.gate, ("Relu", "Sigmoid")):
                linear, act = f"{name}.{activation.lower()}.linear", f"{name}.{activation.lower()}"
                constants = [const(f"{linear}.weight", layer.weight), const(f"{linear}.bias", layer.bias)]
                nodes.append(helper.make_node("Conv", [gate, *constants], [linear], name=linear, kernel_shape=[1, 1]))
                nodes.append(helper.make_node(activation, [linear], [act], name=act))
                gate = act
            nodes.append(helper.make_node("Mul", [inputs[0], gate], [f"{name}.gated"], name=f"{name}.gated"))
            nodes.append(helper.make_node("Add", [f"{name}.gated", inputs[1]], [final], name=name))
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
            bias = const(f"{name}.bias", w.bias)
            after = [("Relu", [])] if block.relu else []
            if block.slopes is not None:
                after.append(("PRelu", [const(f"{name}.slopes", block.slopes.reshape(-1, 1, 1))]))
            sums = [("Add", [residual]) for residual in inputs[1:]]
            after = sums + after if block.add_first else after + sums
            values = [f"{name}.{step}" for step in ["linear", *(op.lower() for op, _ in after)]]
            values[-1] = final
            nodes.append(
                helper.make_node(
                    "Conv",
                    [inputs[0], kernel, bias],
                    [values[0]],
                    name=f"{name}",
                    kernel_shape=list(block.weight.shape[2:]),
                    strides=[block.stride] * 2,
                    pads=[block.pad] * 4,
                    group=block.groups,
                )
            )
            for (op, more), value, result in zip(after, values, values[1:]):
                nodes.append(helper.make_node(op, [value, *more], [result], name=f"{name}.{op.lower()}"))
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


def channels_of(net, tensor):
    return next(len(b.bias) for b in net.blocks if b.output == tensor)


def output_sides(name, sides):
    """Symbols of their own for the maps of a net that takes any size; the one position of a net that does not."""
    return [f"{name}_{side}" for side in sides] if isinstance(sides[0], str) else [1, 1]
