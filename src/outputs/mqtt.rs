//! A client of a broker (MQTT 3.1.1): publishes events and states, takes commands where that is allowed, and comes back after any failure.
//!
//! The protocol is the library's (mqtt-protocol-core), which knows no sockets; here are these, time and what is published. An event is
//! published with QoS 1, and counts once the broker has acknowledged it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::connection::{Event as Step, TimerKind};
use mqtt_protocol_core::mqtt::packet::v3_1_1::{Connect, Publish, Subscribe};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, Qos, SubEntry, SubOpts};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, SubackReturnCode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use zeroize::Zeroizing;

use super::NameOf;
use super::discovery::{self, Has};
use super::topics::{self, Command, Topics};
use crate::door::Door;
use crate::events::{Journal, Kind, Position};
use crate::ops::Settings;
use crate::ops::settings::{self, DoorMode};
use crate::ops::shutdown::Shutdown;
use crate::ops::tls_client::{TlsFiles, secret};

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
/// Most bytes of a packet from the broker: commands are words.
const MOST_BYTES: u32 = 4096;
/// Time within which acknowledgments come, or the connection counts as dead.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);
/// Receiver in the journal.
const RECEIVER: &str = "mqtt";

/// A stream to the broker.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

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

/// A connection that the broker has accepted, or is about to.
struct Session<'a> {
    stream: Box<dyn Stream + 'a>,
    topics: Topics,
    protocol: mqtt::Connection<mqtt::role::Client>,
    timers: [Option<Instant>; 3],
    /// Events that are not acknowledged: packet, number and when it was sent.
    waiting: BTreeMap<u16, (Position, Instant)>,
    accepted: bool,
    refused: Option<String>,
    commands: Vec<Command>,
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
            session.publish_event(
                &self.topics.event(),
                &topics::event(&envelope, &event, name.as_deref()),
                event.sequence,
            )?;
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
                    let Some(tls) = &self.tls else {
                        stream.set_read_timeout(Some(TURN)).map_err(told)?;
                        return Ok(Box::new(stream));
                    };
                    let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
                    let mut connection = ClientConnection::new(Arc::clone(tls), name).map_err(|e| e.to_string())?;
                    // All of the handshake now: later a read may end without anything.
                    while connection.is_handshaking() {
                        connection.complete_io(&mut stream).map_err(told)?;
                    }
                    stream.set_read_timeout(Some(TURN)).map_err(told)?;
                    return Ok(Box::new(StreamOwned::new(connection, stream)));
                }
                Err(error) => last = error,
            }
        }
        Err(told(last))
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

impl<'a> Session<'a> {
    fn open(stream: Box<dyn Stream + 'a>, topics: Topics, connect: Connect) -> Result<Self, String> {
        let options = mqtt::connection::ConnectionOptions::new().maximum_packet_size_recv(MOST_BYTES);
        let mut protocol = mqtt::Connection::with_options(mqtt::Version::V3_1_1, options);
        protocol.set_auto_pub_response(true);
        protocol.set_pingresp_recv_timeout(u64::try_from(TIME.as_millis()).unwrap_or(u64::MAX));
        let steps = protocol.send(connect.into());
        let (timers, waiting, commands) = Default::default();
        let mut session = Self { stream, topics, protocol, timers, waiting, accepted: false, refused: None, commands };
        session.perform(steps)?;
        Ok(session)
    }

    fn wait_until_accepted(&mut self) -> Result<(), String> {
        let end = Instant::now() + TIME;
        while !self.accepted {
            if Instant::now() > end {
                return Err("the broker does not answer".into());
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Reads what has come, and does what is due.
    fn turn(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err("the broker closed the connection".into()),
            Ok(read) => {
                let mut cursor = mqtt::common::Cursor::new(&buffer[..read]);
                while cursor.position() < read as u64 {
                    let steps = self.protocol.recv(&mut cursor);
                    self.perform(steps)?;
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
        let now = Instant::now();
        for (index, kind) in TIMERS.iter().enumerate() {
            if self.timers[index].is_some_and(|due| due <= now) {
                self.timers[index] = None;
                let steps = self.protocol.notify_timer_fired(*kind);
                self.perform(steps)?;
            }
        }
        if self.waiting.values().any(|(_, sent)| sent.elapsed() > ACKNOWLEDGED) {
            return Err("the broker does not acknowledge".into());
        }
        Ok(())
    }

    fn perform(&mut self, steps: Vec<Step>) -> Result<(), String> {
        for step in steps {
            match step {
                Step::RequestSendPacket { packet, .. } => {
                    self.stream.write_all(&packet.to_continuous_buffer()).map_err(|e| e.to_string())?;
                    self.stream.flush().map_err(|e| e.to_string())?;
                }
                Step::NotifyPacketReceived(packet) => self.received(packet)?,
                Step::NotifyPacketIdReleased(packet) => {
                    self.waiting.remove(&packet);
                }
                Step::RequestTimerReset { kind, duration_ms } => {
                    self.timers[timer(kind)] = Some(Instant::now() + Duration::from_millis(duration_ms));
                }
                Step::RequestTimerCancel(kind) => self.timers[timer(kind)] = None,
                Step::NotifyError(error) => return Err(format!("the broker breaks the protocol: {error:?}")),
                Step::RequestClose => {
                    return Err(self.refused.take().unwrap_or_else(|| "the connection has to be closed".into()));
                }
            }
        }
        Ok(())
    }

    fn received(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::V3_1_1Connack(connack) => match connack.return_code() {
                ConnectReturnCode::Accepted => self.accepted = true,
                code => return Err(format!("the broker refuses: {code:?}")),
            },
            Packet::V3_1_1Suback(suback) if suback.return_codes().contains(&SubackReturnCode::Failure) => {
                log::warn!("mqtt: the broker does not let this device subscribe to commands");
            }
            // What was kept by the broker is a command of before, which nobody meant for now.
            Packet::V3_1_1Publish(publish) if !publish.retain() => {
                self.message(publish.topic_name(), publish.payload().as_slice());
            }
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, topic: &str, payload: &[u8]) {
        match self.topics.command(topic, payload) {
            Some(command) => self.commands.push(command),
            None => log::warn!("mqtt: a message that is no command was ignored"),
        }
    }

    fn subscribe(&mut self, to: &[String]) -> Result<(), String> {
        let wrong = |e| format!("{e:?}");
        let id = self.protocol.acquire_packet_id().map_err(wrong)?;
        let options = || SubOpts::new().set_qos(Qos::AtMostOnce);
        let entries = to.iter().map(|topic| SubEntry::new(topic.as_str(), options()).map_err(wrong));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let subscribe = Subscribe::builder().packet_id(id).entries(entries).build().map_err(wrong)?;
        let steps = self.protocol.send(subscribe.into());
        self.perform(steps)
    }

    fn publish(&mut self, topic: &str, payload: &str, retain: bool) -> Result<(), String> {
        self.publish_packet(topic, payload, retain).map(|_| ())
    }

    fn publish_event(&mut self, topic: &str, payload: &str, sequence: Position) -> Result<(), String> {
        let id = self.publish_packet(topic, payload, false)?;
        self.waiting.insert(id, (sequence, Instant::now()));
        Ok(())
    }

    fn publish_packet(&mut self, topic: &str, payload: &str, retain: bool) -> Result<u16, String> {
        let wrong = |e| format!("{e:?}");
        let id = self.protocol.acquire_packet_id().map_err(wrong)?;
        let publish = Publish::builder()
            .topic_name(topic)
            .map_err(wrong)?
            .qos(Qos::AtLeastOnce)
            .retain(retain)
            .packet_id(id)
            .payload(payload.as_bytes().to_vec())
            .build()
            .map_err(wrong)?;
        let steps = self.protocol.send(publish.into());
        self.perform(steps).map(|()| id)
    }

    fn disconnect(&mut self) -> Result<(), String> {
        let packet = mqtt::packet::v3_1_1::Disconnect::builder().build().map_err(|e| format!("{e:?}"))?;
        let steps = self.protocol.send(packet.into());
        self.perform(steps)
    }
}

/// What a broker sends, for the fuzzer: pieces of so many bytes.
struct Replay<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Replay<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.piece.min(self.left.len()).min(buffer.len());
        let (now, left) = self.left.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.left = left;
        Ok(length)
    }
}

impl Write for Replay<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads any bytes as those of a broker: the target of the fuzzer. What they mean does not depend on how they are split.
pub fn fuzz(bytes: &[u8]) {
    let read = |piece| {
        let connect = Connect::builder().client_id("a").and_then(|builder| builder.build()).ok()?;
        let mut session =
            Session::open(Box::new(Replay { left: bytes, piece }), Topics { device: "a".into() }, connect).ok()?;
        let why = loop {
            if let Err(why) = session.turn() {
                break why;
            }
        };
        Some((session.accepted, session.commands.clone(), why))
    };
    let whole = read(usize::MAX);
    assert!(whole.is_some());
    assert_eq!(whole, read(1));
}

const TIMERS: [TimerKind; 3] = [TimerKind::PingreqSend, TimerKind::PingreqRecv, TimerKind::PingrespRecv];

/// The place of a timer.
fn timer(kind: TimerKind) -> usize {
    TIMERS.iter().position(|other| *other == kind).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_a_broker_sends_is_read_whatever_it_is(
            any in proptest::collection::vec(any::<u8>(), 0..100),
            like in proptest::collection::vec(
                prop_oneof![
                    Just(vec![0x20, 2, 0, 0]),
                    Just(vec![0xD0, 0]),
                    Just(vec![0x40, 2, 0, 1]),
                    Just(vec![0x30, 9, 0, 3, b'a', b'/', b'b', b'O', b'P', b'E', b'N']),
                    proptest::collection::vec(any::<u8>(), 1..8),
                ],
                0..8,
            ),
        ) {
            fuzz(&any);
            fuzz(&like.concat());
            fuzz(&[&[0x20, 2, 0, 0], &any[..]].concat());
        }
    }
}
