//! Who may come in: tokens, known by their hashes alone.

use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::Why;
use super::head::Head;
use crate::ops::hex;
use crate::ops::settings::{self, Scope};

/// The tokens of the settings.
#[derive(Clone, Debug, Default)]
pub struct Access {
    tokens: Vec<(String, [u8; 32], Vec<Scope>)>,
}

/// What a token begins with, so that it is recognized where it was leaked.
const PREFIX: &str = "faceplate_";

/// A new token with 256 random bits, and what the settings know of it.
pub fn new_token(name: &str, scopes: &[Scope]) -> (String, settings::Token) {
    let token = format!("{PREFIX}{:032x}{:032x}", crate::ops::random(), crate::ops::random());
    let sha256 = hex::digits(digest(&SHA256, token.as_bytes()).as_ref());
    (token, settings::Token { name: name.to_owned(), sha256, scopes: scopes.to_vec() })
}

impl Access {
    /// Those of the settings, whose hashes are known to be hashes.
    pub fn new(settings: &settings::Access) -> Self {
        let hash = |token: &settings::Token| hex::bytes(&token.sha256).expect("the settings were validated");
        Self { tokens: settings.tokens.iter().map(|t| (t.name.clone(), hash(t), t.scopes.clone())).collect() }
    }

    /// Whether nobody needs a token.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the request's token is good for `scope`.
    pub fn check(&self, head: &Head, scope: Option<Scope>) -> Result<(), Why> {
        let Some(scope) = scope.filter(|_| !self.is_open()) else { return Ok(()) };
        let Some(given) = &head.authorization else { return Err(Why::NoToken) };
        let bearer = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let Some((_, token)) = bearer else { return Err(Why::NoToken) };
        let hash = digest(&SHA256, token.trim().as_bytes());
        // All are compared, in the same time whichever it is.
        let (mut known, mut good) = (Choice::from(0), Choice::from(0));
        for (_, stored, scopes) in &self.tokens {
            let is_it = hash.as_ref().ct_eq(&stored[..]);
            known |= is_it;
            good |= is_it & Choice::from(u8::from(scopes.contains(&scope)));
        }
        match (bool::from(known), bool::from(good)) {
            (true, true) => Ok(()),
            (true, false) => Err(Why::WrongScope),
            (false, _) => Err(Why::WrongToken),
        }
    }

    /// Whether a request for the host of that name is meant for this machine. Where nobody needs a token, a web page must not reach
    /// the service by a name of its own that it lets point here (DNS rebinding): of names with a dot only those are taken that
    /// no public server gives out.
    pub fn is_ours(&self, host: &str) -> bool {
        const LOCAL: [&str; 6] = ["localhost", "local", "lan", "internal", "test", "localdomain"];
        let name = host.trim_end_matches('.');
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
        let is_home = name == "home.arpa" || name.ends_with(".home.arpa");
        !self.is_open() || is_address || !name.contains('.') || is_home || LOCAL.contains(&last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(authorization: &str) -> Head {
        Head::parse(format!("GET / HTTP/1.1\r\nHost: h\r\n{authorization}\r\n\r\n").as_bytes()).unwrap()
    }

    #[test]
    fn a_token_opens_what_it_is_good_for() {
        let (token, stored) = new_token("kiosk", &[Scope::Pattern, Scope::Camera]);
        let (other, _) = new_token("other", &[Scope::Pattern]);
        assert!(token.len() == 74 && !stored.sha256.contains(&token[10..20]));
        let access = Access::new(&settings::Access { open: false, tokens: vec![stored] });
        let ask = |authorization: &str, scope| access.check(&head(authorization), scope);
        let bearer = format!("Authorization: bearer  {token}");
        assert_eq!(ask(&bearer, Some(Scope::Camera)), Ok(()));
        assert_eq!(ask(&bearer, Some(Scope::Metrics)), Err(Why::WrongScope));
        assert_eq!(ask("A: b", Some(Scope::Pattern)), Err(Why::NoToken));
        assert_eq!(ask("A: b", None), Ok(()));
        for wrong in [&other, "x", &token[..73], &token.to_uppercase()] {
            assert_eq!(
                ask(&format!("Authorization: Bearer {wrong}"), Some(Scope::Pattern)),
                Err(Why::WrongToken),
                "{wrong}"
            );
        }
        assert_eq!(ask(&format!("Authorization: Basic {token}"), Some(Scope::Pattern)), Err(Why::NoToken));
        assert_eq!(Access::default().check(&head("A: b"), Some(Scope::Pattern)), Ok(()));
    }

    #[test]
    fn a_public_name_is_not_ours_unless_tokens_guard_the_door() {
        let open = Access::default();
        for name in
            ["127.0.0.1", "[::1]", "localhost", "kiosk", "", "kiosk.local", "door.lan.", "a.home.arpa", "10.0.0.5"]
        {
            assert!(open.is_ours(name), "{name}");
        }
        for name in ["evil.example.com", "127.0.0.1.nip.io", "a.dev.", "x.8.b.d.ip6.arpa"] {
            assert!(!open.is_ours(name), "{name}");
        }
        let guarded = Access::new(&settings::Access { open: false, tokens: vec![new_token("a", &[]).1] });
        assert!(guarded.is_ours("door.example.com"));
    }
}
