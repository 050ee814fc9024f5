//! Everything that people are told on stderr, where a line that is rewritten in place may stand: see
//! [`live`](crate::live).

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// To the line's beginning, and away with what stands there.
const ERASE: &str = "\r\x1b[K";
/// Lets the terminal cut a long line, then has it wrap again.
const CUT: (&str, &str) = ("\x1b[?7l", "\x1b[?7h");

/// Whether the rewritten line stands on the terminal now.
static SHOWN: Mutex<bool> = Mutex::new(false);

/// Writes a line, above the one that is rewritten.
pub(crate) fn say(line: impl fmt::Display) {
    // Nobody can be told that stderr cannot be written to.
    above(|| _ = writeln!(io::stderr(), "{line}"));
}

/// Runs `write`, which writes to the terminal, with the rewritten line out of its way.
pub(crate) fn above<R>(write: impl FnOnce() -> R) -> R {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::take(&mut *shown) {
        _ = io::stderr().write_all(ERASE.as_bytes());
    }
    write()
}

/// Puts `line` in the place of the one that is rewritten.
pub(crate) fn rewrite(line: &str) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // In one piece, so that a process that is killed leaves the terminal as it was.
    let text = format!("{ERASE}{}{line}{}", CUT.0, CUT.1);
    *shown = io::stderr().write_all(text.as_bytes()).is_ok();
}
