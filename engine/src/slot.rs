//! The vocabulary that the rooms share: one ring slot, from the record that fills it to the outputs that it causes.
//!
//! ```text
//!   source writes            engine writes                sink reads, then recycles
//!   ─────────────            ─────────────                ─────────────────────────
//!   cause, partition,   ──▶  outputs: bytes + one    ──▶  produces every output, enters the
//!   offset, timestamp,       descriptor an output,        record into its ledger, gives the
//!   key, value, headers      floors (last of a batch)     slot home
//! ```
//!
//! Limits: 256 bytes of key, value and headers lie inside the slot, a larger payload in a buffer of its own that is freed
//! when the slot is recycled. 416 bytes of two outputs lie inside the slot, more in buffers of their own, which keep at most
//! [`OUTPUT_BYTES_KEPT`] and [`OUTPUTS_KEPT`] between records.

use std::mem::offset_of;
use std::ops::Range;

use smallvec::SmallVec;

/// Bytes of key and value that a slot holds without a buffer of its own.
pub const INLINE_BYTES: usize = 256;
/// Outputs that a slot holds without a buffer of its own.
const INLINE_OUTPUTS: usize = 2;
/// Bytes of outputs that a slot holds without a buffer of its own.
const INLINE_OUTPUT_BYTES: usize = 416;
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
    /// Key and value as they came in, and headers where the plan passes them on.
    pub payload: Payload,
    /// Whether the slot is the last of a batch of a plan with state: then `floors` and `marks` hold from here on.
    pub ends_batch: bool,
    /// What the engine made of it.
    pub outputs: Outputs,
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
            (self.payload.key_len, self.payload.value_len, self.payload.headers_len) = (None, None, 0);
        }
        if self.outputs.oversized() {
            self.outputs = Outputs::default();
        }
    }

    /// Asks for the cache lines that the engine reads, which the source's core wrote last, and for those that it writes,
    /// which the sink's core read last.
    #[inline(always)]
    pub(crate) fn prefetch_for_engine(&self) {
        RECORD_LINES.for_each(|line| prefetch::<READ>(self.line(line)));
        OUTPUT_LINES.for_each(|line| prefetch::<WRITE>(self.line(line)));
    }

    /// Asks for the cache lines that the sink reads, which the engine's core wrote last.
    #[inline(always)]
    pub fn prefetch_for_sink(&self) {
        prefetch::<READ>(self.line(0));
        OUTPUT_LINES.for_each(|line| prefetch::<READ>(self.line(line)));
    }

    #[inline(always)]
    fn line(&self, line: usize) -> *const u8 {
        std::ptr::from_ref(self).cast::<u8>().wrapping_add(line * CACHE_LINE)
    }

    /// Forgets what the last lap's record caused; the engine's first step with every slot.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.outputs.clear();
        if self.ends_batch {
            self.ends_batch = false;
            self.floors.clear();
            self.marks.clear();
        }
    }
}

/// The lines of a record of usual length.
const RECORD_LINES: Range<usize> = 0..4;
/// The lines of outputs of usual length, descriptors first.
const OUTPUT_LINES: Range<usize> = {
    let first = offset_of!(Slot, ends_batch) / CACHE_LINE;
    first..first + 5
};

const READ: bool = false;
const WRITE: bool = true;

/// Asks the processor for a cache line before it is needed: it lies in another core's cache, and to wait for it takes as
/// long as some hundred instructions. A hint, which no address makes wrong.
///
/// One that is to be written is taken from all other caches at once; otherwise the first write would have to wait for that.
#[inline(always)]
fn prefetch<const TO_WRITE: bool>(line: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch changes nothing that a program can see, and faults nowhere. Processors that cannot prefetch for
    // writing do nothing.
    unsafe {
        if TO_WRITE {
            std::arch::asm!("prefetchw [{line}]", line = in(reg) line.addr(), options(nomem, nostack, preserves_flags));
        } else {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = line;
}

/// A Kafka header of a record. Names may repeat, and their order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value; `None` is a null, which is not an empty one.
    pub value: Option<&'a [u8]>,
}

impl Header<'_> {
    /// Stands in for the length of a value that is null.
    const NULL: u32 = u32::MAX;
    /// Bytes of the two lengths that stand before a header.
    const LENGTHS: usize = 2 * size_of::<u32>();

    fn encoded_len(&self) -> usize {
        Self::LENGTHS + self.name.len() + self.value.map_or(0, <[u8]>::len)
    }

    /// Writes it to the beginning of `buffer`, and returns what is left of that.
    fn encode<'b>(&self, buffer: &'b mut [u8]) -> &'b mut [u8] {
        let (head, rest) = buffer.split_at_mut(self.encoded_len());
        let (lengths, bytes) = head.split_at_mut(Self::LENGTHS);
        let (name_len, value_len) = lengths.split_at_mut(size_of::<u32>());
        name_len.copy_from_slice(&(self.name.len() as u32).to_ne_bytes());
        value_len.copy_from_slice(&self.value.map_or(Self::NULL, |value| value.len() as u32).to_ne_bytes());
        let (name, value) = bytes.split_at_mut(self.name.len());
        name.copy_from_slice(self.name);
        value.copy_from_slice(self.value.unwrap_or_default());
        rest
    }
}

/// The headers of a record, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    encoded: &'a [u8],
}

impl Headers<'_> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (name_len, rest) = self.encoded.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at(u32::from_ne_bytes(*name_len) as usize);
        let value_len = u32::from_ne_bytes(*value_len);
        let null = value_len == Header::NULL;
        let (value, rest) = rest.split_at(if null { 0 } else { value_len as usize });
        self.encoded = rest;
        Some(Header { name, value: (!null).then_some(value) })
    }
}

/// A record's key and value, and its headers if they are wanted, copied out of librdkafka's buffers.
#[derive(Debug)]
pub struct Payload {
    key_len: Option<u32>,
    value_len: Option<u32>,
    /// Bytes of the encoded headers, which stand behind the value.
    headers_len: u32,
    spilled: Option<Box<[u8]>>,
    inline: [u8; INLINE_BYTES],
}

impl Default for Payload {
    fn default() -> Self {
        Payload { key_len: None, value_len: None, headers_len: 0, spilled: None, inline: [0; INLINE_BYTES] }
    }
}

impl Payload {
    /// Copies `key` and `value` in. `None` is a null: no key, or a tombstone.
    ///
    /// # Panics
    /// If they are longer than Kafka's own limit of 2 GiB.
    #[inline]
    pub fn set(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.set_with_headers(key, value, std::iter::empty());
    }

    /// The same with the record's headers.
    ///
    /// # Panics
    /// If all of them take more than 2 GiB.
    #[inline]
    pub fn set_with_headers<'h>(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = Header<'h>> + Clone,
    ) {
        let (key_bytes, value_bytes) = (key.unwrap_or(&[]), value.unwrap_or(&[]));
        let before_headers = key_bytes.len() + value_bytes.len();
        let len = before_headers + headers.clone().map(|header| header.encoded_len()).sum::<usize>();
        assert!(len <= i32::MAX as usize, "a Kafka record is at most 2 GiB");
        let buffer = if len <= INLINE_BYTES {
            self.spilled = None;
            &mut self.inline[..]
        } else {
            &mut self.spilled.insert(vec![0; len].into_boxed_slice())[..]
        };
        buffer[..key_bytes.len()].copy_from_slice(key_bytes);
        buffer[key_bytes.len()..before_headers].copy_from_slice(value_bytes);
        headers.fold(&mut buffer[before_headers..len], |buffer, header| header.encode(buffer));
        self.key_len = key.map(|k| k.len() as u32);
        self.value_len = value.map(|v| v.len() as u32);
        self.headers_len = (len - before_headers) as u32;
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

    /// The record's headers, if they were copied in.
    #[inline]
    pub fn headers(&self) -> Headers<'_> {
        let start = self.key_len.unwrap_or(0) as usize + self.value_len.unwrap_or(0) as usize;
        Headers { encoded: &self.bytes()[start..start + self.headers_len as usize] }
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
    /// The record's timestamp in milliseconds since 1970, where the target wants the event's time. 0, and anything below:
    /// the time of production.
    pub timestamp_ms: i64,
    /// The value, one line of JSON without its line end.
    pub value: Span,
}

/// The outputs of one slot: bytes, and a descriptor each, in the order in which they were caused.
///
/// Those of most records lie in the slot itself, side by side with those of its neighbours.
#[derive(Debug)]
#[repr(C)]
pub struct Outputs {
    list: SmallVec<[Output; INLINE_OUTPUTS]>,
    /// How many bytes there are.
    len: u32,
    /// All of them, if they fit.
    inline: [u8; INLINE_OUTPUT_BYTES],
    /// All of them, if they do not.
    spilled: Vec<u8>,
}

impl Default for Outputs {
    fn default() -> Self {
        Outputs { list: SmallVec::new(), len: 0, inline: [0; INLINE_OUTPUT_BYTES], spilled: Vec::new() }
    }
}

impl Outputs {
    /// Adds bytes for an output to refer to.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> Span {
        let span = Span { start: self.len, len: bytes.len() as u32 };
        let (start, end) = (self.len as usize, self.len as usize + bytes.len());
        self.len = end as u32;
        match self.inline.get_mut(start..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => self.spill(start, bytes),
        }
        span
    }

    #[cold]
    fn spill(&mut self, start: usize, bytes: &[u8]) {
        if start <= INLINE_OUTPUT_BYTES {
            self.spilled.clear();
            self.spilled.extend_from_slice(&self.inline[..start]);
        }
        self.spilled.extend_from_slice(bytes);
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
        let all = if self.len as usize <= INLINE_OUTPUT_BYTES { &self.inline[..] } else { &self.spilled };
        &all[span.start as usize..][..span.len as usize]
    }

    #[inline]
    fn clear(&mut self) {
        self.list.clear();
        self.len = 0;
    }

    /// Whether the buffers hold more than they may keep.
    #[inline]
    fn oversized(&self) -> bool {
        (self.len as usize > INLINE_OUTPUT_BYTES && self.spilled.capacity() > OUTPUT_BYTES_KEPT)
            || self.list.capacity() > OUTPUTS_KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_takes_fifteen_cache_lines() {
        assert_eq!(size_of::<Slot>(), 15 * CACHE_LINE);
    }

    #[test]
    fn outputs_spill_beyond_the_inline_bytes_and_come_back() {
        let mut outputs = Outputs::default();
        for lap in 0..3 {
            let spans: Vec<Span> = (0..40).map(|i| outputs.append(&[i; 17])).collect();
            for (i, span) in spans.iter().enumerate() {
                assert_eq!(outputs.bytes(*span), [i as u8; 17], "lap {lap}");
            }
            outputs.clear();
            let full = outputs.append(&[7; INLINE_OUTPUT_BYTES]);
            assert_eq!(outputs.bytes(full), [7; INLINE_OUTPUT_BYTES]);
            let more = outputs.append(&[8]);
            assert_eq!((outputs.bytes(full), outputs.bytes(more)), (&[7; INLINE_OUTPUT_BYTES][..], &[8][..]));
            let none = outputs.append(&[]);
            assert_eq!(outputs.bytes(none), [0; 0]);
            outputs.clear();
        }
    }

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
    fn headers_come_back_in_order_with_nulls_empties_and_repeated_names() {
        let all = [
            Header { name: b"trace", value: Some(b"\x00\xff\x80") },
            Header { name: b"", value: None },
            Header { name: b"trace", value: Some(b"") },
            Header { name: b"trace", value: None },
        ];
        let mut payload = Payload::default();
        for (key, value) in [(None, None), (Some(&b"key"[..]), Some(&b"value"[..]))] {
            payload.set_with_headers(key, value, all.into_iter());
            assert_eq!((payload.key(), payload.value()), (key, value));
            assert_eq!(payload.headers().collect::<Vec<_>>(), all);
            assert_eq!(payload.spilled_bytes(), 0);
        }
        payload.set(Some(b"key"), Some(b"value"));
        assert!(payload.headers().is_empty(), "what the last lap left");
    }

    #[test]
    fn headers_that_do_not_fit_spill_with_the_payload_and_are_freed_with_it() {
        let mut slot = Slot::default();
        let long = [7u8; INLINE_BYTES];
        let headers = [Header { name: b"n", value: Some(&long) }, Header { name: b"m", value: None }];
        slot.payload.set_with_headers(Some(b"k"), Some(b"v"), headers.into_iter());
        assert_eq!(slot.payload.spilled_bytes(), 2 + (8 + 1 + INLINE_BYTES) + (8 + 1));
        assert_eq!((slot.payload.key(), slot.payload.value()), (Some(&b"k"[..]), Some(&b"v"[..])));
        assert_eq!(slot.payload.headers().collect::<Vec<_>>(), headers);
        slot.recycle();
        assert_eq!(slot.payload.spilled_bytes(), 0);
        assert!(slot.payload.headers().is_empty());
    }

    #[test]
    fn recycled_outputs_keep_a_bounded_capacity() {
        let mut slot = Slot::default();
        for _ in 0..10_000 {
            let value = slot.outputs.append(b"0123456789");
            slot.outputs.push(Output { target: None, topic: None, key: Key::None, timestamp_ms: 0, value });
        }
        assert_eq!(slot.outputs.bytes(slot.outputs.list()[9_999].value), b"0123456789");
        slot.recycle();
        assert!(slot.outputs.spilled.capacity() <= OUTPUT_BYTES_KEPT);
        assert!(slot.outputs.list.capacity() <= OUTPUTS_KEPT);
    }
}
