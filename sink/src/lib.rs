//! Sends outputs, keeps the ledger, turns delivery reports into the acknowledged prefix.
//!
//! ```text
//!   lane ──▶ Sink ──▶ Kafka producers (produce_batch per partition) ──▶ brokers
//!             │   ──▶ lines: files, stdout                                 │
//!             ▼                                                           ▼
//!           Ledger ◀──────────────── delivery reports ────────────────────┘
//!             │ the prefix of inputs all of whose outputs are delivered
//!             ├──▶ offsets, capped by the floors recorded at the prefix, are stored for commit
//!             └──▶ then the lane's `acknowledged` cursor advances, which is the source's second gate
//! ```
//!
//! Offsets are stored *before* the cursor advances: whoever sees `acknowledged == published` knows that the offsets of
//! everything published are stored, which is what a revocation waits for.

mod events;
pub mod kafka;
pub mod ledger;
pub mod lines;
pub mod partitioner;
mod run;

pub use run::{Counters, Error, Outlets, Sink, Target};
