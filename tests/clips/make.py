"""Makes the test clips and the checksums of their frames; README.md describes them."""

import subprocess
from pathlib import Path

import imageio_ffmpeg

HERE = Path(__file__).parent
PICTURES = HERE.parent / "pictures"
FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", "-threads", "1"]
BITEXACT = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-an"]

# A camera that drifts over a portrait: 2 s at 12 frames a second.
DRIFT = "zoompan=z='1.05+0.1*sin(on/6)':x='iw/2-iw/zoom/2+6*sin(on/3)':y='ih/2-ih/zoom/2+4*cos(on/4)':d=1:s={size}:fps=12"


def encode(name, *options, picture="collins.jpg", crop="360:270:60:10", size="320x240", seconds=2, before=()):
    source = ["-loop", "1", "-framerate", "12", "-t", str(seconds), "-i", PICTURES / picture]
    filters = f"crop={crop},scale=1280:-2," + DRIFT.format(size=size) + ",format=yuv420p"
    run(*source, "-vf", filters, *options, *BITEXACT, HERE / name)


def run(*args):
    subprocess.run([*FFMPEG, *map(str, args)], check=True)


X264 = ["-c:v", "libx264", "-preset", "medium", "-crf", "30", "-threads", "1"]
encode("h264.mp4", *X264, "-profile:v", "baseline", "-movflags", "+faststart")
encode("h264_bframes_fragmented.mp4", *X264, "-bf", "3", "-g", "8", "-movflags", "frag_keyframe+empty_moov+default_base_moof")
encode("h264_cropped.mkv", *X264, size="250x186", seconds=1)
encode("h264.avi", *X264, "-bf", "0", seconds=1)
# Without key frames: each is refreshed by its columns. The first third is cut off.
encode("refresh.mp4", *X264, "-x264-params", "intra-refresh=1:keyint=8:bframes=0", size="160x120")
run("-i", HERE / "refresh.mp4", "-c", "copy", "-bsf:v", "noise=drop=lt(n\\,8)", *BITEXACT, HERE / "h264_refresh.mkv")
(HERE / "refresh.mp4").unlink()
encode("vp8.webm", "-c:v", "libvpx", "-b:v", "150k", "-auto-alt-ref", "1", "-lag-in-frames", "8", size="241x181")
encode("vp9.webm", "-c:v", "libvpx-vp9", "-b:v", "100k", "-live", "1")
encode("hevc.mp4", "-c:v", "libx265", "-crf", "32", "-x265-params", "log-level=none:pools=1:frame-threads=1", "-tag:v", "hvc1")
encode("mjpeg.avi", "-c:v", "mjpeg", "-q:v", "12", "-pix_fmt", "yuvj420p", seconds=1)
encode("h263.3gp", "-c:v", "h263", "-b:v", "120k", size="176x144", seconds=1)
encode("nobody.mp4", *X264, picture="nobody.png", crop="300:200:0:0", seconds=1)
encode("two_people.mp4", *X264, picture="both.jpg", crop="500:300:0:0", seconds=1)
encode("mpeg4.avi", "-c:v", "mpeg4", "-q:v", "12", seconds=1)

# The same samples as in h264.mp4, with a rotation by a quarter turn.
run("-display_rotation:v:0", "90", "-i", HERE / "h264.mp4", "-c", "copy", *BITEXACT, HERE / "h264_turned.mov")
run("-f", "lavfi", "-i", "sine=d=0.5", "-c:a", "aac", "-fflags", "+bitexact", "-map_metadata", "-1", HERE / "sound.mp4")

# A face that changes into another.
parts = []
for person, crop in (("collins.jpg", "360:270:60:10"), ("hopper.jpg", "400:300:60:40")):
    part = HERE / f"part_{person}.mp4"
    encode(part.name, *X264, picture=person, crop=crop, seconds=1)
    parts.append(part)
listing = HERE / "parts.txt"
listing.write_text("".join(f"file '{p.name}'\n" for p in parts))
run("-f", "concat", "-i", listing, "-c", "copy", *BITEXACT, HERE / "exchanged.mp4")
for scratch in (*parts, listing):
    scratch.unlink()

# One CRC-32 a frame, of its planes Y, U, V one after the other, as ffmpeg decodes them.
for clip in sorted([*HERE.glob("*.mp4"), *HERE.glob("*.mkv"), *HERE.glob("*.avi"), *HERE.glob("*.webm"), *HERE.glob("*.3gp")]):
    if clip.name in ("sound.mp4", "mjpeg.avi", "mpeg4.avi"):
        continue
    command = [*FFMPEG, "-i", clip, "-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"]
    command += ["-f", "framehash", "-hash", "crc32", "-"]
    lines = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.splitlines()
    sums = [line.split(",")[-1].strip() for line in lines if not line.startswith("#")]
    (HERE / f"{clip.name}.crc").write_text("\n".join(sums) + "\n")
