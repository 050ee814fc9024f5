//! What a stream puts out: one line for each event that passed all its operators, sent to each of its targets.
//!
//! The line is written once; the descriptors of several targets share its bytes.

use crate::check::program::{self, RecordTimestamp, Topic};
use crate::counters::Totals;
use crate::encode::{self, Encoder};
use crate::expr::compile::{Compiler, Schema};
use crate::expr::{Context, EventKey, Expr};
use crate::slot::{Key, Output, Outputs, TargetIndex};
use crate::time;
use crate::value::Value;

/// Capacity in bytes that the buffer of lines may keep.
const LINE_BYTES_KEPT: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Publish {
    encoder: Encoder,
    /// Empty: one output that only goes to standard output.
    addresses: Vec<Address>,
}

/// Where `.to` sends an output.
#[derive(Debug)]
struct Address {
    target: TargetIndex,
    /// The topic, where it depends on the output.
    topic: Option<Expr>,
    /// `key:`, else the partition field; without both, outputs have their event's key.
    key: Option<Expr>,
    /// Whether outputs have their event's time as their record's timestamp.
    stamped: bool,
}

impl Publish {
    pub(crate) fn compile(
        output: &program::Output,
        targets: &[program::Target],
        compiler: &mut Compiler,
        schema: &Schema,
        projected: bool,
        partition: Option<&Expr>,
    ) -> Self {
        // The encoder writes all fields.
        if !matches!(schema, Schema::Fields { .. }) {
            compiler.event(schema);
        }
        let event_type = output.event_type.as_deref().or(schema.event_type()).unwrap_or_default();
        let addresses = output.targets.iter().map(|&target| Address {
            target: target as TargetIndex,
            topic: match &targets[target].topic {
                Topic::Fixed(_) => None,
                Topic::Computed(topic) => Some(compiler.expr(topic, schema)),
            },
            key: targets[target]
                .key
                .as_ref()
                .map(|key| compiler.expr(key, schema))
                .or_else(|| partition.cloned())
                .map(Expr::untouched),
            stamped: targets[target].record_timestamp == RecordTimestamp::Event,
        });
        Publish { addresses: addresses.collect(), encoder: Encoder::new(event_type, schema, projected) }
    }

    #[inline]
    pub(crate) fn put<'a>(
        &'a self,
        cx: &Context<'a>,
        times: &mut time::Writer,
        line: &mut Vec<u8>,
        outputs: &mut Outputs,
        totals: &mut Totals,
    ) {
        if cx.silent {
            return;
        }
        line.clear();
        line.shrink_to(LINE_BYTES_KEPT);
        self.encoder.write(cx, times, line);
        let value = outputs.append(line);
        if self.addresses.is_empty() {
            outputs.push(Output { target: None, topic: None, key: Key::Input, timestamp_ms: 0, value });
            totals.outputs += 1;
        }
        for address in &self.addresses {
            let topic = match &address.topic {
                None => None,
                Some(topic) => match topic.eval(cx) {
                    Value::Str(name) if !name.is_empty() => Some(outputs.append(name.as_bytes())),
                    _ => {
                        totals.topicless += 1;
                        continue;
                    }
                },
            };
            let key = match &address.key {
                None => match cx.key {
                    EventKey::Input(_) => Key::Input,
                    EventKey::Own(None) => Key::None,
                    EventKey::Own(Some(key)) => Key::Own(outputs.append(key)),
                },
                Some(key) => match key.eval(cx) {
                    Value::Missing | Value::Null => Key::None,
                    Value::Str(text) => Key::Own(outputs.append(text.as_bytes())),
                    other => {
                        line.clear();
                        encode::write_value(other, times, line);
                        Key::Own(outputs.append(line))
                    }
                },
            };
            let timestamp_ms = if address.stamped { time::to_millis(cx.time()) } else { 0 };
            outputs.push(Output { target: Some(address.target), topic, key, timestamp_ms, value });
            totals.outputs += 1;
        }
    }
}
