//! Deadlines of a connection, and its worth when one has to be evicted.

use std::time::{Duration, Instant};

use super::super::RejectReason;
use super::super::pace::Pace;
use super::{Connection, Rules, State};

/// Longer than any connection lasts.
const FOREVER: Duration = Duration::from_secs(1 << 32);

/// Time for the peer to take the last reply of a connection and to end it.
const LINGER: Duration = Duration::from_secs(5);

/// How long a connection in its head is spared from eviction while there are others: a peer that has only just connected, or been
/// answered, may be about to send.
const GRACE: Duration = Duration::from_secs(1);

/// Bytes a second below which a transfer is slow: a tenth of what a poor mobile network brings.
pub(in crate::gate) const SLOW_RATE: usize = 16 << 10;

/// How long a reply has no rate yet: replies are taken as fast as the network lets them from the start.
const FIRST_OF_REPLY: Duration = Duration::from_millis(500);

/// How long a new connection may send nothing: some round trips over a network, a handshake included.
const NEWBORN: Duration = Duration::from_millis(100);

/// Worth of a connection at eviction, lowest evicted first: by stage, then by how fast it moves, then by how long it has been at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worth {
    /// Its stage.
    pub stage: Stage,
    /// How far it has come, which tells fresh connections apart.
    pub beginning: Beginning,
    /// Recent bytes a second, in either direction.
    pub rate: usize,
    /// Since when.
    pub since: Instant,
}

/// How far a fresh connection has come, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beginning {
    /// Nothing has moved, though there was time.
    Still,
    /// It has only just connected.
    Newborn,
    /// Bytes have moved, and not slowly: a crowd of idle connections does not do that.
    Moved,
}

impl Beginning {
    fn of(age: Duration) -> Self {
        if age < NEWBORN { Self::Newborn } else { Self::Still }
    }
}

/// What a connection is doing, the least worth first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its input is discarded.
    Rejected,
    /// It sends nothing.
    Silent,
    /// It has not finished a head.
    Beginning,
    /// It hardly moves.
    Slow,
    /// It has only just connected, been answered, or begun a transfer.
    Fresh,
    /// It sends a body or takes a reply, and has for some time.
    Moving,
}

impl Connection {
    /// Its worth at eviction. None if its request is being answered.
    pub fn worth(&self, now: Instant) -> Option<Worth> {
        let age = now.saturating_duration_since(self.since);
        let moving = |pace: &Pace| {
            let since = pace.begun;
            if pace.is_young(now) {
                let age = now.saturating_duration_since(since);
                let beginning = if pace.has_moved(SLOW_RATE, now) { Beginning::Moved } else { Beginning::of(age) };
                return Worth { stage: Stage::Fresh, beginning, rate: 0, since };
            }
            let rate = pace.rate(now);
            let stage = if rate < SLOW_RATE { Stage::Slow } else { Stage::Moving };
            Worth { stage, beginning: Beginning::Moved, rate, since }
        };
        let still = |stage| Some(Worth { stage, beginning: Beginning::of(age), rate: 0, since: self.since });
        match self.state {
            State::Answering { .. } | State::Closed => None,
            _ if !self.is_flushed() => Some(moving(&self.writing)),
            State::Head if age < GRACE => still(Stage::Fresh),
            State::Head if self.input.is_empty() => still(Stage::Silent),
            State::Head => still(Stage::Beginning),
            State::Discarding { .. } | State::Closing { .. } => still(Stage::Rejected),
            State::Body { .. } => Some(moving(&self.reading)),
        }
    }

    /// Recent rate in bytes a second of the body that is being read.
    pub fn reading_rate(&self, now: Instant) -> usize {
        self.reading.rate(now)
    }

    /// Recent rate in bytes a second at which the peer takes replies.
    pub fn writing_rate(&self, now: Instant) -> usize {
        self.writing.rate_after(FIRST_OF_REPLY, now)
    }

    /// Whether a request is being read or answered, or a reply taken.
    pub fn is_busy(&self) -> bool {
        let is_at_it = match self.state {
            State::Head => !self.input.is_empty(),
            State::Body { .. } | State::Answering { .. } => true,
            State::Discarding { .. } | State::Closing { .. } | State::Closed => false,
        };
        is_at_it || !self.is_flushed()
    }

    /// When [`Connection::expire`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.is_flushed() {
            return Some(self.writing.due().min(self.reply_due()));
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

    /// When the peer has to have taken all that waits for it. Replies without an end, such as streams, have no such time.
    fn reply_due(&self) -> Instant {
        let is_live = matches!(&self.state, State::Answering { forwarder, .. } if forwarder.status() != 0 && !forwarder.has_length());
        let time = if is_live { FOREVER } else { self.limits.reply_time() };
        self.writing.begun + time
    }

    /// Ends what took too long.
    pub fn expire(&mut self, now: Instant, rules: &mut dyn Rules) {
        self.now = now;
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        if !self.is_flushed() {
            if now >= self.reply_due() || !self.writing.renew(now, self.limits.least_rate) {
                self.abort(rules);
            }
            return;
        }
        match &self.state {
            State::Head if self.input.is_empty() => self.abort(rules),
            State::Head => {
                self.begin_request(None);
                let reply = rules.refuse("", RejectReason::Slow);
                self.respond(reply, Some(RejectReason::Slow.name()), false);
            }
            State::Body { head, .. } => {
                let late = now >= self.reading.begun + self.limits.body_time();
                if late || !self.reading.renew(now, self.limits.least_rate) {
                    let reply = rules.refuse(&head.target, RejectReason::Slow);
                    self.respond(reply, Some(RejectReason::Slow.name()), false);
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

#[cfg(test)]
mod tests {
    use super::super::super::fuzz::Everybody;
    use super::super::super::head::Malformed;
    use super::*;
    use crate::ops::Limits;

    /// A connection, the time, and rules that admit everything.
    struct Talk {
        connection: Connection,
        now: Instant,
        rules: Everybody,
    }

    impl Talk {
        fn new() -> Self {
            let now = Instant::now();
            Self { connection: Connection::new(&Limits::default(), now), now, rules: Everybody::default() }
        }

        fn hears(&mut self, bytes: &[u8]) -> bool {
            self.connection.receive(bytes, self.now);
            self.connection.advance(self.now, &mut self.rules).is_some()
        }

        /// The same where every request is refused.
        fn hears_in_vain(&mut self, bytes: &[u8]) -> String {
            self.connection.distrust(Malformed { status: 400, why: "not here" });
            assert!(!self.hears(bytes));
            self.says()
        }

        /// The upstream answers.
        fn answers(&mut self) -> Result<bool, Malformed> {
            self.connection.answer(REPLY, self.now, &mut self.rules)
        }

        /// Seconds pass in which only deadlines act.
        fn waits(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now += Duration::from_secs(1);
                self.connection.expire(self.now, &mut self.rules);
                self.connection.advance(self.now, &mut self.rules);
            }
        }

        /// What it writes, all of which is taken.
        fn says(&mut self) -> String {
            let mut said = vec![];
            while !self.connection.output().is_empty() {
                let piece = self.connection.output().to_vec();
                said.extend_from_slice(&piece);
                self.connection.sent(piece.len(), self.now);
            }
            self.connection.advance(self.now, &mut self.rules);
            String::from_utf8(said).unwrap()
        }
    }

    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    #[test]
    fn a_distrusted_peer_is_refused_with_a_reason_at_its_first_bytes() {
        for bytes in [&b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"G"] {
            let mut connection = Talk::new();
            assert!(connection.hears_in_vain(bytes).starts_with("HTTP/1.1 400 Bad Request\r\n"));
        }
    }

    #[test]
    fn silent_connections_are_closed_after_their_timeout() {
        let mut fresh = Talk::new();
        fresh.waits(9);
        assert!(!fresh.connection.is_closed());
        assert_eq!(fresh.connection.worth(fresh.now).map(|worth| worth.stage), Some(Stage::Silent));
        fresh.waits(2);
        assert!(fresh.connection.is_closed());
        let mut known = Talk::new();
        assert!(
            known.hears(GET) && known.connection.deadline().is_none() && known.connection.worth(known.now).is_none()
        );
        assert_eq!(known.answers(), Ok(true));
        assert!(known.says().ends_with("{}"));
        known.waits(59);
        assert!(!known.connection.is_closed());
        known.waits(2);
        assert!(known.connection.is_closed());
    }

    #[test]
    fn slow_heads_and_bodies_are_refused_with_408() {
        let mut head = Talk::new();
        for byte in &GET[..9] {
            head.hears(&[*byte]);
            head.waits(1);
        }
        assert_eq!(head.rules.refused, None);
        head.waits(2);
        assert_eq!(head.rules.refused, Some(408));
        assert!(head.says().contains("Connection: close"));

        let mut steady = Talk::new();
        steady.hears(POST);
        for _ in 0..119 {
            steady.hears(&[0; 5_000]);
            steady.waits(1);
        }
        assert_eq!((steady.rules.refused, steady.rules.held), (None, 595_000));
        steady.waits(2);
        assert!(steady.says().contains("408 Request Timeout"), "it had two minutes");
        assert_eq!(steady.rules.held, 0);

        let mut slow = Talk::new();
        slow.hears(POST);
        for _ in 0..6 {
            slow.hears(&[0; 3_000]);
            slow.waits(1);
        }
        assert_eq!(slow.rules.refused, Some(408));
    }

    #[test]
    fn a_reply_that_is_not_read_closes_the_connection() {
        let mut connection = Talk::new();
        assert!(connection.hears(GET));
        assert_eq!(connection.answers(), Ok(true));
        connection.waits(4);
        assert!(!connection.connection.is_closed() && connection.connection.is_busy());
        connection.waits(2);
        assert!(connection.connection.is_closed());
        // Bytes that TLS still holds are not taken by the peer either.
        let mut connection = Talk::new();
        assert!(connection.hears(GET));
        assert_eq!(connection.answers(), Ok(true));
        connection.says();
        connection.connection.set_tls_pending(true);
        assert!(
            connection.connection.is_busy()
                && connection.connection.worth(connection.now).is_some_and(|worth| worth.stage == Stage::Fresh)
        );
        connection.waits(3);
        assert!(connection.connection.worth(connection.now).is_some_and(|worth| worth.stage == Stage::Slow));
        connection.waits(9);
        assert!(connection.connection.is_closed());
    }

    #[test]
    fn a_half_closed_peer_gets_the_early_status_at_once_and_only_once() {
        for refused in [false, true] {
            let mut connection = Talk::new();
            assert!(connection.hears(GET));
            connection.connection.end_input();
            let mut said = connection.says();
            assert_eq!(said, "HTTP/1.1 ");
            match refused {
                true => {
                    let refusal = connection.rules.refuse("/", RejectReason::Broken);
                    connection.connection.refuse(refusal, "broken");
                }
                false => assert_eq!(connection.answers(), Ok(true)),
            }
            said += &connection.says();
            assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
            assert!(said.starts_with("HTTP/1.1 200 OK\r\n") || said.starts_with("HTTP/1.1 503 "), "{said}");
            assert!(connection.connection.should_shutdown_write() || connection.connection.is_closed());
        }
    }

    #[test]
    fn the_connection_lingers_after_its_last_reply() {
        let mut connection = Talk::new();
        connection.hears(b"nonsense\n");
        assert!(connection.says().starts_with("HTTP/1.1 400 "));
        assert!(connection.connection.should_shutdown_write() && !connection.connection.is_closed());
        connection.hears(&[0; 1_000]);
        connection.waits(4);
        assert!(!connection.connection.is_closed());
        connection.waits(2);
        assert!(connection.connection.is_closed());
    }

    #[test]
    fn stalled_transfers_rank_below_new_connections_and_moving_transfers() {
        let worth = |connection: &Talk| connection.connection.worth(connection.now).unwrap();
        let (mut still, mut moves) = (Talk::new(), Talk::new());
        still.hears(POST);
        moves.hears(POST);
        moves.hears(&[0; 60_000]);
        for connection in [&mut still, &mut moves] {
            connection.now += Duration::from_millis(500);
        }
        let mut comes = Talk::new();
        comes.now += Duration::from_millis(50);
        assert_eq!([&still, &moves, &comes].map(|connection| worth(connection).stage), [Stage::Fresh; 3]);
        let beginnings = [&still, &comes, &moves].map(|connection| worth(connection).beginning);
        assert_eq!(beginnings, [Beginning::Still, Beginning::Newborn, Beginning::Moved]);
        moves.now += Duration::from_secs(2);
        assert_eq!(worth(&moves).stage, Stage::Moving);
        still.now += Duration::from_secs(2);
        assert_eq!(worth(&still).stage, Stage::Slow);
    }
}
