//! A request's way: admitted by its head, answered from its body.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::body::Body;
use super::budget::Budget;
use super::camera::{Ask, Streams};
use super::content_type::ContentType;
use super::error::{Error, Family, Kind};
use super::form::Found;
use super::health::Health;
use super::liveness::quoted;
use super::metrics::Metrics;
use super::multipart;
use super::reply::Reply;
use super::route::{Accepts, Route, query};
use super::seal::Seals;
use crate::camera::Camera;
use crate::engine::{self, Decoding, ModelInfo};
use crate::face::{Curve, Extractor, Faces, Score, Thresholds};
use crate::gate::{Caller, Figures};
use crate::ops::memory::Reserved;
use crate::ops::shutdown::Shutdown;
use crate::ops::{Limits, Settings, heap, settings};
use crate::work::{Owner, Patience, Pool};

/// The contract on top of the models. Shared by all threads that serve requests.
pub struct Service {
    pub(super) pool: Pool<Extractor>,
    pub(super) curve: Curve,
    thresholds: RwLock<Thresholds>,
    pub(super) limits: Limits,
    pub(super) model: u16,
    pub(super) dimension: usize,
    pub(super) camera: Camera,
    pub(super) camera_settings: settings::Camera,
    pub(super) streams: Streams,
    pub(super) shutdown: Shutdown,
    pub(super) seals: Seals,
    pub(super) budget: Budget,
    pub(super) metrics: Metrics,
    pub(super) figures: Arc<Figures>,
    faces: Arc<Faces>,
    /// Jobs that were done when memory was last given back, and when that was.
    tidied: Mutex<(u64, Instant)>,
    health: Health,
}

/// The head of a request, free of how it came.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Verb.
    pub method: String,
    /// Request target.
    pub target: String,
    /// Header lines.
    pub headers: Vec<(String, String)>,
}

/// A request whose head was accepted.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) route: Route,
    /// The body is base64, or all its binary parts are.
    pub(super) base64: bool,
    pub(super) boundary: Option<String>,
    /// What its query asks of the camera.
    pub(super) ask: Ask,
    /// Who asks.
    pub(super) caller: Caller,
    pub(super) body: Body,
    /// The person that templates are bound to, if the request names one.
    pub(super) subject: Option<String>,
}

/// Whose job a self-test is: the service's own.
const OWN: u64 = 0;

/// Memory is given back when nothing is being answered, but not more often than this; if there is always something, this often.
const PAUSE: Duration = Duration::from_secs(2);
const BUSY: Duration = Duration::from_secs(10);

/// Longest name of a person that a template is bound to, in bytes.
const LONGEST_SUBJECT: usize = 255;

/// What `tfss` says in `/version`: the inference library. A test holds it against Cargo.lock.
const ENGINE: &str = "tract 0.23.9";

const OPENAPI: &str = include_str!("../../docs/ref/openapi.yaml");

impl Head {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    }
}

impl Call {
    /// That of `caller`, with its body.
    pub(super) fn of(self, caller: Caller, body: Body) -> Self {
        Self { caller, body, ..self }
    }

    /// How long its caller waits, until `until` at most.
    pub(super) fn patience(&self, until: Instant) -> Patience {
        Patience::new(until, &self.caller.gone)
    }

    /// An error if its caller has gone: asked before each stage of the work.
    pub(super) fn is_wanted(&self) -> Result<(), Error> {
        match self.caller.gone.is_said() {
            true => Err(Error::new(self.route.family(), Kind::Overloaded, "nobody waits for it any more")),
            false => Ok(()),
        }
    }
}

impl Service {
    /// Starts the inference workers and runs the first self-test. The queue holds two jobs for each of `callers` threads,
    /// which is all that they can have waiting: a caller submits at most two at a time. Live replies end at `shutdown`.
    pub fn start(
        faces: Faces,
        settings: &Settings,
        seals: Seals,
        callers: usize,
        shutdown: Shutdown,
    ) -> Result<Self, engine::Error> {
        let faces = Arc::new(faces);
        let verdict = faces.self_test().map_err(|e| e.to_string());
        if let Err(why) = &verdict {
            log::error!("{why}; every request will be refused");
        }
        let shared = Arc::clone(&faces);
        let extractor = move || shared.extractor().expect("one was made when the models were planned");
        let info = faces.embedder();
        let Decoding::Embedding { dimension } = info.output else {
            return Err(engine::Error::Models(format!("{} makes no embeddings", info.name)));
        };
        Ok(Self {
            pool: Pool::start(settings.workers(), 2 * callers, extractor),
            curve: Curve::new(&info.knots),
            thresholds: RwLock::new(thresholds(settings)),
            limits: settings.limits.clone(),
            model: info.id,
            dimension,
            camera: Camera::start(&settings.camera, &settings.limits),
            camera_settings: settings.camera.clone(),
            streams: Streams::default(),
            shutdown,
            budget: Budget::new(if seals.is_plain() { 0 } else { settings.limits.comparisons_per_minute }),
            seals,
            metrics: Metrics::default(),
            figures: Arc::default(),
            // What reading the models took is to be given back as well.
            tidied: Mutex::new((u64::MAX, Instant::now())),
            health: Health::new(verdict),
            faces,
        })
    }

    /// When a score is a match, now.
    pub(super) fn thresholds(&self) -> Thresholds {
        *self.thresholds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what can be changed while it runs: when a score is a match.
    pub fn reload(&self, settings: &Settings) {
        *self.thresholds.write().unwrap_or_else(PoisonError::into_inner) = thresholds(settings);
    }

    /// Whether the models gave the known answer when they were last asked.
    pub fn ready(&self) -> bool {
        self.health.is_ready()
    }

    /// Gives memory back to the system once the work for which it was taken is done. To be called now and then.
    pub fn tidy(&self) {
        let jobs = self.pool.figures().worked.count();
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = self.figures.requests.load(Ordering::Relaxed) == 0;
        if tidied.0 != jobs && (is_idle || tidied.1.elapsed() >= BUSY) && tidied.1.elapsed() >= PAUSE {
            heap::trim();
            *tidied = (jobs, Instant::now());
        }
    }

    /// Whether an inference worker is stuck: at one job for twice the time that a request has, though all jobs look at it.
    pub fn stuck(&self) -> Result<(), String> {
        let (longest, most) = (self.pool.longest(), 2 * self.limits.request_time());
        if longest <= most { Ok(()) } else { Err(format!("a worker has been at one job for {longest:?}")) }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Judges a request by its head: path, verb, Content-Type.
    pub fn admit(&self, head: &Head) -> Result<Call, Error> {
        let route = Route::find(&head.method, &head.target)?;
        let base64 = head.header("Content-Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("base64"));
        let given = head.header("Content-Type").map(ContentType::parse);
        let ask = Ask::new(&self.camera_settings, &self.limits);
        let ask = match route.parameters() {
            None => ask,
            // What follows is not sent by clients, and would not be read.
            Some(_) if head.target.contains('#') => {
                return Err(Error::new(route.family(), Kind::Parameter, "the target has a fragment"));
            }
            Some(known) => ask
                .read(query(&head.target), known, &self.limits)
                .map_err(|what| Error::new(route.family(), Kind::Parameter, what))?,
        };
        let refused = |want: &str| Err(Error::new(route.family(), Kind::ContentType, format!("it must be {want}")));
        let form = given.as_ref().filter(|c| c.essence == "multipart/form-data");
        let boundary = form.and_then(multipart::boundary).map(str::to_owned);
        let picture = given.as_ref().is_some_and(ContentType::is_picture);
        match route.accepts() {
            Accepts::Picture if !picture => return refused("image/jpeg or image/png"),
            Accepts::Form(_) if form.is_none() => return refused("multipart/form-data"),
            Accepts::PictureOrForm if form.is_none() && !picture => {
                return refused("image/jpeg, image/png or multipart/form-data");
            }
            Accepts::Payload if form.is_none() && given.as_ref().is_some_and(|c| c.essence != "application/json") => {
                return refused("application/json or multipart/form-data, or left out with the body");
            }
            Accepts::Form(_) | Accepts::PictureOrForm | Accepts::Payload if form.is_some() && boundary.is_none() => {
                return refused("multipart/form-data with a boundary of 1 to 70 characters");
            }
            _ => {}
        }
        let subject = head.header("X-Subject").map(str::to_owned);
        let fits = |subject: &String| {
            (1..=LONGEST_SUBJECT).contains(&subject.len()) && subject.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !subject.as_ref().is_none_or(fits) {
            let detail = format!("X-Subject must have 1 to {LONGEST_SUBJECT} visible characters");
            return Err(Error::new(route.family(), Kind::Parameter, detail));
        }
        Ok(Call { route, base64, boundary, ask, caller: Caller::default(), body: Body::default(), subject })
    }

    /// Answers an admitted request.
    pub fn answer(self: &Arc<Self>, call: &Call) -> Reply {
        let body = &call.body;
        let reply = match call.route {
            Route::Version => Ok(self.version()),
            Route::Alive => Ok(Self::alive()),
            Route::Ready => Ok(self.readiness()),
            Route::Metrics => Ok(self.metrics()),
            Route::OpenApi => Ok(Reply::ok("application/yaml", OPENAPI.as_bytes().to_vec())),
            Route::Camera => Ok(self.camera_state()),
            Route::CameraFrame => self.camera_frame(call),
            Route::CameraStream => self.camera_stream(call),
            Route::PatternHealth | Route::LivenessHealth => Ok(self.health()),
            route if !self.ready() => {
                Err(Error::new(route.family(), Kind::NotReady, "the models failed their self-test"))
            }
            Route::LivenessDetect => self.detect(call, body),
            Route::Extract => self.extract(call, body),
            Route::Compare => self.parts(call, body).and_then(|found| self.compare(call, &found)),
            Route::Verify => self.parts(call, body).and_then(|found| self.verify(call, &found)),
            Route::ExtractAndCompare => self.parts(call, body).and_then(|found| self.extract_and_compare(call, &found)),
            Route::CompareN => self.parts(call, body).and_then(|found| self.compare_n(call, &found)),
            Route::VerifyN => self.parts(call, body).and_then(|found| self.verify_n(call, &found)),
            Route::ExtractAndCompareN => {
                self.parts(call, body).and_then(|found| self.extract_and_compare_n(call, &found))
            }
            Route::CameraDetect => self.camera_detect(call, body),
            Route::CameraExtract => self.camera_extract(call, body),
            Route::CameraVerify => self.parts(call, body).and_then(|found| self.camera_verify(call, &found)),
            Route::CameraVerifyN => self.parts(call, body).and_then(|found| self.camera_verify_n(call, &found)),
        };
        let large = |reply: &Reply| reply.body.len() > self.limits.reply_bytes;
        let reply =
            reply.and_then(|reply| if large(&reply) { Err(self.too_large(call.route.family())) } else { Ok(reply) });
        reply.unwrap_or_else(Reply::from)
    }

    /// Waits for memory for a reply of about so many bytes, which is made in pieces first. Small ones need none.
    pub(super) fn room(&self, call: &Call, bytes: usize) -> Result<Option<Reserved>, Error> {
        const SMALL: usize = 1 << 20;
        const PIECES: u64 = 3;
        if bytes > self.limits.reply_bytes {
            return Err(self.too_large(call.route.family()));
        }
        if bytes < SMALL {
            return Ok(None);
        }
        let until = Instant::now() + self.limits.request_time();
        let stop = || call.caller.gone.is_said() || Instant::now() >= until;
        let late =
            |_| Error::new(call.route.family(), Kind::Overloaded, "there was no memory for the reply; try again");
        self.faces.memory().decode.reserve_most(bytes as u64 * PIECES, &stop).map(Some).map_err(late)
    }

    /// The error for a reply over the limit.
    pub(super) fn too_large(&self, family: Family) -> Error {
        let limit = self.limits.reply_bytes;
        Error::new(
            family,
            Kind::Sample,
            format!("the reply would be over the limit of {limit} bytes; ask for less at once"),
        )
    }

    fn parts<'a>(&self, call: &Call, body: &'a [u8]) -> Result<Found<'a>, Error> {
        let (Accepts::Form(form), Some(boundary)) = (call.route.accepts(), &call.boundary) else {
            return Err(Error::internal(Family::Pattern, "a form was expected"));
        };
        call.is_wanted()?;
        let malformed = |e: multipart::Error| Error::new(Family::Pattern, form.first().kind(), e.to_string());
        let parts = multipart::read(body, boundary, &self.limits).map_err(malformed)?;
        // As in the query, nothing is ignored where a door may depend on it.
        let unknown = |part: &&multipart::Part<'_>| !form.has(&part.name);
        if let Some(part) = parts.iter().find(unknown).filter(|_| call.route.parameters().is_some()) {
            let detail =
                format!("the part {} is of no use here; liveness is asked for in the query", quoted(&part.name));
            return Err(Error::new(call.route.family(), Kind::Parameter, detail));
        }
        form.find(parts, call.base64, &self.limits)
    }

    /// The models that run.
    pub(super) fn models(&self) -> impl Iterator<Item = &ModelInfo> {
        self.faces.models()
    }

    fn version(&self) -> Reply {
        #[derive(Serialize)]
        struct Model<'a> {
            name: &'a str,
            version: &'a str,
        }
        #[derive(Serialize)]
        struct Version<'a> {
            core: &'a str,
            tfss: &'a str,
            models: Vec<Model<'a>>,
        }
        let models = self.faces.models().map(|m| Model { name: &m.name, version: &m.version }).collect();
        Reply::json(&Version { core: env!("CARGO_PKG_VERSION"), tfss: ENGINE, models })
    }

    /// That the process is alive.
    pub(super) fn alive() -> Reply {
        Reply::json(&serde_json::json!({ "alive": true }))
    }

    fn health(&self) -> Reply {
        let faces = Arc::clone(&self.faces);
        self.health.tell(|| self.pool.submit(&Owner::new(OWN), move |_, _| faces.self_test()).ok())
    }
}

fn thresholds(settings: &Settings) -> Thresholds {
    Thresholds {
        approved: Score::new(settings.decision.approved),
        operator_required: Score::new(settings.decision.operator_required),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_names_the_engine_that_is_linked() {
        let lock = include_str!("../../Cargo.lock");
        let version = ENGINE.strip_prefix("tract ").unwrap();
        assert!(lock.contains(&format!("name = \"tract-onnx\"\nversion = \"{version}\"")));
    }

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let (mut path, mut described) = ("", vec![]);
        for line in OPENAPI.lines().filter(|l| l.ends_with(':')) {
            let key = line.trim().trim_end_matches(':');
            match line.len() - line.trim_start().len() {
                2 if key.starts_with('/') => path = key,
                4 if ["get", "post", "put", "delete", "patch"].contains(&key) => described.push((path, key)),
                _ => {}
            }
        }
        let routes: Vec<(&str, String)> = Route::ALL.iter().map(|r| (r.path(), r.method().to_lowercase())).collect();
        assert_eq!(described.len(), routes.len());
        for (path, verb) in &routes {
            assert!(described.contains(&(path, verb)), "{verb} {path} is not described");
        }
    }
}
