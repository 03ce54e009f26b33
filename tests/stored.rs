//! Tests templates as they are stored in databases: after any change to the code they can be read and give the same scores.
//!
//! The bytes were not made by this service, but by `docs/ref/template.md`, with another implementation of CRC-32 and AES-GCM.

use faceplate::face::Sealer;
use faceplate::face::{Template, TemplateError};
use faceplate::ops::settings::Templates;

/// Version 1: of one sample of quality 83.
const SINGLE: &str = "\
    46504c5401530100800000002b5900003e22f0a3ff7fe86308ee2103ae90e5e24edb9bbdac4b56e809ff47e04cb03c2edc68\
    0e350d572138530a320931cddd1dcaf1701159041f939947a34081bad6ec4caf65282abdcf24fbcbb5bea01635e8976c50f7\
    011e2b63a97cc2f34da4172d6acb476a4037a06be3622fa43b2e311bb0cd48d3a0f6610bfcea39233228f01710801482";

/// Version 2: of two samples of qualities 83 and 70, the first of them [`SINGLE`].
const JOINED: &str = "\
    46504c54024c0100800002009a580000381ee6a5007af95b12e01801ae9cd5d549d8a4c5b04c5cdb06fc4ade55ab4434cf5d\
    1e39ff5d1e4654061d1934d6d62ec0fe660e61f81f919e56992c81c4def459a34e1536c4cf28eacfb4c89f193ed59b695ef3\
    f9182e6fad79c5f65a9a252b64e150634725ac6cd55b379c412a3d13b0e247caa3ea60fcffe536244036f106ee4f6212";

/// A file of keys.
const KEYS: &str = "# of a test\n000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/// [`SINGLE`] sealed with that key.
const SEALED: &str = "\
    4650534c01000000b25d30a0667a642aa0a1a2a3a4a5a6a7a8a9aaaba0483079449803bfe26587d32c23c0de4e8ea9b36dc8\
    aa0f94e00785d13b90e39caddc42036905d55663432845cabfd79b73487d6f873b461254395795bd58ad7e4df57e69a1fb73\
    6da55c580e741a5681a4ce8cef7c565e15be8b24118c787c18e87b5c02b0a4f837a7c4a3c82cfa054e9b26c49e023b57ccad\
    f1008f7bc35675dcf8ac73b4e11ccbb3c7a8206261c19859b9e9d4b18de789077f0f20b9e93bf1d463a7";

/// [`JOINED`] sealed with that key, and bound to [`PERSON`].
const BOUND: &str = "\
    4650534c01010000b25d30a0667a642ab0b1b2b3b4b5b6b7b8b9babbdf0516ffee81ba5fc7f895a2570588c2bc22af771554\
    766e4c2e9af0f21e27c34c9387ffd392fa63a3a7ea946912c681e23009fee4665cb6198c7129304df6d1721658ba6b44794b\
    878a3b721fc23cc51f3387a79ebcbaf51f34cc58b440316af8c920a837cf1879f337df2ac840e5ab6957e7f434d66156ad5c\
    c0455f241231f94fe044a0e4f3d29db03b026c29c01d6df226c2f9b22bf09eaa8c35970b392cd31b710b";

/// A person.
const PERSON: &str = "door-17";

fn bytes(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2));
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn parse(bytes: &[u8]) -> Template {
    Template::parse(bytes, 1, 128).unwrap()
}

fn sealer() -> Sealer {
    let path = std::env::temp_dir().join(format!("faceplate-stored-{:032x}", faceplate::ops::random()));
    std::fs::write(&path, KEYS).unwrap();
    let sealer = Sealer::load(&Templates { keys: Some(path.clone()), unsealed: false });
    std::fs::remove_file(path).unwrap();
    sealer.unwrap()
}

#[test]
fn stored_templates_are_read_as_before() {
    let (single, joined) = (parse(&bytes(SINGLE)), parse(&bytes(JOINED)));
    let header = |t: &Template| (t.model(), t.dimension(), t.samples(), t.quality(), t.scale());
    assert_eq!(header(&single), (1, 128, 1, 83, 22827));
    assert_eq!(header(&joined), (1, 128, 2, 76, 22682));
    assert_eq!((&*single.to_bytes(), &*joined.to_bytes()), (&*bytes(SINGLE), &*bytes(JOINED)));
    // An integer product, one square root and one division: the same to the bit on every processor.
    assert_eq!((single.cosine(&joined), joined.similarity(&single)), (0.988493048057211, 0.988493048057211));
    assert_eq!(Template::parse(&bytes(SINGLE), 2, 128), Err(TemplateError::Model(1)));
}

#[test]
fn stored_seals_are_opened_as_before() {
    let (sealer, sealed, bound) = (sealer(), bytes(SEALED), bytes(BOUND));
    assert_eq!((sealed.len(), bound.len()), (192, 192));
    assert_eq!(*sealer.open(&sealed, None).unwrap(), *bytes(SINGLE));
    assert_eq!(*sealer.open(&bound, Some(PERSON)).unwrap(), *bytes(JOINED));
    assert!(sealer.open(&bound, None).is_err() && sealer.open(&bound, Some("door-18")).is_err());
    assert!(sealer.open(&sealed, Some(PERSON)).is_err());
}
