"""Calibration pictures, made as the service makes its inputs: decode, find the face, letterbox, align or cut out."""

import numpy as np
from PIL import Image

# ArcFace's five points in a 112x112 crop: image-left eye, image-right eye, nose, image-left mouth corner, right one.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def load(path):
    return np.asarray(Image.open(path).convert("RGB"))


def letterbox(picture, side):
    """u8 HWC -> u8 CHW BGR of side x side, the picture in the top left corner, and the scale that was applied."""
    h, w = picture.shape[:2]
    scale = min(side / w, side / h)
    nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[:nh, :nw] = np.asarray(Image.fromarray(picture).resize((nw, nh), method))
    return canvas[:, :, ::-1].transpose(2, 0, 1), scale


def best_face(net, picture, side=320):
    """The most certain face: its box (x, y, width, height) and landmarks (5, 2) in pixels; None below a score of 0.6."""
    pixels, scale = letterbox(picture, side)
    tensors = net.run(pixels, keep=net.outputs.values())
    best = (0.6, None)
    for stride in (8, 16, 32):
        out = {k: tensors[net.outputs[f"{k}_{stride}"]] for k in ("cls", "obj", "bbox", "kps")}
        score = np.sqrt(1 / (1 + np.exp(-out["cls"][0])) / (1 + np.exp(-out["obj"][0])))
        row, col = np.unravel_index(score.argmax(), score.shape)
        if score[row, col] > best[0]:
            points = (out["kps"][:, row, col].reshape(5, 2) + (col, row)) * stride / scale
            bounds = out["bbox"][:, row, col]
            size = np.exp(bounds[2:]) * stride / scale
            corner = (bounds[:2] + (col, row)) * stride / scale - size / 2
            best = (score[row, col], ((*corner, *size), points))
    return best[1]


def live_crop(picture, box, side=128, margin=2.7):
    """u8 CHW BGR of side x side: the face with its surroundings, cut out as Silent-Face-Anti-Spoofing does. The box grows
    `margin` times around its center, less where the picture is too small for that, and is moved inside the picture."""
    height, width = picture.shape[:2]
    x, y, w, h = box
    margin = min((height - 1) / h, (width - 1) / w, margin)
    left, right = span(x, w, margin, width)
    top, bottom = span(y, h, margin, height)
    crop = Image.fromarray(picture[top : bottom + 1, left : right + 1])
    for size in ((side, crop.height), (side, side)):  # across, then down; each side shrinks or grows for itself
        shrinks = size[0] < crop.width or size[1] < crop.height
        crop = crop.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
    return np.asarray(crop)[:, :, ::-1].transpose(2, 0, 1)


def span(start, length, margin, size):
    """First and last pixel, of `size`, that the grown box covers along one axis."""
    low = start + length / 2 - length * margin / 2
    high = start + length / 2 + length * margin / 2
    if low < 0:
        low, high = 0, high - low
    if high > size - 1:
        low, high = low - (high - (size - 1)), size - 1
    return max(int(low), 0), int(high)


def align(picture, points):
    """u8 CHW RGB crop of 112x112: least-squares similarity onto TEMPLATE, bilinear, black outside the picture."""
    src = points[:, 0] + 1j * points[:, 1]
    dst = TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]
    a = ((dst - dst.mean()) * (src - src.mean()).conj()).sum() / (abs(src - src.mean()) ** 2).sum()
    y, x = np.mgrid[:112, :112]
    back = (x + 1j * y - dst.mean()) / a + src.mean()
    x0, y0 = np.floor(back.real).astype(int), np.floor(back.imag).astype(int)
    fx, fy = (back.real - x0)[..., None], (back.imag - y0)[..., None]
    padded = np.pad(picture.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    h, w = padded.shape[:2]
    at = lambda dy, dx: padded[np.clip(y0 + 1 + dy, 0, h - 1), np.clip(x0 + 1 + dx, 0, w - 1)]
    top = at(0, 0) * (1 - fx) + at(0, 1) * fx
    bottom = at(1, 0) * (1 - fx) + at(1, 1) * fx
    return np.round(top * (1 - fy) + bottom * fy).astype(np.uint8).transpose(2, 0, 1)


def mosaic(pictures, n, side, rng):
    """n x n pictures in one, each cell with a brightness of its own: many small faces for the detector."""
    cell = side // n
    canvas = np.zeros((cell * n, cell * n, 3), np.uint8)
    for i in range(n * n):
        tile = Image.fromarray(pictures[i]).resize((cell, cell), Image.Resampling.BOX)
        bright = np.clip(np.asarray(tile) * rng.uniform(0.5, 1.3), 0, 255).astype(np.uint8)
        canvas[i // n * cell :, i % n * cell :][:cell, :cell] = bright
    return letterbox(canvas, side)[0]
