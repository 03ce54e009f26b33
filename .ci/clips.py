"""Generates clips of every codec and container that the service reads, and what ffmpeg decodes from them.

    clips.py DIR

Beside each clip lie CLIP.crc, the checksum of each frame as it is stored, one a line; CLIP.seen, the size in which it is shown and the
microseconds of each frame; and CLIP.gray, the luma of the first frame as it is shown: upright, with square pixels. The sources are
synthetic and move fast, so that every prediction mode and filter of a codec occurs. odd.py makes what no encoder writes.
"""

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg

import odd

# With several threads, the number of frames that ffmpeg tries after the first ones of a truncated clip varies, and with it the exit status.
FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", "-threads", "1", "-max_error_rate", "1"]
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


# Pixels that are not square, by the fields of each container, and clips that are rotated as well.
for sar in ("1/2", "4/3", "2/1", "16/11"):
    tag, shape = f"sar{sar.replace('/', '_')}", ("-vf", f"setsar={sar}")
    clip(f"h264_{tag}.mp4", *h264("bframes=1"), *shape)
    clip(f"hevc_{tag}.mp4", "-c:v", "libx265", "-x265-params", "log-level=none:pools=1:frame-threads=1", "-tag:v", "hvc1", *shape)
    clip(f"vp8_{tag}.webm", "-c:v", "libvpx", "-b:v", "200k", *shape)
    clip(f"vp9_{tag}.webm", "-c:v", "libvpx-vp9", "-b:v", "200k", *shape)
    clip(f"mjpeg_{tag}.avi", "-c:v", "mjpeg", "-q:v", "3", *shape)
    for container in ("mov", "mkv"):
        remux(f"h264_{tag}.{container}", f"h264_{tag}.mp4")
        remux(f"hevc_{tag}.{container}", f"hevc_{tag}.mp4")
        remux(f"mjpeg_{tag}.{container}", f"mjpeg_{tag}.avi")
    remux(f"vp8_{tag}.mkv", f"vp8_{tag}.webm")
    remux(f"vp9_{tag}.mp4", f"vp9_{tag}.webm")
    clip(f"h264_base_{tag}.avi", *h264("bframes=0"), *shape)
    for angle in ("90", "180", "270"):
        for container in ("mp4", "mov", "mkv"):
            remux(f"h264_{tag}_turned{angle}.{container}", f"h264_{tag}.mp4", before=("-display_rotation:v:0", angle))
clip("hevc_bframes.mp4", "-c:v", "libx265", "-x265-params", "log-level=none:pools=1:frame-threads=1:bframes=3", "-tag:v", "hvc1")
remux("hevc_bframes.avi", "hevc_bframes.mp4")
# No key frames: pictures are refreshed column by column.
clip("refresh.mp4", *h264("intra-refresh=1:keyint=10:bframes=0"))
clip("refresh_baseline.mp4", *h264("intra-refresh=1:keyint=10:bframes=0:cabac=0:ref=1"), source="mandelbrot", size="98x66")
for name in ("refresh", "refresh_baseline"):
    for container in ("mkv", "mp4"):
        remux(f"{name}_cut.{container}", f"{name}.mp4", "-bsf:v", "noise=drop=lt(n\\,15)")
# Cut at a key frame and after one.
clip("group_hevc.mp4", "-c:v", "libx265", "-x265-params", "log-level=none:pools=1:frame-threads=1:open-gop=1:keyint=10:bframes=3", "-tag:v", "hvc1")
clip("group_h264.mp4", *h264("open-gop=1:keyint=10:bframes=3"))
clip("group_vp8.webm", "-c:v", "libvpx", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "12", "-g", "10")
clip("group_vp9.webm", "-c:v", "libvpx-vp9", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "12", "-g", "10")
for name, start in itertools.product(("group_hevc.mp4", "group_h264.mp4", "group_vp8.webm", "group_vp9.webm"), (10, 13)):
    stem, suffix = name.split(".")
    for container in (suffix, "mkv"):
        remux(f"{stem}_cut{start}.{container}", name, "-bsf:v", f"noise=drop=lt(n\\,{start})")
# The smaller of two tracks first.
for container, codec in (("mp4", "libx264"), ("mov", "libx264"), ("mkv", "libx264"), ("webm", "libvpx"), ("avi", "mjpeg")):
    small = ("-map", "0", "-map", "0", "-c:v:0", codec, "-s:v:0", "88x72", "-disposition:v", "default")
    source = {"webm": "vp8_testsrc2_176x144.webm", "avi": "mjpeg_sar4_3.avi"}.get(container, "h264_high_testsrc2_176x144.mp4")
    remux(f"two_tracks.{container}", source, *small, "-c:v:1", "copy")


def run(*args):
    return subprocess.run([*FFMPEG, *args], check=True, capture_output=True, text=True).stdout


def track(name):
    """The video track to compare: the larger, where there are two."""
    return "0:v:1" if name.startswith("two_tracks") else "0:v:0"


def hashes(name, *options, before=()):
    """The header of ffmpeg's framehash output, and its fields for each frame: times and checksum."""
    lines = run(*before, "-i", str(out / name), "-map", track(name), "-fps_mode", "passthrough", "-enc_time_base", "demux", *options, "-f", "framehash", "-hash", "crc32", "-")
    head = dict(line[1:].split(":", 1) for line in lines.splitlines() if line.startswith("#") and ":" in line)
    return head, [[field.strip() for field in line.split(",")] for line in lines.splitlines() if not line.startswith("#")]


SHOWN = "scale='if(gt(sar,1),trunc(iw*sar+0.5),iw)':'if(lt(sar,1),trunc(ih/sar+0.5),ih)':flags=bilinear,setsar=1"


def see(name, parts=None, times=None):
    """Writes what ffmpeg decodes from a clip, or from the clips that it consists of."""
    sums, seen, starts = [], [], 0
    for part in parts or [name]:
        head, rows = hashes(part, "-pix_fmt", "yuv420p", before=["-noautorotate"])
        sums += [row[-1] for row in rows]
        ticks, second = map(int, head["tb 0"].split("/"))
        at = [int(row[2]) * ticks * 1_000_000 // second for row in rows]
        seen += [starts + time - at[0] for time in at]
        starts = seen[-1] + (seen[-1] - starts) // max(1, len(at) - 1)
    head, _ = hashes((parts or [name])[0], "-frames:v", "1", "-vf", SHOWN)
    size = head["dimensions 0"].strip()
    # JPEGs are decoded to the nearest level, not to the bit.
    if not name.startswith(("mjpeg", "fields")) and name != "two_tracks.avi":
        (out / f"{name}.crc").write_text("\n".join(sums) + "\n")
    # AVI has no presentation times where pictures are reordered.
    if name in ("hevc_bframes.avi", "apart_hevc.avi"):
        times = seen = []
    (out / f"{name}.seen").write_text("\n".join([size, *map(str, times or seen)]) + "\n")
    first = ["-i", str(out / (parts or [name])[0]), "-map", track(name), "-frames:v", "1", "-vf", f"{SHOWN},format=gray", "-f", "rawvideo"]
    run(*first, str(out / f"{name}.gray"))


def make(job):
    name, arguments, _ = job
    run(*arguments, "-an", "-fflags", "+bitexact", str(out / name))
    see(name)


with ThreadPoolExecutor(2) as pool:
    list(pool.map(make, [j for j in jobs if j[0] == j[2]]))
    list(pool.map(make, [j for j in jobs if j[0] != j[2]]))
more = odd.make(out, run)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda one: see(*one), more))
print(f"{len(jobs) + len(more)} clips in {out}")
