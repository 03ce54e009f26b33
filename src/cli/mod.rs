//! Runs the command line, with one file a command. Commands print to standard output, errors go to standard error.

mod args;
mod ask;
mod bench;
mod calibrate;
mod cameras;
mod doctor;
mod door;
mod eval;
mod healthcheck;
mod line;
mod people;
mod serve;
mod template;
mod token;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use args::{Bench, Calibrate, Command, Eval, Key, Serve, Template, Token};
use line::Line;

use crate::api::surroundings;
use crate::engine::{self, Arithmetic, Isa, ModelSet};
use crate::face::new_key;
use crate::face::{Comparator, FacePipeline, SecondPerson};
use crate::ops::{self, Settings};
use crate::outputs::new_secret;

/// Longest wait at exit for the last lines of the log, in case its reader does not read them.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Runs the command line of the process.
pub fn run() -> ExitCode {
    match line::parse(std::env::args_os().skip(1)) {
        Ok(line) => {
            let result = dispatch(&line);
            ops::flush_log(LAST_LINES);
            result.unwrap_or_else(|error| {
                eprintln!("faceplate: {error}");
                ExitCode::FAILURE
            })
        }
        // Help and the version are also here; they go to standard output with exit status 0.
        Err(told) => match told.print() {
            Ok(()) => ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2)),
            // The output is closed.
            Err(_) => ExitCode::FAILURE,
        },
    }
}

/// The command line as clap describes it, for manual pages and completions.
pub fn described() -> clap::Command {
    line::described()
}

fn dispatch(line: &Line) -> Result<ExitCode, Box<dyn Error>> {
    // Commands that need no settings must not fail because of them.
    let (settings, origins) = match line.command {
        Command::Token(Token::New { .. } | Token::Revoke { .. }) | Command::Key(_) => Default::default(),
        _ => line.settings_with_origins()?,
    };
    ops::init_log(&settings.log);
    if !matches!(line.command, Command::Serve(Serve { check: false, print_settings: false, .. })) {
        ops::shutdown::end_with_reader()?;
    }
    match &line.command {
        Command::Serve(Serve { check: true, .. }) => check(&settings)?,
        Command::Serve(Serve { print_settings: true, origin: false, .. }) => print!("{}", settings.to_toml()),
        Command::Serve(Serve { print_settings: true, .. }) => print!("{}", settings.to_toml_with_origins(&origins)),
        Command::Serve(_) => serve::run(&settings, &origins, || line.settings_with_origins())?,
        Command::Doctor { json: false } => return doctor::run(&settings),
        Command::Doctor { json: true } => return Ok(doctor::print_json(&settings)),
        Command::Healthcheck => {
            healthcheck::run(&settings)?;
            println!("healthy");
        }
        Command::Cameras => cameras::run(&settings),
        Command::Bench(bench @ Bench { file, .. }) if file == "models" => bench::models(&settings, bench)?,
        Command::Bench(bench @ Bench { file, .. }) if file == "people" => bench::people(&settings, bench)?,
        Command::Bench(bench) => bench::run(&settings, bench)?,
        Command::Template(Template::Show { file }) => template::show(&settings, file)?,
        Command::Template(Template::Join { files, out }) => template::join(&settings, files, out.as_deref())?,
        Command::Calibrate(Calibrate::Light) => calibrate::light(&settings)?,
        Command::Calibrate(Calibrate::Site { root }) => calibrate::site(&settings, root)?,
        Command::Token(Token::New { name, scopes, write, qr }) => {
            token::new(name, scopes, write.as_deref(), qr.as_deref())?
        }
        Command::Token(Token::List) => token::list(&settings),
        Command::Token(Token::Revoke { name, write }) => token::revoke(name, write)?,
        Command::People(command) => return people::run(&settings, command),
        Command::Door(command) => door::run(&settings, command)?,
        Command::Key(Key::New) => println!("{}", *new_key()),
        Command::Key(Key::Webhook) => println!("{}", *new_secret()),
        Command::Eval(eval) => evaluate(&settings, eval)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn evaluate(settings: &Settings, eval: &Eval) -> Result<(), Box<dyn Error>> {
    match eval {
        Eval::Verification { on, pairs, aliases } => eval::verification(settings, on, pairs, aliases.as_deref()),
        Eval::Knots { on, aliases } => eval::knots(settings, on, aliases.as_deref()),
        Eval::Liveness { on, csv } => eval::liveness(settings, on, csv.as_deref()),
        Eval::Challenge(on) => eval::challenge(settings, on),
        Eval::Light { on } => eval::light(settings, on),
        Eval::Detection { on, counts } => eval::detection(settings, on, counts.as_deref()),
        Eval::Identification { on, aliases } => eval::identification(settings, on, aliases.as_deref()),
        Eval::Degradation { on, people } => eval::degradation(settings, on, *people),
    }
}

/// Whether a service with these settings would start.
fn check(settings: &Settings) -> Result<(), Box<dyn Error>> {
    for finding in surroundings::look(settings) {
        match finding.found {
            Ok(found) => println!("{}: {found}", finding.about),
            Err(why) => return Err(format!("{}: {why}", finding.about).into()),
        }
    }
    let faces = faces(settings)?;
    Comparator::of(faces.embedder(), settings)?;
    faces.self_test()?;
    println!("settings and models are good");
    Ok(())
}

/// The models that the settings name.
fn models(settings: &Settings) -> Result<ModelSet, engine::Error> {
    match &settings.inference.models {
        Some(dir) => ModelSet::from_dir(dir),
        None => ModelSet::embedded(),
    }
}

/// The models that the settings name, planned.
fn faces(settings: &Settings) -> Result<FacePipeline, engine::Error> {
    let second_person =
        SecondPerson { submitted: settings.face.second_person_percent, camera: settings.camera.second_person_percent };
    let (limits, mirror) = (settings.limits.clone(), settings.inference.mirror);
    let faces = FacePipeline::new(models(settings)?, limits, second_person, mirror, arithmetic(settings)?)?;
    match &settings.people.previous_models {
        Some(dir) => faces.with_previous(&ModelSet::from_dir(dir)?, arithmetic(settings)?),
        None => Ok(faces),
    }
}

/// The arithmetic that the settings name.
fn arithmetic(settings: &Settings) -> Result<Arithmetic, engine::Error> {
    let Some(name) = &settings.inference.arithmetic else { return Ok(Arithmetic::default()) };
    Arithmetic::parse(name).ok_or_else(|| {
        let kernels: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
        let known = kernels.join(", ");
        engine::Error::models(format!("inference.arithmetic = {name}: it is one of float, emulated, {known}"))
    })
}
