//! Makes streams for tests: headers are drawn at random, and so are the bits after them, which are valid in any order.
//!
//! Such streams use all of the format, also what no encoder writes: every update of references, every version, far vectors.

use super::tables::{TOKEN_UPDATES, VECTOR_UPDATES};

/// The encoder of section 7.3.
pub(super) struct BoolEncoder {
    bytes: Vec<u8>,
    range: u32,
    bottom: u32,
    /// Bits until the next byte is complete.
    bits: u32,
}

impl BoolEncoder {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), range: 255, bottom: 0, bits: 24 }
    }

    pub(super) fn bit(&mut self, probability: u8, set: bool) {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        if set {
            self.bottom += split;
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            if self.bottom >> 31 != 0 {
                // Carries into the bytes that are written.
                for byte in self.bytes.iter_mut().rev() {
                    *byte = byte.wrapping_add(1);
                    if *byte != 0 {
                        break;
                    }
                }
            }
            self.bottom <<= 1;
            self.bits -= 1;
            if self.bits == 0 {
                self.bytes.push((self.bottom >> 24) as u8);
                self.bottom &= 0xFF_FFFF;
                self.bits = 8;
            }
        }
    }

    /// An unsigned number, most significant bit first.
    pub(super) fn number(&mut self, bits: u32, value: u32) {
        for bit in (0..bits).rev() {
            self.bit(128, value >> bit & 1 != 0);
        }
    }

    fn flag(&mut self, set: bool) -> bool {
        self.bit(128, set);
        set
    }

    /// A flag: whether there is a number, its magnitude, its sign.
    fn optional(&mut self, bits: u32, value: Option<i32>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            self.number(bits, value.unsigned_abs());
            self.flag(value < 0);
        }
    }

    /// What was written, and what the decoder reads ahead.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.number(32, 0);
        self.bytes
    }
}

/// Numbers that follow no pattern, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ self.0 >> 29).wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn around_zero(&mut self, most: i32) -> i32 {
        self.below(2 * most as u32 + 1) as i32 - most
    }
}

/// A stream of `frames`, the first a key frame; later ones may be of another size.
pub(super) fn stream(seed: u64, frames: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let version = random.below(4);
    (0..frames)
        .map(|at| {
            let size = [1 + random.below(48) as u16, 1 + random.below(48) as u16];
            let key = at == 0 || random.chance(10);
            let version = if random.chance(10) { random.below(4) } else { version };
            frame(&mut random, key.then_some(size), version)
        })
        .collect()
}

fn frame(random: &mut Random, key: Option<[u16; 2]>, version: u32) -> Vec<u8> {
    let mut header = BoolEncoder::new();
    if key.is_some() {
        header.number(2, 0);
    }
    segments(random, &mut header, key.is_some());
    header.flag(random.chance(40));
    header.number(6, if random.chance(20) { 0 } else { random.below(64) });
    header.number(3, if random.chance(50) { 0 } else { random.below(8) });
    if header.flag(random.chance(60)) && header.flag(random.chance(70)) {
        for _ in 0..8 {
            let delta = random.chance(70).then(|| random.around_zero(63));
            header.optional(6, delta);
        }
    }
    let partitions = random.below(4);
    header.number(2, partitions);
    header.number(7, random.below(40));
    for _ in 0..5 {
        let delta = random.chance(40).then(|| random.around_zero(15));
        header.optional(4, delta);
    }
    if key.is_none() {
        let refresh = [header.flag(random.chance(20)), header.flag(random.chance(20))];
        for _ in refresh.iter().filter(|refresh| !**refresh) {
            header.number(2, random.below(3));
        }
        header.number(2, random.below(4));
    }
    header.flag(random.chance(60));
    if key.is_none() {
        header.flag(random.chance(80));
    }
    for &update in TOKEN_UPDATES.as_flattened().as_flattened().as_flattened() {
        let change = random.chance(3);
        header.bit(update, change);
        if change {
            header.number(8, random.below(256));
        }
    }
    if header.flag(random.chance(70)) {
        header.number(8, random.below(256));
    }
    if key.is_none() {
        header.number(8, random.below(160));
        header.number(16, random.below(1 << 16));
        for modes in [4, 3] {
            if header.flag(random.chance(30)) {
                (0..modes).for_each(|_| header.number(8, random.below(256)));
            }
        }
        for &update in VECTOR_UPDATES.as_flattened() {
            let change = random.chance(15);
            header.bit(update, change);
            if change {
                header.number(7, random.below(128));
            }
        }
    }
    (0..700).for_each(|_| header.number(8, random.below(256)));
    assemble(random, key, version, &header.finish(), 1 << partitions)
}

fn segments(random: &mut Random, header: &mut BoolEncoder, key: bool) {
    if !header.flag(random.chance(60)) {
        return;
    }
    let new_map = header.flag(key || random.chance(50));
    if header.flag(key || random.chance(50)) {
        let absolute = header.flag(random.chance(50));
        for (bits, most) in [(7, 40), (6, 63)] {
            for _ in 0..4 {
                let value = random.around_zero(most);
                header.optional(bits, random.chance(80).then_some(if absolute { value.abs() } else { value }));
            }
        }
    }
    if new_map {
        for _ in 0..3 {
            if header.flag(random.chance(80)) {
                header.number(8, random.below(256));
            }
        }
    }
}

fn assemble(random: &mut Random, key: Option<[u16; 2]>, version: u32, first: &[u8], partitions: usize) -> Vec<u8> {
    let shown = !random.chance(15);
    let tag = u32::from(key.is_none()) | version << 1 | u32::from(shown) << 4 | (first.len() as u32) << 5;
    let mut frame = tag.to_le_bytes()[..3].to_vec();
    if let Some([width, height]) = key {
        frame.extend([0x9D, 0x01, 0x2A]);
        frame.extend(width.to_le_bytes());
        frame.extend(height.to_le_bytes());
    }
    frame.extend(first);
    const BYTES: u32 = 4000;
    for _ in 1..partitions {
        frame.extend(&BYTES.to_le_bytes()[..3]);
    }
    for _ in 0..partitions {
        // The first bit of a partition is never one that the encoder could not have written.
        frame.push(random.below(128) as u8);
        frame.extend((1..BYTES).map(|_| random.below(256) as u8));
    }
    frame
}
