"""Generates clips of every codec and container that the service reads, and the checksum of each frame as ffmpeg decodes it.

    clips.py DIR

The sources are synthetic and move fast, so that every prediction mode and filter of a codec is met.
"""

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg

FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", "-threads", "1"]
out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
jobs = []


def clip(name, *options, source="testsrc2", size="176x144", frames=40, before=()):
    extra = {"mandelbrot": ":start_scale=1:end_pts=200", "life": ":mold=10:ratio=0.2:death_color=#C83232"}.get(source, "")
    spec = f"{source}=size={size}:rate=25{extra}"
    jobs.append((name, [*before, "-f", "lavfi", "-i", spec, "-frames:v", str(frames), *options, "-pix_fmt", "yuv420p"], name))


def remux(name, source, *options, before=()):
    jobs.append((name, [*before, "-i", str(out / source), "-c", "copy", *options], source))


h264 = lambda params, *more: ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", f"threads=1:{params}", *more]
for source, size in itertools.product(("testsrc2", "mandelbrot", "life"), ("176x144", "98x66")):
    tag = f"{source}_{size}"
    clip(f"h264_base_{tag}.mp4", *h264("bframes=0:cabac=0:8x8dct=0:weightp=0:ref=1", "-profile:v", "baseline"), source=source, size=size)
    clip(f"h264_high_{tag}.mp4", *h264("bframes=3:b-pyramid=normal:ref=4:weightb=1:keyint=12:open-gop=1"), source=source, size=size)
    clip(f"hevc_{tag}.mp4", "-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:pools=1:frame-threads=1", "-tag:v", "hvc1", source=source, size=size)
    clip(f"vp9_{tag}.webm", "-c:v", "libvpx-vp9", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "12", "-row-mt", "0", source=source, size=size)
    clip(f"vp8_{tag}.webm", "-c:v", "libvpx", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "12", source=source, size=size)
clip("h264_main_slices.mp4", *h264("slices=4:bframes=2:cabac=1", "-profile:v", "main"))
clip("h264_interlaced.mp4", *h264("interlaced=1:bframes=2"), size="176x160")
clip("h264_weighted.mp4", *h264("weightp=2:bframes=2"), "-vf", "fade=in:0:20")
clip("h264_lossy.mkv", *h264("qp=44:bframes=3"))
clip("h264_fine.mov", *h264("qp=6:bframes=1"), source="mandelbrot")
for version in range(4):
    clip(f"vp8_profile{version}.webm", "-c:v", "libvpx", "-b:v", "200k", "-profile:v", str(version), source="testsrc2", size="175x143")
for number, options in enumerate((
    ["-deadline", "realtime", "-cpu-used", "8", "-error-resilient", "1"],
    ["-deadline", "realtime", "-cpu-used", "16", "-static-thresh", "200", "-noise-sensitivity", "4"],
    ["-deadline", "best", "-slices", "8", "-sharpness", "7"],
    ["-deadline", "good", "-cpu-used", "0", "-slices", "2", "-sharpness", "3", "-arnr-maxframes", "7"],
    ["-crf", "4", "-b:v", "4M"],
    ["-crf", "63", "-b:v", "30k"],
    ["-g", "5", "-error-resilient", "partitions"],
)):
    for source, size in (("testsrc2", "175x143"), ("mandelbrot", "64x33"), ("life", "17x17")):
        clip(f"vp8_options{number}_{source}.webm", "-c:v", "libvpx", "-b:v", "150k", *options, source=source, size=size)
for size in ("1x1", "2x2", "16x16", "15x31", "321x179"):
    clip(f"vp8_{size}.webm", "-c:v", "libvpx", "-b:v", "100k", source="mandelbrot", size=size, frames=12)
for size, source in itertools.product(("128x96", "176x144", "352x288"), ("testsrc2", "mandelbrot", "life")):
    clip(f"h263_{source}_{size}.3gp", "-c:v", "h263", "-q:v", "6", "-g", "15", source=source, size=size)
clip("h263_coarse.3gp", "-c:v", "h263", "-q:v", "31", "-g", "100")
clip("vp9_odd.webm", "-c:v", "libvpx-vp9", "-b:v", "100k", size="175x143")
clip("vp9_live.webm", "-c:v", "libvpx-vp9", "-b:v", "100k", "-deadline", "realtime", "-cpu-used", "8", "-live", "1")
remux("frag_key.mp4", "h264_high_testsrc2_176x144.mp4", "-movflags", "frag_keyframe+empty_moov")
remux("frag_cmaf.mp4", "h264_high_testsrc2_176x144.mp4", "-movflags", "cmaf+frag_every_frame")
remux("frag_separate.mp4", "h264_high_testsrc2_176x144.mp4", "-movflags", "frag_keyframe+separate_moof+default_base_moof")
remux("faststart.mov", "h264_high_testsrc2_176x144.mp4", "-movflags", "+faststart")
remux("h264.mkv", "h264_high_testsrc2_176x144.mp4")
remux("h264.avi", "h264_base_testsrc2_176x144.mp4")
remux("hevc.mkv", "hevc_testsrc2_176x144.mp4")
remux("vp8.mkv", "vp8_testsrc2_176x144.webm")
remux("vp9.mp4", "vp9_testsrc2_176x144.webm")
remux("live.webm", "vp8_testsrc2_176x144.webm", "-live", "1")


def run(*args):
    return subprocess.run([*FFMPEG, *args], check=True, capture_output=True, text=True).stdout


def make(job):
    name, arguments, _ = job
    run(*arguments, "-an", "-fflags", "+bitexact", str(out / name))
    frames = run("-i", str(out / name), "-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "framehash", "-hash", "crc32", "-")
    sums = [line.split(",")[-1].strip() for line in frames.splitlines() if not line.startswith("#")]
    (out / f"{name}.crc").write_text("\n".join(sums) + "\n")


with ThreadPoolExecutor(2) as pool:
    list(pool.map(make, [j for j in jobs if j[0] == j[2]]))
    list(pool.map(make, [j for j in jobs if j[0] != j[2]]))
print(f"{len(jobs)} clips in {out}")
