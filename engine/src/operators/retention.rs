//! Which records state still needs: the oldest of each partition is the floor that no commit may pass.
//!
//! Whoever keeps something of a record takes a [`Ticket`] for it and gives it back in the end. Tickets are counted, not
//! listed: a partition has a queue of segments, each of which stands for a run of offsets and knows how many tickets for
//! them are out. Segments without tickets leave at the front, and the first offset of the oldest is the floor. So a ticket
//! costs constant time and eight bytes, and a floor may be older than needed by the length of a segment, never newer.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::expr::Origin;
use crate::slot::{Floor, PartitionIndex};

/// How many offsets a segment spans.
const SEGMENT_OFFSETS: i64 = 256;

/// A record, or one near it, is still needed. It has no effect when dropped: give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    partition: PartitionIndex,
    /// Counted from the partition's first; wraps around.
    segment: u32,
}

impl Ticket {
    /// Which partition the record belongs to.
    pub(crate) fn partition(self) -> PartitionIndex {
        self.partition
    }
}

#[derive(Debug)]
struct Segment {
    first_offset: i64,
    live: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number of the segment at the front.
    first: u32,
    segments: VecDeque<Segment>,
}

/// The tickets that are out, for all state of an engine.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// By partition.
    queues: Vec<Queue>,
}

impl Retention {
    /// A ticket for a record. Records of a partition come in the order of their offsets.
    #[inline]
    pub(crate) fn take(&mut self, partition: PartitionIndex, offset: i64) -> Ticket {
        if self.queues.len() <= partition as usize {
            self.queues.resize_with(partition as usize + 1, Queue::default);
        }
        let queue = &mut self.queues[partition as usize];
        match queue.segments.back_mut() {
            Some(segment) if offset - segment.first_offset < SEGMENT_OFFSETS => {
                segment.live += 1;
                // Only a topic created anew goes back.
                segment.first_offset = segment.first_offset.min(offset);
            }
            _ => queue.segments.push_back(Segment { first_offset: offset, live: 1 }),
        }
        Ticket { partition, segment: queue.first.wrapping_add(queue.segments.len() as u32 - 1) }
    }

    /// One more ticket for the same record.
    #[inline]
    pub(crate) fn again(&mut self, ticket: Ticket) -> Ticket {
        self.segment(ticket).live += 1;
        ticket
    }

    /// A ticket comes back.
    #[inline]
    pub(crate) fn give_back(&mut self, ticket: Ticket) {
        self.segment(ticket).live -= 1;
        let queue = &mut self.queues[ticket.partition as usize];
        while queue.segments.front().is_some_and(|segment| segment.live == 0) {
            queue.segments.pop_front();
            queue.first = queue.first.wrapping_add(1);
        }
    }

    #[inline]
    fn segment(&mut self, ticket: Ticket) -> &mut Segment {
        let queue = &mut self.queues[ticket.partition as usize];
        &mut queue.segments[ticket.segment.wrapping_sub(queue.first) as usize]
    }

    /// The floors of all partitions that have one.
    pub(crate) fn floors(&self) -> impl Iterator<Item = Floor> {
        (0..).zip(&self.queues).filter_map(|(partition, queue)| {
            queue.segments.front().map(|segment| Floor { partition, offset: segment.first_offset })
        })
    }
}

/// The tickets of something that many records went into: one a partition, for the oldest record.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    tickets: SmallVec<[Ticket; 2]>,
    /// Where the ticket that was looked at last stands.
    recent: usize,
}

impl Holdings {
    /// Holds what the event at hand came from.
    #[inline]
    pub(crate) fn hold(&mut self, origin: Origin, retention: &mut Retention) {
        match origin {
            Origin::Record { partition, offset } => {
                if self.tickets.get(self.recent).is_none_or(|ticket| ticket.partition != partition) {
                    match self.tickets.iter().position(|ticket| ticket.partition == partition) {
                        Some(known) => self.recent = known,
                        None => {
                            self.recent = self.tickets.len();
                            self.tickets.push(retention.take(partition, offset));
                        }
                    }
                }
            }
            Origin::Held(tickets) => tickets.iter().for_each(|ticket| self.hold_again(*ticket, retention)),
        }
    }

    fn hold_again(&mut self, ticket: Ticket, retention: &mut Retention) {
        match self.tickets.iter_mut().find(|held| held.partition == ticket.partition) {
            None => self.tickets.push(retention.again(ticket)),
            // Older, for the distance between live segments is never half of what a u32 counts.
            Some(held) if (ticket.segment.wrapping_sub(held.segment) as i32) < 0 => {
                retention.again(ticket);
                retention.give_back(std::mem::replace(held, ticket));
            }
            Some(_) => {}
        }
    }

    /// The tickets, for what comes of the records.
    #[inline]
    pub(crate) fn tickets(&self) -> &[Ticket] {
        &self.tickets
    }

    /// Holds nothing any more.
    pub(crate) fn release(&mut self, retention: &mut Retention) {
        self.tickets.drain(..).for_each(|ticket| retention.give_back(ticket));
        self.recent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floors(retention: &Retention) -> Vec<(PartitionIndex, i64)> {
        retention.floors().map(|floor| (floor.partition, floor.offset)).collect()
    }

    #[test]
    fn the_floor_is_the_oldest_record_that_is_held_to_within_a_segment() {
        let mut retention = Retention::default();
        let first = retention.take(1, 1000);
        let second = retention.take(1, 1255);
        let third = retention.take(1, 1256);
        let elsewhere = retention.take(0, 7);
        assert_eq!(floors(&retention), [(0, 7), (1, 1000)]);
        retention.give_back(first);
        assert_eq!(floors(&retention), [(0, 7), (1, 1000)], "older than needed, never newer");
        retention.give_back(second);
        assert_eq!(floors(&retention), [(0, 7), (1, 1256)]);
        retention.give_back(third);
        retention.give_back(elsewhere);
        assert_eq!(floors(&retention), []);
        retention.take(1, 2000);
        assert_eq!(floors(&retention), [(1, 2000)]);
    }

    #[test]
    fn holdings_keep_the_oldest_of_each_partition() {
        let mut retention = Retention::default();
        let (mut upstream, mut later, mut downstream) = (Holdings::default(), Holdings::default(), Holdings::default());
        upstream.hold(Origin::Record { partition: 0, offset: 10 }, &mut retention);
        upstream.hold(Origin::Record { partition: 1, offset: 20 }, &mut retention);
        upstream.hold(Origin::Record { partition: 0, offset: 900 }, &mut retention);
        later.hold(Origin::Record { partition: 0, offset: 5000 }, &mut retention);
        downstream.hold(Origin::Held(later.tickets()), &mut retention);
        downstream.hold(Origin::Held(upstream.tickets()), &mut retention);
        upstream.release(&mut retention);
        later.release(&mut retention);
        assert_eq!(floors(&retention), [(0, 10), (1, 20)]);
        downstream.release(&mut retention);
        assert_eq!(floors(&retention), []);
    }
}
