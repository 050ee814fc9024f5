//! The lane: one ring of preallocated slots, one party that fills them, and a chain of parties that enrich them in place.
//!
//! ```text
//!        ┌─────────────────────── slots come home ────────────────────────┐
//!        ▼                                                                │
//!    producer ──── p ──▶ stage 1 ──── e ──▶  …  ──▶ last stage ──── s ────┘
//!        ▲                                              ┊ same thread
//!        └──────────────────── a ────────────────── acknowledger
//!
//!    p, e, s   how many slots each party has let go of: its cursor
//!    a         how many slots, from the first on, are acknowledged
//! ```
//!
//! # Protocol
//! A party owns one cursor, a count from 0 that only it moves. It claims the slots between its own cursor and the cursor
//! that it follows, works on them as a `&mut [T]`, and lets them go by moving its own cursor. Nothing is handed over
//! but these counts.
//!
//! 1. **Invariant**: `a ≤ s ≤ e ≤ p`, `p ≤ s + slots`, `p ≤ a + in_flight`.
//! 2. **Ownership**: slots `[e, p)` are stage 1's alone, `[s, e)` the next stage's, `[p, s + slots)` the producer's.
//!    Every slot has exactly one owner, and a cursor only ever gives slots away.
//! 3. **Ordering**: accesses to slots → Release store of one's own cursor → Acquire load by the follower → its accesses.
//!    Each of these lines has a name, a [`Site`].
//! 4. **Ends** travel in the cursor word. [`close`](Producer::close) is the last publish; each stage passes it on after
//!    its last slot. Poison is passed on at once and lets no slot go; it follows the chain all the way round.
//! 5. **Explicit**: only [`publish`](Batch::publish) and [`release`](Batch::release) let slots go. A dropped batch does
//!    nothing; a dropped handle whose lane has not ended poisons it, and so does an acknowledger dropped with released
//!    slots unacknowledged. So a panic stops the lane and loses nothing.
//! 6. **Idling** belongs to the caller's loop: claims never wait, [`wait`](Stage::wait) takes one idle step, and what a
//!    sleeping party waits for may include things outside of the lane.
//!
//! # Limits
//! One producer; each stage follows one predecessor; a power of two of slots; 2⁶² slots in a lane's life.
//!
//! # Example
//! Two stages: one squares, one sums up and acknowledges.
//! ```
//! use kolo_ring::{Blocked, Config, Park, lane};
//!
//! let config = Config { slots: 8, in_flight: 64 };
//! let (mut producer, [mut squares, mut sums], mut acknowledger, monitor) = lane::<u64, Park, 2>(config, || 0);
//! let sum = std::thread::scope(|scope| {
//!     scope.spawn(move || {
//!         let mut numbers = 1..=100;
//!         while !numbers.is_empty() {
//!             match producer.try_claim(16) {
//!                 Ok(mut batch) => {
//!                     let filled = batch.iter_mut().zip(&mut numbers).map(|(slot, n)| *slot = n).count();
//!                     batch.publish(filled);
//!                 }
//!                 Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
//!                 Err(_) => return,
//!             }
//!         }
//!         producer.close();
//!     });
//!     scope.spawn(move || loop {
//!         match squares.try_claim(16) {
//!             Ok(mut batch) => {
//!                 batch.iter_mut().for_each(|n| *n *= *n);
//!                 let all = batch.len();
//!                 batch.release(all);
//!             }
//!             Err(Blocked::NotYet) => squares.wait(|stage| stage.ready()),
//!             Err(_) => return,
//!         }
//!     });
//!     let mut sum = 0;
//!     loop {
//!         match sums.try_claim(16) {
//!             Ok(batch) => {
//!                 sum += batch.iter().sum::<u64>();
//!                 let all = batch.len();
//!                 batch.release(all);
//!                 acknowledger.acknowledge(sums.position());
//!             }
//!             Err(Blocked::NotYet) => sums.wait(|stage| stage.ready()),
//!             Err(_) => return sum,
//!         }
//!     }
//! });
//! assert_eq!(sum, 338_350);
//! assert!(monitor.closed());
//! assert_eq!(monitor.positions().acknowledged, 100);
//! ```
//!
//! A reference into a batch cannot outlive it:
//! ```compile_fail,E0505
//! # let config = kolo_ring::Config { slots: 8, in_flight: 64 };
//! # let (mut producer, _stages, _acknowledger, _monitor) = kolo_ring::lane::<u64, kolo_ring::Park, 1>(config, || 0);
//! let mut batch = producer.try_claim(1).unwrap();
//! let slot = &mut batch[0];
//! batch.publish(1);
//! *slot = 7;
//! ```

mod acknowledger;
mod cursor;
mod disruptor;
mod hand;
mod interface;
mod lane;
mod monitor;
mod producer;
mod site;
mod slots;
mod stage;
mod sync;
mod wait;

/// Compiles the snippets of the protocol's description.
#[cfg(doctest)]
#[doc = include_str!("../../docs/ring.md")]
struct Protocol;

pub use crate::disruptor::{Disruptor, DisruptorBatch, DisruptorProducer, DisruptorStage};
pub use acknowledger::Acknowledger;
pub use hand::{Batch, Blocked};
pub use interface::{LaneBatch, LaneParty, LaneProducer, Native, Ring};
pub use lane::{Config, lane};
pub use monitor::{Monitor, Positions};
pub use producer::Producer;
pub use site::Site;
pub use stage::Stage;
pub use wait::{BusySpin, Park, UnknownWait, Wait, WaitStrategy, Waker, Yield};
