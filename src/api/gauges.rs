//! Reports on the service itself: readiness and metrics.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::context::Service;
use super::metrics::{Text, label};
use super::reply::Reply;
use crate::camera::Status;

impl Service {
    /// 200 while requests are answered, else 503.
    pub(super) fn readiness(&self) -> Reply {
        let ready = self.ready() && !self.shutdown.requested();
        Reply { status: if ready { 200 } else { 503 }, ..Reply::json(&json!({ "ready": ready })) }
    }

    pub(super) fn metrics(&self) -> Reply {
        let mut text = Text::default();
        text.head("faceplate_info", "gauge", "Version.");
        text.line("faceplate_info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), &1);
        text.head("faceplate_model_info", "gauge", "Models that run.");
        for model in self.models() {
            let labels = format!("name=\"{}\",version=\"{}\"", label(&model.name), label(&model.version));
            text.line("faceplate_model_info", &labels, &1);
        }
        text.gauge("faceplate_ready", "Whether the models passed their last self-test.", &u8::from(self.ready()));
        self.metrics.write(&mut text);
        let figure = |figure: &std::sync::atomic::AtomicUsize| figure.load(Ordering::Relaxed);
        text.gauge("faceplate_connections", "Connections that are open.", &figure(&self.gauges.connections));
        text.gauge("faceplate_requests_open", "Requests that are being answered.", &figure(&self.gauges.requests));
        text.gauge("faceplate_held_bytes", "Bytes of request bodies in memory.", &figure(&self.gauges.held_bytes));
        let pool = self.pool.stats();
        text.gauge("faceplate_jobs_waiting", "Jobs that wait for an inference worker.", &pool.waiting);
        let longest = self.pool.longest().as_secs_f64();
        text.gauge(
            "faceplate_job_longest_seconds",
            "How long the longest of the jobs that are run has been.",
            &longest,
        );
        text.histogram("faceplate_job_wait_seconds", "How long jobs waited for an inference worker.", &pool.waited);
        text.histogram("faceplate_job_seconds", "How long an inference worker took for a job.", &pool.worked);
        let camera = self.capturer.camera().report();
        text.gauge(
            "faceplate_camera_on",
            "Whether the camera delivers frames.",
            &u8::from(matches!(camera.status, Status::On)),
        );
        let is_failing = matches!(camera.status, Status::Failing(_));
        text.gauge(
            "faceplate_camera_failing",
            "Whether frames are wanted and the camera delivers none.",
            &u8::from(is_failing),
        );
        text.head("faceplate_camera_frames_total", "counter", "Frames that the camera gave.");
        text.line("faceplate_camera_frames_total", "", &camera.counts.frames);
        text.head("faceplate_camera_exposures_total", "counter", "Changes of the camera's exposure for a face.");
        text.line("faceplate_camera_exposures_total", "", &camera.counts.exposed);
        let (attacks, locked) = self.capturer.attacks();
        text.head("faceplate_camera_attacks_total", "counter", "Attack verdicts at the camera.");
        text.line("faceplate_camera_attacks_total", "", &attacks);
        text.gauge(
            "faceplate_camera_locked_seconds",
            "How much longer attack verdicts lock the camera's methods.",
            &locked.unwrap_or_default().as_secs_f64(),
        );
        if let Some(people) = &self.people {
            let snapshot = people.snapshot();
            let (count, templates) = snapshot.as_ref().map_or((0, 0), |all| (all.people().count(), all.templates()));
            text.gauge("faceplate_people", "People who are enrolled and can be used.", &count);
            text.gauge("faceplate_people_templates", "Templates that a search compares.", &templates);
            let usable = u8::from(snapshot.is_ok());
            text.gauge("faceplate_people_usable", "Whether the people who are stored can be used.", &usable);
            if let Some(age) = people.age() {
                let what = "How long ago the people of the site were reached.";
                text.gauge("faceplate_people_site_age_seconds", what, &age.as_secs_f64());
            }
        }
        text.head("faceplate_events_total", "counter", "Events by type.");
        for (kind, count) in self.journal.counts() {
            text.line("faceplate_events_total", &format!("type=\"{}\"", kind.word()), &count);
        }
        if let Some(door) = &self.door {
            let (status, figures) = (door.status(), door.figures());
            text.head("faceplate_door_openings_total", "counter", "Openings of the lock, by what it was opened.");
            for (method, count) in ["face", "claim", "command", "exit"].iter().zip(figures.openings) {
                text.line("faceplate_door_openings_total", &format!("method=\"{method}\""), &count);
            }
            let what = "From the first frame with a face to the lock.";
            text.histogram("faceplate_door_decision_seconds", what, &figures.decisions);
            text.gauge("faceplate_door_unlocked", "Whether the lock is open.", &u8::from(status.is_unlocked));
            if let Some(is_open) = status.is_open {
                text.gauge("faceplate_door_open", "Whether the door stands open.", &u8::from(is_open));
            }
            text.gauge("faceplate_door_faults", "Parts of the door that do not work.", &status.faults.len());
            let what = "Whether the clock is synchronized.";
            text.gauge("faceplate_clock_synchronized", what, &u8::from(status.is_synchronized));
        }
        let process = Process::read();
        text.gauge("process_resident_memory_bytes", "Memory of the process.", &process.memory_bytes);
        text.gauge("process_threads", "Threads of the process.", &process.threads);
        text.gauge("process_open_fds", "Descriptors of the process.", &process.descriptors);
        Reply::ok("text/plain; version=0.0.4", text.finish().into_bytes())
    }
}

/// What the kernel reports about this process; 0 where it reports nothing.
#[derive(Debug, Default)]
struct Process {
    memory_bytes: u64,
    threads: u64,
    descriptors: usize,
}

impl Process {
    fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0_u64)
        };
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self { memory_bytes: number("VmRSS:") * 1024, threads: number("Threads:"), descriptors }
    }
}
