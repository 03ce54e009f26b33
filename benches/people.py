#!/usr/bin/env python3
"""Searches the same vectors with `faceplate bench people` and with faiss, one thread each, in turn: benches/people.py BINARY.

Needs faiss-cpu and numpy of PyPI. The vectors are unit vectors of 128 dimensions as int8, three for each of 100,000 people, and probes near
some of them. faiss searches exact inner products (IndexFlatIP) of floats, and its int8 scalar quantizer (QT_8bit_direct_signed).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

import faiss
import numpy as np

ROUNDS, PEOPLE, TEMPLATES, PROBES = 5, 100_000, 3, 16
binary = sys.argv[1]
faiss.omp_set_num_threads(1)
noise = np.random.default_rng(7)
people = noise.standard_normal((PEOPLE, 1, 128), np.float32)
vectors = (people + 0.6 * noise.standard_normal((PEOPLE, TEMPLATES, 128), np.float32)).reshape(-1, 128)
wanted = noise.choice(PEOPLE, PROBES, replace=False)
probes = people[wanted, 0] + 0.6 * noise.standard_normal((PROBES, 128), np.float32)
quantized = lambda rows: np.round(rows / np.abs(rows).max(axis=1, keepdims=True) * 127).astype(np.int8)
rows, probes = quantized(vectors), quantized(probes)
unit = lambda rows: (rows / np.linalg.norm(rows.astype(np.float32), axis=1, keepdims=True)).astype(np.float32)

flat = faiss.IndexFlatIP(128)
flat.add(unit(rows))
# The quantizer takes whole numbers; their lengths differ by a few percent, so that its first answer may be another.
scalar = faiss.IndexScalarQuantizer(128, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
scalar.add(rows.astype(np.float32))


def searched(index, probes):
    times, best = [], []
    for probe in probes:
        start = time.process_time()
        _, found = index.search(probe[None], 5)
        times.append(1e3 * (time.process_time() - start))
        best.append(f"p{found[0, 0] // TEMPLATES}")
    return statistics.median(times), best


with tempfile.NamedTemporaryFile() as file:
    file.write(rows.tobytes() + probes.tobytes())
    file.flush()
    ours, exact, rough = [], [], []
    for _ in range(ROUNDS):
        command = [binary, "bench", "people", "--vectors", file.name]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        ours.append(report["median_ms"])
        for index, queries, times in ((flat, unit(probes), exact), (scalar, probes.astype(np.float32), rough)):
            took, best = searched(index, queries)
            times.append(took)
right = sum(f"p{who}" == found for who, found in zip(wanted, report["best"]))
best_flat = searched(flat, unit(probes))[1]
print(f"first candidate: {right} of {PROBES} are right; {sum(a == b for a, b in zip(best_flat, report['best']))} are those of IndexFlatIP")
print(f"one search of {len(rows)} templates, ms, median of {ROUNDS} rounds in turn: ours {statistics.median(ours):.2f}, "
      f"IndexFlatIP {statistics.median(exact):.2f}, int8 {statistics.median(rough):.2f}")
for name, times in (("IndexFlatIP", exact), ("int8", rough)):
    ratios = sorted(a / b for a, b in zip(ours, times))
    print(f"to {name}: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
