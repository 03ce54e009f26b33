//! Settings of the people who are enrolled at this device.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorKind};

/// `[people]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// File in which people are stored; without it none are.
    pub store: Option<PathBuf>,
    /// Share of strangers that may be taken for somebody, in all comparisons of one attempt together, 1e-9 to 0.1.
    pub false_accepts: f64,
    /// Least quality of a sample that is enrolled, 0 to 100.
    pub least_quality: u8,
    /// A folder with the models of before, whose embedder runs as well: people with templates of it alone are identified by these.
    pub previous_models: Option<PathBuf>,
    /// Whether such a person gets a template of the present model when it is identified before the camera, live and beyond doubt.
    pub renew: bool,
    /// Members of the etcd in which the people of several doors live, such as `https://10.0.0.5:2379`; without any they live here alone.
    pub etcd: Vec<String>,
    /// Beginning of all keys there.
    pub etcd_prefix: String,
    /// PEM file with the authorities of the members' certificates.
    pub etcd_authority: Option<PathBuf>,
    /// PEM files with the certificate and the key that this door shows.
    pub etcd_certificate: Option<PathBuf>,
    /// See `etcd_certificate`.
    pub etcd_key: Option<PathBuf>,
    /// User of etcd.
    pub etcd_user: String,
    /// File with that user's password.
    pub etcd_password: Option<PathBuf>,
    /// Name of this door among the others; empty is the name of the machine.
    pub door: String,
    /// Seconds for which people are known after etcd was last reached.
    pub max_age_s: u64,
}

impl Default for People {
    fn default() -> Self {
        Self {
            store: None,
            false_accepts: 1e-4,
            least_quality: 40,
            previous_models: None,
            renew: false,
            etcd: vec![],
            etcd_prefix: "faceplate/".into(),
            etcd_authority: None,
            etcd_certificate: None,
            etcd_key: None,
            etcd_user: String::new(),
            etcd_password: None,
            door: String::new(),
            max_age_s: 7 * 86_400,
        }
    }
}

impl People {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        if !(1e-9..=0.1).contains(&self.false_accepts) {
            let what = format!("{} is not in 1e-9..=0.1", self.false_accepts);
            return Some(Error::out_of_range("people.false_accepts", what));
        }
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_url = |url: &str| ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) && is_plain(url);
        if let Some(wrong) = self.etcd.iter().find(|url| !is_url(url)) {
            let what = format!("\"{}\" is no address such as https://10.0.0.5:2379", wrong.escape_debug());
            return Some(Error::out_of_range("people.etcd", what));
        }
        if self.etcd_authority.is_none() && self.etcd.iter().any(|url| url.starts_with("https://")) {
            let what =
                "https needs people.etcd_authority, the PEM file of the authorities of the members' certificates";
            return Some(Error::new(ErrorKind::Conflict, "people.etcd", what));
        }
        if !(60..=31_536_000).contains(&self.max_age_s) {
            let what = format!("{} is not in 60..=31536000", self.max_age_s);
            return Some(Error::out_of_range("people.max_age_s", what));
        }
        if self.etcd_prefix.is_empty() || !is_plain(&self.etcd_prefix) {
            return Some(Error::out_of_range("people.etcd_prefix", "it is empty, or has more than visible ASCII"));
        }
        if !is_plain(&self.door) || self.door.contains('/') {
            return Some(Error::out_of_range("people.door", "it has more than visible ASCII without a slash"));
        }
        if self.etcd_certificate.is_some() != self.etcd_key.is_some() {
            let what = "etcd_certificate and etcd_key belong together";
            return Some(Error::new(ErrorKind::Conflict, "people.etcd_certificate", what));
        }
        if self.etcd_password.is_some() == self.etcd_user.is_empty() {
            let what = "etcd_user and etcd_password belong together";
            return Some(Error::new(ErrorKind::Conflict, "people.etcd_user", what));
        }
        (self.least_quality > 100)
            .then(|| Error::out_of_range("people.least_quality", format!("{} is not in 0..=100", self.least_quality)))
    }
}
