//! What Home Assistant is told of this device, so that its entities appear by themselves (device discovery of its MQTT integration).

use serde_json::{Map, Value, json};

use super::topics::Topics;
use crate::events::Kind;

/// What a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Has {
    /// A door.
    pub(super) door: bool,
    /// A contact at the door.
    pub(super) contact: bool,
    /// Commands are taken.
    pub(super) commands: bool,
}

/// The topic of the message: below the prefix of discovery.
pub(super) fn topic(prefix: &str, topics: &Topics) -> String {
    format!("{prefix}/device/faceplate-{}/config", id(topics))
}

/// The device as an id: letters, digits, '-' and '_'.
fn id(topics: &Topics) -> String {
    topics.device.replace('.', "-")
}

/// The message.
pub(super) fn message(topics: &Topics, has: Has) -> Value {
    let mut components = Map::new();
    let unique = |name: &str| format!("faceplate_{}_{name}", id(topics));
    let mut add = |name: &str, mut component: Value| {
        component["unique_id"] = unique(name).into();
        component["qos"] = 1.into();
        components.insert(name.into(), component);
    };
    let of_kind = |kind: &Kind| kind.word().trim_start_matches("faceplate.");
    add(
        "event",
        json!({
            "platform": "event",
            "name": "Event",
            "state_topic": topics.event(),
            "event_types": Kind::ALL.iter().map(of_kind).collect::<Vec<_>>(),
            "value_template": "{{ {'event_type': value_json.type | replace('faceplate.', ''), 'person': value_json.data.person | default(none), \
                               'reason': value_json.data.reason | default(none), 'sequence': value_json.sequence} | tojson }}",
        }),
    );
    add(
        "last_person",
        json!({
            "platform": "sensor",
            "name": "Last person",
            "state_topic": topics.face_state(),
            "value_template": "{{ value_json.name or value_json.person or value_json.result }}",
            "json_attributes_topic": topics.face_state(),
            "icon": "mdi:account",
            "enabled_by_default": false,
        }),
    );
    if has.door {
        let state = topics.door_state();
        add(
            "problem",
            json!({
                "platform": "binary_sensor",
                "name": "Problem",
                "device_class": "problem",
                "entity_category": "diagnostic",
                "state_topic": state,
                "value_template": "{{ value_json.problem }}",
            }),
        );
        match has.commands {
            true => {
                add(
                    "lock",
                    json!({
                        "platform": "lock",
                        "name": "Lock",
                        "state_topic": state,
                        "value_template": "{{ value_json.lock }}",
                        "command_topic": topics.door_command(),
                        "payload_unlock": "OPEN",
                        "payload_lock": "LOCK",
                        "optimistic": false,
                    }),
                );
                add(
                    "recognition",
                    json!({
                        "platform": "switch",
                        "name": "Recognition",
                        "state_topic": state,
                        "value_template": "{{ value_json.recognition }}",
                        "command_topic": topics.recognition_command(),
                    }),
                );
            }
            false => {
                let sensor = |name: &str, class: &str, template: &str| {
                    json!({
                        "platform": "binary_sensor",
                        "name": name,
                        "device_class": class,
                        "state_topic": state,
                        "value_template": template,
                    })
                };
                let unlocked = "{{ 'ON' if value_json.lock == 'UNLOCKED' else 'OFF' }}";
                add("lock_state", sensor("Lock", "lock", unlocked));
                add("recognition_state", sensor("Recognition", "running", "{{ value_json.recognition }}"));
            }
        }
        if has.contact {
            add(
                "contact",
                json!({
                    "platform": "binary_sensor",
                    "name": "Door",
                    "device_class": "door",
                    "state_topic": state,
                    "value_template": "{{ value_json.contact }}",
                }),
            );
        }
    }
    // A component without more than its platform is removed: those of the other setting of commands.
    let others = match has.commands {
        true => [("lock_state", "binary_sensor"), ("recognition_state", "binary_sensor")],
        false => [("lock", "lock"), ("recognition", "switch")],
    };
    for (name, platform) in others {
        components.insert(name.into(), json!({ "platform": platform }));
    }
    json!({
        "device": {
            "identifiers": [format!("faceplate_{}", id(topics))],
            "name": format!("Faceplate {}", topics.device),
            "manufacturer": "Faceplate",
            "model": "Face terminal",
            "sw_version": env!("CARGO_PKG_VERSION"),
        },
        "origin": { "name": "faceplate", "sw_version": env!("CARGO_PKG_VERSION") },
        "availability": [{ "topic": topics.availability() }],
        "components": components,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_those_that_the_device_has() {
        let topics = Topics { device: "front.door".into() };
        let names = |has| {
            let message = message(&topics, has);
            let all = message["components"].as_object().unwrap().clone();
            all.into_iter().filter(|(_, one)| one.get("unique_id").is_some()).map(|(name, _)| name).collect::<Vec<_>>()
        };
        let none = Has { door: false, contact: false, commands: true };
        assert_eq!(names(none), ["event", "last_person"]);
        let door = Has { door: true, contact: true, commands: false };
        assert_eq!(names(door), ["contact", "event", "last_person", "lock_state", "problem", "recognition_state"]);
        let read_only = message(&topics, door).to_string();
        assert!(!read_only.contains("command_topic"), "{read_only}");
        let commands = message(&topics, Has { commands: true, ..door });
        assert_eq!(commands["components"]["lock"]["platform"], "lock");
        assert_eq!(commands["components"]["lock_state"], json!({"platform": "binary_sensor"}));
        assert_eq!(commands["components"]["last_person"]["enabled_by_default"], false);
        assert_eq!(topic("homeassistant", &topics), "homeassistant/device/faceplate-front-door/config");
    }
}
