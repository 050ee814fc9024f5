//! Replays a file of events, one a line, into the lane.
//!
//! The lines go into the slots as they are; the engine knows both of their JSON forms. A slot's `offset` is the line's
//! number, from 1, so that what is wrong with a line can be said with its place.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kolo_engine::clock::Clock;
use kolo_engine::slot::{Assignment, Cause, Slot};
use kolo_ring::{Blocked, LaneBatch, LaneProducer};

use crate::control::Control;
use crate::pace::Pace;
use crate::spill::{self, SpillBudget};

/// Why a replay stopped before the end of its file.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read further.
    Read {
        /// The file's name.
        name: String,
        /// The line at which it failed, from 1.
        line: u64,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// Another party of the lane failed; its error tells why.
    LanePoisoned,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Read { name, line, reason } => write!(f, "{name}:{line}: cannot be read: {reason}"),
            Error::LanePoisoned => write!(f, "stopped because another part of the lane failed"),
        }
    }
}

impl std::error::Error for Error {}

/// The source's side of a lane that reads a file.
pub struct Replay<R, P> {
    lane: P,
    input: R,
    name: String,
    line: u64,
    clock: Clock,
    spill: SpillBudget,
    records: Arc<AtomicU64>,
    /// `None`: as fast as the lane goes.
    pace: Option<Pace>,
}

impl<R: BufRead, P: LaneProducer<Slot = Slot>> Replay<R, P> {
    /// A replay of `input`, called `name` in messages.
    pub fn new(lane: P, input: R, name: &str, clock: Clock) -> Self {
        Replay {
            lane,
            input,
            name: name.to_owned(),
            line: 0,
            clock,
            spill: SpillBudget::new(spill::DEFAULT_LIMIT),
            records: Arc::default(),
            pace: None,
        }
    }

    /// At the pace of the events' own times, instead of as fast as the lane goes.
    pub fn timed(mut self) -> Self {
        self.pace = Some(Pace::default());
        self
    }

    /// Records put into the lane so far.
    pub fn records(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.records)
    }

    /// Reads to the end of the file, or until it is asked to stop, and waits until everything is acknowledged.
    ///
    /// # Errors
    /// A file that cannot be read further, or a lane poisoned by another party.
    pub fn run(mut self, control: &Control) -> Result<(), Error> {
        let name = self.name.clone();
        self.publish(|slot| {
            let (topic, metadata) = (name, String::new());
            slot.cause =
                Cause::Assigned(Box::new(Assignment { topic, partition: 0, source: None, metadata, epoch: 0 }));
            slot.offset = 1;
        })?;
        let mut line = Vec::new();
        while !control.stopping() {
            // A line that lies wholly in the reader's buffer is copied once, into its slot; others are put together first.
            let available = self.input.fill_buf().map_err(|reason| unreadable(&self.name, self.line, reason))?;
            if available.is_empty() {
                break;
            }
            match memchr::memchr(b'\n', available) {
                Some(_) if self.pace.is_none() => {
                    let used = self.fill()?;
                    self.input.consume(used);
                }
                _ => {
                    line.clear();
                    self.input
                        .read_until(b'\n', &mut line)
                        .map_err(|reason| unreadable(&self.name, self.line, reason))?;
                    self.line += 1;
                    let (number, text) = (self.line, trim(&line));
                    if !text.is_empty() {
                        if let Some(pace) = &mut self.pace {
                            pace.wait(text, control);
                            if control.stopping() {
                                break;
                            }
                        }
                        self.publish(|slot| record(slot, number, text))?;
                        self.records.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        self.publish(|slot| slot.cause = Cause::EndOfInput)?;
        self.lane.close();
        while !self.lane.drained() {
            if self.lane.poisoned() {
                return Err(Error::LanePoisoned);
            }
            self.lane.wait(|lane| lane.drained() || lane.poisoned());
        }
        Ok(())
    }

    /// Publishes the whole lines that the reader has buffered, as far as one claim reaches. Returns the bytes used.
    fn fill(&mut self) -> Result<usize, Error> {
        let Replay { lane, input, line, clock, spill, records, .. } = self;
        let buffered = input.fill_buf().expect("it was filled just now");
        let mut batch = loop {
            spill.settle(lane.sent());
            match lane.try_claim(usize::MAX) {
                Ok(batch) if spill.admits() => break batch,
                Ok(_) | Err(Blocked::NotYet) => {}
                Err(Blocked::Poisoned | Blocked::Closed) => return Err(Error::LanePoisoned),
            }
            lane.wait(|lane| lane.ready());
        };
        let first = batch.sequence();
        let arrived_ns = clock.now_ns();
        let (mut used, mut filled) = (0, 0);
        while filled < batch.len()
            && spill.admits()
            && let Some(length) = memchr::memchr(b'\n', &buffered[used..])
        {
            *line += 1;
            let text = trim(&buffered[used..used + length]);
            used += length + 1;
            if !text.is_empty() {
                let slot = &mut batch[filled];
                slot.partition = 0;
                slot.timestamp_ms = -1;
                slot.arrived_ns = arrived_ns;
                record(slot, *line, text);
                spill.took(first + filled as u64, slot.payload.spilled_bytes());
                filled += 1;
            }
        }
        batch.publish(filled);
        records.fetch_add(filled as u64, Ordering::Relaxed);
        Ok(used)
    }

    /// Publishes one slot, waiting for room.
    fn publish(&mut self, fill: impl FnOnce(&mut Slot)) -> Result<(), Error> {
        loop {
            let blocked = match self.lane.try_claim(1) {
                Ok(mut batch) => {
                    let slot = &mut batch[0];
                    slot.partition = 0;
                    slot.offset = -1;
                    slot.timestamp_ms = -1;
                    slot.arrived_ns = self.clock.now_ns();
                    fill(slot);
                    batch.publish(1);
                    return Ok(());
                }
                Err(blocked) => blocked,
            };
            match blocked {
                Blocked::NotYet => self.lane.wait(|lane| lane.ready()),
                Blocked::Poisoned | Blocked::Closed => return Err(Error::LanePoisoned),
            }
        }
    }
}

fn unreadable(name: &str, lines_read: u64, reason: io::Error) -> Error {
    Error::Read { name: name.to_owned(), line: lines_read + 1, reason }
}

fn record(slot: &mut Slot, line: u64, text: &[u8]) {
    slot.cause = Cause::Record;
    slot.offset = line as i64;
    slot.payload.set(None, Some(text));
}

/// Without the line's end and the blanks around it.
fn trim(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}
