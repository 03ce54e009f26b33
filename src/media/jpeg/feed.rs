//! Feeds a decoder a reduced copy of a JPEG, and stops it when it reads past the data of a scan.
//!
//! Where a scan ends before its blocks do, `zune-jpeg` continues with zeros for the rest of the picture without reading more. In a
//! progressive file that can happen a hundred times. Therefore each scan is followed by a few zero bytes more than a decoder reads
//! ahead: a decoder that reads those as codes has overrun the data. `zune-jpeg` looks for markers byte by byte, and reads codes four
//! bytes at a time or with a method that cannot fail; this distinguishes the two. Where it requires a marker directly after the
//! data, there is no padding: after the first scan of several, and before restarts in a sequential file. There it may go over the
//! picture once with zeros.
//!
//! A decoder is stopped by unwinding: it treats errors of its reader as the end of the file, and finishes the picture.

use std::panic::resume_unwind;

use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZSeekFrom};

use super::layout::Layout;
use crate::ops::{SecretBytes, Stop};

/// Zero bytes after the data of a scan. A decoder holds up to eight bytes that it has not used.
pub(super) const PADDING: usize = 16;

/// How many padding bytes may be read as codes.
const AHEAD: usize = 12;

/// Reads between two polls of `stop`: about 16 KiB, which take less than a millisecond to decode.
const READS: u32 = 4096;

/// Why a decoder was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// `stop` returned true.
    Stopped,
    /// It read past the data of a scan.
    Overrun,
}

/// The reader that a decoder gets its bytes from.
pub(super) struct Feed<'a> {
    bytes: SecretBytes,
    /// For each padding, the position up to which codes may be read.
    walls: Vec<usize>,
    at: usize,
    /// Index of the next of `walls`.
    wall: usize,
    reads: u32,
    stop: &'a Stop<'a>,
}

impl<'a> Feed<'a> {
    /// Reads a JPEG with this layout, preceded by `tables` and the color header, as whole segments. Polls `stop`, which returns true to
    /// stop.
    pub(super) fn new(jpeg: &[u8], layout: &Layout, tables: &[u8], stop: &'a Stop<'a>) -> Self {
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

/// Position of the first restart marker in entropy-coded data.
fn restart(data: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xFF, data).find(|&at| matches!(data.get(at + 1), Some(0xD0..=0xD7)))
}

impl Feed<'_> {
    /// Takes `count` bytes; `None` if there are fewer.
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

    /// Checks a read of codes up to `end`, and stops the decoder if that is an overrun.
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
            // The length of a segment: between scans.
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
