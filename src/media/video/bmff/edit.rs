//! Applies edit lists: which part of a track is shown, and when (ISO/IEC 14496-12, clause 8.6.6).
//!
//! Phones that cut a clip without compressing it anew leave the samples before the cut in the file, since the ones
//! after it are decoded from them. What an edit list leaves out must not be judged: the person who edited the clip never saw it.

use super::boxes::{Fields, damaged};
use super::table::SampleLocation;
use crate::media::video::track::Error;

/// Most edits in a list. Editors write one or two, three with a pause before; each is compared with every sample.
const EDITS: usize = 256;

/// One part of the presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// How long it lasts, in ticks of the movie; 0 in the last one is "up to the end".
    duration: u64,
    /// What it begins with, in ticks of the media; `None` shows nothing.
    start: Option<i64>,
    /// Whether one picture stays for the whole edit.
    still: bool,
}

/// Reads the body of an `elst` box.
pub(super) fn read(body: &[u8]) -> Result<Vec<Edit>, Error> {
    parse(body).ok_or_else(|| damaged(*b"elst"))
}

fn parse(body: &[u8]) -> Option<Vec<Edit>> {
    let mut fields = Fields(body);
    let (version, _) = fields.full()?;
    let entries = fields.table(if version == 1 { 20 } else { 12 })?;
    let edit = |entry| {
        let mut fields = Fields(entry);
        let duration = fields.long(version)?;
        let start = if version == 1 { fields.u64()?.cast_signed() } else { i64::from(fields.i32()?) };
        Some(Edit { duration, start: (start >= 0).then_some(start), still: fields.u32()? == 0 })
    };
    if entries.len() > EDITS { None } else { entries.map(edit).collect() }
}

/// When each sample is presented, in ticks of the media, and whether it is shown. The clocks tick `media` and `movie`
/// times a second. A list that would show nothing is ignored.
pub(super) fn apply(edits: &[Edit], places: &[SampleLocation], media: u32, movie: u32) -> Vec<(i64, bool)> {
    let whole = || places.iter().map(|place| (place.at, true)).collect();
    let mut now = 0_i64;
    let mut parts = Vec::with_capacity(edits.len());
    for edit in edits {
        let lasts = i128::from(edit.duration) * i128::from(media) / i128::from(movie.max(1));
        let lasts = i64::try_from(lasts).unwrap_or(i64::MAX);
        if let Some(start) = edit.start {
            let end = match edit.duration {
                _ if edit.still => start.saturating_add(1),
                0 => i64::MAX,
                _ => start.saturating_add(lasts),
            };
            parts.push((start, end, now.saturating_sub(start)));
        }
        now = now.saturating_add(lasts);
    }
    let Some(&(_, _, first)) = parts.first() else { return whole() };
    let timed = |place: &SampleLocation| {
        let ends = place.at.saturating_add(i64::from(place.lasts.max(1)));
        let part = parts.iter().find(|&&(start, end, _)| place.at < end && ends > start);
        let (shift, shown) = part.map_or((first, false), |&(_, _, shift)| (shift, true));
        (place.at.saturating_add(shift), shown)
    };
    let times: Vec<_> = places.iter().map(timed).collect();
    if times.iter().any(|&(_, shown)| shown) { times } else { whole() }
}
