//! Access control: bearer tokens, known by their hashes alone, and the checks of `Host` and `Origin` where there are none.

use std::time::Instant;

use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::head::{Head, Page};
use super::origins::Origins;
use super::pass::{Pass, Token};
use super::session::Sessions;
use super::{RejectReason, Tls};
use crate::ops::hex;
use crate::ops::settings::{self, Scope};

/// The tokens of the settings, and the names of this machine that requests may use where there are no tokens.
#[derive(Clone, Debug, Default)]
pub struct Access {
    tokens: Vec<(String, Token, Vec<Scope>)>,
    /// In lower case.
    hosts: Vec<String>,
    /// Whether every peer that reaches the service may use it.
    open: bool,
    origins: Origins,
    /// TLS of connections over TCP, if they are encrypted.
    tls: Option<Tls>,
}

/// Prefix of all tokens, so that a leaked one is recognized.
const PREFIX: &str = "faceplate_";

/// A new token with 256 random bits, and its entry for the settings.
pub fn new_token(name: &str, scopes: &[Scope]) -> (String, settings::Token) {
    let token = format!("{PREFIX}{:032x}{:032x}", crate::ops::random(), crate::ops::random());
    let sha256 = hex::digits(digest(&SHA256, token.as_bytes()).as_ref());
    (token, settings::Token { name: name.to_owned(), sha256, scopes: scopes.to_vec() })
}

impl Access {
    /// Access by the settings, whose hashes are known to be valid.
    pub fn new(settings: &settings::Access) -> Self {
        let hash = |token: &settings::Token| hex::bytes(&token.sha256).expect("the settings were validated");
        let tokens = settings.all().map(|t| (t.name.clone(), hash(t), t.scopes.clone())).collect();
        let own = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        let names = [format!("{own}.local"), own].into_iter().filter(|name| !name.starts_with('.') && !name.is_empty());
        let given = settings.hosts.iter().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        Self {
            tokens,
            hosts: names.chain(given).collect(),
            open: settings.open,
            origins: Origins::new(settings),
            tls: None,
        }
    }

    /// The same behind TLS, whose certificate has names as well.
    pub(super) fn behind(self, tls: Option<&Tls>) -> Self {
        Self { tls: tls.cloned(), ..self }
    }

    /// Whether no request needs a token.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the request's token, or that of its session, has one of the scopes that are `wanted`; returns the grant. Where none is wanted
    /// the grant only tells whose session it is.
    pub fn check(
        &self,
        head: &Head,
        wanted: &[Scope],
        sessions: &Sessions,
        now: Instant,
    ) -> Result<Pass, RejectReason> {
        if self.is_open() {
            return Ok(Pass { scope: wanted.first().copied(), ..Pass::default() });
        }
        let session = || sessions.find(head.session.as_deref()?, now);
        if wanted.is_empty() {
            // Any page may ask for what is public; it is then nobody's.
            let found = session().filter(|_| Self::may_use_session(head));
            return Ok(Pass { scope: None, token: found.map(|(_, token)| token), session: found.map(|(id, _)| id) });
        }
        if head.authorization.is_some() {
            return self.check_token(head, wanted);
        }
        let Some((id, token)) = session() else { return Err(RejectReason::NoToken) };
        let held = self.tokens.iter().find(|(_, stored, _)| *stored == token);
        let Some((_, _, scopes)) = held else { return Err(RejectReason::NoToken) };
        if !Self::may_use_session(head) {
            return Err(RejectReason::OtherSite);
        }
        match wanted.iter().find(|scope| scopes.contains(scope)) {
            Some(scope) => Ok(Pass { scope: Some(*scope), token: Some(token), session: Some(id) }),
            None => Err(RejectReason::WrongScope),
        }
    }

    fn check_token(&self, head: &Head, wanted: &[Scope]) -> Result<Pass, RejectReason> {
        let given = head.authorization.as_deref().unwrap_or_default();
        let bearer = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let Some((_, token)) = bearer else { return Err(RejectReason::NoToken) };
        let hash = digest(&SHA256, token.trim().as_bytes());
        // All are compared, in the same time whichever matches.
        let (mut known, mut scope) = (Choice::from(0), None);
        for (_, stored, scopes) in &self.tokens {
            let is_it = hash.as_ref().ct_eq(&stored[..]);
            known |= is_it;
            if bool::from(is_it) {
                scope = wanted.iter().find(|scope| scopes.contains(scope)).copied();
            }
        }
        match (bool::from(known), scope) {
            (true, Some(_)) => Ok(Pass { scope, token: hash.as_ref().try_into().ok(), session: None }),
            (true, None) => Err(RejectReason::WrongScope),
            (false, _) => Err(RejectReason::WrongToken),
        }
    }

    /// Whether a request admitted under `pass` would still be admitted.
    pub(super) fn admits(&self, pass: &Pass) -> bool {
        // A request that changes the tokens is answered, whatever it has changed; it asks once more before it changes any.
        let Some(scope) = pass.scope.filter(|scope| !self.is_open() && *scope != Scope::Admin) else { return true };
        let is_good =
            |(_, stored, scopes): &(String, Token, Vec<Scope>)| Some(*stored) == pass.token && scopes.contains(&scope);
        self.tokens.iter().any(is_good)
    }

    /// The scopes of the token under which a request was admitted; all where no token is needed.
    pub(super) fn scopes(&self, pass: &Pass) -> Vec<Scope> {
        if self.is_open() {
            return Scope::ALL.to_vec();
        }
        let held = self.tokens.iter().filter(|(_, stored, _)| Some(*stored) == pass.token);
        held.flat_map(|(_, _, scopes)| scopes).copied().collect()
    }

    /// The web pages of other origins that may send requests.
    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether the `Host` of a request, which needs a token for `scope` if there are any, may stand for this machine.
    ///
    /// Where no token is needed, a web page must not reach the service by a name of its own that it lets point here (DNS rebinding).
    /// Where tokens are needed, the page has none; where clients need a certificate, a browser has checked the service's own before it
    /// shows one. Where access is open to all, two kinds of request pass under any name: those that no page can have sent (browsers name
    /// the origin of whatever posts), and those that need no token anyway.
    pub(super) fn host_is_allowed(&self, head: &Head, wanted: &[Scope]) -> bool {
        let is_guarded = !self.is_open() || self.tls.as_ref().is_some_and(Tls::asks_for_certificates);
        let Page { origin, site, referer, .. } = &head.page;
        let is_of_page = origin.is_some() || site.is_some() || referer.is_some();
        let names_its_page = ["POST", "PUT", "DELETE"].contains(&&*head.method);
        let may_be_called_anything = self.open && (wanted.is_empty() || names_its_page && !is_of_page);
        is_guarded || may_be_called_anything || self.is_own_name(head.host.as_deref())
    }

    /// Whether it is an address, `localhost`, this machine's name, or one of the settings or of the certificate; or absent: no browser
    /// omits it.
    fn is_own_name(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let name = host.strip_suffix('.').unwrap_or(host);
        let is_v6 = || name.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
        name == "localhost"
            || name.parse::<std::net::Ipv4Addr>().is_ok()
            || is_v6().is_some()
            || self.hosts.iter().any(|known| known == name)
            || self.tls.as_ref().is_some_and(|tls| tls.is_for(name))
    }

    /// Whether the request was not sent on behalf of a page of another site. Where no token is needed, such a page could have pictures
    /// compared or the camera switched on, though it could not read the reply. Only headers that browsers send are checked.
    pub fn is_own_page(&self, head: &Head) -> bool {
        !self.is_open() || self.origins.allowed(head).is_some() || is_same_origin(head)
    }

    /// Whether a request may use the browser's session: it comes from a page of the service itself, and says so if it changes anything. The
    /// browser sends no cookie for pages of other sites (`SameSite=Strict`), but takes another port of this machine for the same site. One
    /// that may call (`access.origins`) needs a token of its own.
    fn may_use_session(head: &Head) -> bool {
        let Page { origin, site, .. } = &head.page;
        let is_safe = ["GET", "HEAD"].contains(&&*head.method);
        // What a browser says of the site holds behind a proxy that changes `Host` as well.
        site.as_deref() == Some("same-origin")
            || is_same_origin(head) && (is_safe || origin.is_some() || site.is_some())
    }
}

/// Whether the request was sent by a page of this service, or by no page at all, as far as its browser says.
fn is_same_origin(head: &Head) -> bool {
    let is_same = |url: &str| {
        let authority =
            url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
        authority.eq_ignore_ascii_case(&head.authority)
    };
    let Page { origin, site, referer, .. } = &head.page;
    site.as_deref().is_none_or(|site| ["same-origin", "none"].contains(&site))
        && origin.as_deref().is_none_or(is_same)
        && referer.as_deref().is_none_or(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Head {
        Head::parse(format!("GET / HTTP/1.1\r\nHost: h:8080\r\n{lines}\r\n\r\n").as_bytes()).unwrap()
    }

    /// A request for `host` that would need a token.
    fn host_is_allowed(access: &Access, host: &str) -> bool {
        let host = Head { host: Some(host.to_owned()), ..head("A: b") };
        access.host_is_allowed(&host, &[Scope::Pattern])
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
        let ask = |authorization: &str, scope: Option<Scope>| {
            access.check(&head(authorization), scope.as_slice(), &Sessions::default(), Instant::now())
        };
        let bearer = format!("Authorization: bearer  {token}");
        let pass = ask(&bearer, Some(Scope::Camera)).unwrap();
        assert!(pass.token.is_some() && access.admits(&pass));
        assert_eq!(ask(&bearer, Some(Scope::Metrics)), Err(RejectReason::WrongScope));
        assert_eq!(ask(&bearer, Some(Scope::Compare)), Err(RejectReason::WrongScope));
        assert_eq!(ask("A: b", Some(Scope::Pattern)), Err(RejectReason::NoToken));
        assert_eq!(ask("A: b", None), Ok(Pass::default()));
        for wrong in [&other, "x", &token[..73], &token.to_uppercase()] {
            assert_eq!(
                ask(&format!("Authorization: Bearer {wrong}"), Some(Scope::Pattern)),
                Err(RejectReason::WrongToken),
                "{wrong}"
            );
        }
        assert_eq!(ask(&format!("Authorization: Basic {token}"), Some(Scope::Pattern)), Err(RejectReason::NoToken));
        let open =
            Access::default().check(&head("A: b"), &[Scope::Pattern], &Sessions::default(), Instant::now()).unwrap();
        assert!(open.token.is_none() && Access::default().admits(&open));
        // A request admitted before the settings changed.
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
            assert!(host_is_allowed(&open, &name.to_ascii_lowercase()), "{name}");
        }
        assert!(open.host_is_allowed(&Head { host: None, ..head("A: b") }, &[Scope::Pattern]));
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
            assert!(!host_is_allowed(&open, name), "{name}");
        }
        assert!(host_is_allowed(&guarded(vec![new_token("a", &[]).1]), "door.example.com"));
    }

    #[test]
    fn where_everybody_may_come_in_any_name_will_do_but_for_what_a_page_can_send() {
        let open = Access::new(&settings::Access { open: true, ..settings::Access::default() });
        let asked = |method: &str, lines: &str, scope: Option<Scope>| {
            open.host_is_allowed(&Head { method: method.into(), ..head(lines) }, scope.as_slice())
        };
        let scope = Some(Scope::Pattern);
        assert!(asked("POST", "A: b", scope) && asked("GET", "A: b", None));
        assert!(!asked("GET", "A: b", Some(Scope::Camera)), "a page leaves its origin out where it gets");
        for lines in ["Origin: http://h:8080", "Origin: null", "Sec-Fetch-Site: same-origin", "Referer: http://h:8080/"]
        {
            assert!(!asked("POST", lines, scope), "{lines}");
        }
        assert!(!Access::default().host_is_allowed(&Head { method: "POST".into(), ..head("A: b") }, scope.as_slice()));
    }

    #[test]
    fn behind_tls_the_names_of_its_certificate_are_ours_and_all_are_where_clients_need_one() {
        let folder = std::env::temp_dir().join(format!("faceplate-names-{:032x}", crate::ops::random()));
        std::fs::create_dir(&folder).unwrap();
        let names = ["door.example.com", "*.doors.example.com"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let settings = |clients: Option<&std::path::PathBuf>| settings::Tls {
            certificate: Some(certificate.clone()),
            key: Some(key.clone()),
            clients: clients.cloned(),
        };
        let access = |settings: &settings::Tls| {
            let tls = Tls::load(settings).unwrap();
            Access::new(&settings::Access::default()).behind(tls.as_ref())
        };
        let (server, both) = (access(&settings(None)), access(&settings(Some(&certificate))));
        std::fs::remove_dir_all(folder).unwrap();
        for (host, is_its_own) in [
            ("door.example.com", true),
            ("door.example.com.", true),
            ("a.doors.example.com", true),
            ("a.b.doors.example.com", false),
            ("example.com", false),
            ("evil.example.com", false),
            ("", false),
        ] {
            assert_eq!((host_is_allowed(&server, host), host_is_allowed(&both, host)), (is_its_own, true), "{host}");
        }
        // A page of another site makes a browser show its certificate all the same.
        assert!(!both.is_own_page(&head("Origin: https://evil.example")));
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

    #[test]
    fn one_token_does_not_borrow_the_scope_of_another() {
        let (pattern, first) = new_token("a", &[Scope::Pattern]);
        let (camera, second) = new_token("b", &[Scope::Camera]);
        let access = guarded(vec![first, second]);
        let ask = |token: &str, scope| {
            let head = head(&format!("Authorization: Bearer {token}"));
            access.check(&head, &[scope], &Sessions::default(), Instant::now())
        };
        assert_eq!(ask(&pattern, Scope::Camera), Err(RejectReason::WrongScope));
        assert_eq!(ask(&camera, Scope::Pattern), Err(RejectReason::WrongScope));
        assert!(ask(&pattern, Scope::Pattern).is_ok() && ask(&camera, Scope::Camera).is_ok());
        let pass = ask(&pattern, Scope::Pattern).unwrap();
        assert!(!access.admits(&Pass { scope: Some(Scope::Camera), ..pass }));
    }

    #[test]
    fn a_session_has_what_its_token_has_for_pages_of_the_service_alone() {
        let (token, stored) = new_token("desk", &[Scope::Camera, Scope::People]);
        let (access, sessions, now) = (guarded(vec![stored.clone()]), Sessions::default(), Instant::now());
        let bearer = head(&format!("Authorization: Bearer {token}"));
        let pass = access.check(&bearer, &Scope::ALL, &sessions, now).unwrap();
        let cookie = sessions.begin(&pass, false, now).unwrap();
        let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
        let ask = |method: &str, lines: &str, wanted: &[Scope]| {
            let head = Head { method: method.into(), ..head(&format!("{cookie}\r\n{lines}")) };
            access.check(&head, wanted, &sessions, now).map(|pass| pass.scope)
        };
        let (own, people) = ("Origin: http://h:8080", [Scope::Kiosk, Scope::People]);
        assert_eq!(ask("GET", "A: b", &people), Ok(Some(Scope::People)));
        assert_eq!(ask("PUT", own, &people), Ok(Some(Scope::People)));
        assert_eq!(ask("DELETE", "Sec-Fetch-Site: same-origin", &people), Ok(Some(Scope::People)));
        assert_eq!(ask("GET", "A: b", &[Scope::Door]), Err(RejectReason::WrongScope));
        for (method, lines) in [
            ("POST", "A: b"),
            ("POST", "Origin: http://h:3000"),
            ("POST", "Origin: null"),
            ("GET", "Sec-Fetch-Site: same-site"),
            ("GET", "Sec-Fetch-Site: cross-site"),
            ("GET", "Referer: http://evil.example/"),
        ] {
            assert_eq!(ask(method, lines, &people), Err(RejectReason::OtherSite), "{method} {lines}");
        }
        // Another page may ask for what is public, and learns nothing of the session.
        let public = |lines: &str| access.check(&head(&format!("{cookie}\r\n{lines}")), &[], &sessions, now).unwrap();
        assert_eq!(access.scopes(&public("A: b")), [Scope::Camera, Scope::People]);
        assert_eq!(public("Sec-Fetch-Site: same-site"), Pass::default());
        // Not even a page that may call with a token of its own.
        let origins = vec!["http://h:3000".to_owned()];
        let named = Access::new(&settings::Access { tokens: vec![stored], origins, ..settings::Access::default() });
        let other = Head { method: "POST".into(), ..head(&format!("{cookie}\r\nOrigin: http://h:3000")) };
        assert_eq!(named.check(&other, &people, &sessions, now), Err(RejectReason::OtherSite));
        // No session begets another, which would have no end.
        let by_cookie = access.check(&head(&cookie), &people, &sessions, now).unwrap();
        assert!(by_cookie.is_of_session() && sessions.begin(&by_cookie, false, now).is_none());
        // A token counts before a session; a cookie of no session is no wrong token.
        let wrong = "Authorization: Bearer faceplate_x";
        assert_eq!(ask("GET", wrong, &people), Err(RejectReason::WrongToken));
        let stale = head("Cookie: faceplate_session=00");
        assert_eq!(access.check(&stale, &people, &sessions, now), Err(RejectReason::NoToken));
        // Without its token it is nobody's.
        let others = guarded(vec![new_token("b", &[Scope::People]).1]);
        assert_eq!(others.check(&head(&cookie), &people, &sessions, now), Err(RejectReason::NoToken));
        assert!(others.scopes(&public("A: b")).is_empty());
        assert!(sessions.begin(&Pass::default(), false, now).is_none());
    }
}
