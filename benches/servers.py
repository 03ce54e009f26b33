#!/usr/bin/env python3
"""The cost of extract_and_compare: this service, and servers that an integrator would write around OpenCV and onnxruntime.

    benches/servers.py FACEPLATE [--rounds N] [--requests N] [--pictures A B]

It installs what it needs from PyPI into target/bench-servers. All three servers answer the same requests (two pictures, one score) with the
same weights: YuNet, in a picture of 320 pixels at most, and SFace. The others have them in floats, which is how these models are published
and what the two libraries are fastest with here, and threads as they choose. They are the smaller job: this service also looks a second time at
each face, refuses bad samples, and limits what a request may cost. In each round every server is started, asked once, and then asked by
one client; the score of each is printed, since a server that sees something else does not do the same job.

Medians and ranges over the rounds: processor milliseconds of the whole process and wall milliseconds for a request, and memory afterwards.
"""

import argparse
import http.server
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target/bench-servers"
PACKAGES = ["numpy==2.4.6", "onnx==1.22.0", "onnxruntime==1.23.2", "opencv-python-headless==5.0.0.93"]
DETECTOR, EMBEDDER = "face_detection_yunet_2023mar", "face_recognition_sface_2021dec"
SIDE = 320  # longest side of the picture that is searched
SCORE, OVERLAP = 0.7, 0.3  # of a face that counts, and of two that are one
BOUNDARY = b"between-two-pictures"
PORT = 18470


# --- models


def write_models():
    """The shipped weights in floats, as OpenCV's face module wants them."""
    import onnx
    from onnx import helper

    sys.path.insert(0, str(ROOT / "benches"))
    from floats import floats

    for name, side in ((DETECTOR, SIDE), (EMBEDDER, 112)):
        model = floats(onnx.load(ROOT / f"models-quantized/{name}.int8.onnx"), side)
        graph = model.graph
        for output in list(graph.output) if name == DETECTOR else []:
            # One row for each cell, and confidences instead of logits.
            channels = output.type.tensor_type.shape.dim[1].dim_value
            last = output.name + "_map"
            for node in graph.node:
                node.output[:] = [last if made == output.name else made for made in node.output]
                node.input[:] = [last if taken == output.name else taken for taken in node.input]
            if output.name[:3] in ("cls", "obj"):
                graph.node.append(helper.make_node("Sigmoid", [last], [last + "_sure"]))
                last += "_sure"
            shape = helper.make_tensor(output.name + "_shape", onnx.TensorProto.INT64, [3], [1, -1, channels])
            graph.initializer.append(shape)
            graph.node.append(helper.make_node("Transpose", [last], [last + "_rows"], perm=[0, 2, 3, 1]))
            graph.node.append(helper.make_node("Reshape", [last + "_rows", shape.name], [output.name]))
            cells = (SIDE // int(output.name.split("_")[1])) ** 2
            graph.output.remove(output)
            graph.output.append(helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [1, cells, channels]))
        onnx.save(model, WORK / f"{name}.onnx")


# --- the other servers


def searched(picture):
    """The picture in a square that is searched, and how many times smaller it is there."""
    import cv2
    import numpy as np

    times = max(picture.shape[:2]) / SIDE
    small = cv2.resize(picture, (round(picture.shape[1] / times), round(picture.shape[0] / times)), interpolation=cv2.INTER_AREA)
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, times


def of_opencv():
    """From picture to embedding with OpenCV's face module."""
    import cv2

    detector = cv2.FaceDetectorYN.create(str(WORK / f"{DETECTOR}.onnx"), "", (SIDE, SIDE), SCORE, OVERLAP)
    recognizer = cv2.FaceRecognizerSF.create(str(WORK / f"{EMBEDDER}.onnx"), "")

    def embedding(picture):
        small, times = searched(picture)
        faces = detector.detect(small)[1]
        face = max(faces, key=lambda face: face[2] * face[3]).copy()
        face[:14] *= times
        return recognizer.feature(recognizer.alignCrop(picture, face)).flatten()

    return embedding


def of_onnxruntime():
    """The same with onnxruntime; OpenCV only decodes, resizes and warps."""
    import cv2
    import numpy as np
    import onnxruntime

    session = lambda name: onnxruntime.InferenceSession(str(WORK / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    detector, recognizer = session(DETECTOR), session(EMBEDDER)
    names = [output.name for output in detector.get_outputs()]
    # Where SFace expects eyes, nose and corners of the mouth (ArcFace's template).
    target = np.float32([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])

    def tensor(picture, bgr):
        return np.ascontiguousarray((picture if bgr else picture[:, :, ::-1]).transpose(2, 0, 1)[None], np.float32)

    def points(small):
        maps = dict(zip(names, detector.run(None, {detector.get_inputs()[0].name: tensor(small, True)})))
        boxes, scores, found = [], [], []
        for stride in (8, 16, 32):
            cls, obj, box, kps = (maps[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps"))
            score = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
            for cell in np.flatnonzero(score > SCORE):
                at = np.array([cell % (SIDE // stride), cell // (SIDE // stride)])
                center, size = (at + box[cell, :2]) * stride, np.exp(box[cell, 2:]) * stride
                boxes.append([*(center - size / 2), *size])
                scores.append(float(score[cell]))
                found.append((at + kps[cell].reshape(5, 2)) * stride)
        kept = cv2.dnn.NMSBoxes(boxes, scores, SCORE, OVERLAP)
        return found[max(kept, key=lambda i: boxes[i][2] * boxes[i][3])]

    def embedding(picture):
        small, times = searched(picture)
        transform, _ = cv2.estimateAffinePartial2D(np.float32(points(small) * times), target, method=cv2.LMEDS)
        crop = cv2.warpAffine(picture, transform, (112, 112))
        return recognizer.run(None, {recognizer.get_inputs()[0].name: tensor(crop, False)})[0].flatten()

    return embedding


def serve(kind):
    import cv2
    import numpy as np

    embedding = {"opencv": of_opencv, "onnxruntime": of_onnxruntime}[kind]()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            files = [part.partition(b"\r\n\r\n")[2][:-2] for part in body.split(b"--" + BOUNDARY)[1:-1]]
            a, b = (embedding(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)) for file in files)
            score = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            reply = json.dumps({"score": score}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


# --- the measurement


class Server:
    """A running one."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, body):
        url = f"http://127.0.0.1:{PORT}/v1/face/pattern/extract_and_compare"
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        return urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=60).read()

    def first(self, body):
        """The first answer, as soon as there is one."""
        for _ in range(600):
            try:
                return json.loads(self.ask(body))["score"]
            except urllib.error.HTTPError as error:
                raise SystemExit(error.read().decode())
            except OSError:
                time.sleep(0.05)
        raise SystemExit("it does not start")

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def measured(command, body, requests):
    """Score, processor ms, wall ms, MB."""
    server = Server(command)
    try:
        score = server.first(body)
        for _ in range(5):
            server.ask(body)
        cpu, start = server.cpu_s(), time.monotonic()
        for _ in range(requests):
            server.ask(body)
        wall = time.monotonic() - start
        return score, (server.cpu_s() - cpu) / requests * 1e3, wall / requests * 1e3, server.memory()
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("faceplate", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=60)
    pictures = [ROOT / "tests/pictures" / name for name in ("collins.jpg", "hopper.jpg")]
    parser.add_argument("--pictures", type=pathlib.Path, nargs=2, default=pictures)
    options = parser.parse_args()
    python = WORK / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
    subprocess.run([python, __file__, "--write-models"], check=True)
    part = b'--%s\r\nContent-Disposition: form-data; name="sample_%d"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n'
    parts = [part % (BOUNDARY, number + 1, file.read_bytes()) for number, file in enumerate(options.pictures)]
    body = b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"
    commands = {
        "faceplate": [options.faceplate.resolve(), "serve", "--listen", f"127.0.0.1:{PORT}"],
        "OpenCV": [python, __file__, "--serve", "opencv"],
        "onnxruntime": [python, __file__, "--serve", "onnxruntime"],
    }
    rounds = [{name: measured(command, body, options.requests) for name, command in commands.items()} for _ in range(options.rounds)]
    spread = lambda values, digits: f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
    print(f"{'':12} {'score':>6}  {'processor ms':24} {'wall ms':24} {'MB':22} faceplate's processor time to it")
    for name in commands:
        score, cpu, wall, memory = ([one[name][at] for one in rounds] for at in range(4))
        ratios = [one["faceplate"][1] / one[name][1] for one in rounds]
        print(f"{name:12} {score[0]:6.2f}  {spread(cpu, 1):24} {spread(wall, 1):24} {spread(memory, 0):22} {spread(ratios, 2)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    elif sys.argv[1:] == ["--write-models"]:
        write_models()
    else:
        main()
