//! The colors that the screen shows, drawn anew for each capture. It shows nothing and keeps no time: the page does.
//!
//! # Photosensitivity
//! WCAG 2.3.1 allows three flashes in any one second, a flash being a pair of opposing changes of luminance, or a pair
//! of changes to and from a saturated red. A color is shown for 0.3 s, so that one second holds four changes at the
//! most, and four changes are two flashes: 1.7 Hz, whatever is drawn, also where red and another color alternate. A
//! page must never shorten a step: at 0.2 s there would be three flashes and none to spare.

use super::orthonormal::{DRIFT, Orthonormal};

/// Colors in a schedule. With eight a code of another capture passes by chance now and then (docs/ref/liveness.md);
/// more would have people hold still for longer.
pub const STEPS: usize = 8;

/// How long a color is shown, in seconds. Two frames of a slow camera see each.
pub const STEP: f64 = 0.3;

/// Length of a schedule in seconds.
pub const LENGTH: f64 = STEPS as f64 * STEP;

/// Most correlation of a schedule with its own rotations, and with the schedules before it: less than half of the
/// variance of what is needed to pass, so that noise does not make up for it. One in four random codes is kept.
const MOST_LIKENESS: f64 = 0.35;

/// Codes that are drawn before the random source counts as broken: of good ones one in four is kept.
const TRIES: usize = 500;

/// A color of the screen at full intensity. Each has one or two of the screen's three primaries, so that each changes
/// the light's chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// `#ff0000`
    Red,
    /// `#00ff00`
    Green,
    /// `#0000ff`
    Blue,
    /// `#00ffff`
    Cyan,
    /// `#ff00ff`
    Magenta,
    /// `#ffff00`
    Yellow,
}

impl Color {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Red, Self::Green, Self::Blue, Self::Cyan, Self::Magenta, Self::Yellow];

    /// Which of red, green and blue is lit.
    pub(in crate::face::liveness) fn lit(self) -> [bool; 3] {
        match self {
            Self::Red => [true, false, false],
            Self::Green => [false, true, false],
            Self::Blue => [false, false, true],
            Self::Cyan => [false, true, true],
            Self::Magenta => [true, false, true],
            Self::Yellow => [true, true, false],
        }
    }

    /// As a page shows it: `#rrggbb`.
    pub fn hex(self) -> &'static str {
        match self {
            Self::Red => "#ff0000",
            Self::Green => "#00ff00",
            Self::Blue => "#0000ff",
            Self::Cyan => "#00ffff",
            Self::Magenta => "#ff00ff",
            Self::Yellow => "#ffff00",
        }
    }

    /// What it adds to log(R/G) and log(B/G) of the light on the face, for each unit of relative amplitude.
    pub(super) fn chroma(self) -> [f64; 2] {
        let [red, green, blue] = self.lit().map(|lit| f64::from(u8::from(lit)));
        [red - green, blue - green]
    }
}

/// The colors of one capture, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    colors: [Color; STEPS],
}

/// No schedule could be drawn: the random source gives the same again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the random source repeats itself")
    }
}

impl std::error::Error for NoRandomness {}

impl Schedule {
    /// Draws a schedule in which no color follows itself, and that is unlike its own rotations and unlike `others`, a
    /// few such as the last ones at this kiosk. `random` gives uniform random bytes that nobody can foresee.
    pub fn draw(random: &mut dyn FnMut() -> u8, others: &[Self]) -> Result<Self, NoRandomness> {
        for _ in 0..TRIES {
            let mut colors = [Color::Red; STEPS];
            let mut last = None;
            for color in &mut colors {
                *color = next(random, last).ok_or(NoRandomness)?;
                last = Some(*color);
            }
            let drawn = Self { colors };
            let own = (1..STEPS).all(|by| drawn.likeness(&drawn.rotated(by)) <= MOST_LIKENESS);
            if own && others.iter().all(|other| drawn.likeness(other) <= MOST_LIKENESS) {
                return Ok(drawn);
            }
        }
        Err(NoRandomness)
    }

    /// The colors in the order in which they are shown, [`STEP`] seconds each.
    pub fn colors(&self) -> &[Color; STEPS] {
        &self.colors
    }

    /// The same colors, beginning with the one that is shown `by` steps later.
    pub fn rotated(&self, by: usize) -> Self {
        Self { colors: std::array::from_fn(|i| self.colors[(i + by) % STEPS]) }
    }

    /// Correlation of two schedules step by step, -1..1, without what counts as drift of the light.
    fn likeness(&self, other: &Self) -> f64 {
        let mut drift = Orthonormal::new(STEPS);
        (0..DRIFT).for_each(|power| {
            let position = |i: usize| (2 * i + 1) as f64 / STEPS as f64 - 1.0;
            drift.push((0..STEPS).map(|i| (0..power).fold(1.0, |v, _| v * position(i))).collect());
        });
        let chroma = |of: &Self| [0, 1].map(|axis| drift.rest(of.colors.map(|color| color.chroma()[axis]).to_vec()));
        let (mine, its) = (chroma(self).concat(), chroma(other).concat());
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let power = product(&mine, &mine) * product(&its, &its);
        if power > 0.0 { product(&mine, &its) / power.sqrt() } else { 1.0 }
    }
}

/// Another color than `last`; `None` if the source gives nothing else.
fn next(random: &mut dyn FnMut() -> u8, last: Option<Color>) -> Option<Color> {
    let count = Color::ALL.len() as u8;
    // Bytes beyond the last multiple of six would prefer the first colors.
    let fair = u8::MAX / count * count;
    let mut bytes = std::iter::repeat_with(random).take(TRIES).filter(|byte| *byte < fair);
    bytes.find_map(|byte| Some(Color::ALL[usize::from(byte % count)]).filter(|color| Some(*color) != last))
}

#[cfg(test)]
pub(in crate::face::liveness) mod tests {
    use super::*;

    /// Bytes by splitmix64.
    pub(in crate::face::liveness) fn bytes(mut state: u64) -> impl FnMut() -> u8 {
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 56) as u8
        }
    }

    #[test]
    fn schedules_differ_and_no_color_follows_itself() {
        let mut random = bytes(1);
        let mut counts = [0; 6];
        let drawn: Vec<Schedule> = (0..200).map(|_| Schedule::draw(&mut random, &[]).unwrap()).collect();
        for schedule in &drawn {
            assert!(schedule.colors().windows(2).all(|pair| pair[0] != pair[1]), "{schedule:?}");
            schedule.colors().iter().for_each(|color| counts[*color as usize] += 1);
            for by in 1..STEPS {
                assert!(schedule.likeness(&schedule.rotated(by)) <= MOST_LIKENESS);
            }
            assert!((schedule.likeness(schedule) - 1.0).abs() < 1e-9);
        }
        assert!(counts.iter().all(|count| (200..340).contains(count)), "{counts:?} of 1600");
        let others = &drawn[..3];
        let next = Schedule::draw(&mut random, others).unwrap();
        assert!(others.iter().all(|other| next.likeness(other) <= MOST_LIKENESS));
    }

    #[test]
    fn a_random_source_that_repeats_itself_is_refused() {
        assert_eq!(Schedule::draw(&mut || 7, &[]), Err(NoRandomness));
        assert_eq!(Schedule::draw(&mut || 255, &[]), Err(NoRandomness));
        let mut byte = 0;
        let mut two = || {
            byte = 1 - byte;
            byte
        };
        assert_eq!(Schedule::draw(&mut two, &[]), Err(NoRandomness), "it alternates");
    }

    /// By the definitions of WCAG 2.2: changes of relative luminance by a tenth where the darker image is below 0.8,
    /// and changes to and from a saturated red (a share of red of 0.8, and a difference of (R - G - B) * 320 of more
    /// than 20).
    #[test]
    fn no_second_holds_more_than_three_flashes() {
        let luminance = |color: Color| {
            let [red, green, blue] = color.lit().map(f64::from);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let redness = |color: Color| {
            let [red, green, blue] = color.lit().map(f64::from);
            ((red - green - blue) * 320.0).max(0.0)
        };
        let is_red = |color: Color| color == Color::Red;
        let mut random = bytes(2);
        for _ in 0..200 {
            let schedule = Schedule::draw(&mut random, &[]).unwrap();
            // It may be shown twice without a pause.
            let shown: Vec<Color> = [schedule.colors, schedule.colors].concat();
            let most = (1.0 / STEP).floor() as usize + 1;
            for changes in shown.windows(most + 1) {
                let general = changes.windows(2).filter(|c| {
                    let (a, b) = (luminance(c[0]), luminance(c[1]));
                    (a - b).abs() >= 0.1 && a.min(b) < 0.8
                });
                let red = changes
                    .windows(2)
                    .filter(|c| (is_red(c[0]) || is_red(c[1])) && (redness(c[0]) - redness(c[1])).abs() > 20.0);
                assert!(general.count() / 2 <= 3 && red.count() / 2 <= 3, "{shown:?}");
            }
        }
    }

    #[test]
    fn pages_are_told_hex_colors() {
        let lit = |hex: &str| [1, 3, 5].map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        for color in Color::ALL {
            assert_eq!(lit(color.hex()), color.lit().map(|lit| u8::from(lit) * 255));
        }
    }
}
