//! What the user typed, before it touches anything.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::engine::Role;
use crate::ops::settings::Scope;
use crate::ops::{Settings, settings};

pub(super) const HELP: &str = "\
faceplate: face verification and liveness over HTTP, on this machine alone

Usage: faceplate [COMMAND] [OPTIONS]

Commands:
  serve                     answer requests (the default)
  doctor                    check models, CPU and settings, and say what was found
  cameras                   which cameras there are and what they can do
  bench FILE                CPU time of each step on a picture or clip with a face
  bench models              CPU time of one inference of each model
  template show FILE        what a template file holds
  token new NAME SCOPE...   a token for clients, and what the settings need; scopes: pattern, compare, liveness, camera,
                            metrics
  key new                   a key with which templates are sealed
  eval verification         accuracy on a set of labelled pairs
  eval knots                the score curve that a set of identities gives
  eval liveness             error rates of attack detection, by species
  eval detection            which faces are found, and what the service makes of them

Settings, each also in the file and as FACEPLATE__SECTION__KEY in the environment:
  --settings FILE           TOML file; docs/ref/settings.md lists the keys
  --set SECTION.KEY=VALUE   any key
  --listen ADDR:PORT        server.listen
  --models DIR              inference.models: other models than the embedded ones
  --log LEVEL               log.level
  --check                   read settings and models, then stop
  --print-settings          print the settings in force, then stop

Measuring:
  --step NAME               only this one: extract, compare, liveness (bench), detector, embedder, attack-model (bench models)
  --runs N                  how often each step is timed (bench)

Evaluation:
  --root DIR                pictures; for identities one folder each
  --pairs CSV               columns file_a,file_b,same and optionally fold
  --aliases CSV             columns name_a,name_b: identities that are one person
  --counts CSV              columns file,true_faces
  --csv FILE                write a line for each file (liveness)
  --workers N               inference.workers
  --json                    print JSON

  -h, --help                this text
  -V, --version             the version
";

/// A command line that makes no sense.
#[derive(Debug)]
pub(super) struct Usage(pub(super) String);

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Serve,
    Check,
    PrintSettings,
    Doctor,
    Cameras,
    Bench(Bench),
    BenchModels(Bench),
    TemplateShow { file: PathBuf },
    TokenNew { name: String, scopes: Vec<Scope> },
    KeyNew,
    EvalVerification(Eval),
    EvalKnots(Eval),
    EvalLiveness(Eval),
    EvalDetection(Eval),
    Help,
    Version,
}

/// What `bench` measures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bench {
    pub(super) file: PathBuf,
    /// All if there is none.
    pub(super) step: Option<Step>,
    pub(super) runs: Option<usize>,
}

/// What `bench --step` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Extract,
    Compare,
    Liveness,
    /// One inference of a model.
    Model(Role),
}

impl std::str::FromStr for Step {
    type Err = Usage;

    fn from_str(word: &str) -> Result<Self, Usage> {
        match word {
            "extract" => Ok(Self::Extract),
            "compare" => Ok(Self::Compare),
            "liveness" => Ok(Self::Liveness),
            "detector" => Ok(Self::Model(Role::Detector)),
            "embedder" => Ok(Self::Model(Role::Embedder)),
            "attack-model" => Ok(Self::Model(Role::Liveness)),
            _ => Err(Usage(format!(
                "--step {word}: it is one of extract, compare, liveness, detector, embedder, attack-model"
            ))),
        }
    }
}

/// Options of the eval commands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Eval {
    pub(super) root: PathBuf,
    pub(super) pairs: Option<PathBuf>,
    pub(super) aliases: Option<PathBuf>,
    pub(super) counts: Option<PathBuf>,
    pub(super) csv: Option<PathBuf>,
    pub(super) json: bool,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) command: Command,
    settings_file: Option<PathBuf>,
    overrides: Vec<(String, String)>,
}

impl Line {
    /// The settings of this line, the environment and the file.
    pub(super) fn settings(&self) -> Result<Settings, settings::Error> {
        let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Settings::load(self.settings_file.as_deref(), environment, &self.overrides)
    }
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Line, Usage> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut words: Vec<OsString> = vec![];
    let mut overrides = vec![];
    let mut settings_file = None;
    let mut instead = None;
    let mut eval = Eval::default();
    let mut eval_options = false;
    let mut bench = Bench::default();
    while let Some(arg) = parser.next()? {
        let mut set = |key: &str, value: String| overrides.push((key.to_owned(), value));
        match arg {
            Value(word) => words.push(word),
            Short('h') | Long("help") => instead = Some(Command::Help),
            Short('V') | Long("version") => instead = Some(Command::Version),
            Long("check") => instead = Some(Command::Check),
            Long("print-settings") => instead = Some(Command::PrintSettings),
            Long("settings") => settings_file = Some(parser.value()?.into()),
            Long("set") => {
                let pair = parser.value()?.string()?;
                let (key, value) = pair.split_once('=').ok_or_else(|| Usage(format!("--set {pair}: no '='")))?;
                set(key, value.to_owned());
            }
            Long("listen") => set("server.listen", parser.value()?.string()?),
            Long("models") => set("inference.models", parser.value()?.string()?),
            Long("log") => set("log.level", parser.value()?.string()?),
            Long("workers") => set("inference.workers", parser.value()?.string()?),
            Long(name @ ("root" | "pairs" | "aliases" | "counts" | "csv")) => {
                let name = name.to_owned();
                let path = PathBuf::from(parser.value()?);
                eval_options = true;
                match &*name {
                    "root" => eval.root = path,
                    "pairs" => eval.pairs = Some(path),
                    "aliases" => eval.aliases = Some(path),
                    "csv" => eval.csv = Some(path),
                    _ => eval.counts = Some(path),
                }
            }
            Long("step") => bench.step = Some(parser.value()?.string()?.parse()?),
            Long("runs") => bench.runs = Some(parser.value()?.parse()?),
            Long("json") => (eval.json, eval_options) = (true, true),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let words = words.ok_or_else(|| Usage("an argument is not UTF-8".into()))?;
    let command = match instead {
        Some(command) => command,
        None => command(&words, eval, eval_options, bench)?,
    };
    Ok(Line { command, settings_file, overrides })
}

fn command(words: &[&str], eval: Eval, eval_options: bool, bench: Bench) -> Result<Command, Usage> {
    if eval_options && words.first() != Some(&"eval") {
        return Err(Usage("--root, --pairs, --aliases, --counts, --csv and --json belong to eval".into()));
    }
    if bench != Bench::default() && words.first() != Some(&"bench") {
        return Err(Usage("--step and --runs belong to bench".into()));
    }
    if bench.runs == Some(0) {
        return Err(Usage("--runs is at least 1".into()));
    }
    let rooted = |eval: Eval| match eval.root.as_os_str().is_empty() {
        true => Err(Usage("eval needs --root DIR".into())),
        false => Ok(eval),
    };
    match words {
        [] | ["serve"] => Ok(Command::Serve),
        ["help"] => Ok(Command::Help),
        ["doctor"] => Ok(Command::Doctor),
        ["cameras"] => Ok(Command::Cameras),
        ["bench", "models"] => Ok(Command::BenchModels(bench)),
        ["bench", file] => Ok(Command::Bench(Bench { file: file.into(), ..bench })),
        ["template", "show", file] => Ok(Command::TemplateShow { file: file.into() }),
        ["token", "new", name, scopes @ ..] if !scopes.is_empty() => {
            let scopes = scopes.iter().map(|word| scope(word)).collect::<Result<_, _>>()?;
            Ok(Command::TokenNew { name: (*name).to_owned(), scopes })
        }
        ["token", "new", ..] => Err(Usage("token new needs a name and what it is good for".into())),
        ["key", "new"] => Ok(Command::KeyNew),
        ["eval", "verification"] if eval.pairs.is_none() => Err(Usage("eval verification needs --pairs CSV".into())),
        ["eval", "verification"] => Ok(Command::EvalVerification(rooted(eval)?)),
        ["eval", "knots"] => Ok(Command::EvalKnots(rooted(eval)?)),
        ["eval", "liveness"] => Ok(Command::EvalLiveness(rooted(eval)?)),
        ["eval", "detection"] => Ok(Command::EvalDetection(rooted(eval)?)),
        ["bench"] => Err(Usage("bench needs a picture with a face".into())),
        _ => Err(Usage(format!("no command '{}'", words.join(" ")))),
    }
}

fn scope(word: &str) -> Result<Scope, Usage> {
    match word {
        "pattern" => Ok(Scope::Pattern),
        "compare" => Ok(Scope::Compare),
        "liveness" => Ok(Scope::Liveness),
        "camera" => Ok(Scope::Camera),
        "metrics" => Ok(Scope::Metrics),
        _ => Err(Usage(format!("{word}: it is one of pattern, compare, liveness, camera, metrics"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Line, Usage> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands_are_told_apart() {
        for (text, want) in [
            ("", Command::Serve),
            ("serve --listen 127.0.0.1:1", Command::Serve),
            ("doctor", Command::Doctor),
            ("cameras", Command::Cameras),
            ("--check", Command::Check),
            ("serve --print-settings", Command::PrintSettings),
            ("bench a.jpg", Command::Bench(Bench { file: "a.jpg".into(), ..Bench::default() })),
            (
                "bench a.jpg --step compare --runs 3",
                Command::Bench(Bench { file: "a.jpg".into(), step: Some(Step::Compare), runs: Some(3) }),
            ),
            ("template show a.bin", Command::TemplateShow { file: "a.bin".into() }),
            ("token new door camera", Command::TokenNew { name: "door".into(), scopes: vec![Scope::Camera] }),
            ("key new", Command::KeyNew),
            ("eval --help", Command::Help),
            ("-V", Command::Version),
        ] {
            assert_eq!(line(text).unwrap().command, want, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        for (text, told) in [
            ("dance", "dance"),
            ("--nonsense", "nonsense"),
            ("serve --json", "eval"),
            ("serve --runs 3", "bench"),
            ("bench a.jpg --step dance", "liveness"),
            ("bench a.jpg --runs 0", "at least 1"),
            ("bench a.jpg --runs many", "many"),
            ("eval verification --root x", "--pairs"),
            ("eval knots", "--root"),
            ("--set a.b", "'='"),
            ("token new door", "what it is good for"),
            ("token new door doors", "pattern"),
        ] {
            assert!(line(text).unwrap_err().0.contains(told), "{text}");
        }
    }
}
