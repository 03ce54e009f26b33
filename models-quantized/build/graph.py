"""A network as a list of fused blocks, and a numpy interpreter for it.

The nets are read from the packages' ONNX files; everything that can be folded is folded (weights stored in blocks of int8,
batch normalization, input scaling), so that what is left is what an int8 engine runs:

    conv      convolution + bias + activation (none, ReLU or PReLU) + a second input, if there is one: a residual is added
              before the sum is rounded, and where `add_first` is set before the activation. A fully connected layer is a
              conv that covers its input
    maxpool   2x2, stride 2; if it has `channels`, more channels of zeros follow
    upadd     nearest 2x upsampling of `low`, added to `x`
    excite    squeeze-excite: every channel of `x` times its gate, which two float layers make of the channels' means, plus
              the second input

Tensors are float32 CHW, one picture at a time: the detector sees pictures of two sizes.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import lite


@dataclass
class Block:
    op: str
    inputs: list
    output: str
    weight: np.ndarray = None  # (out, in / groups, kh, kw)
    bias: np.ndarray = None  # (out,)
    stride: int = 1
    pad: int = 0
    groups: int = 1
    relu: bool = False
    slopes: np.ndarray = None  # (out,) of a PReLU; may be negative or above 1
    add_first: bool = False  # whether the second input is added before the activation
    channels: int = None  # of a maxpool's output, if it has more than its input
    gate: tuple = ()  # of an excite: its two layers (ReLU, then sigmoid) as conv blocks

    @property
    def depthwise(self):
        return self.op == "conv" and self.weight.shape[1] == 1 and self.groups == self.weight.shape[0]

    @property
    def pointwise(self):
        return self.op == "conv" and self.groups == 1 and self.weight.shape[2:] == (1, 1)

    def activate(self, y):
        """The block's activation on an array whose first axis is the channel."""
        if self.relu:
            return np.maximum(y, 0)
        if self.slopes is not None:
            return np.where(y > 0, y, y * self.slopes.reshape((-1,) + (1,) * (y.ndim - 1)))
        return y


@dataclass
class Net:
    blocks: list
    input: str
    outputs: dict  # name in the exported file -> tensor
    mean: int  # pixel value that stands for zero; the net reads pixel - mean
    consumers: dict = field(default_factory=dict)

    def __post_init__(self):
        for block in self.blocks:
            for name in block.inputs:
                self.consumers.setdefault(name, []).append(block)

    def run(self, pixels, quantize=lambda name, x: x, weights=None, keep=None):
        """All tensors of one picture, `pixels` being u8 CHW. `quantize` sees every block output that is stored."""
        tensors = {self.input: pixels.astype(np.float32) - self.mean}
        for block in self.blocks:
            y = evaluate(block, [tensors[i] for i in block.inputs], weights)
            tensors[block.output] = quantize(block.output, y) if block.op != "maxpool" else y
        return tensors if keep is None else {k: tensors[k] for k in keep}


def evaluate(block, inputs, weights=None, activation=True):
    if block.op == "maxpool":
        c, h, w = inputs[0].shape
        pooled = inputs[0][:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2).max((2, 4))
        return np.pad(pooled, ((0, (block.channels or c) - c), (0, 0), (0, 0)))
    if block.op == "upadd":
        return inputs[0] + inputs[1].repeat(2, 1).repeat(2, 2)
    if block.op == "excite":
        squeeze, excite = block.gate
        logits = evaluate(excite, [evaluate(squeeze, [inputs[0].mean((1, 2), keepdims=True)])])
        return inputs[0] / (1 + np.exp(-logits)) + inputs[1]
    weight, bias = (weights or {}).get(block.output, (block.weight, block.bias))
    y = convolve(inputs[0], weight, block) + bias[:, None, None]
    if block.add_first:
        y = sum(inputs[1:], y)
        return block.activate(y) if activation else y
    y = block.activate(y) if activation else y
    return sum(inputs[1:], y)


def patches(x, block):
    """The k*k shifted views of `x` (CHW) that a conv reads, zero padded: (k*k, C, oh, ow)."""
    k, p, s = block.weight.shape[2], block.pad, block.stride
    x = np.pad(x, ((0, 0), (p, p), (p, p)))
    oh, ow = (x.shape[1] - k) // s + 1, (x.shape[2] - k) // s + 1
    return np.stack(
        [x[:, i : i + s * (oh - 1) + 1 : s, j : j + s * (ow - 1) + 1 : s] for i in range(k) for j in range(k)]
    )


def convolve(x, weight, block):
    out = weight.shape[0]
    if weight.shape[2:] == (1, 1) and block.stride == 1:
        return (weight.reshape(out, -1) @ x.reshape(x.shape[0], -1)).reshape(out, *x.shape[1:])
    views = patches(x, block)
    taps = weight.reshape(out, weight.shape[1], -1)
    if block.depthwise:
        y = views[0] * taps[:, 0, 0, None, None]
        for t in range(1, len(views)):
            y += views[t] * taps[:, 0, t, None, None]
        return y
    columns = views.transpose(1, 0, 2, 3).reshape(x.shape[0] * len(views), -1)
    return (weight.reshape(out, -1) @ columns).reshape(out, *views.shape[2:])


def fold_weights(model):
    """Initializers by name, with every DequantizeLinear and Reshape of constants already applied."""
    const = {t.name: t for t in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            const[node.output[0]] = node.attribute[0].t
        elif node.op_type in ("DequantizeLinear", "Reshape") and all(i in const for i in node.input):
            graph = onnx.helper.make_graph(
                [node],
                "fold",
                [],
                [onnx.helper.make_tensor_value_info(node.output[0], 1, None)],
                [named(const[i], i) for i in node.input],
            )
            value = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=model.opset_import)).run(None, {})[0]
            const[node.output[0]] = numpy_helper.from_array(np.ascontiguousarray(value), node.output[0])
        else:
            nodes.append(node)
    return nodes, {name: numpy_helper.to_array(t) for name, t in const.items()}


def named(tensor, name):
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def read_detector(path):
    """YuNet: the stored resize targets become a factor of two, and the tail that only moves data is left out, so that the
    net runs on any picture whose sides are multiples of 32 and answers with maps of logits."""
    nodes, const = fold_weights(onnx.load(path))
    tail = {"Transpose", "Reshape", "Sigmoid"}
    origin, blocks, low = {}, [], {}
    for node in nodes:
        src = node.input[0]
        if node.op_type == "Conv":
            blocks.append(conv_block(node, const))
        elif node.op_type == "Relu":
            last = next(b for b in blocks if b.output == src)
            last.relu, last.output = True, node.output[0]
        elif node.op_type == "MaxPool":
            blocks.append(Block("maxpool", [src], node.output[0]))
        elif node.op_type == "Resize":
            low[node.output[0]] = src
        elif node.op_type == "Add":
            blocks.append(Block("upadd", [node.input[0], low[node.input[1]]], node.output[0]))
        elif node.op_type in tail:
            origin[node.output[0]] = origin.get(src, src)
        else:
            raise SystemExit(f"{path}: no rule for {node.op_type}")
    names = [f"{kind}_{stride}" for stride in (8, 16, 32) for kind in ("cls", "obj", "bbox", "kps")]
    return Net(blocks, "input", {n: origin[n] for n in names}, mean=0)


def read_embedder(path):
    """SFace. Its input scaling (x - 127.5) / 128 goes into the first conv, on pixels minus 128, so that a stored pixel is an
    8-bit value with zero point 128; the last batch normalization goes into the layer behind it, which becomes a 7x7 conv."""
    nodes, const = fold_weights(onnx.load(path))
    blocks, alias, norm = [], {}, None
    resolve = lambda name: alias.get(name, name)
    for node in nodes:
        src = resolve(node.input[0])
        if node.op_type in ("Sub", "Mul"):
            assert const[node.input[1]] == {"Sub": 127.5, "Mul": 1 / 128}[node.op_type], "unexpected input scaling"
        if node.op_type in ("Sub", "Mul", "Dropout", "Flatten"):
            alias[node.output[0]] = src
        elif node.op_type == "Conv":
            block = conv_block(node, const)
            block.inputs = [src]
            blocks.append(block)
        elif node.op_type == "PRelu":
            last = blocks[-1]
            last.slopes, last.output = const[node.input[1]].reshape(-1).astype(np.float32), node.output[0]
        elif node.op_type == "BatchNormalization":
            gamma, beta, mu, var = (const[i].astype(np.float64) for i in node.input[1:5])
            k = gamma / np.sqrt(var + attributes(node).get("epsilon", 1e-5))
            if blocks[-1].output == src and blocks[-1].slopes is None:
                last = blocks[-1]
                last.weight = (last.weight * k[:, None, None, None]).astype(np.float32)
                last.bias = (last.bias * k + beta - mu * k).astype(np.float32)
                last.output = node.output[0]
            else:
                norm, alias[node.output[0]] = (k, beta - mu * k), src
        elif node.op_type == "Gemm":
            k, shift = norm
            weight = const[node.input[1]].astype(np.float64).reshape(-1, len(k), 7, 7)
            bias = const[node.input[2]] + (weight * shift[None, :, None, None]).sum((1, 2, 3))
            weight = (weight * k[None, :, None, None]).astype(np.float32)
            blocks.append(Block("conv", [src], node.output[0], weight, bias.astype(np.float32)))
            norm = None
        else:
            raise SystemExit(f"{path}: no rule for {node.op_type}")
    first = blocks[0]
    first.bias = (first.bias + 0.5 / 128 * first.weight.astype(np.float64).sum((1, 2, 3))).astype(np.float32)
    first.weight = first.weight / np.float32(128)
    return Net(blocks, "data", {"embedding": last.output}, mean=128)


def read_liveness(path):
    """MiniFASNetV2SE. Nothing nonlinear lies between its two last layers and the batch normalization between them, so that
    all three become one conv from 512 channels to the classes."""
    nodes, const = fold_weights(onnx.load(path))
    blocks, head = [], []
    for node in nodes:
        last = blocks[-1] if blocks else None
        if node.op_type == "Conv":
            blocks.append(conv_block(node, const))
        elif node.op_type == "PRelu":
            last.slopes, last.output = const[node.input[1]].reshape(-1), node.output[0]
        elif node.op_type == "Relu":
            last.relu = True
        elif node.op_type == "Sigmoid":
            blocks, gate = blocks[:-2], tuple(blocks[-2:])
        elif node.op_type == "Mul":
            blocks.append(Block("excite", [node.input[0]], node.output[0], gate=gate))
        elif node.op_type == "Add":
            assert last.output == node.input[1], "the residual is expected in front"
            last.inputs.append(node.input[0])
            last.output = node.output[0]
        elif node.op_type == "MatMul":
            head.append(const[node.input[1]].astype(np.float64))
        elif node.op_type == "BatchNormalization":
            gamma, beta, mu, var = (const[i].astype(np.float64) for i in node.input[1:5])
            k = gamma / np.sqrt(var + attributes(node)["epsilon"])
            shift = beta - mu * k
        elif node.op_type not in ("GlobalAveragePool", "Shape", "Gather", "Unsqueeze", "Concat", "Reshape"):
            raise SystemExit(f"{path}: no rule for {node.op_type}")
    weight, bias = ((head[0] * k) @ head[1]).T[:, :, None, None], shift @ head[1]
    blocks.append(Block("conv", [last.output], "classes", weight.astype(np.float32), bias.astype(np.float32)))
    return Net(blocks, "input", {"classes": "classes"}, mean=0)


def read_landmarks(path):
    """FaceMesh, a TensorFlow Lite file. Its input scaling x / 255 goes into the first conv. Its layers with a stride of 2 pad at the
    end only, kernels of the service at both. So all windows are turned by half a turn, and the net reads its crop upside down: the
    padding is at the beginning then, and that at the other end is never read, since all sides are even."""
    ops, source, outputs = lite.read(path)
    blocks = []
    for op in ops:
        made = {b.output: b for b in blocks}
        if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            depthwise = op.kind[0] == "D"
            weight = op.constants[1].transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))[:, :, ::-1, ::-1]
            pad = weight.shape[2] // 2 if op.options.Padding() == lite.SAME else 0
            groups = len(weight) if depthwise else 1
            stride = op.options.StrideH()
            weight = np.ascontiguousarray(weight)
            blocks.append(Block("conv", op.inputs[:1], op.output, weight, op.constants[2], stride, pad, groups))
        elif op.kind == "PRELU":
            block = made[op.inputs[0]]
            block.slopes, block.output = op.constants[1].reshape(-1), op.output
        elif op.kind == "MAX_POOL_2D":
            blocks.append(Block("maxpool", op.inputs, op.output))
        elif op.kind == "PAD":
            block = made[op.inputs[0]]
            block.channels, block.output = op.channels, op.output
        elif op.kind == "ADD":
            (block,) = [made[i] for i in op.inputs if made[i].op == "conv" and made[i].slopes is None]
            block.inputs = block.inputs + [i for i in op.inputs if i != block.output]
            block.output, block.add_first = op.output, True
        else:
            raise SystemExit(f"{path}: no rule for {op.kind}")
    blocks[0].weight = blocks[0].weight / np.float32(255)
    return Net(in_order(blocks, source), source, dict(zip(("points", "face"), outputs)), mean=0)


def in_order(blocks, source):
    """The blocks in an order in which each comes after those that it reads."""
    known, ordered = {source}, []
    while blocks:
        ready = next(b for b in blocks if known.issuperset(b.inputs))
        blocks = [b for b in blocks if b is not ready]
        ordered.append(ready)
        known.add(ready.output)
    return ordered


def conv_block(node, const):
    a = attributes(node)
    weight = const[node.input[1]].astype(np.float32)
    bias = const[node.input[2]].astype(np.float32) if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    return Block(
        "conv", [node.input[0]], node.output[0], weight, bias, a["strides"][0], a["pads"][0], a.get("group", 1)
    )
