//! The interface of a frame source, such as a device or a file.

use std::time::{Duration, Instant};

use super::fault::Fault;
use super::lock::{Locked, Owed};
use crate::media::raw::Layout;
use crate::ops::SecretBytes;

/// A source of frames. Dropping it closes the device.
pub trait FrameSource: Send {
    /// What it is.
    fn identity(&self) -> &Identity;

    /// The next frame, or a fault at the `deadline` at the latest. After any fault but [`Fault::Damaged`] the source can't be used any
    /// more.
    fn next(&mut self, deadline: Instant) -> Result<RawFrame, Fault>;

    /// Exposes by `steps` steps less than automatic exposure; with 0, automatic exposure takes over again. Returns the steps that are in
    /// force: fewer where the range of its control ends, 0 where it has none or the settings forbid it.
    fn expose(&mut self, steps: u32) -> Result<u32, Fault> {
        let _no_such_control = steps;
        Ok(0)
    }

    /// Makes exposure, gain and white balance constant at their present values. `owed` gets what [`Self::restore`] has to set, also if
    /// this fails or panics.
    fn lock(&mut self, owed: &mut Owed) -> Result<Locked, Fault> {
        let _nothing = owed;
        Ok(Locked { lacking: vec!["exposure", "white_balance"], ..Locked::default() })
    }

    /// Sets what is owed; what could be set is not owed any more.
    fn restore(&mut self, owed: &mut Owed) -> Result<(), Fault> {
        owed.0.clear();
        Ok(())
    }
}

/// Without a frame for this long, the device is reopened. The slowest rate of common cameras is five frames a second, and the first
/// frame after a start may take most of a second.
pub(super) const STALL: Duration = Duration::from_secs(3);

/// Description of a source, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Where it was found, such as `/dev/video0`.
    pub place: String,
    /// The name that it reports.
    pub name: String,
    /// Layout of its frames.
    pub layout: Layout,
    /// Agreed frames a second; 0 if the driver does not report them.
    pub fps: f64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Layout { format, width, height, .. } = self.layout;
        write!(f, "{}, {width}x{height} {}", self.place, format.four_characters())
    }
}

/// One frame as the camera sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// The buffer, without the bytes after the frame.
    pub bytes: SecretBytes,
    /// Layout of the frame.
    pub layout: Layout,
    /// The driver's number of the frame: a jump means lost frames.
    pub sequence: u32,
    /// When it was taken: by the driver's clock if that is usable, else when it arrived.
    pub taken: Instant,
}

impl std::fmt::Debug for RawFrame {
    /// No pixels: a picture is personal data and never enters a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawFrame({} bytes of {:?}, number {})", self.bytes.len(), self.layout, self.sequence)
    }
}
