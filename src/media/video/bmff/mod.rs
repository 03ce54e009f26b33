//! MP4, QuickTime and their kin (ISO/IEC 14496-12): from the bytes of a file to its video track.
//!
//! Boxes in boxes. Those that say where the samples of the picture lie are read, all others are skipped: sound,
//! metadata, thumbnails. A file whose samples are not all there is refused: it is an interrupted transfer, and what is
//! missing may be what would have betrayed a fraud. Only one of fragments that was cut between two of them cannot be told
//! from one whose recording was stopped there. Not read: compressed movie headers, encrypted tracks, samples in other
//! files.

mod boxes;
mod edit;
mod entry;
mod fragment;
mod movie;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::boxes::{TopLevel, top_level};
use self::movie::{Movie, Video};
use self::table::{Place, Places};
use super::track::{Container, Error, Sample, Track, check, microseconds, no_video, printable};
use crate::ops::Limits;

/// Reads the video track of a file: of the enabled ones, the one with most samples. The samples are borrowed from
/// `bytes`.
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Track<'a>, Error> {
    let container = container(bytes);
    read_track(bytes, container, limits).map_err(|error| error.about(container))
}

/// QuickTime says so in its `ftyp` box, or has none at all.
fn container(bytes: &[u8]) -> Container {
    match top_level(bytes).find(|part| &part.kind == b"ftyp") {
        Some(part) if !part.body.starts_with(b"qt  ") => Container::Mp4,
        _ => Container::Mov,
    }
}

fn read_track<'a>(bytes: &'a [u8], container: Container, limits: &Limits) -> Result<Track<'a>, Error> {
    let movie = movie::read(find_movie(bytes)?)?;
    let (track, places) = choose(bytes, &movie, limits)?;
    let entry = entry::read(track.stbl, places.description.unwrap_or(1))?;
    let times = edit::apply(&track.edits, &places.list, track.clock, movie.clock);
    let data = cut_out(bytes, &places.list)?;
    let samples = data.into_iter().zip(times).zip(&places.list).map(|((data, (time, shown)), place)| Sample {
        data: Cow::Borrowed(data),
        time_us: microseconds(time, (1, track.clock.into())),
        key: place.key,
        shown,
    });
    let track = Track {
        container,
        codec: entry.codec,
        width: entry.width,
        height: entry.height,
        turn: track.turn,
        mirrored: track.mirrored,
        setup: entry.setup,
        // An empty sample repeats the picture before it.
        samples: samples.filter(|sample| !sample.data.is_empty()).collect(),
    };
    track.finished(limits)
}

/// The body of the `moov` box.
fn find_movie(bytes: &[u8]) -> Result<&[u8], Error> {
    let Some(moov) = top_level(bytes).find(|part| &part.kind == b"moov") else {
        return Err(Error::Damaged("has no 'moov' box: it was cut off while being recorded or sent".into()));
    };
    whole(moov)
}

/// The body of a box, unless the file ends inside of it.
fn whole(part: TopLevel<'_>) -> Result<&[u8], Error> {
    if part.cut {
        return Err(Error::Damaged(format!("ends inside its {} box", printable(&part.kind))));
    }
    Ok(part.body)
}

/// The video track to look at, and its samples. Disabled tracks hold covers and chapter pictures.
fn choose<'m, 'a>(bytes: &[u8], movie: &'m Movie<'a>, limits: &Limits) -> Result<(&'m Video<'a>, Places), Error> {
    let enabled = movie.videos.iter().any(|track| track.enabled);
    let mut best: Option<(&Video<'_>, Places)> = None;
    for track in movie.videos.iter().filter(|track| track.enabled || !enabled) {
        let places = places(bytes, movie, track, limits)?;
        if best.as_ref().is_none_or(|(_, most)| places.list.len() > most.list.len()) {
            best = Some((track, places));
        }
    }
    best.ok_or_else(|| no_video(movie.sound))
}

/// Where the samples of a track lie: those in its tables, then those in fragments. Media data that ends early there may have
/// been followed by more fragments.
fn places(bytes: &[u8], movie: &Movie<'_>, track: &Video<'_>, limits: &Limits) -> Result<Places, Error> {
    let mut places = table::read(track.stbl, limits)?;
    let mut fragmented = false;
    for part in top_level(bytes) {
        match &part.kind {
            b"moof" => {
                whole(part)?;
                fragment::read(part, track.id, &movie.defaults, &mut places, limits)?;
                fragmented = true;
            }
            b"mdat" if fragmented => {
                whole(part)?;
            }
            _ => {}
        }
    }
    Ok(places)
}

/// The bytes of each sample. Together they are no more than the file: tables that name the same bytes again and again
/// would otherwise make a small file cost as much as a large one.
fn cut_out<'a>(bytes: &'a [u8], places: &[Place]) -> Result<Vec<&'a [u8]>, Error> {
    let slice = |place: &Place| {
        let start = usize::try_from(place.offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(place.size).ok()?)?)
    };
    let data: Vec<_> = places.iter().filter_map(slice).collect();
    let (there, all) = (data.len(), places.len());
    if there < all {
        return Err(Error::Damaged(format!("ends inside its media data: {there} of {all} frames are there")));
    }
    let total: u64 = places.iter().map(|place| u64::from(place.size)).sum();
    if total > bytes.len() as u64 {
        return Err(Error::Damaged("has frames that overlap each other".into()));
    }
    Ok(data)
}

/// Reads any bytes with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { video_frames: 100, ..Limits::default() };
    if let Ok(track) = read(bytes, &limits) {
        check(&track, bytes.len(), &limits);
    }
}
