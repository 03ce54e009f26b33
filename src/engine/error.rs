//! Why models can't be used.

use std::error::Error as StdError;
use std::fmt;

/// Why models can't be used. The service or the integrator has to fix these, never a client.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whose part failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Integrator: the folder of models, its manifest or a file in it is invalid.
    Models,
    /// Service: a graph that passed all checks could not be run, or gave no numbers.
    Run,
    /// Service or integrator: a model's answer differs from the one in its manifest.
    SelfTest,
}

impl Error {
    /// Of [`ErrorKind::Models`].
    pub fn models(what: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Models, what: what.into(), source: None }
    }

    /// Of [`ErrorKind::Run`].
    pub fn run(what: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Run, ..Self::models(format!("inference failed: {}", what.into())) }
    }

    /// Of [`ErrorKind::SelfTest`].
    pub(super) fn self_test(what: impl Into<String>) -> Self {
        Self { kind: ErrorKind::SelfTest, ..Self::models(what) }
    }

    /// The same with its source, whose text is already in `what`.
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Whose part failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
