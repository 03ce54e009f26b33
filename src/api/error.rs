//! Defines the API's errors by who has to act on them, and maps each to its HTTP status and the contract's code.

use serde::Serialize;

use crate::capture;
use crate::face;

/// Which half of the contract an error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `BPE-…`
    Pattern,
    /// `LDE-…`
    Liveness,
}

/// The kinds of error in the contract, by who has to act: the client, the person, the service, or its operator (policy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Client: the request's Content-Type.
    ContentType,
    /// Client: the request's Content-Encoding.
    ContentEncoding,
    /// Client: the verb.
    Method {
        /// The right one.
        allow: &'static str,
    },
    /// Client: a sample that can't be read.
    Sample,
    /// Client: a template that can't be read.
    Template,
    /// Client: the Content-Type of a part.
    PartType,
    /// Client: no such path.
    UnknownPath,
    /// Person: a face that no template can be made of.
    Unusable,
    /// Person: no face in the picture.
    NoFace,
    /// Person: more than one face in the picture.
    SeveralFaces,
    /// Service: a fault of its own.
    Internal,
    /// Service: the models don't run.
    NotReady,
    /// Client: the query.
    Parameter,
    /// The camera, or the person before it.
    Camera(CameraKind),
    /// The people who are enrolled.
    People(PeopleKind),
    /// The door, and what happened at it.
    Door(DoorKind),
    /// The tokens.
    Token(TokenKind),
    /// Client: rejected by the gate.
    Gate(GateKind),
    /// Policy: too much load.
    Overloaded,
    /// Policy: the body is over its limit. Carries the kind of content that the body should have had.
    BodyTooLarge {
        /// Whether that is a template.
        template: bool,
    },
}

/// Why the camera gave no sample: our own codes, for which the contract leaves room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraKind {
    /// Service: it sends no frames.
    Absent,
    /// Service: another program uses it.
    Busy,
    /// Person: no person came in time.
    Nobody,
    /// Person: a presentation attack.
    Attack,
    /// Policy: the preview is off.
    PreviewOff,
    /// Person: the challenge was not met.
    Challenge,
    /// Policy: attack verdicts have locked the camera's methods.
    LockedOut,
}

/// Why something about people was not done: our own codes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleKind {
    /// Policy: none are stored here.
    Off,
    /// Service: those that are stored can't be read.
    Unreadable,
    /// Service: a change can't be stored.
    Unwritable,
    /// Client: nobody has this id.
    Unknown,
    /// Client: somebody has this id.
    Exists,
    /// Client: the person is of another version.
    Changed,
    /// Client: what it says of a person.
    Invalid,
    /// Person: the face is another person's.
    Belongs,
    /// Person: the sample is too poor.
    Poor,
    /// Client: there is no room for another template.
    Full,
    /// Client: there is no such template.
    NoTemplate,
    /// Client: the lines to be imported.
    Import,
    /// Service: the people of the site can't be reached.
    Site,
}

/// Why something at the door was not done: our own codes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorKind {
    /// Policy: there is none.
    Absent,
    /// Policy: it must not be done without a token, and there are none.
    Unguarded,
    /// Service: the lock was not opened.
    Shut,
    /// Policy: not in the present mode.
    Off,
    /// Client: a credential or an id that is nobody's.
    Unknown,
    /// Policy: wrong credentials have locked claims.
    LockedOut,
    /// Service: the events that are kept can't be read.
    Events,
    /// Client: no picture of such an event is kept.
    NoPicture,
}

/// Why tokens were not changed: our own codes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Policy: there is no file for them.
    Off,
    /// Service: the file can't be written.
    Unwritable,
    /// Client: there is no such token.
    Unknown,
    /// Client: there is one of this name, or it must stay.
    Conflict,
    /// Policy: the first one has to be made on the machine.
    First,
}

/// Why the gate rejected a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateKind {
    /// It can't be served as a request, for which HTTP has this status.
    Status(u16),
    /// It has no known token.
    Token,
    /// Its token has another scope.
    Scope,
    /// Its address tried too many tokens.
    LockedOut,
}

/// An error reply before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    family: Family,
    kind: Kind,
    detail: String,
    cause: Option<String>,
    /// Seconds until a retry is useful, if more than usual.
    retry_s: Option<u64>,
}

impl Family {
    /// The family of a path.
    pub fn of(path: &str) -> Self {
        let liveness = ["/v1/face/liveness", "/v1/camera/liveness"].iter().any(|start| path.starts_with(start));
        if liveness { Self::Liveness } else { Self::Pattern }
    }
}

impl Error {
    /// `detail` says what was wrong and, where it helps, what to do; it holds nothing of the payload.
    pub fn new(family: Family, kind: Kind, detail: impl Into<String>) -> Self {
        Self { family, kind, detail: detail.into(), cause: None, retry_s: None }
    }

    /// A fault of the service. The cause goes to the log with the request's id, not to the client.
    pub fn internal(family: Family, cause: impl Into<String>) -> Self {
        let cause = Some(cause.into());
        Self { cause, ..Self::new(family, Kind::Internal, "the log has the cause under this request's id") }
    }

    /// An error of the pattern methods about the part `name`, or about the body if that is empty.
    pub fn from_face(error: &face::Error, name: &str) -> Self {
        let kind = match error {
            face::Error::Picture(_) | face::Error::Medium(_) => Kind::Sample,
            face::Error::NoFace => Kind::NoFace,
            face::Error::SeveralFaces(_) => Kind::SeveralFaces,
            face::Error::Unusable(_) | face::Error::TooFewFrames { .. } => Kind::Unusable,
            face::Error::Challenge(ending) => {
                let kind = if ending.is_attack() { CameraKind::Attack } else { CameraKind::Challenge };
                return Self::new(Family::Pattern, Kind::Camera(kind), format!("{ending} ({})", ending.word()));
            }
            face::Error::Late | face::Error::NoMemory => Kind::Overloaded,
            face::Error::Engine(cause) => return Self::internal(Family::Pattern, cause.to_string()),
        };
        let detail = if name.is_empty() { error.to_string() } else { format!("{name}: {error}") };
        Self::new(Family::Pattern, kind, detail)
    }

    /// Why no person was captured, as an error of this family.
    pub fn from_capture(error: capture::Error, family: Family) -> Self {
        use capture::Error as Why;
        let (retry_s, detail) = (error.retry_s(), error.to_string());
        let kind = match error {
            Why::NoFrames(_) => Kind::Camera(CameraKind::Absent),
            Why::Busy(_) | Why::Occupied => Kind::Camera(CameraKind::Busy),
            Why::Nobody => Kind::Camera(CameraKind::Nobody),
            Why::NotLit => Kind::Camera(CameraKind::Attack),
            Why::Unlit(_) => Kind::Camera(CameraKind::Challenge),
            Why::LockedOut(_) => Kind::Camera(CameraKind::LockedOut),
            Why::Uncalibrated => Kind::Parameter,
            Why::Overloaded(_) | Why::Cancelled => Kind::Overloaded,
            Why::Face(error) => return Self::from_face(&error, "").of(family),
            Why::Internal(cause) => return Self::internal(family, cause),
        };
        Self { retry_s, ..Self::new(family, kind, detail) }
    }

    /// The same in the given family.
    pub(super) fn of(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// The same, with a retry after this many seconds.
    pub(super) fn for_seconds(self, seconds: u64) -> Self {
        Self { retry_s: Some(seconds), ..self }
    }

    /// Seconds until a retry is useful, if more than usual.
    pub fn retry_s(&self) -> Option<u64> {
        self.retry_s
    }

    /// The cause for the log, if it is a fault of the service.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self.kind {
            Kind::UnknownPath => 404,
            Kind::People(kind) => kind.status(),
            Kind::Door(kind) => kind.entry().0,
            Kind::Token(kind) => kind.entry().0,
            Kind::BodyTooLarge { .. } => 413,
            Kind::ContentEncoding => 415,
            Kind::Internal => 500,
            Kind::Overloaded | Kind::Camera(CameraKind::Absent | CameraKind::Busy) => 503,
            Kind::Camera(CameraKind::PreviewOff) | Kind::Gate(GateKind::Scope) => 403,
            Kind::Gate(GateKind::Status(status)) => status,
            Kind::Gate(GateKind::Token) => 401,
            Kind::Gate(GateKind::LockedOut) | Kind::Camera(CameraKind::LockedOut) => 429,
            _ => 400,
        }
    }

    /// The contract's code.
    pub fn code(&self) -> &'static str {
        self.entry().0
    }

    /// The verb for the `Allow` header.
    pub fn allow(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Method { allow } => Some(allow),
            _ => None,
        }
    }

    /// The JSON body: exactly `code` and `message`.
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            message: String,
        }
        let (code, wording) = self.entry();
        let message = format!("{}: {}", wording.trim_end_matches('.'), self.detail);
        serde_json::to_vec(&Body { code, message }).expect("two strings are JSON")
    }

    /// The contract's code and wording.
    fn entry(&self) -> (&'static str, &'static str) {
        use Family::{Liveness, Pattern};
        match (self.family, self.kind) {
            (Pattern, Kind::ContentType) => ("BPE-002001", "Invalid Content-Type of HTTP request"),
            (Pattern, Kind::Method { .. }) => ("BPE-002002", "Invalid HTTP request method"),
            (Pattern, Kind::Sample | Kind::BodyTooLarge { template: false }) => {
                ("BPE-002003", "Failed to read the biometric sample")
            }
            (Pattern, Kind::Template | Kind::BodyTooLarge { template: true }) => {
                ("BPE-002004", "Failed to read the biometric template")
            }
            (Pattern, Kind::PartType) => ("BPE-002005", "Invalid Content-Type of the multiparted HTTP request part"),
            (Pattern, Kind::Camera(kind)) => (kind.codes().0, kind.codes().2),
            (Liveness, Kind::Camera(kind)) => (kind.codes().1, kind.codes().2),
            (_, Kind::Gate(kind)) => kind.entry(self.family),
            (_, Kind::People(kind)) => kind.entry(),
            (_, Kind::Door(kind)) => (kind.entry().1, kind.entry().2),
            (_, Kind::Token(kind)) => (kind.entry().1, kind.entry().2),
            (Pattern, Kind::UnknownPath | Kind::Parameter | Kind::ContentEncoding) => ("BPE-002006", "Invalid request"),
            (Pattern, Kind::Unusable) => ("BPE-003001", "Failed to retrieve the biometric template"),
            (Pattern, Kind::NoFace) => ("BPE-003002", "The biometric sample is missing face"),
            (Pattern, Kind::SeveralFaces) => ("BPE-003003", "More than one person is present on the biometric sample"),
            (Pattern, Kind::Internal | Kind::Overloaded) => ("BPE-001001", "Internal bioprocessor error"),
            (Pattern, Kind::NotReady) => ("BPE-001002", "TFSS error. Call the biometry health method."),
            (Liveness, Kind::ContentType) => ("LDE-002001", "Invalid Content-Type of HTTP request"),
            (Liveness, Kind::Method { .. }) => ("LDE-002002", "Invalid HTTP request method"),
            (Liveness, Kind::PartType) => ("LDE-002005", "Invalid Content-Type of the multiparted HTTP request part"),
            (Liveness, Kind::UnknownPath | Kind::Parameter | Kind::ContentEncoding) => {
                ("LDE-002006", "Invalid request")
            }
            (Liveness, Kind::Internal | Kind::Overloaded) => {
                ("LDE-001001", "Liveness detection processor internal error")
            }
            (Liveness, Kind::NotReady) => ("LDE-001002", "TFSS error. Call the Liveness health method."),
            (Liveness, _) => ("LDE-002004", "Failed to extract the biometric sample"),
        }
    }
}

impl GateKind {
    /// Code of the family, and the wording.
    fn entry(self, family: Family) -> (&'static str, &'static str) {
        let (pattern, liveness, wording) = match self {
            Self::Status(_) => ("BPE-002006", "LDE-002006", "Invalid request"),
            Self::Token => ("BPE-005001", "LDE-005001", "Not authorized"),
            Self::Scope => ("BPE-005002", "LDE-005002", "Not allowed"),
            Self::LockedOut => ("BPE-005003", "LDE-005003", "Locked out"),
        };
        (if family == Family::Pattern { pattern } else { liveness }, wording)
    }
}

impl DoorKind {
    /// The status, the code and the wording.
    fn entry(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Absent => (404, "BPE-007001", "There is no door here"),
            Self::Unguarded => (403, "BPE-007002", "The door needs a token"),
            Self::Shut => (503, "BPE-007003", "The lock was not opened"),
            Self::Off => (409, "BPE-007004", "Not in the present mode of the door"),
            Self::Unknown => (404, "BPE-007005", "Unknown credential or person"),
            Self::LockedOut => (429, "BPE-007006", "Claims are locked"),
            Self::Events => (503, "BPE-007007", "The stored events can't be read"),
            Self::NoPicture => (404, "BPE-007008", "No picture of the event"),
        }
    }
}

impl TokenKind {
    /// The status, the code and the wording.
    fn entry(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Off => (404, "BPE-008001", "Tokens are not kept here"),
            Self::Unwritable => (503, "BPE-008002", "The tokens were not stored"),
            Self::Unknown => (404, "BPE-008003", "Unknown token"),
            Self::Conflict => (409, "BPE-008004", "The tokens stay as they are"),
            Self::First => (403, "BPE-008005", "The first token is made on the machine itself"),
        }
    }
}

impl PeopleKind {
    fn status(self) -> u16 {
        match self {
            Self::Off | Self::Unknown | Self::NoTemplate => 404,
            Self::Exists | Self::Belongs | Self::Full => 409,
            Self::Changed => 412,
            Self::Invalid | Self::Poor | Self::Import => 400,
            Self::Unreadable | Self::Unwritable | Self::Site => 503,
        }
    }

    /// The code and the wording.
    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Off => ("BPE-006001", "People are not stored here"),
            Self::Unreadable => ("BPE-006002", "The stored people can't be used"),
            Self::Unwritable => ("BPE-006003", "The change was not stored"),
            Self::Unknown => ("BPE-006004", "Unknown person"),
            Self::Exists => ("BPE-006005", "The person is enrolled already"),
            Self::Changed => ("BPE-006006", "The person was changed meanwhile"),
            Self::Invalid => ("BPE-006007", "Invalid person"),
            Self::Belongs => ("BPE-006008", "The face belongs to another person"),
            Self::Poor => ("BPE-006009", "The sample is too poor to be enrolled"),
            Self::Full => ("BPE-006010", "The person has no room for another template"),
            Self::NoTemplate => ("BPE-006011", "Unknown template"),
            Self::Import => ("BPE-006012", "Failed to import people"),
            Self::Site => ("BPE-006013", "The people of the site can't be changed"),
        }
    }
}

impl CameraKind {
    /// The codes of the pattern and the liveness family, and the wording.
    fn codes(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Absent => ("BPE-004001", "LDE-004001", "The camera gives no frames"),
            Self::Busy => ("BPE-004002", "LDE-004002", "The camera is in use"),
            Self::Nobody => ("BPE-004003", "LDE-004003", "No face came before the camera"),
            Self::Attack => ("BPE-004004", "LDE-004004", "The face is not live"),
            Self::PreviewOff => ("BPE-004005", "LDE-004005", "The preview is switched off"),
            Self::Challenge => ("BPE-004006", "LDE-004006", "The challenge was not met"),
            Self::LockedOut => ("BPE-004007", "LDE-004007", "Locked out after attacks"),
        }
    }
}
