//! Settings of access and encryption.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorKind};
use super::{ListenAddr, Settings};
use crate::ops::hex;

/// `[access]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Whether every peer that reaches an address other than loopback is admitted, if there are no tokens.
    pub open: bool,
    /// Names of this machine that clients may use, beside `localhost`, addresses, those of its certificate and its own name, where no
    /// token or certificate is needed: a web page that lets a name of its own point here is refused.
    pub hosts: Vec<String>,
    /// Origins of web pages that may send requests, such as `https://console.example.com`: pages of no other origin may.
    pub origins: Vec<String>,
    /// Tokens. Once there is one, access needs a token, even from this machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Token>,
    /// File of the tokens that are made while the service runs, which may not write its settings.
    pub store: Option<PathBuf>,
    /// The tokens in that file.
    #[serde(skip)]
    pub stored: Vec<Token>,
}

impl Access {
    /// The tokens of the settings and those of the store.
    pub fn all(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().chain(&self.stored)
    }

    /// Whether there are any.
    pub fn has_tokens(&self) -> bool {
        self.all().next().is_some()
    }
}

/// `[[access.tokens]]`: what `faceplate token new` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name in the log.
    pub name: String,
    /// SHA-256 of the token, in hexadecimal: it can't be used in place of the token.
    pub sha256: String,
    /// Its scopes.
    pub scopes: Vec<Scope>,
}

/// A part of the API that a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// `/v1/face/pattern`, where a picture is sent, and `/v1/face/pattern/join`, which reveals only whether templates are one person's.
    Pattern,
    /// `/v1/face/pattern/compare` and `compare_n`, which take templates without pictures: their scores reveal something of them.
    Compare,
    /// `/v1/face/liveness`
    Liveness,
    /// `/v1/camera`
    Camera,
    /// `/v1/people`, and whoever is enrolled wherever a template may be given
    People,
    /// `/v1/door` but for `claim`: opens the door
    Door,
    /// `/v1/door/claim`: for a reader of cards, which can open nothing
    Claim,
    /// `/v1/events`: who came and went
    Events,
    /// `/metrics`
    Metrics,
    /// What a screen before the camera shows: the picture, the challenge, and what the door is doing
    Kiosk,
    /// `/v1/tokens`, `/v1/settings` and `/v1/doctor`
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 11] = [
        Self::Pattern,
        Self::Compare,
        Self::Liveness,
        Self::Camera,
        Self::People,
        Self::Door,
        Self::Claim,
        Self::Events,
        Self::Metrics,
        Self::Kiosk,
        Self::Admin,
    ];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Compare => "compare",
            Self::Liveness => "liveness",
            Self::Camera => "camera",
            Self::People => "people",
            Self::Door => "door",
            Self::Claim => "claim",
            Self::Events => "events",
            Self::Metrics => "metrics",
            Self::Kiosk => "kiosk",
            Self::Admin => "admin",
        }
    }
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate and its chain. With it, connections over TCP are TLS.
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key.
    pub key: Option<PathBuf>,
    /// PEM file with the authorities whose certificates clients must have.
    pub clients: Option<PathBuf>,
}

/// `[templates]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Templates {
    /// File with keys as `faceplate key new` prints them, one a line. Templates are sealed with the first and opened with any.
    pub keys: Option<PathBuf>,
    /// Whether unsealed templates are accepted as well, though there are keys.
    pub unsealed: bool,
}

/// Whether this is an origin as browsers write it (RFC 6454, section 6.2). A wildcard is not: each origin is listed.
fn is_origin(text: &str) -> bool {
    let usual = [("http://", ":80"), ("https://", ":443")];
    usual.iter().any(|(scheme, port)| {
        text.strip_prefix(scheme).is_some_and(|rest| {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_:[]".contains(&b);
            !rest.is_empty() && rest.bytes().all(is_plain) && !rest.ends_with(port) && !rest.ends_with(':')
        })
    })
}

impl Settings {
    /// What is wrong with the settings of access.
    pub(super) fn unsafe_access(&self) -> Option<Error> {
        if self.server.listen.0.is_empty() {
            return Some(Error::out_of_range("server.listen", "no address"));
        }
        for token in self.access.all() {
            if hex::bytes(&token.sha256).is_none() {
                let what = format!("sha256 of \"{}\" is not 64 hexadecimal digits", token.name.escape_debug());
                return Some(Error::out_of_range("access.tokens", what));
            }
        }
        // A name may stand in both lists: the command line does not look into the store, and must not keep the service from starting.
        for tokens in [&self.access.tokens, &self.access.stored] {
            let mut names: Vec<&str> = tokens.iter().map(|token| &*token.name).collect();
            names.sort_unstable();
            if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                let what = format!("two are called \"{}\"", pair[0].escape_debug());
                return Some(Error::new(ErrorKind::Conflict, "access.tokens", what));
            }
        }
        if let Some(wrong) = self.access.origins.iter().find(|origin| !is_origin(origin)) {
            let what = format!(
                "\"{}\" is no origin as browsers write it, such as https://console.example.com or \
                 http://10.0.0.5:3000: lower case, no path, no port where it is the usual one",
                wrong.escape_debug()
            );
            return Some(Error::out_of_range("access.origins", what));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Some(Error::new(ErrorKind::Conflict, "tls", "certificate and key belong together"));
        }
        if self.tls.clients.is_some() && self.tls.certificate.is_none() {
            return Some(Error::new(ErrorKind::Conflict, "tls.clients", "it needs a certificate"));
        }
        self.server.listen.0.iter().find_map(|place| self.may_listen(place).err())
    }

    /// Whether the settings let the service listen at `place`: beyond this machine only with tokens, or if open on purpose.
    pub fn may_listen(&self, place: &ListenAddr) -> Result<(), Error> {
        let is_local = match place {
            ListenAddr::Tcp(address) => address.ip().is_loopback(),
            ListenAddr::Unix(_) => true,
        };
        if is_local || self.access.open || self.access.has_tokens() {
            return Ok(());
        }
        let what = format!(
            "{place} is reached from other machines. Make a token (faceplate token new), or say access.open = \
             true if everybody there may use the service"
        );
        Err(Error::new(ErrorKind::Conflict, "server.listen", what))
    }
}
