//! Implements the pattern methods: translates parts to samples and templates, and scores to replies.

use std::time::Instant;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::BodySlice;
use super::context::{Call, Service};
use super::encoding::{decode_base64, encode_base64_wiped};
use super::error::{Error, Family, GateKind, Kind};
use super::form::{FormValues, Item};
use super::multipart::Writer;
use super::reply::Reply;
use super::text::raw;
use crate::face::{self, Extractor, Score, Template, Unjoined};
use crate::ops::settings::Scope;
use crate::ops::{Content, Stop, counted, random};
use crate::work::{Failed, JobHandle, block_on};

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

/// A worker's result for a picture; no template if it was only decoded.
type Answer = JobHandle<Result<Option<Template>, face::Error>>;

const OCTETS: &str = "application/octet-stream";

impl Service {
    pub(super) fn extract(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let template = self.sample(call, body)?;
        Ok(self.extracted(call, &template, call.base64))
    }

    /// The template of the picture that is the whole body.
    pub(super) fn sample(&self, call: &Call, body: &[u8]) -> Result<Template, Error> {
        Ok(self.samples(call, &[("", &content(call, body, Kind::Sample)?)])?.remove(0))
    }

    /// The reply of extract and join.
    pub(super) fn extracted(&self, call: &Call, template: &Template, base64: bool) -> Reply {
        let template = self.seals.seal(template.to_bytes(), call.subject.as_deref());
        match base64 {
            false => Reply::ok(OCTETS, template),
            true => Reply::ok(OCTETS, encode_base64_wiped(&template)).with("Content-Transfer-Encoding", "base64"),
        }
    }

    pub(super) fn compare(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let feature = self.references(call, &found.one[0])?;
        let template = self.references(call, &found.one[1])?;
        self.spend(call, (feature.len() * template.len()) as u64)?;
        Ok(self.comparison(self.best(&feature, &template)))
    }

    pub(super) fn verify(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let template = self.references(call, &found.one[1])?;
        self.spend(call, template.len() as u64)?;
        let feature = self.samples(call, &[("sample", &found.one[0].bytes)])?.remove(0);
        Ok(self.verified(call, &feature, &template, found.base64))
    }

    /// The reply of verify.
    pub(super) fn verified(&self, call: &Call, feature: &Template, template: &[Template], base64: bool) -> Reply {
        let score = OnlyScore { score: raw(self.told(self.best(std::slice::from_ref(feature), template))) };
        let mut writer = Writer::new(&format!("faceplate-{:032x}", random()));
        let content_type = writer.content_type();
        writer.field("score", "application/json", &Reply::json(&score).body);
        let bytes = self.seals.seal(feature.to_bytes(), call.subject.as_deref());
        let content = if base64 { encode_base64_wiped(&bytes) } else { bytes };
        writer.file("bio_feature", "bio_feature", OCTETS, base64, &content);
        Reply::ok(content_type, writer.finish())
    }

    pub(super) fn extract_and_compare(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let templates = self.samples(call, &[("sample_1", &found.one[0].bytes), ("sample_2", &found.one[1].bytes)])?;
        Ok(self.comparison(self.comparator.compare(&templates[0], &templates[1])))
    }

    pub(super) fn compare_n(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let probe = self.references(call, &found.one[0])?;
        let others = self.templates(call, found)?;
        self.entries(call, &probe, found, &others)
    }

    pub(super) fn verify_n(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let others = self.templates(call, found)?;
        let probe = self.samples(call, &[("sample_1", &found.one[0].bytes)])?;
        self.entries(call, &probe, found, &others)
    }

    pub(super) fn extract_and_compare_n(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let labeled = found.many.iter().map(|item| (&*item.label, &item.bytes));
        let samples: Vec<(&str, &Content<'_>)> =
            [("sample_1", &found.one[0].bytes)].into_iter().chain(labeled).collect();
        let mut templates = self.samples(call, &samples)?;
        let probe = templates.remove(0);
        let others: Vec<Vec<Template>> = templates.into_iter().map(|template| vec![template]).collect();
        self.entries(call, &[probe], found, &others)
    }

    pub(super) fn join(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let refused = |what: &str| Error::new(Family::Pattern, Kind::Template, what);
        let labels: Vec<&str> = found.many.iter().map(|item| &*item.label).collect();
        let unjoined = |why: Unjoined| refused(&format!("templates_n: {}", why.told(&labels)));
        Template::joins(labels.len()).map_err(unjoined)?;
        for Item { label, subject, bytes } in &found.many {
            // It would be returned bound to another person, or to none.
            if subject.is_some() && *subject != call.subject {
                let what = "its X-Subject is not that of the request, to which the joined template is bound";
                return Err(refused(&format!("{label}: {what}")));
            }
            // It would be returned sealed, as if this service had made it.
            if !self.seals.is_plain() && !self.seals.is_sealed(bytes) {
                return Err(refused(&format!("{label}: it is not sealed; this service joins only sealed templates")));
            }
        }
        let templates: Vec<_> = found.many.iter().map(|item| self.template(call, item)).collect::<Result<_, _>>()?;
        let pairs = templates.len() * (templates.len() - 1) / 2;
        self.spend(call, pairs as u64)?;
        let least = self.thresholds().operator_required;
        let joined = Template::join(&templates, &self.comparator, least).map_err(unjoined)?;
        Ok(self.extracted(call, &joined, found.base64))
    }

    /// The template of an item, opened for the person that its part or else the request names, if one does.
    pub(super) fn template(&self, call: &Call, item: &Item<'_>) -> Result<Template, Error> {
        let Item { label, subject, bytes } = item;
        let refused =
            |what: &dyn std::fmt::Display| Error::new(Family::Pattern, Kind::Template, format!("{label}: {what}"));
        let subject = subject.as_deref().or(call.subject.as_deref());
        let plain = self.seals.open(bytes, subject).map_err(|e| refused(&e))?;
        Template::parse(&plain, self.model, self.dimension).map_err(|damage| refused(&damage))
    }

    /// The templates that an item stands for: its own, or those of the person whom it names as `person:ID`.
    pub(super) fn references(&self, call: &Call, item: &Item<'_>) -> Result<Vec<Template>, Error> {
        let named = item.bytes.strip_prefix(b"person:").and_then(|id| std::str::from_utf8(id).ok());
        let Some(id) = named else { return self.template(call, item).map(|template| vec![template]) };
        if !call.request.scopes.contains(&Scope::People) {
            let detail = "the token's scopes do not permit to name people";
            return Err(Error::new(Family::Pattern, Kind::Gate(GateKind::Scope), detail));
        }
        self.templates_of_person(id.trim_ascii_end())
    }

    /// The highest score of any two: a person's is that of the best template.
    fn best(&self, some: &[Template], others: &[Template]) -> Score {
        let scores = some.iter().flat_map(|one| others.iter().map(self.comparator.scores_of(one)));
        scores.max().unwrap_or_else(|| Score::new(0.0))
    }

    /// What each item of the list stands for; all comparisons with it are counted against the budget.
    pub(super) fn templates(&self, call: &Call, found: &FormValues<'_>) -> Result<Vec<Vec<Template>>, Error> {
        let templates: Vec<_> = found.many.iter().map(|item| self.references(call, item)).collect::<Result<_, _>>()?;
        self.spend(call, templates.iter().map(Vec::len).sum::<usize>() as u64)?;
        Ok(templates)
    }

    /// Takes comparisons from the budget of the client's account.
    pub(super) fn spend(&self, call: &Call, comparisons: u64) -> Result<(), Error> {
        self.budget.spend(call.request.account, comparisons, Instant::now()).map_err(|seconds| {
            let most = counted(self.limits.comparisons_per_minute, "comparison", "comparisons");
            let detail = format!("more than {most} in a minute (limits.comparisons_per_minute)");
            Error::new(call.route.family(), Kind::Overloaded, detail).for_seconds(seconds)
        })
    }

    /// The score as it is returned: where templates are sealed, only as exact as a decision needs.
    pub(super) fn told(&self, score: Score) -> Score {
        if self.seals.is_plain() { score } else { score.coarse() }
    }

    /// Templates of labeled pictures, two at a time on the inference workers, all before one deadline.
    ///
    /// A picture that can't be decoded is reported before one without a face, whatever their order. So the first refusal of a face
    /// does not end the work, but the pictures that follow are only decoded.
    fn samples(&self, call: &Call, samples: &[(&str, &Content<'_>)]) -> Result<Vec<Template>, Error> {
        let wait_limit = call.wait_limit(Instant::now() + self.limits.request_time());
        let mut templates = vec![];
        let mut refused: Option<Error> = None;
        for pair in samples.chunks(2) {
            call.is_awaited()?;
            let look = refused.is_none();
            let first = self.submit(call, pair[0].1, look)?;
            let (first, second) = match pair.get(1) {
                None => match block_on(select(first, wait_limit.clone())) {
                    Either::First(result) => (result, None),
                    Either::Second(()) => return Err(overloaded("the deadline passed")),
                },
                Some((_, sample)) => {
                    match block_on(select(join(first, self.submit(call, sample, look)?), wait_limit.clone())) {
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

    /// The bytes of a picture, to be passed to a worker. One over the limit is refused by its decoder, which gets only as many bytes as it
    /// needs to detect that.
    pub(super) fn picture_of(&self, call: &Call, sample: &Content<'_>) -> BodySlice {
        call.body.share(sample).first(self.limits.picture_bytes + 1)
    }

    /// Queues one picture: for its template, or only to be decoded without `look`.
    fn submit(&self, call: &Call, sample: &Content<'_>, look: bool) -> Result<Answer, Error> {
        let bytes = self.picture_of(call, sample);
        let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| match look {
            true => extractor.extract(&bytes, unwanted).map(Some),
            false => extractor.decode(&bytes, unwanted).map(|_| None),
        };
        self.pool.submit(&call.request.owner, job).map_err(|_| overloaded("too many requests at once"))
    }

    fn comparison(&self, score: Score) -> Reply {
        Reply::json(&Comparison { score: raw(self.told(score)), decision: score.decide(self.thresholds()).as_str() })
    }

    pub(super) fn entries(
        &self,
        call: &Call,
        probe: &[Template],
        found: &FormValues<'_>,
        others: &[Vec<Template>],
    ) -> Result<Reply, Error> {
        /// Bytes of an entry beside its name; a character of the name may take six.
        const ENTRY: usize = 80;
        let bytes = found.many.iter().map(|item| ENTRY + 6 * item.label.len()).sum::<usize>();
        let room = self.room(call, bytes.min(self.limits.reply_bytes))?;
        let mut results = Vec::with_capacity(others.len());
        let thresholds = self.thresholds();
        let scores_of: Vec<_> = probe.iter().map(|one| self.comparator.scores_of(one)).collect();
        for (item, others) in found.many.iter().zip(others) {
            let scores = scores_of.iter().flat_map(|score_of| others.iter().map(score_of));
            let score = scores.max().unwrap_or_else(|| Score::new(0.0));
            let decision = score.decide(thresholds).as_str();
            results.push(Entry { filename: &item.label, score: raw(self.told(score)), decision });
        }
        Ok(Reply { room, ..Reply::json(&Entries { results }) })
    }
}

/// What a body is that may be base64; `kind` is the error of one that is none.
pub(super) fn content<'a>(call: &Call, body: &'a [u8], kind: Kind) -> Result<Content<'a>, Error> {
    let refused = |_| Error::new(Family::Pattern, kind, "the body is not base64");
    match call.base64 {
        false => Ok(Content::Sent(body)),
        true => decode_base64(body).map(Content::from).map_err(refused),
    }
}

fn overloaded(detail: &str) -> Error {
    Error::new(Family::Pattern, Kind::Overloaded, format!("{detail}; try again"))
}
