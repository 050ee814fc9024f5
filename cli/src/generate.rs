//! `kolo generate`: a scenario's records, to stdout, a file or a topic.
//!
//! Records are made and handed on in chunks of about a millisecond's worth, or of [`CHUNK`] records where no rate is
//! given. A reader of stdout that goes away ends it without an error.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use kolo_sink::kafka::{DEFAULTS, Producer, Refusal, SendError};
use kolo_source::generate::Scenario;
use rdkafka::ClientConfig;
use rdkafka::client::DefaultClientContext;

use crate::args::GenerateArgs;
use crate::outcome::{Failure, Outcome};
use crate::report::grouped;
use crate::stderr;

/// Records handed on at a time, at most.
const CHUNK: u64 = 1_024;
/// How often delivery reports are looked for at the end.
const POLL: Duration = Duration::from_millis(1);

/// `kolo generate`
pub(crate) fn run(args: &GenerateArgs) -> Result<Outcome, Failure> {
    let chunks = Chunks::new(args.count, args.rate);
    if let (Some(brokers), Some(topic)) = (&args.brokers, &args.topic) {
        publish(args.scenario, chunks, brokers, topic)?;
        stderr::say(format_args!("{} records published to {topic}", grouped(args.count)));
        return Ok(Outcome::Done);
    }
    let (name, written) = match &args.out {
        None => ("stdout".to_owned(), write(args.scenario, chunks, io::stdout().lock())),
        Some(path) => {
            let written = File::create(path).and_then(|file| write(args.scenario, chunks, file));
            (path.display().to_string(), written)
        }
    };
    match written {
        Err(reason) if !(args.out.is_none() && reason.kind() == ErrorKind::BrokenPipe) => {
            Err(Failure::new(format_args!("{name} cannot be written to: {reason}")))
        }
        _ => Ok(Outcome::Done),
    }
}

fn write(scenario: Scenario, chunks: Chunks, mut out: impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    for chunk in chunks {
        lines.clear();
        for i in chunk {
            scenario.record(i, &mut lines);
            lines.push(b'\n');
        }
        out.write_all(&lines)?;
    }
    out.flush()
}

/// Publishes record `i` to partition `i` modulo their number, and waits until all are acknowledged.
fn publish(scenario: Scenario, chunks: Chunks, brokers: &str, topic: &str) -> Result<(), Failure> {
    let mut config = ClientConfig::new();
    config.extend(DEFAULTS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    config.set("bootstrap.servers", brokers);
    let mut producer = Producer::new("--brokers", &config, DefaultClientContext, Box::new(|| ()))?;
    let topic = producer.topic(topic.as_bytes())?;
    let partitions = producer.partitions(topic) as u64;
    let (mut values, mut ends) = (Vec::new(), Vec::new());
    for chunk in chunks {
        values.clear();
        ends.clear();
        for i in chunk.clone() {
            scenario.record(i, &mut values);
            ends.push(values.len());
        }
        let mut start = 0;
        for (i, &end) in chunk.zip(&ends) {
            // SAFETY: `values` is complete, and left alone until `send` has returned.
            unsafe { producer.gather(topic, (i % partitions) as i32, None, &values[start..end], i) };
            start = end;
        }
        producer.send(|_| (), || false).map_err(|error| match error {
            SendError::Refused(refusal) => refused(&refusal),
            SendError::Cancelled => Failure::new("publishing was cancelled"),
        })?;
        producer.serve(|_| ()).map_err(|refusal| refused(&refusal))?;
    }
    while producer.in_flight() > 0 {
        if producer.serve(|_| ()).map_err(|refusal| refused(&refusal))? == 0 {
            thread::sleep(POLL);
        }
    }
    Ok(())
}

fn refused(refusal: &Refusal) -> Failure {
    let Refusal { sequence, topic, partition, reason } = refusal;
    Failure::new(format_args!("record {sequence} was refused by {topic}/{partition}: {reason}"))
}

/// The numbers of the records, in chunks, each when it is due.
struct Chunks {
    next: u64,
    end: u64,
    length: u64,
    rate: Option<u64>,
    began: Instant,
}

impl Chunks {
    /// Begins now. With a rate record `i` is due `i / rate` seconds from now, however long the others took.
    fn new(count: u64, rate: Option<u64>) -> Chunks {
        let length = rate.map_or(CHUNK, |rate| (rate / 1_000).clamp(1, CHUNK));
        Chunks { next: 0, end: count, length, rate, began: Instant::now() }
    }
}

impl Iterator for Chunks {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let chunk = self.next..self.end.min(self.next.saturating_add(self.length));
        if chunk.is_empty() {
            return None;
        }
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(self.next as f64 / rate as f64);
            thread::sleep(due.saturating_sub(self.began.elapsed()));
        }
        self.next = chunk.end;
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_record_once() {
        for count in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10_000] {
            for rate in [None, Some(u64::MAX), Some(3_000_000_000)] {
                let numbers: Vec<u64> = Chunks::new(count, rate).flatten().collect();
                assert!(numbers.into_iter().eq(0..count), "{count} records, rate {rate:?}");
            }
        }
    }

    #[test]
    fn a_rate_is_kept_in_small_steps_and_never_exceeded() {
        let lengths = [1, 999, 5_000, u64::MAX].map(|rate| Chunks::new(10_000, Some(rate)).length);
        assert_eq!(lengths, [1, 1, 5, CHUNK]);
        let began = Instant::now();
        let last = Chunks::new(11, Some(500)).last();
        assert_eq!(last, Some(10..11));
        assert!(began.elapsed() >= Duration::from_millis(20), "record 10 is due after 20 ms");
    }

    #[test]
    fn a_writer_gets_one_line_a_record() {
        let mut out = Vec::new();
        write(Scenario::Filter, Chunks::new(2_000, None), &mut out).expect("memory can be written to");
        let mut expected = Vec::new();
        for i in 0..2_000 {
            Scenario::Filter.record(i, &mut expected);
            expected.push(b'\n');
        }
        assert!(out == expected);
    }
}
