//! Decodes pictures of the same coefficients, written in every order of scans.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::super::decode::open;
use super::super::kinds::Way;
use super::super::tests::Writer;
use super::*;

/// How the coefficients are spread over scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// All components in one scan.
    Together,
    /// Each component in a scan of its own.
    Apart,
    /// First coefficients, then the others of each component.
    Progressive,
    /// The same with the lowest bit in scans of its own.
    Bits,
}

const ORDERS: [Order; 4] = [Order::Together, Order::Apart, Order::Progressive, Order::Bits];

/// A picture with known blocks.
#[derive(Clone, Debug)]
struct Known {
    size: (u16, u16),
    /// Blocks in a unit, across and down, of each component.
    factors: Vec<(usize, usize)>,
    /// Coefficients in the order of the file, which the blocks use in turn.
    blocks: Vec<[i16; 64]>,
    /// Units between restart markers; 0 for none.
    interval: u16,
}

/// The bits of a scan, with restart markers.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    bits: Vec<bool>,
}

impl Written {
    fn put(&mut self, value: u32, count: u32) {
        self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// Writes a difference or a coefficient: its size with `code`, then its bits.
    fn number(&mut self, value: i16, code: impl Fn(&mut Self, u32)) {
        let size = value.unsigned_abs().checked_ilog2().map_or(0, |bits| bits + 1);
        code(self, size);
        let bits = if value < 0 { i32::from(value) + (1 << size) - 1 } else { value.into() };
        self.put(bits as u32, size);
    }

    /// Fills the last byte with ones and stuffs zeros.
    fn flush(&mut self) {
        for eight in std::mem::take(&mut self.bits).chunks(8) {
            let byte = (0..8).fold(0, |byte, bit| byte << 1 | u8::from(*eight.get(bit).unwrap_or(&true)));
            self.bytes.push(byte);
            if byte == 0xFF {
                self.bytes.push(0);
            }
        }
    }

    fn first(&mut self, value: i16, before: &mut i16) {
        self.number(value - *before, |own, size| own.put(size, 4));
        *before = value;
    }

    /// Writes all coefficients but the first, without runs over several blocks.
    fn others(&mut self, values: &[i16]) {
        let mut zeros = 0;
        for &value in values {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.put(0xF0, 8);
                zeros -= 16;
            }
            self.number(value, |own, size| own.put(zeros << 4 | size, 8));
            zeros = 0;
        }
        if zeros > 0 {
            self.put(0, 8);
        }
    }

    /// Writes the lowest bit of coefficients whose upper bits were written.
    fn lowest_bits(&mut self, values: &[i16]) {
        let last = values.iter().rposition(|value| value.abs() == 1);
        let (mut zeros, mut known) = (0, vec![]);
        for (at, &value) in values.iter().enumerate() {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && last.is_some_and(|last| at <= last) {
                self.put(0xF0, 8);
                self.bits.append(&mut known);
                zeros -= 16;
            }
            if value.abs() > 1 {
                known.push(value & 1 == 1);
                continue;
            }
            self.put(zeros << 4 | 1, 8);
            self.put((value > 0).into(), 1);
            self.bits.append(&mut known);
            zeros = 0;
        }
        if zeros > 0 || !known.is_empty() {
            self.put(0, 8);
            self.bits.append(&mut known);
        }
    }
}

impl Known {
    fn jpeg(&self, order: Order) -> Vec<u8> {
        let code = if matches!(order, Order::Together | Order::Apart) { 0xC0 } else { 0xC2 };
        let samplings: Vec<u8> = self.factors.iter().map(|&(across, down)| (across << 4 | down) as u8).collect();
        // Every byte but the last is its own code, and so are four bits.
        let table = |class: u8, bits: usize, count: u8| {
            let counts: Vec<u8> = (1..=16).map(|length| if length == bits { count } else { 0 }).collect();
            [&[class << 4][..], &counts, &(0..count).collect::<Vec<_>>()].concat()
        };
        let writer = Writer::new().segment(0xDB, &[&[0][..], &[3; 64]].concat()).frame(
            code,
            self.size.0,
            self.size.1,
            &samplings,
        );
        let writer = writer.segment(0xC4, &table(0, 4, 15)).segment(0xC4, &table(1, 8, 255));
        let writer = writer.segment(0xDD, &self.interval.to_be_bytes());
        let all: Vec<usize> = (0..self.factors.len()).collect();
        let each = || all.iter().map(|&place| vec![place]);
        let scan = |writer: Writer, places: &[usize], band, bits| {
            let ids: Vec<u8> = places.iter().map(|&place| place as u8 + 1).collect();
            writer.scan(&ids, band, bits, &self.scan(order, places, band, bits))
        };
        match order {
            Order::Together => scan(writer, &all, (0, 63), (0, 0)),
            Order::Apart => each().fold(writer, |writer, place| scan(writer, &place, (0, 63), (0, 0))),
            Order::Progressive => {
                let first = scan(writer, &all, (0, 0), (0, 0));
                each().fold(first, |writer, place| scan(writer, &place, (1, 63), (0, 0)))
            }
            Order::Bits => {
                let first = scan(writer, &all, (0, 0), (0, 1));
                let upper = each().fold(first, |writer, place| scan(writer, &place, (1, 63), (0, 1)));
                let lowest = scan(upper, &all, (0, 0), (1, 0));
                each().fold(lowest, |writer, place| scan(writer, &place, (1, 63), (1, 0)))
            }
        }
        .bytes()
    }

    /// The data of one scan.
    fn scan(&self, order: Order, places: &[usize], band: (u8, u8), bits: (u8, u8)) -> Vec<u8> {
        let most = |of: fn(&(usize, usize)) -> usize| self.factors.iter().map(of).max().unwrap();
        let most = (most(|factors| factors.0), most(|factors| factors.1));
        let size = (usize::from(self.size.0), usize::from(self.size.1));
        let across = |place: usize| size.0.div_ceil(most.0 * 8) * self.factors[place].0;
        let units = match places {
            [only] => {
                let own = self.factors[*only];
                ((size.0 * own.0).div_ceil(most.0 * 8), (size.1 * own.1).div_ceil(most.1 * 8))
            }
            _ => (size.0.div_ceil(most.0 * 8), size.1.div_ceil(most.1 * 8)),
        };
        let (mut written, mut before) = (Written::default(), [0; 4]);
        for unit in 0..units.0 * units.1 {
            if self.interval > 0 && unit > 0 && unit % usize::from(self.interval) == 0 {
                written.flush();
                let number = unit / usize::from(self.interval) - 1;
                written.bytes.extend([0xFF, 0xD0 + (number % 8) as u8]);
                before = [0; 4];
            }
            for &place in places {
                let factors = if places.len() == 1 { (1, 1) } else { self.factors[place] };
                for block in 0..factors.0 * factors.1 {
                    let x = unit % units.0 * factors.0 + block % factors.0;
                    let y = unit / units.0 * factors.1 + block / factors.0;
                    let values = &self.blocks[(y * across(place) + x + place * 7) % self.blocks.len()];
                    match (order, band, bits) {
                        (Order::Together | Order::Apart, _, _) => {
                            written.first(values[0], &mut before[place]);
                            written.others(&values[1..]);
                        }
                        (_, (0, _), (0, low)) => written.first(values[0] >> low, &mut before[place]),
                        (_, (0, _), _) => written.put((values[0] & 1) as u32, 1),
                        (_, _, (0, low)) => {
                            written.others(&values[1..].iter().map(|value| value / (1 << low)).collect::<Vec<_>>());
                        }
                        _ => written.lowest_bits(&values[1..]),
                    }
                }
            }
        }
        written.flush();
        written.bytes
    }

    /// The result of the plain decoder, and the chosen decoder with its result.
    fn decoded(&self, order: Order, raw: bool) -> (Vec<u8>, Way, Vec<u8>) {
        let jpeg = self.jpeg(order);
        let layout = Layout::read(&jpeg).unwrap();
        layout.check(1 << 20).unwrap();
        let color = if raw { Color::Rgb } else { layout.color().unwrap() };
        let channels = if color == Color::Gray { 1 } else { 3 };
        let bytes = usize::from(self.size.0) * usize::from(self.size.1) * channels;
        let (mut plain, mut other) = (vec![0; bytes], vec![0; bytes]);
        decode(&jpeg, &layout, &[], color, &mut plain, &|| false).unwrap();
        open(&jpeg, &layout, &|| false).unwrap().decode(raw, &mut other).unwrap();
        (plain, layout.way().unwrap(), other)
    }
}

/// Factors of up to ten blocks, of which the largest are multiples of the others.
const FACTORS: [&[(usize, usize)]; 12] = [
    &[(1, 1)],
    &[(2, 2)],
    &[(1, 1), (1, 1), (1, 1)],
    &[(2, 1), (1, 1), (1, 1)],
    &[(1, 2), (1, 1), (1, 1)],
    &[(2, 2), (1, 1), (1, 1)],
    &[(1, 1), (2, 2), (2, 2)],
    &[(1, 2), (2, 1), (1, 1)],
    &[(3, 1), (1, 1), (3, 1)],
    &[(1, 1), (1, 1), (4, 2)],
    &[(1, 1), (1, 1), (1, 1), (1, 1)],
    &[(2, 1), (1, 1), (1, 1), (2, 1)],
];

fn known() -> impl Strategy<Value = Known> {
    let sparse = prop_oneof![3 => Just(0_i16), 1 => -3_i16..4, 1 => -20_i16..21];
    let block = (-200_i16..200, proptest::collection::vec(sparse, 63), 1_usize..64).prop_map(|(first, others, end)| {
        std::array::from_fn(|at| {
            if at == 0 {
                first
            } else if at < end {
                others[at - 1]
            } else {
                0
            }
        })
    });
    let blocks = proptest::collection::vec(block, 5..9);
    (1_u16..100, 1_u16..100, proptest::sample::select(&FACTORS[..]), blocks, 0_u16..6).prop_map(
        |(width, height, factors, blocks, interval)| Known {
            size: (width, height),
            factors: factors.to_vec(),
            blocks,
            interval,
        },
    )
}

proptest! {
    #[test]
    fn every_order_of_scans_shows_the_same_picture(known in known()) {
        let (reference, _, _) = known.decoded(Order::Together, false);
        for order in ORDERS {
            let (plain, way, chosen) = known.decoded(order, false);
            prop_assert!(plain == reference, "{order:?}");
            let most = plain.iter().zip(&chosen).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            // The decoders round differently, by one for each component. Their upsampling of noise cannot be compared.
            let bound = if way == Way::Plain { 0 } else { 4 };
            let enlarged = known.factors.windows(2).any(|two| two[0] != two[1]);
            prop_assert!(most <= bound || way == Way::Fast && enlarged, "{order:?}: {most} beside the other decoder");
        }
    }

    #[test]
    fn truncated_data_is_detected(known in known(), share in 0.0..1.0) {
        let jpeg = known.jpeg(Order::Apart);
        let layout = Layout::read(&jpeg).unwrap();
        let scan = &layout.scans[layout.scans.len() - 1].data;
        let cut = scan.start + (scan.len() as f64 * share) as usize;
        let bytes = [&jpeg[..cut], b"\xFF\xD9"].concat();
        // A cut inside a stuffed byte or a marker makes another marker.
        if jpeg[cut.max(1) - 1] != 0xFF && let Ok(layout) = Layout::read(&bytes) {
            let mut out = vec![0; usize::from(known.size.0) * usize::from(known.size.1) * 3];
            let channels = if known.factors.len() == 1 { 1 } else { 3 };
            let count = out.len() / 3 * channels;
            let color = layout.color().unwrap();
            let result = decode(&bytes, &layout, &[], color, &mut out[..count], &|| false);
            prop_assert_eq!(result, Err(Stopped::Flawed(JpegDefect::EndsInScan)));
        }
    }
}

#[test]
fn blocks_are_placed_by_the_sampling_of_their_component() {
    // Four uniform blocks of luma, with one uniform block of each chroma component: gray.
    let flat = |value: i16| std::array::from_fn(|at| if at == 0 { value } else { 0 });
    let known =
        Known { size: (16, 16), factors: vec![(2, 2)], blocks: [-240, -80, 80, 240].map(flat).into(), interval: 0 };
    let (gray, way, _) = known.decoded(Order::Together, false);
    assert_eq!(way, Way::Plain);
    // A first coefficient is eight times the mean, and its quantizer is 3.
    let at = |x: usize, y: usize| gray[y * 16 + x];
    assert_eq!([at(0, 0), at(8, 0), at(0, 8), at(8, 8)], [38, 98, 158, 218]);
}

#[test]
fn raw_components_are_returned_unconverted() {
    let flat = |value: i16| std::array::from_fn(|at| if at == 0 { value } else { 0 });
    let factors = vec![(1, 1), (2, 1), (2, 1)];
    let known = Known { size: (8, 8), factors, blocks: (0..8).map(|at| flat(at * 8)).collect(), interval: 0 };
    let (plain, way, chosen) = known.decoded(Order::Apart, true);
    assert_eq!(way, Way::Plain);
    assert_eq!(plain, chosen);
    // Blocks 0, 7 and 14 % 8: 128 + 3 * value.
    assert_eq!(plain[..3], [128, 128 + 21, 128 + 18]);
}

#[test]
fn decoding_stops_when_asked_to() {
    let known = Known { size: (70, 70), factors: vec![(2, 2)], blocks: vec![[1; 64]; 5], interval: 3 };
    let jpeg = known.jpeg(Order::Bits);
    let layout = Layout::read(&jpeg).unwrap();
    let asked = AtomicUsize::new(0);
    let stopped = |after: usize| {
        asked.store(0, Ordering::Relaxed);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= after;
        decode(&jpeg, &layout, &[], Color::Gray, &mut vec![0; 4900], &stop)
    };
    assert_eq!(stopped(usize::MAX), Ok(()));
    let questions = asked.load(Ordering::Relaxed);
    assert_eq!(questions, 4 * 9 + 10 + 9, "rows of blocks: four scans, samples in whole units, pixels");
    assert!((0..questions).all(|after| stopped(after) == Err(Stopped::Late)));
}

#[test]
fn damage_is_named_in_the_error() {
    let known = Known { size: (40, 24), factors: vec![(1, 1)], blocks: vec![[1; 64]; 5], interval: 4 };
    let jpeg = known.jpeg(Order::Together);
    let told = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = jpeg.clone();
        change(&mut bytes);
        let layout = Layout::read(&bytes).unwrap();
        decode(&bytes, &layout, &[], Color::Gray, &mut vec![0; 40 * 24], &|| false).unwrap_err()
    };
    let find = |bytes: &[u8], two: [u8; 2]| bytes.windows(2).position(|pair| pair == two).unwrap();
    let damaged = |what| Stopped::Flawed(JpegDefect::Damaged(what));
    let swapped = told(&|bytes| {
        let at = find(bytes, [0xFF, 0xD1]);
        bytes[at + 1] = 0xD2;
    });
    assert_eq!(swapped, damaged("restart markers out of order"));
    let missing = told(&|bytes| {
        let at = find(bytes, [0xFF, 0xD2]);
        bytes.drain(at..at + 2);
    });
    assert_ne!(missing, Stopped::Late);
    assert_eq!(told(&|bytes| bytes[find(&jpeg, [0xFF, 0xC4]) + 4] = 5), damaged("a table of a number that cannot be"));
    assert_eq!(told(&|bytes| bytes[find(&jpeg, [0xFF, 0xC4]) + 8] = 16), damaged("a table that ends early"));
}
