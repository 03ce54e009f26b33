//! Sessions of browsers: a token is exchanged for a cookie that scripts can't read, so that a page needs no token in its memory and an
//! `<img>` gets its picture. A session has what its token has, and ends with it.
//!
//! They are kept in memory alone, by hashes: who reads the memory of the process later finds no cookie, and a restart ends them all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

use super::head::SESSION_COOKIE;
use super::pass::{Pass, SessionId, Token};

/// A session ends after so long: a day's work, so that a computer that is left alone is signed out overnight. It is not renewed by use, since
/// an open page asks all the time.
const LASTS: Duration = Duration::from_secs(12 * 3600);

/// Most sessions of all tokens, and of one: the oldest ends when there are more.
const MOST: usize = 256;
const MOST_OF_TOKEN: usize = 32;

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<SessionId, Session>>);

#[derive(Clone, Copy, Debug)]
struct Session {
    token: Token,
    begun: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= LASTS
    }
}

fn id(secret: &str) -> SessionId {
    digest(&SHA256, secret.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl Sessions {
    /// Begins a session with what the token of `pass` has; the value of `Set-Cookie` for it, none if no token was needed, or if it is that
    /// of a session: one that could beget another would have no end. Where the connection `is_encrypted`, the browser keeps it from those
    /// that are not.
    pub fn begin(&self, pass: &Pass, is_encrypted: bool, now: Instant) -> Option<String> {
        let token = pass.token.filter(|_| !pass.is_of_session());
        token.map(|token| self.begin_for(token, is_encrypted, now))
    }

    fn begin_for(&self, token: Token, is_encrypted: bool, now: Instant) -> String {
        let secret = format!("{:032x}{:032x}", crate::ops::random(), crate::ops::random());
        let mut all = self.lock();
        all.retain(|_, session| !session.is_over(now));
        while all.values().filter(|session| session.token == token).count() >= MOST_OF_TOKEN {
            Self::end_oldest(&mut all, |session| session.token == token);
        }
        while all.len() >= MOST {
            Self::end_oldest(&mut all, |_| true);
        }
        all.insert(id(&secret), Session { token, begun: now });
        let secure = if is_encrypted { "; Secure" } else { "" };
        format!("{SESSION_COOKIE}={secret}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", LASTS.as_secs())
    }

    fn end_oldest(all: &mut HashMap<SessionId, Session>, of: impl Fn(&Session) -> bool) {
        let oldest = all.iter().filter(|(_, session)| of(session)).min_by_key(|(_, session)| session.begun);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            all.remove(&id);
        }
    }

    /// The session of a cookie and its token, if it is one that has not ended at `now`.
    pub(super) fn find(&self, secret: &str, now: Instant) -> Option<(SessionId, Token)> {
        let (mut all, id) = (self.lock(), id(secret));
        let session = *all.get(&id)?;
        if session.is_over(now) {
            all.remove(&id);
            return None;
        }
        Some((id, session.token))
    }

    /// Ends a session; the value of `Set-Cookie` that makes the browser forget it.
    pub fn end(&self, pass: &Pass) -> String {
        if let Some(id) = pass.session {
            self.lock().remove(&id);
        }
        format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::head::secret;

    fn secret_of(cookie: &str) -> &str {
        secret(cookie.split(';').next().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn a_session_ends_after_a_day_of_work_or_when_it_is_ended() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let cookie = sessions.begin_for([7; 32], false, start);
        assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
        assert!(sessions.begin_for([7; 32], true, start).ends_with("; Secure"));
        let secret = secret_of(&cookie);
        assert_eq!(secret.len(), 64);
        let hour = Duration::from_secs(3600);
        assert_eq!(sessions.find(secret, start + 11 * hour).unwrap().1, [7; 32]);
        assert!(sessions.find(secret, start + 12 * hour).is_none(), "its use has not renewed it");
        let cookie = sessions.begin_for([7; 32], false, start);
        let (id, _) = sessions.find(secret_of(&cookie), start).unwrap();
        assert!(sessions.end(&Pass { session: Some(id), ..Pass::default() }).contains("Max-Age=0"));
        assert!(sessions.find(secret_of(&cookie), start).is_none());
        assert!(sessions.find("", start).is_none());
    }

    #[test]
    fn there_are_so_many_sessions_and_the_oldest_end() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let cookies: Vec<String> = (0..=MOST_OF_TOKEN as u64)
            .map(|i| sessions.begin_for([1; 32], false, start + Duration::from_secs(i)))
            .collect();
        let is_there = |cookie: &str| sessions.find(secret_of(cookie), start + Duration::from_secs(60)).is_some();
        assert!(!is_there(&cookies[0]) && is_there(&cookies[1]) && is_there(&cookies[MOST_OF_TOKEN]));
        for token in 2..=255_u8 {
            for _ in 0..2 {
                sessions.begin_for([token; 32], false, start + Duration::from_secs(100));
            }
        }
        assert_eq!(sessions.lock().len(), MOST);
    }
}
