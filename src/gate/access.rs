//! Who may come in: tokens, known by their hashes alone.

use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::Why;
use super::head::{Head, Page};
use crate::ops::hex;
use crate::ops::settings::{self, Scope};

/// The tokens of the settings, and the names by which this machine may be called where there are none.
#[derive(Clone, Debug, Default)]
pub struct Access {
    tokens: Vec<(String, Token, Vec<Scope>)>,
    /// In lower case.
    hosts: Vec<String>,
}

/// The SHA-256 of a token.
pub(super) type Token = [u8; 32];

/// By what right a request came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pass {
    /// What it needed a token for, if for anything.
    pub(super) scope: Option<Scope>,
    /// The token that it came with and that was good for it.
    pub(super) token: Option<Token>,
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
        let tokens = settings.tokens.iter().map(|t| (t.name.clone(), hash(t), t.scopes.clone())).collect();
        let own = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        let names = [format!("{own}.local"), own].into_iter().filter(|name| !name.starts_with('.') && !name.is_empty());
        let given = settings.hosts.iter().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        Self { tokens, hosts: names.chain(given).collect() }
    }

    /// Whether nobody needs a token.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the request's token is good for `scope`, and which it is.
    pub fn check(&self, head: &Head, scope: Option<Scope>) -> Result<Pass, Why> {
        let Some(wanted) = scope.filter(|_| !self.is_open()) else { return Ok(Pass { scope, token: None }) };
        let Some(given) = &head.authorization else { return Err(Why::NoToken) };
        let bearer = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let Some((_, token)) = bearer else { return Err(Why::NoToken) };
        let hash = digest(&SHA256, token.trim().as_bytes());
        // All are compared, in the same time whichever it is.
        let (mut known, mut good) = (Choice::from(0), Choice::from(0));
        for (_, stored, scopes) in &self.tokens {
            let is_it = hash.as_ref().ct_eq(&stored[..]);
            known |= is_it;
            good |= is_it & Choice::from(u8::from(scopes.contains(&wanted)));
        }
        match (bool::from(known), bool::from(good)) {
            (true, true) => Ok(Pass { scope, token: hash.as_ref().try_into().ok() }),
            (true, false) => Err(Why::WrongScope),
            (false, _) => Err(Why::WrongToken),
        }
    }

    /// Whether what came in by `pass` would still come in.
    pub(super) fn admits(&self, pass: &Pass) -> bool {
        let Some(scope) = pass.scope.filter(|_| !self.is_open()) else { return true };
        let is_good =
            |(_, stored, scopes): &(String, Token, Vec<Scope>)| Some(*stored) == pass.token && scopes.contains(&scope);
        self.tokens.iter().any(is_good)
    }

    /// Whether a request for that host is meant for this machine. Where nobody needs a token, a web page must not reach the service by
    /// a name of its own that it lets point here (DNS rebinding): addresses, `localhost`, this machine's name and those of the
    /// settings are taken, and a request without a host, which no browser sends.
    pub fn is_ours(&self, host: Option<&str>) -> bool {
        let Some(host) = host.filter(|_| self.is_open()) else { return true };
        let name = host.strip_suffix('.').unwrap_or(host);
        let is_v6 = || name.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
        name == "localhost"
            || name.parse::<std::net::Ipv4Addr>().is_ok()
            || is_v6().is_some()
            || self.hosts.iter().any(|known| known == name)
    }

    /// Whether no page of another site made a browser ask. Where nobody needs a token, such a page could have pictures compared or the
    /// camera switched on, though it could not read the reply. What no browser sends is not looked for.
    pub fn is_own_page(&self, head: &Head) -> bool {
        if !self.is_open() {
            return true;
        }
        let is_same = |url: &str| {
            let authority =
                url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
            authority.eq_ignore_ascii_case(&head.authority)
        };
        let Page { origin, site, referer } = &head.page;
        site.as_deref().is_none_or(|site| ["same-origin", "none"].contains(&site))
            && origin.as_deref().is_none_or(is_same)
            && referer.as_deref().is_none_or(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Head {
        Head::parse(format!("GET / HTTP/1.1\r\nHost: h:8080\r\n{lines}\r\n\r\n").as_bytes()).unwrap()
    }

    fn guarded(tokens: Vec<settings::Token>) -> Access {
        Access::new(&settings::Access { tokens, ..settings::Access::default() })
    }

    #[test]
    fn a_token_opens_what_it_is_good_for() {
        let (token, stored) = new_token("kiosk", &[Scope::Pattern, Scope::Camera]);
        let (other, _) = new_token("other", &[Scope::Pattern]);
        assert!(token.len() == 74 && !stored.sha256.contains(&token[10..20]));
        let access = guarded(vec![stored.clone()]);
        let ask = |authorization: &str, scope| access.check(&head(authorization), scope);
        let bearer = format!("Authorization: bearer  {token}");
        let pass = ask(&bearer, Some(Scope::Camera)).unwrap();
        assert!(pass.token.is_some() && access.admits(&pass));
        assert_eq!(ask(&bearer, Some(Scope::Metrics)), Err(Why::WrongScope));
        assert_eq!(ask(&bearer, Some(Scope::Compare)), Err(Why::WrongScope));
        assert_eq!(ask("A: b", Some(Scope::Pattern)), Err(Why::NoToken));
        assert_eq!(ask("A: b", None), Ok(Pass::default()));
        for wrong in [&other, "x", &token[..73], &token.to_uppercase()] {
            assert_eq!(
                ask(&format!("Authorization: Bearer {wrong}"), Some(Scope::Pattern)),
                Err(Why::WrongToken),
                "{wrong}"
            );
        }
        assert_eq!(ask(&format!("Authorization: Basic {token}"), Some(Scope::Pattern)), Err(Why::NoToken));
        let open = Access::default().check(&head("A: b"), Some(Scope::Pattern)).unwrap();
        assert!(open.token.is_none() && Access::default().admits(&open));
        // What came in before the settings changed.
        let fewer = guarded(vec![settings::Token { scopes: vec![Scope::Pattern], ..stored }]);
        let others = guarded(vec![new_token("b", &[Scope::Pattern, Scope::Camera]).1]);
        assert!(!fewer.admits(&pass) && !others.admits(&pass) && !access.admits(&open));
        assert!(access.admits(&Pass::default()) && Access::default().admits(&pass));
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused_unless_tokens_guard_the_door() {
        let hosts = vec!["Kiosk.example.com".to_owned()];
        let open = Access::new(&settings::Access { hosts, ..settings::Access::default() });
        let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
        for name in [
            "127.0.0.1",
            "[::1]",
            "localhost",
            "localhost.",
            "10.0.0.5",
            "kiosk.example.com",
            "kiosk.example.com.",
            &own,
        ] {
            assert!(open.is_ours(Some(&name.to_ascii_lowercase())), "{name}");
        }
        assert!(open.is_ours(None));
        for name in [
            "",
            ".",
            "kiosk",
            "evil.local",
            "ai.",
            "evil.lan",
            "a.home.arpa",
            "evil.example.com",
            "127.0.0.1.nip.io",
            "127.1",
            "0x7f.1",
            "2130706433",
            "[evil.com]",
            "evil.com]",
            "[::1",
            "evil.localhost",
            "localhost.evil.com",
            "localhost..",
        ] {
            assert!(!open.is_ours(Some(name)), "{name}");
        }
        assert!(guarded(vec![new_token("a", &[]).1]).is_ours(Some("door.example.com")));
    }

    #[test]
    fn a_page_of_another_site_is_known_by_what_its_browser_says() {
        let open = Access::default();
        for lines in [
            "A: b",
            "Origin: http://h:8080",
            "Sec-Fetch-Site: same-origin\r\nReferer: http://H:8080/x",
            "Sec-Fetch-Site: none",
        ] {
            assert!(open.is_own_page(&head(lines)), "{lines}");
        }
        for lines in [
            "Origin: https://evil.example",
            "Origin: http://h:3000",
            "Origin: http://h",
            "Origin: null",
            "Origin: h:8080",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Sec-Fetch-Site: anything",
            "Referer: https://evil.example/h:8080",
            "Origin: http://h:8080\r\nSec-Fetch-Site: cross-site",
        ] {
            assert!(!open.is_own_page(&head(lines)), "{lines}");
        }
        assert!(guarded(vec![new_token("a", &[]).1]).is_own_page(&head("Origin: https://evil.example")));
    }
}
