//! The seven pattern methods: translate parts to samples and templates, and scores to replies.

use std::borrow::Cow;
use std::time::Instant;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use serde::Serialize;
use serde_json::value::RawValue;

use super::encoding::{decode_base64, encode_base64};
use super::error::{Error, Family, Kind};
use super::form::{Found, Item};
use super::multipart::Writer;
use super::reply::Reply;
use super::service::{Call, Service};
use crate::face::{self, Extractor, Score, Template};
use crate::ops::{Wiped, random};
use crate::work::{Failed, Ticket, block_on};

#[derive(Serialize)]
struct Comparison {
    score: Box<RawValue>,
    decision: &'static str,
}

#[derive(Serialize)]
struct Entry<'a> {
    filename: &'a str,
    score: Box<RawValue>,
    decision: &'static str,
}

#[derive(Serialize)]
struct Entries<'a> {
    results: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct OnlyScore {
    score: Box<RawValue>,
}

/// What becomes of a picture on its way through a worker; no template if it was only decoded.
type Answer = Ticket<Result<Option<Template>, face::Error>>;

const OCTETS: &str = "application/octet-stream";

impl Service {
    pub(super) fn extract(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let refused = |_| Error::new(Family::Pattern, Kind::Sample, "the body is not base64");
        let sample = match call.base64 {
            false => Cow::Borrowed(body),
            true => Cow::Owned(decode_base64(body).map_err(refused)?),
        };
        let template = self.samples(call, &[("", &sample)])?.remove(0);
        Ok(self.extracted(call, &template))
    }

    /// The reply of extract.
    pub(super) fn extracted(&self, call: &Call, template: &Template) -> Reply {
        let template = self.seals.seal(template.to_bytes(), call.subject.as_deref());
        match call.base64 {
            false => Reply::ok(OCTETS, template),
            true => {
                Reply::ok(OCTETS, encode_base64(&template).into_bytes()).with("Content-Transfer-Encoding", "base64")
            }
        }
    }

    pub(super) fn compare(&self, call: &Call, found: &Found<'_>) -> Result<Reply, Error> {
        let feature = self.template(call, &found.one[0])?;
        let template = self.template(call, &found.one[1])?;
        self.spend(call, 1)?;
        Ok(self.comparison(self.curve.compare(&feature, &template)))
    }

    pub(super) fn verify(&self, call: &Call, found: &Found<'_>) -> Result<Reply, Error> {
        let template = self.template(call, &found.one[1])?;
        self.spend(call, 1)?;
        let feature = self.samples(call, &[("sample", &found.one[0].bytes)])?.remove(0);
        Ok(self.verified(call, &feature, &template, found.base64))
    }

    /// The reply of verify.
    pub(super) fn verified(&self, call: &Call, feature: &Template, template: &Template, base64: bool) -> Reply {
        let score = OnlyScore { score: raw(self.told(self.curve.compare(feature, template))) };
        let mut writer = Writer::new(&format!("faceplate-{:032x}", random()));
        let content_type = writer.content_type();
        writer.field("score", "application/json", &Reply::json(&score).body);
        let bytes = self.seals.seal(feature.to_bytes(), call.subject.as_deref());
        let content = if base64 { encode_base64(&bytes).into_bytes() } else { bytes };
        writer.file("bio_feature", "bio_feature", OCTETS, base64, &content);
        Reply::ok(content_type, writer.finish())
    }

    pub(super) fn extract_and_compare(&self, call: &Call, found: &Found<'_>) -> Result<Reply, Error> {
        let templates = self.samples(call, &[("sample_1", &found.one[0].bytes), ("sample_2", &found.one[1].bytes)])?;
        Ok(self.comparison(self.curve.compare(&templates[0], &templates[1])))
    }

    pub(super) fn compare_n(&self, call: &Call, found: &Found<'_>) -> Result<Reply, Error> {
        let probe = self.template(call, &found.one[0])?;
        let others = self.templates(call, found)?;
        self.entries(call, &probe, found, &others)
    }

    pub(super) fn verify_n(&self, call: &Call, found: &Found<'_>) -> Result<Reply, Error> {
        let others = self.templates(call, found)?;
        let probe = self.samples(call, &[("sample_1", &found.one[0].bytes)])?.remove(0);
        self.entries(call, &probe, found, &others)
    }

    pub(super) fn extract_and_compare_n(&self, call: &Call, found: &Found<'_>) -> Result<Reply, Error> {
        let labelled = found.many.iter().map(|item| (&*item.label, &*item.bytes));
        let samples: Vec<(&str, &[u8])> = [("sample_1", &*found.one[0].bytes)].into_iter().chain(labelled).collect();
        let mut templates = self.samples(call, &samples)?;
        let probe = templates.remove(0);
        self.entries(call, &probe, found, &templates)
    }

    /// The template that was sent, bound to the person whom its part or else the request names, if one does.
    pub(super) fn template(&self, call: &Call, item: &Item<'_>) -> Result<Template, Error> {
        let Item { label, subject, bytes } = item;
        let refused =
            |what: &dyn std::fmt::Display| Error::new(Family::Pattern, Kind::Template, format!("{label}: {what}"));
        let subject = subject.as_deref().or(call.subject.as_deref());
        let plain = self.seals.open(bytes, subject).map_err(|e| refused(&e))?;
        let template = Template::parse(&plain, self.model, self.dimension).map_err(|damage| refused(&damage));
        if let Cow::Owned(plain) = plain {
            drop(Wiped::from(plain));
        }
        template
    }

    /// The many templates that were sent; they count as asked for.
    pub(super) fn templates(&self, call: &Call, found: &Found<'_>) -> Result<Vec<Template>, Error> {
        let templates: Vec<_> = found.many.iter().map(|item| self.template(call, item)).collect::<Result<_, _>>()?;
        self.spend(call, templates.len() as u64)?;
        Ok(templates)
    }

    /// Takes comparisons from the budget of whoever asks.
    pub(super) fn spend(&self, call: &Call, comparisons: u64) -> Result<(), Error> {
        self.budget.spend(call.caller.account, comparisons, Instant::now()).map_err(|seconds| {
            let most = self.limits.comparisons_per_minute;
            let detail = format!("more than {most} comparisons in a minute (limits.comparisons_per_minute)");
            Error::new(call.route.family(), Kind::Overloaded, detail).for_seconds(seconds)
        })
    }

    /// A score as it is told: where templates are sealed, no more of it than a decision needs.
    fn told(&self, score: Score) -> Score {
        if self.seals.is_plain() { score } else { score.coarse() }
    }

    /// Templates of labeled pictures, two at a time on the inference workers, all before one deadline.
    ///
    /// A picture that can't be decoded is reported before one that shows nobody, whatever their order. So the first refusal
    /// for a face does not end the work, but what follows is only decoded.
    fn samples(&self, call: &Call, samples: &[(&str, &[u8])]) -> Result<Vec<Template>, Error> {
        let patience = call.patience(Instant::now() + self.limits.request_time());
        let mut templates = vec![];
        let mut refused: Option<Error> = None;
        for pair in samples.chunks(2) {
            call.is_wanted()?;
            let look = refused.is_none();
            let first = self.submit(call, pair[0].1, look)?;
            let (first, second) = match pair.get(1) {
                None => match block_on(select(first, patience.clone())) {
                    Either::First(result) => (result, None),
                    Either::Second(()) => return Err(overloaded("the deadline passed")),
                },
                Some((_, bytes)) => {
                    match block_on(select(join(first, self.submit(call, bytes, look)?), patience.clone())) {
                        Either::First((first, second)) => (first, Some(second)),
                        Either::Second(()) => return Err(overloaded("the deadline passed")),
                    }
                }
            };
            for ((label, _), result) in pair.iter().zip([Some(first), second].into_iter().flatten()) {
                let error = match result {
                    Ok(Ok(template)) => {
                        templates.extend(template);
                        continue;
                    }
                    Ok(Err(error)) => Error::from_face(&error, label),
                    Err(Failed(cause)) => Error::internal(Family::Pattern, cause),
                };
                if error.kind() == Kind::Sample {
                    return Err(error);
                }
                refused = refused.or(Some(error));
            }
        }
        refused.map_or(Ok(templates), Err)
    }

    /// Queues one picture: for its template, or only to be decoded if nobody needs to `look` at it any more.
    fn submit(&self, call: &Call, bytes: &[u8], look: bool) -> Result<Answer, Error> {
        let limit = self.limits.picture_bytes;
        // A picture over the limit is refused by its decoder; only as much is given to it as it needs to see that.
        let bytes = call.body.piece(&bytes[..bytes.len().min(limit + 1)]);
        let job = move |extractor: &mut Extractor, unwanted: &dyn Fn() -> bool| match look {
            true => extractor.extract(&bytes, unwanted).map(Some),
            false => extractor.decode(&bytes, unwanted).map(|_| None),
        };
        self.pool.submit(&call.caller.owner, job).map_err(|_| overloaded("too many requests at once"))
    }

    fn comparison(&self, score: Score) -> Reply {
        Reply::json(&Comparison { score: raw(self.told(score)), decision: score.decide(self.thresholds()).as_str() })
    }

    pub(super) fn entries(
        &self,
        call: &Call,
        probe: &Template,
        found: &Found<'_>,
        others: &[Template],
    ) -> Result<Reply, Error> {
        /// Bytes of an entry beside its name, of which a character may take six.
        const ENTRY: usize = 80;
        let bytes = found.many.iter().map(|item| ENTRY + 6 * item.label.len()).sum::<usize>();
        let room = self.room(call, bytes.min(self.limits.reply_bytes))?;
        let mut results = Vec::with_capacity(others.len());
        let thresholds = self.thresholds();
        for (item, other) in found.many.iter().zip(others) {
            let score = self.curve.compare(probe, other);
            let decision = score.decide(thresholds).as_str();
            results.push(Entry { filename: &item.label, score: raw(self.told(score)), decision });
        }
        Ok(Reply { room, ..Reply::json(&Entries { results }) })
    }
}

/// The score as JSON in its own notation: serde_json would print small ones with an exponent.
pub(super) fn raw(score: Score) -> Box<RawValue> {
    RawValue::from_string(score.to_string()).expect("a decimal number is JSON")
}

fn overloaded(detail: &str) -> Error {
    Error::new(Family::Pattern, Kind::Overloaded, format!("{detail}; try again"))
}
