//! What takes too long, and who would be missed least.

use std::time::{Duration, Instant};

use super::super::Why;
use super::{Conversation, Rules, State};

/// Time for the peer to take the last reply of a connection and to end it.
const LINGER: Duration = Duration::from_secs(5);

impl Conversation {
    /// How little it would be missed, and since when: a silent connection least, then one that does not come to the end of a head,
    /// then one that takes its time for a body. None if its request is being answered.
    pub fn expendable(&self) -> Option<(u8, Instant)> {
        match self.state {
            _ if !self.is_silent() => None,
            State::Head if self.input.is_empty() => Some((0, self.since)),
            State::Head => Some((1, self.since)),
            State::Body { .. } | State::Discarding { .. } | State::Closing { .. } => Some((2, self.reading.begun)),
            State::Answering { .. } | State::Closed => None,
        }
    }

    /// Whether a request is being read or answered, or a reply taken.
    pub fn is_busy(&self) -> bool {
        let is_at_it = match self.state {
            State::Head => !self.input.is_empty(),
            State::Body { .. } | State::Answering { .. } => true,
            State::Discarding { .. } | State::Closing { .. } | State::Closed => false,
        };
        is_at_it || !self.is_silent()
    }

    /// When [`Conversation::expire`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.is_silent() {
            return Some(self.writing.due());
        }
        match self.state {
            State::Head if self.input.is_empty() && self.is_known => Some(self.since + self.limits.idle_time()),
            State::Head => Some(self.since + self.limits.head_time()),
            State::Body { .. } | State::Discarding { .. } => {
                Some(self.reading.due().min(self.reading.begun + self.limits.body_time()))
            }
            State::Closing { .. } => Some(self.since + LINGER),
            State::Answering { .. } | State::Closed => None,
        }
    }

    /// Ends what took too long.
    pub fn expire(&mut self, now: Instant, rules: &mut dyn Rules) {
        self.now = now;
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        if !self.is_silent() {
            if !self.writing.renew(now, self.limits.least_rate) {
                self.abort(rules);
            }
            return;
        }
        match &self.state {
            State::Head if self.input.is_empty() => self.abort(rules),
            State::Head => {
                self.open(None);
                let refusal = rules.refuse("", Why::Slow);
                self.respond(refusal, Why::Slow.name(), false);
            }
            State::Body { head, .. } => {
                let late = now >= self.reading.begun + self.limits.body_time();
                if late || !self.reading.renew(now, self.limits.least_rate) {
                    let refusal = rules.refuse(&head.target, Why::Slow);
                    self.respond(refusal, Why::Slow.name(), false);
                }
            }
            State::Discarding { .. } => {
                let late = now >= self.reading.begun + self.limits.body_time();
                if late || !self.reading.renew(now, self.limits.least_rate) {
                    self.abort(rules);
                }
            }
            State::Closing { .. } => self.abort(rules),
            State::Answering { .. } | State::Closed => {}
        }
    }
}
