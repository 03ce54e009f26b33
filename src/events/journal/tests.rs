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

fn search(place: Place, limit: usize, filter: Filter) -> Search {
    Search { place, limit, filter }
}

fn of_kind(kind: Kind) -> Filter {
    Filter { kinds: Some(vec![kind]), ..Filter::default() }
}

/// Numbers, `first`, `last` and `older`.
fn found(journal: &Journal, place: Place, limit: usize, filter: Filter) -> (Vec<u64>, u64, u64, bool) {
    let Found { events, first, last, older } = journal.search(&search(place, limit, filter)).unwrap();
    (events.iter().map(|event| event.sequence).collect(), first, last, older)
}

/// All pages forward, until nothing comes.
fn forward(journal: &Journal, limit: usize, filter: &Filter) -> Vec<u64> {
    let (mut all, mut after) = (vec![], 0);
    loop {
        let (numbers, _, last, _) = found(journal, Place::After(after), limit, filter.clone());
        assert!(last >= after);
        if numbers.is_empty() && last == journal.last() {
            return all;
        }
        all.extend(numbers);
        after = last;
    }
}

/// All pages back, from the newest on.
fn back(journal: &Journal, limit: usize, filter: &Filter) -> Vec<u64> {
    let (mut all, mut before) = (vec![], u64::MAX);
    loop {
        let (mut numbers, first, _, older) = found(journal, Place::Before(before), limit, filter.clone());
        assert!(first < before);
        numbers.append(&mut all);
        (all, before) = (numbers, first);
        if !older {
            return all;
        }
    }
}

/// Events of which every seventh is wanted: by its kind, its person and its time.
fn add(journal: &Journal, count: u64) {
    let person = PersonId::new("ann").unwrap();
    for number in journal.last() + 1..=journal.last() + count {
        match number % 7 {
            0 => journal.append(Kind::AccessDenied, Details::of(&person), at(number.try_into().unwrap())),
            _ => journal.append(Kind::DoorOpened, Details::default(), at(0)),
        };
    }
}

#[test]
fn pages_in_both_directions_have_each_event_once_in_memory_and_in_the_file() {
    let folder = Folder::new();
    let kept = folder.journal(1000);
    add(&kept, 700);
    drop(kept);
    let kept = folder.journal(1000);
    let recent = Journal::open(&settings::Events::default(), "door", &Arc::default());
    add(&kept, 50);
    add(&recent, 750);
    let person = Filter { person: PersonId::new("ann"), ..Filter::default() };
    let times = Filter { from: Some(at(1)), until: Some(at(701)), ..Filter::default() };
    for journal in [&kept, &recent] {
        let wanted: Vec<u64> = (1..=750).filter(|number| number % 7 == 0).collect();
        for limit in [1, 3, 100, 1000] {
            for filter in [of_kind(Kind::AccessDenied), person.clone()] {
                assert_eq!(
                    (forward(journal, limit, &filter), back(journal, limit, &filter)),
                    (wanted.clone(), wanted.clone())
                );
            }
            let until: Vec<u64> = wanted.iter().copied().filter(|number| *number <= 700).collect();
            assert_eq!((forward(journal, limit, &times), back(journal, limit, &times)), (until.clone(), until));
            assert!(forward(journal, limit, &Filter::default()).into_iter().eq(1..=750));
            assert!(back(journal, limit, &Filter::default()).into_iter().eq(1..=750));
            assert!(back(journal, limit, &of_kind(Kind::DoorForced)).is_empty());
        }
        let all = Filter::default;
        assert_eq!(found(journal, Place::Before(703), 3, all()), (vec![700, 701, 702], 700, 702, true));
        assert_eq!(found(journal, Place::Before(3), 9, all()), (vec![1, 2], 1, 2, false));
        assert_eq!(found(journal, Place::Before(1), 9, all()), (vec![], 1, 0, false));
        assert_eq!(found(journal, Place::Before(0), 9, all()), (vec![], 0, 0, false));
        assert_eq!(found(journal, Place::Before(u64::MAX), 2, all()), (vec![749, 750], 749, 750, true));
        assert_eq!(found(journal, Place::After(0), 2, all()), (vec![1, 2], 1, 2, false));
        assert_eq!(found(journal, Place::After(699), 2, all()), (vec![700, 701], 700, 701, true));
        assert_eq!(found(journal, Place::After(750), 2, all()), (vec![], 751, 750, true));
        assert_eq!(found(journal, Place::After(900), 2, all()), (vec![], 751, 900, true));
        assert_eq!(found(journal, Place::After(0), 9, of_kind(Kind::DoorForced)), (vec![], 1, 750, false));
    }
    assert_eq!(
        found(
            &Journal::open(&settings::Events::default(), "door", &Arc::default()),
            Place::Before(9),
            9,
            Filter::default()
        ),
        (vec![], 1, 0, false)
    );
}

#[test]
fn one_search_looks_at_so_many_events_and_no_more() {
    let folder = Folder::new();
    let journal = folder.journal(100_000);
    let most = u64::try_from(search::MOST_LOOKED).unwrap();
    let events = |kind, count: u64| vec![(kind, Details::default()); count.try_into().unwrap()];
    journal.append_all(events(Kind::DoorForced, 1), at(1));
    journal.append_all(events(Kind::DoorOpened, most + 500), at(1));
    journal.append_all(events(Kind::DoorForced, 1), at(1));
    let forced = || of_kind(Kind::DoorForced);
    assert_eq!(found(&journal, Place::After(0), 2, forced()), (vec![1], 1, most, false));
    assert_eq!(found(&journal, Place::After(1), 1, forced()), (vec![], 2, most + 1, true));
    assert_eq!(found(&journal, Place::After(most + 1), 1, forced()), (vec![most + 502], most + 2, most + 502, true));
    assert_eq!(found(&journal, Place::Before(most + 502), 1, forced()), (vec![], 502, most + 501, true));
    assert_eq!(
        (forward(&journal, 5, &forced()), back(&journal, 5, &forced())),
        (vec![1, most + 502], vec![1, most + 502])
    );
}

#[test]
fn events_that_cannot_be_read_are_looked_at_as_well() {
    let folder = Folder::new();
    let journal = folder.journal(1000);
    add(&journal, 600);
    drop(journal);
    let keys = folder.0.join("keys");
    std::fs::write(&keys, format!("{}\n", "01".repeat(32))).unwrap();
    // Where there are keys, what is not sealed is no event.
    let sealer = Sealer::load(&settings::Templates { keys: Some(keys), unsealed: false }).unwrap();
    let settings = settings::Events { store: Some(folder.0.join("events.redb")), ..settings::Events::default() };
    let journal = Journal::open(&settings, "door", &Arc::new(sealer));
    add(&journal, 1);
    assert_eq!(found(&journal, Place::After(0), 9, Filter::default()), (vec![601], 1, 601, false));
    assert_eq!(found(&journal, Place::Before(602), 9, Filter::default()), (vec![601], 1, 601, false));
}

#[test]
fn a_search_that_needs_a_file_that_is_not_open_fails() {
    let folder = Folder::new();
    let first = folder.journal(1000);
    add(&first, 10);
    first.lock().fail(JournalError("gone".into()));
    add(&first, 2);
    assert_eq!(found(&first, Place::Before(9), 2, Filter::default()), (vec![7, 8], 7, 8, true));
    first.lock().recent.drain(..5);
    let back =
        |before| first.search(&search(Place::Before(before), 2, Filter::default())).map(|found| found.events.len());
    assert_eq!((back(9), back(7)), (Ok(2), Err(JournalError("gone".into()))));
}
