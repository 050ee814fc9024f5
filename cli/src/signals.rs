//! SIGINT and SIGTERM: the first ends the run in good order, the second at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::outcome::Failure;
use crate::pipeline::Stopper;
use crate::stderr;

/// The exit code of a run that a second signal ended.
const SECOND_SIGNAL: i32 = 130;

/// From now on signals end the run of `stopper`.
///
/// # Errors
/// The operating system's, if it refuses the handlers.
pub(crate) fn install(stopper: Stopper) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = false;
        for _ in signals.forever() {
            if asked {
                std::process::exit(SECOND_SIGNAL);
            }
            asked = true;
            stderr::say("stopping: what was taken is being finished (a second signal ends it at once)");
            stopper.stop();
        }
    })?;
    Ok(())
}
