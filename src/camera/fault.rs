//! Why a camera gives no frame.

use std::fmt;

use super::keeper::STALL;

/// What is wrong with a camera, by what has to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The settings say `off`.
    Off,
    /// There is none, or not the one that the settings name: plug it in.
    Absent(String),
    /// The system refuses: the service's user is not in the group of cameras.
    Denied(String),
    /// Another program has it.
    Busy,
    /// It went away while it was used.
    Gone,
    /// No frame came for three seconds (`STALL`).
    Stalled,
    /// A frame came damaged; the next may be whole.
    Damaged(String),
    /// It cannot what is needed.
    Unsupported(String),
    /// A setting that it does not take, with the range.
    Setting(String),
    /// Whatever else the driver said.
    Driver(String),
}

impl Fault {
    /// Whether it may pass by itself within the time of a request: then a request goes on waiting.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Gone | Self::Stalled | Self::Damaged(_) | Self::Driver(_))
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Absent(_) => "absent",
            Self::Denied(_) => "denied",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Stalled => "stalled",
            Self::Damaged(_) => "damaged",
            Self::Unsupported(_) => "unsupported",
            Self::Setting(_) => "setting",
            Self::Driver(_) => "driver",
        }
    }

    /// The fault behind an error of the operating system, met while doing something with the device.
    pub(super) fn from_io(error: &std::io::Error, doing: &str) -> Self {
        use std::io::ErrorKind;
        // By number, since the standard library has no name for ENODEV, ENXIO.
        const ENXIO: i32 = 6;
        const EBUSY: i32 = 16;
        const ENODEV: i32 = 19;
        match (error.raw_os_error(), error.kind()) {
            (Some(EBUSY), _) => Self::Busy,
            (Some(ENODEV | ENXIO), _) => Self::Gone,
            (_, ErrorKind::NotFound) => Self::Absent(format!("{doing}: no such device")),
            (_, ErrorKind::PermissionDenied) => Self::Denied(format!("{doing}: permission denied")),
            _ => Self::Driver(format!("{doing}: {error}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("the camera is switched off by camera.device"),
            Self::Absent(what)
            | Self::Denied(what)
            | Self::Unsupported(what)
            | Self::Setting(what)
            | Self::Driver(what) => f.write_str(what),
            Self::Busy => f.write_str("another program uses the camera"),
            Self::Gone => f.write_str("the camera went away"),
            Self::Stalled => write!(f, "the camera sent no frame for {} seconds", STALL.as_secs()),
            Self::Damaged(what) => write!(f, "the camera sent a damaged frame: {what}"),
        }
    }
}

impl std::error::Error for Fault {}
