//! A blocking client of etcd over its JSON gateway: one request at a time, at whichever member answers.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body};

use super::wire::{Answer, WatchMessage, watch_message};
use crate::ops::settings;

/// Time for an answer. A member that can't reach the others answers nothing.
const TIME: Duration = Duration::from_secs(4);
/// Time to connect.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Most bytes of an answer: a page of the list has 1000 records of less than 12 KiB, in base64.
const MOST_BYTES: u64 = 32 << 20;
/// Most bytes of a line of a watch: etcd sends no larger messages.
const MOST_LINE: u64 = 16 << 20;

/// Etcd, as it is reached from here.
pub(super) struct Etcd {
    agent: Agent,
    urls: Vec<String>,
    /// The member that answered last.
    current: AtomicUsize,
    user: Option<(String, String)>,
    /// What etcd gave for the user's password.
    token: Mutex<Option<String>>,
}

/// A watch that is open.
pub(super) struct Watch(BufReader<ureq::BodyReader<'static>>);

impl Etcd {
    /// By the settings. An error tells which file can't be used.
    pub(super) fn new(settings: &settings::People) -> Result<Self, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = TlsConfig::builder().provider(TlsProvider::Rustls).unversioned_rustls_crypto_provider(provider);
        if let Some(path) = &settings.etcd_authority {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(&read(path)?, path)?));
        }
        if let (Some(certificate), Some(key)) = (&settings.etcd_certificate, &settings.etcd_key) {
            let chain = certificates(&read(certificate)?, certificate)?;
            let wrong = || format!("{}: it has no private key", key.display());
            let key = ureq::tls::PrivateKey::from_pem(&read(key)?).map_err(|_| wrong())?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        let user = match &settings.etcd_password {
            None => None,
            Some(path) => {
                let password = String::from_utf8_lossy(&read(path)?).trim_end().to_owned();
                Some((settings.etcd_user.clone(), password))
            }
        };
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIME))
            .build()
            .new_agent();
        let urls = settings.etcd.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Self { agent, urls, current: AtomicUsize::new(0), user, token: Mutex::new(None) })
    }

    /// Asks one member after the other until one answers.
    pub(super) fn ask(&self, method: &str, request: &Value) -> Result<Answer, String> {
        self.each_member(|url| {
            let mut body = self.send(url, method, request, TIME)?;
            let bytes = body.with_config().limit(MOST_BYTES).read_to_vec().map_err(|e| e.to_string())?;
            serde_json::from_slice(&bytes).map_err(|_| "it gives no answer of etcd".to_owned())
        })
    }

    /// Opens a watch, on which each read may take as long as `quiet`.
    pub(super) fn watch(&self, request: &Value, quiet: Duration) -> Result<Watch, String> {
        self.each_member(|url| {
            let body = self.send(url, "watch", request, quiet)?;
            Ok(Watch(BufReader::new(body.into_with_config().limit(u64::MAX).reader())))
        })
    }

    fn each_member<T>(&self, ask: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
        let (first, mut told) = (self.current.load(Ordering::Relaxed), String::new());
        for offset in 0..self.urls.len() {
            let index = (first + offset) % self.urls.len();
            match ask(&self.urls[index]) {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(why) => told = format!("{}: {why}", self.urls[index]),
            }
        }
        Err(told)
    }

    fn send(&self, url: &str, method: &str, request: &Value, time: Duration) -> Result<Body, String> {
        let send = |token: Option<String>| {
            let mut builder = self.agent.post(format!("{url}/v3/{method}"));
            if let Some(token) = token {
                builder = builder.header("Authorization", token);
            }
            let config = builder.config().timeout_per_read(Some(time)).timeout_recv_response(Some(time));
            config.build().send(request.to_string()).map_err(|e| e.to_string())
        };
        let token = || self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut response = send(token())?;
        // A token is valid for some minutes, and for the member's life.
        if response.status() == 401 && self.user.is_some() {
            self.authenticate(url)?;
            response = send(token())?;
        }
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            status => {
                let told = response.body_mut().with_config().limit(4096).read_to_string().unwrap_or_default();
                let message = serde_json::from_str::<Value>(&told).ok();
                let message = message
                    .and_then(|told| told["message"].as_str().or_else(|| told["error"].as_str()).map(str::to_owned));
                Err(message.unwrap_or_else(|| format!("HTTP status {status}")))
            }
        }
    }

    fn authenticate(&self, url: &str) -> Result<(), String> {
        let Some((name, password)) = &self.user else { return Ok(()) };
        let request = json!({"name": name, "password": password}).to_string();
        let mut response =
            self.agent.post(format!("{url}/v3/auth/authenticate")).send(request).map_err(|e| e.to_string())?;
        let bytes = response.body_mut().with_config().limit(4096).read_to_vec().map_err(|e| e.to_string())?;
        let answer = serde_json::from_slice::<Answer>(&bytes).unwrap_or_default();
        if response.status() != 200 || answer.token.is_empty() {
            return Err("the user or its password is not known there".into());
        }
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.token);
        Ok(())
    }
}

impl Watch {
    /// The next message; none when nothing came in time, or the watch has ended.
    pub(super) fn next(&mut self) -> Option<WatchMessage> {
        let mut line = vec![];
        self.0.by_ref().take(MOST_LINE).read_until(b'\n', &mut line).ok()?;
        watch_message(&line)
    }
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let found = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() { Err(format!("{}: it has no certificate", path.display())) } else { Ok(found) }
}
