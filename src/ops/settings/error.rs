//! Why settings are invalid, and where a value was written.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the settings file.
    File {
        /// The file.
        name: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

/// Where each `section.key` was written that is not a default.
pub type Origins = BTreeMap<String, Origin>;

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Invalid settings, which whoever runs the service has to mend. Displayed as `place: section.key: what is wrong`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// None for what no value was written for.
    origin: Option<Origin>,
    /// `section.key`, or a section; empty if it is about neither.
    key: String,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What is wrong with settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The settings file can't be read.
    File,
    /// It is no TOML.
    Syntax,
    /// There is no such section, key or variable.
    Unknown,
    /// A value is not of its key's type, or lacks a part.
    Type,
    /// A value is not one of those that its key takes.
    OutOfRange,
    /// Values do not go together.
    Conflict,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, origin: None, key: key.into(), what: what.into(), source: None }
    }

    pub(super) fn out_of_range(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::OutOfRange, key, what)
    }

    /// The same with the place where the value was written.
    pub(super) fn at(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The same with its source, whose text is already in `what`.
    pub(super) fn because(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    /// Whether it is about `key` or its section.
    pub(super) fn is_about(&self, key: &str) -> bool {
        key.strip_prefix(&*self.key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// What is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
