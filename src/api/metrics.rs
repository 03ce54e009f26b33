//! Counts requests and writes all metrics in the Prometheus text format (exposition format 0.0.4). Nothing about persons.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use super::route::Route;
use crate::gate::AccessRecord;
use crate::ops::Histogram;

/// Counters of the process.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests by path and status.
    requests: BTreeMap<(&'static str, u16), u64>,
    /// Requests by how long they took, by path.
    took: BTreeMap<&'static str, Histogram>,
    refused: BTreeMap<&'static str, u64>,
    dropped: BTreeMap<&'static str, u64>,
}

impl Metrics {
    /// Counts a request that has ended.
    pub(super) fn count(&self, route: Option<Route>, record: &AccessRecord) {
        let path = route.map_or("other", Route::path);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.requests.entry((path, record.status)).or_default() += 1;
        counts.took.entry(path).or_default().add(record.took);
        if let Some(why) = record.refused {
            *counts.refused.entry(why).or_default() += 1;
        }
    }

    /// Counts a connection that was dropped.
    pub(super) fn dropped(&self, why: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).dropped.entry(why).or_default() += 1;
    }

    /// Requests that have ended and connections that were dropped, together.
    pub(super) fn ended(&self) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.requests.values().chain(counts.dropped.values()).sum()
    }

    /// Writes all of them.
    pub(super) fn write(&self, text: &mut Text) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.head(
            "faceplate_requests_total",
            "counter",
            "Requests by path and status; 0 is a client that went before the reply.",
        );
        for ((path, status), count) in &counts.requests {
            text.line("faceplate_requests_total", &format!("path=\"{path}\",code=\"{status}\""), count);
        }
        text.head(
            "faceplate_request_seconds",
            "histogram",
            "From the first byte of a request to the last of its reply.",
        );
        for (path, histogram) in &counts.took {
            text.buckets("faceplate_request_seconds", &format!("path=\"{path}\","), histogram);
        }
        text.head("faceplate_refused_total", "counter", "Requests that the gate refused, by reason.");
        for (why, count) in &counts.refused {
            text.line("faceplate_refused_total", &format!("reason=\"{why}\""), count);
        }
        text.head("faceplate_dropped_total", "counter", "Connections that were dropped without an answer, by reason.");
        for (why, count) in &counts.dropped {
            text.line("faceplate_dropped_total", &format!("reason=\"{why}\""), count);
        }
    }
}

/// Metrics as text.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a metric.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _a_string_takes_all = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds one value.
    pub(super) fn line(&mut self, name: &str, labels: &str, value: &dyn std::fmt::Display) {
        let labels = labels.trim_end_matches(',');
        let _a_string_takes_all = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// Adds a metric of one value.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: &dyn std::fmt::Display) {
        self.head(name, "gauge", help);
        self.line(name, "", value);
    }

    /// Adds a histogram without labels.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        self.buckets(name, "", histogram);
    }

    /// Adds the lines of a histogram with `labels`, which end in a comma if there are any.
    fn buckets(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        for (bound, count) in histogram.buckets() {
            self.line(&format!("{name}_bucket"), &format!("{labels}le=\"{bound}\""), &count);
        }
        self.line(&format!("{name}_bucket"), &format!("{labels}le=\"+Inf\""), &histogram.count());
        self.line(&format!("{name}_sum"), labels, &histogram.sum().as_secs_f64());
        self.line(&format!("{name}_count"), labels, &histogram.count());
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A label's value without characters that may not be in its quotes.
pub(super) fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !['"', '\\'].contains(c)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_histogram_is_cumulative() {
        let mut histogram = Histogram::default();
        for ms in [1, 30, 30, 60_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let mut text = Text::default();
        text.histogram("t", "help.", &histogram);
        let text = text.finish();
        for line in [
            "# TYPE t histogram",
            "t_bucket{le=\"0.001\"} 1",
            "t_bucket{le=\"0.05\"} 3",
            "t_bucket{le=\"+Inf\"} 4",
            "t_sum 60.061",
            "t_count 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn requests_are_counted_by_path_status_and_reason() {
        let metrics = Metrics::default();
        let record = |status, refused| AccessRecord {
            id: "x".into(),
            method: "GET".into(),
            target: "/a/persons/name".into(),
            status,
            received: 0,
            took: Duration::ZERO,
            refused,
        };
        metrics.count(Some(Route::Version), &record(200, None));
        metrics.count(None, &record(401, Some("no_token")));
        metrics.dropped("crowded");
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        for line in [
            "faceplate_requests_total{path=\"/version\",code=\"200\"} 1",
            "faceplate_requests_total{path=\"other\",code=\"401\"} 1",
            "faceplate_refused_total{reason=\"no_token\"} 1",
            "faceplate_dropped_total{reason=\"crowded\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        assert!(!text.contains("person"));
    }
}
