//! Addresses to listen at.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::Value;

/// All addresses to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "OneOrMany")]
pub struct Listen(pub Vec<ListenAddr>);

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum ListenAddr {
    /// Address and port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// The printed form.
#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMany {
    One(ListenAddr),
    Many(Vec<ListenAddr>),
}

/// Written by hand: serde's message would be that no variant of a type matches.
impl TryFrom<Value> for Listen {
    type Error = String;

    fn try_from(given: Value) -> Result<Self, String> {
        let place = |value: Value| match value {
            Value::String(text) => text.parse(),
            Value::Integer(port) => loopback(&port.to_string()).ok_or_else(|| not_a_place(&port.to_string())),
            other => Err(not_a_place(&other.to_string())),
        };
        match given {
            Value::Array(list) => list.into_iter().map(place).collect::<Result<_, _>>().map(Self),
            one => place(one).map(|place| Self(vec![place])),
        }
    }
}

fn not_a_place(given: &str) -> String {
    format!(
        "{given} must be ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080, a port alone, which is one of 127.0.0.1, or unix:/PATH, or \
         a list of these"
    )
}

/// A port without an address means loopback: other machines are admitted only by an explicit address.
fn loopback(port: &str) -> Option<ListenAddr> {
    port.parse().ok().map(|port: u16| ListenAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], port))))
}

impl From<Listen> for OneOrMany {
    fn from(Listen(mut places): Listen) -> Self {
        match places.len() {
            1 => Self::One(places.remove(0)),
            _ => Self::Many(places),
        }
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => Err(not_a_place("\"unix:\"")),
                false => Ok(Self::Unix(path.into())),
            };
        }
        let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
        let place = text.parse().ok().map(Self::Tcp).or_else(|| loopback(port));
        place.ok_or_else(|| not_a_place(&format!("\"{text}\"")))
    }
}

impl From<ListenAddr> for String {
    fn from(place: ListenAddr) -> Self {
        place.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.0.iter().map(ListenAddr::to_string).collect();
        f.write_str(&places.join(" and "))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
