//! Runs programs over records, as a lane would.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use std::sync::Arc;

use kolo_engine::Engine;
use kolo_engine::check::check;
use kolo_engine::diagnostic::{SourceFile, render};
use kolo_engine::plan::Plan;
use kolo_engine::slot::{Assignment, Cause, Key, Slot};

/// A connector, so that a program under test may say `.from(k, topic: "t")`.
pub(crate) const KAFKA: &str = "connector k = kafka(brokers: \"127.0.0.1:9092\")\n";

/// An engine for `program`, which must be free of errors.
pub(crate) fn engine(program: &str) -> Engine {
    let file = SourceFile::new("test.vpl", program);
    let (checked, diagnostics) = check(&file, &|_| None);
    let checked = checked.unwrap_or_else(|| panic!("{}", render(&file, &diagnostics, false)));
    Engine::new(Arc::new(Plan::compile(&checked).expect("within the limits")))
}

/// A slot with this value and the Kafka timestamp 0.
pub(crate) fn slot(value: &str) -> Slot {
    let mut slot = Slot::default();
    slot.payload.set(None, Some(value.as_bytes()));
    slot
}

/// A slot that assigns partition 0 to a source, or to a file.
pub(crate) fn assigned(source: Option<u16>) -> Slot {
    let topic = "t".to_owned();
    let assignment = Assignment { topic, partition: 3, source, metadata: String::new(), epoch: 0 };
    Slot { cause: Cause::Assigned(Box::new(assignment)), ..Slot::default() }
}

/// The values of all outputs of `slots`, in order.
pub(crate) fn lines(slots: &[Slot]) -> Vec<String> {
    let outputs = slots.iter().flat_map(|slot| slot.outputs.list().iter().map(move |output| (slot, output.value)));
    outputs.map(|(slot, value)| String::from_utf8(slot.outputs.bytes(value).to_vec()).expect("UTF-8")).collect()
}

/// Where the outputs of `slot` go: target, topic and key as text.
pub(crate) fn addresses(slot: &Slot) -> Vec<(Option<u16>, Option<String>, String)> {
    let text = |span| String::from_utf8(slot.outputs.bytes(span).to_vec()).expect("UTF-8");
    let address = |output: &kolo_engine::slot::Output| {
        let key = match output.key {
            Key::None => "none".to_owned(),
            Key::Input => "input".to_owned(),
            Key::Own(span) => format!("own {}", text(span)),
        };
        (output.target, output.topic.map(text), key)
    };
    slot.outputs.list().iter().map(address).collect()
}

/// What `program` puts out for flat records, whose types are named in them.
pub(crate) fn run(program: &str, records: &[&str]) -> Vec<String> {
    let mut slots: Vec<Slot> = records.iter().map(|record| slot(record)).collect();
    engine(program).process(&mut slots);
    lines(&slots)
}

/// The counter called `name`.
pub(crate) fn counter(engine: &Engine, name: &str) -> u64 {
    let list = engine.counters().list();
    list.iter().find(|(counter, _)| *counter == name).unwrap_or_else(|| panic!("no counter {name}")).1
}
