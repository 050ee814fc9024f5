//! Fills slots: the librdkafka poller thread, the file replayer, the generator.
//!
//! A source owns the lane's [`Producer`](kolo_ring::Producer) and is the only place where events enter: records, ticks,
//! assignments, revocations and the end of input all travel as slots, so that whatever the engine does has a cause that
//! can be replayed.

pub mod control;
pub mod evt;
pub mod generate;
pub mod kafka;
mod pace;
pub mod partitions;
pub mod replay;
pub mod spill;
