//! Counts the connections of each peer, and locks out peers that tried too many wrong tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The other end of a connection: an address, a /64 network of IPv6, or this machine over a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// IPv4.
    V4([u8; 4]),
    /// The /64 network of an IPv6 address: one customer has all of it.
    V6([u16; 4]),
    /// A program on this machine.
    Local,
    /// The service itself.
    Own,
}

impl From<IpAddr> for Peer {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => Self::V6(std::array::from_fn(|i| ip.segments()[i])),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4([a, b, c, d]) => write!(f, "{a}.{b}.{c}.{d}"),
            Self::V6([a, b, c, d]) => write!(f, "{a:x}:{b:x}:{c:x}:{d:x}::/64"),
            Self::Local => f.write_str("this machine"),
            Self::Own => f.write_str("the service itself"),
        }
    }
}

/// All peers with connections or wrong tokens.
#[derive(Debug, Default)]
pub(super) struct Peers {
    connections: HashMap<Peer, usize>,
    wrong: HashMap<Peer, Wrong>,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    tokens: u32,
    last: Instant,
}

/// Wrong tokens after which a peer is locked out. A token of 256 bits can't be guessed; this keeps the log and the network quiet.
const TRIES: u32 = 10;

/// How long a peer is locked out, and how long a wrong token is remembered.
const LOCK: Duration = Duration::from_secs(60);

/// Most peers whose wrong tokens are remembered.
const REMEMBERED: usize = 4_096;

impl Peers {
    /// Counts a new connection of `peer`; returns how many it has now.
    pub(super) fn came(&mut self, peer: Peer) -> usize {
        let count = self.connections.entry(peer).or_default();
        *count += 1;
        *count
    }

    /// Connections of `peer`.
    pub(super) fn count(&self, peer: Peer) -> usize {
        self.connections.get(&peer).copied().unwrap_or_default()
    }

    /// Whether `peer` has many more connections than `newcomer`: over twice as many, and more than a connection pool.
    pub(super) fn is_greedy(&self, peer: Peer, newcomer: Option<Peer>) -> bool {
        const POOL: usize = 8;
        self.count(peer) > POOL.max(2 * newcomer.map_or(0, |newcomer| self.count(newcomer)))
    }

    /// Counts a closed connection of `peer`.
    pub(super) fn went(&mut self, peer: Peer) {
        if let Some(count) = self.connections.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&peer);
            }
        }
    }

    /// Seconds for which `peer` is still locked out.
    pub(super) fn locked_out(&self, peer: Peer, now: Instant) -> Option<u64> {
        let wrong = self.wrong.get(&peer).filter(|wrong| wrong.tokens >= TRIES)?;
        let left = LOCK.checked_sub(now.saturating_duration_since(wrong.last))?;
        Some(left.as_secs() + 1)
    }

    /// Forgets all wrong tokens: what was wrong may be right under new settings.
    pub(super) fn forgive(&mut self) {
        self.wrong.clear();
    }

    /// Counts a wrong token of `peer`; returns whether that locks it out.
    pub(super) fn was_wrong(&mut self, peer: Peer, now: Instant) -> bool {
        if self.wrong.len() >= REMEMBERED {
            self.wrong.retain(|_, wrong| now.saturating_duration_since(wrong.last) < LOCK);
        }
        if self.wrong.len() >= REMEMBERED && !self.wrong.contains_key(&peer) {
            return false; // so many addresses at once that a lockout would not help
        }
        let wrong = self.wrong.entry(peer).or_insert(Wrong { tokens: 0, last: now });
        if now.saturating_duration_since(wrong.last) >= LOCK {
            wrong.tokens = 0;
        }
        (wrong.tokens, wrong.last) = (wrong.tokens.saturating_add(1), now);
        wrong.tokens == TRIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_guesses_is_locked_out_for_a_while() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        let (a, b) = (Peer::from(IpAddr::from([10, 0, 0, 1])), Peer::Local);
        let locks = (0..10).filter(|_| peers.was_wrong(a, start)).count();
        assert_eq!((locks, peers.locked_out(a, start), peers.locked_out(b, start)), (1, Some(61), None));
        assert_eq!(peers.locked_out(a, start + Duration::from_millis(59_500)), Some(1));
        let later = start + Duration::from_secs(61);
        assert_eq!(peers.locked_out(a, later), None);
        assert!(!peers.was_wrong(a, later) && peers.locked_out(a, later).is_none());
    }

    #[test]
    fn addresses_of_one_customer_count_together() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
        let mut peers = Peers::default();
        assert_eq!((peers.came(Peer::Local), peers.came(Peer::Local)), (1, 2));
        peers.went(Peer::Local);
        assert_eq!(peers.came(Peer::Local), 2);
    }
    #[test]
    fn many_connections_are_greedy_beside_somebody_who_has_few() {
        let mut peers = Peers::default();
        let peer = |i: u8| Peer::V4([10, 0, 0, i]);
        let mut come = |i: u8, count: usize| (0..count).for_each(|_| assert!(peers.came(peer(i)) > 0));
        come(0, 40);
        come(1, 3);
        come(2, 30);
        assert!(peers.is_greedy(peer(0), Some(peer(1))) && peers.is_greedy(peer(2), None));
        assert!(!peers.is_greedy(peer(1), Some(peer(0))), "a few are a pool");
        assert!(!peers.is_greedy(peer(0), Some(peer(2))), "one of a crowd is no better than another");
    }

    const GUESSER: Peer = Peer::V4([10, 0, 0, 1]);

    /// So many wrong tokens at once; whether one of them, and which, locked the peer out.
    fn guess(peers: &mut Peers, tokens: usize, now: Instant) -> Option<usize> {
        let locks: Vec<usize> = (1..=tokens).filter(|_| peers.was_wrong(GUESSER, now)).collect();
        assert!(locks.len() <= 1, "it is told once");
        locks.first().copied()
    }

    #[test]
    fn the_tenth_wrong_token_locks_out_and_the_ninth_does_not() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        assert_eq!((guess(&mut peers, 9, now), peers.locked_out(GUESSER, now)), (None, None));
        assert_eq!((guess(&mut peers, 1, now), peers.locked_out(GUESSER, now)), (Some(1), Some(61)));
    }

    #[test]
    fn a_lock_out_lasts_sixty_seconds() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        guess(&mut peers, 10, now);
        let after = |ms| peers.locked_out(GUESSER, now + Duration::from_millis(ms));
        assert_eq!([1, 59_000, 59_999, 60_000, 60_001].map(after), [Some(60), Some(2), Some(1), Some(1), None]);
    }

    #[test]
    fn wrong_tokens_are_forgotten_sixty_seconds_after_the_last() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        for (pause, tenth_locks) in [(59_999, true), (60_000, false)] {
            let mut peers = Peers::default();
            guess(&mut peers, 8, start);
            guess(&mut peers, 1, after(30_000));
            assert_eq!(guess(&mut peers, 1, after(30_000 + pause)).is_some(), tenth_locks, "{pause}");
        }
    }

    #[test]
    fn other_settings_let_a_peer_in_again() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        guess(&mut peers, 10, now);
        peers.forgive();
        assert_eq!((peers.locked_out(GUESSER, now), guess(&mut peers, 9, now)), (None, None));
    }

    #[test]
    fn wrong_tokens_of_4096_peers_are_remembered_and_locks_are_kept_among_them() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        guess(&mut peers, 10, now);
        let other = |i: u32| Peer::V6([0x2001, 0xDB8, (i >> 16) as u16, i as u16]);
        for i in 1..4_096 {
            peers.was_wrong(other(i), now);
        }
        let locks = |peers: &mut Peers, peer, now| (0..10).any(|_| peers.was_wrong(peer, now));
        assert!(!locks(&mut peers, other(4_096), now), "there is no room for it");
        assert!(locks(&mut peers, other(4_095), now));
        assert!(peers.locked_out(GUESSER, now).is_some());
        assert!(locks(&mut peers, other(4_096), now + LOCK), "the others are forgotten by then");
    }
}
