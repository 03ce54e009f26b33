//! Reads Matroska and WebM (RFC 9559): from the bytes of a file to its video track.
//!
//! A browser that records writes sizes as unknown, since it sends the clip while it lasts. So clusters are not skipped by size
//! but entered, and the elements of a segment are walked as one flat list. If such a recording was cut, that cannot
//! be distinguished from an earlier stop: the whole frames in it count. If the segment has a size, all of it has to be there. Recordings
//! that were appended to each other are read one after the other.
//!
//! Not read: laced frames, frames compressed by zlib and encrypted ones, which recorders do not write for video; cues, tags,
//! chapters.

mod ebml;
#[cfg(test)]
mod tests;
mod tracks;

use std::borrow::Cow;

use self::ebml::{Element, HEADER, Header, children, damaged, header, number};
use self::tracks::{Entry, VideoTrack};
use super::track::{
    Candidate, Container, Error, Sample, Track, best, check, check_count, check_recordings, joined, microseconds,
};
use crate::ops::Limits;

/// Identifiers of elements (RFC 9559, section 27.1).
mod id {
    pub(super) const EBML: u32 = 0x1A45_DFA3;
    pub(super) const DOC_TYPE: u32 = 0x4282;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const INFO: u32 = 0x1549_A966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x002A_D7B1;
    pub(super) const TRACKS: u32 = 0x1654_AE6B;
    pub(super) const CLUSTER: u32 = 0x1F43_B675;
    pub(super) const TIMESTAMP: u32 = 0xE7;
    pub(super) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(super) const BLOCK_GROUP: u32 = 0xA0;
    pub(super) const BLOCK: u32 = 0xA1;
    pub(super) const REFERENCE_BLOCK: u32 = 0xFB;
}

/// Reads the video track of a file: the largest of the enabled ones. The samples are borrowed from `bytes`.
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Track<'a>, Error> {
    let Some((container, rest)) = doc_type(bytes) else {
        return Err(Error::Damaged("the Matroska file ends inside its header or has a damaged one".into()));
    };
    read_recordings(rest, container, limits).map_err(|error| error.about(container))
}

/// Reads the segments of a file as one track.
fn read_recordings<'a>(rest: &'a [u8], container: Container, limits: &Limits) -> Result<Track<'a>, Error> {
    let (segment, mut rest) = Segment::find(rest)?;
    let mut parts = vec![read_track(segment, container, limits)?];
    while begins_anew(rest) {
        check_recordings(parts.len())?;
        let (segment, after) = Segment::find(rest)?;
        parts.push(read_track(segment, container, limits)?);
        rest = after;
    }
    joined(parts, limits)
}

/// Whether another recording follows. Other bytes behind a segment are padding.
fn begins_anew(mut rest: &[u8]) -> bool {
    const VOID: u32 = 0xEC;
    loop {
        match header(rest) {
            Some(Header { id: id::EBML | id::SEGMENT, .. }) => return true,
            Some(Header { id: VOID, length, size: Some(size) }) => {
                let end = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(length);
                rest = rest.get(end..).unwrap_or_default();
            }
            _ => return false,
        }
    }
}

/// The contents of the EBML header, and what follows it.
fn doc_type(bytes: &[u8]) -> Option<(Container, &[u8])> {
    let Header { id: id::EBML, length, size } = header(bytes)? else { return None };
    let (body, rest) = bytes[length..].split_at_checked(usize::try_from(size?).ok()?)?;
    let mut container = Container::Matroska;
    for child in children(body) {
        let child = child.ok()?;
        if child.id == id::DOC_TYPE && child.text() == b"webm" {
            container = Container::WebM;
        }
    }
    Some((container, rest))
}

fn read_track<'a>(segment: Segment<'a>, container: Container, limits: &Limits) -> Result<Track<'a>, Error> {
    let (scale, mut entries) = describe(segment)?;
    let mut samples: Vec<Samples<'_>> = entries.iter().map(|_| Samples::default()).collect();
    let mut cluster = 0;
    for element in segment.elements() {
        let element = element?;
        let (block, key) = match element.id {
            id::TIMESTAMP => {
                cluster = i64::try_from(element.unsigned()?).map_err(|_| damaged())?;
                continue;
            }
            id::SIMPLE_BLOCK => (element.body, None),
            id::BLOCK_GROUP => block_in_group(element.body)?,
            _ => continue,
        };
        let block = Block::parse(block).ok_or_else(damaged)?;
        let Some(number) = entries.iter().position(|entry| entry.number == block.track) else { continue };
        if block.data.is_empty() {
            continue;
        }
        let track = &mut samples[number];
        track.laced |= block.flags & LACED != 0;
        check_count(track.list.len() + 1, limits)?;
        track.list.push(Sample {
            data: Cow::Borrowed(block.data),
            time_us: microseconds(cluster.saturating_add(block.time.into()), (scale, 1_000_000_000)),
            key: key.unwrap_or(block.flags & KEY != 0),
            shown: block.flags & INVISIBLE == 0,
        });
    }
    let candidate = |(entry, samples): (&Entry<'_>, &Samples<'_>)| {
        let (default, pixels, samples) = (!entry.extra, entry.pixels(), samples.list.len());
        Candidate { default, pixels, samples }
    };
    let candidates: Vec<Candidate> = entries.iter().zip(&samples).map(candidate).collect();
    let number = best(&candidates).unwrap_or(0);
    let Samples { list: mut samples, laced } = samples.swap_remove(number);
    let VideoTrack { codec, width, height, shape, turn, mirrored, bottom_first, setup, stripped } =
        entries.swap_remove(number).describe()?;
    if laced {
        return Err(Error::Unsupported("packs several frames into a block (lacing), which is not supported".into()));
    }
    if !stripped.is_empty() {
        samples.iter_mut().for_each(|sample| sample.data = Cow::Owned([stripped, &sample.data].concat()));
    }
    Track { container, codec, width, height, shape, turn, mirrored, bottom_first, setup, samples }.finished(limits)
}

/// What was found of a track.
#[derive(Default)]
struct Samples<'a> {
    list: Vec<Sample<'a>>,
    /// Whether a block has several frames (lacing).
    laced: bool,
}

/// The nanoseconds of a tick, and the tracks that may be read.
fn describe(segment: Segment<'_>) -> Result<(u64, Vec<Entry<'_>>), Error> {
    let mut scale = 1_000_000;
    let mut tracks = None;
    for element in segment.elements() {
        let element = element?;
        match element.id {
            id::INFO => {
                for child in children(element.body) {
                    let child = child?;
                    if child.id == id::TIMESTAMP_SCALE {
                        scale = child.unsigned()?;
                    }
                }
            }
            id::TRACKS => tracks = Some(tracks::videos(element.body)?),
            _ => {}
        }
    }
    let tracks = tracks.ok_or_else(|| Error::Damaged("ends before its list of tracks".into()))?;
    Ok((scale, tracks))
}

/// The body of a segment, as far as the file has it.
#[derive(Clone, Copy)]
struct Segment<'a> {
    body: &'a [u8],
    /// Whether its size is unknown.
    live: bool,
}

impl<'a> Segment<'a> {
    /// The first segment, and what follows it.
    fn find(mut rest: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        while let Some(Header { id, length, size }) = header(rest) {
            let body = &rest[length..];
            let end = size.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
            match (id, end) {
                (id::SEGMENT, None) => {
                    let (body, after) = body.split_at(live_end(body));
                    return Ok((Self { body, live: true }, after));
                }
                (id::SEGMENT, Some(end)) => {
                    let cut = || {
                        Error::Damaged(format!("ends early: {} of {end} bytes of its segment are there", body.len()))
                    };
                    let (body, after) = body.split_at_checked(end).ok_or_else(cut)?;
                    return Ok((Self { body, live: false }, after));
                }
                (_, Some(end)) => rest = body.get(end..).unwrap_or_default(),
                (_, None) => break,
            }
        }
        Err(Error::Damaged("ends before its segment".into()))
    }

    /// The elements of the segment and of its clusters in one list, except for the clusters themselves.
    fn elements(self) -> impl Iterator<Item = Result<Element<'a>, Error>> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            loop {
                let found = header(rest);
                if let Some(Header { id: id::CLUSTER, length, .. }) = found {
                    rest = &rest[length..];
                    continue;
                }
                let whole = found.filter(|found| !matches!(found.id, id::EBML | id::SEGMENT)).and_then(
                    |Header { id, length, size }| {
                        let (body, next) = rest[length..].split_at_checked(usize::try_from(size?).ok()?)?;
                        rest = next;
                        Some(Element { id, body })
                    },
                );
                // A live recording may end inside an element or inside its header, but it holds no garbage.
                let cut = found.map_or(rest.len() < HEADER, |found| found.size.is_some());
                return match whole {
                    Some(element) => Some(Ok(element)),
                    None if rest.is_empty() || self.live && cut => None,
                    None => {
                        rest = &[];
                        Some(Err(damaged()))
                    }
                };
            }
        })
    }
}

/// Where a segment of unknown size ends: before another recording, or with the bytes.
fn live_end(body: &[u8]) -> usize {
    let mut at = 0;
    while let Some(Header { id, length, size }) = header(&body[at..]) {
        let size = match (id, size) {
            (id::EBML | id::SEGMENT, _) => return at,
            (id::CLUSTER, _) => Some(0),
            (_, size) => size.and_then(|size| usize::try_from(size).ok()),
        };
        let next = size.and_then(|size| at.checked_add(length)?.checked_add(size));
        match next.filter(|&next| next <= body.len()) {
            Some(next) => at = next,
            None => break,
        }
    }
    body.len()
}

/// The block in the body of a block group, and whether it depends on no other: the block itself does not contain that.
fn block_in_group(group: &[u8]) -> Result<(&[u8], Option<bool>), Error> {
    let (mut block, mut key) = (None, true);
    for child in children(group) {
        let child = child?;
        match child.id {
            id::BLOCK => block = Some(child.body),
            id::REFERENCE_BLOCK => key = false,
            _ => {}
        }
    }
    Ok((block.ok_or_else(damaged)?, Some(key)))
}

/// Bits of a block's flags.
const KEY: u8 = 0x80;
const INVISIBLE: u8 = 0x08;
const LACED: u8 = 0x06;

/// A block (RFC 9559, section 10).
struct Block<'a> {
    track: u64,
    /// Ticks after the cluster's timestamp.
    time: i16,
    flags: u8,
    data: &'a [u8],
}

impl<'a> Block<'a> {
    fn parse(block: &'a [u8]) -> Option<Self> {
        let (track, rest) = number(block)?;
        let (&[high, low, flags], data) = rest.split_first_chunk()?;
        Some(Self { track, time: i16::from_be_bytes([high, low]), flags, data })
    }
}

/// Reads any bytes with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { video_frames: 100, ..Limits::default() };
    if let Ok(track) = read(bytes, &limits) {
        check(&track, bytes.len(), &limits);
    }
}
