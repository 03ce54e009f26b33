//! Where frames come from, whatever it is.

use std::time::Instant;

use super::fault::Fault;
use crate::media::raw::Layout;
use crate::ops::Wiped;

/// Something that gives one frame after another. Dropping it lets go of the device.
pub trait FrameSource: Send {
    /// What it is.
    fn identity(&self) -> &Identity;

    /// The next frame, or a fault at the `deadline` at the latest. After any fault but [`Fault::Damaged`] the source is of no
    /// use any more.
    fn next(&mut self, deadline: Instant) -> Result<Captured, Fault>;
}

/// What a source is, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Where it was found, such as `/dev/video0`.
    pub place: String,
    /// What it calls itself.
    pub name: String,
    /// What its frames are.
    pub layout: Layout,
    /// Frames a second that were agreed on; 0 if the driver does not tell.
    pub fps: f64,
}

/// One frame as the camera sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    /// The buffer, without what lies behind the frame.
    pub bytes: Wiped,
    /// What lies in it.
    pub layout: Layout,
    /// The driver's number of the frame: a jump tells of lost ones.
    pub sequence: u32,
    /// When it was taken: by the driver's clock if that can be told, else when it arrived.
    pub taken: Instant,
}

impl std::fmt::Debug for Captured {
    /// No pixels: a picture is personal data and never enters a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Captured({} bytes of {:?}, number {})", self.bytes.len(), self.layout, self.sequence)
    }
}
