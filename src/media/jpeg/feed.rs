//! How a decoder gets the bytes of a JPEG: a copy without what it need not see, read under watch.
//!
//! `zune-jpeg` goes on with zeros where a scan ends before its blocks do, without asking for more, for all that is left of the
//! picture. In a progressive file that can be done a hundred times over. Therefore scans are followed by a few zero bytes more
//! than a decoder reads ahead: one that takes those as codes is known to have run out. It looks for markers byte by byte and for
//! codes four bytes at a time, or without a way to fail; that tells one from the other. Where the decoder wants a marker right
//! behind the data there are none: after the first scan of several, and before restarts in a sequential one. There it may go
//! over the picture once with zeros.
//!
//! A decoder that has to end is left by unwinding: errors of a reader it takes for the end of the file, and finishes its picture.

use std::panic::resume_unwind;

use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZSeekFrom};

use super::layout::Layout;
use crate::ops::Wiped;

/// Zero bytes behind the data of a scan. A decoder holds up to eight bytes that it has not used.
pub(super) const PADDING: usize = 16;

/// How many of these may be read as codes.
const AHEAD: usize = 12;

/// Reads between two questions whether to stop: about 16 KiB, which take less than a millisecond to decode.
const READS: u32 = 4096;

/// Why a decoder was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// It was told to stop.
    Stopped,
    /// It took more from a scan than there is.
    Overrun,
}

/// A reader of the bytes that a decoder is shown.
pub(super) struct Feed<'a> {
    bytes: Wiped,
    /// Up to where codes may be read, for each padding.
    walls: Vec<usize>,
    at: usize,
    /// The next wall.
    wall: usize,
    reads: u32,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Feed<'a> {
    /// Of a JPEG with this layout; with `tables` put before everything else, as whole segments. `stop` is asked whether to give up.
    pub(super) fn new(jpeg: &[u8], layout: &Layout, tables: &[u8], stop: &'a dyn Fn() -> bool) -> Self {
        let data: usize = layout.pieces.iter().map(|piece| piece.len()).sum();
        let mut bytes = Vec::with_capacity(data + tables.len() + layout.padding() + 4);
        let mut walls = Vec::new();
        bytes.extend_from_slice(b"\xFF\xD8");
        bytes.extend_from_slice(tables);
        let mut pad = |bytes: &mut Vec<u8>| {
            walls.push(bytes.len() + AHEAD);
            bytes.resize(bytes.len() + PADDING, 0);
        };
        let mut scans = layout.scans.iter().enumerate().peekable();
        for piece in &layout.pieces {
            let scan = scans.next_if(|(_, scan)| scan.data == *piece).map(|(number, _)| number);
            let mut rest = &jpeg[piece.clone()];
            if layout.progressive && scan.is_some_and(|number| number > 0) {
                while let Some(at) = restart(rest) {
                    bytes.extend_from_slice(&rest[..at]);
                    pad(&mut bytes);
                    bytes.extend_from_slice(&rest[at..at + 2]);
                    rest = &rest[at + 2..];
                }
            }
            bytes.extend_from_slice(rest);
            if scan.is_some_and(|number| layout.is_whole() || layout.progressive && number > 0) {
                pad(&mut bytes);
            }
        }
        bytes.extend_from_slice(b"\xFF\xD9");
        Self { bytes: bytes.into(), walls, at: 0, wall: 0, reads: 0, stop }
    }
}

/// Where the first restart marker of entropy-coded data is.
fn restart(data: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xFF, data).find(|&at| matches!(data.get(at + 1), Some(0xD0..=0xD7)))
}

impl Feed<'_> {
    /// Takes so many bytes, or none if there are fewer.
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        self.reads += 1;
        if self.reads.is_multiple_of(READS) {
            self.ask();
        }
        let taken = self.bytes.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    fn ask(&self) {
        if (self.stop)() {
            resume_unwind(Box::new(Halt::Stopped));
        }
    }

    /// Says that the bytes from here to `end` are read as codes.
    fn codes(&mut self, end: usize) {
        while self.walls.get(self.wall).is_some_and(|&wall| wall < self.at) {
            self.wall += 1;
        }
        if self.walls.get(self.wall).is_some_and(|&wall| wall < end) {
            resume_unwind(Box::new(Halt::Overrun));
        }
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }
}

impl ZByteReaderTrait for Feed<'_> {
    #[inline]
    fn read_byte_no_error(&mut self) -> u8 {
        self.codes(self.at + 1);
        self.take(1).map_or(0, |taken| taken[0])
    }

    #[inline]
    fn read_exact_bytes(&mut self, buf: &mut [u8]) -> Result<(), ZByteIoError> {
        match buf.len() {
            4 => self.codes(self.at + 4),
            // A length: between scans.
            2 => self.ask(),
            _ => {}
        }
        let (wanted, left) = (buf.len(), self.left());
        buf.copy_from_slice(self.take(wanted).ok_or(ZByteIoError::NotEnoughBytes(left, wanted))?);
        Ok(())
    }

    fn read_bytes(&mut self, buf: &mut [u8]) -> Result<usize, ZByteIoError> {
        let count = buf.len().min(self.left());
        self.read_exact_bytes(&mut buf[..count])?;
        Ok(count)
    }

    fn peek_bytes(&mut self, buf: &mut [u8]) -> Result<usize, ZByteIoError> {
        let count = buf.len().min(self.left());
        self.peek_exact_bytes(&mut buf[..count])?;
        Ok(count)
    }

    fn peek_exact_bytes(&mut self, buf: &mut [u8]) -> Result<(), ZByteIoError> {
        let (wanted, left) = (buf.len(), self.left());
        buf.copy_from_slice(self.take(wanted).ok_or(ZByteIoError::NotEnoughBytes(left, wanted))?);
        self.at -= wanted;
        Ok(())
    }

    fn z_seek(&mut self, from: ZSeekFrom) -> Result<u64, ZByteIoError> {
        let (base, offset) = match from {
            ZSeekFrom::Start(at) => (usize::try_from(at)?, 0),
            ZSeekFrom::End(offset) => (self.bytes.len(), offset),
            ZSeekFrom::Current(offset) => (self.at, offset),
        };
        self.at = base.saturating_add_signed(isize::try_from(offset)?).min(self.bytes.len());
        Ok(self.at as u64)
    }

    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        Ok(self.left() == 0)
    }

    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        Ok(self.at as u64)
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        let rest = self.take(self.left()).unwrap_or_default();
        sink.extend_from_slice(rest);
        Ok(rest.len())
    }
}
