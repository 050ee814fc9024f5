//! `kolo-ring`, the very files that run, compiled beside a `sync` of loom's types.
//!
//! The models are in `tests/loom`, by what they check: `handover`, `gates`, `sleep`, `ends`. They run under plain
//! `cargo test`. Two variables of the environment:
//!
//! - `KOLO_LOOM_BOUND`, how many preemptions a schedule may have: 1 unless set, 2 takes minutes, 3 is for long runs.
//! - `KOLO_LOOM_WEAKEN`, the name of a [`Site`]: that place is weakened, and some model must fail. `tests/loom/mutants.rs`
//!   does so for each of them, and `tests/loom/names.rs` demands that each atomic operation has a name.

#[path = "../../ring/src/acknowledger.rs"]
mod acknowledger;
#[path = "../../ring/src/cursor.rs"]
mod cursor;
#[path = "../../ring/src/hand.rs"]
mod hand;
#[path = "../../ring/src/lane.rs"]
mod lane;
#[path = "../../ring/src/monitor.rs"]
mod monitor;
#[path = "../../ring/src/producer.rs"]
mod producer;
#[path = "../../ring/src/site.rs"]
mod site;
#[path = "../../ring/src/slots.rs"]
mod slots;
#[path = "../../ring/src/stage.rs"]
mod stage;
mod sync;
#[path = "../../ring/src/wait.rs"]
#[expect(clippy::absurd_extreme_comparisons, reason = "a party of a model spins and yields 0 times")]
mod wait;

pub use acknowledger::Acknowledger;
pub use hand::{Batch, Blocked};
pub use lane::{Config, lane};
pub use monitor::{Monitor, Positions};
pub use producer::Producer;
pub use site::Site;
pub use stage::Stage;
pub use sync::{WEAKEN, taken};
pub use wait::{BusySpin, Park, UnknownWait, Wait, WaitStrategy, Waker, Yield};
