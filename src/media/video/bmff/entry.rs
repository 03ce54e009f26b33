//! Sample entries: which codec, which size, and what its decoder has to know (ISO/IEC 14496-12, clauses 8.5.2 and
//! 12.1).
//!
//! The settings are handed on as they are: ISO/IEC 14496-15 describes `avcC` and `hvcC`.

use super::boxes::{Fields, Kind, children, damaged, find, need};
use crate::media::video::track::{Codec, Error, settings};

/// How the samples of a track are compressed.
pub(super) struct SampleEntry {
    pub(super) codec: Codec,
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    /// The payload of the box with the codec's settings; empty for codecs that have none.
    pub(super) setup: Vec<u8>,
}

/// Reads entry `number`, counted from 1, of the body of an `stbl` box.
pub(super) fn read(stbl: &[u8], number: u32) -> Result<SampleEntry, Error> {
    const STSD: Kind = *b"stsd";
    let mut list = Fields(need(stbl, *b"stbl", STSD)?);
    list.full().and_then(|_| list.u32()).ok_or_else(|| damaged(STSD))?;
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(|| damaged(STSD))?;
    let entry = children(list.0, STSD).nth(index).ok_or_else(|| damaged(STSD))??;
    let (width, height, extensions) = header(entry.body).ok_or_else(|| damaged(entry.kind))?;
    let codec = match &entry.kind {
        b"encv" => return Err(Error::Unsupported("is encrypted".into())),
        b"mp4v" => object_type(extensions)?,
        &code => Codec::from_fourcc(code),
    };
    let setup = match codec {
        Codec::H264 => need(extensions, entry.kind, *b"avcC")?,
        Codec::Hevc => need(extensions, entry.kind, *b"hvcC")?,
        Codec::Vp8 | Codec::Vp9 => find(extensions, entry.kind, *b"vpcC")?.unwrap_or_default(),
        Codec::H263 | Codec::Mjpeg | Codec::Other(_) => &[],
    };
    Ok(SampleEntry { codec, width: width.into(), height: height.into(), setup: settings(setup)? })
}

/// Width and height in pixels, and the boxes that follow.
fn header(entry: &[u8]) -> Option<(u16, u16, &[u8])> {
    let mut fields = Fields(entry);
    // Reserved (6) and data reference (2), then what QuickTime has for the version of the codec (16).
    fields.take(24)?;
    let size = (fields.u16()?, fields.u16()?);
    // Resolution (8), data size (4), frame count (2), name of the compressor (32), depth and color table (4).
    fields.take(50)?;
    Some((size.0, size.1, fields.0))
}

/// The codec behind `mp4v`, which stands for all that MPEG-4 Systems has a number for (ISO/IEC 14496-1, clause 7.2.6).
fn object_type(extensions: &[u8]) -> Result<Codec, Error> {
    let number = find(extensions, *b"mp4v", *b"esds")?.and_then(parse_object_type);
    Ok(match number {
        Some(0x6C) => Codec::Mjpeg,
        Some(0x21) => Codec::H264,
        Some(0x60..=0x65) => Codec::Other("MPEG-2".into()),
        Some(0x6A) => Codec::Other("MPEG-1".into()),
        _ => Codec::from_fourcc(*b"mp4v"),
    })
}

/// The object type that an `esds` box states: an ES_Descriptor (tag 3) with a DecoderConfigDescriptor (tag 4) inside.
fn parse_object_type(body: &[u8]) -> Option<u8> {
    let mut fields = Fields(body);
    fields.full()?;
    descriptor(&mut fields, 3)?;
    fields.u16()?;
    let flags = fields.u8()?;
    if flags & 0x80 != 0 {
        fields.u16()?;
    }
    if flags & 0x40 != 0 {
        let length = fields.u8()?;
        fields.take(length.into())?;
    }
    if flags & 0x20 != 0 {
        fields.u16()?;
    }
    descriptor(&mut fields, 4)?;
    fields.u8()
}

/// Steps into a descriptor: its tag, then its size in up to four bytes of seven bits.
fn descriptor(fields: &mut Fields<'_>, tag: u8) -> Option<()> {
    if fields.u8()? != tag {
        return None;
    }
    for _ in 0..4 {
        if fields.u8()? & 0x80 == 0 {
            return Some(());
        }
    }
    None
}
