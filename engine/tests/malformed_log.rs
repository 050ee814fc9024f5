//! What the log says about malformed records: the first few with their coordinates, the rest as a number.

mod common;

use std::sync::Mutex;

use common::{assigned, engine, slot};
use kolo_engine::LOG_TARGET;
use kolo_engine::slot::{Cause, Slot};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collect;

impl log::Log for Collect {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        assert_eq!((record.target(), record.level()), (LOG_TARGET, log::Level::Warn));
        LINES.lock().expect("no panic while it is held").push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn the_first_are_reported_with_their_place_and_the_rest_are_counted() {
    log::set_logger(&Collect).expect("the only logger");
    log::set_max_level(log::LevelFilter::Warn);
    let mut slots = vec![assigned(None), slot(r#"{"event_type":"T","x":1,}"#), Slot::default()];
    slots.extend((0..100).map(|_| slot("nonsense")));
    slots.push(Slot { cause: Cause::EndOfInput, ..Slot::default() });
    (0i64..).zip(&mut slots).for_each(|(offset, slot)| slot.offset = 40 + offset);
    engine("stream S = T.emit()").process(&mut slots);
    let lines = LINES.lock().expect("no panic while it is held");
    assert_eq!(
        lines[..3],
        [
            "malformed record t[3]@41: expected a key in quotes at byte 24",
            "malformed record t[3]@42: the value is null (a tombstone)",
            "malformed record t[3]@43: the value is not a JSON object at byte 0",
        ]
    );
    // On a machine that stalls, the records may take more than the second to which the limit applies.
    let reported = lines.iter().filter(|line| line.starts_with("malformed record")).count();
    let withheld = lines.iter().filter_map(|line| line.strip_suffix(" more malformed records"));
    let withheld: usize = withheld.map(|count| count.parse::<usize>().expect(count)).sum();
    assert_eq!(reported + withheld, 102);
    assert!((5..=50).contains(&reported) && lines.last().is_some_and(|line| line.ends_with("more malformed records")));
}
