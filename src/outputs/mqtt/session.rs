//! A connection to a broker: what the protocol's library says is sent and received over a stream, with time.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::connection::{Event as Step, TimerKind};
use mqtt_protocol_core::mqtt::packet::v3_1_1::{Connect, Publish, Subscribe};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, Qos, SubEntry, SubOpts};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, SubackReturnCode};

use super::super::topics::{Command, Topics};
use super::TIME;

/// Most bytes of a packet from the broker: commands are words.
const MOST_BYTES: u32 = 4096;
/// Time within which acknowledgments come, or the connection counts as dead.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);

/// A stream to the broker.
pub(super) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection that the broker has accepted, or is about to.
pub(super) struct Session<'a> {
    stream: Box<dyn Stream + 'a>,
    topics: Topics,
    protocol: mqtt::Connection<mqtt::role::Client>,
    timers: [Option<Instant>; 3],
    /// Events that are not acknowledged: by packet, when it was sent.
    pub(super) waiting: BTreeMap<u16, Instant>,
    accepted: bool,
    pub(super) commands: Vec<Command>,
}

impl<'a> Session<'a> {
    pub(super) fn open(stream: Box<dyn Stream + 'a>, topics: Topics, connect: Connect) -> Result<Self, String> {
        let options = mqtt::connection::ConnectionOptions::new().maximum_packet_size_recv(MOST_BYTES);
        let mut protocol = mqtt::Connection::with_options(mqtt::Version::V3_1_1, options);
        protocol.set_auto_pub_response(true);
        protocol.set_pingresp_recv_timeout(u64::try_from(TIME.as_millis()).unwrap_or(u64::MAX));
        let steps = protocol.send(connect.into());
        let (timers, waiting, commands) = Default::default();
        let mut session = Self { stream, topics, protocol, timers, waiting, accepted: false, commands };
        session.perform(steps)?;
        Ok(session)
    }

    pub(super) fn wait_until_accepted(&mut self) -> Result<(), String> {
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
    pub(super) fn turn(&mut self) -> Result<(), String> {
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
        if self.waiting.values().any(|sent| sent.elapsed() > ACKNOWLEDGED) {
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
                Step::RequestClose => return Err("the connection has to be closed".into()),
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

    pub(super) fn subscribe(&mut self, to: &[String]) -> Result<(), String> {
        let wrong = |e| format!("{e:?}");
        let id = self.protocol.acquire_packet_id().map_err(wrong)?;
        let options = || SubOpts::new().set_qos(Qos::AtMostOnce);
        let entries = to.iter().map(|topic| SubEntry::new(topic.as_str(), options()).map_err(wrong));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let subscribe = Subscribe::builder().packet_id(id).entries(entries).build().map_err(wrong)?;
        let steps = self.protocol.send(subscribe.into());
        self.perform(steps)
    }

    pub(super) fn publish(&mut self, topic: &str, payload: &str, retain: bool) -> Result<(), String> {
        self.publish_packet(topic, payload, retain).map(|_| ())
    }

    pub(super) fn publish_event(&mut self, topic: &str, payload: &str) -> Result<(), String> {
        let id = self.publish_packet(topic, payload, false)?;
        self.waiting.insert(id, Instant::now());
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

    pub(super) fn disconnect(&mut self) -> Result<(), String> {
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
