//! Breaks files of stores, and looks whether they say so.

use std::collections::BTreeMap;

use super::*;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("faceplate-store-{:x}", crate::ops::random()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("people.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _it_may_be_gone = std::fs::remove_dir_all(&self.0);
    }
}

type Records = BTreeMap<String, Vec<u8>>;

fn open(path: &Path) -> Result<(Store, Records), StoreError> {
    let mut records = Records::new();
    let store = Store::open(path, |name, record| {
        records.insert(name.to_owned(), record.to_vec());
    })?;
    Ok((store, records))
}

fn put(store: &mut Store, records: &mut Records, name: &str, record: Option<&[u8]>) {
    store.change(&[(name, record)], Kind { deletes: record.is_none(), site: Some(vec![7]) }).unwrap();
    match record {
        Some(record) => records.insert(name.to_owned(), record.to_vec()),
        None => records.remove(name),
    };
}

#[test]
fn what_was_changed_is_there_when_the_file_is_opened_again() {
    let folder = Folder::new();
    let (mut store, mut records) = open(&folder.file()).unwrap();
    assert!(records.is_empty());
    for i in 0..200_u32 {
        let name = format!("p{}", i % 37);
        let record = vec![i as u8; (i * 97 % 3000) as usize];
        put(&mut store, &mut records, &name, (i % 5 != 4).then_some(&record));
    }
    assert_eq!((store.state.count, store.state.change), (records.len() as u64, 200));
    assert_eq!(store.get("p1").unwrap().as_deref(), records.get("p1").map(|r| &r[..]));
    assert_eq!(store.get("nobody"), Ok(None));
    assert_eq!(open(&folder.file()).err(), Some(StoreError::InUse));
    drop(store);
    let (store, again) = open(&folder.file()).unwrap();
    assert!(again == records && store.has_remnants() && store.site() == Some(&[7]));
}

#[test]
fn only_its_user_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let _store = open(&folder.file()).unwrap();
    assert_eq!(std::fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn remnants_are_erased_from_the_file() {
    let folder = Folder::new();
    let (mut store, mut records) = open(&folder.file()).unwrap();
    let secret = b"what nobody shall read any more".repeat(9);
    for name in ["a", "b", "c"] {
        put(&mut store, &mut records, name, Some(&secret));
        put(&mut store, &mut records, &format!("{name}2"), Some(b"what stays"));
        put(&mut store, &mut records, name, None);
    }
    let has = |text: &[u8]| std::fs::read(folder.file()).unwrap().windows(text.len()).any(|w| w == text);
    assert!(has(&secret[..31]) && store.has_remnants());
    let secrets_of = |name: &str| {
        std::fs::read(folder.0.join(name)).is_ok_and(|bytes| bytes.windows(31).any(|w| *w == secret[..31]))
    };
    store.erase_remnants().unwrap();
    assert!(secrets_of("people.redb.old"), "until it is overwritten");
    overwrite_old(&folder.file()).unwrap();
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    assert!(!has(&secret[..31]) && has(b"what stays") && !store.has_remnants());
    put(&mut store, &mut records, "d", Some(b"more"));
    drop(store);
    assert_eq!(open(&folder.file()).unwrap().1, records);
}

#[test]
fn an_erasure_that_was_interrupted_is_finished_and_harms_nothing() {
    let folder = Folder::new();
    let (mut store, mut records) = open(&folder.file()).unwrap();
    put(&mut store, &mut records, "a", Some(b"one"));
    drop(store);
    // Before the new file got its name: the old one is the store itself.
    let (old, fresh) = (folder.0.join("people.redb.old"), folder.0.join("people.redb.new"));
    std::fs::hard_link(folder.file(), &old).unwrap();
    std::fs::copy(folder.file(), &fresh).unwrap();
    overwrite_old(&folder.file()).unwrap();
    assert_eq!(open(&folder.file()).unwrap().1, records);
    assert!(!old.exists() && !fresh.exists());
}

#[test]
fn a_link_to_the_store_stays_one() {
    let folder = Folder::new();
    let (mut store, mut records) = open(&folder.file()).unwrap();
    put(&mut store, &mut records, "a", Some(b"one"));
    drop(store);
    let link = folder.0.join("link.redb");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    let (mut store, _) = open(&link).unwrap();
    put(&mut store, &mut records, "a", None);
    store.erase_remnants().unwrap();
    drop(store);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(open(&folder.file()).unwrap().1, records);
}

#[test]
fn a_file_that_is_no_store_is_damaged_and_not_empty() {
    let folder = Folder::new();
    for bytes in [vec![], vec![0; 9000], b"a text".to_vec()] {
        std::fs::write(folder.file(), &bytes).unwrap();
        assert!(matches!(open(&folder.file()), Err(StoreError::Damaged(_))), "{} bytes", bytes.len());
        assert_eq!(std::fs::read(folder.file()).unwrap(), bytes, "it is left as it was");
    }
    assert!(matches!(open(&folder.0), Err(StoreError::Unreadable(_))));
    assert!(matches!(open(&folder.0.join("no/folder")), Err(StoreError::Unwritable(_))));
}

#[test]
fn flipped_and_cut_files_never_give_other_records() {
    let folder = Folder::new();
    let (mut store, mut records) = open(&folder.file()).unwrap();
    for i in 0..60_u32 {
        put(&mut store, &mut records, &format!("p{i}"), Some(&[i as u8; 700]));
    }
    drop(store);
    let good = std::fs::read(folder.file()).unwrap();
    let (mut state, mut found) = (7u32, 0);
    for round in 0..300 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = (state >> 4) as usize % good.len();
        let mut bytes = good.clone();
        match round % 3 {
            0 => bytes[at] ^= 1 << (round % 8),
            1 => bytes.truncate(at),
            _ => bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0),
        }
        std::fs::write(folder.file(), &bytes).unwrap();
        match open(&folder.file()) {
            Ok((_, again)) => assert_eq!(again, records, "round {round}, byte {at}"),
            Err(StoreError::Damaged(_)) => found += 1,
            Err(other) => panic!("round {round}, byte {at}: {other}"),
        }
    }
    assert!(found > 50, "{found}");
}

#[test]
fn records_that_do_not_add_up_are_damage() {
    let folder = Folder::new();
    let (mut store, mut records) = open(&folder.file()).unwrap();
    for name in ["a", "b"] {
        put(&mut store, &mut records, name, Some(b"one"));
    }
    drop(store);
    // As by another program that knows the format of the file: each change is one to a whole, valid database.
    type Records<'a> = redb::Table<'a, &'static str, &'static [u8]>;
    let changes: [fn(&mut Records<'_>); 4] = [
        |t| drop(t.remove("a").unwrap()),
        |t| drop(t.insert("c", &b"one"[..]).unwrap()),
        |t| drop(t.insert("a", &b"two"[..]).unwrap()),
        |t| {
            let moved = t.remove("a").unwrap().unwrap().value().to_vec();
            t.insert("c", &*moved).unwrap();
        },
    ];
    let good = std::fs::read(folder.file()).unwrap();
    for change in changes {
        std::fs::write(folder.file(), &good).unwrap();
        let database = Database::open(folder.file()).unwrap();
        let transaction = database.begin_write().unwrap();
        change(&mut transaction.open_table(RECORDS).unwrap());
        transaction.commit().unwrap();
        drop(database);
        assert!(matches!(open(&folder.file()), Err(StoreError::Damaged(told)) if told.contains("add up")));
    }
}
