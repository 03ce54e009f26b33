//! Makes small inputs that cause much work.

/// A segment of a JPEG.
fn segment(code: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).expect("segments are short").to_be_bytes();
    [&[0xFF, code][..], &length, body].concat()
}

/// A Huffman table with one code of `bits` zeros, which means `value`.
fn table(class: u8, bits: usize, value: u8) -> Vec<u8> {
    let mut counts = [0; 16];
    counts[bits - 1] = 1;
    segment(0xC4, &[&[class << 4][..], &counts, &[value]].concat())
}

/// A scan of the one component: its spectral band, the bits of its precision, and its data.
fn scan(band: (u8, u8), low: u8, data: &[u8]) -> Vec<u8> {
    [segment(0xDA, &[1, 1, 0, band.0, band.1, low]), data.to_vec()].concat()
}

/// A gray progressive JPEG without its last marker: the DC scan is there, with `dc` bytes.
fn progressive(width: u16, height: u16, dc: usize) -> Vec<u8> {
    let quantization = segment(0xDB, &[&[0][..], &[1; 64]].concat());
    let frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    let dc = scan((0, 0), 0, &vec![0; dc]);
    [&[0xFF, 0xD8][..], &quantization, &segment(0xC2, &frame), &table(0, 1, 0), &dc].concat()
}

/// 98 scans over 50 megapixels that have no data, with codes of 15 bits: 1.6 KB.
pub(crate) fn empty_scans(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = [progressive(width, height, 8), table(1, 15, 2)].concat();
    (0..98).for_each(|_| jpeg.extend(scan((1, 63), 1, &[0; 4])));
    [&jpeg[..], &[0xFF, 0xD9]].concat()
}

/// A valid picture with as many scans: all of its blocks are there, in a bit each and then in runs.
pub(crate) fn whole_scans(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    // Each code of one bit, EOB14, ends 16384 blocks and as many more as its 14 bits state.
    let mut bits = vec![];
    let mut left = blocks;
    while left >= 1 << 14 {
        let more = (left - (1 << 14)).min((1 << 14) - 1);
        bits.push(false);
        bits.extend((0..14).rev().map(|bit| more >> bit & 1 == 1));
        left -= (1 << 14) + more;
    }
    // The rest needs shorter runs, for which there is no code: the picture's size is chosen so that there is none, or it ends there.
    while bits.len() % 8 != 0 {
        bits.push(true);
    }
    let mut data = vec![];
    for byte in bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))) {
        data.push(byte);
        if byte == 0xFF {
            data.push(0);
        }
    }
    let mut jpeg = [progressive(width, height, blocks.div_ceil(8)), table(1, 1, 0xE0)].concat();
    (0..scans).for_each(|_| jpeg.extend(scan((1, 63), 1, &data)));
    [&jpeg[..], &[0xFF, 0xD9]].concat()
}

/// A baseline JPEG of this size with something in every block.
pub(crate) fn plain(width: u16, height: u16) -> Vec<u8> {
    let picture = image::GrayImage::from_fn(width.into(), height.into(), |x, y| image::Luma([(x ^ y) as u8]));
    let mut jpeg = vec![];
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 30).encode_image(&picture).expect("memory takes all");
    jpeg
}

/// An AVI of Motion JPEG in which every frame is `jpeg`, of this size.
pub(crate) fn avi(jpeg: &[u8], (width, height): (u16, u16), frames: usize) -> Vec<u8> {
    let chunk = |code: &[u8; 4], body: &[u8]| {
        let length = u32::try_from(body.len()).expect("clips are short").to_le_bytes();
        [&code[..], &length, body, &vec![0; body.len() % 2]].concat()
    };
    let words = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let list = |kind: &[u8; 4], body: &[u8]| chunk(b"LIST", &[&kind[..], body].concat());
    let header = chunk(b"avih", &words(&[100_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let stream = [&b"vids"[..], &words(&[0, 0, 0, 0, 1, 10, 0, 0, 0, 0, 0, 0, 0])].concat();
    let mut format = words(&[40, width.into(), height.into(), 1 | 24 << 16]);
    format.extend([&b"MJPG"[..], &words(&[0, 0, 0, 0, 0])].concat());
    let stream = list(b"strl", &[chunk(b"strh", &stream), chunk(b"strf", &format)].concat());
    let head = list(b"hdrl", &[header, stream].concat());
    [&b"RIFF\0\0\0\0AVI "[..], &head, &chunk(b"00dc", jpeg).repeat(frames)].concat()
}
