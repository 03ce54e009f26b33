//! A blocking client of etcd over its JSON gateway: one request at a time, at whichever member answers.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::{Agent, Body};

use super::wire::{Answer, WatchMessage, watch_message};
use crate::ops::settings;
use crate::ops::tls_client::{TlsFiles, secret};

/// Time for an answer, all of it. A member that can't reach the others answers nothing.
const TIME: Duration = Duration::from_secs(4);
/// Time to connect.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Most bytes of an answer: a page of the list has 1000 records of less than 12 KiB, in base64.
const MOST_BYTES: u64 = 32 << 20;
/// Most bytes of a line of a watch. One that tells of a long absence may have more: then everybody is listed, in pages.
const MOST_LINE: u64 = 16 << 20;
/// Most bytes that are read of a refusal.
const MOST_REFUSAL: u64 = 4096;

/// Etcd, as it is reached from here.
pub(super) struct Etcd {
    agent: Agent,
    urls: Vec<String>,
    /// The member that answered last.
    current: AtomicUsize,
    user: Option<(String, String)>,
    /// What etcd gave for the user's password.
    token: Mutex<Option<String>>,
    /// The only etcd whose answers count, once that is known.
    cluster: Mutex<Option<String>>,
}

/// A watch that is open.
pub(super) struct Watch(BufReader<ureq::BodyReader<'static>>);

/// What came of waiting at a watch.
pub(super) enum Watched {
    /// A message.
    Message(WatchMessage),
    /// Nothing for as long as a watch may be quiet.
    Quiet,
    /// The watch has ended.
    End,
    /// A message that is too long to be taken at once.
    TooLong,
}

impl Etcd {
    /// By the settings. An error tells which file can't be used.
    pub(super) fn new(settings: &settings::People) -> Result<Self, String> {
        let tls = TlsFiles {
            authority: settings.etcd_authority.clone(),
            certificate: settings.etcd_certificate.clone(),
            key: settings.etcd_key.clone(),
        };
        let password = settings.etcd_password.as_deref().map(secret).transpose()?;
        let user = password.map(|password| (settings.etcd_user.clone(), password.to_string()));
        let agent = Agent::config_builder()
            .tls_config(tls.of_requests()?)
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_resolve(Some(CONNECT_TIME))
            .timeout_connect(Some(CONNECT_TIME))
            .timeout_send_request(Some(TIME))
            .timeout_send_body(Some(TIME))
            .timeout_recv_response(Some(TIME))
            .build()
            .new_agent();
        let urls = settings.etcd.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let (token, cluster) = Default::default();
        Ok(Self { agent, urls, current: AtomicUsize::new(0), user, token, cluster })
    }

    /// Lets only answers of this etcd count from now on.
    pub(super) fn keep_to(&self, cluster: &str) {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster.to_owned());
    }

    /// Whether the answer comes from the etcd that is known; any, as long as none is.
    pub(super) fn is_known(&self, cluster: &str) -> Result<(), String> {
        let known = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_deref().is_none_or(|known| known == cluster) {
            true => Ok(()),
            false => Err("this is another etcd than before; remove people.store to follow it".into()),
        }
    }

    /// Asks one member after the other until one answers.
    pub(super) fn ask(&self, method: &str, request: &Value) -> Result<Answer, String> {
        self.each_member(|url| {
            let body = self.send(url, method, request, Some(TIME), TIME)?;
            let bytes = body.into_with_config().limit(MOST_BYTES).read_to_vec().map_err(|e| e.to_string())?;
            let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| "it gives no answer of etcd".to_owned())?;
            let header = answer.result.as_ref().map_or(&answer.header, |result| &result.header);
            self.is_known(&header.cluster_id)?;
            Ok(answer)
        })
    }

    /// Opens a watch, on which each read may take as long as `quiet`.
    pub(super) fn watch(&self, request: &Value, quiet: Duration) -> Result<Watch, String> {
        self.each_member(|url| {
            let body = self.send(url, "watch", request, None, quiet)?;
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

    fn send(
        &self,
        url: &str,
        method: &str,
        request: &Value,
        time: Option<Duration>,
        read_time: Duration,
    ) -> Result<Body, String> {
        let token = || self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.user.is_some() && token().is_none() {
            self.authenticate(url)?;
        }
        let text = request.to_string();
        let send = || {
            let mut builder = self.agent.post(format!("{url}/v3/{method}"));
            if let Some(token) = token() {
                builder = builder.header("Authorization", token);
            }
            let config = builder.config().timeout_global(time).timeout_per_read(Some(read_time));
            config.build().send(&text).map_err(|e| e.to_string())
        };
        let response = send()?;
        if response.status() == 200 {
            return Ok(response.into_body());
        }
        let (status, why) = (response.status().as_u16(), refusal(response));
        // A token is good for some minutes, and until users change.
        let is_old =
            status == 401 || ["auth token", "auth store", "user name is empty"].iter().any(|old| why.contains(old));
        if self.user.is_none() || !is_old {
            return Err(why);
        }
        self.authenticate(url)?;
        let response = send()?;
        if response.status() == 200 { Ok(response.into_body()) } else { Err(refusal(response)) }
    }

    fn authenticate(&self, url: &str) -> Result<(), String> {
        let Some((name, password)) = &self.user else { return Ok(()) };
        let request = json!({"name": name, "password": password}).to_string();
        let builder = self.agent.post(format!("{url}/v3/auth/authenticate"));
        let response = builder.config().timeout_global(Some(TIME)).build().send(request).map_err(|e| e.to_string())?;
        if response.status() != 200 {
            return Err(refusal(response));
        }
        let body = response.into_body().into_with_config().limit(MOST_REFUSAL);
        let answer = serde_json::from_slice::<Answer>(&body.read_to_vec().map_err(|e| e.to_string())?);
        let token = answer.map_err(|_| "it gives no answer of etcd".to_owned())?.token;
        if token.is_empty() {
            return Err("it gives no token for the user and the password".into());
        }
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }
}

/// Why a request was refused, in the words of etcd.
fn refusal(mut response: ureq::http::Response<Body>) -> String {
    let told = response.body_mut().with_config().limit(MOST_REFUSAL).read_to_string().unwrap_or_default();
    let message = serde_json::from_str::<Value>(&told).ok();
    let message =
        message.and_then(|told| told["message"].as_str().or_else(|| told["error"].as_str()).map(str::to_owned));
    let text = || told.trim().chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    message.unwrap_or_else(|| format!("HTTP status {}: {}", response.status().as_u16(), text()))
}

impl Watch {
    /// Waits for the next message.
    pub(super) fn next(&mut self) -> Result<Watched, String> {
        let mut line = vec![];
        match self.0.by_ref().take(MOST_LINE).read_until(b'\n', &mut line) {
            Err(error) if is_timeout(&error) && line.is_empty() => return Ok(Watched::Quiet),
            Err(error) => return Err(error.to_string()),
            Ok(0) => return Ok(Watched::End),
            Ok(_) if !line.ends_with(b"\n") && line.len() as u64 >= MOST_LINE => return Ok(Watched::TooLong),
            Ok(_) => {}
        }
        watch_message(&line).map(Watched::Message)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    error.kind() == io::ErrorKind::TimedOut || matches!(inner, Some(ureq::Error::Timeout(_)))
}
