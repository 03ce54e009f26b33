//! Words for what a challenge asks for, in the languages that people before the camera read.
//!
//! A language is one entry of [`LANGUAGES`]: a test makes sure that it has all words.

use crate::capture::Instruction;

/// A language and its words.
#[derive(Debug, PartialEq)]
pub(in crate::api) struct Language {
    /// Its tag (BCP 47).
    pub(in crate::api) tag: &'static str,
    look: &'static str,
    /// To the person's left and right, up and down.
    turn: [&'static str; 4],
    /// The same for a head that is on its way.
    further: [&'static str; 4],
    light: &'static str,
    passed: &'static str,
    failed: &'static str,
}

/// All languages. The first is for those who read none of them.
static LANGUAGES: [Language; 4] = [
    Language {
        tag: "en",
        look: "Look at the camera",
        turn: ["Turn your head to the left", "Turn your head to the right", "Raise your head", "Lower your head"],
        further: [
            "Turn further to the left",
            "Turn further to the right",
            "Raise your head further",
            "Lower your head further",
        ],
        light: "Hold still",
        passed: "Thank you",
        failed: "That did not work",
    },
    Language {
        tag: "de",
        look: "Blicken Sie in die Kamera",
        turn: [
            "Drehen Sie den Kopf nach links",
            "Drehen Sie den Kopf nach rechts",
            "Heben Sie den Kopf",
            "Senken Sie den Kopf",
        ],
        further: [
            "Drehen Sie den Kopf weiter nach links",
            "Drehen Sie den Kopf weiter nach rechts",
            "Heben Sie den Kopf weiter",
            "Senken Sie den Kopf weiter",
        ],
        light: "Halten Sie still",
        passed: "Vielen Dank",
        failed: "Das hat nicht geklappt",
    },
    Language {
        tag: "ru",
        look: "Смотрите в камеру",
        turn: ["Поверните голову влево", "Поверните голову вправо", "Поднимите голову", "Опустите голову"],
        further: [
            "Поверните голову ещё левее",
            "Поверните голову ещё правее",
            "Поднимите голову выше",
            "Опустите голову ниже",
        ],
        light: "Не двигайтесь",
        passed: "Спасибо",
        failed: "Не получилось",
    },
    Language {
        tag: "es",
        look: "Mire a la cámara",
        turn: [
            "Gire la cabeza hacia la izquierda",
            "Gire la cabeza hacia la derecha",
            "Levante la cabeza",
            "Baje la cabeza",
        ],
        further: [
            "Gire más hacia la izquierda",
            "Gire más hacia la derecha",
            "Levante más la cabeza",
            "Baje más la cabeza",
        ],
        light: "No se mueva",
        passed: "Gracias",
        failed: "No ha funcionado",
    },
];

/// Most entries of a header that are read: browsers send a handful.
const MOST_RANGES: usize = 16;

impl Language {
    /// The language for those who state none.
    pub(in crate::api) fn usual() -> &'static Self {
        &LANGUAGES[0]
    }

    /// The language that `Accept-Language` prefers among ours (RFC 9110, section 12.5.4): by weight, then by order. Regions are ignored.
    pub(in crate::api) fn preferred(header: &str) -> &'static Self {
        let mut best: (u16, &'static Self) = (0, Self::usual());
        for range in header.split(',').take(MOST_RANGES) {
            let (tag, rest) = range.split_once(';').unwrap_or((range, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let Some(known) = LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(primary)) else {
                continue;
            };
            let weight = weight(rest);
            if weight > best.0 {
                best = (weight, known);
            }
        }
        best.1
    }

    /// What to say. `is_on_the_way` is for a head that turns where it should, and not far enough.
    pub(in crate::api) fn say(&self, instruction: Instruction, is_on_the_way: bool) -> &'static str {
        match instruction {
            Instruction::Look => self.look,
            Instruction::Turn(way) if is_on_the_way => self.further[way as usize],
            Instruction::Turn(way) => self.turn[way as usize],
            Instruction::Light => self.light,
            Instruction::Passed => self.passed,
            Instruction::Failed => self.failed,
        }
    }
}

/// Thousandths of a weight `q=0.5`; 1 where there is none, 0 where it is none.
fn weight(parameter: &str) -> u16 {
    let parameter = parameter.trim();
    if parameter.is_empty() {
        return 1000;
    }
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    let number = value.and_then(|value| value.trim().parse::<f64>().ok()).filter(|q| (0.0..=1.0).contains(q));
    number.map_or(0, |q| (q * 1000.0) as u16)
}

/// Reads any text as the header: the target of the fuzzer and of the property tests.
pub fn fuzz(header: &str) {
    assert!(LANGUAGES.contains(Language::preferred(header)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_preferred_language_is_spoken() {
        for (header, tag) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr, es;q=0.5, ru;q=0.7", "ru"),
            ("ru;q=0, es;q=0.1", "es"),
            ("RU", "ru"),
            ("fr, *", "en"),
            ("es;q=2, de;q=x, ru ; q=0.3", "ru"),
            ("es, de", "es"),
        ] {
            assert_eq!(Language::preferred(header).tag, tag, "{header}");
        }
    }

    #[test]
    fn every_language_has_a_word_of_its_own_for_all_that_is_asked() {
        for language in &LANGUAGES {
            let mut words = vec![language.look, language.light, language.passed, language.failed];
            words.extend(language.turn.iter().chain(&language.further));
            assert!(words.iter().all(|word| !word.is_empty()), "{}", language.tag);
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), 12, "{}", language.tag);
        }
    }

    proptest! {
        #[test]
        fn any_header_has_a_language(any: String, like in "([a-z-]{0,5}(;q=[0-9.]{0,4})?,?){0,20}") {
            fuzz(&any);
            fuzz(&like);
        }
    }
}
