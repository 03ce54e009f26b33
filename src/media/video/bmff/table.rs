//! Reads sample tables: where the samples of a track lie and when they are due (ISO/IEC 14496-12, clauses 8.6 and 8.7).

use std::slice::ChunksExact;

use super::boxes::{Fields, Kind, damaged, find, need};
use crate::media::video::track::{Error, check_count};
use crate::ops::Limits;

/// The box that holds the tables.
const STBL: Kind = *b"stbl";

/// Where a sample lies and when it is due; not yet checked against the file's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleLocation {
    /// In bytes from the start of the file.
    pub(super) offset: u64,
    /// In bytes.
    pub(super) size: u32,
    /// When it is presented, in ticks of the media, before edits.
    pub(super) at: i64,
    /// How long it stays, in ticks of the media.
    pub(super) lasts: u32,
    /// Whether it is a sync sample.
    pub(super) key: bool,
}

/// The samples of a track in decoding order.
#[derive(Default)]
pub(super) struct SampleTable {
    pub(super) list: Vec<SampleLocation>,
    /// When the next one is decoded, in ticks of the media: fragments continue from here.
    pub(super) next: i64,
    /// The number of the sample entry that describes them, from 1; `None` without samples.
    pub(super) description: Option<u32>,
}

impl SampleTable {
    /// Records which sample entry the next samples use.
    pub(super) fn described_by(&mut self, number: u32) -> Result<(), Error> {
        if *self.description.get_or_insert(number) == number {
            return Ok(());
        }
        Err(Error::Unsupported("changes the settings of its codec on the way, which is not supported".into()))
    }
}

/// Reads the body of an `stbl` box. It holds no samples in a fragmented file.
pub(super) fn read(stbl: &[u8], limits: &Limits) -> Result<SampleTable, Error> {
    let sizes = Sizes::read(stbl)?;
    check_count(sizes.count, limits)?;
    let mut places = SampleTable::default();
    if sizes.count == 0 {
        return Ok(places);
    }
    let mut sizes = sizes.iter();
    let mut durations = Runs::read(stbl, *b"stts")?.ok_or_else(|| damaged(STBL))?;
    let mut delays = Runs::read(stbl, *b"ctts")?;
    let mut chunks = Chunks::read(stbl)?;
    places.list.reserve_exact(sizes.len());
    while let Some(chunk) = chunks.next().filter(|_| sizes.len() > 0) {
        let (mut offset, samples, description) = chunk?;
        places.described_by(description)?;
        let samples = usize::try_from(samples).unwrap_or(usize::MAX);
        for size in sizes.by_ref().take(samples) {
            let lasts = durations.next().unwrap_or(0);
            // Version 0 is unsigned, but QuickTime wrote negative delays into it, and no clip delays by 2^31 ticks.
            let delay = delays.as_mut().and_then(Runs::next).unwrap_or(0).cast_signed();
            let at = places.next.saturating_add(i64::from(delay));
            places.list.push(SampleLocation { offset, size, at, lasts, key: true });
            offset = offset.saturating_add(u64::from(size));
            places.next = places.next.saturating_add(i64::from(lasts));
        }
    }
    if sizes.len() > 0 {
        return Err(damaged(STBL));
    }
    mark_keys(stbl, &mut places.list)?;
    Ok(places)
}

/// Applies the `stss` box; without one, each sample is a key.
fn mark_keys(stbl: &[u8], places: &mut [SampleLocation]) -> Result<(), Error> {
    let Some(body) = find(stbl, STBL, *b"stss")? else { return Ok(()) };
    places.iter_mut().for_each(|place| place.key = false);
    for number in table(body, *b"stss", 4)? {
        // Numbers begin with 1.
        let index = usize::try_from(word(number, 0)).ok().and_then(|number| number.checked_sub(1));
        if let Some(place) = index.and_then(|index| places.get_mut(index)) {
            place.key = true;
        }
    }
    Ok(())
}

/// The entries of a full box that holds nothing else.
fn table(body: &[u8], kind: Kind, width: usize) -> Result<ChunksExact<'_, u8>, Error> {
    let mut fields = Fields(body);
    fields.full().and_then(|_| fields.table(width)).ok_or_else(|| damaged(kind))
}

/// The 32-bit field `index` of a table entry that has it.
fn word(entry: &[u8], index: usize) -> u32 {
    Fields(&entry[4 * index..]).u32().expect("the width of the entries covers the field")
}

/// Sample sizes, from `stsz` or `stz2`.
struct Sizes<'a> {
    count: usize,
    /// The size of every sample, if they share one; else `bits` wide each in `table`.
    same: Option<u32>,
    bits: usize,
    table: &'a [u8],
}

impl<'a> Sizes<'a> {
    fn read(stbl: &'a [u8]) -> Result<Self, Error> {
        let (body, compact) = match find(stbl, STBL, *b"stz2")? {
            Some(body) => (body, true),
            None => (need(stbl, STBL, *b"stsz")?, false),
        };
        Self::parse(body, compact).ok_or_else(|| damaged(if compact { *b"stz2" } else { *b"stsz" }))
    }

    fn parse(body: &'a [u8], compact: bool) -> Option<Self> {
        let mut fields = Fields(body);
        fields.full()?;
        let first = fields.u32()?;
        let count = usize::try_from(fields.u32()?).ok()?;
        let (same, bits) = match (compact, first) {
            (false, 0) => (None, 32),
            (false, size) => (Some(size), 0),
            // The upper 24 bits are reserved.
            (true, bits) => (None, usize::try_from(bits & 0xFF).ok()?),
        };
        let known = matches!(bits, 0 | 4 | 8 | 16 | 32);
        let table = fields.take(count.checked_mul(bits)?.div_ceil(8))?;
        known.then_some(Self { count, same, bits, table })
    }

    fn iter(self) -> impl ExactSizeIterator<Item = u32> {
        (0..self.count).map(move |i| match (self.same, self.bits) {
            (Some(size), _) => size,
            (None, 4) => u32::from(self.table[i / 2] >> (4 * (1 - i % 2)) & 0xF),
            (None, bits) => {
                let entry = &self.table[i * bits / 8..][..bits / 8];
                entry.iter().fold(0, |size, &byte| size << 8 | u32::from(byte))
            }
        })
    }
}

/// Values that are stored as (how many samples, value), from `stts` or `ctts`.
struct Runs<'a> {
    left: u32,
    value: Option<u32>,
    entries: ChunksExact<'a, u8>,
}

impl<'a> Runs<'a> {
    fn read(stbl: &'a [u8], kind: Kind) -> Result<Option<Self>, Error> {
        let Some(body) = find(stbl, STBL, kind)? else { return Ok(None) };
        Ok(Some(Self { left: 0, value: None, entries: table(body, kind, 8)? }))
    }

    /// The value of the next sample. A table that ends early goes on with its last value, as players do.
    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            let Some(entry) = self.entries.next() else { return self.value };
            self.left = word(entry, 0);
            self.value = Some(word(entry, 1));
        }
        self.left -= 1;
        self.value
    }
}

/// Chunks, which are runs of samples that lie one after the other, from `stco` or `co64` and `stsc`.
struct Chunks<'a> {
    offsets: ChunksExact<'a, u8>,
    /// The number of the next chunk, from 1.
    number: u32,
    runs: std::iter::Peekable<ChunksExact<'a, u8>>,
    /// Samples in each chunk, and their sample entry.
    run: Option<(u32, u32)>,
}

impl<'a> Chunks<'a> {
    fn read(stbl: &'a [u8]) -> Result<Self, Error> {
        let offsets = match find(stbl, STBL, *b"co64")? {
            Some(body) => table(body, *b"co64", 8)?,
            None => table(need(stbl, STBL, *b"stco")?, *b"stco", 4)?,
        };
        let runs = table(need(stbl, STBL, *b"stsc")?, *b"stsc", 12)?.peekable();
        Ok(Self { offsets, number: 1, runs, run: None })
    }

    /// Where the next chunk begins, how many samples it has, and the number of their sample entry.
    fn next(&mut self) -> Option<Result<(u64, u32, u32), Error>> {
        let entry = self.offsets.next()?;
        let offset = entry.iter().fold(0, |offset, &byte| offset << 8 | u64::from(byte));
        if let Some(run) = self.runs.next_if(|run| word(run, 0) == self.number) {
            self.run = Some((word(run, 1), word(run, 2)));
        }
        self.number = self.number.saturating_add(1);
        let run = self.run.ok_or_else(|| damaged(*b"stsc"));
        Some(run.map(|(samples, description)| (offset, samples, description)))
    }
}
