"""Makes clips as recorders and servers write them but no encoder does, from the bytes of those of clips.py."""

import re
import struct


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind, *parts):
    return box(kind, bytes(4), *parts)


def find(data, kind):
    """A box by its kind, which must occur once."""
    at = data.index(kind) - 4
    return at, at + struct.unpack(">I", data[at:at + 4])[0]


def mp4(entry, samples, durations, keys, size, second=1000):
    """A file of samples and their durations in ticks; `entry` is a whole 'stsd' box."""
    longs = lambda *numbers: struct.pack(f">{len(numbers)}I", *numbers)
    one, whole = 1 << 16, sum(durations)
    matrix = longs(one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    table = box(
        b"stbl",
        entry,
        full(b"stts", longs(len(durations)), *(longs(1, duration) for duration in durations)),
        full(b"stss", longs(len(keys)), *(longs(key + 1) for key in keys)),
        full(b"stsc", longs(1, 1, len(samples), 1)),
        full(b"stsz", longs(0, len(samples)), *(longs(len(sample)) for sample in samples)),
        full(b"stco", longs(1, len(head) + 8)),
    )
    media = box(
        b"mdia",
        full(b"mdhd", longs(0, 0, second, whole, 0x55C4 << 16)),
        full(b"hdlr", bytes(4), b"vide", bytes(12), b"v\0"),
        box(b"minf", box(b"vmhd", longs(1, 0, 0)), box(b"dinf", full(b"dref", longs(1), box(b"url ", longs(1)))), table),
    )
    track = box(b"tkhd", longs(7, 0, 0, 1, 0, whole), bytes(16), matrix, longs(size[0] << 16, size[1] << 16))
    movie = full(b"mvhd", longs(0, 0, second, whole, one, 1 << 24), bytes(8), matrix, bytes(24), longs(2))
    return head + box(b"mdat", *samples) + box(b"moov", movie, box(b"trak", track, media))


def avi(codec, samples, size, second=25, extra=b""):
    chunk = lambda kind, body: kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    listed = lambda kind, *parts: chunk(b"LIST", kind + b"".join(parts))
    main = struct.pack("<10I", 1_000_000 // second, 0, 0, 0, len(samples), 0, 1, 0, *size) + bytes(16)
    stream = b"vids" + codec + struct.pack("<IIIIIIIIIIhhhh", 0, 0, 0, 1, second, 0, len(samples), 0, 0xFFFFFFFF, 0, 0, 0, *size)
    picture = struct.pack("<IiiHH4sIiiII", 40 + len(extra), *size, 1, 24, codec, 0, 0, 0, 0, 0) + extra
    head = listed(b"hdrl", chunk(b"avih", main), listed(b"strl", chunk(b"strh", stream), chunk(b"strf", picture)))
    return chunk(b"RIFF", b"AVI " + head + listed(b"movi", *(chunk(b"00dc", sample) for sample in samples)))


def units(stream):
    """The NAL units of a byte stream."""
    return [unit for unit in re.split(b"\0\0\0?\1", stream) if unit]


def make(out, run):
    """Writes the clips; returns the arguments of `see` for each: its name, the clips that it shows, and its times if they differ."""
    read = lambda name: (out / name).read_bytes()
    made = []

    def write(name, data, shows=None, times=None):
        (out / name).write_bytes(data)
        made.append((name, shows, times))

    # The sizes of a track and of a pixel in an MP4 that differ from those in the stream.
    plain = read("h264_sar4_3.mp4")
    at, _ = find(plain, b"pasp")
    start, end = find(plain, b"tkhd")
    sized = lambda width, height: plain[:end - 8] + struct.pack(">II", width << 16, height << 16) + plain[end:]
    without = lambda data: data[:at + 4] + b"free" + data[at + 8:]
    write("shape_of_the_box.mp4", plain[:at + 8] + struct.pack(">II", 2, 1) + plain[at + 16:])
    write("shape_of_the_stream.mp4", without(sized(176, 144)))
    write("shape_of_the_track.mp4", without(sized(352, 144)))
    matrix = end - 8 - 36
    write("shape_of_the_matrix.mp4", without(plain[:matrix] + struct.pack(">i", 3 << 15) + plain[matrix + 4:]))
    # Without a display size, Matroska takes pixels for square.
    mkv = bytearray(read("h264_sar4_3.mkv"))
    for identifier in (b"\x54\xb0", b"\x54\xba", b"\x54\xb2"):
        if (at := mkv.find(identifier)) >= 0:
            length = 1 + (mkv[at + 2] & 0x7F)
            mkv[at:at + 2 + length] = b"\xEC" + bytes([0x80 | length]) + bytes(length)
    write("shape_of_no_element.mkv", bytes(mkv))

    # Samples that hold no picture, times that are missing, bursts.
    for codec, kinds in (("h264", (1, 5)), ("hevc", range(22))):
        source = "h264_base_testsrc2_176x144.mp4" if codec == "h264" else "hevc_testsrc2_176x144.mp4"
        run("-i", str(out / source), "-c", "copy", "-f", codec, str(out / f"stream.{codec}"))
        kind = (lambda unit: unit[0] & 0x1F) if codec == "h264" else (lambda unit: unit[0] >> 1 & 0x3F)
        stream = units(read(f"stream.{codec}"))
        picture = lambda unit: kind(unit) in kinds
        keys = (5,) if codec == "h264" else range(16, 22)
        data = read(source)
        start, end = find(data, b"stsd")
        entry = data[start:end]
        framed = [struct.pack(">I", len(unit)) + unit for unit in stream]
        if codec == "h264":
            starts = [number for number, unit in enumerate(stream) if kind(unit) in keys]
            write(f"apart_{codec}.mp4", mp4(entry, framed, [40 * picture(unit) for unit in stream], starts, (176, 144)), [source])
            write(f"apart_{codec}.avi", avi(b"H264", [b"\0\0\0\1" + unit for unit in stream], (176, 144)), [source])
            pictures = [sample for sample, unit in zip(framed, stream) if picture(unit)]
            starts = [number for number, unit in enumerate(filter(picture, stream)) if kind(unit) in keys]
            write("no_durations.mp4", mp4(entry, pictures, [0] * len(pictures), starts, (176, 144)), [source], [0] * len(pictures))
            half = len(pictures) // 2
            burst = [1000] * half + [0] * (len(pictures) - half)
            write("burst.mp4", mp4(entry, pictures, burst, starts, (176, 144)), [source], [sum(burst[:n]) * 1000 for n in range(len(burst))])
        else:
            write(f"apart_{codec}.avi", avi(b"HEVC", [b"\0\0\0\1" + unit for unit in stream], (176, 144)), [source])

    # Recordings one after the other.
    for name in ("live.webm", "vp8_testsrc2_176x144.webm", "h264_base_testsrc2_176x144.mp4", "frag_key.mp4", "h264.avi", "h264.mkv"):
        stem, suffix = name.split(".")
        write(f"twice_{stem}.{suffix}", 2 * read(name), [name, name])

    # Two fields of half the height in a sample.
    fields = out / "fields.mjpeg"
    run("-f", "lavfi", "-i", "testsrc2=size=176x144:rate=50", "-frames:v", "40", "-vf", "separatefields", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", str(fields))
    jpegs = [b"\xFF\xD8\xFF" + rest for rest in fields.read_bytes().split(b"\xFF\xD8\xFF")[1:]]
    pairs = [first + second for first, second in zip(jpegs[::2], jpegs[1::2])]
    for order in (1, 2):
        extra = struct.pack("<III", 0x2C, 0x18, 0) + bytes([order]) + bytes(31)
        write(f"fields_{order}.avi", avi(b"MJPG", pairs, (176, 144), extra=extra))
    write("fields.avi", avi(b"MJPG", pairs, (176, 144)))
    run("-i", str(out / "fields_2.avi"), "-c", "copy", str(out / "fields.mov"))
    run("-i", str(out / "fields_2.avi"), "-c", "copy", str(out / "fields.mkv"))
    return [*made, ("fields.mov", None, None), ("fields.mkv", None, None)]
