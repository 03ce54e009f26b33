//! The gestures and the tags that name them.

/// A gesture that a medium may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gesture {
    /// The head turned to one side, whichever: selfies may be mirrored.
    Left,
    /// The same; of both, the other side as well.
    Right,
    /// The head raised.
    High,
    /// The head lowered.
    Down,
    /// A smile.
    Smile,
    /// A blink with both eyes.
    Eyes,
    /// What it is was not published.
    Scan,
    /// The face comes nearer.
    ZoomIn,
    /// The face goes farther away.
    ZoomOut,
}

impl Gesture {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Left,
        Self::Right,
        Self::High,
        Self::Down,
        Self::Smile,
        Self::Eyes,
        Self::Scan,
        Self::ZoomIn,
        Self::ZoomOut,
    ];

    /// The tag that names it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Left => "video_selfie_left",
            Self::Right => "video_selfie_right",
            Self::High => "video_selfie_high",
            Self::Down => "video_selfie_down",
            Self::Smile => "video_selfie_smile",
            Self::Eyes => "video_selfie_eyes",
            Self::Scan => "video_selfie_scan",
            Self::ZoomIn => "video_selfie_zoom_in",
            Self::ZoomOut => "video_selfie_zoom_out",
        }
    }

    /// The gesture that a tag names; `None` for other tags.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gesture| gesture.tag() == tag)
    }

    /// Whether it is a turn to a side.
    pub(super) fn is_sideways(self) -> bool {
        matches!(self, Self::Left | Self::Right)
    }
}
