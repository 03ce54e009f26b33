//! Parses the command line: a command, and settings before and after it. It executes nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, value_parser};

use super::args::{Cli, Command, Serve, Template};
use crate::ops::settings::{Flag, Origins};
use crate::ops::{Settings, settings};

/// Short options of common settings: the option, the key, the placeholder of its value, the help text.
const NAMED: [(&str, &str, &str, &str); 4] = [
    ("listen", "server.listen", "ADDRESS:PORT", "server.listen: where to listen"),
    ("models", "inference.models", "DIR", "inference.models: other models than the embedded ones"),
    ("workers", "inference.workers", "N", "inference.workers: how many threads infer"),
    ("log", "log.level", "LEVEL", "log.level: error, warn, info, debug, trace, or as RUST_LOG has it"),
];

/// The options that are settings. The last one given wins.
fn settings_args() -> Vec<Arg> {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name(value).help(help);
        arg.action(ArgAction::Append).help_heading("Settings")
    };
    let mut args = vec![
        option("settings", "FILE", "The settings file (TOML)").value_parser(value_parser!(PathBuf)),
        option("set", "SECTION.KEY=VALUE", "Any setting").value_parser(assignment),
    ];
    args.extend(NAMED.map(|(name, _, value, help)| option(name, value, help)));
    args
}

/// The settings among the arguments of one command, in order.
fn given(matches: &ArgMatches) -> (Option<PathBuf>, Vec<Flag>) {
    let mut flags = vec![];
    let placed = |name: &str| matches.indices_of(name).into_iter().flatten();
    let set = matches.get_many::<(String, String)>("set").into_iter().flatten();
    for (at, (key, value)) in placed("set").zip(set) {
        flags.push((at, Flag { name: "--set".into(), key: key.clone(), value: value.clone() }));
    }
    for (name, key, ..) in NAMED {
        let values = matches.get_many::<String>(name).into_iter().flatten();
        for (at, value) in placed(name).zip(values) {
            flags.push((at, Flag { name: format!("--{name}"), key: key.into(), value: value.clone() }));
        }
    }
    flags.sort_by_key(|(at, _)| *at);
    let file = matches.get_many::<PathBuf>("settings").and_then(Iterator::last).cloned();
    (file, flags.into_iter().map(|(_, flag)| flag).collect())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no '='")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// The parsed command line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) command: Command,
    settings_file: Option<PathBuf>,
    flags: Vec<Flag>,
}

impl Line {
    /// The settings of this line, the environment and the file, with the origin of each `section.key` that is not a default.
    pub(super) fn settings_with_origins(&self) -> Result<(Settings, Origins), settings::Error> {
        let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Settings::load_with_origins(self.settings_file.as_deref(), environment, &self.flags)
    }
}

/// The whole command line, as clap describes it.
pub(super) fn described() -> clap::Command {
    with_settings(Cli::command())
}

/// Whether a command of this name reads settings. Subcommands of one that reads none read none either.
fn reads_settings(name: &str) -> bool {
    !["key", "new", "revoke"].contains(&name)
}

/// Accepts settings before and after each command but those that read none.
fn with_settings(command: clap::Command) -> clap::Command {
    let command = command.disable_help_subcommand(true);
    match reads_settings(command.get_name()) {
        true => command.args(settings_args()).mut_subcommands(with_settings),
        false => command,
    }
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Line, clap::Error> {
    let matches = described().try_get_matches_from(std::iter::once("faceplate".into()).chain(args))?;
    let cli = Cli::from_arg_matches(&matches)?;
    let wrong = |what: &str| Err(described().error(ErrorKind::ArgumentConflict, what));
    let (mut settings_file, mut flags) = given(&matches);
    let mut level = &matches;
    while let Some((name, below)) = level.subcommand() {
        if reads_settings(name) {
            let (file, more) = given(below);
            settings_file = file.or(settings_file);
            flags.extend(more);
        } else if settings_file.is_some() || !flags.is_empty() {
            return wrong("this command reads no settings");
        } else {
            break;
        }
        level = below;
    }
    let command = match (cli.command, cli.serve) {
        (None, serve) => Command::Serve(serve),
        (Some(command), serve) if serve == Serve::default() => command,
        (Some(Command::Serve(own)), serve) if own == Serve::default() => Command::Serve(serve),
        _ => return wrong("--check, --print-settings and --origin belong to serve"),
    };
    if matches!(&command, Command::Template(Template::Join { files, .. }) if files.len() < 2) {
        return wrong("template join needs at least 2 template files");
    }
    Ok(Line { command, settings_file, flags })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Bench, Calibrate, Key, Step, Token};
    use crate::ops::settings::Scope;

    fn line(text: &str) -> Result<Line, clap::Error> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_command_line_description_is_valid() {
        described().debug_assert();
    }

    #[test]
    fn commands_are_parsed() {
        let serve = Serve::default;
        let bench = |step, runs| {
            Command::Bench(Bench { file: "a.jpg".into(), vectors: None, step, runs, team: 1, alone: false })
        };
        for (text, want) in [
            ("", Command::Serve(serve())),
            ("serve --listen 127.0.0.1:1", Command::Serve(serve())),
            ("doctor", Command::Doctor { json: false }),
            ("--log debug doctor --json", Command::Doctor { json: true }),
            ("cameras", Command::Cameras),
            ("--check", Command::Serve(Serve { check: true, ..serve() })),
            ("--check serve", Command::Serve(Serve { check: true, ..serve() })),
            ("serve --print-settings", Command::Serve(Serve { print_settings: true, ..serve() })),
            ("--origin --print-settings", Command::Serve(Serve { print_settings: true, origin: true, ..serve() })),
            ("bench a.jpg", bench(None, None)),
            ("bench a.jpg --step attack-model --runs 3", bench(Some(Step::AttackModel), Some(3))),
            ("calibrate site --root x", Command::Calibrate(Calibrate::Site { root: "x".into() })),
            ("template show a.bin", Command::Template(Template::Show { file: "a.bin".into() })),
            (
                "template join a.bin --out c.bin b.bin",
                Command::Template(Template::Join {
                    files: vec!["a.bin".into(), "b.bin".into()],
                    out: Some("c.bin".into()),
                }),
            ),
            (
                "token new door camera --write a.toml",
                Command::Token(Token::New {
                    name: "door".into(),
                    scopes: vec![Scope::Camera],
                    write: Some("a.toml".into()),
                    qr: None,
                }),
            ),
            ("key new", Command::Key(Key::New)),
        ] {
            assert_eq!(line(text).unwrap().command, want, "{text}");
        }
    }

    #[test]
    fn settings_are_accepted_before_and_after_a_command() {
        let typed =
            "--set a.b=1 --log warn --settings f eval --set c.d=2 knots --log info --root x --set log.level=error";
        let line = line(typed).unwrap();
        let told: Vec<_> = line.flags.iter().map(|f| (&*f.key, &*f.value)).collect();
        assert_eq!(
            told,
            [("a.b", "1"), ("log.level", "warn"), ("c.d", "2"), ("log.level", "info"), ("log.level", "error")]
        );
        assert_eq!(line.settings_file, Some("f".into()));
    }

    #[test]
    fn invalid_arguments_are_named_in_the_error() {
        for (text, told) in [
            ("dance", "dance"),
            ("doktor", "doctor"),
            ("--nonsense", "nonsense"),
            ("serve --json", "--json"),
            ("serve --runs 3", "--runs"),
            ("bench a.jpg --step dance", "liveness"),
            ("bench a.jpg --runs 0", "1.."),
            ("bench a.jpg --runs many", "many"),
            ("eval verification --root x", "--pairs"),
            ("eval knots", "--root"),
            ("calibrate site", "--root"),
            ("calibrate site --root x --json", "--json"),
            ("--set a.b", "'='"),
            ("--origin", "--print-settings"),
            ("--check doctor", "belong to serve"),
            ("template join a.bin", "2"),
            ("template show a.bin --out b.bin", "--out"),
            ("key new --write a", "--write"),
            ("--settings a key new", "reads no settings"),
            ("key new --settings a", "--settings"),
            ("token new door", "SCOPE"),
            ("token new door doors", "pattern"),
        ] {
            let error = line(text).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(told), "{text}: {error}");
        }
    }
}
