//! Keeps records in a file (redb): each change is durable before it is acknowledged, and damage is told apart from emptiness.
//!
//! It knows bytes under names and nothing of people. Beside the records the file has the state that they must add up to: their number, and
//! a sum over all of them. Whoever reads a file in which a record is missing, doubled or old finds it out.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition,
};
use ring::digest::{Context, SHA256};

use crate::ops::SecretBytes;

const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");
/// The name of the state among the facts.
const STATE: &str = "state";
/// The name of the fact that the file may still have bytes of what was deleted.
const REMNANTS: &str = "remnants";
/// The name of the fact of which state of the site's people this is.
const SITE: &str = "site";
/// Memory for pages that were read, in bytes: everything is read once and then kept by others, so that a small one does.
const CACHE_BYTES: usize = 4 << 20;

/// Why the store did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The file can't be opened or read: the reason of the system.
    Unreadable(String),
    /// The file can't be written, so that nothing was changed: the reason of the system.
    Unwritable(String),
    /// Another process has it open.
    InUse,
    /// It is damaged: what was found.
    Damaged(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "it can't be read: {why}"),
            Self::Unwritable(why) => write!(f, "it can't be written: {why}"),
            Self::InUse => f.write_str("another process has it open"),
            Self::Damaged(what) => write!(f, "it is damaged: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What all records of a store must add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreState {
    /// Number of records.
    pub(super) count: u64,
    /// Sum of the hashes of all records with their names.
    pub(super) sum: u128,
    /// Number of the last change.
    pub(super) change: u64,
}

/// What a change is, beside the records.
#[derive(Clone, Debug, Default)]
pub(super) struct Kind {
    /// It takes away what must not stay in the file.
    pub(super) deletes: bool,
    /// Which state of the site's people this is from then on, in the words of whoever follows them.
    pub(super) site: Option<Vec<u8>>,
}

/// One change: a record under its name, or none where it is to go.
pub(super) type Change<'a> = (&'a str, Option<&'a [u8]>);

/// A store that is open.
pub(super) struct Store {
    path: PathBuf,
    /// None after a failure, until it is opened again.
    database: Option<Handle>,
    state: StoreState,
    has_remnants: bool,
    site: Option<Vec<u8>>,
}

/// An open file.
enum Handle {
    Writable(Database),
    /// Its medium can't be written, for this reason.
    ReadOnly(ReadOnlyDatabase, String),
}

impl Handle {
    fn reading(&self) -> Result<ReadTransaction, StoreError> {
        match self {
            Self::Writable(database) => database.begin_read(),
            Self::ReadOnly(database, _) => database.begin_read(),
        }
        .map_err(damaged)
    }

    fn writable(&self) -> Result<&Database, StoreError> {
        match self {
            Self::Writable(database) => Ok(database),
            Self::ReadOnly(_, why) => Err(StoreError::Unwritable(why.clone())),
        }
    }
}

impl StoreState {
    fn plus(mut self, name: &str, record: &[u8]) -> Self {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash(name, record));
        self
    }

    fn minus(mut self, name: &str, record: &[u8]) -> Self {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash(name, record));
        self
    }

    fn to_bytes(self) -> Vec<u8> {
        [&self.count.to_le_bytes()[..], &self.sum.to_le_bytes(), &self.change.to_le_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        let change = u64::from_le_bytes(rest.try_into().ok()?);
        Some(Self { count: u64::from_le_bytes(*count), sum: u128::from_le_bytes(*sum), change })
    }
}

/// Half of SHA-256 over the name, a zero and the record.
fn hash(name: &str, record: &[u8]) -> u128 {
    let mut context = Context::new(&SHA256);
    context.update(name.as_bytes());
    context.update(&[0]);
    context.update(record);
    let whole = context.finish();
    u128::from_le_bytes(whole.as_ref().first_chunk().copied().unwrap_or_default())
}

impl Store {
    /// Opens the store at `path`, or makes one where there is no file, and passes each record to `each`.
    pub(super) fn open(path: &Path, mut each: impl FnMut(&str, &[u8])) -> Result<Self, StoreError> {
        let unreadable = |e: io::Error| StoreError::Unreadable(e.to_string());
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(unreadable(error)),
            // redb would take it for a new one.
            Ok(file) if file.len() == 0 => return Err(StoreError::Damaged("the file is empty".into())),
            Ok(_) => {}
        }
        // What a link stands for is replaced, not the link.
        let path = &std::fs::canonicalize(path).map_err(unreadable)?;
        let left = beside(path, NEW);
        if left.exists() {
            let _it_is_overwritten_again_at_the_next_start = overwrite(&left);
        }
        guarded(|| {
            let database = opened(path)?;
            let Facts { state, has_remnants, site } = read(&database, &mut each)?;
            Ok(Self { path: path.to_owned(), database: Some(database), state, has_remnants, site })
        })
    }

    /// Whether a failure closed it.
    pub(super) fn has_failed(&self) -> bool {
        self.database.is_none()
    }

    /// The record of that name.
    pub(super) fn get(&self, name: &str) -> Result<Option<SecretBytes>, StoreError> {
        let Some(database) = &self.database else { return Err(closed()) };
        guarded(|| {
            let table = database.reading()?.open_table(RECORDS).map_err(damaged)?;
            Ok(table.get(name).map_err(damaged)?.map(|record| record.value().into()))
        })
    }

    /// The names of all records.
    pub(super) fn names(&self) -> Result<Vec<String>, StoreError> {
        let database = self.database.as_ref().ok_or_else(closed)?;
        guarded(|| {
            let table = database.reading()?.open_table(RECORDS).map_err(damaged)?;
            let names = table.iter().map_err(damaged)?.map(|entry| Ok(entry.map_err(damaged)?.0.value().to_owned()));
            names.collect()
        })
    }

    /// Whether the file may still have bytes of what was deleted: see [`Store::erase_remnants`].
    pub(super) fn has_remnants(&self) -> bool {
        self.has_remnants
    }

    /// Which state of the site's people this is; none if it never was one.
    pub(super) fn site(&self) -> Option<&[u8]> {
        self.site.as_deref()
    }

    /// Number of records.
    pub(super) fn count(&self) -> u64 {
        self.state.count
    }

    /// Bytes of the file; 0 if that is not known.
    pub(super) fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Makes all of these changes or none, and returns once they are durable. After an error the store is closed, and has to be opened again to tell whether they were made.
    pub(super) fn change(&mut self, changes: &[Change<'_>], kind: Kind) -> Result<(), StoreError> {
        let database = self.database.as_ref().ok_or_else(closed)?.writable()?;
        let old = self.state;
        let changed = guarded(|| written(database, old, changes, &kind));
        match changed {
            Ok(state) => {
                (self.state, self.has_remnants) = (state, self.has_remnants || kind.deletes);
                self.site = kind.site.or_else(|| self.site.take());
            }
            Err(_) => self.database = None,
        }
        changed.map(|_| ())
    }

    /// Whether its medium can't be written, as far as is known.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self.database, Some(Handle::ReadOnly(..)))
    }

    /// Writes all records into a new file in place of this one: what was deleted is in no block of it. The old one is beside it until
    /// [`overwrite_old`] has overwritten it with zeros. If it fails, everything stays.
    pub(super) fn erase_remnants(&mut self) -> Result<(), StoreError> {
        let database = self.database.as_ref().ok_or_else(closed)?;
        database.writable()?;
        let unwritable = |e: io::Error| StoreError::Unwritable(e.to_string());
        let (fresh, old) = (beside(&self.path, NEW), beside(&self.path, OLD));
        let made = guarded(|| {
            let copy = new_file(&fresh)?;
            let transaction = copy.begin_write().map_err(refused)?;
            {
                let mut to = transaction.open_table(RECORDS).map_err(refused)?;
                let from = database.reading()?.open_table(RECORDS).map_err(damaged)?;
                for entry in from.iter().map_err(damaged)? {
                    let (name, record) = entry.map_err(damaged)?;
                    to.insert(name.value(), record.value()).map_err(refused)?;
                }
                let mut facts = transaction.open_table(FACTS).map_err(refused)?;
                facts.insert(STATE, &*self.state.to_bytes()).map_err(refused)?;
                if let Some(site) = &self.site {
                    facts.insert(SITE, &**site).map_err(refused)?;
                }
            }
            transaction.commit().map_err(refused)
        });
        let made = made.and_then(|()| {
            like(&self.path, &fresh).and_then(|()| std::fs::hard_link(&self.path, &old)).map_err(unwritable)
        });
        if let Err(error) = made {
            let _it_may_not_be_there = overwrite(&fresh);
            return Err(error);
        }
        self.database = None;
        std::fs::rename(&fresh, &self.path).and_then(|()| sync_folder(&self.path)).map_err(unwritable)?;
        let database = guarded(|| opened(&self.path))?;
        (self.database, self.has_remnants) = (Some(database), false);
        Ok(())
    }
}

fn closed() -> StoreError {
    StoreError::Unreadable("it was closed after a failure".into())
}

/// What the name of a file has behind it that becomes the store, and of the one that was it.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// The path of a file beside that of the store.
fn beside(path: &Path, behind: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(behind);
    name.into()
}

/// Gives a new file the mode of the store, and its owner if that is possible.
fn like(path: &Path, fresh: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let store = std::fs::metadata(path)?;
    std::fs::set_permissions(fresh, store.permissions())?;
    let _only_root_can = chown(fresh, Some(store.uid()), Some(store.gid()));
    Ok(())
}

/// Overwrites with zeros and removes what an earlier [`Store::erase_remnants`] has left beside the store at `path`, also one that was
/// interrupted. Takes time by the size of the file.
pub(super) fn overwrite_old(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let old = beside(path, OLD);
    let Ok(left) = std::fs::metadata(&old) else { return Ok(()) };
    // Interrupted before the new file got its name: both are the store.
    if std::fs::metadata(path).is_ok_and(|store| (store.dev(), store.ino()) == (left.dev(), left.ino())) {
        return std::fs::remove_file(&old);
    }
    overwrite(&old)
}

/// Makes an empty store at `path`. It gets its name when it is whole: a file that is cut off was not just made.
fn create(path: &Path) -> Result<(), StoreError> {
    let fresh = beside(path, NEW);
    guarded(|| {
        let database = new_file(&fresh)?;
        let transaction = database.begin_write().map_err(refused)?;
        transaction.open_table(RECORDS).map_err(refused)?;
        let empty = StoreState::default().to_bytes();
        transaction.open_table(FACTS).map_err(refused)?.insert(STATE, &*empty).map_err(refused)?;
        transaction.commit().map_err(refused)
    })?;
    let renamed = std::fs::rename(&fresh, path).and_then(|()| sync_folder(path));
    renamed.map_err(|e| StoreError::Unwritable(e.to_string()))
}

/// A new database that only this user can read, in place of a file that a stop left behind.
fn new_file(path: &Path) -> Result<Database, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path);
    let file = open().map_err(|e| StoreError::Unwritable(e.to_string()))?;
    let backend = FileBackend::new(file).map_err(of_database)?;
    redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(of_database)
}

fn opened(path: &Path) -> Result<Handle, StoreError> {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    match builder.open(path).map_err(of_database) {
        Ok(database) => Ok(Handle::Writable(database)),
        // On a medium that is mounted read-only it can still be read.
        Err(StoreError::Unreadable(why)) => match builder.open_read_only(path).map_err(of_database) {
            Ok(database) => Ok(Handle::ReadOnly(database, why)),
            Err(_) => Err(StoreError::Unreadable(why)),
        },
        Err(other) => Err(other),
    }
}

fn of_database(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse,
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != io::ErrorKind::UnexpectedEof && error.kind() != io::ErrorKind::InvalidData =>
        {
            StoreError::Unreadable(error.to_string())
        }
        other => StoreError::Damaged(other.to_string()),
    }
}

/// What a database says beside its records.
struct Facts {
    state: StoreState,
    has_remnants: bool,
    site: Option<Vec<u8>>,
}

/// The facts of a database whose records add up. Each record is passed on.
fn read(database: &Handle, each: &mut dyn FnMut(&str, &[u8])) -> Result<Facts, StoreError> {
    let transaction = database.reading()?;
    let facts = transaction.open_table(FACTS).map_err(damaged)?;
    let state = facts.get(STATE).map_err(damaged)?.and_then(|bytes| StoreState::from_bytes(bytes.value()));
    let state = state.ok_or_else(|| StoreError::Damaged("it does not say what its records add up to".into()))?;
    let has_remnants = facts.get(REMNANTS).map_err(damaged)?.is_some();
    let site = facts.get(SITE).map_err(damaged)?.map(|site| site.value().to_vec());
    let mut found = StoreState { change: state.change, ..StoreState::default() };
    for entry in transaction.open_table(RECORDS).map_err(damaged)?.iter().map_err(damaged)? {
        let (name, record) = entry.map_err(damaged)?;
        found = found.plus(name.value(), record.value());
        each(name.value(), record.value());
    }
    match found == state {
        true => Ok(Facts { state, has_remnants, site }),
        false => Err(StoreError::Damaged(format!(
            "it has {} records that do not add up to its {}",
            found.count, state.count
        ))),
    }
}

fn written(
    database: &Database,
    old: StoreState,
    changes: &[Change<'_>],
    kind: &Kind,
) -> Result<StoreState, StoreError> {
    let mut transaction = database.begin_write().map_err(refused)?;
    // Two phases: after a power cut the last commit is whole, so that a flipped bit in it is damage and never the commit before.
    transaction.set_quick_repair(true);
    let mut state = StoreState { change: old.change + 1, ..old };
    {
        let mut records = transaction.open_table(RECORDS).map_err(refused)?;
        for (name, record) in changes {
            let before = match record {
                Some(record) => {
                    state = state.plus(name, record);
                    records.insert(name, *record).map_err(refused)?
                }
                None => records.remove(name).map_err(refused)?,
            };
            if let Some(before) = before {
                state = state.minus(name, before.value());
            }
        }
        let mut facts = transaction.open_table(FACTS).map_err(refused)?;
        facts.insert(STATE, &*state.to_bytes()).map_err(refused)?;
        if kind.deletes {
            facts.insert(REMNANTS, &b""[..]).map_err(refused)?;
        }
        if let Some(site) = &kind.site {
            facts.insert(SITE, &**site).map_err(refused)?;
        }
    }
    transaction.commit().map_err(refused)?;
    Ok(state)
}

/// An error while reading.
fn damaged(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            StoreError::Unreadable(error.to_string())
        }
        other => StoreError::Damaged(other.to_string()),
    }
}

/// An error while writing.
fn refused(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(what) => StoreError::Damaged(what),
        other => StoreError::Unwritable(other.to_string()),
    }
}

/// redb asserts what a damaged file may break.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let panicked = |_| StoreError::Damaged("its structure contradicts itself".into());
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|cause| Err(panicked(cause)))
}

/// Makes a rename durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Overwrites a file with zeros, all the way to the medium, and removes it.
fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let zeros = [0; 64 << 10];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let now = left.min(zeros.len() as u64);
        file.write_all(&zeros[..now as usize])?;
        left -= now;
    }
    file.sync_all()?;
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests;
