//! One record's bytes to columns: validates the whole record and finds the fields that the plan reads.
//!
//! A column is a stretch of the record and the kind of value there; numbers and escapes are looked at when an expression
//! asks for them, and a field that is only passed on never is.
//!
//! # Learned keys
//! Producers write their fields in the same order again and again. The decoder remembers, for every key that it met, the
//! exact bytes from the end of the value before it up to the value itself (`, "price": `) as a [`Step`], and for every
//! step the two steps that followed it last. Where those bytes occur again, one comparison validates them, names the
//! field and skips to the value. Anything else is scanned by the grammar, found by its hash, or learned.
//! Prediction never changes a result: a step holds bytes that the grammar accepted in the same place.
//!
//! Limits
//! 1. At most [`STEPS`] steps of at most [`STEP_BYTES`] bytes are remembered; when they are used up, all are forgotten.
//!    Longer ones are scanned every time.
//! 2. Of keys that occur twice the last wins. Keys compare with their escapes resolved.

use std::ops::Range;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use crate::json::{self, Fault, Kind, Malformed, Scanner};
use crate::value::Value;

/// How many steps a decoder remembers.
const STEPS: usize = 256;
/// The longest step that is remembered, in bytes.
const STEP_BYTES: usize = 32;
/// Capacity in fields that a decoder may keep between records.
const FIELDS_KEPT: usize = 4096;
/// Slots of the hash index over the steps.
const INDEX: usize = 2 * STEPS;
/// Stands for the place before the first key. Only steps that open an object follow it, and they follow nothing else.
const START: StepIndex = 0;
/// Stands for a key that is not remembered.
const UNKNOWN: StepIndex = 1;
/// Stands where there is no column, or no step in the index.
const NONE: u16 = u16::MAX;

/// Index of a step. Its type covers all [`STEPS`], so that no access is out of bounds.
type StepIndex = u8;

/// Index of a field among those that the plan reads.
pub(crate) type ColumnIndex = u16;

/// The names that have a column in every plan, in this order.
///
/// The first five are all that a record of a file's native form may have.
pub(crate) const RESERVED: [&str; 8] =
    ["event_type", "@timestamp", "UtcTime", "TimeCreated", "data", "type", "ts", "timestamp"];
/// Names the type of the event.
pub(crate) const EVENT_TYPE: ColumnIndex = 0;
/// The event time, first choice.
pub(crate) const AT_TIMESTAMP: ColumnIndex = 1;
/// The event time in a file's native form.
pub(crate) const UTC_TIME: ColumnIndex = 2;
/// The event time in a file's native form.
pub(crate) const TIME_CREATED: ColumnIndex = 3;
/// The fields in a file's native form.
pub(crate) const DATA: ColumnIndex = 4;
/// Names the type of the event in a file, if `event_type` does not.
pub(crate) const TYPE: ColumnIndex = 5;
/// The event time, second choice.
pub(crate) const TS: ColumnIndex = 6;
/// The event time, third choice.
pub(crate) const TIMESTAMP: ColumnIndex = 7;

/// The value of one field: a stretch of the record, quotes and brackets included, and what kind of value it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Column {
    start: u32,
    end: u32,
    /// [`Kind::Missing`] if the record does not have the field.
    pub(crate) kind: Kind,
}

impl Column {
    /// Where the value stands in the record.
    #[inline(always)]
    pub(crate) fn place(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The text as it came in.
    #[inline(always)]
    pub(crate) fn raw<'a>(&self, record: &'a str) -> &'a str {
        &record[self.place()]
    }

    /// The value; `arena` takes what does not stand in the record as such.
    #[inline(always)]
    pub(crate) fn value<'a>(&self, record: &'a str, arena: &'a Bump) -> Value<'a> {
        json::value(self.kind, record, self.place(), arena)
    }

    /// The same for a value that is merely passed on: its numbers keep their texts.
    pub(crate) fn untouched<'a>(&self, record: &'a str, arena: &'a Bump) -> Value<'a> {
        json::untouched(self.kind, record, self.place(), arena)
    }

    /// The value, if it is a string.
    #[inline(always)]
    pub(crate) fn string<'a>(&self, record: &'a str, arena: &'a Bump) -> Option<&'a str> {
        matches!(self.kind, Kind::Str | Kind::Escaped).then(|| json::string(self.kind, self.raw(record), arena))
    }
}

/// A field whose name matters only when all fields are passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// The key, as a string with its quotes.
    pub(crate) key: Column,
    /// Its value.
    pub(crate) value: Column,
}

impl Field {
    /// The key with its escapes resolved.
    #[inline]
    pub(crate) fn name<'a>(&self, record: &'a str, arena: &'a Bump) -> &'a str {
        json::string(self.key.kind, self.key.raw(record), arena)
    }
}

/// The names that have columns, and which column.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
    index: Vec<ColumnIndex>,
}

impl Names {
    /// `names` get the columns 0, 1, …; there must be fewer than 65,535.
    pub(crate) fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        assert!(names.len() < usize::from(NONE), "a plan reads fewer than 65,535 fields");
        let mut index = vec![NONE; (2 * names.len()).next_power_of_two()];
        for (column, name) in names.iter().enumerate() {
            let mut slot = hash(name.as_bytes()) as usize & (index.len() - 1);
            while index[slot] != NONE {
                slot = (slot + 1) & (index.len() - 1);
            }
            index[slot] = column as ColumnIndex;
        }
        Names { names, index }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// All of them, by column.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The name with this number.
    #[inline]
    pub(crate) fn name(&self, number: ColumnIndex) -> &str {
        &self.names[usize::from(number)]
    }

    /// The number of `name`, if it is one of them.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<ColumnIndex> {
        Some(self.column(name)).filter(|column| *column != NONE)
    }

    fn column(&self, name: &str) -> ColumnIndex {
        let mut slot = hash(name.as_bytes()) as usize & (self.index.len() - 1);
        loop {
            match self.index[slot] {
                NONE => return NONE,
                column if &*self.names[usize::from(column)] == name => return column,
                _ => slot = (slot + 1) & (self.index.len() - 1),
            }
        }
    }
}

/// The bytes between two values: a comma or the opening brace, a key, a colon, and the blanks around them.
#[derive(Debug, Clone, Copy)]
struct Step {
    text: [u8; STEP_BYTES],
    mask: [u8; STEP_BYTES],
    len: u32,
    column: ColumnIndex,
    /// The first step whose key has the same name: itself, unless that is spelt in several ways.
    namesake: StepIndex,
    /// The steps that came next, the latest first.
    next: [StepIndex; 2],
    /// Whether the field is none that a file's native form has.
    foreign: bool,
    /// Where the key lies within `text`, with its quotes.
    key: Column,
    /// Its bytes, or-ed as the scanner does.
    above_ascii: u64,
}

/// Stands nowhere: no record has such bytes, which are not UTF-8. And nothing came next.
const NOWHERE: Step = Step {
    text: [0xff; STEP_BYTES],
    mask: [0xff; STEP_BYTES],
    len: STEP_BYTES as u32,
    column: NONE,
    namesake: UNKNOWN,
    next: [START; 2],
    foreign: true,
    key: Column { start: 0, end: 0, kind: Kind::Missing },
    above_ascii: u64::MAX,
};

/// Half of a step: the bytes that one comparison takes.
const HALF: usize = STEP_BYTES / 2;

impl Step {
    /// Whether its bytes stand at `at`.
    #[inline(always)]
    fn stands_at(&self, bytes: &[u8], at: usize) -> bool {
        match bytes.get(at..at + STEP_BYTES) {
            Some(window) if self.len as usize <= HALF => self.differs(window, 0) == 0,
            Some(window) => self.differs(window, 0) | self.differs(window, HALF) == 0,
            None => self.stands_near_end(bytes, at),
        }
    }

    #[inline]
    fn stands_near_end(&self, bytes: &[u8], at: usize) -> bool {
        match bytes.get(at..at + HALF) {
            Some(window) if self.len as usize <= HALF => self.differs(window, 0) == 0,
            _ => bytes.get(at..).is_some_and(|rest| rest.starts_with(&self.text[..self.len as usize])),
        }
    }

    /// The key with its escapes resolved.
    fn name<'a>(&'a self, arena: &'a Bump) -> Option<&'a str> {
        let quoted = std::str::from_utf8(&self.text[self.key.place()]).ok()?;
        Some(json::string(self.key.kind, quoted, arena))
    }

    #[inline(always)]
    fn differs(&self, window: &[u8], from: usize) -> u128 {
        (word(window, from) ^ word(&self.text, from)) & word(&self.mask, from)
    }
}

#[inline(always)]
fn word(bytes: &[u8], from: usize) -> u128 {
    u128::from_le_bytes(*bytes[from..].first_chunk().expect("the caller's slice has sixteen bytes from there on"))
}

/// What follows a value.
enum Next {
    /// A key: its step, [`UNKNOWN`] if that is not remembered, and where the value may begin.
    Key(StepIndex, usize),
    /// The closing brace, which ends here.
    End(usize),
}

/// The keys that were learned, and the columns of all others.
#[derive(Debug)]
struct Keys {
    names: Names,
    steps: Box<[Step; STEPS]>,
    /// How many of them are in use.
    learned: usize,
    index: Box<[u16; INDEX]>,
    /// How often all steps were forgotten.
    forgotten: u64,
}

impl Keys {
    fn new(names: Names) -> Self {
        let mut keys =
            Keys { names, steps: Box::new([NOWHERE; STEPS]), learned: 0, index: Box::new([NONE; INDEX]), forgotten: 0 };
        keys.forget();
        keys
    }

    fn forget(&mut self) {
        self.steps.fill(NOWHERE);
        self.learned = usize::from(UNKNOWN) + 1;
        self.index.fill(NONE);
        self.forgotten += 1;
    }

    /// The step at `at`, if it is one of the two that followed `step` before, and where its value may begin.
    #[inline(always)]
    fn predicted(&self, bytes: &[u8], step: StepIndex, at: usize) -> Option<(StepIndex, usize)> {
        let [latest, other] = self.steps[usize::from(step)].next;
        self.at(bytes, latest, at).or_else(|| self.at(bytes, other, at))
    }

    #[inline(always)]
    fn at(&self, bytes: &[u8], candidate: StepIndex, at: usize) -> Option<(StepIndex, usize)> {
        let known = &self.steps[usize::from(candidate)];
        known.stands_at(bytes, at).then(|| (candidate, at + known.len as usize))
    }

    /// The key at `at` by the grammar, or the end of the object; remembers that it followed `step`.
    #[cold]
    fn scan(
        &mut self,
        scanner: &mut Scanner,
        bytes: &[u8],
        step: StepIndex,
        at: usize,
        arena: &Bump,
    ) -> Result<Next, Malformed> {
        let mut here = scanner.blanks(at);
        match scanner.byte(here) {
            b'}' if at > 0 => return Ok(Next::End(here + 1)),
            b',' if at > 0 => here = scanner.blanks(here + 1),
            b'{' if at == 0 => {
                here = scanner.blanks(here + 1);
                if scanner.byte(here) == b'}' {
                    return Ok(Next::End(here + 1));
                }
            }
            _ if at > 0 => return Err(scanner.expected(here, "',' or '}'")),
            _ if here >= bytes.len() => return Err(Malformed { at: here, fault: Fault::Empty }),
            _ => return Err(Malformed { at: here, fault: Fault::NotAnObject }),
        }
        let (kind, key_end, value_at) = scanner.key(here)?;
        let text = &bytes[at..value_at];
        let found = match self.index[self.index_slot(text)] {
            NONE => {
                let name = key_name(&bytes[here..key_end], kind, here, arena)?;
                let column = self.names.column(name);
                let key = Column { start: (here - at) as u32, end: (key_end - at) as u32, kind };
                if text.len() > STEP_BYTES {
                    let unknown = &mut self.steps[usize::from(UNKNOWN)];
                    (unknown.key, unknown.column, unknown.foreign) = (key, column, column > DATA);
                    return Ok(Next::Key(UNKNOWN, value_at));
                }
                self.learn(text, key, name, column, arena)
            }
            known => known as StepIndex,
        };
        // Learning may have forgotten everything, `step` included; what follows it is a prediction all the same.
        let before = &mut self.steps[usize::from(step)];
        before.next = [found, before.next[0]];
        Ok(Next::Key(found, value_at))
    }

    fn learn(&mut self, text: &[u8], key: Column, name: &str, column: ColumnIndex, arena: &Bump) -> StepIndex {
        if self.learned == STEPS {
            self.forget();
        }
        let number = self.learned as StepIndex;
        let mut known = self.steps[usize::from(UNKNOWN) + 1..self.learned].iter();
        let mut step = Step {
            text: [0; STEP_BYTES],
            mask: [0; STEP_BYTES],
            len: text.len() as u32,
            column,
            namesake: known.find(|step| step.name(arena) == Some(name)).map_or(number, |step| step.namesake),
            next: [START; 2],
            foreign: column > DATA,
            key,
            above_ascii: if text.is_ascii() { 0 } else { u64::MAX },
        };
        step.text[..text.len()].copy_from_slice(text);
        step.mask[..text.len()].fill(0xff);
        let slot = self.index_slot(text);
        self.index[slot] = u16::from(number);
        self.steps[usize::from(number)] = step;
        self.learned += 1;
        number
    }

    /// The slot of the hash index that holds the step with this text, or the empty one where it belongs.
    fn index_slot(&self, text: &[u8]) -> usize {
        let mut slot = hash(text) as usize % INDEX;
        while let Some(step) = self.steps.get(usize::from(self.index[slot])) {
            if &step.text[..step.len as usize] == text {
                break;
            }
            slot = (slot + 1) % INDEX;
        }
        slot
    }
}

/// All fields of one record, in order, and whether a name may have come twice.
#[derive(Debug)]
pub(crate) struct Fields {
    list: Vec<Field>,
    may_repeat: bool,
    /// By step: the number of the last record that had a key of that name.
    seen: Box<[u64; STEPS]>,
    record: u64,
}

impl Fields {
    fn new() -> Self {
        Fields { list: Vec::new(), may_repeat: false, seen: Box::new([0; STEPS]), record: 0 }
    }

    fn begin(&mut self) {
        self.list.clear();
        self.list.shrink_to(FIELDS_KEPT);
        self.may_repeat = false;
        self.record += 1;
    }

    #[inline(always)]
    fn add(&mut self, field: Field, namesake: StepIndex) {
        let seen = &mut self.seen[usize::from(namesake)];
        self.may_repeat |= *seen == self.record || namesake == UNKNOWN;
        *seen = self.record;
        self.list.push(field);
    }

    /// Each field once: of those with the same name the last wins and takes the place of the first.
    #[inline]
    pub(crate) fn once<'a>(&'a self, record: &'a str, arena: &'a Bump) -> &'a [Field] {
        if self.may_repeat { self.without_repetitions(record, arena) } else { &self.list }
    }

    #[cold]
    fn without_repetitions<'a>(&self, record: &'a str, arena: &'a Bump) -> &'a [Field] {
        let named = self.list.iter().map(|field| (field.name(record, arena), *field));
        let mut named = ArenaVec::from_iter_in(named, arena);
        json::last_wins(&mut named, |(name, _)| name, arena);
        arena.alloc_slice_fill_iter(named.iter().map(|(_, field)| *field))
    }
}

/// Decodes records, one after the other.
#[derive(Debug)]
pub(crate) struct Decoder {
    keys: Keys,
    columns: Vec<Column>,
    keep_fields: bool,
    fields: Fields,
    foreign: bool,
}

impl Decoder {
    /// A decoder that gives the fields named by `names` columns and, if `keep_fields`, lists all fields as well.
    pub(crate) fn new(names: Names, keep_fields: bool) -> Self {
        let columns = vec![Column::default(); names.len()];
        Decoder { keys: Keys::new(names), columns, keep_fields, fields: Fields::new(), foreign: false }
    }

    /// The columns of the record decoded last.
    #[inline(always)]
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// All fields of the record decoded last; none unless they are kept.
    #[inline(always)]
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether the record decoded last has fields that a file's native form does not have.
    pub(crate) fn has_foreign_fields(&self) -> bool {
        self.foreign
    }

    /// Decodes one record: a JSON object and nothing else. `arena` takes what lasts no longer than the call.
    ///
    /// # Errors
    /// If it is not that; the columns are then meaningless.
    #[inline]
    pub(crate) fn decode<'a>(&mut self, bytes: &'a [u8], arena: &Bump) -> Result<&'a str, Malformed> {
        let Decoder { keys, columns, keep_fields, fields, foreign } = self;
        let mut scanner = Scanner::new(bytes);
        columns.fill(Column::default());
        fields.begin();
        let forgotten = keys.forgotten;
        let (mut step, mut at) = (START, 0);
        *foreign = false;
        loop {
            let (found, value_at) = match keys.predicted(bytes, step, at) {
                Some(predicted) => predicted,
                None => match keys.scan(&mut scanner, bytes, step, at, arena)? {
                    Next::Key(found, value_at) => (found, value_at),
                    Next::End(end) => {
                        at = end;
                        break;
                    }
                },
            };
            let known = &keys.steps[usize::from(found)];
            scanner.note(known.above_ascii);
            let (kind, start, end) = scanner.value(value_at)?;
            let value = Column { start: start as u32, end: end as u32, kind };
            if let Some(column) = columns.get_mut(usize::from(known.column)) {
                *column = value;
            }
            *foreign |= known.foreign;
            if *keep_fields {
                let Column { start, end, kind } = known.key;
                let key = Column { start: at as u32 + start, end: at as u32 + end, kind };
                fields.add(Field { key, value }, known.namesake);
            }
            (step, at) = (found, end);
            if scanner.byte(at) == b'}' {
                at += 1;
                break;
            }
        }
        // Numbers of steps from before and after mean different names.
        fields.may_repeat |= keys.forgotten != forgotten;
        let end = scanner.blanks(at);
        if end < bytes.len() {
            return Err(Malformed { at: end, fault: Fault::Trailing });
        }
        scanner.text()
    }
}

/// A key, given with its quotes, as text. It may be invalid UTF-8, which the scanner checks only at the end.
fn key_name<'a>(quoted: &'a [u8], kind: Kind, at: usize, arena: &'a Bump) -> Result<&'a str, Malformed> {
    match std::str::from_utf8(quoted) {
        Ok(quoted) => Ok(json::string(kind, quoted, arena)),
        Err(error) => Err(Malformed { at: at + error.valid_up_to(), fault: Fault::Utf8 }),
    }
}

/// FNV-1a with a last mixing step, so that the low bits depend on all bytes.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests;
