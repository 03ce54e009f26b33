//! Defines the commands and their arguments. The manual pages and the completions of docs/ are generated from this.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::Role;
use crate::ops::settings::Scope;

const EXIT_STATUS: &str = "\
Settings are read from the file, then from the environment (FACEPLATE__SECTION__KEY), then from the command line.

Exit status: 0 if all is well, 1 if something is wrong, 2 if the command line is.";

/// Face verification and liveness detection over HTTP, on one machine
#[derive(Debug, Parser)]
#[command(name = "faceplate", version, after_help = EXIT_STATUS)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Command {
    /// Answer requests (the default)
    Serve(Serve),
    /// Check models, processor, settings and surroundings, and report
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the running service whether it is healthy; fail if it is not
    Healthcheck,
    /// List the cameras and what they can do
    Cameras,
    /// Measure the processor time of each step
    Bench(Bench),
    /// Show templates, or join those of one person
    #[command(subcommand)]
    Template(Template),
    /// Fit the score curve to an installation site, or screen light to a kiosk
    #[command(subcommand)]
    Calibrate(Calibrate),
    /// Make, list and revoke access tokens
    #[command(subcommand)]
    Token(Token),
    /// Enroll people at the running service, identify them, and move them
    #[command(subcommand)]
    People(People),
    /// Show, open or switch the door of the running service, or shut its lock without one
    #[command(subcommand)]
    Door(Door),
    /// Make keys that encrypt templates, or sign what webhooks get
    #[command(subcommand)]
    Key(Key),
    /// Measure accuracy and attack detection on labeled files
    #[command(subcommand)]
    Eval(Eval),
}

#[derive(Args, Debug, Default, PartialEq)]
pub(super) struct Serve {
    /// Check settings, models and surroundings, and stop
    #[arg(long)]
    pub(super) check: bool,
    /// Print the settings in force and stop
    #[arg(long, conflicts_with = "check")]
    pub(super) print_settings: bool,
    /// With each setting, print where its value comes from
    #[arg(long, requires = "print_settings")]
    pub(super) origin: bool,
}

#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct Bench {
    /// A picture or clip with a face, or the word "models" for one inference of each model, or "people" for searches among people
    pub(super) file: PathBuf,
    /// With "people": vectors of 128 signed bytes, the last 16 of which are searched for; random ones without
    #[arg(long, value_name = "FILE")]
    pub(super) vectors: Option<PathBuf>,
    /// Measure this step alone
    #[arg(long, value_name = "NAME")]
    pub(super) step: Option<Step>,
    /// How often each step is timed
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) runs: Option<usize>,
    /// Threads that work together on each model; of more than one, wall time is measured
    #[arg(long, value_name = "N", default_value = "1", value_parser = RangedU64ValueParser::<usize>::new().range(1..=8))]
    pub(super) team: usize,
    /// Cut the work for the whole team, but compute all of it on one thread: cross/count counts what each of the team would do
    #[arg(long, hide = true)]
    pub(super) alone: bool,
}

/// What `bench --step` knows: steps, then models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    Extract,
    Compare,
    Liveness,
    Detector,
    Embedder,
    AttackModel,
    Landmarks,
}

impl Step {
    /// The model that it runs.
    pub(super) fn model(self) -> Option<Role> {
        match self {
            Self::Detector => Some(Role::Detector),
            Self::Embedder => Some(Role::Embedder),
            Self::AttackModel => Some(Role::Liveness),
            Self::Landmarks => Some(Role::Landmarks),
            Self::Extract | Self::Compare | Self::Liveness => None,
        }
    }
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Template {
    /// Show what a template file holds, without the values that identify a person
    Show {
        /// A template, as the service gives it for a picture
        file: PathBuf,
    },
    /// Join templates of one person's pictures to one template
    Join {
        /// 2 to 16 template files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Write to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum People {
    /// List who is enrolled
    List {
        /// Only those in this group
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Only those with this in their id, name or external id
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
    },
    /// Show what is stored of a person
    Show {
        /// The person's id
        id: String,
    },
    /// Enroll a person, or add templates to one who is enrolled
    Add(AddPerson),
    /// Delete a person and all templates
    Remove {
        /// The person's id
        id: String,
    },
    /// Write people as lines of JSON: a backup, a move, or what is stored of one person
    Export {
        /// Only this person
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Write to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Enroll the people of such lines, all or none
    Import {
        /// The lines
        file: PathBuf,
        /// Replace people who are enrolled already
        #[arg(long)]
        replace: bool,
    },
    /// Tell who a face is
    Identify {
        /// A picture; without, the person before the camera
        file: Option<PathBuf>,
        /// What is asked of liveness before the camera: required, challenge or challenge+light
        #[arg(long, value_name = "MODE", conflicts_with = "file")]
        liveness: Option<String>,
    },
}

/// Options of `people add`.
#[derive(Args, Debug, PartialEq)]
pub(super) struct AddPerson {
    /// The person's id: 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'
    pub(super) id: String,
    /// Pictures, each of which becomes a template
    #[arg(value_name = "PICTURE")]
    pub(super) pictures: Vec<PathBuf>,
    /// The name that is shown
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// A group, any number of times
    #[arg(long = "group", value_name = "NAME")]
    pub(super) groups: Vec<String>,
    /// Unknown before this time, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) valid_from: Option<String>,
    /// Unknown from this time on
    #[arg(long, value_name = "TIME")]
    pub(super) valid_until: Option<String>,
    /// Add a template of the person before the camera
    #[arg(long)]
    pub(super) camera: bool,
    /// What is asked of liveness before the camera: required, challenge or challenge+light
    #[arg(long, value_name = "MODE", requires = "camera")]
    pub(super) liveness: Option<String>,
    /// Add templates though the face is another person's
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Door {
    /// Show what the door is doing
    Show,
    /// Open the lock for a pulse
    Open,
    /// Switch who is let in
    Mode {
        /// Who is let in
        #[arg(value_parser = PossibleValuesParser::new(["off", "identify", "claim", "claim+identify"]))]
        mode: String,
    },
    /// Shut the lock and release its line: for the end of a service that could not
    Release,
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Calibrate {
    /// Have the running service measure its screen's light on a person's face, and print the settings for it
    Light,
    /// Measure non-mated scores on this site's pictures, and print the settings for them
    Site {
        /// Pictures or templates of at least 50 people, a folder for each
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
    },
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Token {
    /// Make a token: print the secret to standard error, and the settings lines to standard output
    New {
        /// Name in the log and the settings
        name: String,
        /// What it allows
        #[arg(required = true, value_name = "SCOPE", value_parser = scopes())]
        scopes: Vec<Scope>,
        /// Append the settings lines to this file instead
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// Also print a link and its QR code that sign a browser in at the console of this address, such as http://10.0.0.5:8080
        #[arg(long, value_name = "URL")]
        qr: Option<String>,
    },
    /// List the tokens in the settings
    List,
    /// Remove a token from a settings file
    Revoke {
        /// Name of the token, as `token list` shows it
        name: String,
        /// The settings file
        #[arg(long, value_name = "FILE")]
        write: PathBuf,
    },
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Key {
    /// Print a new key
    New,
    /// Print a new secret of a webhook
    Webhook,
}

#[derive(Debug, PartialEq, Subcommand)]
pub(super) enum Eval {
    /// Report accuracy on labeled pairs
    Verification {
        #[command(flatten)]
        on: Pictures,
        /// Columns file_a, file_b, same, and fold if there are any
        #[arg(long, value_name = "CSV")]
        pairs: PathBuf,
        /// Columns name_a, name_b: identities that are one person
        #[arg(long, value_name = "CSV")]
        aliases: Option<PathBuf>,
    },
    /// Report the score curve that pictures of many people give
    Knots {
        #[command(flatten)]
        on: Pictures,
        /// Columns name_a, name_b: identities that are one person
        #[arg(long, value_name = "CSV")]
        aliases: Option<PathBuf>,
    },
    /// Report error rates of attack detection, by species
    Liveness {
        #[command(flatten)]
        on: Pictures,
        /// Write a line for each file
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
    /// Report head turns and challenges met on recordings by species, or guide through presentations before the camera
    Challenge(Challenge),
    /// Report how surely screen light is told, injected into recordings by species
    Light {
        #[command(flatten)]
        on: Pictures,
    },
    /// Report which faces are found, and which one is chosen
    Detection {
        #[command(flatten)]
        on: Pictures,
        /// Columns file, true_faces
        #[arg(long, value_name = "CSV")]
        counts: Option<PathBuf>,
    },
    /// Report how often people of a gallery are not identified, and strangers are
    Identification {
        #[command(flatten)]
        on: Pictures,
        /// Columns name_a, name_b: identities that are one person
        #[arg(long, value_name = "CSV")]
        aliases: Option<PathBuf>,
    },
    /// Report false matches on degraded pictures
    Degradation {
        #[command(flatten)]
        on: Pictures,
        /// Number of people
        #[arg(long, value_name = "N")]
        people: Option<usize>,
    },
}

/// Options of `eval challenge`.
#[derive(Args, Debug, PartialEq)]
pub(super) struct Challenge {
    /// Folder of the recordings, one folder each species
    #[arg(long, value_name = "DIR", required_unless_present = "record", conflicts_with = "record")]
    pub(super) root: Option<PathBuf>,
    /// Guide through presentations before the running service's camera, append them to this file, and report on all in it
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Ask for the screen's light as well; a page shows the prompts
    #[arg(long, requires = "record")]
    pub(super) light: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of every other `eval` command.
#[derive(Args, Debug, PartialEq)]
pub(super) struct Pictures {
    /// Folder of the files; of people, one folder each
    #[arg(long, value_name = "DIR")]
    pub(super) root: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn scopes() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::name)).map(|typed| {
        Scope::ALL.into_iter().find(|scope| scope.name() == typed).expect("these are all that are possible")
    })
}
