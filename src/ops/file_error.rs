//! Why a file that the settings name can't be used.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A file that the settings name can't be used, which whoever runs the service has to mend.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    kind: FileErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileErrorKind {
    /// It is missing, or can't be opened or read.
    Unreadable,
    /// It does not hold what it is named for, such as a certificate.
    Invalid,
}

impl FileError {
    /// Of [`FileErrorKind::Unreadable`].
    pub fn unreadable(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FileErrorKind::Unreadable, ..Self::invalid(path, source) }
    }

    /// Of [`FileErrorKind::Invalid`]; the source may be a text.
    pub fn invalid(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { path: path.to_owned(), kind: FileErrorKind::Invalid, source: source.into() }
    }

    /// What is wrong.
    pub fn kind(&self) -> FileErrorKind {
        self.kind
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
