//! Records from Kafka: consumer group, poller thread, start offsets, stored offsets.
//!
//! ```text
//!   broker threads ──▶ one queue of our own a consumer ──▶ Poller ──▶ lane
//!   (fetch, decompress)   partitions are forwarded to it,    │  batches of up to 512 messages, timeout 0
//!                         so that one call takes a batch     │
//!   control queue ───────────────────────────────────────────┘  rebalances, errors, statistics: served every turn,
//!                                                               also while the ring is full
//! ```
//!
//! The consumer's own queue carries only control events: taking *batches* from it would make librdkafka drop rebalances.
//! Rebalances are answered by the poller's loop, not inside librdkafka's callback: the callback files the event, the loop
//! publishes slots, waits for the lane to drain, and then gives librdkafka its answer.
//!
//! Flow control is the ring. While it is full the poller takes no data and keeps serving the control queue; librdkafka
//! stops fetching when its prefetch limits are reached. Partitions are never paused: that would purge what was fetched.

mod consumer;
mod error;
mod offsets;
mod poller;
mod queue;

pub use consumer::{Consumer, ConsumerConfig, DEFAULTS, Meeting, OffsetStore, Topic};
pub use error::Error;
pub use offsets::Reset;
pub use poller::{Counters, Options, Poller};
