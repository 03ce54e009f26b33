//! Reads movie fragments: samples whose tables are spread over the file (ISO/IEC 14496-12, clause 8.8).
//!
//! Browsers record in this way, and so do cameras that must survive a power cut.

use super::boxes::{Fields, Kind, TopLevel, children, damaged, find, need};
use super::table::{SampleLocation, SampleTable};
use crate::media::video::track::{Error, check_count};
use crate::ops::Limits;

const MOOF: Kind = *b"moof";
const TRAF: Kind = *b"traf";
const TFHD: Kind = *b"tfhd";
const TRUN: Kind = *b"trun";

/// Defaults of samples where a fragment does not set them (`trex`, then `tfhd`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    track: u32,
    description: u32,
    lasts: u32,
    size: u32,
    flags: u32,
}

impl Defaults {
    /// Reads the body of a `trex` box.
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields(body);
        let mut parse = || {
            fields.full()?;
            let (track, description) = (fields.u32()?, fields.u32()?);
            Some(Self { track, description, lasts: fields.u32()?, size: fields.u32()?, flags: fields.u32()? })
        };
        parse().ok_or_else(|| damaged(*b"trex"))
    }

    /// Those of a track; a file without a `trex` for it sets everything in its fragments.
    fn of(track: u32, all: &[Self]) -> Self {
        let found = all.iter().find(|defaults| defaults.track == track);
        found.copied().unwrap_or_else(|| Self { track, description: 1, ..Self::default() })
    }
}

/// Adds the samples of `track` in a `moof` box.
pub(super) fn read(
    moof: TopLevel<'_>,
    track: u32,
    defaults: &[Defaults],
    places: &mut SampleTable,
    limits: &Limits,
) -> Result<(), Error> {
    // Where the data of the previous track fragment ends: the next one begins there by default.
    let mut end = moof.start;
    for child in children(moof.body, MOOF) {
        let child = child?;
        if child.kind != TRAF {
            continue;
        }
        let head = Head::read(need(child.body, TRAF, TFHD)?, defaults)?;
        let base = head.base.unwrap_or(if head.from_moof { moof.start } else { end });
        let mut wanted = (head.defaults.track == track).then_some(&mut *places);
        if let Some(places) = &mut wanted
            && let Some(start) = find(child.body, TRAF, *b"tfdt")?
        {
            places.next = start_time(start).ok_or_else(|| damaged(*b"tfdt"))?;
        }
        end = base;
        for child in children(child.body, TRAF) {
            let child = child?;
            if child.kind == TRUN {
                let run = Run::parse(child.body, head.defaults).ok_or_else(|| damaged(TRUN))?;
                let start = match run.offset {
                    Some(offset) => base.saturating_add_signed(i64::from(offset)),
                    None => end,
                };
                end = start.saturating_add(run.bytes());
                if let Some(places) = &mut wanted {
                    run.append(start, places, limits)?;
                }
            }
        }
    }
    Ok(())
}

/// Reads the body of a `tfdt` box: when the first sample is decoded, in ticks of the media.
fn start_time(body: &[u8]) -> Option<i64> {
    let mut fields = Fields(body);
    let (version, _) = fields.full()?;
    i64::try_from(fields.long(version)?).ok()
}

/// The header of a track fragment.
struct Head {
    base: Option<u64>,
    from_moof: bool,
    defaults: Defaults,
}

impl Head {
    fn read(body: &[u8], defaults: &[Defaults]) -> Result<Self, Error> {
        Self::parse(body, defaults).ok_or_else(|| damaged(TFHD))
    }

    fn parse(body: &[u8], defaults: &[Defaults]) -> Option<Self> {
        let mut fields = Fields(body);
        let (_, flags) = fields.full()?;
        let mut defaults = Defaults::of(fields.u32()?, defaults);
        let base = if flags & 0x1 != 0 { Some(fields.u64()?) } else { None };
        let stated = [
            (0x2, &mut defaults.description),
            (0x8, &mut defaults.lasts),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ];
        for (flag, value) in stated {
            if flags & flag != 0 {
                *value = fields.u32()?;
            }
        }
        Some(Self { base, from_moof: flags & 0x2_0000 != 0, defaults })
    }
}

/// A `trun` box: samples that lie one after the other.
struct Run<'a> {
    count: u32,
    /// From the base of the track fragment, in bytes.
    offset: Option<i32>,
    /// The flags of the first sample, if stored separately.
    first: Option<u32>,
    /// Which fields an entry has (`trun` flags).
    present: u32,
    entries: &'a [u8],
    defaults: Defaults,
}

/// One entry of a run.
struct Entry {
    lasts: u32,
    size: u32,
    flags: u32,
    delay: i32,
}

/// Bits of a run's flags: which fields each entry has, in this order.
const LASTS: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const DELAY: u32 = 0x800;

/// Bits of a sample's flags that rule out a sync sample: that it depends on others, and that it is a non-sync sample.
const DEPENDS: u32 = 0x0101_0000;

impl<'a> Run<'a> {
    fn parse(body: &'a [u8], defaults: Defaults) -> Option<Self> {
        let mut fields = Fields(body);
        let (_, present) = fields.full()?;
        let count = fields.u32()?;
        let offset = if present & 0x1 != 0 { Some(fields.i32()?) } else { None };
        let first = if present & 0x4 != 0 { Some(fields.u32()?) } else { None };
        let bytes = u64::from(count) * Self::width(present) as u64;
        let entries = fields.take(usize::try_from(bytes).ok()?)?;
        Some(Self { count, offset, first, present, entries, defaults })
    }

    /// The bytes of an entry; 0 if all fields have defaults.
    fn width(present: u32) -> usize {
        4 * [LASTS, SIZE, FLAGS, DELAY].iter().filter(|&&flag| present & flag != 0).count()
    }

    /// The entry `index`, which is below the count.
    fn entry(&self, index: usize) -> Entry {
        let width = Self::width(self.present);
        let mut fields = Fields(&self.entries[index * width..][..width]);
        let mut field = |flag, default| {
            if self.present & flag == 0 { default } else { fields.u32().expect("the width covers the present fields") }
        };
        let Defaults { lasts, size, flags, .. } = self.defaults;
        let (lasts, size, flags) = (field(LASTS, lasts), field(SIZE, size), field(FLAGS, flags));
        let delay = field(DELAY, 0).cast_signed();
        let flags = self.first.filter(|_| index == 0).unwrap_or(flags);
        Entry { lasts, size, flags, delay }
    }

    /// The bytes of all samples together. The loop is no longer than the box; a track of sound may have many samples.
    fn bytes(&self) -> u64 {
        if self.present & SIZE == 0 {
            return u64::from(self.count) * u64::from(self.defaults.size);
        }
        let width = Self::width(self.present);
        (0..self.entries.len() / width).map(|index| u64::from(self.entry(index).size)).sum()
    }

    fn append(&self, mut offset: u64, places: &mut SampleTable, limits: &Limits) -> Result<(), Error> {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        check_count(places.list.len().saturating_add(count), limits)?;
        if count > 0 {
            places.described_by(self.defaults.description)?;
        }
        places.list.reserve(count);
        for index in 0..count {
            let Entry { lasts, size, flags, delay } = self.entry(index);
            let at = places.next.saturating_add(i64::from(delay));
            places.list.push(SampleLocation { offset, size, at, lasts, key: flags & DEPENDS == 0 });
            offset = offset.saturating_add(u64::from(size));
            places.next = places.next.saturating_add(i64::from(lasts));
        }
        Ok(())
    }
}
