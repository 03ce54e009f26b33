"""Generates JPEGs of every layout that the service reads, and what libjpeg-turbo shows of each, by way of Pillow.

    jpegs.py DIR

Names say what is expected: `usual` pictures come near to the reference (another decoder, other rounding), `plain` ones, and all small
ones, are the same to the last bit, `refused` ones are not read. Needs Pillow, and `cjpeg` of libjpeg-turbo.
"""

import io
import itertools
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for old in out.iterdir():
    old.unlink()
scripts = Path(tempfile.mkdtemp())

SMALL = [(1, 1), (2, 3), (3, 2), (7, 9), (16, 16), (17, 33), (40, 24)]
LARGE = [(64, 64), (71, 97), (250, 187), (480, 640)]
USUAL = ["1x1", "2x1", "1x2", "2x2"]
# Factors where no component is finer than the first; and then such where others are finer than the first.
FIRST_FINEST = ["4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x2", "2x2,2x1,2x1", "2x2,1x2,1x2", "2x1,2x1,1x1", "2x2,1x1,2x1", "4x1,2x1,1x1"]
FIRST_COARSE = ["1x1,2x1,2x1", "1x1,1x2,1x2", "1x1,2x2,2x2", "1x2,2x1,2x1", "2x1,1x2,1x1", "1x1,2x2,1x1", "1x1,3x1,1x1", "1x1,1x1,4x2"]
FRACTIONAL = [(0x31, 0x21, 0x11), (0x22, 0x31, 0x11), (0x13, 0x12, 0x11)]  # which libjpeg does not write, nor read
FRAMES = (0xC0, 0xC1, 0xC2)
APART = {"apart": "0;\n1;\n2;\n", "pair": "0;\n1 2;\n", "backwards": "2;\n0 1;\n"}
PROGRESSIVE = {
    "few": "0 1 2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "bits": "0: 0-0, 0, 2;\n1 2: 0-0, 0, 1;\n0: 1-9, 0, 2;\n0: 10-63, 0, 1;\n1: 1-63, 0, 2;\n2: 1-63, 0, 1;\n0: 0-0, 2, 1;\n0: 1-9, 2, 1;\n"
    "1: 1-63, 2, 1;\n0: 0-0, 1, 0;\n1 2: 0-0, 1, 0;\n0: 1-63, 1, 0;\n1: 1-63, 1, 0;\n2: 1-63, 1, 0;\n",
}


def picture(width, height, mode="RGB"):
    """Soft shapes and noise, the same in every run."""
    generator = random.Random(f"{width} {height} {mode}")
    bands = Image.new(mode, (1, 1)).getbands()
    soft = [Image.frombytes("L", (6, 6), generator.randbytes(36)).resize((width, height), Image.BICUBIC) for _ in bands]
    noise = [Image.frombytes("L", (width, height), generator.randbytes(width * height)) for _ in bands]
    planes = [Image.blend(a, b, 0.15) for a, b in zip(soft, noise)]
    return planes[0] if len(planes) == 1 else Image.merge(mode, planes)


def cjpeg(image, *options, script=None):
    ppm = io.BytesIO()
    image.save(ppm, "PPM")
    if script:
        (scripts / "scans").write_text(script)
        options = [*options, "-scans", str(scripts / "scans")]
    return subprocess.run(["cjpeg", *options], input=ppm.getvalue(), check=True, capture_output=True).stdout


def pillow(image, **options):
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", **options)
    return jpeg.getvalue()


def segments(jpeg):
    """The segments before the first scan, as (code, whole segment), and the rest."""
    at, found = 2, []
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        found.append((jpeg[at + 1], jpeg[at:end]))
        at = end
    return found, jpeg[at:]


def change(jpeg, segment=lambda code, bytes: bytes, rest=lambda bytes: bytes, before=b""):
    """The picture with its segments changed, and others inserted before them."""
    head, tail = segments(jpeg)
    return jpeg[:2] + before + b"".join(segment(code, bytes) for code, bytes in head) + rest(tail)


def with_ids(jpeg, ids):
    """The picture with components of other identifiers."""
    def frame(code, segment):
        if code not in FRAMES:
            return segment
        changed = bytearray(segment)
        for number, id in enumerate(ids):
            changed[10 + 3 * number] = id
        return bytes(changed)

    def scan(tail):
        changed = bytearray(tail)
        for number in range(changed[4]):
            changed[5 + 2 * number] = ids[number]
        return bytes(changed)

    return change(jpeg, frame, scan)


def with_factors(frame, factors):
    changed = bytearray(frame)
    for number, factor in enumerate(factors):
        changed[11 + 3 * number] = factor
    return bytes(changed)


def adobe(transform):
    return b"" if transform is None else b"\xff\xee\0\x0eAdobe\0d\0\0\0\0" + bytes([transform])


JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def without_headers(jpeg):
    return change(jpeg, lambda code, bytes: b"" if code in (0xE0, 0xEE) else bytes)


def tiff(orientation):
    return b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1" + struct.pack(">HH", orientation, 0) + bytes(4)


def exif(data):
    return b"\xff\xe1" + struct.pack(">H", 8 + len(data)) + b"Exif\0\0" + data


def kind(factors, size):
    """The decoder that reads such a picture: see src/media/jpeg/kinds.rs."""
    return "usual" if factors in USUAL and min(size) >= 64 else "plain"


count = 0


def keep(name, jpeg):
    global count
    count += 1
    assert not (out / f"{name}.jpg").exists(), name
    (out / f"{name}.jpg").write_bytes(jpeg)
    if not name.startswith("refused"):
        shown = ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg))).convert("RGB")
        (out / f"{name}.rgb").write_bytes(struct.pack("<II", *shown.size) + shown.tobytes())


# Sampling, order of scans, restarts.
for factors, size in itertools.product(USUAL + FIRST_FINEST + FIRST_COARSE, SMALL + LARGE):
    own, name, image = kind(factors, size), f"{factors}_{size[0]}x{size[1]}", picture(*size)
    sample = ["-sample", factors, "-quality", "90"]
    keep(f"{own}_whole_{name}", cjpeg(image, *sample))
    keep(f"{own}_optimized_{name}", cjpeg(image, *sample, "-optimize", "-quality", "30"))
    keep(f"{own}_progressive_{name}", cjpeg(image, *sample, "-progressive"))
    keep(f"plain_apart_{name}", cjpeg(image, *sample, script=APART["apart"]))
    if size in LARGE[:2] or size == (17, 33):
        for restart in ("1", "3B", "7B"):
            keep(f"{own}_whole_restart{restart}_{name}", cjpeg(image, *sample, "-restart", restart))
            keep(f"{own}_progressive_restart{restart}_{name}", cjpeg(image, *sample, "-progressive", "-restart", restart))
            keep(f"plain_apart_restart{restart}_{name}", cjpeg(image, *sample, "-restart", restart, script=APART["apart"]))
        for order, script in APART.items():
            keep(f"plain_{order}_fine_{name}", cjpeg(image, *sample, "-quality", "100", script=script))
        for order, script in PROGRESSIVE.items():
            keep(f"{own}_{order}_{name}", cjpeg(image, *sample, script=script))
            keep(f"{own}_{order}_restart5B_{name}", cjpeg(image, *sample, "-restart", "5B", script=script))
        for quality in ("1", "5", "60", "100"):  # the first two with quantizers of 16 bits
            keep(f"{own}_quality{quality}_{name}", cjpeg(image, "-sample", factors, "-quality", quality))
for side in [*range(1, 41), *range(64, 97)]:
    for factors in (*USUAL, "1x1,2x2,2x2"):
        size = (side, 41 - side if side < 41 else 161 - side)
        own, image = kind(factors, size), picture(*size)
        keep(f"{own}_side{side}_{factors}", cjpeg(image, "-sample", factors))
        keep(f"{own}_side{side}_progressive_{factors}", cjpeg(image, "-sample", factors, "-progressive"))
        keep(f"plain_side{side}_apart_{factors}", cjpeg(image, "-sample", factors, script=APART["apart"]))

# Gray, of any factors.
for size in SMALL + LARGE:
    name, image = f"{size[0]}x{size[1]}", picture(*size, "L")
    for mode in ([], ["-progressive"], ["-restart", "2B"], ["-progressive", "-restart", "2B"]):
        jpeg = cjpeg(image, "-grayscale", *mode)
        tag = "".join(mode)
        keep(f"{kind('1x1', size)}_gray{tag}_{name}", jpeg)
        for factor in (0x22, 0x21, 0x14):
            keep(f"plain_gray{factor:x}{tag}_{name}", change(jpeg, lambda code, bytes: with_factors(bytes, [factor]) if code in FRAMES else bytes))

# Color, by headers and by the names of components.
for size in ((17, 33), (71, 97)):
    name, image = f"{size[0]}x{size[1]}", picture(*size)
    for factors, transform, jfif in itertools.product(("1x1", "2x2", "1x1,2x2,2x2"), (None, 0, 1, 2, 7), (b"", JFIF)):
        bare = without_headers(cjpeg(image, "-sample", factors))
        tag = f"{factors}_adobe{transform}_jfif{len(jfif)}_{name}"
        for ids in ((1, 2, 3), (0, 1, 2), b"RGB", b"rgb", (1, 34, 35), (3, 2, 1)):
            ids_tag = "".join(f"{id:02x}" for id in ids)
            for order, header in (("a", jfif + adobe(transform)), ("b", adobe(transform) + jfif)):
                misled = ids == b"RGB" and (jfif or transform)
                keep(f"{'plain' if misled else kind(factors, size)}_color_{order}{ids_tag}_{tag}", change(with_ids(bare, ids), before=header))
        keep(f"plain_color_same_{tag}", change(with_ids(bare, (7, 7, 7)), before=jfif + adobe(transform)))
    keep(f"{kind('1x1', size)}_rgb_{name}", cjpeg(image, "-rgb"))
    keep(f"{kind('1x1', size)}_rgb_progressive_{name}", cjpeg(image, "-rgb", "-progressive"))
    keep(f"plain_rgb_apart_{name}", cjpeg(image, "-rgb", script=APART["apart"]))
    inks = picture(*size, "CMYK")
    for mode in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        jpeg = without_headers(pillow(inks, quality=90, **mode))
        for transform, jfif in itertools.product((None, 0, 1, 2), (b"", JFIF)):
            tag = f"{len(mode)}{next(iter(mode), '')}_adobe{transform}_jfif{len(jfif)}_{name}"
            keep(f"{kind('1x1', size)}_inks_{tag}", change(jpeg, before=jfif + adobe(transform)))

# Headers that are incomplete, repeated, or contradict each other.
image = picture(250, 250)
plain = cjpeg(image, "-sample", "2x1")
no_codes = lambda code, bytes: b"" if code == 0xC4 else bytes
for factors in ("2x1", "1x1", "4x1"):
    own = kind(factors, image.size)
    jpeg = cjpeg(image, "-sample", factors)
    keep(f"{own}_no_tables_{factors}", change(jpeg, no_codes))
    for kept in range(4):
        number = iter(range(9))
        keep(f"{own}_one_table{kept}_{factors}", change(jpeg, lambda code, bytes: b"" if code == 0xC4 and next(number) != kept else bytes))
keep("usual_short_adobe", change(without_headers(plain), before=b"\xff\xee\0\x0dAdobe\0d\0\0\0\0"))
keep("usual_short_jfif", change(without_headers(plain), before=b"\xff\xe0\0\x09JFIF\0\1\1" + adobe(0)))
keep("usual_two_adobes", change(without_headers(plain), before=adobe(0) + adobe(1)))
keep("usual_fill_bytes", change(plain, lambda code, bytes: b"\xff\xff\xff" + bytes))
for orientation in range(1, 9):
    turned = exif(tiff(orientation))
    upright = picture(97, 71)
    for name, before in {
        "one": turned,
        "two": turned + exif(tiff(orientation % 8 + 1)),
        "xmp": b"\xff\xe1\0\x23http://ns.adobe.com/xap/1.0/\0<x/>" + turned,
        "jfif": JFIF + turned,
    }.items():
        keep(f"usual_turned{orientation}_{name}", change(cjpeg(upright), before=before))

# What is not read.
for factors in FRACTIONAL:
    keep("refused_" + "_".join(f"{factor:x}" for factor in factors), change(plain, lambda code, bytes: with_factors(bytes, factors) if code in FRAMES else bytes))
for mode in (["-arithmetic"], ["-arithmetic", "-progressive"]):
    keep("refused_" + "".join(mode), cjpeg(image, *mode))
for code in (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7):
    keep(f"refused_frame{code:x}", change(plain, lambda own, bytes: b"\xff" + struct.pack("B", code) + bytes[2:] if own in FRAMES else bytes))
for bits in (2, 12, 16):
    keep(f"refused_{bits}bits", change(plain, lambda own, bytes: bytes[:4] + struct.pack("B", bits) + bytes[5:] if own in FRAMES else bytes))
height = lambda own, bytes: bytes[:5] + b"\0\0" + bytes[7:] if own in FRAMES else bytes
keep("refused_height_at_end", change(plain, height)[:-2] + b"\xff\xdc\0\x04" + struct.pack(">H", 250) + plain[-2:])
keep("refused_two_components", change(plain, lambda own, bytes: b"\xff\xc0\0\x0e" + bytes[4:9] + b"\2" + bytes[10:16] if own == 0xC0 else bytes,
     lambda tail: b"\xff\xda\0\x0a\2" + tail[5:9] + tail[11:]))
keep("refused_progressive_first_scan_alone", cjpeg(image, script="0 1 2: 0-0, 0, 0;\n"))
keep("refused_progressive_without_last_bits", cjpeg(image, script="0 1 2: 0-0, 0, 0;\n0: 1-63, 0, 1;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n"))
print(f"{count} pictures in {out}")
