"""Calibration pictures, made as the service makes its inputs: decode, find the face, letterbox, align or cut out."""

import numpy as np
from PIL import Image

# ArcFace's five points in a 112x112 crop: image-left eye, image-right eye, nose, image-left mouth corner, right one.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# The same in the crop of the second look: the eyes 68 pixels apart, the mean of the points in the middle, 55 % down.
CLOSER_SIDE = 192
CLOSER = (TEMPLATE - TEMPLATE.mean(0)) * 68 / (TEMPLATE[1, 0] - TEMPLATE[0, 0]) + np.array([0.5, 0.55]) * CLOSER_SIDE


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


def agreed(net, pixels):
    """The landmarks (5, 2) of the most certain face, as all cells that see it have them together; None below a score of 0.6."""
    tensors = net.run(pixels, keep=net.outputs.values())
    scores, lows, highs, points = [], [], [], []
    for stride in (8, 16, 32):
        out = {k: tensors[net.outputs[f"{k}_{stride}"]] for k in ("cls", "obj", "bbox", "kps")}
        scores.append(np.sqrt(1 / (1 + np.exp(-out["cls"][0])) / (1 + np.exp(-out["obj"][0]))).ravel())
        rows, columns = out["cls"].shape[1:]
        place = np.stack(np.mgrid[:rows, :columns][::-1], -1).reshape(-1, 2)
        bounds = out["bbox"].reshape(4, -1).T
        middle, half = (bounds[:, :2] + place) * stride, np.exp(bounds[:, 2:]) * stride / 2
        lows.append(middle - half)
        highs.append(middle + half)
        points.append((out["kps"].reshape(5, 2, -1).transpose(2, 0, 1) + place[:, None]) * stride)
    scores, lows, highs, points = map(np.concatenate, (scores, lows, highs, points))
    best = scores.argmax()
    if scores[best] <= 0.6:
        return None
    common = np.clip(np.minimum(highs, highs[best]) - np.maximum(lows, lows[best]), 0, None).prod(1)
    area = (highs - lows).prod(1)
    votes = (scores >= 0.5) & (common > 0.5 * (area + area[best] - common))
    weight = scores[votes] ** 4
    return (points[votes] * weight[:, None, None]).sum(0) / weight.sum()


def landmarks(net, picture, side=320):
    """Landmarks (5, 2) of the most certain face in pixels, as the service has them: the mean of what a look at the picture and one at an
    upright crop of the face say. None if either does not see it."""
    pixels, scale = letterbox(picture, side)
    first = agreed(net, pixels)
    if first is None:
        return None
    first = first / scale
    crop, back = warped(picture, first, CLOSER, CLOSER_SIDE)
    second = agreed(net, crop[::-1])
    return None if second is None else (first + back(second)) / 2


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
    return warped(picture, points, TEMPLATE, 112)[0]


def warped(picture, points, target, side):
    """The same of `side` x `side` onto `target`, and a function from places (n, 2) in the crop to places in the picture."""
    src = points[:, 0] + 1j * points[:, 1]
    dst = target[:, 0] + 1j * target[:, 1]
    a = ((dst - dst.mean()) * (src - src.mean()).conj()).sum() / (abs(src - src.mean()) ** 2).sum()
    y, x = np.mgrid[:side, :side]
    back = (x + 1j * y - dst.mean()) / a + src.mean()
    x0, y0 = np.floor(back.real).astype(int), np.floor(back.imag).astype(int)
    fx, fy = (back.real - x0)[..., None], (back.imag - y0)[..., None]
    padded = np.pad(picture.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    h, w = padded.shape[:2]
    at = lambda dy, dx: padded[np.clip(y0 + 1 + dy, 0, h - 1), np.clip(x0 + 1 + dx, 0, w - 1)]
    top = at(0, 0) * (1 - fx) + at(0, 1) * fx
    bottom = at(1, 0) * (1 - fx) + at(1, 1) * fx
    crop = np.round(top * (1 - fy) + bottom * fy).astype(np.uint8).transpose(2, 0, 1)

    def place(p):
        z = (p[:, 0] + 1j * p[:, 1] - dst.mean()) / a + src.mean()
        return np.stack([z.real, z.imag], 1)

    return crop, place


MESH_SIDE = 192
MESH_EYES = (33, 263)  # outer corners of the eyes, image-left first


def mesh_region(box, points):
    """Middle, direction of the eye line and side, in pixels, of the square that the landmark model reads: 1.5 times the face's box."""
    x, y, w, h = box
    return np.array([x + w / 2, y + h / 2]), points[1] - points[0], 1.5 * max(w, h)


def closer_region(mesh):
    """The same from the landmarks that a first look found, (468, 2) in pixels: 1.5 times the extent of the mesh."""
    line = mesh[MESH_EYES[1]] - mesh[MESH_EYES[0]]
    across = line / np.linalg.norm(line)
    turn = np.array([across, [-across[1], across[0]]])
    low, high = (mesh @ turn.T).min(0), (mesh @ turn.T).max(0)
    return (low + high) / 2 @ turn, line, 1.5 * max(high - low)


def mesh_crop(picture, region):
    """u8 CHW RGB of 192x192, upside down as the landmark model reads it, and a function from its answer to pixels of the picture."""
    middle, line, side = region
    across = line / np.linalg.norm(line) * side / 2
    down = np.array([-across[1], across[0]])
    corners = np.array([middle - across - down, middle + across - down, middle + across + down, middle - across + down])
    last = MESH_SIDE - 0.5  # edge of the last pixel, in which places of pixels are their centers
    middle = (MESH_SIDE - 1) / 2
    target = middle + MESH_SIDE / 2 * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    crop, back = warped(picture, corners, target, MESH_SIDE)
    return crop, lambda answer: back(last - answer.reshape(-1, 3)[:, :2])


def mosaic(pictures, n, side, rng):
    """n x n pictures in one, each cell with a brightness of its own: many small faces for the detector."""
    cell = side // n
    canvas = np.zeros((cell * n, cell * n, 3), np.uint8)
    for i in range(n * n):
        tile = Image.fromarray(pictures[i]).resize((cell, cell), Image.Resampling.BOX)
        bright = np.clip(np.asarray(tile) * rng.uniform(0.5, 1.3), 0, 255).astype(np.uint8)
        canvas[i // n * cell :, i % n * cell :][:cell, :cell] = bright
    return letterbox(canvas, side)[0]
