//! The command line: one file a command. Commands print to standard output; what goes wrong goes to standard error.

mod args;
mod bench;
mod doctor;
mod eval;
mod serve;
mod template;

use std::error::Error;
use std::process::ExitCode;

use args::{Command, Line, Usage};

/// Runs the command line of the process.
pub fn run() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(line) => match dispatch(&line) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("faceplate: {error}");
                ExitCode::FAILURE
            }
        },
        Err(Usage(what)) => {
            eprintln!("faceplate: {what}\nTry 'faceplate --help'.");
            ExitCode::from(2)
        }
    }
}

fn dispatch(line: &Line) -> Result<ExitCode, Box<dyn Error>> {
    let settings = match line.command {
        Command::Help | Command::Version => Default::default(),
        _ => line.settings()?,
    };
    crate::ops::init_log(&settings.log.level);
    match &line.command {
        Command::Help => print!("{}", args::HELP),
        Command::Version => println!("faceplate {}", env!("CARGO_PKG_VERSION")),
        Command::Check => {
            faces(&settings)?.self_test()?;
            println!("settings and models are good");
        }
        Command::PrintSettings => print!("{}", settings.to_toml()),
        Command::Serve => serve::run(&settings)?,
        Command::Doctor => return doctor::run(&settings),
        Command::Bench { picture } => bench::run(&settings, picture)?,
        Command::TemplateShow { file } => template::show(&settings, file)?,
        Command::EvalVerification(options) => eval::verification(&settings, options)?,
        Command::EvalKnots(options) => eval::knots(&settings, options)?,
        Command::EvalDetection(options) => eval::detection(&settings, options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The models that the settings name, planned.
fn faces(settings: &crate::ops::Settings) -> Result<crate::face::Faces, crate::engine::Error> {
    faces_with(settings, crate::engine::Arithmetic::Float)
}

fn faces_with(
    settings: &crate::ops::Settings,
    arithmetic: crate::engine::Arithmetic,
) -> Result<crate::face::Faces, crate::engine::Error> {
    let models = match &settings.inference.models {
        Some(dir) => crate::engine::ModelSet::from_dir(dir)?,
        None => crate::engine::ModelSet::embedded()?,
    };
    crate::face::Faces::new(models, settings.limits.clone(), settings.inference.mirror, arithmetic)
}
