"""Makes mild copies of bona fide clips and counts those whose verdict differs from the clip's: variants.py BINARY DATA.

Seven copies of each clip: re-encoded twice, halved, darkened, dimmed, blurred, mirrored. Fails where more than MOST of 56 flip, in proportion.
Clips that the service can't read as they are take part through a copy at CRF 18. Copies without a verdict count as flipped.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

MOST = 4 / 56
THRESHOLD = 0.5
LUT = "lutrgb=r={0}:g={0}:b={0}"
VARIANTS = {
    "crf28": ["-crf", "28"],
    "crf34": ["-crf", "34"],
    "halved": ["-vf", "scale='trunc(iw/4)*2':'trunc(ih/4)*2'"],
    "darkened": ["-vf", LUT.format("val*0.6")],
    "dimmed": ["-vf", LUT.format("gammaval(1.5)")],
    "blurred": ["-vf", "gblur=sigma=1.5"],
    "mirrored": ["-vf", "hflip"],
}

binary, clips = sys.argv[1], Path(sys.argv[2]) / "liveness/videos/real"
if not clips.is_dir():
    print(f"skipped: there is no {clips}")
    sys.exit(0)
import imageio_ffmpeg  # noqa: E402: not needed where there is no data

FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", "-threads", "1"]
ENCODE = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p", "-an"]


def encode(clip, target, options):
    subprocess.run([*FFMPEG, "-i", str(clip), *ENCODE, *options, str(target)], check=True)


with tempfile.TemporaryDirectory() as scratch:
    folder, table = Path(scratch) / "real", Path(scratch) / "scores.csv"
    folder.mkdir()
    for clip in sorted(clips.iterdir()):
        if clip.suffix == ".3gp":
            encode(clip, folder / f"{clip.stem}.original.mp4", ["-crf", "18"])
        else:
            (folder / f"{clip.stem}.original{clip.suffix}").symlink_to(clip)
        for name, options in VARIANTS.items():
            encode(clip, folder / f"{clip.stem}.{name}.mp4", options)
    # It fails for want of attacks, after it has written the scores.
    subprocess.run([binary, "eval", "liveness", "--root", scratch, "--csv", str(table)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with table.open() as lines:
        scores = {Path(row["file"]).stem: row["spoofing"] for row in csv.DictReader(lines)}
verdict = lambda name: float(scores[name]) > THRESHOLD if scores[name] else None
copies = [name for name in scores if not name.endswith(".original")]
flipped = [name for name in copies if verdict(name) is None or verdict(name) != verdict(f"{name.rsplit('.', 1)[0]}.original")]
for name in flipped:
    print(f"flipped: {name} {scores[name] or 'without a verdict'}, the clip {scores[name.rsplit('.', 1)[0] + '.original']}")
most = int(MOST * len(copies))
print(f"{len(flipped)} of {len(copies)} verdicts flip, at most {most}")
sys.exit(0 if copies and len(flipped) <= most else 1)
