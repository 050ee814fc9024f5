//! When a line of a file happens, for whoever replays it at the pace of its events. What an event's time is to the
//! operators, the engine alone decides; this says the same without running a plan.

use std::cell::Cell;

use bumpalo::Bump;

use crate::decode::{AT_TIMESTAMP, DATA, Decoder, EVENT_TYPE, Names, RESERVED, TIME_CREATED, UTC_TIME};
use crate::expr::{Context, Tally};
use crate::json::Kind;
use crate::time;

/// Reads the event times of lines, in either form.
#[derive(Debug)]
pub struct EventTimes {
    outer: Decoder,
    inner: Decoder,
    arena: Bump,
    tally: Tally,
    /// The time of the last line: that of the next one, if it has none itself.
    last: i64,
}

impl Default for EventTimes {
    fn default() -> Self {
        let decoder = || Decoder::new(Names::new(RESERVED), false);
        EventTimes { outer: decoder(), inner: decoder(), arena: Bump::new(), tally: Tally::default(), last: 0 }
    }
}

impl EventTimes {
    /// The time of the next line, in nanoseconds since 1970; `None` if it is no event.
    pub fn of(&mut self, line: &[u8]) -> Option<i64> {
        self.arena.reset();
        let arena = &self.arena;
        let mut record = self.outer.decode(line, arena).ok()?;
        let columns = self.outer.columns();
        let data = &columns[usize::from(DATA)];
        let native = columns[usize::from(EVENT_TYPE)].string(record, arena).is_some()
            && data.kind == Kind::Map
            && !self.outer.has_foreign_fields();
        let (mut decoder, mut outer_time) = (&self.outer, None);
        if native {
            outer_time = [AT_TIMESTAMP, UTC_TIME, TIME_CREATED]
                .into_iter()
                .find_map(|column| time::parse(columns[usize::from(column)].string(record, arena)?.as_bytes()));
            record = self.inner.decode(data.raw(record).as_bytes(), arena).ok()?;
            decoder = &self.inner;
        }
        let mut cx = Context::without_record(&[], arena, &self.tally);
        (cx.record, cx.columns) = (record, decoder.columns());
        (cx.outer_time, cx.fallback_time, cx.time) = (outer_time, self.last, Cell::new(None));
        self.last = cx.time();
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_times_and_others_take_the_last_one() {
        let mut times = EventTimes::default();
        let second = |n: i64| Some(n * 1_000_000_000);
        for (line, time) in [
            (r#"{"n":1}"#, second(0)),
            (r#"{"event_type":"A","ts":5000}"#, second(5)),
            (r#"{"event_type":"A"}"#, second(5)),
            (r#"{"event_type":"A","@timestamp":"1970-01-01T00:00:07Z","data":{"ts":1000}}"#, second(7)),
            (r#"{"event_type":"A","data":{"timestamp":8000}}"#, second(8)),
            (r#"{"event_type":"A","@timestamp":"1970-01-01T00:00:09Z","ts":1000}"#, second(9)),
            ("broken", None),
            ("{}", second(9)),
        ] {
            assert_eq!(times.of(line.as_bytes()), time, "{line}");
        }
    }
}
