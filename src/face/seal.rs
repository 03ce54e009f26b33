//! Seals templates, and records of people, for storage (AES-256-GCM): what is stolen can't be used, and what was changed is detected.
//!
//! What is sealed has 44 bytes more than what is plain. `docs/ref/template.md` gives the layout. Keys come from a file; this module
//! does not decide where they are kept or when they are changed.

use std::fmt;
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::ops::{Content, FileError, SecretBytes, hex, settings};

/// First bytes of every sealed template.
const MAGIC: [u8; 4] = *b"FPSL";
/// First bytes of every sealed record. They are part of what the seal covers: one can't be opened as the other.
const RECORD_MAGIC: [u8; 4] = *b"FPSR";
/// Version of the layout.
const VERSION: u8 = 1;
/// The byte after the version of what is bound to a person.
const BOUND: u8 = 1;
/// Magic, version, whether it is bound, two zeros and the key's id.
const HEAD: usize = 8 + ID;
const ID: usize = 8;

/// The keys of the settings.
#[derive(Default)]
pub struct Sealer {
    keys: Vec<Key>,
    /// Whether templates that are not sealed are accepted, though there are keys.
    unsealed: bool,
}

struct Key {
    id: [u8; ID],
    cipher: LessSafeKey,
}

/// Why a template can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There are keys, and it has no seal.
    Unsealed,
    /// It is sealed with a key that is not in the file.
    UnknownKey,
    /// It is bound to a person, and the request names none.
    Bound,
    /// It is bound to no person, and the request names one.
    Unbound,
    /// It was damaged or changed, or is bound to another person.
    Broken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsealed => "it is not sealed; this service accepts only sealed templates",
            Self::UnknownKey => "it is sealed with a key that this service does not have",
            Self::Bound => "it is bound to a person; name that person by X-Subject",
            Self::Unbound => "it is bound to no person, and the request names one by X-Subject",
            Self::Broken => {
                "its seal is broken: it was damaged or changed, or is bound to another person than X-Subject names"
            }
        })
    }
}

/// A new key in the format of the file.
pub fn new_key() -> Zeroizing<String> {
    Zeroizing::new(format!("{:032x}{:032x}", crate::ops::random(), crate::ops::random()))
}

impl Sealer {
    /// Reads the keys that the settings name; without any, nothing is sealed.
    pub fn load(settings: &settings::Templates) -> Result<Self, FileError> {
        let Some(path) = &settings.keys else { return Ok(Self::default()) };
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| FileError::unreadable(path, e))?);
        warn_if_public(path);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(Key::parse).collect::<Option<Vec<_>>>();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self { keys, unsealed: settings.unsealed }),
            _ => {
                let what = "every line has to be a key of 64 hexadecimal digits, and there has to be one";
                Err(FileError::invalid(path, what))
            }
        }
    }

    /// Whether templates are returned unsealed.
    pub fn is_plain(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether this template is sealed. Without keys none is.
    pub fn is_sealed(&self, bytes: &[u8]) -> bool {
        !self.keys.is_empty() && bytes.starts_with(&MAGIC)
    }

    /// Whether this is a sealed template that says to be bound to a person.
    pub fn is_bound(&self, bytes: &[u8]) -> bool {
        self.is_sealed(bytes) && bytes.get(5) == Some(&BOUND)
    }

    /// Whether what is not sealed is accepted: there are no keys, or the settings say so.
    pub fn accepts_plain(&self) -> bool {
        self.keys.is_empty() || self.unsealed
    }

    /// Seals a template to be returned, bound to the person that `subject` names, if it does.
    pub fn seal(&self, template: SecretBytes, subject: Option<&str>) -> SecretBytes {
        match self.keys.first() {
            Some(key) => key.seal(&MAGIC, &template, subject),
            None => template,
        }
    }

    /// Seals a record, bound to its name; none if there are no keys.
    pub fn seal_record(&self, record: &[u8], name: &str) -> Option<SecretBytes> {
        self.keys.first().map(|key| key.seal(&RECORD_MAGIC, record, Some(name)))
    }

    /// Whether these bytes begin as a sealed record does.
    pub fn is_sealed_record(bytes: &[u8]) -> bool {
        bytes.starts_with(&RECORD_MAGIC)
    }

    /// Opens a sealed record of that name.
    pub fn open_record(&self, bytes: &[u8], name: &str) -> Result<SecretBytes, Error> {
        if !Self::is_sealed_record(bytes) {
            return Err(Error::Unsealed);
        }
        self.opened(bytes, Some(name))
    }

    /// Opens a template from a client, which is bound to the person that `subject` names, if it does.
    pub fn open<'a>(&self, bytes: &'a [u8], subject: Option<&str>) -> Result<Content<'a>, Error> {
        if !self.is_sealed(bytes) {
            return if self.keys.is_empty() || self.unsealed || bytes.is_empty() {
                Ok(Content::Sent(bytes))
            } else {
                Err(Error::Unsealed)
            };
        }
        self.opened(bytes, subject).map(Content::from)
    }

    fn opened(&self, bytes: &[u8], subject: Option<&str>) -> Result<SecretBytes, Error> {
        let (head, rest) = bytes.split_at_checked(HEAD).ok_or(Error::Broken)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(Error::Broken)?;
        match (&head[4..8], subject) {
            (&[VERSION, 0, 0, 0], None) | (&[VERSION, BOUND, 0, 0], Some(_)) => {}
            (&[VERSION, 0, 0, 0], Some(_)) => return Err(Error::Unbound),
            (&[VERSION, BOUND, 0, 0], None) => return Err(Error::Bound),
            _ => return Err(Error::Broken),
        }
        let key = self.keys.iter().find(|key| key.id == head[8..]).ok_or(Error::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Broken)?;
        let mut plain = SecretBytes::from(sealed);
        let length = key
            .cipher
            .open_in_place(nonce, Aad::from(associated(head, subject)), &mut plain)
            .map_err(|_| Error::Broken)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// The associated data: the front of the seal, and the person it is bound to.
fn associated(head: &[u8], subject: Option<&str>) -> Vec<u8> {
    [head, subject.unwrap_or_default().as_bytes()].concat()
}

impl Key {
    fn parse(line: &str) -> Option<Self> {
        let bytes = Zeroizing::new(hex::bytes(line)?);
        let named = Zeroizing::new([&b"faceplate template key"[..], &*bytes].concat());
        let hash = digest(&SHA256, &named);
        let id = std::array::from_fn(|i| hash.as_ref()[i]);
        Some(Self { id, cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*bytes).ok()?) })
    }

    fn seal(&self, magic: &[u8], plain: &[u8], subject: Option<&str>) -> SecretBytes {
        let bound = if subject.is_some() { BOUND } else { 0 };
        let mut sealed = SecretBytes::with_capacity(HEAD + NONCE_LEN + plain.len() + MAX_TAG_LEN);
        sealed.push(magic);
        sealed.push(&[VERSION, bound, 0, 0]);
        sealed.push(&self.id);
        let nonce: [u8; NONCE_LEN] = std::array::from_fn({
            let random = crate::ops::random().to_le_bytes();
            move |i| random[i]
        });
        let aad = Aad::from(associated(&sealed, subject));
        sealed.push(&nonce);
        sealed.push(plain);
        let text = &mut sealed[HEAD + NONCE_LEN..];
        let tag = self.cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, text);
        sealed.push(tag.expect("what is sealed is shorter than the 64 GiB that the cipher takes").as_ref());
        sealed
    }
}

fn warn_if_public(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o004 != 0) {
        log::warn!("{}: every user of this machine can read the keys", path.display());
    }
}

/// Opens any bytes as a template of a service with keys.
pub fn fuzz(bytes: &[u8]) {
    let key = Key::parse(&"07".repeat(32)).expect("64 hexadecimal digits are a key");
    let seals = Sealer { keys: vec![key], unsealed: false };
    for subject in [None, Some("a")] {
        assert!(!seals.open(bytes, subject).is_ok_and(|plain| !plain.is_empty()), "nobody guesses a seal");
        assert_eq!(seals.open(&seals.seal(bytes.into(), subject), subject).as_deref(), Ok(bytes));
    }
    assert!(seals.open_record(bytes, "a").is_err());
    let sealed = seals.seal_record(bytes, "a").expect("there is a key");
    assert_eq!(seals.open_record(&sealed, "a").as_deref(), Ok(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::FileErrorKind;

    fn seals(keys: &[&str], unsealed: bool) -> Sealer {
        Sealer { keys: keys.iter().map(|digits| Key::parse(&digits.repeat(32)).unwrap()).collect(), unsealed }
    }

    #[test]
    fn what_is_sealed_is_opened_with_the_same_key_alone() {
        let (old, both, other) = (seals(&["01"], false), seals(&["02", "01"], false), seals(&["03"], true));
        let sealed = old.seal((&b"template"[..]).into(), None);
        assert_eq!((sealed.len(), &sealed[..5]), (8 + 44, &b"FPSL\x01"[..]));
        assert_ne!(sealed, old.seal((&b"template"[..]).into(), None));
        assert_eq!(both.open(&sealed, None).as_deref(), Ok(&b"template"[..]));
        assert_eq!(other.open(&sealed, None), Err(Error::UnknownKey));
        assert_eq!(Sealer::default().open(&sealed, None).as_deref(), Ok(&*sealed));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(old.open(&changed, None).is_err(), "byte {at}");
            assert!(old.open(&sealed[..at], None).is_err() || at == 0, "{at} bytes");
        }
    }

    #[test]
    fn what_is_bound_to_one_person_is_no_other_s() {
        let seals = seals(&["01"], false);
        let (bound, free) =
            (seals.seal((&b"template"[..]).into(), Some("Ann")), seals.seal((&b"template"[..]).into(), None));
        assert_eq!(bound.len(), free.len());
        assert_eq!(seals.open(&bound, Some("Ann")).as_deref(), Ok(&b"template"[..]));
        for (sealed, subject, error) in [
            (&bound, None, Error::Bound),
            (&bound, Some("Bob"), Error::Broken),
            (&bound, Some(""), Error::Broken),
            (&free, Some("Ann"), Error::Unbound),
        ] {
            assert_eq!(seals.open(sealed, subject), Err(error), "{subject:?}");
        }
        let mut forged = bound;
        forged[5] = 0;
        assert_eq!(seals.open(&forged, None), Err(Error::Broken));
    }

    #[test]
    fn a_record_is_no_template_and_no_other_person_s_record() {
        let seals = seals(&["01"], false);
        let (record, template) = (seals.seal_record(PLAIN, "Ann").unwrap(), seals.seal(PLAIN.into(), Some("Ann")));
        assert_eq!(seals.open_record(&record, "Ann").as_deref(), Ok(PLAIN));
        assert_eq!(seals.open_record(&record, "Bob"), Err(Error::Broken));
        assert_eq!(seals.open_record(&template, "Ann"), Err(Error::Unsealed));
        assert_eq!(seals.open(&record, Some("Ann")), Err(Error::Unsealed));
        let renamed = |magic: [u8; 4], sealed: &[u8]| [&magic[..], &sealed[4..]].concat();
        assert_eq!(seals.open(&renamed(MAGIC, &record), Some("Ann")), Err(Error::Broken));
        assert_eq!(seals.open_record(&renamed(RECORD_MAGIC, &template), "Ann"), Err(Error::Broken));
        assert_eq!(Sealer::default().seal_record(PLAIN, "Ann"), None);
    }

    const PLAIN: &[u8] = b"template";

    /// What opening says where one bit is another.
    fn flipped(seals: &Sealer, sealed: &[u8], at: usize, bit: u8, subject: Option<&str>) -> Option<Error> {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1 << bit;
        seals.open(&changed, subject).err()
    }

    #[test]
    fn each_changed_bit_gives_the_error_of_the_field_that_it_changes() {
        let seals = seals(&["01"], false);
        for subject in [None, Some("Ann")] {
            let sealed = seals.seal(PLAIN.into(), subject);
            for (at, bit) in (0..sealed.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let want = match (at, bit, subject) {
                    (0..=3, ..) => Error::Unsealed,
                    (5, 0, None) => Error::Bound,
                    (5, 0, Some(_)) => Error::Unbound,
                    (8..=15, ..) => Error::UnknownKey,
                    _ => Error::Broken,
                };
                assert_eq!(flipped(&seals, &sealed, at, bit, subject), Some(want), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_truncated_or_extended_seal_is_broken() {
        let seals = seals(&["01"], false);
        let sealed = seals.seal(PLAIN.into(), None);
        let longer = [&sealed[..], &[0]].concat();
        let told = |length: usize| seals.open(&longer[..length], None).err();
        assert_eq!(told(0), None, "nothing is told to be no template, not to be no seal");
        assert!((1..4).all(|length| told(length) == Some(Error::Unsealed)));
        assert!((4..sealed.len()).all(|length| told(length) == Some(Error::Broken)));
        assert_eq!([sealed.len(), longer.len()].map(told), [None, Some(Error::Broken)]);
    }

    #[test]
    fn a_seal_of_another_version_or_with_unknown_flags_is_broken_though_its_tag_is_right() {
        let seals = seals(&["01"], false);
        let Key { id, cipher } = &seals.keys[0];
        let sealed = |fields: [u8; 4]| {
            let head = [&MAGIC[..], &fields, id].concat();
            let mut text = PLAIN.to_vec();
            let nonce = Nonce::assume_unique_for_key([9; NONCE_LEN]);
            cipher.seal_in_place_append_tag(nonce, Aad::from(&head), &mut text).unwrap();
            [head, vec![9; NONCE_LEN], text].concat()
        };
        assert_eq!(seals.open(&sealed([1, 0, 0, 0]), None).as_deref(), Ok(PLAIN));
        for fields in [[0, 0, 0, 0], [2, 0, 0, 0], [255, 0, 0, 0], [1, 2, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]] {
            assert_eq!(seals.open(&sealed(fields), None), Err(Error::Broken), "{fields:?}");
        }
    }

    #[test]
    fn a_key_id_is_the_beginning_of_a_labeled_hash() {
        // SHA-256 of "faceplate template key" and 32 times the byte 1, by another program.
        let sealed = seals(&["01"], false).seal(PLAIN.into(), None);
        assert_eq!(hex::digits(&sealed[8..16]), "5ea2480398443b82");
    }

    #[test]
    fn the_first_key_seals_and_a_key_that_is_gone_opens_nothing() {
        let (both, first, second) = (seals(&["02", "01"], false), seals(&["02"], false), seals(&["01"], false));
        let sealed = both.seal(PLAIN.into(), None);
        assert_eq!(first.open(&sealed, None).as_deref(), Ok(PLAIN));
        assert_eq!(second.open(&sealed, None), Err(Error::UnknownKey));
    }

    #[test]
    fn a_seal_can_t_be_given_the_id_of_another_key() {
        // Two names of one key: all that differs is the associated data.
        let mut named = seals(&["01", "01"], false);
        named.keys[1].id = [7; ID];
        let mut sealed = named.seal(PLAIN.into(), None);
        sealed[8..16].copy_from_slice(&[7; ID]);
        assert_eq!(named.open(&sealed, None), Err(Error::Broken));
    }

    #[test]
    fn a_seal_can_be_neither_bound_to_a_person_nor_released_afterwards() {
        let seals = seals(&["01"], false);
        // Not even to a person whose name adds nothing to the associated data.
        let [mut free, mut bound] = [None, Some("")].map(|subject| seals.seal(PLAIN.into(), subject));
        (free[5], bound[5]) = (BOUND, 0);
        assert_eq!(seals.open(&free, Some("")), Err(Error::Broken));
        assert_eq!(seals.open(&bound, None), Err(Error::Broken));
    }

    #[test]
    fn a_person_is_named_to_the_letter() {
        let seals = seals(&["01"], false);
        let bound = seals.seal(PLAIN.into(), Some("Ann"));
        for other in ["ann", "An", "Annn", "Ann ", " Ann", "Ann\0", "nnA"] {
            assert_eq!(seals.open(&bound, Some(other)), Err(Error::Broken), "{other:?}");
        }
    }

    #[test]
    fn what_is_not_sealed_is_taken_where_the_settings_say_so() {
        assert_eq!(seals(&["01"], false).open(b"FPLT...", None), Err(Error::Unsealed));
        for seals in [Sealer::default(), seals(&["01"], true)] {
            assert_eq!(seals.open(b"FPLT...", None).as_deref(), Ok(&b"FPLT..."[..]));
        }
    }

    #[test]
    fn a_file_with_anything_but_keys_is_refused() {
        let path = std::env::temp_dir().join(format!("faceplate-keys-{:x}", crate::ops::random()));
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Sealer::load(&settings::Templates { keys: Some(path.clone()), unsealed: false })
        };
        let key = new_key();
        assert_eq!(load(&format!("# of 2026\n{}\n\n{}\n", *key, "0A".repeat(32))).unwrap().keys.len(), 2);
        for text in ["", "# none\n", "12\n", &format!("{}\nx\n", *key), &"+1".repeat(32)] {
            assert!(load(text).is_err_and(|error| error.kind() == FileErrorKind::Invalid), "{text}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
