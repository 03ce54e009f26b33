//! The reasons why a camera gives no frame.

use std::fmt;
use std::time::Duration;

/// What is wrong with a camera, by what has to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The settings say `off`.
    Off,
    /// There is no camera, or not the one that the settings name: plug it in.
    Absent(String),
    /// The system denies access: the service's user is not in the group of cameras.
    Denied(String),
    /// Another program uses it.
    Busy,
    /// It was unplugged while it was used.
    Unplugged,
    /// No frame came for this long.
    Stalled(Duration),
    /// A frame arrived damaged; the next may be whole.
    Damaged(String),
    /// It does not support what is needed.
    Unsupported(String),
    /// It does not support the value of a setting; with the range.
    Setting(String),
    /// Any other error of the driver.
    Driver(String),
}

impl Fault {
    /// Whether it may pass by itself within the time of a request: then the request keeps waiting.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unplugged | Self::Stalled(_) | Self::Damaged(_) | Self::Driver(_))
    }

    /// One word for it, as `/v1/camera` reports it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Absent(_) => "absent",
            Self::Denied(_) => "denied",
            Self::Busy => "busy",
            Self::Unplugged => "gone",
            Self::Stalled(_) => "stalled",
            Self::Damaged(_) => "damaged",
            Self::Unsupported(_) => "unsupported",
            Self::Setting(_) => "setting",
            Self::Driver(_) => "driver",
        }
    }

    /// The fault for an error of the operating system that happened while doing something with the device.
    pub(super) fn from_io(error: &std::io::Error, doing: &str) -> Self {
        use std::io::ErrorKind;
        // By number, since the standard library has no name for ENODEV, ENXIO.
        const ENXIO: i32 = 6;
        const EBUSY: i32 = 16;
        const ENODEV: i32 = 19;
        match (error.raw_os_error(), error.kind()) {
            (Some(EBUSY), _) => Self::Busy,
            (Some(ENODEV | ENXIO), _) => Self::Unplugged,
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
            Self::Unplugged => f.write_str("the camera was unplugged"),
            Self::Stalled(time) => write!(f, "the camera sent no frame for {} seconds", time.as_secs()),
            Self::Damaged(what) => write!(f, "the camera sent a damaged frame: {what}"),
        }
    }
}

impl std::error::Error for Fault {}
