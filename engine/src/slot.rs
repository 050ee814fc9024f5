//! The vocabulary that the rooms share: one ring slot, from the record that fills it to the outputs that it causes.
//!
//! ```text
//!   source writes            engine writes                sink reads, then recycles
//!   ─────────────            ─────────────                ─────────────────────────
//!   cause, partition,   ──▶  outputs: bytes + one    ──▶  produces every output, enters the
//!   offset, timestamp,       descriptor an output,        record into its ledger, gives the
//!   key and value            floors (last of a batch)     slot home
//! ```
//!
//! Limits: 256 bytes of key and value lie inside the slot, a larger payload in a buffer of its own that is freed
//! when the slot is recycled; output buffers keep at most [`OUTPUT_BYTES_KEPT`] and [`OUTPUTS_KEPT`] between records.

use smallvec::SmallVec;

/// Bytes of key and value that a slot holds without a buffer of its own.
pub const INLINE_BYTES: usize = 256;
/// How far apart cache lines lie, in bytes.
const CACHE_LINE: usize = 64;
/// Capacity in bytes that a slot's output buffer may keep when it is recycled.
pub const OUTPUT_BYTES_KEPT: usize = 4096;
/// Capacity in outputs that a slot's descriptor list may keep when it is recycled.
pub const OUTPUTS_KEPT: usize = 8;

/// Index of a topic partition in the lane's own numbering, given by the source at the first assignment and kept for the run.
pub type PartitionIndex = u32;

/// Index into [`Plan::targets`](crate::plan::Plan::targets).
pub type TargetIndex = u16;

/// Why a slot was filled. Everything that can change state or cause output enters the lane as one of these.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A Kafka record, or a line of a file: `key`, `value`, `offset` and `timestamp_ms` are its own.
    #[default]
    Record,
    /// The clock moved: `timestamp_ms` is the wall time.
    Tick,
    /// `partition` was assigned; its records follow, beginning at `offset`.
    Assigned(Box<Assignment>),
    /// `partition` was taken away; none of its records follow until it is assigned again.
    Revoked,
    /// The input ends here for good.
    EndOfInput,
}

/// What a newly assigned [`PartitionIndex`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Topic name, or the file's name for a replay.
    pub topic: String,
    /// Kafka's partition number; 0 for a file.
    pub partition: i32,
    /// Index into [`Plan::sources`](crate::plan::Plan::sources); `None` for a file, whose lines name their own types.
    pub source: Option<u16>,
    /// The metadata string of the commit from which the partition resumes; empty when there is none.
    pub metadata: String,
    /// A number that all partitions assigned together share, and no others.
    pub epoch: u64,
}

/// One event and everything that it caused.
///
/// The fields lie in this order, so that what one party writes lies together: a cache line that nobody else writes to
/// does not travel back and forth between their cores.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Slot {
    /// Why the slot was filled.
    pub cause: Cause,
    /// Where the record came from.
    pub partition: PartitionIndex,
    /// The record's Kafka offset; for a file the line's number, from 1.
    pub offset: i64,
    /// The record's Kafka timestamp, in milliseconds since 1970; −1 when there is none.
    pub timestamp_ms: i64,
    /// When the source took the record, in nanoseconds of the lane's own monotonic clock: the start of its latency.
    pub arrived_ns: u64,
    /// Key and value as they came in.
    pub payload: Payload,
    /// What the engine made of it.
    pub outputs: Outputs,
    /// Whether the slot is the last of a batch of a plan with state: then `floors` hold from here on.
    pub ends_batch: bool,
    /// The oldest offset, per partition, that open state still needs, as of the end of the batch that this slot ends.
    pub floors: Vec<Floor>,
    /// How far event time has come, as of the same moment. Empty while a restart is behind where it had been: then the
    /// commits from before it hold.
    pub marks: Vec<Mark>,
}

/// How far event time has come for one stage of the plan: what ended by then has been put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The stage, by a hash of its kind and its stream's name.
    pub stage: u32,
    /// Nanoseconds since 1970.
    pub watermark: i64,
}

/// What a partition's commit is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Which partition.
    pub partition: PartitionIndex,
    /// The offset from which a restart reads on.
    pub offset: i64,
    /// See [`resume`](crate::resume); empty for a plan without state.
    pub metadata: String,
    /// Whether the offset is the one that was committed before, and only the metadata is new.
    pub again: bool,
}

/// The oldest offset of one partition that open state still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Which partition.
    pub partition: PartitionIndex,
    /// No commit may pass this offset.
    pub offset: i64,
}

impl Slot {
    /// Makes the slot ready to go home: frees a large payload, and output buffers beyond what they may keep.
    ///
    /// It looks before it writes, and mostly writes nothing: the slot's cache lines then need not move to the core that
    /// lets it go. What the last lap left is overwritten by the source and cleared by the engine.
    #[inline]
    pub fn recycle(&mut self) {
        if self.payload.spilled.is_some() {
            self.payload.spilled = None;
            (self.payload.key_len, self.payload.value_len) = (None, None);
        }
        if self.outputs.oversized() {
            self.outputs = Outputs::default();
        }
    }

    /// Asks for the cache lines of cause and payload, which the source's core wrote last.
    #[inline(always)]
    pub(crate) fn prefetch_record(&self) {
        const LINES: usize = 4;
        (0..LINES).for_each(|line| prefetch(std::ptr::from_ref(self).cast::<u8>().wrapping_add(line * CACHE_LINE)));
    }

    /// Asks for the cache lines that lead to the outputs, which the engine's core wrote last.
    #[inline(always)]
    pub fn prefetch_outputs(&self) {
        let outputs = std::ptr::from_ref(&self.outputs).cast::<u8>();
        for line in [std::ptr::from_ref(self).cast(), outputs, outputs.wrapping_add(CACHE_LINE)] {
            prefetch(line);
        }
    }

    /// Asks for the outputs' bytes: the second step, for these lie where [`prefetch_outputs`](Self::prefetch_outputs)'
    /// lines say.
    #[inline(always)]
    pub fn prefetch_output_bytes(&self) {
        const LINES: usize = 3;
        (0..LINES).for_each(|line| prefetch(self.outputs.bytes.as_ptr().wrapping_add(line * CACHE_LINE)));
    }

    /// Forgets what the last lap's record caused; the engine's first step with every slot.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.outputs.bytes.clear();
        self.outputs.list.clear();
        self.ends_batch = false;
        self.floors.clear();
        self.marks.clear();
    }
}

/// Asks the processor for a cache line before it is needed: it lies in another core's cache, and to wait for it takes as
/// long as some hundred instructions. A hint, which no address makes wrong.
#[inline(always)]
fn prefetch(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program can see, and faults nowhere.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// A record's key and value, copied out of librdkafka's buffers.
#[derive(Debug)]
pub struct Payload {
    key_len: Option<u32>,
    value_len: Option<u32>,
    spilled: Option<Box<[u8]>>,
    inline: [u8; INLINE_BYTES],
}

impl Default for Payload {
    fn default() -> Self {
        Payload { key_len: None, value_len: None, spilled: None, inline: [0; INLINE_BYTES] }
    }
}

impl Payload {
    /// Copies `key` and `value` in. `None` is a null: no key, or a tombstone.
    ///
    /// # Panics
    /// If either is longer than Kafka's own limit of 2 GiB.
    #[inline]
    pub fn set(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let (key_bytes, value_bytes) = (key.unwrap_or(&[]), value.unwrap_or(&[]));
        let len = key_bytes.len() + value_bytes.len();
        assert!(len <= i32::MAX as usize, "a Kafka record is at most 2 GiB");
        let buffer = if len <= INLINE_BYTES {
            self.spilled = None;
            &mut self.inline[..]
        } else {
            &mut self.spilled.insert(vec![0; len].into_boxed_slice())[..]
        };
        buffer[..key_bytes.len()].copy_from_slice(key_bytes);
        buffer[key_bytes.len()..len].copy_from_slice(value_bytes);
        self.key_len = key.map(|k| k.len() as u32);
        self.value_len = value.map(|v| v.len() as u32);
    }

    /// The record's key; `None` if it has none.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.key_len.map(|len| &self.bytes()[..len as usize])
    }

    /// The record's value; `None` for a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        let start = self.key_len.unwrap_or(0) as usize;
        self.value_len.map(|len| &self.bytes()[start..start + len as usize])
    }

    /// Bytes held outside the slot: 0 for a payload of at most [`INLINE_BYTES`].
    #[inline]
    pub fn spilled_bytes(&self) -> usize {
        self.spilled.as_ref().map_or(0, |b| b.len())
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.spilled.as_deref().unwrap_or(&self.inline)
    }
}

/// A stretch of an [`Outputs`] buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// The key of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// No key: the output goes to the input's partition, modulo the output topic's partition count.
    None,
    /// The key of the record that caused it, null if that had none.
    Input,
    /// Bytes of the output buffer.
    Own(Span),
}

/// One output: where it goes, and which bytes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Where `.to` sends it; `None` when the stream has only `.emit`.
    pub target: Option<TargetIndex>,
    /// The topic, where it depends on the record; `None`: the target's own.
    pub topic: Option<Span>,
    /// The key, by which the partition is chosen.
    pub key: Key,
    /// The value, one line of JSON without its line end.
    pub value: Span,
}

/// The outputs of one slot: bytes, and a descriptor each, in the order in which they were caused.
#[derive(Debug, Default)]
pub struct Outputs {
    bytes: Vec<u8>,
    /// The first lies in the slot itself: most records cause one at most.
    list: SmallVec<[Output; 1]>,
}

impl Outputs {
    /// The buffer that the next output's bytes are appended to. Take [`mark`](Self::mark) before and
    /// [`span_from`](Self::span_from) after writing.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The place where the next byte will stand.
    #[inline]
    pub fn mark(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Everything written since `mark`.
    #[inline]
    pub fn span_from(&self, mark: u32) -> Span {
        Span { start: mark, len: self.bytes.len() as u32 - mark }
    }

    /// Drops everything written since `mark`: an output that was begun and is not wanted after all.
    #[inline]
    pub fn rewind(&mut self, mark: u32) {
        self.bytes.truncate(mark as usize);
    }

    /// Adds a finished output.
    #[inline]
    pub fn push(&mut self, output: Output) {
        self.list.push(output);
    }

    /// All outputs in order.
    #[inline]
    pub fn list(&self) -> &[Output] {
        &self.list
    }

    /// The bytes of `span`.
    #[inline]
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..][..span.len as usize]
    }

    /// Whether the buffers hold more than they may keep.
    #[inline]
    fn oversized(&self) -> bool {
        self.bytes.capacity() > OUTPUT_BYTES_KEPT || self.list.capacity() > OUTPUTS_KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_keeps_nulls_apart_from_empties() {
        let mut payload = Payload::default();
        payload.set(None, None);
        assert_eq!((payload.key(), payload.value()), (None, None));
        payload.set(Some(b""), Some(b""));
        assert_eq!((payload.key(), payload.value()), (Some(&b""[..]), Some(&b""[..])));
        payload.set(Some(b"k"), Some(b"value"));
        assert_eq!((payload.key(), payload.value()), (Some(&b"k"[..]), Some(&b"value"[..])));
    }

    #[test]
    fn payload_spills_beyond_the_inline_bytes_and_comes_back() {
        let mut slot = Slot::default();
        let value = vec![7u8; INLINE_BYTES];
        slot.payload.set(Some(b"k"), Some(&value));
        assert_eq!(slot.payload.spilled_bytes(), INLINE_BYTES + 1);
        assert_eq!(slot.payload.key(), Some(&b"k"[..]));
        assert_eq!(slot.payload.value(), Some(&value[..]));
        slot.recycle();
        assert_eq!(slot.payload.spilled_bytes(), 0);
        slot.payload.set(None, Some(&value));
        assert_eq!((slot.payload.spilled_bytes(), slot.payload.value()), (0, Some(&value[..])));
    }

    #[test]
    fn recycled_outputs_keep_a_bounded_capacity() {
        let mut slot = Slot::default();
        for _ in 0..10_000 {
            let mark = slot.outputs.mark();
            slot.outputs.buffer().extend_from_slice(b"0123456789");
            let value = slot.outputs.span_from(mark);
            slot.outputs.push(Output { target: None, topic: None, key: Key::None, value });
        }
        assert_eq!(slot.outputs.bytes(slot.outputs.list()[9_999].value), b"0123456789");
        slot.recycle();
        assert!(slot.outputs.bytes.capacity() <= OUTPUT_BYTES_KEPT);
        assert!(slot.outputs.list.capacity() <= OUTPUTS_KEPT);
    }
}
