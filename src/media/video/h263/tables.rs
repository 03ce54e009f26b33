//! The numbers of the Recommendation: code words, scans, quantizers.
//!
//! Code words stand here as they are printed there, in text; what decodes them is made of that when the crate is compiled.

/// Code words of up to `log2(N)` bits: what each of the `N` ways to go on means, as symbol and length; the length is zero
/// where no code word begins.
pub(super) struct Codes<const N: usize>([(u8, u8); N]);

impl<const N: usize> Codes<N> {
    /// `words[i]` is the code word of symbol `i`; an empty one stands for a symbol that does not occur.
    const fn new(words: &[&str]) -> Self {
        let mut found = [(0, 0); N];
        let mut symbol = 0;
        while symbol < words.len() {
            let word = words[symbol].as_bytes();
            let (first, count) = span(word, N);
            let mut at = first;
            while at < first + count && !word.is_empty() {
                assert!(found[at].1 == 0, "no code word begins with another");
                found[at] = (symbol as u8, word.len() as u8);
                at += 1;
            }
            symbol += 1;
        }
        Self(found)
    }

    /// Symbol and length of the code word at the start of `bits`, a number of `log2(N)` bits.
    #[inline]
    pub(super) fn find(&self, bits: u32) -> Option<(u8, u32)> {
        let (symbol, length) = self.0[bits as usize % N];
        (length != 0).then_some((symbol, u32::from(length)))
    }
}

/// The numbers of as many bits as `total` needs that begin with `word`: the first, and how many.
const fn span(word: &[u8], total: usize) -> (usize, usize) {
    let (mut first, mut count) = (0, total);
    let mut bit = 0;
    while bit < word.len() {
        count /= 2;
        if word[bit] == b'1' {
            first += count;
        }
        bit += 1;
    }
    (first, count)
}

/// What a code word of coefficients means (table 16): `run` zeros, then one of magnitude `level`, whose sign follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Whether no other coefficient follows in the block.
    pub(super) last: bool,
    pub(super) run: u8,
    /// Zero for the escape code.
    pub(super) level: u8,
    /// Bits of the code word; zero where there is none.
    pub(super) length: u8,
}

/// The code words of one `last` and `run`, of level one and on.
type Run = (bool, u8, &'static [&'static str]);

/// Bits of the longest code word of coefficients.
pub(super) const EVENT_BITS: u32 = 12;

/// What follows this tells the coefficient in full.
const ESCAPE: &str = "0000011";

const fn events(runs: &[Run]) -> [Event; 1 << EVENT_BITS] {
    let mut found = [Event { last: false, run: 0, level: 0, length: 0 }; 1 << EVENT_BITS];
    let mut at = 0;
    while at < runs.len() {
        let (last, run, words) = runs[at];
        let mut level = 0;
        while level < words.len() {
            let word = words[level].as_bytes();
            level += 1;
            fill(&mut found, word, Event { last, run, level: level as u8, length: word.len() as u8 });
        }
        at += 1;
    }
    fill(&mut found, ESCAPE.as_bytes(), Event { last: false, run: 0, level: 0, length: ESCAPE.len() as u8 });
    found
}

const fn fill(found: &mut [Event; 1 << EVENT_BITS], word: &[u8], event: Event) {
    let (first, count) = span(word, 1 << EVENT_BITS);
    let mut at = first;
    while at < first + count {
        assert!(found[at].length == 0, "no code word begins with another");
        found[at] = event;
        at += 1;
    }
}

/// Macroblock type and coded chroma blocks in I pictures (table 7): four times INTRA, four times INTRA+Q, stuffing.
pub(super) static MCBPC_INTRA: Codes<{ 1 << 9 }> =
    Codes::new(&["1", "001", "010", "011", "0001", "000001", "000010", "000011", "000000001"]);

/// The same in P pictures (table 8): four times INTER, INTRA, INTER+Q, INTRA+Q, INTER4V; stuffing; four times INTER4V+Q.
pub(super) static MCBPC_INTER: Codes<{ 1 << 13 }> = Codes::new(&[
    "1",
    "0011",
    "0010",
    "000101", //
    "00011",
    "00000100",
    "00000011",
    "0000011", //
    "011",
    "0000111",
    "0000110",
    "000000101", //
    "000100",
    "000000100",
    "000000011",
    "000000010", //
    "010",
    "0000101",
    "0000100",
    "00000101", //
    "000000001",
    "",
    "",
    "", //
    "00000000010",
    "0000000001100",
    "0000000001110",
    "0000000001111",
]);

/// Coded luma blocks of an intra macroblock (table 13): the first block is the most significant bit.
pub(super) static CBPY: Codes<{ 1 << 6 }> = Codes::new(&[
    "0011", "00101", "00100", "1001", "00011", "0111", "000010", "1011", "00010", "000011", "0101", "1010", "0100",
    "1000", "0110", "11",
]);

/// Magnitude of the difference of a motion vector in half samples, whose sign follows (table 14).
pub(super) static MVD: Codes<{ 1 << 12 }> = Codes::new(&[
    "1",
    "01",
    "001",
    "0001",
    "000011",
    "0000101",
    "0000100",
    "0000011",
    "000001011",
    "000001010",
    "000001001",
    "0000010001",
    "0000010000",
    "0000001111",
    "0000001110",
    "0000001101",
    "0000001100",
    "0000001011",
    "0000001010",
    "0000001001",
    "0000001000",
    "0000000111",
    "0000000110",
    "0000000101",
    "0000000100",
    "00000000111",
    "00000000110",
    "00000000101",
    "00000000100",
    "00000000011",
    "00000000010",
    "000000000011",
    "000000000010",
]);

/// Coefficients (table 16).
pub(super) static TCOEF: [Event; 1 << EVENT_BITS] = events(TCOEF_WORDS);

/// Coefficients of intra blocks with Annex I, and of some others with Annex S (table I.2).
pub(super) static TCOEF_INTRA: [Event; 1 << EVENT_BITS] = events(TCOEF_INTRA_WORDS);

const TCOEF_WORDS: &[Run] = &[
    (
        false,
        0,
        &[
            "10",
            "1111",
            "010101",
            "0010111",
            "00011111",
            "000100101",
            "000100100",
            "0000100001",
            "0000100000",
            "00000000111",
            "00000000110",
            "00000100000",
        ],
    ),
    (false, 1, &["110", "010100", "00011110", "0000001111", "00000100001", "000001010000"]),
    (false, 2, &["1110", "00011101", "0000001110", "000001010001"]),
    (false, 3, &["01101", "000100011", "0000001101"]),
    (false, 4, &["01100", "000100010", "000001010010"]),
    (false, 5, &["01011", "0000001100", "000001010011"]),
    (false, 6, &["010011", "0000001011", "000001010100"]),
    (false, 7, &["010010", "0000001010"]),
    (false, 8, &["010001", "0000001001"]),
    (false, 9, &["010000", "0000001000"]),
    (false, 10, &["0010110", "000001010101"]),
    (false, 11, &["0010101"]),
    (false, 12, &["0010100"]),
    (false, 13, &["00011100"]),
    (false, 14, &["00011011"]),
    (false, 15, &["000100001"]),
    (false, 16, &["000100000"]),
    (false, 17, &["000011111"]),
    (false, 18, &["000011110"]),
    (false, 19, &["000011101"]),
    (false, 20, &["000011100"]),
    (false, 21, &["000011011"]),
    (false, 22, &["000011010"]),
    (false, 23, &["00000100010"]),
    (false, 24, &["00000100011"]),
    (false, 25, &["000001010110"]),
    (false, 26, &["000001010111"]),
    (true, 0, &["0111", "000011001", "00000000101"]),
    (true, 1, &["001111", "00000000100"]),
    (true, 2, &["001110"]),
    (true, 3, &["001101"]),
    (true, 4, &["001100"]),
    (true, 5, &["0010011"]),
    (true, 6, &["0010010"]),
    (true, 7, &["0010001"]),
    (true, 8, &["0010000"]),
    (true, 9, &["00011010"]),
    (true, 10, &["00011001"]),
    (true, 11, &["00011000"]),
    (true, 12, &["00010111"]),
    (true, 13, &["00010110"]),
    (true, 14, &["00010101"]),
    (true, 15, &["00010100"]),
    (true, 16, &["00010011"]),
    (true, 17, &["000011000"]),
    (true, 18, &["000010111"]),
    (true, 19, &["000010110"]),
    (true, 20, &["000010101"]),
    (true, 21, &["000010100"]),
    (true, 22, &["000010011"]),
    (true, 23, &["000010010"]),
    (true, 24, &["000010001"]),
    (true, 25, &["0000000111"]),
    (true, 26, &["0000000110"]),
    (true, 27, &["0000000101"]),
    (true, 28, &["0000000100"]),
    (true, 29, &["00000100100"]),
    (true, 30, &["00000100101"]),
    (true, 31, &["00000100110"]),
    (true, 32, &["00000100111"]),
    (true, 33, &["000001011000"]),
    (true, 34, &["000001011001"]),
    (true, 35, &["000001011010"]),
    (true, 36, &["000001011011"]),
    (true, 37, &["000001011100"]),
    (true, 38, &["000001011101"]),
    (true, 39, &["000001011110"]),
    (true, 40, &["000001011111"]),
];

const TCOEF_INTRA_WORDS: &[Run] = &[
    (
        false,
        0,
        &[
            "10",
            "110",
            "1110",
            "01100",
            "01101",
            "010000",
            "010001",
            "010010",
            "0010110",
            "00011011",
            "000100000",
            "000100001",
            "000011010",
            "000011011",
            "000011100",
            "000011101",
            "000011110",
            "000011111",
            "00000100011",
            "00000100010",
            "000001010111",
            "000001010110",
            "000001010101",
            "000001010100",
            "000001010011",
        ],
    ),
    (false, 1, &["1111", "010100", "0010100", "00011110", "0000001111", "00000100001", "000001010000"]),
    (false, 2, &["01011", "0010101", "0000001110", "0000001001"]),
    (false, 3, &["010101", "00011101", "0000001101", "000001010001"]),
    (false, 4, &["010011", "000100011", "00000000111"]),
    (false, 5, &["0010111", "000100010", "000001010010"]),
    (false, 6, &["00011100", "0000001100"]),
    (false, 7, &["00011111", "0000001011"]),
    (false, 8, &["000100101", "0000001010"]),
    (false, 9, &["000100100", "00000000110"]),
    (false, 10, &["0000100001"]),
    (false, 11, &["0000100000"]),
    (false, 12, &["0000001000"]),
    (false, 13, &["00000100000"]),
    (
        true,
        0,
        &[
            "0111",
            "001100",
            "0010000",
            "00010011",
            "000010001",
            "000010010",
            "0000000100",
            "00000100111",
            "00000100110",
            "000001011111",
        ],
    ),
    (true, 1, &["001111", "000010011", "0000000101", "00000100101"]),
    (true, 2, &["001110", "000010100", "00000100100"]),
    (true, 3, &["001101", "0000000110", "000001011110"]),
    (true, 4, &["0010001", "0000000111"]),
    (true, 5, &["0010011", "000001011101"]),
    (true, 6, &["0010010", "000001011100"]),
    (true, 7, &["00010100", "000001011011"]),
    (true, 8, &["00010101"]),
    (true, 9, &["00011010"]),
    (true, 10, &["00011001"]),
    (true, 11, &["00011000"]),
    (true, 12, &["00010111"]),
    (true, 13, &["00010110"]),
    (true, 14, &["000011001"]),
    (true, 15, &["000010101"]),
    (true, 16, &["000010110"]),
    (true, 17, &["000011000"]),
    (true, 18, &["000010111"]),
    (true, 19, &["00000000100"]),
    (true, 20, &["00000000101"]),
    (true, 21, &["000001011000"]),
    (true, 22, &["000001011001"]),
    (true, 23, &["000001011010"]),
];

/// The order of coefficients in a block (figure 14): where in its rows the next one lies.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The order in blocks that are predicted from above (figure I.2a).
pub(super) const ALTERNATE_HORIZONTAL: [u8; 64] = [
    0, 1, 2, 3, 8, 9, 16, 17, 10, 11, 4, 5, 6, 7, 15, 14, 13, 12, 19, 18, 24, 25, 32, 33, 26, 27, 20, 21, 22, 23, 28,
    29, 30, 31, 34, 35, 40, 41, 48, 49, 42, 43, 36, 37, 38, 39, 44, 45, 46, 47, 50, 51, 56, 57, 58, 59, 52, 53, 54, 55,
    60, 61, 62, 63,
];

/// The order in blocks that are predicted from the left (figure I.2b).
pub(super) const ALTERNATE_VERTICAL: [u8; 64] = [
    0, 8, 16, 24, 1, 9, 2, 10, 17, 25, 32, 40, 48, 56, 57, 49, 41, 33, 26, 18, 3, 11, 4, 12, 19, 27, 34, 42, 50, 58,
    35, 43, 51, 59, 20, 28, 5, 13, 6, 14, 21, 29, 36, 44, 52, 60, 37, 45, 53, 61, 22, 30, 7, 15, 23, 31, 38, 46, 54,
    62, 39, 47, 55, 63,
];

/// How DQUANT changes QUANT (table 12).
pub(super) const DQUANT: [i8; 4] = [-1, -2, 1, 2];

/// The QUANT that follows another by the second bit of DQUANT with Annex T (table T.1).
pub(super) const MODIFIED_DQUANT: [[u8; 32]; 2] = [
    [
        0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28,
    ],
    [
        0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 31,
        31, 26,
    ],
];

/// QUANT of the chroma blocks by that of luma with Annex T (table T.2).
pub(super) const CHROMA_QUANT: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 10, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 14, 14, 15, 15, 15, 15, 15,
];

/// How strong Annex J smooths an edge by QUANT (table J.2).
pub(super) const STRENGTH: [u8; 32] =
    [0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 12];

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that begin with no code word.
    fn free(lengths: impl Iterator<Item = u8>) -> Vec<usize> {
        lengths.enumerate().filter(|(_, length)| *length == 0).map(|(number, _)| number).collect()
    }

    fn free_of<const N: usize>(codes: &Codes<N>) -> Vec<usize> {
        free(codes.0.iter().map(|(_, length)| *length))
    }

    #[test]
    fn only_zeros_are_left_for_start_codes() {
        // That no code word begins with another is checked when the tables are made. Every number begins with one, but for
        // some with the most zeros.
        assert_eq!(free_of(&MCBPC_INTRA), [0, 2, 3, 4, 5, 6, 7]);
        assert_eq!(free_of(&MCBPC_INTER), [0, 1, 2, 3, 4, 5, 6, 7, 13]);
        assert_eq!(free_of(&CBPY), [0, 1]);
        assert_eq!(free_of(&MVD), [0, 1]);
        for table in [&TCOEF, &TCOEF_INTRA] {
            assert_eq!(free(table.iter().map(|event| event.length)), [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn coefficients_have_each_their_code() {
        for (table, runs) in [(&TCOEF, TCOEF_WORDS), (&TCOEF_INTRA, TCOEF_INTRA_WORDS)] {
            assert_eq!(runs.iter().map(|run| run.2.len()).sum::<usize>(), 102);
            for &(last, run, words) in runs {
                for (level, word) in (1..).zip(words) {
                    let (first, count) = span(word.as_bytes(), table.len());
                    let event = Event { last, run, level, length: word.len() as u8 };
                    assert!(table[first..first + count].iter().all(|found| *found == event), "{word}");
                }
            }
        }
        // Both tables use the same words.
        let sorted = |runs: &[Run]| {
            let mut words: Vec<_> = runs.iter().flat_map(|run| run.2).copied().collect();
            words.sort_unstable();
            words
        };
        assert_eq!(sorted(TCOEF_WORDS), sorted(TCOEF_INTRA_WORDS));
    }

    #[test]
    fn scans_visit_each_coefficient_once() {
        for scan in [ZIGZAG, ALTERNATE_HORIZONTAL, ALTERNATE_VERTICAL] {
            let mut seen = scan;
            seen.sort_unstable();
            assert!((0..64).eq(seen));
        }
    }
}
