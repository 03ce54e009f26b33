//! Reads MP4, QuickTime and related files (ISO/IEC 14496-12): from the bytes of a file to its video track.
//!
//! Only the boxes that locate the samples of the picture are read, all others are skipped: sound,
//! metadata, thumbnails. A file that lacks some of its samples is refused: it is an interrupted transfer, and the
//! missing part may be what would have revealed an attack. For the same reason recordings that were appended to each other are all
//! read. One case cannot be detected: a file of fragments that was cut between two of them looks like
//! one whose recording was stopped there. Not read: compressed movie headers, encrypted tracks, samples in other
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
use self::table::{SampleLocation, SampleTable};
use super::track::{
    Candidate, Container, Error, Sample, Track, best, check, check_recordings, cut_at, joined, microseconds, no_video,
    printable,
};
use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::ops::Limits;

/// Reads the video track of a file: the largest of the enabled ones. The samples are borrowed from `bytes`.
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Track<'a>, Error> {
    let container = container(bytes);
    let read = || {
        let parts = recordings(bytes)?.into_iter().map(|part| read_track(part, container, limits));
        joined(parts.collect::<Result<_, _>>()?, limits)
    };
    read().map_err(|error| error.about(container))
}

/// The files that were appended to each other: each but the first begins with an `ftyp` box behind a movie.
fn recordings(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let (mut starts, mut movie) = (vec![0], false);
    for part in top_level(bytes) {
        if &part.kind == b"ftyp" && movie {
            check_recordings(starts.len())?;
            starts.push(usize::try_from(part.start).unwrap_or(bytes.len()));
            movie = false;
        }
        movie |= &part.kind == b"moov";
    }
    Ok(cut_at(bytes, &starts))
}

/// Whether it is QuickTime: its `ftyp` box states so, or is missing.
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
        shape: entry.shape.or(track.shape).or_else(|| stretched(track, entry.width, entry.height)),
        turn: track.turn,
        mirrored: track.mirrored,
        bottom_first: entry.bottom_first,
        setup: entry.setup,
        // An empty sample repeats the picture before it.
        samples: samples.filter(|sample| !sample.data.is_empty()).collect(),
    };
    track.finished(limits)
}

/// The sample aspect ratio if the track is to be shown in another size than its pictures have, as ffmpeg reads it. Some writers
/// state the size after a turn: that does not change the ratio.
fn stretched(track: &Video<'_>, width: u32, height: u32) -> Option<Shape> {
    let (wide, high) = track.size;
    let turned = matches!(track.turn, Rotation::Left | Rotation::Right) && (wide, high) == (height, width);
    let same = (wide, high) == (width, height);
    let sides = |a: u32, b: u32| u64::from(a) * u64::from(b);
    if turned || same { None } else { Shape::new(sides(height, wide), sides(width, high)) }
}

/// The body of the `moov` box. An identical copy of it is ignored; a different one is another recording.
fn find_movie(bytes: &[u8]) -> Result<&[u8], Error> {
    let mut movies = top_level(bytes).filter(|part| &part.kind == b"moov");
    let Some(moov) = movies.next() else {
        return Err(Error::Damaged("has no 'moov' box: it was cut off while being recorded or sent".into()));
    };
    if movies.any(|another| another.body != moov.body) {
        return Err(Error::Unsupported(
            "has several 'moov' boxes, of recordings one after the other, which is not supported; send one of them"
                .into(),
        ));
    }
    whole(moov)
}

/// The body of a box, unless the file ends inside it.
fn whole(part: TopLevel<'_>) -> Result<&[u8], Error> {
    if part.cut {
        return Err(Error::Damaged(format!("ends inside its {} box", printable(&part.kind))));
    }
    Ok(part.body)
}

/// The chosen video track and its samples. Disabled tracks hold covers and chapter pictures.
fn choose<'m, 'a>(bytes: &[u8], movie: &'m Movie<'a>, limits: &Limits) -> Result<(&'m Video<'a>, SampleTable), Error> {
    let (mut candidates, mut found) = (Vec::new(), Vec::new());
    let enabled = movie.videos.iter().any(|track| track.enabled);
    for track in movie.videos.iter().filter(|track| track.enabled || !enabled) {
        let places = places(bytes, movie, track, limits)?;
        let pixels = entry::pixels(track.stbl, places.description.unwrap_or(1));
        candidates.push(Candidate { default: true, pixels, samples: places.list.len() });
        found.push((track, places));
    }
    let number = best(&candidates).ok_or_else(|| no_video(movie.sound))?;
    Ok(found.swap_remove(number))
}

/// Where the samples of a track lie: those in its tables, then those in fragments. Media data that is truncated there may have
/// been followed by more fragments.
fn places(bytes: &[u8], movie: &Movie<'_>, track: &Video<'_>, limits: &Limits) -> Result<SampleTable, Error> {
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
fn cut_out<'a>(bytes: &'a [u8], places: &[SampleLocation]) -> Result<Vec<&'a [u8]>, Error> {
    let slice = |place: &SampleLocation| {
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
