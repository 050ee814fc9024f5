//! How a command ends, and the exit code that says so.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: one line on stderr tells what, where and what to do; or the result was verified and is wrong |
//! | 2 | the command line could not be understood (clap's) |
//! | 130 | a second signal came while the first was being obeyed |

use std::fmt;
use std::process::ExitCode;

/// A command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked to do.
    Done,
    /// What came out was verified and is not what should have come out; the report says in what way.
    Wrong,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Wrong => ExitCode::FAILURE,
        }
    }
}

/// A command that could not run to its end: one clear line, which names the place, what was wrong, and what to do.
///
/// Made by `?` from any error that says so by itself, or by [`Failure::new`] from words.
pub(crate) struct Failure {
    message: String,
}

impl Failure {
    /// A failure in these words.
    pub(crate) fn new(message: impl fmt::Display) -> Failure {
        Failure { message: message.to_string() }
    }
}

// `Failure` is no `Error` itself: that is what leaves room for this.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_becomes_a_failure_in_its_own_words() {
        fn read() -> Result<u8, Failure> {
            Ok("x".parse::<u8>()?)
        }
        assert_eq!(read().expect_err("not a number").to_string(), "invalid digit found in string");
        assert_eq!(format!("{:?}", Failure::new(format_args!("no file {}", "a"))), "no file a");
    }
}
