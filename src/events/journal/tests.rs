//! Tests the journal with real files.

use super::*;

struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("faceplate-journal-{}", crate::ops::random()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn journal(&self, most: u64) -> Journal {
        let settings =
            settings::Events { store: Some(self.0.join("events.redb")), most, ..settings::Events::default() };
        Journal::open(&settings, "door", &Arc::default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn numbers(journal: &Journal, after: u64, most: usize) -> Vec<u64> {
    journal.after(after, most).unwrap().0.iter().map(|event| event.sequence).collect()
}

#[test]
fn numbers_go_on_after_a_restart_and_pages_cross_from_the_file_to_memory() {
    let folder = Folder::new();
    let first = folder.journal(1000);
    let id = first.envelope().journal;
    for _ in 0..5 {
        first.append(Kind::DoorOpened, Details::default(), at(1));
    }
    assert_eq!((numbers(&first, 0, 3), numbers(&first, 3, 9)), (vec![1, 2, 3], vec![4, 5]));
    drop(first); // as a kill would
    let again = folder.journal(1000);
    assert_eq!((again.envelope().journal, again.last()), (id, 5));
    again.append_all(vec![(Kind::DoorClosed, Details::default()), (Kind::DoorExit, Details::default())], at(2));
    assert_eq!((numbers(&again, 0, 6), numbers(&again, 4, 9)), ((1..=6).collect(), vec![5, 6, 7]));
    assert_eq!(again.after(7, 5).unwrap(), (vec![], 7));
    let (events, _) = again.after(6, 1).unwrap();
    assert_eq!((events[0].kind, events[0].time), (Kind::DoorExit, at(2)));
    // A receiver that is new begins with this start, another one where it was.
    assert_eq!(again.position("new"), Ok(5));
    again.keep_position("old", 3);
    assert_eq!(folder_position(&folder, again, "old"), 3);
}

fn folder_position(folder: &Folder, open: Journal, receiver: &str) -> u64 {
    drop(open);
    folder.journal(1000).position(receiver).unwrap()
}

#[test]
fn what_happened_before_the_file_could_be_opened_gets_its_number_then() {
    let folder = Folder::new();
    let first = folder.journal(1000);
    (0..3).for_each(|_| _ = first.append(Kind::DoorOpened, Details::default(), at(1)));
    // The file is in use, as it would be on a medium that is not there yet.
    let second = folder.journal(1000);
    assert!(!second.lock().is_ready && second.after(0, 9).is_err());
    second.append(Kind::DoorClosed, Details::default(), at(2));
    assert!(second.append_first(Kind::AccessGranted, Details::default(), at(2)).is_err());
    drop(first);
    second.lock().trouble = None;
    second.append(Kind::DoorExit, Details::default(), at(3));
    let kinds: Vec<Kind> = second.after(0, 9).unwrap().0.iter().map(|event| event.kind).collect();
    let opened = Kind::DoorOpened;
    assert_eq!(kinds, [opened, opened, opened, Kind::DoorClosed, Kind::DoorExit]);
    assert_eq!(numbers(&second, 0, 9), [1, 2, 3, 4, 5]);
}

#[test]
fn the_oldest_are_removed_beyond_the_most_and_beyond_their_age() {
    let folder = Folder::new();
    let journal = folder.journal(1000);
    for batch in 0..13 {
        let hundred = vec![(Kind::DoorOpened, Details::default()); 100];
        journal.lock().is_synchronized = true;
        journal.append_all(hundred, at(batch * 1_000_000));
    }
    drop(journal);
    let again = folder.journal(1000);
    assert_eq!(numbers(&again, 0, 1), [301]);
    let than = at(8_500_000).as_millisecond();
    while again.lock().file.as_ref().unwrap().remove_older(than).unwrap() {}
    assert_eq!((numbers(&again, 0, 1), again.last()), (vec![901], 1300));
}

#[test]
fn events_of_a_clock_that_could_not_be_believed_go_with_the_first_after_them() {
    let folder = Folder::new();
    let journal = folder.journal(1000);
    for (is_synchronized, second) in [(false, 5), (false, 9), (true, 1_000), (false, 3), (true, 2_000)] {
        journal.lock().is_synchronized = is_synchronized;
        journal.append(Kind::DoorOpened, Details::default(), at(second));
    }
    drop(journal);
    let again = folder.journal(1000);
    let removed = |than: i64| {
        let than = at(than).as_millisecond();
        while again.lock().file.as_ref().unwrap().remove_older(than).unwrap() {}
        numbers(&again, 0, 9)
    };
    assert_eq!(removed(1_000), [1, 2, 3, 4, 5]);
    assert_eq!(removed(1_001), [5], "the fourth is as old as the third");
}

#[test]
fn sealed_events_are_opened_with_their_key_alone() {
    let folder = Folder::new();
    let keys = folder.0.join("keys");
    std::fs::write(&keys, format!("{}\n", "01".repeat(32))).unwrap();
    let templates = settings::Templates { keys: Some(keys), unsealed: false };
    let sealer = Arc::new(Sealer::load(&templates).unwrap());
    let settings = settings::Events {
        store: Some(folder.0.join("events.redb")),
        pictures: Pictures::All,
        ..settings::Events::default()
    };
    let journal = Journal::open(&settings, "door", &sealer);
    let person = PersonId::new("somebody").unwrap();
    let number = journal.append(Kind::AccessGranted, Details::of(&person), at(1));
    let other = journal.append(Kind::AccessUnknown, Details::default(), at(1));
    journal.keep_picture(number, b"a JPEG of somebody", at(1));
    journal.keep_picture(other, b"a JPEG of a stranger", at(1));
    assert_eq!(journal.picture(number).unwrap().as_deref(), Some(&b"a JPEG of somebody"[..]));
    journal.append(Kind::PersonDeleted, Details::of(&person), at(2));
    assert_eq!(journal.picture(number).unwrap(), None, "it goes with the person");
    assert!(journal.picture(other).unwrap().is_some());
    drop(journal);
    let bytes = std::fs::read(folder.0.join("events.redb")).unwrap();
    assert!(!bytes.windows(8).any(|eight| eight == b"somebody"));
    let again = Journal::open(&settings, "door", &sealer);
    assert_eq!(again.after(0, 9).unwrap().0[0].details.person.as_ref().unwrap().as_str(), "somebody");
    drop(again);
    let without = Journal::open(&settings, "door", &Arc::default());
    assert!(without.after(0, 9).unwrap().0.is_empty());
}
