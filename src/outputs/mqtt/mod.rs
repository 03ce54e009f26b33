//! A client of a broker (MQTT 3.1.1): publishes events and states, takes commands where that is allowed, and comes back after any failure.
//!
//! The protocol is the library's (mqtt-protocol-core), which knows no sockets; here are these, time and what is published. An event is
//! published with QoS 1, and counts once the broker has acknowledged it.

mod session;

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::packet::v3_1_1::Connect;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use zeroize::Zeroizing;

use self::session::{Session, Stream};
use super::NameOf;
use super::discovery::{self, Has};
use super::topics::{self, Command, Topics};
use crate::door::Door;
use crate::events::{Journal, Kind, Position};
use crate::ops::Settings;
use crate::ops::settings::{self, DoorMode};
use crate::ops::shutdown::Shutdown;
use crate::ops::tls_client::{TlsFiles, secret};
pub use session::fuzz;

/// Time to connect, and for an answer to that.
const TIME: Duration = Duration::from_secs(10);
/// How long a read waits before something may be published.
const TURN: Duration = Duration::from_millis(50);
/// Seconds after which the broker takes a silent device for gone, and publishes its will.
const KEEP_ALIVE_S: u16 = 30;
/// Pauses between tries to connect, from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long the end of the service waits for acknowledgments.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A connection that lasted this long was a good one.
const STABLE: Duration = Duration::from_secs(60);
/// Most events that wait for their acknowledgments.
const IN_FLIGHT: usize = 16;
/// Receiver in the journal.
const RECEIVER: &str = "mqtt";

struct Client {
    settings: settings::Mqtt,
    topics: Topics,
    has: Has,
    /// The mode in which recognition is switched on by a command.
    mode: DoorMode,
    tls: Option<Arc<ClientConfig>>,
    password: Option<Zeroizing<String>>,
    journal: Arc<Journal>,
    door: Option<Arc<Door>>,
    name_of: NameOf,
    shutdown: Shutdown,
}

/// Starts the thread of the client.
pub(super) fn start(
    settings: &Settings,
    journal: Arc<Journal>,
    door: Option<Arc<Door>>,
    name_of: NameOf,
    shutdown: Shutdown,
) -> Result<(), String> {
    let mqtt = settings.mqtt.clone();
    let files =
        TlsFiles { authority: mqtt.authority.clone(), certificate: mqtt.certificate.clone(), key: mqtt.key.clone() };
    let client = Client {
        tls: mqtt.broker.starts_with("mqtts://").then(|| files.of_connections()).transpose()?,
        password: mqtt.password.as_deref().map(secret).transpose()?,
        topics: Topics { device: settings.device() },
        has: Has { door: door.is_some(), contact: settings.door.contact != "none", commands: mqtt.commands },
        mode: settings.door.mode,
        settings: mqtt,
        journal,
        door,
        name_of,
        shutdown,
    };
    let thread = std::thread::Builder::new().name("mqtt".into()).spawn(move || client.run());
    thread.map(|_| ()).map_err(|e| format!("no thread for the broker: {e}"))
}

impl Client {
    fn run(&self) {
        let Some(mut position) = self.journal.wait_for_position(RECEIVER, &self.shutdown) else { return };
        let (mut pause, mut is_told) = (FIRST_PAUSE, false);
        while !self.shutdown.requested() {
            let begun = Instant::now();
            let why = self.session(&mut position).err().unwrap_or_else(|| "the connection ended".into());
            if self.shutdown.requested() {
                return;
            }
            if begun.elapsed() > STABLE {
                (pause, is_told) = (FIRST_PAUSE, false);
            }
            if !is_told {
                log::warn!("mqtt: {why}; it is tried again");
                is_told = true;
            }
            self.shutdown.sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects, and publishes until something fails or the service ends.
    fn session(&self, position: &mut Position) -> Result<(), String> {
        let mut session = Session::open(self.stream()?, self.topics.clone(), self.connect()?)?;
        session.wait_until_accepted()?;
        log::info!("mqtt: connected to {}", self.settings.broker);
        if self.has.commands && self.door.is_some() {
            session.subscribe(&[self.topics.door_command(), self.topics.recognition_command()])?;
        }
        if !self.settings.discovery.is_empty() {
            let message = discovery::message(&self.topics, self.has).to_string();
            session.publish(&discovery::topic(&self.settings.discovery, &self.topics), &message, true)?;
        }
        session.publish(&self.topics.availability(), "online", true)?;
        let (mut sent, mut shown) = (*position, String::new());
        while !self.shutdown.requested() {
            session.turn()?;
            for command in std::mem::take(&mut session.commands) {
                self.obey(command);
            }
            if let Some(door) = &self.door {
                let state = topics::door_state(&door.status()).to_string();
                if state != shown {
                    session.publish(&self.topics.door_state(), &state, true)?;
                    shown = state;
                }
            }
            self.publish_events(&mut session, &mut sent)?;
            if session.waiting.is_empty() && *position != sent {
                *position = sent;
                self.journal.keep_position(RECEIVER, sent);
            }
        }
        session.publish(&self.topics.availability(), "offline", true)?;
        // What is acknowledged now is not sent again at the next start.
        let end = Instant::now() + LAST_WORDS;
        while !session.waiting.is_empty() && Instant::now() < end {
            session.turn()?;
        }
        if session.waiting.is_empty() {
            self.journal.keep_position(RECEIVER, sent);
        }
        session.disconnect()
    }

    fn publish_events(&self, session: &mut Session<'_>, sent: &mut Position) -> Result<(), String> {
        let room = IN_FLIGHT - session.waiting.len().min(IN_FLIGHT);
        if room == 0 || self.journal.last() <= *sent {
            return Ok(());
        }
        let envelope = self.journal.envelope();
        // What can't be read now is read later.
        let Ok((events, reached)) = self.journal.after(*sent, room) else { return Ok(()) };
        for event in events {
            let name = if self.settings.names { (self.name_of)(&event) } else { None };
            session.publish_event(&self.topics.event(), &envelope.json(&event, name.as_deref()))?;
            if let Some(state) = topics::face_state(&event, name.as_deref()) {
                session.publish(&self.topics.face_state(), &state.to_string(), true)?;
            }
            // The broker keeps no name of somebody who was deleted.
            if event.kind == Kind::PersonDeleted && self.settings.names {
                session.publish(&self.topics.face_state(), "", true)?;
            }
        }
        *sent = reached;
        Ok(())
    }

    fn obey(&self, command: Command) {
        let Some(door) = self.door.as_ref().filter(|_| self.has.commands) else { return };
        match command {
            Command::Open => {
                if let Err(reason) = door.open() {
                    log::warn!("mqtt: the lock stayed shut: {reason}");
                }
            }
            Command::Recognition(false) => door.switch(DoorMode::Off),
            Command::Recognition(true) => door.switch(self.mode),
        }
    }

    /// A stream to the broker.
    fn stream(&self) -> Result<Box<dyn Stream>, String> {
        let broker = &self.settings.broker;
        let address = broker.split_once("://").map_or(broker.as_str(), |(_, address)| address);
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']).to_owned();
        let told = |e: io::Error| format!("{broker}: {e}");
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for place in address.to_socket_addrs().map_err(told)? {
            match TcpStream::connect_timeout(&place, TIME) {
                Ok(mut stream) => {
                    stream.set_nodelay(true).map_err(told)?;
                    stream.set_read_timeout(Some(TIME)).map_err(told)?;
                    stream.set_write_timeout(Some(TIME)).map_err(told)?;
                    // All of the handshake now: later a read may end without anything.
                    let secured = self.tls.as_ref().map(|tls| self.handshake(tls, host, &mut stream)).transpose()?;
                    stream.set_read_timeout(Some(TURN)).map_err(told)?;
                    return Ok(match secured {
                        Some(connection) => Box::new(StreamOwned::new(connection, stream)),
                        None => Box::new(stream),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(told(last))
    }

    /// Makes the stream to this host a secure one.
    fn handshake(
        &self,
        tls: &Arc<ClientConfig>,
        host: String,
        stream: &mut TcpStream,
    ) -> Result<ClientConnection, String> {
        let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
        let mut connection = ClientConnection::new(Arc::clone(tls), name).map_err(|e| e.to_string())?;
        while connection.is_handshaking() {
            connection.complete_io(stream).map_err(|e| format!("{}: {e}", self.settings.broker))?;
        }
        Ok(connection)
    }

    /// The first packet, with the will.
    fn connect(&self) -> Result<Connect, String> {
        let wrong = |e| format!("{e:?}");
        let mut connect = Connect::builder()
            .client_id(format!("faceplate-{}", self.topics.device))
            .map_err(wrong)?
            .clean_session(true)
            .keep_alive(KEEP_ALIVE_S)
            .will_message(self.topics.availability(), b"offline", Qos::AtLeastOnce, true)
            .map_err(wrong)?;
        if let Some(password) = &self.password {
            connect = connect.user_name(&*self.settings.user).map_err(wrong)?;
            connect = connect.password(password.as_bytes().to_vec()).map_err(wrong)?;
        }
        connect.build().map_err(wrong)
    }
}
