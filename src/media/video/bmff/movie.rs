//! Reads the movie and its video tracks: clocks, orientation, edits, and where the sample tables are (ISO/IEC 14496-12,
//! clauses 8.2 to 8.4). Of other tracks only the kind is read, so that damaged metadata does not make a clip unreadable.

use super::boxes::{Fields, Kind, children, damaged, find, need};
use super::edit::{self, Edit};
use super::fragment::Defaults;
use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::media::video::track::{Error, VIDEOS};

/// What is read of a `moov` box.
pub(super) struct Movie<'a> {
    /// Ticks a second of the clock that edits are measured with.
    pub(super) clock: u32,
    /// The first few video tracks.
    pub(super) videos: Vec<Video<'a>>,
    /// Whether there is a track of sound.
    pub(super) sound: bool,
    /// Defaults for fragments; empty unless there may be fragments.
    pub(super) defaults: Vec<Defaults>,
}

/// What is read of the `trak` box of a video track.
pub(super) struct Video<'a> {
    pub(super) id: u32,
    pub(super) enabled: bool,
    /// Ticks a second of the clock that samples are timed with; not 0.
    pub(super) clock: u32,
    /// The clockwise turn that makes the picture upright.
    pub(super) turn: Rotation,
    /// Whether the picture is mirrored left to right before it is turned.
    pub(super) mirrored: bool,
    /// The sample aspect ratio that the matrix makes, if it is not square.
    pub(super) shape: Option<Shape>,
    /// Width and height in pixels as it should be shown, before the matrix; 0 if not stated.
    pub(super) size: (u32, u32),
    pub(super) edits: Vec<Edit>,
    /// The body of its `stbl` box.
    pub(super) stbl: &'a [u8],
}

/// Most tracks whose defaults are kept. A phone writes up to eight tracks: picture, sound and metadata.
const DEFAULTS: usize = 32;

const TRAK: Kind = *b"trak";
const MDIA: Kind = *b"mdia";

/// Reads the body of a `moov` box.
pub(super) fn read(moov: &[u8]) -> Result<Movie<'_>, Error> {
    const MOOV: Kind = *b"moov";
    if find(moov, MOOV, *b"cmov")?.is_some() {
        return Err(Error::Unsupported("has a compressed 'moov' box, which is not supported".into()));
    }
    let mut fields = Fields(need(moov, MOOV, *b"mvhd")?);
    let mut header = || {
        let (version, _) = fields.full()?;
        fields.take(if version == 1 { 16 } else { 8 })?;
        let clock = fields.u32()?;
        fields.long(version)?;
        // Rate (4), volume (2), reserved (10), then the matrix.
        fields.take(16)?;
        Some((clock, Matrix::read(&mut fields)?))
    };
    let (clock, whole) = header().ok_or_else(|| damaged(*b"mvhd"))?;
    let mut movie = Movie { clock, videos: Vec::new(), sound: false, defaults: Vec::new() };
    for child in children(moov, MOOV) {
        let child = child?;
        match &child.kind {
            b"trak" => match &handler(child.body)? {
                b"vide" if movie.videos.len() < VIDEOS => movie.videos.push(video(child.body, whole)?),
                b"soun" => movie.sound = true,
                _ => {}
            },
            b"mvex" => movie.defaults = defaults(child.body)?,
            _ => {}
        }
    }
    Ok(movie)
}

/// Reads the body of an `mvex` box.
fn defaults(mvex: &[u8]) -> Result<Vec<Defaults>, Error> {
    let mut list = Vec::new();
    for child in children(mvex, *b"mvex") {
        let child = child?;
        if &child.kind == b"trex" && list.len() < DEFAULTS {
            list.push(Defaults::read(child.body)?);
        }
    }
    Ok(list)
}

/// The handler of a track: `vide`, `soun` and others.
fn handler(trak: &[u8]) -> Result<Kind, Error> {
    let mut fields = Fields(need(need(trak, TRAK, MDIA)?, MDIA, *b"hdlr")?);
    fields.take(8).and_then(|_| fields.kind()).ok_or_else(|| damaged(*b"hdlr"))
}

/// Reads the body of the `trak` box of a video track, in a movie with a matrix of its own.
fn video(trak: &[u8], whole: Matrix) -> Result<Video<'_>, Error> {
    const MINF: Kind = *b"minf";
    let (enabled, id, matrix, size) = header(need(trak, TRAK, *b"tkhd")?).ok_or_else(|| damaged(*b"tkhd"))?;
    let media = need(trak, TRAK, MDIA)?;
    let clock = media_clock(need(media, MDIA, *b"mdhd")?).ok_or_else(|| damaged(*b"mdhd"))?;
    let stbl = need(need(media, MDIA, MINF)?, MINF, *b"stbl")?;
    let edits = match find(trak, TRAK, *b"edts")? {
        Some(edts) => find(edts, *b"edts", *b"elst")?.map(edit::read).transpose()?,
        None => None,
    };
    let matrix = matrix.then(whole);
    let ((mirrored, turn), shape) = (matrix.orientation(), matrix.shape());
    let edits = edits.unwrap_or_default();
    Ok(Video { id, enabled, clock, turn, mirrored, shape, size, edits, stbl })
}

/// Reads the body of a `tkhd` box: whether the track is enabled, its number, its matrix and its size in whole pixels.
fn header(body: &[u8]) -> Option<(bool, u32, Matrix, (u32, u32))> {
    let mut fields = Fields(body);
    let (version, flags) = fields.full()?;
    fields.take(if version == 1 { 16 } else { 8 })?;
    let id = fields.u32()?;
    fields.u32()?;
    fields.long(version)?;
    // Reserved (8), layer (2), group (2), volume (2), reserved (2), then the matrix.
    fields.take(16)?;
    let matrix = Matrix::read(&mut fields)?;
    // In 1/65536 pixels; some writers end before.
    let mut side = || fields.u32().unwrap_or(0) >> 16;
    Some((flags & 1 != 0, id, matrix, (side(), side())))
}

/// Reads the body of an `mdhd` box: the ticks a second, which are not 0.
fn media_clock(body: &[u8]) -> Option<u32> {
    let mut fields = Fields(body);
    let (version, _) = fields.full()?;
    fields.take(if version == 1 { 16 } else { 8 })?;
    fields.u32().filter(|&clock| clock > 0)
}

/// The part of a transformation matrix that turns, mirrors and scales: a pixel at (x, y) is shown at (ax + cy, bx +
/// dy), with y pointing down. The numbers are of 32 bits in the file and of 64 after a product: wide enough for one
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Matrix {
    a: i128,
    b: i128,
    c: i128,
    d: i128,
}

impl Matrix {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut next = || fields.i32().map(i128::from);
        // The third column is for projections, the third row for shifts.
        let (a, b, _) = (next()?, next()?, next()?);
        let (c, d, _) = (next()?, next()?, next()?);
        fields.take(12)?;
        Some(Self { a, b, c, d })
    }

    /// Both transformations, first this one. A `next` of zeros, as some writers leave it for the movie, is ignored.
    fn then(self, next: Self) -> Self {
        if next == (Self { a: 0, b: 0, c: 0, d: 0 }) {
            return self;
        }
        Self {
            a: self.a * next.a + self.b * next.c,
            b: self.a * next.b + self.b * next.d,
            c: self.c * next.a + self.d * next.c,
            d: self.c * next.b + self.d * next.d,
        }
    }

    /// The sample aspect ratio that it makes, if one side becomes longer by more than a hundredth; less is rounding.
    fn shape(self) -> Option<Shape> {
        let length = |x: i128, y: i128| {
            let squared = x.unsigned_abs().saturating_pow(2).saturating_add(y.unsigned_abs().saturating_pow(2));
            u64::try_from(squared.isqrt()).unwrap_or(u64::MAX)
        };
        let (across, down) = (length(self.a, self.b), length(self.c, self.d));
        let rounding = u64::max(across, down) / 100;
        Shape::new(across, down).filter(|_| across.abs_diff(down) > rounding)
    }

    /// Whether it mirrors left to right, and the clockwise turn that follows: the nearest quarter turn.
    fn orientation(self) -> (bool, Rotation) {
        let Self { a, b, c, d } = self;
        let mirrored = a * d < b * c;
        let (a, b) = if mirrored { (-a, -b) } else { (a, b) };
        let (along, across) = (a + d, b - c);
        let turn = match (along.abs() >= across.abs(), along >= 0, across >= 0) {
            (true, true, _) => Rotation::None,
            (true, false, _) => Rotation::Half,
            (false, _, true) => Rotation::Right,
            (false, _, false) => Rotation::Left,
        };
        (mirrored, turn)
    }
}
