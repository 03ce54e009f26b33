//! Encodes a person as the record that is stored, copied to other doors and exported.
//!
//! With keys it is sealed and bound to the person's id, so that no record can be moved to another person. Without, a checksum over id and
//! content finds damage, though not whoever forges one. The content is JSON, which later versions can add to.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::person::{Person, PersonId, Profile};
use crate::face::{SealError, Sealer};
use crate::ops::SecretBytes;

/// First bytes of a record that is not sealed.
const MAGIC: [u8; 4] = *b"FPPR";
/// Version of the content.
const VERSION: u8 = 1;
/// Magic, version, three zeros, checksum.
const HEAD: usize = 12;

/// Why bytes are no record of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Its seal can't be opened.
    Seal(SealError),
    /// The service has keys, and it is not sealed.
    Plain,
    /// Written by a later version of the service.
    Version(u8),
    /// Damaged, of another person, or no record at all.
    Damaged,
    /// Its content is no person.
    Content(String),
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seal(SealError::UnknownKey) => f.write_str("it is sealed with a key that this service does not have"),
            Self::Seal(_) => f.write_str("its seal is broken: it was damaged or changed, or belongs to another person"),
            Self::Plain => {
                f.write_str("it is not sealed, and this service has keys; templates.unsealed = true accepts it")
            }
            Self::Version(version) => write!(f, "it is of version {version}, and this service reads version {VERSION}"),
            Self::Damaged => f.write_str("it was damaged, or belongs to another person"),
            Self::Content(what) => write!(f, "its content is no person: {what}"),
        }
    }
}

impl std::error::Error for RecordError {}

#[derive(Serialize, Deserialize)]
struct Content<'a> {
    profile: std::borrow::Cow<'a, Profile>,
    /// The templates' bytes in base64.
    data: Vec<String>,
}

/// The record of a person.
pub(super) fn encode(person: &Person, sealer: &Sealer) -> SecretBytes {
    let data = person.templates.iter().map(|bytes| BASE64_STANDARD.encode(&**bytes)).collect();
    let content = Content { profile: std::borrow::Cow::Borrowed(&person.profile), data };
    let mut plain = SecretBytes::from(vec![VERSION]);
    plain.push(&SecretBytes::from(serde_json::to_vec(&content).expect("a person is plain JSON")));
    let id = person.profile.id.as_str();
    sealer.seal_record(&plain, id).unwrap_or_else(|| {
        let mut record = SecretBytes::with_capacity(HEAD + plain.len());
        record.push(&MAGIC);
        record.push(&[0; 4]);
        record.push(&checksum(id, &plain).to_le_bytes());
        record.push(&plain);
        record
    })
}

/// The person in a record that is stored under this id.
pub(super) fn decode(bytes: &[u8], id: &PersonId, sealer: &Sealer) -> Result<Person, RecordError> {
    let plain = match bytes.split_at_checked(HEAD) {
        _ if Sealer::is_sealed_record(bytes) => sealer.open_record(bytes, id.as_str()).map_err(RecordError::Seal)?,
        Some((head, content)) if head[..8] == [&MAGIC[..], &[0; 4]].concat() => {
            if checksum(id.as_str(), content).to_le_bytes() != head[8..] {
                return Err(RecordError::Damaged);
            }
            if !sealer.accepts_plain() {
                return Err(RecordError::Plain);
            }
            content.into()
        }
        _ => return Err(RecordError::Damaged),
    };
    let content = match plain.split_first() {
        Some((&VERSION, content)) => content,
        Some((version, _)) => return Err(RecordError::Version(*version)),
        None => return Err(RecordError::Damaged),
    };
    let wrong = |what: String| RecordError::Content(what);
    let Content { profile, data } =
        serde_json::from_slice::<Content<'_>>(content).map_err(|e| wrong(format!("{:?}", e.classify())))?;
    let profile = profile.into_owned();
    if profile.id != *id {
        return Err(RecordError::Damaged);
    }
    profile.check().map_err(wrong)?;
    let bytes = |text: &String| BASE64_STANDARD.decode(text).map(SecretBytes::from);
    let templates = data.iter().map(bytes).collect::<Result<Vec<_>, _>>().map_err(|_| wrong("base64".into()))?;
    if templates.len() != profile.templates.len() {
        return Err(wrong("templates are missing".into()));
    }
    Ok(Person { profile, templates })
}

/// Covers the id as well: a record that was moved to another person is damaged.
fn checksum(id: &str, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.as_bytes());
    hasher.update(&[0]);
    hasher.update(content);
    hasher.finalize()
}

/// Reads any bytes as the record of a person.
pub fn fuzz(bytes: &[u8]) {
    let (id, sealer) = (PersonId::new("a").expect("it is short and plain"), Sealer::default());
    if let Ok(person) = decode(bytes, &id, &sealer) {
        assert_eq!(decode(&encode(&person, &sealer), &id, &sealer).as_ref(), Ok(&person));
    }
    // The content, behind a head that is right.
    let mut record = [&MAGIC[..], &[0; 4], &[0; 4], bytes].concat();
    let sum = checksum("a", bytes).to_le_bytes();
    record[8..HEAD].copy_from_slice(&sum);
    if let Ok(person) = decode(&record, &id, &sealer) {
        assert!(person.profile.id == id && person.templates.len() == person.profile.templates.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::people::person::{Draft, Source, TemplateInfo};

    fn person() -> Person {
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let draft = Draft { id: PersonId::new("ann"), name: "Ann \"<b>\" Ö".into(), ..Draft::default() };
        let mut person = draft.enrolled(now);
        let info = TemplateInfo {
            number: 1,
            model: 1,
            samples: 1,
            quality: 80,
            created: now,
            source: Source::Camera,
            liveness: Some("challenge".into()),
        };
        person.profile.templates.push(info);
        person.templates.push((&b"FPLT..."[..]).into());
        person
    }

    fn sealer(digits: &str, unsealed: bool) -> Sealer {
        let path = std::env::temp_dir().join(format!("faceplate-record-{:x}", crate::ops::random()));
        std::fs::write(&path, digits.repeat(32)).unwrap();
        let settings = crate::ops::settings::Templates { keys: Some(path.clone()), unsealed };
        let sealer = Sealer::load(&settings).unwrap();
        std::fs::remove_file(path).unwrap();
        sealer
    }

    #[test]
    fn a_record_is_read_under_its_own_id_alone() {
        let (person, other) = (person(), PersonId::new("bob").unwrap());
        for sealer in [Sealer::default(), sealer("01", false)] {
            let record = encode(&person, &sealer);
            assert_eq!(decode(&record, &person.profile.id, &sealer).as_ref(), Ok(&person));
            assert!(decode(&record, &other, &sealer).is_err());
        }
    }

    #[test]
    fn records_of_other_keys_or_without_a_seal_are_refused() {
        let (person, ours, theirs) = (person(), sealer("01", false), sealer("02", false));
        let id = &person.profile.id;
        let unknown = Err(RecordError::Seal(SealError::UnknownKey));
        assert_eq!(decode(&encode(&person, &theirs), id, &ours), unknown);
        let plain = encode(&person, &Sealer::default());
        assert_eq!(decode(&plain, id, &ours), Err(RecordError::Plain));
        assert_eq!(decode(&plain, id, &sealer("01", true)).as_ref(), Ok(&person));
        assert!(decode(&encode(&person, &ours), id, &Sealer::default()).is_err());
    }

    #[test]
    fn every_changed_bit_of_a_record_is_found() {
        let person = person();
        for sealer in [Sealer::default(), sealer("01", false)] {
            let record = encode(&person, &sealer);
            for at in 0..record.len() {
                let mut changed = record.clone();
                changed[at] ^= 1 << (at % 8);
                assert!(decode(&changed, &person.profile.id, &sealer).is_err(), "byte {at}");
                assert!(decode(&record[..at], &person.profile.id, &sealer).is_err(), "{at} bytes");
            }
        }
    }

    #[test]
    fn contents_that_contradict_themselves_are_refused() {
        let good = person();
        let told = |change: fn(&mut Person)| {
            let mut person = good.clone();
            change(&mut person);
            decode(&encode(&person, &Sealer::default()), &good.profile.id, &Sealer::default()).unwrap_err().to_string()
        };
        assert!(told(|p| p.profile.name = "a\u{7}".into()).contains("control"));
        assert!(told(|p| p.templates.clear()).contains("missing"));
        assert!(told(|p| p.profile.id = PersonId::new("bob").unwrap()).contains("another person"));
        let twice = |p: &mut Person| {
            p.profile.templates.push(p.profile.templates[0].clone());
            p.templates.push(p.templates[0].clone());
        };
        assert!(told(twice).contains("one number"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, json in "\\{(\"profile\":|\"data\":|\\[|\\]|,|\\{|\\}|1|\"a\"){0,9}") {
            fuzz(&bytes);
            fuzz(&[&[VERSION], json.as_bytes()].concat());
        }
    }
}
