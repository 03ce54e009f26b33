use proptest::prelude::*;

use super::*;
use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::media::video::track::Codec;

/// A box of some parts.
fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
}

/// Big-endian numbers.
fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// A table in a full box of version and flags 0.
fn table(kind: &[u8; 4], width: usize, fields: &[u32]) -> Vec<u8> {
    boxed(kind, &[&words(&[0, (fields.len() / width) as u32]), &words(fields)])
}

const ONE: u32 = 1 << 16;
const UPRIGHT: [i32; 4] = [1, 0, 0, 1];

fn matrix([a, b, c, d]: [i32; 4]) -> Vec<u8> {
    let fixed = |n: i32| (n * ONE as i32) as u32;
    words(&[fixed(a), fixed(b), 0, fixed(c), fixed(d), 0, 0, 0, 1 << 30])
}

fn movie_header(turned: [i32; 4]) -> Vec<u8> {
    boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0, ONE, 0, 0, 0]), &matrix(turned), &[0; 28]])
}

/// A video sample entry with boxes after its fields.
fn entry(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[0; 24], &[0, 64, 0, 48], &[0; 50], boxes])
}

/// A clip of five samples of 1 to 5 bytes in two chunks, 100 ticks a second, 10 ticks each.
struct Clip {
    handler: &'static [u8; 4],
    enabled: bool,
    turned: [i32; 4],
    movie_turned: [i32; 4],
    /// In pixels, from the track.
    size: (u32, u32),
    entry: Vec<u8>,
    /// Boxes of the sample table, except for the offsets.
    tables: Vec<Vec<u8>>,
    edits: Vec<u8>,
    /// Boxes at the end of `moov`.
    more: Vec<u8>,
}

/// An edit: its duration in thousandths, its start in hundredths of a second (-1 is a pause), and its rate.
type Edited = (u32, i32, u32);

impl Clip {
    fn new() -> Self {
        Self {
            handler: b"vide",
            enabled: true,
            turned: UPRIGHT,
            movie_turned: UPRIGHT,
            size: (0, 0),
            entry: entry(b"avc1", &boxed(b"avcC", &[b"setup"])),
            tables: vec![
                boxed(b"stsz", &[&words(&[0, 0, 5, 1, 2, 3, 4, 5])]),
                table(b"stts", 2, &[5, 10]),
                table(b"stsc", 3, &[1, 2, 1, 2, 3, 1]),
                table(b"stss", 1, &[1, 4]),
            ],
            edits: Vec::new(),
            more: Vec::new(),
        }
    }

    fn with_edits(edits: &[Edited]) -> Self {
        let fields: Vec<u32> = edits.iter().flat_map(|&(d, t, rate)| [d, t.cast_unsigned(), rate * ONE]).collect();
        Self { edits: boxed(b"edts", &[&table(b"elst", 3, &fields)]), ..Self::new() }
    }

    fn track(&self, id: u32, offsets: &[u32]) -> Vec<u8> {
        let flags = u32::from(self.enabled);
        let head = [
            words(&[flags, 0, 0, id, 0, 0, 0, 0, 0, 0]),
            matrix(self.turned),
            words(&[self.size.0 * ONE, self.size.1 * ONE]),
        ]
        .concat();
        let description = boxed(b"stsd", &[&words(&[0, 1]), &self.entry]);
        let stbl = boxed(b"stbl", &[&description, &self.tables.concat(), &table(b"stco", 1, offsets)]);
        let media = boxed(
            b"mdia",
            &[
                &boxed(b"mdhd", &[&words(&[0, 0, 0, 100, 0, 0])]),
                &boxed(b"hdlr", &[&[0; 8], self.handler, &[0; 13]]),
                &boxed(b"minf", &[&stbl]),
            ],
        );
        boxed(b"trak", &[&boxed(b"tkhd", &[&head]), &self.edits, &media])
    }

    fn movie(&self, offsets: &[u32]) -> Vec<u8> {
        boxed(b"moov", &[&movie_header(self.movie_turned), &self.track(1, offsets), &self.more])
    }

    /// The file with the media data in front, so that the offsets are known: 24 and 30.
    fn file(&self) -> Vec<u8> {
        [file_type(), boxed(b"mdat", &[b"122333444455555"]), self.movie(&[24, 27])].concat()
    }
}

fn file_type() -> Vec<u8> {
    boxed(b"ftyp", &[b"isom\0\0\0\0"])
}

fn read_it(bytes: &[u8]) -> Track<'_> {
    read(bytes, &Limits::default()).unwrap()
}

fn error(bytes: &[u8]) -> String {
    read(bytes, &Limits::default()).unwrap_err().to_string()
}

/// Hundredths of a second at which the samples are due; hidden ones are `None`.
fn times(track: &Track<'_>) -> Vec<Option<i64>> {
    track.samples.iter().map(|s| s.shown.then_some(s.time_us / 10_000)).collect()
}

#[test]
fn samples_are_read_with_data_time_and_key_flag() {
    let file = Clip::new().file();
    let track = read_it(&file);
    assert_eq!((track.container, &track.codec, track.width, track.height), (Container::Mp4, &Codec::H264, 64, 48));
    assert_eq!(track.setup, b"setup");
    let data: Vec<&[u8]> = track.samples.iter().map(|s| &*s.data).collect();
    assert_eq!(data, [b"1".as_slice(), b"22", b"333", b"4444", b"55555"]);
    assert_eq!(times(&track), [0, 10, 20, 30, 40].map(Some));
    assert_eq!(track.samples.iter().map(|s| s.key).collect::<Vec<_>>(), [true, false, false, true, false]);
    assert_eq!((track.duration_us(), track.frames_per_second()), (500_000, 10.0));
}

#[test]
fn brands_distinguish_quicktime_from_mp4() {
    let clip = Clip::new();
    let with_brand = |brand: &[u8]| [boxed(b"ftyp", &[brand, &[0; 4]]), clip.file()[16..].to_vec()].concat();
    assert_eq!(read_it(&with_brand(b"qt  ")).container, Container::Mov);
    assert_eq!(read_it(&with_brand(b"3gp4")).container, Container::Mp4);
    let old = [boxed(b"wide", &[&[0; 8]]), clip.file()[16..].to_vec()].concat();
    assert_eq!(read_it(&old).container, Container::Mov);
}

#[test]
fn composition_offsets_move_samples_in_either_version() {
    for version in [0, 1_u32 << 24] {
        let delays = words(&[version, 3, 1, 20, 2, (-10_i32).cast_unsigned(), 9, 0]);
        let mut clip = Clip::new();
        clip.tables.push(boxed(b"ctts", &[&delays]));
        // 0 + 20, 10 - 10, 20 - 10, 30, 40.
        assert_eq!(times(&read_it(&clip.file())), [20, 0, 10, 30, 40].map(Some));
    }
}

#[test]
fn short_time_tables_continue_with_their_last_value() {
    let mut clip = Clip::new();
    clip.tables[1] = table(b"stts", 2, &[0, 7, 1, 5, 1, 20]);
    assert_eq!(times(&read_it(&clip.file())), [0, 5, 25, 45, 65].map(Some));
}

#[test]
fn sample_sizes_may_be_equal_or_compact() {
    let equal = (boxed(b"stsz", &[&words(&[0, 3, 5])]), [3; 5]);
    let nibbles = (boxed(b"stz2", &[&words(&[0, 4, 5]), &[0x12, 0x34, 0x50]]), [1, 2, 3, 4, 5]);
    let bytes = (boxed(b"stz2", &[&words(&[0, 8, 5]), &[5, 4, 3, 2, 1]]), [5, 4, 3, 2, 1]);
    let halves = (boxed(b"stz2", &[&words(&[0, 16, 5]), &[0, 1, 0, 1, 0, 1, 0, 1, 0, 9]]), [1, 1, 1, 1, 9]);
    for (sizes, want) in [equal, nibbles, bytes, halves] {
        let mut clip = Clip::new();
        clip.tables[0] = sizes;
        let file = clip.file();
        assert_eq!(read_it(&file).samples.iter().map(|s| s.data.len()).collect::<Vec<_>>(), want);
    }
}

#[test]
fn an_empty_sample_repeats_the_one_before() {
    let mut clip = Clip::new();
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 0, 5, 1, 0, 3, 4, 5])]);
    assert_eq!(times(&read_it(&clip.file())), [0, 20, 30, 40].map(Some));
}

#[test]
fn matrices_give_rotation_and_mirroring() {
    use Rotation::{Half, Left, None, Right};
    let cases = [
        (UPRIGHT, false, None),
        ([0, 1, -1, 0], false, Right),
        ([-1, 0, 0, -1], false, Half),
        ([0, -1, 1, 0], false, Left),
        ([-1, 0, 0, 1], true, None),
        ([1, 0, 0, -1], true, Half),
        ([0, -1, -1, 0], true, Right),
        ([0, 1, 1, 0], true, Left),
        ([0, 2, -2, 0], false, Right),
        ([0, 0, 0, 0], false, None),
    ];
    for (turned, mirrored, turn) in cases {
        let clip = Clip { turned, ..Clip::new() };
        let file = clip.file();
        let track = read_it(&file);
        assert_eq!((track.mirrored, track.turn), (mirrored, turn), "{turned:?}");
    }
    let both = Clip { turned: [0, 1, -1, 0], movie_turned: [0, 1, -1, 0], ..Clip::new() };
    assert_eq!(read_it(&both.file()).turn, Half);
}

#[test]
fn edit_lists_choose_which_samples_are_shown() {
    let cases: [(&[Edited], [Option<i64>; 5]); 10] = [
        (&[(0, 0, 1)], [0, 10, 20, 30, 40].map(Some)),
        (&[(500, 0, 1)], [0, 10, 20, 30, 40].map(Some)),
        (&[(300, 20, 1)], [None, None, Some(0), Some(10), Some(20)]),
        (&[(200, 10, 1)], [None, Some(0), Some(10), None, None]),
        // It begins in the middle of a sample, which is seen from there on.
        (&[(0, 15, 1)], [None, Some(0), Some(10), Some(20), Some(30)]),
        (&[(700, -1, 1), (500, 0, 1)], [0, 10, 20, 30, 40].map(Some)),
        (&[(200, 0, 1), (500, -1, 1), (0, 30, 1)], [Some(0), Some(10), None, Some(70), Some(80)]),
        // In another order.
        (&[(200, 30, 1), (200, 0, 1)], [Some(20), Some(30), None, Some(0), Some(10)]),
        // A still.
        (&[(1000, 40, 0)], [None, None, None, None, Some(0)]),
        // Nothing would be shown.
        (&[(100, 5000, 1)], [0, 10, 20, 30, 40].map(Some)),
    ];
    for (edits, want) in cases {
        assert_eq!(times(&read_it(&Clip::with_edits(edits).file())), want, "{edits:?}");
    }
    let hidden = Clip::with_edits(&[(300, 20, 1)]).file();
    assert_eq!(read_it(&hidden).samples[0].time_us, -200_000);
    assert_eq!(read_it(&hidden).duration_us(), 300_000);
}

#[test]
fn codecs_are_recognized_with_their_configuration() {
    let name = |entry: Vec<u8>| {
        let clip = Clip { entry, ..Clip::new() };
        read_it(&clip.file()).codec.to_string()
    };
    let systems = |object_type: u8| {
        let descriptor =
            [&[0, 0, 0, 0, 3, 0x80, 0x80, 0x19, 0, 1, 0x20, 0, 9, 4, 17, object_type], [0; 16].as_slice()].concat();
        entry(b"mp4v", &boxed(b"esds", &[&descriptor]))
    };
    assert_eq!(name(entry(b"hvc1", &boxed(b"hvcC", &[b"x"]))), "HEVC");
    assert_eq!(name(entry(b"vp09", &boxed(b"vpcC", &[b"x"]))), "VP9");
    assert_eq!(name(entry(b"vp08", &[])), "VP8");
    assert_eq!(name(entry(b"jpeg", b"\0\0\0\0")), "Motion JPEG");
    assert_eq!(name(entry(b"av01", &[])), "AV1");
    assert_eq!(name(entry(b"apch", &[])), "ProRes");
    assert_eq!(name(entry(b"a\n'\xFF", &[])), "'a???'");
    assert_eq!(name(systems(0x6C)), "Motion JPEG");
    assert_eq!(name(systems(0x61)), "MPEG-2");
    assert_eq!(name(systems(0x20)), "MPEG-4 Part 2");
    assert_eq!(name(entry(b"mp4v", &[])), "MPEG-4 Part 2");
    let fails = |entry: Vec<u8>| error(&Clip { entry, ..Clip::new() }.file());
    assert_eq!(fails(entry(b"encv", &[])), "the MP4 is encrypted");
    assert_eq!(fails(entry(b"avc1", &[])), "the MP4 has no 'avcC' box in its 'avc1' box");
    assert_eq!(fails(boxed(b"avc1", &[&[0; 40]])), "the MP4 has a damaged 'avc1' box");
}

#[test]
fn the_track_with_most_samples_is_read() {
    let (long, mut short) = (Clip::new(), Clip::new());
    short.tables[0] = boxed(b"stsz", &[&words(&[0, 1, 2])]);
    short.entry = entry(b"jpeg", &[]);
    let file = |tracks: &[Vec<u8>]| {
        let movie = boxed(b"moov", &[&movie_header(UPRIGHT), &tracks.concat()]);
        [file_type(), boxed(b"mdat", &[b"122333444455555"]), movie].concat()
    };
    let codec = |tracks: &[Vec<u8>]| read_it(&file(tracks)).codec.clone();
    assert_eq!(codec(&[short.track(1, &[24, 27]), long.track(2, &[24, 27])]), Codec::H264);
    let disabled = Clip { enabled: false, ..Clip::new() };
    assert_eq!(codec(&[short.track(1, &[24, 27]), disabled.track(2, &[24, 27])]), Codec::Mjpeg);
    assert_eq!(codec(&[disabled.track(2, &[24, 27])]), Codec::H264);
    let sound = Clip { handler: b"soun", ..Clip::new() };
    assert_eq!(error(&file(&[sound.track(1, &[24, 27])])), "the MP4 holds no video track, only sound");
    assert_eq!(error(&file(&[])), "the MP4 holds no video track");
}

#[test]
fn the_pixel_shape_is_that_of_the_box_the_matrix_or_the_track() {
    let boxed_shape = |across, down| {
        let settings = [boxed(b"avcC", &[b"setup"]), boxed(b"pasp", &[&words(&[across, down])])].concat();
        entry(b"avc1", &settings)
    };
    let shape = |clip: &Clip| read_it(&clip.file()).shape;
    // The pictures have 64x48 pixels.
    let cases: [(Clip, Option<Shape>); 11] = [
        (Clip::new(), None),
        (Clip { entry: boxed_shape(4, 3), ..Clip::new() }, Shape::new(4, 3)),
        (Clip { entry: boxed_shape(4, 3), turned: [2, 0, 0, 1], size: (9, 9), ..Clip::new() }, Shape::new(4, 3)),
        (Clip { entry: boxed_shape(1, 0), ..Clip::new() }, None),
        (Clip { entry: boxed_shape(1, 1), size: (128, 48), ..Clip::new() }, Some(Shape::SQUARE)),
        (Clip { turned: [2, 0, 0, 1], size: (1, 1), ..Clip::new() }, Shape::new(2, 1)),
        (Clip { turned: [0, 2, -1, 0], ..Clip::new() }, Shape::new(2, 1)),
        (Clip { turned: [2, 0, 0, 2], ..Clip::new() }, None),
        (Clip { size: (128, 48), ..Clip::new() }, Shape::new(2, 1)),
        (Clip { size: (64, 48), ..Clip::new() }, None),
        (Clip { size: (48, 64), turned: [0, 1, -1, 0], ..Clip::new() }, None),
    ];
    for (number, (clip, want)) in cases.iter().enumerate() {
        assert_eq!(shape(clip), *want, "{number}");
    }
}

#[test]
fn the_field_order_is_read() {
    for (detail, want) in [(6, true), (1, false), (9, false)] {
        let clip = Clip { entry: entry(b"jpeg", &boxed(b"fiel", &[&[2, detail]])), ..Clip::new() };
        assert_eq!(read_it(&clip.file()).bottom_first, want, "{detail}");
    }
}

#[test]
fn appended_recordings_are_read_one_after_the_other() {
    let clip = Clip::new();
    let twice = [clip.file(), clip.file()].concat();
    let track = read_it(&twice);
    assert_eq!(times(&track), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map(Some));
    assert_eq!(&*track.samples[9].data, b"55555", "offsets count from where the second begins");
    let turned = Clip { turned: [0, 1, -1, 0], ..Clip::new() };
    let text = "the MP4 holds recordings one after the other that differ in codec, size or settings, which is not supported; \
                send one of them";
    assert_eq!(error(&[clip.file(), turned.file()].concat()), text);
    let sound = Clip { handler: b"soun", ..Clip::new() };
    assert_eq!(error(&[clip.file(), sound.file()].concat()), "the MP4 holds no video track, only sound");
    assert_eq!(error(&clip.file().repeat(65)), "the MP4 holds more than 64 recordings one after the other");
    let cut = [clip.file(), clip.file()[..30].to_vec()].concat();
    assert_eq!(error(&cut), "the MP4 has no 'moov' box: it was cut off while being recorded or sent");
    // A movie beside the movie: a copy does no harm.
    let copy = [clip.file(), clip.movie(&[24, 27])].concat();
    assert_eq!(read_it(&copy).samples.len(), 5);
    let another = [clip.file(), clip.movie(&[24, 28])].concat();
    assert!(error(&another).starts_with("the MP4 has several 'moov' boxes"), "{}", error(&another));
}

#[test]
fn the_largest_of_equally_long_tracks_is_read() {
    let small = Clip { entry: entry(b"jpeg", &[]), ..Clip::new() };
    let mut large = Clip::new();
    // Behind the head of the box and 24 bytes: the width.
    large.entry[8 + 24 + 1] = 65;
    let movie = [small.track(1, &[24, 27]), large.track(2, &[24, 27])].concat();
    let movie = boxed(b"moov", &[&movie_header(UPRIGHT), &movie]);
    let file = [file_type(), boxed(b"mdat", &[b"122333444455555"]), movie].concat();
    assert_eq!((read_it(&file).width, &read_it(&file).codec), (65, &Codec::H264));
}

#[test]
fn large_boxes_boxes_to_the_end_and_64_bit_offsets_are_read() {
    let long = [&words(&[1]), b"mdat".as_slice(), &words(&[0, 31]), b"122333444455555"].concat();
    let clip = Clip::new();
    let file = [file_type(), long, clip.movie(&[32, 35])].concat();
    assert_eq!(&*read_it(&file).samples[4].data, b"55555");
    let movie = clip.movie(&[0, 0]);
    let start = (16 + movie.len() + 8) as u32;
    let last = [words(&[0]), b"mdat122333444455555".to_vec()].concat();
    let file = [file_type(), clip.movie(&[start, start + 3]), last].concat();
    assert_eq!(&*read_it(&file).samples[4].data, b"55555");
    let offsets = boxed(b"co64", &[&words(&[0, 2, 0, 24, 0, 27])]);
    let mut clip = Clip::new();
    clip.tables.push(offsets);
    let file = [file_type(), boxed(b"mdat", &[b"122333444455555"]), clip.movie(&[9, 9])].concat();
    assert_eq!(&*read_it(&file).samples[4].data, b"55555");
}

#[test]
fn missing_parts_are_named_in_the_error() {
    let file = Clip::new().file();
    assert_eq!(error(&file[..39]), "the MP4 has no 'moov' box: it was cut off while being recorded or sent");
    assert_eq!(error(&file[..file.len() - 1]), "the MP4 ends inside its 'moov' box");
    let movie = Clip::new().movie(&[0, 0]);
    let start = (16 + movie.len() + 8) as u32;
    let fast = [file_type(), Clip::new().movie(&[start, start + 3]), boxed(b"mdat", &[b"122333444455555"])].concat();
    assert_eq!(read_it(&fast).samples.len(), 5);
    let text = "the MP4 ends inside its media data: 2 of 5 frames are there";
    assert_eq!(error(&fast[..fast.len() - 10]), text);
    for (index, kind) in [(0, "stsz"), (2, "stsc")] {
        let mut clip = Clip::new();
        clip.tables.remove(index);
        assert_eq!(error(&clip.file()), format!("the MP4 has no '{kind}' box in its 'stbl' box"));
    }
    let mut clip = Clip::new();
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 0, 6, 1, 2, 3, 4, 5])]);
    assert_eq!(error(&clip.file()), "the MP4 has a damaged 'stsz' box");
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 1, 6])]);
    assert_eq!(error(&clip.file()), "the MP4 has a damaged 'stbl' box");
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 0, 0])]);
    assert_eq!(error(&clip.file()), "the MP4 holds a video track without frames");
    let packed = [file_type(), boxed(b"moov", &[&boxed(b"cmov", &[&[0; 8]])])].concat();
    assert_eq!(error(&packed), "the MP4 has a compressed 'moov' box, which is not supported");
}

#[test]
fn limits_are_checked_before_tables_are_built() {
    let limits = Limits { video_frames: 5, video_ms: 500, ..Limits::default() };
    let mut clip = Clip::new();
    assert!(read(&clip.file(), &limits).is_ok());
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 1, 6])]);
    let text = "the MP4 has 6 frames; the limit is 5";
    assert_eq!(read(&clip.file(), &limits).unwrap_err(), Error::TooLarge(text.into()));
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 0, u32::MAX])]);
    assert_eq!(error(&clip.file()), "the MP4 has a damaged 'stsz' box");
    let mut clip = Clip::new();
    clip.tables[1] = table(b"stts", 2, &[5, 13]);
    let text = "the MP4 lasts 0.7 s; the limit is 0.5 s";
    assert_eq!(read(&clip.file(), &limits).unwrap_err(), Error::TooLong(text.into()));
    let mut clip = Clip::new();
    clip.tables[2] = table(b"stsc", 3, &[1, 1, 1]);
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 2000, 200])]);
    let many = [vec![24; 200], vec![]].concat();
    let file = [file_type(), boxed(b"mdat", &[&[0; 3000]]), clip.movie(&many)].concat();
    assert_eq!(error(&file), "the MP4 has frames that overlap each other");
}

#[test]
fn changes_of_codec_configuration_within_a_track_are_refused() {
    let mut clip = Clip::new();
    clip.tables[2] = table(b"stsc", 3, &[1, 2, 1, 2, 3, 2]);
    assert_eq!(error(&clip.file()), "the MP4 changes the settings of its codec on the way, which is not supported");
}

#[test]
fn boxes_of_size_zero_end_a_list() {
    let clip = Clip { more: vec![0; 64], ..Clip::new() };
    assert_eq!(read_it(&clip.file()).samples.len(), 5);
    let clip = Clip { edits: vec![0; 8], ..Clip::new() };
    assert_eq!(error(&clip.file()), "the MP4 has no 'mdia' box in its 'trak' box");
    let clip = Clip { more: words(&[4, 0]), ..Clip::new() };
    assert_eq!(error(&clip.file()), "the MP4 has a damaged 'moov' box");
}

/// A movie without samples, then fragments.
fn fragmented(fragments: &[&dyn Fn(u32) -> Vec<u8>]) -> Vec<u8> {
    let mut clip = Clip::new();
    clip.tables[0] = boxed(b"stsz", &[&words(&[0, 0, 0])]);
    let defaults = boxed(b"trex", &[&words(&[0, 1, 1, 10, 3, 0x0101_0000])]);
    clip.more = boxed(b"mvex", &[&boxed(b"mehd", &[&words(&[0, 0])]), &defaults]);
    let mut file = [file_type(), clip.movie(&[])].concat();
    for fragment in fragments {
        let start = file.len() as u32;
        file.extend(fragment(start));
    }
    file
}

/// A fragment of track 1 with two runs of two samples, with the fields that the flags ask for. Those of the header:
/// base (1), duration (8), size (0x10), flags (0x20), and that the base is the fragment (0x20000). Those of the runs:
/// offset (1), flags of the first sample (4), duration, size, flags and delay (0x100 to 0x800).
fn fragment(start: u32, head: u32, run: u32) -> Vec<u8> {
    let wide = |condition: bool, words: &[u32]| if condition { words.to_vec() } else { Vec::new() };
    let make = |length: u32| {
        let mut header = vec![head, 1];
        header.extend(wide(head & 0x1 != 0, &[0, start]));
        header.extend(wide(head & 0x8 != 0, &[20]));
        header.extend(wide(head & 0x10 != 0, &[2]));
        header.extend(wide(head & 0x20 != 0, &[0]));
        let one = |first: bool| {
            let mut fields = vec![run, 2];
            fields.extend(wide(run & 0x1 != 0, &[length + 8 + if first { 0 } else { 4 }]));
            fields.extend(wide(run & 0x4 != 0, &[0]));
            for _ in 0..2 {
                fields.extend(wide(run & 0x100 != 0, &[20]));
                fields.extend(wide(run & 0x200 != 0, &[2]));
                fields.extend(wide(run & 0x400 != 0, &[0x0001_0000]));
                fields.extend(wide(run & 0x800 != 0, &[5]));
            }
            boxed(b"trun", &[&words(&fields)])
        };
        let track = boxed(b"traf", &[&boxed(b"tfhd", &[&words(&header)]), &one(true), &one(false)]);
        boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])]), &track])
    };
    let length = make(0).len() as u32;
    [make(length), boxed(b"mdat", &[b"aabbccdd"])].concat()
}

#[test]
fn fragments_may_leave_out_optional_fields() {
    for head in [0x20018, 0x19, 0x20038, 0x1A_u32 & 0x18] {
        for run in [0x1, 0x5, 0xF01, 0xA05, 0x201] {
            let make = |start| fragment(start, head, run);
            let file = fragmented(&[&make, &make]);
            let track = read_it(&file);
            let data: Vec<u8> = track.samples.iter().flat_map(|s| s.data.to_vec()).collect();
            assert_eq!(data, b"aabbccddaabbccdd", "{head:x} {run:x}");
            let all: Vec<_> = (0..8).map(|i| Some(i * 20)).collect();
            assert_eq!(times(&track), all, "{head:x} {run:x}");
            let first = run & 0x4 != 0;
            let other = head & 0x20 != 0 && run & 0x400 == 0;
            let keys: Vec<_> = (0..8).map(|i| if i % 2 == 0 && first { true } else { other }).collect();
            assert_eq!(track.samples.iter().map(|s| s.key).collect::<Vec<_>>(), keys, "{head:x} {run:x}");
        }
    }
}

#[test]
fn fragments_without_offsets_follow_each_other() {
    // Sound first, whose samples have one size; then the picture, which begins where the sound ends.
    let make = |_| {
        let track = |id: u32, run: &[u32]| {
            let head = boxed(b"tfhd", &[&words(&[0x10, id, 2])]);
            boxed(b"traf", &[&head, &boxed(b"trun", &[&words(run)])])
        };
        let build = |length: u32| boxed(b"moof", &[&track(2, &[0x1, 3, length + 8]), &track(1, &[0, 1])]);
        let length = build(0).len() as u32;
        [build(length), boxed(b"mdat", &[b"SSSSSSaa"])].concat()
    };
    let file = fragmented(&[&make, &make]);
    let track = read_it(&file);
    assert!(track.samples.iter().all(|s| &*s.data == b"aa"));
    assert_eq!(times(&track), [Some(0), Some(10)]);
}

#[test]
fn fragments_may_start_at_any_time() {
    let at = |time: u32| {
        move |start: u32| {
            let track = |length: u32| {
                let head = boxed(b"tfhd", &[&words(&[0x20010, 1, 1])]);
                let time = boxed(b"tfdt", &[&words(&[1 << 24, 7, time])]);
                boxed(b"moof", &[&boxed(b"traf", &[&head, &time, &boxed(b"trun", &[&words(&[1, 1, length + 8])])])])
            };
            let _ = start;
            [track(track(0).len() as u32), boxed(b"mdat", &[b"a"])].concat()
        }
    };
    let file = fragmented(&[&at(1000), &at(1500)]);
    assert_eq!(times(&read_it(&file)), [Some(0), Some(500)]);
}

#[test]
fn limits_apply_to_fragments() {
    let many = |count: u32| {
        move |_| {
            let head = boxed(b"tfhd", &[&words(&[0x20010, 1, 0])]);
            boxed(b"moof", &[&boxed(b"traf", &[&head, &boxed(b"trun", &[&words(&[0, count])])])])
        }
    };
    assert_eq!(error(&fragmented(&[&many(u32::MAX)])), "the MP4 has 4294967295 frames; the limit is 7200");
    let whole = fragmented(&[&|start| fragment(start, 0x20010, 0x1)]);
    assert_eq!(error(&whole[..whole.len() - 1]), "the MP4 ends inside its 'mdat' box");
    assert_eq!(error(&whole[..whole.len() - 20]), "the MP4 ends inside its 'moof' box");
}

#[test]
fn every_truncated_file_is_refused() {
    let clip = Clip::with_edits(&[(700, -1, 1), (500, 0, 1)]).file();
    let live = fragmented(&[&|start| fragment(start, 0x20038, 0xF05)]);
    for file in [clip, live] {
        for end in 0..file.len() {
            fuzz(&file[..end]);
            assert!(read(&file[..end], &Limits::default()).is_err(), "{end}");
        }
        fuzz(&file);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
        fuzz(&[file_type(), boxed(b"moov", &[&movie_header(UPRIGHT), &bytes])].concat());
    }

    #[test]
    fn damaged_files_are_parsed_without_panic(
        live in any::<bool>(),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6),
    ) {
        let mut file = if live {
            fragmented(&[&|start| fragment(start, 0x20038, 0xF05)])
        } else {
            Clip::with_edits(&[(200, 30, 1), (200, 0, 1)]).file()
        };
        for (at, value) in damage {
            let at = usize::from(at) % file.len();
            file[at] = value;
        }
        fuzz(&file);
    }
}
