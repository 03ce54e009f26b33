//! Computes the cost of decoding a JPEG from its layout and refuses files that cost more than any encoder's file of that picture.

use super::kinds::Way;
use super::layout::{JpegDefect, Layout, Scan};
use super::plain;

/// Most visits of scans to components, over all pixels, that a picture as large as the limit may have: libjpeg's script for CMYK
/// makes 24, that for color 18, and blocks that extend past the edges add some. A picture of a tenth of the
/// pixels may have ten times as many. A visit to a block takes a decoder up to a tenth of a microsecond if no bits are read, so
/// that 50 megapixels cost at most two seconds.
const MOST_VISITS: u64 = 28;

/// Least bits of a block in a sequential scan: a code for the first coefficient and one for the end of the block.
const LEAST_SEQUENTIAL: u64 = 2;

/// Least bits of a block in a scan of first coefficients: a code, or the next bit of each.
const LEAST_FIRST: u64 = 1;

/// Most blocks that one run of a scan of other coefficients can skip: a code, and as many bits as its length has after the first.
const LONGEST_RUN: u64 = 32_767;

/// Most restart markers of a progressive picture: a hundred scans with one for each row of 5,000 pixels have half as many. Each adds
/// 16 bytes to the copy that is decoded.
const MOST_RESTARTS: usize = 1 << 17;

impl Layout {
    /// Refuses files that cost too much, or have fewer bytes than their picture needs. `most_pixels` is the limit for the kind of media.
    pub(in crate::media) fn check(&self, most_pixels: u64) -> Result<(), JpegDefect> {
        let mut blocks = 0_u64;
        for scan in &self.scans {
            let visited = self.blocks(scan);
            let least = match (self.progressive, scan.band) {
                (false, _) => visited * LEAST_SEQUENTIAL,
                (true, (0, _)) => visited * LEAST_FIRST,
                (true, _) => {
                    let run = |blocks: u64| blocks.checked_ilog2().map_or(0, |bits| 1 + u64::from(bits));
                    visited / LONGEST_RUN * run(LONGEST_RUN) + run(visited % LONGEST_RUN)
                }
            };
            if (scan.data.len() as u64) * 8 < least {
                return Err(JpegDefect::EndsInScan);
            }
            blocks += visited;
        }
        if blocks.saturating_mul(64) > most_pixels.saturating_mul(MOST_VISITS) {
            return Err(JpegDefect::TooLarge("goes over its picture more often than encoders do"));
        }
        let twice = |component| self.scans.iter().filter(|scan| scan.components.contains(&component)).count() > 1;
        if !self.progressive && (0..self.components.len()).any(twice) {
            return Err(JpegDefect::Damaged("a component in two scans"));
        }
        let restarts: usize = self.scans.iter().map(|scan| scan.restarts).sum();
        if self.progressive && restarts > MOST_RESTARTS {
            return Err(JpegDefect::TooLarge("begins anew more often than encoders do"));
        }
        Ok(())
    }

    /// Blocks of 8x8 samples in a scan (A.2).
    fn blocks(&self, scan: &Scan) -> u64 {
        let (across, down) = self.sampling();
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        if let [only] = scan.components[..] {
            let component = self.components[only];
            let blocks = |pixels: u64, own: u8, most: u64| (pixels * u64::from(own)).div_ceil(most * 8);
            return blocks(width, component.across, across) * blocks(height, component.down, down);
        }
        let units = width.div_ceil(across * 8) * height.div_ceil(down * 8);
        let each = |place: &usize| u64::from(self.components[*place].across) * u64::from(self.components[*place].down);
        units * scan.components.iter().map(each).sum::<u64>()
    }

    /// The largest sampling factors.
    pub(super) fn sampling(&self) -> (u64, u64) {
        let most = |factor: fn(&super::layout::Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1);
        (most(|component| component.across).into(), most(|component| component.down).into())
    }

    /// Most bytes that decoding takes besides the decoded picture.
    pub(in crate::media) fn working_bytes(&self) -> u64 {
        /// Bytes of a coefficient or of an intermediate sample.
        const COEFFICIENT: u64 = 2;
        /// Rows of blocks that are held for each component: before and after upsampling to the size of luma, and once
        /// more for color conversion.
        const ROWS: u64 = 6;
        /// Bytes of tables and of the decoder itself.
        const TABLES: u64 = 1 << 18;
        let (across, down) = self.sampling();
        let (columns, rows) = (u64::from(self.width).div_ceil(across * 8), u64::from(self.height).div_ceil(down * 8));
        let per_unit: u64 =
            self.components.iter().map(|component| u64::from(component.across) * u64::from(component.down) * 64).sum();
        if self.way() == Ok(Way::Plain) {
            return plain::SAMPLE_BYTES * columns * rows * per_unit + 4 * u64::from(self.width) + TABLES;
        }
        // All coefficients are held until the last scan, unless the first scan has them all.
        let held = if self.is_whole() { 0 } else { rows };
        let most_per_unit = across * down * 64 * self.components.len() as u64;
        let copy: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        COEFFICIENT * columns * (per_unit * held + most_per_unit * ROWS) + copy + self.padding() as u64 + TABLES
    }

    /// Bytes of padding in the copy that is decoded: see [`feed`](super::feed).
    pub(super) fn padding(&self) -> usize {
        let restarts = if self.progressive { self.scans.iter().map(|scan| scan.restarts).sum() } else { 0 };
        (self.scans.len() + restarts) * (super::feed::PADDING + size_of::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Writer;
    use super::*;

    fn layout(writer: Writer) -> Layout {
        Layout::read(&writer.bytes()).unwrap()
    }

    #[test]
    fn block_counts_match_the_standard() {
        // 4:2:0, 33x17 pixels: three by two units of 16x16; luma alone has five by three blocks, color alone three by two.
        let start = Writer::new().frame(0xC2, 33, 17, &[0x22, 0x11, 0x11]);
        let all = start.scan(&[1, 2, 3], (0, 0), (0, 0), &[0; 9]).scan(&[1], (1, 5), (0, 0), &[0; 9]);
        let layout = layout(all.scan(&[2], (1, 5), (0, 0), &[0; 9]));
        assert_eq!(layout.scans.iter().map(|scan| layout.blocks(scan)).collect::<Vec<_>>(), [36, 15, 6]);
    }

    #[test]
    fn scans_shorter_than_their_blocks_need_are_refused() {
        // 64x64 pixels are 64 blocks: 16 bytes if sequential, 8 for first coefficients; a run may skip all others.
        for (code, band, least) in [(0xC0, (0, 63), 16), (0xC2, (0, 0), 8)] {
            let check = |bytes: usize| {
                layout(Writer::new().frame(code, 64, 64, &[0x11]).scan(&[1], band, (0, 0), &vec![0; bytes]))
                    .check(1 << 20)
            };
            assert_eq!((check(least), check(least - 1)), (Ok(()), Err(JpegDefect::EndsInScan)));
        }
        // 65,536 blocks: two runs of 15 bits, and one of two blocks.
        let check = |bytes: usize| {
            let first = Writer::new().frame(0xC2, 2048, 2048, &[0x11]).scan(&[1], (0, 0), (0, 0), &[0; 8192]);
            layout(first.scan(&[1], (1, 63), (0, 0), &vec![0; bytes])).check(1 << 22)
        };
        assert_eq!((check(4), check(3)), (Ok(()), Err(JpegDefect::EndsInScan)));
    }

    #[test]
    fn scan_work_is_bounded_relative_to_the_largest_picture() {
        let visits = |visits: usize, most_pixels: u64| {
            let first = Writer::new().frame(0xC2, 64, 64, &[0x11]).scan(&[1], (0, 0), (0, 0), &[0; 8]);
            let all = (1..visits).fold(first, |writer, _| writer.scan(&[1], (1, 63), (0, 0), &[0; 8]));
            layout(all).check(most_pixels)
        };
        assert_eq!(visits(28, 64 * 64), Ok(()));
        assert_eq!(visits(29, 64 * 64), Err(JpegDefect::TooLarge("goes over its picture more often than encoders do")));
        assert_eq!(visits(56, 2 * 64 * 64), Ok(()), "a smaller one may have more");
    }

    #[test]
    fn a_component_may_not_occur_in_two_sequential_scans() {
        let one = |id: u8| move |writer: Writer| writer.scan(&[id], (0, 63), (0, 0), &[0; 16]);
        let start = || Writer::new().frame(0xC0, 16, 16, &[0x11, 0x11]);
        assert_eq!(layout(one(2)(one(1)(start()))).check(1 << 20), Ok(()));
        assert_eq!(
            layout(one(1)(one(1)(start()))).check(1 << 20),
            Err(JpegDefect::Damaged("a component in two scans"))
        );
        let whole = start().scan(&[1, 2], (0, 63), (0, 0), &[0; 16]);
        assert_eq!(layout(one(1)(whole)).scans.len(), 1, "what follows the whole picture is not read");
    }

    #[test]
    fn working_memory_includes_the_coefficients_of_progressive_pictures() {
        let bytes = |code: u8, samplings: &[u8]| {
            let ids: Vec<u8> = (1..=samplings.len() as u8).collect();
            let band = if code == 0xC2 { (0, 0) } else { (0, 63) };
            layout(Writer::new().frame(code, 1600, 1600, samplings).scan(&ids, band, (0, 0), &[0; 9])).working_bytes()
        };
        let pixels = 1600 * 1600;
        assert!(bytes(0xC0, &[0x11; 3]) < pixels / 2);
        assert!((8 * pixels..9 * pixels).contains(&bytes(0xC2, &[0x11; 4])));
        assert!((3 * pixels..4 * pixels).contains(&bytes(0xC2, &[0x22, 0x11, 0x11])));
    }
}
