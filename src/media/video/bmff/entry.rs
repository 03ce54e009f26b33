//! Reads sample entries: codec, size, sample aspect ratio, and the decoder's settings (ISO/IEC 14496-12, clauses 8.5.2 and
//! 12.1).
//!
//! The settings are passed on as they are: ISO/IEC 14496-15 describes `avcC` and `hvcC`.

use super::boxes::{Boxed, Fields, Kind, children, damaged, find, need};
use crate::media::Shape;
use crate::media::video::track::{Codec, Error, settings};

/// How the samples of a track are compressed.
pub(super) struct SampleEntry {
    pub(super) codec: Codec,
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    /// The sample aspect ratio, if present.
    pub(super) shape: Option<Shape>,
    /// Whether the first of two fields has the lower rows.
    pub(super) bottom_first: bool,
    /// The payload of the box with the codec's settings; empty for codecs that have none.
    pub(super) setup: Vec<u8>,
}

/// Reads entry `number`, counted from 1, of the body of an `stbl` box.
pub(super) fn read(stbl: &[u8], number: u32) -> Result<SampleEntry, Error> {
    let entry = entry(stbl, number)?;
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
        Codec::Mjpeg | Codec::Other(_) => &[],
    };
    let shape = optional(extensions, *b"pasp").and_then(|body| {
        let mut fields = Fields(body);
        Shape::new(fields.u32()?.into(), fields.u32()?.into())
    });
    // Two fields, and the detail that means that the lower one comes first (QuickTime File Format, 'fiel').
    let bottom_first = optional(extensions, *b"fiel").is_some_and(|body| body.starts_with(&[2, 6]));
    let (width, height, setup) = (width.into(), height.into(), settings(setup)?);
    Ok(SampleEntry { codec, width, height, shape, bottom_first, setup })
}

/// The pixels of a frame by entry `number`; 0 if it is damaged.
pub(super) fn pixels(stbl: &[u8], number: u32) -> u64 {
    let size = entry(stbl, number).ok().and_then(|entry| header(entry.body));
    size.map_or(0, |(width, height, _)| u64::from(width) * u64::from(height))
}

fn entry(stbl: &[u8], number: u32) -> Result<Boxed<'_>, Error> {
    const STSD: Kind = *b"stsd";
    let mut list = Fields(need(stbl, *b"stbl", STSD)?);
    list.full().and_then(|_| list.u32()).ok_or_else(|| damaged(STSD))?;
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(|| damaged(STSD))?;
    children(list.0, STSD).nth(index).ok_or_else(|| damaged(STSD))?
}

/// The body of an optional extension: none if what lies before it is damaged.
fn optional(extensions: &[u8], kind: Kind) -> Option<&[u8]> {
    find(extensions, *b"stsd", kind).ok().flatten()
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

/// The codec of an `mp4v` entry, which stands for every codec that MPEG-4 Systems has a number for (ISO/IEC 14496-1, clause 7.2.6).
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

/// The object type in an `esds` box: an ES_Descriptor (tag 3) with a DecoderConfigDescriptor (tag 4) inside.
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

/// Enters a descriptor: its tag, then its size in up to four bytes of seven bits.
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
