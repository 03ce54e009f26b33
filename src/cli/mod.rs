//! The command line: one file a command. Commands print to standard output; what goes wrong goes to standard error.

mod args;
mod bench;
mod cameras;
mod doctor;
mod eval;
mod secret;
mod serve;
mod template;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use args::{Command, Line, Usage};

use crate::api::Seals;
use crate::engine::{self, Arithmetic, Isa, ModelSet};
use crate::face::Faces;
use crate::gate::Tls;
use crate::ops::{self, Settings};

/// At the end, so long the last lines of the log are waited for, should nobody read them.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Runs the command line of the process.
pub fn run() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(line) => {
            let result = dispatch(&line);
            ops::flush_log(LAST_LINES);
            result.unwrap_or_else(|error| {
                eprintln!("faceplate: {error}");
                ExitCode::FAILURE
            })
        }
        Err(Usage(what)) => {
            eprintln!("faceplate: {what}\nTry 'faceplate --help'.");
            ExitCode::from(2)
        }
    }
}

fn dispatch(line: &Line) -> Result<ExitCode, Box<dyn Error>> {
    let settings = match line.command {
        Command::Help | Command::Version | Command::TokenNew { .. } | Command::KeyNew => Settings::default(),
        _ => line.settings()?,
    };
    ops::init_log(&settings.log);
    if !matches!(line.command, Command::Serve) {
        ops::shutdown::end_with_reader()?;
    }
    match &line.command {
        Command::Help => print!("{}", args::HELP),
        Command::Version => println!("faceplate {}", env!("CARGO_PKG_VERSION")),
        Command::Check => {
            Tls::load(&settings.tls)?;
            Seals::load(&settings.templates)?;
            faces(&settings)?.self_test()?;
            println!("settings and models are good");
        }
        Command::PrintSettings => print!("{}", settings.to_toml()),
        Command::Serve => serve::run(&settings, || line.settings())?,
        Command::Doctor => return doctor::run(&settings),
        Command::Cameras => cameras::run(&settings),
        Command::Bench(bench) => bench::run(&settings, bench)?,
        Command::BenchModels(bench) => bench::models(&settings, bench)?,
        Command::TemplateShow { file } => template::show(&settings, file)?,
        Command::TokenNew { name, scopes } => secret::token(name, scopes),
        Command::KeyNew => secret::key(),
        Command::EvalVerification(options) => eval::verification(&settings, options)?,
        Command::EvalKnots(options) => eval::knots(&settings, options)?,
        Command::EvalLiveness(options) => eval::liveness(&settings, options)?,
        Command::EvalDetection(options) => eval::detection(&settings, options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The models that the settings name.
fn models(settings: &Settings) -> Result<ModelSet, engine::Error> {
    match &settings.inference.models {
        Some(dir) => ModelSet::from_dir(dir),
        None => ModelSet::embedded(),
    }
}

/// The models that the settings name, planned.
fn faces(settings: &Settings) -> Result<Faces, engine::Error> {
    Faces::new(models(settings)?, settings.limits.clone(), settings.inference.mirror, arithmetic(settings)?)
}

/// The arithmetic that the settings name.
fn arithmetic(settings: &Settings) -> Result<Arithmetic, engine::Error> {
    let Some(name) = &settings.inference.arithmetic else { return Ok(Arithmetic::default()) };
    Arithmetic::parse(name).ok_or_else(|| {
        let kernels: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
        let known = kernels.join(", ");
        engine::Error::Models(format!("inference.arithmetic = {name}: it is one of float, emulated, {known}"))
    })
}
