//! Posts events to a webhook, in their order, each until it is accepted: retries begin after five seconds, and are an hour apart at the most.
//!
//! An event that is refused for a day is given up, and so are the oldest where more than [`BACKLOG`] wait: sequence numbers tell the receiver.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ureq::Agent;

use super::NameOf;
use super::signature::SigningKey;
use crate::events::{Event, Journal, MEDIA_TYPE};
use crate::ops::hex;
use crate::ops::settings::Webhook;
use crate::ops::shutdown::{IDLE, Shutdown};
use crate::ops::tls_client::{TlsFiles, secret};

/// Time for an answer.
const TIME: Duration = Duration::from_secs(15);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// After this time an event is given up.
const GIVEN_UP: Duration = Duration::from_secs(86_400);
/// Most events that wait.
const BACKLOG: u64 = 10_000;
/// Events that are read from the journal at once.
const AT_ONCE: usize = 64;

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Accepted,
    /// The receiver is gone for good (410).
    Gone,
    Failed,
}

struct Target {
    url: String,
    /// The same without what may be secret in it, for the log.
    shown: String,
    types: Vec<String>,
    key: SigningKey,
    agent: Agent,
}

/// Starts the thread of a webhook.
pub(super) fn start(
    settings: &Webhook,
    journal: Arc<Journal>,
    name_of: NameOf,
    shutdown: Shutdown,
) -> Result<(), String> {
    let key = SigningKey::new(&secret(&settings.secret)?).map_err(|e| format!("{}: {e}", settings.secret.display()))?;
    let tls = TlsFiles { authority: settings.authority.clone(), ..TlsFiles::default() };
    let agent = Agent::config_builder()
        .tls_config(tls.of_requests()?)
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(TIME))
        .build()
        .new_agent();
    let target =
        Target { shown: shown(&settings.url), url: settings.url.clone(), types: settings.types.clone(), key, agent };
    let work = move || target.run(&journal, &name_of, &shutdown);
    let thread = std::thread::Builder::new().name("webhook".into()).spawn(work);
    thread.map(|_| ()).map_err(|e| format!("no thread for a webhook: {e}"))
}

/// An address without user, path and query, in which secrets are common.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}", host.rsplit('@').next().unwrap_or_default())
}

/// The pause after so many failures.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

impl Target {
    fn run(&self, journal: &Journal, name_of: &NameOf, shutdown: &Shutdown) {
        let receiver = self.receiver();
        let Some(mut position) = journal.wait_for_position(&receiver, shutdown) else { return };
        while !shutdown.requested() {
            let last = journal.last();
            if last.saturating_sub(position) > BACKLOG {
                log::warn!("webhook {}: {} events are given up", self.shown, last - BACKLOG - position);
                position = last - BACKLOG;
            }
            let (events, mut reached) = match journal.after(position, AT_ONCE) {
                Ok(read) => read,
                Err(error) => {
                    log::error!("webhook {}: events can't be read: {error}", self.shown);
                    shutdown.sleep(FIRST_PAUSE);
                    continue;
                }
            };
            if events.is_empty() {
                position = reached;
                journal.wait(position, IDLE);
                continue;
            }
            for event in events.iter().filter(|event| self.is_wanted(event)) {
                match self.deliver(journal, event, name_of, shutdown) {
                    Sent::Accepted => {}
                    Sent::Gone => {
                        log::error!(
                            "webhook {}: the receiver is gone (410); nothing is sent until the next start",
                            self.shown
                        );
                        return;
                    }
                    // The service ends.
                    Sent::Failed => {
                        reached = event.sequence - 1;
                        break;
                    }
                }
            }
            position = reached;
            journal.keep_position(&receiver, position);
        }
    }

    /// The name under which its position is kept, without what may be secret in the address.
    fn receiver(&self) -> String {
        let whole = digest(&SHA256, format!("{} {}", self.url, self.types.join(" ")).as_bytes());
        format!("webhook {}", hex::digits(&whole.as_ref()[..16]))
    }

    fn is_wanted(&self, event: &Event) -> bool {
        self.types.is_empty() || self.types.iter().any(|start| event.kind.word().starts_with(start.as_str()))
    }

    /// Sends an event until it is accepted or given up.
    fn deliver(&self, journal: &Journal, event: &Event, name_of: &NameOf, shutdown: &Shutdown) -> Sent {
        let (begun, mut failures) = (Instant::now(), 0);
        loop {
            let envelope = journal.envelope();
            let body = envelope.json(event, name_of(event).as_deref());
            match self.send(&envelope.id(event.sequence), &body) {
                (Sent::Failed, why) => {
                    failures += 1;
                    if failures == 1 {
                        log::warn!("webhook {}: {why}; it is tried again", self.shown);
                    }
                }
                (sent, _) => {
                    if failures > 0 {
                        log::info!("webhook {}: it is reached again", self.shown);
                    }
                    return sent;
                }
            }
            if begun.elapsed() > GIVEN_UP {
                log::error!("webhook {}: event {} is given up", self.shown, event.sequence);
                return Sent::Accepted;
            }
            shutdown.sleep(pause(failures));
            if shutdown.requested() {
                return Sent::Failed;
            }
        }
    }

    fn send(&self, id: &str, body: &str) -> (Sent, String) {
        let time = Timestamp::now().as_second();
        let request = self
            .agent
            .post(&self.url)
            .header("content-type", MEDIA_TYPE)
            .header("webhook-id", id)
            .header("webhook-timestamp", time.to_string())
            .header("webhook-signature", self.key.sign(id, time, body));
        match request.send(body) {
            Ok(answer) => match answer.status().as_u16() {
                200..=299 => (Sent::Accepted, String::new()),
                410 => (Sent::Gone, String::new()),
                status => (Sent::Failed, format!("status {status}")),
            },
            Err(error) => (Sent::Failed, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_five_seconds_to_an_hour() {
        let seconds: Vec<u64> = (1..=12).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn the_log_shows_no_secrets_of_an_address() {
        for (url, want) in [
            ("https://user:secret@example.com:8443/hook/secret?token=secret", "https://example.com:8443"),
            ("http://10.0.0.5", "http://10.0.0.5"),
        ] {
            assert_eq!(shown(url), want);
        }
    }
}
