//! Holds what all methods share: models, workers, camera, settings in force, counters; and a request whose head was accepted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Instant;

use super::body::Body;
use super::budget::Budget;
use super::camera::Language;
use super::camera_query::CameraQuery;
use super::error::{Error, Family, Kind};
use super::events::EventsCall;
use super::health::Health;
use super::metrics::Metrics;
use super::page_call::PageCall;
use super::people::PeopleCall;
use super::probe::Unwell;
use super::reply::Reply;
use super::route::Route;
use crate::capture::{Attempt, Capturer};
use crate::door::{Door, Parts};
use crate::engine::{self, Decoding, ModelInfo};
use crate::events::{self, Journal};
use crate::face::{Comparator, Extractor, FacePipeline, Score, Sealer, Thresholds, start_workers};
use crate::gate::{Gate, Gauges, InFlightRequest, Sessions};
use crate::ops::memory::Reserved;
use crate::ops::settings::{DoorMode, InForce, Origins};
use crate::ops::shutdown::Shutdown;
use crate::ops::{Limits, Settings, counted, heap, settings};
use crate::outputs::{self, NameOf};
use crate::people::{People, Previous};
use crate::work::{Owner, Pool, WaitLimit};

/// The API on top of the models. Shared by all threads that serve requests.
pub struct Service {
    pub(super) pool: Arc<Pool<Extractor>>,
    pub(super) comparator: Comparator,
    thresholds: RwLock<Thresholds>,
    pub(super) limits: Limits,
    pub(super) model: u16,
    pub(super) dimension: usize,
    pub(super) capturer: Arc<Capturer>,
    pub(super) liveness: settings::Liveness,
    pub(super) streams: Streams,
    pub(super) event_streams: Streams,
    pub(super) journal_streams: Streams,
    pub(super) exports: Streams,
    pub(super) shutdown: Shutdown,
    pub(super) seals: Arc<Sealer>,
    pub(super) people: Option<Arc<People>>,
    pub(super) journal: Arc<Journal>,
    pub(super) door: Option<Arc<Door>>,
    pub(super) door_mode: DoorMode,
    /// Access as it is in force, with the tokens of the store.
    access: RwLock<Arc<settings::Access>>,
    /// Held by whoever changes it, so that no change undoes another.
    access_change: Mutex<()>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) gate: OnceLock<Weak<Gate>>,
    pub(super) device: String,
    pub(super) budget: Budget,
    pub(super) metrics: Metrics,
    pub(super) gauges: Arc<Gauges>,
    faces: Arc<FacePipeline>,
    trims: Mutex<heap::TrimSchedule>,
    pub(super) health: Health,
    pub(super) in_force: RwLock<Arc<InForce>>,
}

/// Number of running streams of one kind.
#[derive(Debug, Default)]
pub(super) struct Streams(Arc<AtomicUsize>);

/// Counts as a running stream until it is dropped.
#[derive(Debug)]
pub(super) struct RunningStream(Arc<AtomicUsize>);

impl Streams {
    /// Counts one more; none if `most` are running already.
    pub(super) fn begin(&self, most: usize) -> Option<RunningStream> {
        let running = self.0.fetch_add(1, Ordering::Relaxed);
        let counted = RunningStream(Arc::clone(&self.0)); // from here on its drop ends the count
        (running < most).then_some(counted)
    }
}

impl Drop for RunningStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request whose head was accepted.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) route: Route,
    /// Whether the body is base64, or all its binary parts are.
    pub(super) base64: bool,
    pub(super) boundary: Option<String>,
    /// The options of the camera in its query.
    pub(super) ask: CameraQuery,
    /// What it says of people beside its body.
    pub(super) people: PeopleCall,
    /// Whether its body is a template.
    pub(super) is_template: bool,
    /// Its in-flight request.
    pub(super) request: InFlightRequest,
    pub(super) body: Body,
    /// The person that templates are bound to, if the request names one.
    pub(super) subject: Option<String>,
    /// The language for people that it prefers.
    pub(super) language: &'static Language,
    /// Whether it accepts server-sent events.
    pub(super) accepts_events: bool,
    /// What it says of events in its query.
    pub(super) events: EventsCall,
    /// The last event that it has got.
    pub(super) last_event: Option<String>,
    /// What it says of a page.
    pub(super) page: PageCall,
}

/// Owner of a self-test's job: the service itself.
const OWN: u64 = 0;

impl Call {
    /// The call for `request`, with its body.
    pub(super) fn of(self, request: InFlightRequest, body: Body) -> Self {
        Self { request, body, ..self }
    }

    /// The time limit of its waits: `until`, or earlier if its request is cancelled.
    pub(super) fn wait_limit(&self, until: Instant) -> WaitLimit {
        WaitLimit::new(until, &self.request.cancel)
    }

    /// What it asks of a person before the camera.
    pub(super) fn attempt(&self, best_shot: bool) -> Attempt<'_> {
        let (owner, cancel) = (&self.request.owner, &self.request.cancel);
        let CameraQuery { liveness: mode, threshold, wait, .. } = self.ask;
        Attempt { mode, threshold, best_shot, wait, owner, cancel }
    }

    /// An error if its request is cancelled: checked before each stage of the work.
    pub(super) fn is_awaited(&self) -> Result<(), Error> {
        match self.request.cancel.is_cancelled() {
            true => Err(Error::new(self.route.family(), Kind::Overloaded, "the client has disconnected")),
            false => Ok(()),
        }
    }
}

impl Service {
    /// Starts the inference workers and runs the first self-test. The queue holds two jobs for each of `most_requests` threads, which
    /// is the most that can be waiting: a request submits at most two at a time. LiveBody replies end at `shutdown`. The `origins` of the
    /// settings are told.
    pub fn start(
        faces: FacePipeline,
        settings: &Settings,
        origins: &Origins,
        seals: Arc<Sealer>,
        most_requests: usize,
        shutdown: Shutdown,
    ) -> Result<Self, engine::Error> {
        let faces = Arc::new(faces);
        let verdict = faces.self_test().map_err(|e| e.to_string());
        if let Err(why) = &verdict {
            log::error!("{why}; every request will be refused");
        }
        let info = faces.embedder();
        let Decoding::Embedding { dimension } = info.output else {
            return Err(engine::Error::models(format!("{} makes no embeddings", info.name)));
        };
        let comparator = Comparator::of(info, settings).map_err(|e| engine::Error::models(e.to_string()).because(e))?;
        let previous = faces.previous().and_then(|info| match info.output {
            Decoding::Embedding { dimension } => {
                let comparator = Comparator::new(&info.knots, &info.joined_knots, None);
                Some(Previous::new(comparator, (info.id, dimension)))
            }
            _ => None,
        });
        let people = People::open(&settings.people, &seals, &comparator, (info.id, dimension), previous);
        let people = people.map_err(engine::Error::models)?.map(Arc::new);
        if let Some(people) = people.clone().filter(|people| people.has_site()) {
            let shutdown = shutdown.clone();
            let follow = move || people.follow(&shutdown);
            let started = std::thread::Builder::new().name("people of the site".into()).spawn(follow);
            started.map_err(|e| engine::Error::models(format!("no thread for the people of the site: {e}")))?;
        }
        let pool = Arc::new(start_workers(&faces, settings.workers(), 2 * most_requests));
        let capturer = Arc::new(Capturer::start(&settings.camera, &settings.limits, &pool));
        let journal = super::events::start(settings, &seals, people.as_ref());
        let parts = people.clone().map(|people| Parts {
            capturer: Arc::clone(&capturer),
            people,
            journal: Arc::clone(&journal),
            shutdown: shutdown.clone(),
            approved: Score::new(settings.decision.approved),
            threshold: settings.liveness.most_threshold,
        });
        let door = super::door::start(settings, parts, verdict.is_ok()).map_err(engine::Error::models)?;
        let named = people.clone();
        let name_of: NameOf = Arc::new(move |event| name_of(named.as_deref(), event));
        let started = outputs::start(settings, &journal, door.as_ref(), &name_of, &shutdown);
        started.map_err(|why| engine::Error::models(format!("events can't be sent: {why}")))?;
        Ok(Self {
            comparator,
            thresholds: RwLock::new(thresholds(settings)),
            limits: settings.limits.clone(),
            model: info.id,
            dimension,
            capturer,
            journal,
            door,
            door_mode: settings.door.mode,
            access: RwLock::new(Arc::new(settings.access.clone())),
            access_change: Mutex::new(()),
            sessions: Arc::default(),
            gate: OnceLock::new(),
            device: settings.device(),
            liveness: settings.liveness.clone(),
            streams: Streams::default(),
            event_streams: Streams::default(),
            journal_streams: Streams::default(),
            exports: Streams::default(),
            shutdown,
            budget: Budget::new(if seals.is_plain() { 0 } else { settings.limits.comparisons_per_minute }),
            seals,
            people,
            metrics: Metrics::default(),
            gauges: Arc::default(),
            trims: Mutex::new(heap::TrimSchedule::new(Instant::now())),
            health: Health::new(verdict),
            in_force: RwLock::new(InForce::new(settings, origins)),
            pool,
            faces,
        })
    }

    /// The score thresholds in force.
    pub(super) fn thresholds(&self) -> Thresholds {
        *self.thresholds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the settings that can change while the service runs: the score thresholds.
    pub fn reload(&self, settings: &Settings, origins: &Origins) {
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        *in_force = in_force.reloaded(settings, origins);
        drop(in_force);
        *self.thresholds.write().unwrap_or_else(PoisonError::into_inner) = thresholds(settings);
        if let Some(door) = &self.door {
            door.set_approved(Score::new(settings.decision.approved));
        }
    }

    /// Access as it is in force.
    pub(super) fn access(&self) -> Arc<settings::Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force; the gate is told by the caller, who holds [`Self::change_access`].
    pub fn set_access(&self, access: settings::Access) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    /// Waits for the turn to change it. What is written meanwhile keeps nobody from asking.
    pub fn change_access(&self) -> MutexGuard<'_, ()> {
        self.access_change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether clients need a token.
    pub(super) fn has_tokens(&self) -> bool {
        self.access().has_tokens()
    }

    /// Whether the door may recognize people: what that needs was checked with the settings.
    pub(super) fn door_can_recognize(&self) -> bool {
        self.door_mode != DoorMode::Off
    }

    /// Whether the last self-test of the models passed.
    pub fn ready(&self) -> bool {
        self.health.is_ready()
    }

    /// Releases memory to the system once the work that needed it is done, and has people's store do what is due. To be called
    /// periodically.
    pub fn tidy(&self) {
        if let Some(people) = &self.people {
            people.tick(Instant::now());
        }
        self.journal.tidy(jiff::Timestamp::now());
        // A body that was read and refused took memory without any job.
        let ended = self.pool.stats().worked.count() + self.metrics.ended();
        let is_idle = self.gauges.requests.load(Ordering::Relaxed) == 0;
        if self.trims.lock().unwrap_or_else(PoisonError::into_inner).is_due(ended, is_idle, Instant::now()) {
            heap::trim();
        }
    }

    /// Closes what has to be closed at the end of the service.
    pub fn close(&self) {
        if let Some(door) = &self.door {
            door.close();
        }
        if let Some(people) = &self.people {
            people.close();
        }
        self.journal.append(events::Kind::DeviceStopped, events::Details::default(), jiff::Timestamp::now());
        self.journal.close();
    }

    /// An error if an inference worker is stuck: at one job for twice the time that a request has, though all jobs check for their end.
    pub fn stuck(&self) -> Result<(), Unwell> {
        if let Some(late) = self.door.as_ref().and_then(|door| door.stuck()) {
            return Err(Unwell::Stuck(late));
        }
        let (longest, most) = (self.pool.longest(), 2 * self.limits.request_time());
        if longest <= most { Ok(()) } else { Err(Unwell::Stuck(longest)) }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Waits for memory for a reply of about `bytes` bytes, which is made in pieces first. Small replies need none.
    pub(super) fn room(&self, call: &Call, bytes: usize) -> Result<Option<Reserved>, Error> {
        const SMALL: usize = 1 << 20;
        const PIECES: u64 = 3;
        if bytes > self.limits.reply_bytes {
            return Err(self.too_large(call.route.family()));
        }
        if bytes < SMALL {
            return Ok(None);
        }
        self.reserve(call, bytes as u64 * PIECES).map(Some)
    }

    /// Waits for so many bytes of memory, or for all that there is.
    pub(super) fn reserve(&self, call: &Call, bytes: u64) -> Result<Reserved, Error> {
        let until = Instant::now() + self.limits.request_time();
        let stop = || call.request.cancel.is_cancelled() || Instant::now() >= until;
        let late = |_| Error::new(call.route.family(), Kind::Overloaded, "there was no memory for it; try again");
        self.faces.memory().decode.reserve_most(bytes, &stop).map_err(late)
    }

    /// The error for a reply over the limit.
    pub(super) fn too_large(&self, family: Family) -> Error {
        let limit = counted(self.limits.reply_bytes, "byte", "bytes");
        Error::new(family, Kind::Sample, format!("the reply would be over the limit of {limit}; ask for less at once"))
    }

    /// The models that run.
    pub(super) fn models(&self) -> impl Iterator<Item = &ModelInfo> {
        self.faces.models()
    }

    /// Reply that the process is alive.
    pub(super) fn alive() -> Reply {
        Reply::json(&serde_json::json!({ "alive": true }))
    }

    /// The result of the models' self-test.
    pub(super) fn health(&self) -> Reply {
        let faces = Arc::clone(&self.faces);
        self.health.tell(|| self.pool.submit(&Owner::new(OWN), move |_, _| faces.self_test()).ok())
    }
}

/// The name of an event's person, if somebody of this id is enrolled.
pub(super) fn name_of(people: Option<&People>, event: &events::Event) -> Option<String> {
    Some(people?.get(event.details.person.as_ref()?).ok()?.name.clone())
}

fn thresholds(settings: &Settings) -> Thresholds {
    Thresholds {
        approved: Score::new(settings.decision.approved),
        operator_required: Score::new(settings.decision.operator_required),
    }
}
