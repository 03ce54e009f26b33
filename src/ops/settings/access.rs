//! Who may come in, and what is encrypted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Place, Settings};
use crate::ops::hex;

/// `[access]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Whether everybody who reaches another address than loopback may come in, if there are no tokens.
    pub open: bool,
    /// Names by which others reach this machine, beside `localhost`, addresses and its own name, where nobody needs a token: a web page
    /// that lets a name of its own point here is refused.
    pub hosts: Vec<String>,
    /// Who may come in. Once there is one, nobody else may, not even from this machine.
    pub tokens: Vec<Token>,
}

/// `[[access.tokens]]`: what `faceplate token new` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What the log calls it.
    pub name: String,
    /// SHA-256 of the token, in hexadecimal: whoever reads the settings can't use it.
    pub sha256: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// `/v1/face/pattern`, where a picture is sent.
    Pattern,
    /// `/v1/face/pattern/compare` and `compare_n`, where templates alone are: their scores tell something of them.
    Compare,
    /// `/v1/face/liveness`
    Liveness,
    /// `/v1/camera`
    Camera,
    /// `/metrics`
    Metrics,
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate and those that it rests on. With it, connections over TCP are TLS.
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
    /// Whether templates that are not sealed are taken as well, though there are keys.
    pub unsealed: bool,
}

impl Settings {
    /// What is wrong with who may come in.
    pub(super) fn unsafe_access(&self) -> Option<String> {
        if self.server.listen.0.is_empty() {
            return Some("server.listen: no address".into());
        }
        let tokens = &self.access.tokens;
        for token in tokens {
            if hex::bytes(&token.sha256).is_none() {
                return Some(format!("access.tokens: sha256 of {:?} is not 64 hexadecimal digits", token.name));
            }
        }
        let mut names: Vec<&str> = tokens.iter().map(|token| &*token.name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Some(format!("access.tokens: two are called {:?}", pair[0]));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Some("tls: certificate and key belong together".into());
        }
        if self.tls.clients.is_some() && self.tls.certificate.is_none() {
            return Some("tls.clients: it needs a certificate".into());
        }
        self.server.listen.0.iter().find_map(|place| self.may_listen(place).err())
    }

    /// Whether the settings let the service listen at `place`: beyond this machine only with tokens, or open on purpose.
    pub fn may_listen(&self, place: &Place) -> Result<(), String> {
        let is_local = match place {
            Place::Tcp(address) => address.ip().is_loopback(),
            Place::Unix(_) => true,
        };
        if is_local || self.access.open || !self.access.tokens.is_empty() {
            return Ok(());
        }
        Err(format!(
            "server.listen: {place} is reached from other machines. Make a token (faceplate token new), or say access.open = \
             true if everybody there may use the service"
        ))
    }
}
