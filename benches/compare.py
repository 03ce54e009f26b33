"""CPU time of one inference: this service, onnxruntime in floats and in int8, tract in floats; one thread each, in turn.

    compare.py FACEPLATE TRACT [--work DIR] [--rounds N] [--arithmetic NAME...]

FACEPLATE is the binary, TRACT the example of that name. All run the shipped models. onnxruntime cannot run convolutions on
activations with a scale for each channel in integers, so it gets what its own quantizer makes of the same weights: u8
activations with one scale a tensor, s8 weights with one a channel, as QDQ and as operators; the faster counts. Accuracy is not
compared. The figure for each is the least of all rounds; the spread is that of the ratios in the rounds.
"""

import argparse
import pathlib
import statistics
import subprocess
import time

import numpy as np
import onnxruntime

MODELS = {
    "detector": ("face_detection_yunet_2023mar", 320),
    "embedder": ("face_recognition_sface_2021dec", 112),
    "attack-model": ("face_liveness_minifasnetv2se", 128),
}
SHIPPED = pathlib.Path(__file__).resolve().parent.parent / "models-quantized"


def prepare(work, name, side):
    """Paths of the model in floats and quantized by onnxruntime, which are written once."""
    paths = [work / f"{name}.{kind}.onnx" for kind in ("float", "qdq", "operators")]
    if all(path.exists() for path in paths):
        return paths
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from floats import floats

    model = floats(onnx.load(SHIPPED / f"{name}.int8.onnx"), side)
    onnx.save(model, paths[0])

    class Noise(CalibrationDataReader):
        def __init__(self):
            rng = np.random.default_rng(0)
            self.left = [rng.integers(0, 256, (1, 3, side, side)).astype(np.float32) for _ in range(4)]

        def get_next(self):
            return {model.graph.input[0].name: self.left.pop()} if self.left else None

    for path, form in zip(paths[1:], (QuantFormat.QDQ, QuantFormat.QOperator)):
        quantize_static(
            paths[0], path, Noise(), form, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8
        )
    return paths


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def of_onnxruntime(session, side, runs=20):
    """The least CPU milliseconds of an inference over some runs."""
    feed = {session.get_inputs()[0].name: np.zeros((1, 3, side, side), np.float32) + 77}
    session.run(None, feed)
    times = []
    for _ in range(runs):
        start = time.process_time()
        session.run(None, feed)
        times.append(time.process_time() - start)
    return min(times) * 1e3


def of_faceplate(binary, step, arithmetic, runs=20):
    command = [binary, "bench", "models", "--step", step, "--runs", str(runs)]
    command += ["--set", f"inference.arithmetic={arithmetic}"] if arithmetic else []
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return float(lines[1].split()[-3])


def of_tract(binary, path, side, runs=10):
    return float(subprocess.run([binary, path, str(side), str(runs)], capture_output=True, text=True, check=True).stdout.split()[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("faceplate")
    parser.add_argument("tract")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/compare"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arithmetic", nargs="*", default=[""])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for step, (name, side) in MODELS.items():
        paths = prepare(options.work, name, side)
        sessions = [session(path) for path in paths]
        times = {}
        for _ in range(options.rounds):
            for kind, opened in zip(("onnxruntime float", "onnxruntime QDQ", "onnxruntime operators"), sessions):
                times.setdefault(kind, []).append(of_onnxruntime(opened, side))
            times.setdefault("tract float", []).append(of_tract(options.tract, paths[0], side))
            for arithmetic in options.arithmetic:
                label = f"faceplate {arithmetic}".strip()
                times.setdefault(label, []).append(of_faceplate(options.faceplate, step, arithmetic))
        print(f"\n{name}, {side} pixels: ms of CPU, least of {options.rounds} rounds")
        for label, values in times.items():
            row = f"  {label:24} {min(values):8.2f}"
            if label.startswith("faceplate"):
                best = [min(pair) for pair in zip(times["onnxruntime QDQ"], times["onnxruntime operators"])]
                for other, others in (("onnxruntime int8", best), ("onnxruntime float", times["onnxruntime float"]), ("tract float", times["tract float"])):
                    ratios = sorted(a / b for a, b in zip(values, others))
                    row += f"   {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) of {other}"
            print(row)


if __name__ == "__main__":
    main()
