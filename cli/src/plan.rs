//! `kolo plan`: what a program does when it runs.

use crate::args::{Form, PlanArgs, ProgramText};
use crate::check::{load, print_line};
use crate::outcome::{Failure, Outcome};

/// Describes the plan.
///
/// # Errors
/// A program that cannot be read, or has an error.
pub(crate) fn run(args: &PlanArgs) -> Result<Outcome, Failure> {
    let loaded = load(ProgramText::File(&args.file))?;
    let description = loaded.plan()?.describe(&loaded.program, &loaded.source);
    print_line(&match args.format {
        Form::Text => description.to_string(),
        Form::Json => serde_json::to_string(&description).expect("texts and numbers can always be written"),
    })?;
    Ok(Outcome::Done)
}
