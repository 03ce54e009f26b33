//! Marks which samples of a track can be shown soundly: those that hold a picture, from where decoding can begin.
//!
//! Containers count everything as a sample that a recorder sent separately: messages, delimiters, parameter sets, pictures that are
//! never shown. And a recording that was cut may begin anywhere. If these counted as frames, most of a sound clip would seem broken.

use super::Error;
use super::codec::{Decode, Role};
use super::run::{leads, recovers, role, shows};
use super::track::Track;
use crate::ops::Limits;

/// The track with only those samples shown that can be. What comes before the first with which decoding can begin is left out, except
/// for settings.
pub(super) fn only<'a>(mut track: Track<'a>, decoder: &dyn Decode, limits: &Limits) -> Result<Track<'a>, Error> {
    let holds: Vec<bool> = track.samples.iter().map(|sample| shows(decoder, &sample.data)).collect();
    let Some((first, missing)) = begin(&track, decoder) else {
        return Err(Error::Damaged(format!("the {} video has no key frame to begin with", track.codec)));
    };
    let Some(sound) = sound_from(&track, decoder, &holds, first, missing) else {
        return Err(Error::Damaged(format!(
            "the {} video has no key frame to begin with, and ends before its pictures are whole",
            track.codec
        )));
    };
    let since = track.samples[sound].time_us;
    let leading = leading(&track, decoder, first);
    for (number, sample) in track.samples.iter_mut().enumerate() {
        // Without a key frame, pictures that are shown earlier than the first sound one may need what came before it.
        let early = missing.is_some() && (number < sound || sample.time_us < since);
        sample.shown &= holds[number] && !early && !leading[number];
    }
    let mut number = 0;
    track.samples.retain(|_| {
        number += 1;
        number > first || !holds[number - 1]
    });
    let container = track.container;
    Ok(track.finished(limits).map_err(|error| error.about(container))?)
}

/// The first sample with which decoding can begin, and, if it is no key frame, how many pictures it takes until all are sound.
fn begin(track: &Track<'_>, decoder: &dyn Decode) -> Option<(usize, Option<usize>)> {
    track.samples.iter().enumerate().find_map(|(number, sample)| match role(decoder, &sample.data) {
        Role::Sync => Some((number, None)),
        _ => recovers(decoder, &sample.data).map(|missing| (number, Some(missing))),
    })
}

/// The first sample from `first` on whose picture is sound, after `missing` that others need, or at a key frame.
fn sound_from(
    track: &Track<'_>,
    decoder: &dyn Decode,
    holds: &[bool],
    first: usize,
    missing: Option<usize>,
) -> Option<usize> {
    let mut needed = missing.unwrap_or(0);
    (first..holds.len()).find(|&number| {
        let role = role(decoder, &track.samples[number].data);
        // The picture that is a reference after the missing ones is sound again.
        if role == Role::Sync || needed == 0 && holds[number] && (role != Role::Disposable || missing == Some(0)) {
            return true;
        }
        needed -= usize::from(needed > 0 && holds[number] && role != Role::Disposable);
        false
    })
}

/// The samples of the first group that need what came before it.
fn leading(track: &Track<'_>, decoder: &dyn Decode, first: usize) -> Vec<bool> {
    let mut leading = vec![false; track.samples.len()];
    for (number, sample) in track.samples.iter().enumerate().skip(first) {
        if number > first && role(decoder, &sample.data) == Role::Sync {
            break;
        }
        leading[number] = leads(decoder, &sample.data);
    }
    leading
}
