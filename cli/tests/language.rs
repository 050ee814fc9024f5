//! The language, case by case: every file of `language/` through `kolo test`. A failure shows the case by its name.

mod support;

use support::{Kolo, kolo};

#[test]
fn every_case_of_the_language_passes() {
    let mut command = kolo();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["test", "tests/language"]);
    let finished = Kolo::start(command).finish();
    print!("{}", finished.stderr);
    let finished = finished.ok();
    assert_eq!(finished.stdout, "", "everything is said on stderr");
}
