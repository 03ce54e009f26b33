//! Guides an operator through presentations before the running service's camera, and reports on them (`eval challenge --record`), in terms of
//! ISO/IEC 30107-3.
//!
//! Each presentation is one request with a challenge, as a client sends it, and one line of JSON in the record. The report is made of the whole
//! record, so that it may be filled on several days, and what was recorded is kept when something fails. No picture and no template is kept.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::report::{Outcome, Presentation, REAL, Report};
use crate::cli::ask::{Answer, ask};
use crate::ops::settings::LivenessMode;
use crate::ops::{Settings, timestamp};

/// Presentations of a subject or instrument, unless the operator says otherwise.
const USUAL: usize = 10;

/// How often the service is asked what it shows.
const SHOWN: Duration = Duration::from_millis(200);

/// Wait for a service that says nothing of how long its methods are locked.
const LOCKED: Duration = Duration::from_secs(5);

/// What is told of a failure.
type Told = Result<(), Box<dyn Error>>;

/// What the service makes of a presentation.
enum Attempt {
    Ended(Outcome, Option<String>, Value),
    /// Attacks have locked its methods for this long.
    Locked(Duration),
    /// It was no presentation.
    Failed(String),
}

/// Guides through presentations, with the camera of the service that runs with these settings, and prints the report.
pub(super) fn record(settings: &Settings, file: &Path, light: bool, is_json: bool) -> Result<(), Box<dyn Error>> {
    let at = |e: io::Error| format!("{}: {e}", file.display());
    let mode = if light { LivenessMode::ChallengeAndLight } else { LivenessMode::Challenge };
    let mut lines = OpenOptions::new().create(true).append(true).open(file).map_err(at)?;
    let mut keep = |presentation: &Presentation| -> Told {
        writeln!(lines, "{}", serde_json::to_string(presentation)?).map_err(at)?;
        Ok(lines.sync_data().map_err(at)?)
    };
    let present = |terminal: &mut dyn Write| present(settings, mode, terminal);
    guide(&mut io::stdin().lock(), &mut io::stderr(), mode, present, &mut keep)?;
    let text = std::fs::read_to_string(file).map_err(at)?;
    Report::of(&read(&text).map_err(|e| format!("{}: {e}", file.display()))?).print(is_json);
    Ok(())
}

/// The presentations of a record.
fn read(text: &str) -> Result<Vec<Presentation>, String> {
    let line = |(number, line)| serde_json::from_str(line).map_err(|e| format!("line {}: {e}", number + 1));
    text.lines().enumerate().map(line).collect()
}

/// Asks what is presented, has it presented, and keeps the outcomes, until the operator gives no more species.
fn guide(
    operator: &mut dyn BufRead,
    terminal: &mut dyn Write,
    mode: LivenessMode,
    mut present: impl FnMut(&mut dyn Write) -> Result<(Attempt, f64), Box<dyn Error>>,
    keep: &mut dyn FnMut(&Presentation) -> Told,
) -> Told {
    writeln!(terminal, "One species after another: {REAL} for people, any other word for a kind of attack.")?;
    while let Some(species) = answer(operator, terminal, "species (empty: the report)")? {
        let about = if species == REAL { "test subject" } else { "attack instrument" };
        let Some(instrument) = answer(operator, terminal, about)? else { continue };
        let count = answer(operator, terminal, &format!("presentations [{USUAL}]"))?;
        let count = match count.map(|count| count.parse::<usize>()) {
            Some(Ok(count)) => count,
            None => USUAL,
            Some(Err(_)) => {
                writeln!(terminal, "that is no number")?;
                continue;
            }
        };
        let mut number = 1;
        while number <= count {
            let prompt = format!("{species}, {instrument}, {number} of {count}: Enter begins, any word ends");
            if answer(operator, terminal, &prompt)?.is_some() {
                break;
            }
            let (attempt, seconds) = present(terminal)?;
            let (outcome, reason, witnesses) = match attempt {
                Attempt::Ended(outcome, reason, witnesses) => (outcome, reason, witnesses),
                Attempt::Locked(wait) => {
                    writeln!(
                        terminal,
                        "  locked after attacks for {:.0} s (camera.lock_out_s = 0 saves that)",
                        wait.as_secs_f64()
                    )?;
                    std::thread::sleep(wait);
                    continue;
                }
                Attempt::Failed(why) => {
                    writeln!(terminal, "  this does not count: {why}")?;
                    continue;
                }
            };
            writeln!(terminal, "  {} in {seconds:.1} s{}", outcome.word(), in_brackets(reason.as_deref()))?;
            keep(&Presentation {
                time: timestamp(SystemTime::now()),
                species: species.clone(),
                instrument: instrument.clone(),
                mode: mode.word().to_owned(),
                outcome,
                reason,
                seconds,
                witnesses,
            })?;
            number += 1;
        }
    }
    Ok(())
}

fn in_brackets(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}

/// Asks for a line; none if it is empty or the input has ended.
fn answer(operator: &mut dyn BufRead, terminal: &mut dyn Write, prompt: &str) -> io::Result<Option<String>> {
    write!(terminal, "{prompt}: ")?;
    terminal.flush()?;
    let mut line = String::new();
    operator.read_line(&mut line)?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// One presentation, and how many seconds it took. What it asks for is told meanwhile, but not with light: whoever asks for the colors has to
/// show them, and that is the page.
fn present(
    settings: &Settings,
    mode: LivenessMode,
    terminal: &mut dyn Write,
) -> Result<(Attempt, f64), Box<dyn Error>> {
    let request = format!("POST /v1/camera/pattern/extract?liveness={}", mode.word());
    let (start, is_over) = (Instant::now(), AtomicBool::new(false));
    let reply = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let reply = ask(settings, &request).map_err(|e| e.to_string());
            is_over.store(true, Ordering::Relaxed);
            reply
        });
        let mut told = String::new();
        while !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(SHOWN);
            if mode != LivenessMode::Challenge {
                continue;
            }
            // A page that is not shown for once is no failure of the presentation.
            let shown = ask(settings, "GET /v1/camera/challenge").and_then(|shown| shown.json()).unwrap_or_default();
            let text = shown["text"].as_str().unwrap_or_default();
            if !text.is_empty() && text != told {
                writeln!(terminal, "  {text}")?;
                text.clone_into(&mut told);
            }
        }
        asked.join().map_err(|_| io::Error::other("the request panicked"))
    })?;
    Ok((attempt(&reply?), start.elapsed().as_secs_f64()))
}

/// What a reply to an extraction with a challenge says.
fn attempt(reply: &Answer) -> Attempt {
    if reply.status == 200 {
        let witnesses = reply.header("x-liveness").and_then(|told| serde_json::from_str(told).ok()).unwrap_or_default();
        return Attempt::Ended(Outcome::Accepted, None, witnesses);
    }
    let told = reply.json().unwrap_or_default();
    let code = told["code"].as_str().unwrap_or_default();
    let message = reply.message();
    // The message ends in the word for what happened, if there is one.
    let word = message.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')).map(|(_, word)| word);
    let ended = |outcome| Attempt::Ended(outcome, Some(word.unwrap_or(code).to_owned()), Value::Null);
    match code {
        "BPE-004004" => ended(Outcome::Rejected),
        "BPE-004003" | "BPE-004006" => ended(Outcome::NonResponse),
        "BPE-004007" => {
            let seconds = reply.header("retry-after").and_then(|seconds| seconds.parse().ok());
            Attempt::Locked(seconds.map_or(LOCKED, Duration::from_secs))
        }
        _ if code.starts_with("BPE-003") => ended(Outcome::NonResponse),
        _ => Attempt::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(head: &str, body: &str) -> Attempt {
        attempt(&Answer::read(format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes()).expect("a reply"))
    }

    fn error(code: &str, message: &str) -> Attempt {
        reply("400 Bad Request", &format!("{{\"code\":\"{code}\",\"message\":\"{message}\"}}"))
    }

    #[test]
    fn replies_are_accepted_rejected_or_no_response() {
        let ended = |attempt| match attempt {
            Attempt::Ended(outcome, reason, witnesses) => Some((outcome, reason, witnesses)),
            _ => None,
        };
        let accepted = ended(reply("200 OK\r\nX-Liveness: {\"mode\":\"challenge\"}", "template")).unwrap();
        assert_eq!((accepted.0, &accepted.2["mode"]), (Outcome::Accepted, &"challenge".into()));
        let cases = [
            ("BPE-004004", "The face is not live: it jumped (jump)", Outcome::Rejected, "jump"),
            ("BPE-004006", "The challenge was not met: late (too_slow)", Outcome::NonResponse, "too_slow"),
            ("BPE-004003", "No face came", Outcome::NonResponse, "BPE-004003"),
            ("BPE-003003", "Two people", Outcome::NonResponse, "BPE-003003"),
        ];
        for (code, message, outcome, reason) in cases {
            assert_eq!(ended(error(code, message)), Some((outcome, Some(reason.to_owned()), Value::Null)));
        }
        let locked = reply("429 Too Many Requests\r\nRetry-After: 9", "{\"code\":\"BPE-004007\"}");
        assert!(matches!(locked, Attempt::Locked(wait) if wait == Duration::from_secs(9)));
        assert!(matches!(error("BPE-004001", "no camera"), Attempt::Failed(why) if why == "no camera"));
    }

    #[test]
    fn an_operator_is_guided_through_species_and_presentations() {
        let mut answers = "print\nmatte A4\n2\n\n\n\nreal\nanna\nmany\nreal\nanna\n\n\nstop\n\n".as_bytes();
        let (mut terminal, mut kept, mut number) = (vec![], vec![], 0);
        let present = |_: &mut dyn Write| {
            number += 1;
            Ok(match number {
                1 => (Attempt::Failed("the camera is in use".into()), 0.1),
                2 => (Attempt::Locked(Duration::ZERO), 0.1),
                _ => (Attempt::Ended(Outcome::Rejected, Some("jump".into()), Value::Null), 2.0),
            })
        };
        let mut keep = |presentation: &Presentation| {
            kept.push(presentation.clone());
            Ok(())
        };
        guide(&mut answers, &mut terminal, LivenessMode::Challenge, present, &mut keep).unwrap();
        let told = String::from_utf8(terminal).unwrap();
        let seen: Vec<(&str, &str)> = kept.iter().map(|p| (&*p.species, &*p.instrument)).collect();
        assert_eq!(seen, [("print", "matte A4")], "{told}");
        assert!(
            told.contains("the camera is in use") && told.contains("rejected as an attack in 2.0 s (jump)"),
            "{told}"
        );
        assert!(told.contains("that is no number"), "{told}");
    }

    #[test]
    fn a_record_is_read_line_by_line() {
        let line = "{\"time\":\"t\",\"species\":\"real\",\"instrument\":\"anna\",\"mode\":\"challenge\",\"outcome\":\"non_response\",\
                    \"reason\":\"gone\",\"seconds\":4.5,\"witnesses\":null}";
        let record = read(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!((record.len(), record[1].outcome), (2, Outcome::NonResponse));
        assert!(read(&format!("{line}\n{{}}\n")).unwrap_err().starts_with("line 2: "));
    }
}
