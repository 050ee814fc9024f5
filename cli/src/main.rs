//! kolo: runs VPL programs over Kafka.
//!
//! What a person says ([`args`]) becomes a command; commands put the rooms together ([`pipeline`]) and tell what they do
//! ([`live`], [`logging`], [`report`], all over [`stderr`]) and how it ended ([`outcome`]).

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use crate::args::{Cli, Command};
use crate::outcome::{Failure, Outcome};

mod args;
mod check;
mod connection;
mod demo;
mod generate;
mod live;
mod logging;
mod outcome;
mod parse;
mod pipeline;
mod plan;
mod properties;
mod report;
mod run;
mod setup;
mod signals;
mod simulate;
mod stderr;
mod test;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbose);
    // Cases are about malformed events, too, and nobody has to be told of those.
    if cli.verbose == 0 && matches!(cli.command, Command::Test(_)) {
        logging::hush();
    }
    match obey(&cli.command) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            stderr::say(format_args!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn obey(command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Check(args) => check::run(args),
        Command::Parse(args) => parse::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Test(args) => test::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Completions(args) => complete(args.shell),
    }
}

fn complete(shell: Shell) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kolo", &mut script);
    let written = io::stdout().write_all(&script);
    written.map_err(|reason| Failure::new(format_args!("stdout cannot be written to: {reason}")))?;
    Ok(Outcome::Done)
}
