//! Decodes the kinds of JPEG that `zune-jpeg` gets wrong: components in scans of their own, and components that are coarser or finer
//! than others by whole factors.
//!
//! It gives exactly the pixels of libjpeg-turbo with its defaults (`.ci/jpegs.py` compares them), in a simple way: all coefficients
//! first (`scans`, `codes`), then the samples of each component (`samples`), then the picture row by row (`enlarge`, `color`).
//! It does not support arithmetic coding, 12 bits and other features that libjpeg-turbo may read: [`Layout::way`] refuses them.

mod codes;
mod enlarge;
mod samples;
mod scans;
#[cfg(test)]
mod tests;

use super::color::Color;
use super::layout::{JpegDefect, Layout};
use super::stopped::Stopped;
use crate::ops::{SecretBytes, Stop};

use self::codes::Codes;
use self::enlarge::Plane;
use self::scans::{Grid, Tables, ZIGZAG};

/// Bytes that decoding holds per sample: its coefficient and, once all coefficients of its component are there, the sample.
pub(super) const SAMPLE_BYTES: u64 = 2 + 1;

/// Decodes a picture whose layout was checked into a byte a pixel if `color` is gray, else three. `tables` are segments that precede
/// the file's own; `stop` is polled and returns true to stop.
pub(super) fn decode(
    jpeg: &[u8],
    layout: &Layout,
    tables: &[u8],
    color: Color,
    out: &mut [u8],
    stop: &Stop<'_>,
) -> Result<(), Stopped> {
    let (grids, quantizers) = coefficients(jpeg, layout, tables, stop)?;
    let (across, down) = layout.sampling();
    let mut planes = vec![];
    for ((grid, quantizers), component) in grids.into_iter().zip(quantizers).zip(&layout.components) {
        let quantizers =
            quantizers.ok_or(Stopped::Flawed(JpegDefect::Damaged("a component lacks its quantization table")))?;
        let size = |pixels: u16, own: u8, most: u64| (u64::from(pixels) * u64::from(own)).div_ceil(most) as usize;
        planes.push(Plane {
            stride: grid.across * 8,
            samples: plane(&grid, &quantizers, stop)?,
            width: size(layout.width, component.across, across),
            height: size(layout.height, component.down, down),
            times: (across as usize / usize::from(component.across), down as usize / usize::from(component.down)),
        });
    }
    let width = usize::from(layout.width);
    let mut rows = vec![vec![0; width]; planes.len()];
    let bytes = width * if color == Color::Gray { 1 } else { 3 };
    for (y, out) in out.chunks_exact_mut(bytes).enumerate() {
        planes.iter().zip(&mut rows).for_each(|(plane, row)| plane.row(y, row));
        color.write(&rows, out);
        if y.is_multiple_of(8) && stop() {
            return Err(Stopped::Late);
        }
    }
    Ok(())
}

type Quantizers = [u16; 64];

/// All coefficients of all components, and the quantizers of each component at the time its first scan begins.
fn coefficients(
    jpeg: &[u8],
    layout: &Layout,
    tables: &[u8],
    stop: &Stop<'_>,
) -> Result<(Vec<Grid>, Vec<Option<Quantizers>>), Stopped> {
    let mut grids: Vec<Grid> = (0..layout.components.len()).map(|place| grid(layout, place)).collect();
    let mut quantizers = vec![None; grids.len()];
    let mut codes = Tables::default();
    let mut quantization = [None; 4];
    let mut scans = layout.scans.iter().peekable();
    define(tables, &mut codes, &mut quantization)?;
    for piece in &layout.pieces {
        let bytes = &jpeg[piece.clone()];
        let Some(scan) = scans.next_if(|scan| scan.data == *piece) else {
            define(bytes, &mut codes, &mut quantization)?;
            continue;
        };
        for &place in &scan.components {
            let table = quantization.get(usize::from(layout.components[place].quantizer)).copied().flatten();
            quantizers[place] = quantizers[place].or(table);
        }
        scans::read(layout, scan, bytes, &codes, &mut grids, stop)?;
    }
    Ok((grids, quantizers))
}

/// Allocates the coefficients of a component.
fn grid(layout: &Layout, place: usize) -> Grid {
    let (most_across, most_down) = layout.sampling();
    let component = layout.components[place];
    let units = |pixels: u16, most: u64| u64::from(pixels).div_ceil(most * 8) as usize;
    let needed = |pixels: u16, own: u8, most: u64| (u64::from(pixels) * u64::from(own)).div_ceil(most * 8) as usize;
    let unit = (usize::from(component.across), usize::from(component.down));
    let (across, down) = (units(layout.width, most_across) * unit.0, units(layout.height, most_down) * unit.1);
    Grid {
        needed: (needed(layout.width, component.across, most_across), needed(layout.height, component.down, most_down)),
        across,
        down,
        unit,
        coefficients: vec![[0; 64]; across * down],
    }
}

/// Reads the tables of a segment, if it has any, with its marker and length (B.2.4).
fn define(segment: &[u8], codes: &mut Tables, quantization: &mut [Option<Quantizers>; 4]) -> Result<(), Stopped> {
    let cut = || Stopped::Flawed(JpegDefect::Damaged("a table that ends early"));
    let Some((&[_, code, _, _], mut body)) = segment.split_first_chunk() else { return Ok(()) };
    while let (0xC4 | 0xDB, Some((&kind, rest))) = (code, body.split_first()) {
        let number = usize::from(kind & 0xF);
        if number > 3 || kind >> 4 > 1 {
            return Err(Stopped::Flawed(JpegDefect::Damaged("a table of a number that cannot be")));
        }
        body = if code == 0xDB {
            let wide = kind >> 4 == 1;
            let (values, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or_else(cut)?;
            let mut table = [0; 64];
            for (at, &place) in ZIGZAG.iter().enumerate() {
                table[place] =
                    if wide { u16::from_be_bytes([values[2 * at], values[2 * at + 1]]) } else { values[at].into() };
            }
            quantization[number] = Some(table);
            rest
        } else {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(cut)?;
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let (values, rest) = rest.split_at_checked(count).ok_or_else(cut)?;
            let table = Codes::new(counts, values)
                .ok_or(Stopped::Flawed(JpegDefect::Damaged("Huffman codes that cannot be")))?;
            if kind >> 4 == 0 {
                codes.first[number] = Some(table)
            } else {
                codes.others[number] = Some(table)
            }
            rest
        };
    }
    Ok(())
}

/// The samples of a component, in whole blocks.
fn plane(grid: &Grid, quantizers: &Quantizers, stop: &Stop<'_>) -> Result<SecretBytes, Stopped> {
    let stride = grid.across * 8;
    let mut samples = SecretBytes::from(vec![0; stride * grid.down * 8]);
    for (row, blocks) in samples.chunks_exact_mut(stride * 8).zip(grid.coefficients.chunks_exact(grid.across)) {
        if stop() {
            return Err(Stopped::Late);
        }
        for (number, block) in blocks.iter().enumerate() {
            for (y, line) in samples::of_block(block, quantizers).iter().enumerate() {
                row[y * stride + number * 8..][..8].copy_from_slice(line);
            }
        }
    }
    Ok(samples)
}
