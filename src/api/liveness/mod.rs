//! Implements liveness detect: judges pictures, videos and archives, with one verdict for each analysis.
//!
//! Each medium is judged once on an inference worker, whatever the number of analyses that name it: they differ in nothing but their
//! thresholds.

pub(super) mod detect_reply;
mod payload;
mod submission;

use std::time::Instant;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};

use detect_reply::JudgedMedium;
pub use payload::fuzz;
pub(super) use submission::Submission;

use super::body::BodySlice;
use super::context::{Call, Service};
use super::encoding::decode_base64;
use super::error::{Error, Family, Kind};
use super::multipart;
use super::reply::Reply;
use super::text::quoted;
use crate::face::{self, Extractor, PadResult, Wanted};
use crate::ops::settings::GestureMode;
use crate::ops::{Content, Stop};
use crate::work::{Failed, JobHandle, block_on};

type Answer = JobHandle<Result<PadResult, face::Error>>;

impl Service {
    pub(super) fn detect(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let mut submission = self.submission(call, body)?.capped(self.liveness.most_threshold);
        let media_by_analysis = media_by_analysis(&submission)?;
        let shot = |at: usize| {
            submission.payload.analyses.iter().zip(&media_by_analysis).any(|(a, m)| a.best_shot && m.contains(&at))
        };
        let named: Vec<usize> =
            (0..submission.media.len()).filter(|at| media_by_analysis.iter().any(|m| m.contains(at))).collect();
        let gestures = |at: usize| match self.liveness.gestures {
            GestureMode::Off => vec![],
            GestureMode::Report | GestureMode::Require => submission.payload.gestures_of(&submission.media[at].key),
        };
        let wanted: Vec<Wanted> =
            (0..submission.media.len()).map(|at| Wanted { best_shot: shot(at), gestures: gestures(at) }).collect();
        let deadline = Instant::now() + self.limits.request_time();
        let mut judged: Vec<Option<JudgedMedium>> = submission.media.iter().map(|_| None).collect();
        for pair in named.chunks(2) {
            call.is_awaited()?;
            let mut submit = |at: usize| self.judge(call, submission.media[at].take(&call.body), wanted[at].clone());
            let first = submit(pair[0])?;
            let results = match pair.get(1) {
                None => block_on(select(async { vec![first.await] }, call.wait_limit(deadline))),
                Some(&at) => {
                    let both = join(first, submit(at)?);
                    block_on(select(async { <[_; 2]>::from(both.await).into() }, call.wait_limit(deadline)))
                }
            };
            let Either::First(results) = results else { return Err(late()) };
            for (&at, result) in pair.iter().zip(results) {
                judged[at] = Some(verdict(result, &submission.media[at].key, submission.media.len() == 1)?);
            }
        }
        call.is_awaited()?;
        let room = self.room(call, detect_reply::shot_bytes(&judged))?;
        let required = self.liveness.gestures == GestureMode::Require;
        Ok(Reply { room, ..detect_reply::reply(&submission, &media_by_analysis, &judged, required) })
    }

    fn submission<'a>(&self, call: &Call, body: &'a [u8]) -> Result<Submission<'a>, Error> {
        match (&call.boundary, call.base64) {
            (Some(boundary), base64) => {
                let parts = multipart::read(body, boundary, &self.limits).map_err(|e| sample(e.to_string()))?;
                Submission::find(&parts, base64, &self.limits)
            }
            (None, false) => Ok(Submission::picture(Content::Sent(body))),
            (None, true) => {
                let decoded = decode_base64(body).map_err(|_| sample("the body is not base64"))?;
                Ok(Submission::picture(decoded.into()))
            }
        }
    }

    /// Queues a medium. The worker stops by itself when its request is cancelled.
    fn judge(&self, call: &Call, bytes: BodySlice, wanted: Wanted) -> Result<Answer, Error> {
        let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| extractor.judge(&bytes, &wanted, unwanted);
        self.pool.submit(&call.request.owner, job).map_err(|_| overloaded("too many requests at once"))
    }
}

/// The indices of each analysis' media: those that it names, or all, but no documents.
pub(super) fn media_by_analysis(submission: &Submission<'_>) -> Result<Vec<Vec<usize>>, Error> {
    let mut media_by_analysis = vec![];
    for (number, analysis) in submission.payload.analyses.iter().enumerate() {
        let at = format!("payload: analyses[{number}].source_media");
        let mut places: Vec<usize> = (0..submission.media.len()).collect();
        if let Some(names) = &analysis.source_media {
            for name in names {
                if !submission.media.iter().any(|m| m.key == *name) {
                    return Err(sample(format!("{at} names {}, which was not sent", quoted(name))));
                }
            }
            places.retain(|&p| names.contains(&submission.media[p].key));
        }
        places.retain(|&p| !submission.payload.is_document(&submission.media[p].key));
        if places.is_empty() {
            return Err(sample(format!(
                "{at} leaves no medium to judge; pictures of documents take no part in liveness"
            )));
        }
        media_by_analysis.push(places);
    }
    Ok(media_by_analysis)
}

/// Assigns a failure: a medium's own becomes its result, unless it is the `only` medium; a fault of the service ends the request.
fn verdict(
    result: Result<Result<PadResult, face::Error>, Failed>,
    key: &str,
    only: bool,
) -> Result<JudgedMedium, Error> {
    match result {
        Ok(Ok(finding)) => Ok(Ok(finding)),
        Ok(Err(face::Error::Engine(cause))) => Err(Error::internal(Family::Liveness, cause.to_string())),
        Ok(Err(face::Error::Late)) => Err(late()),
        Ok(Err(error @ face::Error::NoMemory)) => {
            Err(Error::new(Family::Liveness, Kind::Overloaded, error.to_string()))
        }
        Ok(Err(error)) if only && key.is_empty() => Err(sample(error.to_string())),
        Ok(Err(error)) if only => Err(sample(format!("{}: {error}", quoted(key)))),
        Ok(Err(error)) => Ok(Err(error.to_string())),
        Err(Failed(cause)) => Err(Error::internal(Family::Liveness, cause)),
    }
}

fn sample(detail: impl Into<String>) -> Error {
    Error::new(Family::Liveness, Kind::Sample, detail)
}

fn late() -> Error {
    overloaded("the deadline passed")
}

fn overloaded(detail: &str) -> Error {
    Error::new(Family::Liveness, Kind::Overloaded, format!("{detail}; try again"))
}
