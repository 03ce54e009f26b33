"""Post-training int8 quantization of a `Net`.

Activations: u8 with a scale and a zero point per channel, x = scale * (q - zero), rounded once, where they leave a block.
Weights: s8, symmetric, one scale per output row. For a conv that mixes channels the scale of the incoming channel is
multiplied into the weights before they are rounded, so that per-channel activations cost the arithmetic nothing.

Order of work: ranges from all calibration pictures; the scale of each tensor by a search over what its consumers make of
it; then, in network order, error-compensated rounding of the weights on inputs that are quantized already (GPTQ, Frantar
et al. 2022, for pointwise layers; coordinate descent for depthwise ones) and a correction of the bias so that the mean
of every output channel stays what it was in float.
"""

from dataclasses import dataclass

import numpy as np

from graph import evaluate, patches


@dataclass
class Activation:
    scale: np.ndarray  # (C,) or (1,) for one scale a tensor
    zero: np.ndarray  # like scale, integers 0..255

    def fake(self, x):
        shape = (-1,) + (1,) * (x.ndim - 1)
        s, z = self.scale.reshape(shape).astype(np.float32), self.zero.reshape(shape).astype(np.float32)
        return (np.clip(np.rint(x / s) + z, 0, 255) - z) * s


@dataclass
class Weight:
    q: np.ndarray  # int8 (out, in / groups, kh, kw)
    scale: np.ndarray  # (out,)
    inward: np.ndarray  # (in,) what was multiplied into the columns: weight = q * scale / inward; None for none
    bias: np.ndarray

    def dequantized(self):
        w = self.q.astype(np.float32) * self.scale.astype(np.float32)[:, None, None, None]
        return w if self.inward is None else w * (1 / self.inward).astype(np.float32)[None, :, None, None]


def quantize(net, pictures, tuned_on, columns=8, power=2.0):
    """(activations by tensor, weights by block output). `pictures` give the ranges, the first `tuned_on` the rounding."""
    stored = [b for b in net.blocks if b.op != "maxpool" and b.output not in net.outputs.values()]
    ranges, samples = observe(net, pictures, [b.output for b in stored], columns)
    activations = {b.output: choose(net, b, ranges[b.output], samples[b.output], power) for b in stored}
    return activations, round_weights(net, pictures[:tuned_on], activations)


def observe(net, pictures, names, columns):
    """Per tensor: minimum and maximum of each channel, and some randomly placed column vectors."""
    rng = np.random.default_rng(0)
    low, high, samples = {}, {}, {name: [] for name in names}
    for pixels in pictures:
        for name, x in net.run(pixels, keep=names).items():
            x = x.reshape(len(x), -1)
            low[name] = np.minimum(low.get(name, 0), x.min(1))
            high[name] = np.maximum(high.get(name, 0), x.max(1))
            samples[name].append(x[:, rng.choice(x.shape[1], columns)])
    return {n: (low[n], high[n]) for n in names}, {n: np.concatenate(s, 1) for n, s in samples.items()}


def consumers(net, name):
    """The convs whose weights meet the tensor, also through pooling, which keeps the quantization of its input."""
    for block in net.consumers.get(name, []):
        if block.op == "conv" and block.inputs[0] == name:
            yield block
        elif block.op == "maxpool":
            yield from consumers(net, block.output)


def choose(net, block, bounds, sample, power):
    """The activation scale: s_c = f * R * (r_c / R)^a / 255, r_c the range of channel c and R that of the tensor."""
    readers = list(consumers(net, block.output))
    if readers and all(b.depthwise for b in readers):
        return scales(*bounds, 1.0, 1.0)  # plain range of each channel: clipping harms (tails carry information)
    x = sample[:, :: max(1, sample.shape[1] // 1500)]
    pointwise = [(b, b.activate(b.weight.reshape(len(b.bias), -1) @ x + b.bias[:, None])) for b in readers if b.pointwise]
    dense = [b for b in readers if not b.pointwise and not b.depthwise]
    best = (np.inf, None)
    for a in (0, 0.25, 0.5, 0.75, 1):
        for f in (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
            candidate = scales(*bounds, a, f)
            xq = candidate.fake(x)
            error = 0.0 if readers else ((xq - x) ** 2).mean()
            for b, want in pointwise:
                w = nearest(b.weight, inward(candidate, x.shape[0])).dequantized().reshape(len(b.bias), -1)
                got = b.activate(w @ xq + b.bias[:, None])
                error += (abs(got - want) ** power).mean() / (abs(want) ** power).mean()
            for b in dense:
                energy = (b.weight.astype(np.float64) ** 2).sum((0, 2, 3))
                error += (((xq - x) ** 2) * energy[:, None]).mean()
            if error < best[0]:
                best = (error, candidate)
    return best[1]


def scales(low, high, a, f):
    low, high = np.minimum(low, 0).astype(np.float64), np.maximum(high, 0).astype(np.float64)
    if a == 0:
        scale = np.array([max(high.max() - low.min(), 1e-8) * f / 255])
        return Activation(scale, np.clip(np.rint(-low.min() * f / scale), 0, 255))
    whole = high.max() - low.min()
    span = np.maximum(high - low, 1e-3 * whole)
    scale = f * whole * np.minimum((span / whole) ** a, 1) / 255
    below = np.where(high > low, -low / np.maximum(high - low, 1e-12), 0)  # share of the range under zero
    return Activation(scale, np.clip(np.rint(255 * below), 0, 255))


def inward(activation, channels):
    return np.broadcast_to(activation.scale / activation.scale.max(), channels) if len(activation.scale) > 1 else None


def nearest(weight, v, bias=None):
    w = weight.astype(np.float64) if v is None else weight * v[None, :, None, None]
    scale = np.maximum(abs(w).max((1, 2, 3)), 1e-12) / 127
    q = np.clip(np.rint(w / scale[:, None, None, None]), -127, 127).astype(np.int8)
    return Weight(q, scale, v, bias)


def round_weights(net, pictures, activations):
    """Block by block in network order, each on the quantized outputs of those before it."""
    fake = lambda name, x: activations[name].fake(x) if name in activations else x
    exact = [{net.input: p.astype(np.float32) - net.mean} for p in pictures]
    quant = [dict(t) for t in exact]
    rng, done = np.random.default_rng(0), {}
    for at, block in enumerate(net.blocks):
        inputs = [[t[i] for i in block.inputs] for t in quant]
        if block.op == "conv":
            v = incoming(net, block, activations)
            w = nearest(block.weight, v)
            if block.depthwise:
                descend(block, w, [i[0] for i in inputs])
            elif block.pointwise:
                compensate(block, w, [i[0] for i in inputs], rng)
            weights = {block.output: (w.dequantized(), block.bias)}
            raw = lambda i, weights=None: evaluate(block, i, weights, activation=False).astype(np.float64).mean((1, 2))
            drift = np.mean([raw([t[i] for i in block.inputs]) for t in exact], 0)
            drift -= np.mean([raw(i, weights) for i in inputs], 0)
            w.bias = (block.bias + drift).astype(np.float32)
            done[block.output] = w
        weights = {k: (w.dequantized(), w.bias) for k, w in done.items() if k == block.output}
        needed = {i for b in net.blocks[at + 1 :] for i in b.inputs}
        for e, t, i in zip(exact, quant, inputs):
            e[block.output] = evaluate(block, [e[n] for n in block.inputs])
            y = evaluate(block, i, weights)
            t[block.output] = fake(block.output, y) if block.op != "maxpool" else y
            for tensors in (e, t):
                for name in [n for n in tensors if n not in needed]:
                    del tensors[name]
    return done


def incoming(net, block, activations):
    """Per-channel factor of the activation that the conv reads, None where it is one number or the conv is depthwise."""
    name = block.inputs[0]
    while name not in activations and name != net.input:
        name = next(b for b in net.blocks if b.output == name).inputs[0]  # through pooling
    if block.depthwise or name == net.input:
        return None
    return inward(activations[name], block.weight.shape[1])


def compensate(block, w, inputs, rng, damping=0.01, positions=196):
    """GPTQ: columns in falling order of energy, the error of each passed on to those that are still to be rounded."""
    flat = [x.reshape(len(x), -1) for x in inputs]
    picked = [x[:, rng.choice(x.shape[1], positions, replace=False)] if x.shape[1] > positions else x for x in flat]
    x = np.concatenate(picked, 1).astype(np.float64)
    target = block.weight.reshape(len(block.bias), -1).astype(np.float64)
    if w.inward is not None:
        target, x = target * w.inward, x / w.inward[:, None]
    hessian = x @ x.T / x.shape[1]
    hessian += np.eye(len(hessian)) * damping * np.diag(hessian).mean()
    order = np.argsort(-np.diag(hessian), kind="stable")
    upper = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    target = target[:, order].copy()
    q = np.empty_like(target)
    for i in range(len(order)):
        q[:, i] = np.clip(np.rint(target[:, i] / w.scale), -127, 127)
        error = (target[:, i] - q[:, i] * w.scale) / upper[i, i]
        target[:, i + 1 :] -= error[:, None] * upper[i, i + 1 :]
    w.q.reshape(len(q), -1)[:, order] = q.astype(np.int8)


def descend(block, w, inputs, sweeps=6):
    """Coordinate descent on the k*k weights of each channel under the second moments of the patches that they see."""
    moments = 0
    for x in inputs:
        views = patches(x, block)
        views = views.reshape(len(views), len(x), -1).transpose(1, 0, 2).astype(np.float64)
        moments = moments + views @ views.transpose(0, 2, 1) / views.shape[2]
    moments = moments / len(inputs)
    k = moments.shape[1]
    moments += np.eye(k) * 1e-3 * np.trace(moments, axis1=1, axis2=2)[:, None, None] / k
    target = block.weight.reshape(-1, k).astype(np.float64)
    q = w.q.reshape(-1, k).astype(np.float64)
    for _ in range(sweeps):
        before = q.copy()
        for i in range(k):
            off = q * w.scale[:, None] - target
            pull = (moments[:, i] * off).sum(1) - moments[:, i, i] * off[:, i]
            q[:, i] = np.clip(np.rint((target[:, i] - pull / np.maximum(moments[:, i, i], 1e-12)) / w.scale), -127, 127)
        if (q == before).all():
            break
    w.q.reshape(-1, k)[:] = q.astype(np.int8)
