//! Reports presentations as ISO/IEC 30107-3 has them reported: error rates by species, with the number of instruments and intervals.
//!
//! APCER is the share of attack presentations that were classified as bona fide, BPCER that of bona fide presentations classified as attacks. A
//! presentation that led to neither is a non-response: APNRR and BPNRR. All are shares of all presentations of the species.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stats::{interval_percent, rate};

/// The species of bona fide presentations.
pub(super) const REAL: &str = "real";

/// One presentation, a line of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Presentation {
    /// When it ended (RFC 3339).
    pub(super) time: String,
    /// `real`, or the species of the attack instrument.
    pub(super) species: String,
    /// The test subject, or the attack instrument.
    pub(super) instrument: String,
    /// `challenge` or `challenge+light`.
    pub(super) mode: String,
    pub(super) outcome: Outcome,
    /// The word that says why it was not accepted.
    pub(super) reason: Option<String>,
    pub(super) seconds: f64,
    /// What the witnesses of liveness said, of what was accepted.
    pub(super) witnesses: Value,
}

/// How a presentation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Classified as bona fide.
    Accepted,
    /// Classified as an attack.
    Rejected,
    /// Neither: the challenge was not met, or there was no face or none that is good enough.
    NonResponse,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected as an attack",
            Self::NonResponse => "no response",
        }
    }
}

/// All that was presented, by species and mode.
pub(super) struct Report(Vec<Species>);

struct Species {
    name: String,
    mode: String,
    instruments: usize,
    accepted: usize,
    rejected: usize,
    non_responses: usize,
    /// Median of those that were accepted.
    seconds: Option<f64>,
    /// How often each reason was given.
    reasons: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn of(presentations: &[Presentation]) -> Self {
        let mut groups: BTreeMap<(&str, &str), Vec<&Presentation>> = BTreeMap::new();
        for one in presentations {
            groups.entry((&one.species, &one.mode)).or_default().push(one);
        }
        Self(groups.into_iter().map(|((name, mode), group)| Species::of(name, mode, &group)).collect())
    }

    pub(super) fn print(&self, is_json: bool) {
        if is_json {
            let species: Vec<Value> = self.0.iter().map(Species::json).collect();
            println!("{:#}", json!({ "species": species }));
            return;
        }
        println!(
            "species           mode             presentations  instruments   error rate (95 % interval)    non-response   median s"
        );
        for one in &self.0 {
            let seconds = one.seconds.map_or_else(String::new, |seconds| format!("{seconds:.1}"));
            println!(
                "{:17} {:16} {:13} {:12}   {} {:26} {:13} {:>10}",
                one.name,
                one.mode,
                one.presentations(),
                one.instruments,
                one.error_name(),
                rate(one.errors(), one.presentations()),
                format!("{} of {}", one.non_responses, one.presentations()),
                seconds,
            );
        }
        for one in self.0.iter().filter(|one| !one.reasons.is_empty()) {
            let told: Vec<String> = one.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            println!("  {}, {}: {}", one.name, one.mode, told.join(", "));
        }
    }
}

impl Species {
    fn of(name: &str, mode: &str, presentations: &[&Presentation]) -> Self {
        let count = |outcome| presentations.iter().filter(|one| one.outcome == outcome).count();
        let accepted = presentations.iter().filter(|one| one.outcome == Outcome::Accepted);
        let mut seconds: Vec<f64> = accepted.map(|one| one.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let mut reasons = BTreeMap::new();
        for reason in presentations.iter().filter_map(|one| one.reason.clone()) {
            *reasons.entry(reason).or_insert(0) += 1;
        }
        Self {
            name: name.to_owned(),
            mode: mode.to_owned(),
            instruments: presentations.iter().map(|one| &one.instrument).collect::<BTreeSet<_>>().len(),
            accepted: count(Outcome::Accepted),
            rejected: count(Outcome::Rejected),
            non_responses: count(Outcome::NonResponse),
            seconds: seconds.get(seconds.len() / 2).copied(),
            reasons,
        }
    }

    fn presentations(&self) -> usize {
        self.accepted + self.rejected + self.non_responses
    }

    fn is_real(&self) -> bool {
        self.name == REAL
    }

    fn errors(&self) -> usize {
        if self.is_real() { self.rejected } else { self.accepted }
    }

    fn error_name(&self) -> &'static str {
        if self.is_real() { "BPCER" } else { "APCER" }
    }

    fn json(&self) -> Value {
        let share = |count| {
            json!({
                "percent": 100.0 * count as f64 / self.presentations() as f64,
                "interval_percent": interval_percent(count, self.presentations()),
            })
        };
        json!({
            "species": self.name, "mode": self.mode, "presentations": self.presentations(), "instruments": self.instruments,
            "accepted": self.accepted, "rejected": self.rejected, "non_responses": self.non_responses,
            self.error_name(): share(self.errors()),
            if self.is_real() { "BPNRR" } else { "APNRR" }: share(self.non_responses),
            "seconds": self.seconds, "reasons": self.reasons,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(species: &str, instrument: &str, outcome: Outcome, seconds: f64) -> Presentation {
        Presentation {
            time: String::new(),
            species: species.into(),
            instrument: instrument.into(),
            mode: "challenge".into(),
            outcome,
            reason: (outcome != Outcome::Accepted).then(|| "too_slow".into()),
            seconds,
            witnesses: Value::Null,
        }
    }

    #[test]
    fn error_rates_count_what_was_classified_wrong_among_all_presentations() {
        let record = [
            presented("print", "a", Outcome::Accepted, 4.0),
            presented("print", "a", Outcome::Rejected, 2.0),
            presented("print", "b", Outcome::NonResponse, 3.0),
            presented("print", "b", Outcome::NonResponse, 3.0),
            presented(REAL, "anna", Outcome::Accepted, 5.0),
            presented(REAL, "anna", Outcome::Accepted, 4.0),
            presented(REAL, "ben", Outcome::Accepted, 9.0),
            presented(REAL, "ben", Outcome::Rejected, 1.0),
        ];
        let Report(species) = Report::of(&record);
        let [print, real] = &species[..] else { panic!("two species") };
        let (print, real) = (print.json(), real.json());
        assert_eq!((&print["presentations"], &print["instruments"]), (&4.into(), &2.into()));
        assert_eq!((&print["APCER"]["percent"], &print["APNRR"]["percent"]), (&25.0.into(), &50.0.into()));
        assert_eq!(print["reasons"]["too_slow"], 3);
        assert_eq!((&real["BPCER"]["percent"], &real["BPNRR"]["percent"]), (&25.0.into(), &0.0.into()));
        assert_eq!(real["seconds"], 5.0);
    }
}
