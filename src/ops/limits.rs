//! Every cap on what comes from outside, in one value that goes from the settings to every decoder.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Caps on hostile input. Each is checked before memory is reserved for what it caps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request body. 64 MiB hold 10,000 templates in base64 or a handful of camera pictures.
    pub body_bytes: usize,
    /// Bytes of one picture file. 20 MiB is a 50-megapixel JPEG of good quality.
    pub picture_bytes: usize,
    /// Pixels of one picture, checked before decoding. 50 megapixels take 150 MB decoded, up to 550 MB meanwhile; see
    /// [`Limits::decode_bytes`].
    pub picture_pixels: u64,
    /// Templates in one 1:N request.
    pub templates: usize,
    /// Pictures in one 1:N request: each costs an inference.
    pub samples: usize,
    /// Bytes of the header lines of one part.
    pub part_head_bytes: usize,
    /// Media in one liveness request: each costs as much as a clip.
    pub media: usize,
    /// Analyses that the payload of a liveness request may ask for: each may repeat every best shot in the reply.
    pub analyses: usize,
    /// Bytes of the payload of a liveness request; as JSON in memory it takes some thirty times as many.
    pub payload_bytes: usize,
    /// Milliseconds of a clip, by its container.
    pub video_ms: u64,
    /// Samples in the track of a clip: 7,200 are a minute at 120 frames a second. Each costs some 60 bytes of tables.
    pub video_frames: usize,
    /// Pixels of a video frame: 4096x2304. What a decoder keeps of them is reserved from [`Limits::decode_bytes`].
    pub video_pixels: u64,
    /// Bytes that decoding may take at once, for all workers together; 0 follows the memory that the unit is given. A picture
    /// that takes more is refused, one that does not fit now waits.
    pub decode_bytes: u64,
    /// Pictures in an archive.
    pub archive_entries: usize,
    /// Bytes of all pictures of an archive when inflated.
    pub archive_bytes: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Milliseconds in which a head has to arrive, and those that a fresh connection may be silent.
    pub head_ms: u64,
    /// Milliseconds in which a body has to arrive.
    pub body_ms: u64,
    /// Milliseconds that a connection may be silent between two requests.
    pub idle_ms: u64,
    /// Bytes a second, over any five seconds, at which a body has to come and a reply has to be taken.
    pub least_rate: usize,
    /// Milliseconds in which a reply has to be taken.
    pub reply_ms: u64,
    /// Bytes of a reply: ten best shots of two megapixels, or the results of a gallery of 10,000 with the longest names.
    pub reply_bytes: usize,
    /// Comparisons with sealed templates that one token may ask for in a minute (one address where there are no tokens); 0 is any
    /// number. A comparison tells something of the template: see SECURITY.md.
    pub comparisons_per_minute: u64,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one address (of one /64 network for IPv6).
    pub connections_per_peer: usize,
    /// Bytes of request bodies that are held at once, for all connections together.
    pub held_bytes: usize,
    /// Milliseconds that a request may wait for and spend in inference; then it is answered with 503. An hour at the most: a worker that
    /// hangs is noticed after twice that, and a stop waits for what was begun.
    pub request_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            picture_bytes: 20 << 20,
            picture_pixels: 50_000_000,
            templates: 10_000,
            samples: 64,
            part_head_bytes: 8 << 10,
            media: 10,
            analyses: 10,
            payload_bytes: 256 << 10,
            video_ms: 60_000,
            video_frames: 7_200,
            video_pixels: 4096 * 2304,
            decode_bytes: 0,
            archive_entries: 64,
            archive_bytes: 256 << 20,
            head_bytes: 16 << 10,
            head_ms: 10_000,
            body_ms: 120_000,
            idle_ms: 60_000,
            least_rate: 4 << 10,
            reply_ms: 120_000,
            reply_bytes: 32 << 20,
            comparisons_per_minute: 100_000,
            connections: 1_024,
            connections_per_peer: 256,
            held_bytes: 128 << 20,
            request_ms: 30_000,
        }
    }
}

impl Limits {
    /// Parts of any kind in one multipart body: the templates or pictures and some room for fields that are ignored.
    pub fn parts(&self) -> usize {
        self.templates.max(self.samples).max(self.media) + 64
    }

    /// Fits these limits to `bytes` of memory for bodies and replies; returns whether that changes them. Nine twentieths are for bodies,
    /// as three quarters of that may be held once more, decoded from base64; a fifth is for replies.
    pub fn fit(&mut self, bytes: u64) -> bool {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let before = (self.held_bytes, self.body_bytes);
        self.held_bytes = self.held_bytes.min(bytes / 20 * 9).max(1);
        // Small bodies have an eighth for themselves.
        self.body_bytes = self.body_bytes.min(self.held_bytes - self.held_bytes / 8);
        before != (self.held_bytes, self.body_bytes)
    }

    /// Bytes of replies that may wait for their peers: see [`Limits::fit`].
    pub fn waiting_reply_bytes(&self) -> usize {
        self.held_bytes / 9 * 4
    }

    /// The name of the first limit that is not in its range, and the range.
    pub fn out_of_range(&self) -> Option<(&'static str, String)> {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let ranges = [
            ("body_bytes", number(self.body_bytes), 1 << 30),
            ("picture_bytes", number(self.picture_bytes), 1 << 30),
            ("picture_pixels", self.picture_pixels, 500_000_000),
            ("templates", number(self.templates), 1_000_000),
            ("samples", number(self.samples), 10_000),
            ("part_head_bytes", number(self.part_head_bytes), 1 << 20),
            ("media", number(self.media), 1_000),
            ("analyses", number(self.analyses), 1_000),
            ("payload_bytes", number(self.payload_bytes), 16 << 20),
            ("video_ms", self.video_ms, 3_600_000),
            ("video_frames", number(self.video_frames), 1_000_000),
            ("video_pixels", self.video_pixels, 8192 * 8192),
            ("archive_entries", number(self.archive_entries), 10_000),
            ("archive_bytes", number(self.archive_bytes), 1 << 31),
            ("head_bytes", number(self.head_bytes), 1 << 20),
            ("head_ms", self.head_ms, 3_600_000),
            ("body_ms", self.body_ms, 3_600_000),
            ("idle_ms", self.idle_ms, 86_400_000),
            ("least_rate", number(self.least_rate), 1 << 30),
            ("reply_ms", self.reply_ms, 3_600_000),
            ("reply_bytes", number(self.reply_bytes), 1 << 30),
            ("connections", number(self.connections), 65_536),
            ("connections_per_peer", number(self.connections_per_peer), 65_536),
            ("held_bytes", number(self.held_bytes), 1 << 40),
            ("request_ms", self.request_ms, 3_600_000),
        ];
        if self.decode_bytes > 1 << 40 {
            return Some(("decode_bytes", format!("{} is not in 0..={}", self.decode_bytes, 1_u64 << 40)));
        }
        let wrong = ranges.iter().find(|(_, value, most)| !(1..=*most).contains(value));
        wrong.map(|(name, value, most)| (*name, format!("{value} is not in 1..={most}")))
    }

    /// [`Limits::head_ms`] as a duration.
    pub fn head_time(&self) -> Duration {
        Duration::from_millis(self.head_ms)
    }

    /// [`Limits::body_ms`] as a duration.
    pub fn body_time(&self) -> Duration {
        Duration::from_millis(self.body_ms)
    }

    /// [`Limits::reply_ms`] as a duration.
    pub fn reply_time(&self) -> Duration {
        Duration::from_millis(self.reply_ms)
    }

    /// [`Limits::idle_ms`] as a duration.
    pub fn idle_time(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    /// [`Limits::request_ms`] as a duration.
    pub fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_deadlines_range_from_a_millisecond_to_an_hour() {
        let with = |request_ms| Limits { request_ms, ..Limits::default() }.out_of_range();
        assert_eq!((with(1), with(3_600_000)), (None, None));
        for wrong in [0, 3_600_001, u64::MAX] {
            assert_eq!(with(wrong), Some(("request_ms", format!("{wrong} is not in 1..=3600000"))));
        }
    }

    #[test]
    fn limits_of_bodies_and_replies_are_lowered_to_fit_the_memory() {
        let mut limits = Limits::default();
        assert!(!limits.fit(u64::MAX) && !limits.fit(300 << 20) && limits == Limits::default());
        for mib in [16, 37, 83, 125] {
            let (mut limits, bytes) = (Limits::default(), mib << 20);
            assert!(limits.fit(bytes) && !limits.fit(bytes));
            let held = limits.held_bytes as u64;
            assert!(limits.body_bytes as u64 <= held * 7 / 8 + 1);
            let most = held + held * 3 / 4 + limits.waiting_reply_bytes() as u64;
            assert!((bytes * 9 / 10..=bytes).contains(&most), "{most} of {bytes}");
        }
    }
}
