//! The headers of pictures, groups of blocks and slices (5.1, 5.2, K.2), and what outlives a picture (5.1.4.1).
//!
//! When a picture is to be shown, the shape of its pixels and additional data (PSUPP) are read over. What is not supported
//! is found here and named.

use super::Error;
use super::bits::Bits;

/// Bits of the start code of a picture: 16 zeros, a one and five zeros.
const PICTURE_START: (u32, u32) = (22, 0b10_0000);

/// Luma samples of the standard formats, by the number in the header, 1 to 5: sub-QCIF, QCIF, CIF, 4CIF, 16CIF.
const FORMATS: [(u16, u16); 5] = [(128, 96), (176, 144), (352, 288), (704, 576), (1408, 1152)];

/// What a header tells of the way a picture is coded; with PLUSPTYPE it holds until it is told anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// In luma samples.
    pub(super) width: u16,
    pub(super) height: u16,
    /// Whether pictures may come at other times than multiples of 1001/30000 s: two more bits tell when.
    custom_clock: bool,
    /// Annex D without PLUSPTYPE: vectors have twice the range.
    pub(super) long_vectors: bool,
    /// Annex D with PLUSPTYPE: vectors have codes of their own and a range without bounds.
    pub(super) unrestricted_vectors: bool,
    /// Annex F: overlapped blocks.
    pub(super) overlapped: bool,
    /// Annex I.
    pub(super) advanced_intra: bool,
    /// Annex J.
    pub(super) deblocking: bool,
    /// Annex K: slices, and not groups of blocks.
    pub(super) slices: bool,
    /// Annex S.
    pub(super) alternative_inter: bool,
    /// Annex T.
    pub(super) modified_quantization: bool,
}

/// What a picture begins with.
pub(super) struct Header {
    pub(super) options: Options,
    /// What a later picture without options of its own takes over: those of PLUSPTYPE, if there were any.
    pub(super) lasting: Option<Options>,
    /// Whether it stands alone.
    pub(super) intra: bool,
    /// The quantizer at the start, 1 to 31.
    pub(super) quantizer: u8,
    /// RTYPE: what is taken off before interpolated samples are rounded down, 0 or 1.
    pub(super) rounding: u8,
}

/// Where a group of blocks or a slice begins.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    /// Number of its first macroblock, in rows from the top left. None before that one is referred to by those within.
    pub(super) start: usize,
    /// Its quantizer, 1 to 31.
    pub(super) quantizer: u8,
}

impl Options {
    /// Macroblocks in a row.
    pub(super) fn columns(&self) -> usize {
        usize::from(self.width).div_ceil(16)
    }

    /// Rows of macroblocks.
    pub(super) fn rows(&self) -> usize {
        usize::from(self.height).div_ceil(16)
    }
}

/// What stands for the source format where PLUSPTYPE follows.
const EXTENDED: u32 = 7;

/// Whether a picture stands alone, by the start of its header.
pub(super) fn is_intra(bits: &mut Bits<'_>) -> bool {
    match source_format(bits) {
        Ok(EXTENDED) => {
            match bits.number(3) {
                0 => {}
                1 => bits.skip(18),
                _ => return false,
            }
            bits.number(3) == 0 && !bits.ended()
        }
        Ok(_) => !bits.flag() && !bits.ended(),
        Err(_) => false,
    }
}

/// Reads the header of a picture up to its first macroblock. `lasting`: see [`Header::lasting`].
pub(super) fn read(bits: &mut Bits<'_>, lasting: Option<&Options>) -> Result<Header, Error> {
    let header = match source_format(bits)? {
        EXTENDED => plus(bits, lasting)?,
        format => baseline(bits, format)?,
    };
    if header.quantizer == 0 {
        return Err(Error::Damaged("the H.263 picture has no quantizer"));
    }
    // PEI, PSUPP: ends at the latest with the zeros that follow the data.
    while bits.flag() {
        bits.skip(8);
    }
    if header.options.slices {
        // The first slice has no start code and no quantizer.
        let (columns, rows) = (header.options.columns(), header.options.rows());
        let marked = bits.flag();
        let start = bits.number(address_bits(columns * rows));
        if !marked || start != 0 || !bits.flag() {
            return Err(Error::Damaged("the first slice of the H.263 picture is not where it should be"));
        }
    }
    if bits.ended() { Err(ENDS_IN_HEADER) } else { Ok(header) }
}

const ENDS_IN_HEADER: Error = Error::Damaged("the H.263 picture ends inside its header");

/// Reads up to the source format: 1 to 5, or [`EXTENDED`].
fn source_format(bits: &mut Bits<'_>) -> Result<u32, Error> {
    if bits.number(PICTURE_START.0) != PICTURE_START.1 {
        return Err(Error::Damaged("the H.263 picture has no start code"));
    }
    // When it is to be shown.
    bits.skip(8);
    if bits.number(2) != 0b10 {
        return Err(Error::Damaged("this is H.261 or no video, and not H.263"));
    }
    // Split screen, document camera, freeze picture release.
    bits.skip(3);
    let format = bits.number(3);
    match format {
        _ if bits.ended() => Err(ENDS_IN_HEADER),
        1..=5 | EXTENDED => Ok(format),
        _ => Err(Error::Damaged("the H.263 picture has no known source format")),
    }
}

/// The rest of PTYPE and what follows it (5.1.3 to 5.1.23).
fn baseline(bits: &mut Bits<'_>, format: u32) -> Result<Header, Error> {
    let (width, height) = FORMATS[format as usize - 1];
    let intra = !bits.flag();
    let long_vectors = bits.flag();
    refuse(bits.flag(), ARITHMETIC_CODING)?;
    let overlapped = bits.flag();
    refuse(bits.flag(), "PB-frames (Annex G)")?;
    let quantizer = bits.number(5) as u8;
    refuse(bits.flag(), MULTIPOINT)?;
    let options = Options { width, height, long_vectors, overlapped, ..Options::default() };
    Ok(Header { options, lasting: None, intra, quantizer, rounding: 0 })
}

/// PLUSPTYPE and what follows it (5.1.4 to 5.1.19).
fn plus(bits: &mut Bits<'_>, lasting: Option<&Options>) -> Result<Header, Error> {
    let told = match bits.number(3) {
        0 => false,
        1 => true,
        _ => return Err(Error::Damaged("the H.263 picture has an unknown kind of header")),
    };
    let mut format = 0;
    let mut options = if told {
        format = bits.number(3);
        mandatory_options(bits)?
    } else {
        *lasting.ok_or(Error::NoKeyFrame)?
    };
    let intra = match bits.number(3) {
        0 => true,
        1 => false,
        2 => return Err(Error::Unsupported("Improved PB-frames (Annex M)")),
        3 => return Err(Error::Unsupported("B pictures (Annex O)")),
        4 | 5 => return Err(Error::Unsupported("scalability (Annex O)")),
        _ => return Err(Error::Damaged("the H.263 picture is of no known type")),
    };
    refuse(bits.flag(), "Reference Picture Resampling (Annex P)")?;
    refuse(bits.flag(), "Reduced-Resolution Update (Annex Q)")?;
    let rounding = u8::from(bits.flag());
    bits.skip(3);
    refuse(bits.flag(), MULTIPOINT)?;
    if told {
        (options.width, options.height) = match format {
            1..=5 => FORMATS[format as usize - 1],
            6 => custom_format(bits)?,
            _ => return Err(Error::Damaged("the H.263 picture has no known source format")),
        };
        if options.custom_clock {
            bits.skip(8);
        }
    }
    if options.custom_clock {
        bits.skip(2);
    }
    if told {
        // UUI: the range of the vectors. Either is read the same way.
        if options.unrestricted_vectors && !bits.flag() {
            bits.skip(1);
        }
        if options.slices {
            refuse(bits.flag(), "rectangular slices (Annex K)")?;
            refuse(bits.flag(), "slices in arbitrary order (Annex K)")?;
        }
    }
    let quantizer = bits.number(5) as u8;
    Ok(Header { options, lasting: Some(options), intra, quantizer, rounding })
}

const ARITHMETIC_CODING: &str = "Syntax-based Arithmetic Coding (Annex E)";
const MULTIPOINT: &str = "Continuous Presence Multipoint (Annex C)";

fn refuse(set: bool, what: &'static str) -> Result<(), Error> {
    if set { Err(Error::Unsupported(what)) } else { Ok(()) }
}

/// OPPTYPE after the source format (5.1.4.2).
fn mandatory_options(bits: &mut Bits<'_>) -> Result<Options, Error> {
    let mut options = Options { custom_clock: bits.flag(), unrestricted_vectors: bits.flag(), ..Options::default() };
    refuse(bits.flag(), ARITHMETIC_CODING)?;
    options.overlapped = bits.flag();
    options.advanced_intra = bits.flag();
    options.deblocking = bits.flag();
    options.slices = bits.flag();
    refuse(bits.flag(), "Reference Picture Selection (Annex N)")?;
    refuse(bits.flag(), "Independent Segment Decoding (Annex R)")?;
    options.alternative_inter = bits.flag();
    options.modified_quantization = bits.flag();
    bits.skip(4);
    Ok(options)
}

/// CPFMT and EPAR (5.1.5, 5.1.6): width and height in luma samples.
fn custom_format(bits: &mut Bits<'_>) -> Result<(u16, u16), Error> {
    /// The code for a shape of pixels that two more bytes tell.
    const EXTENDED_SHAPE: u32 = 15;
    let shape = bits.number(4);
    let width = (bits.number(9) as u16 + 1) * 4;
    bits.skip(1);
    let height = bits.number(9) as u16 * 4;
    if shape == EXTENDED_SHAPE {
        bits.skip(16);
    }
    if height == 0 { Err(Error::Damaged("the H.263 picture has no pixels")) } else { Ok((width, height)) }
}

/// Bits of the number of a macroblock in a picture of `macroblocks` (table K.2).
fn address_bits(macroblocks: usize) -> u32 {
    match macroblocks {
        0..=48 => 6,
        49..=99 => 7,
        100..=396 => 9,
        397..=1584 => 11,
        1585..=6336 => 13,
        _ => 14,
    }
}

impl Segment {
    /// Whether a start code follows, after zeros that align it: no macroblock begins with 16 zeros.
    #[inline]
    pub(super) fn follows(bits: &Bits<'_>) -> bool {
        bits.peek(16) == 0
    }

    /// Reads the header of a group of blocks or a slice (5.2, K.2).
    pub(super) fn read(bits: &mut Bits<'_>, options: &Options) -> Result<Self, Error> {
        /// Zeros that may stand before a start code of 16 zeros and a one.
        const MOST_STUFFING: usize = 7;
        const MISSING: Error = Error::Damaged("the H.263 picture ends before its last macroblock");
        bits.skip(16);
        if !(0..=MOST_STUFFING).any(|_| bits.flag()) {
            return Err(MISSING);
        }
        let (columns, rows) = (options.columns(), options.rows());
        let segment = if options.slices {
            let mut marked = bits.flag();
            let start = bits.number(address_bits(columns * rows)) as usize;
            if columns * rows > 1583 {
                marked &= bits.flag();
            }
            let quantizer = bits.number(5) as u8;
            marked &= bits.flag();
            // GFID.
            bits.skip(2);
            if !marked {
                return Err(Error::Damaged("the H.263 picture has a damaged slice header"));
            }
            Self { start, quantizer }
        } else {
            let number = bits.number(5) as usize;
            // GFID.
            bits.skip(2);
            let quantizer = bits.number(5) as u8;
            // Number 0 is the next picture, 31 the end of the stream.
            if number == 0 || number == 31 {
                return Err(MISSING);
            }
            Self { start: number * group_rows(options.height) * columns, quantizer }
        };
        if bits.ended() {
            return Err(MISSING);
        }
        if segment.quantizer == 0 {
            return Err(Error::Damaged("the H.263 picture has a group of blocks without a quantizer"));
        }
        Ok(segment)
    }
}

/// Rows of macroblocks in a group of blocks (4.2.1).
fn group_rows(height: u16) -> usize {
    match height {
        0..=400 => 1,
        401..=800 => 2,
        _ => 4,
    }
}
