//! `kolo-bench`: kolo beside the best that it could be, in one run: on the same broker and the same topic, or thread to
//! thread.
//!
//! - `pipeline` measures whole programs, Kafka to Kafka, against a bare librdkafka relay.
//! - `distant` measures kolo while acknowledgements are far away, `idle` what it costs while there is nothing to do.
//! - `engine` measures the engine by itself: one thread, through the ring, records in memory.
//! - `memory` measures what windows, joins and sequences take for each key, event and run.
//! - `ring` measures the lane beside other queues, without Kafka; `hand-over` runs one of them alone, on one thread, for
//!   its instructions to be counted.
//! - `relay` is that relay, as a program of its own so that its processor time is a process's.
//!
//! Exit codes: 0 measured and everything verified, 1 not so, 2 usage.

mod broker;
mod child;
mod engine;
mod memory;
mod pipeline;
mod relay;
mod report;
mod ring;
mod single;
mod summary;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An error is one line for a person: what was done, to what, and why it failed.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(name = "kolo-bench", version, about = "Measures kolo beside the best that it could be")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure programs, Kafka to Kafka, against the relay; verify every output by value
    Pipeline(pipeline::Options),
    /// Measure scenario 01 while every answer of the broker takes its time (on a mock cluster)
    Distant(single::DistantOptions),
    /// Measure how much of a core kolo takes on an empty topic
    Idle(single::IdleOptions),
    /// Measure the engine by itself, on one thread, beside bars
    Engine(engine::Options),
    /// Measure the memory of state: bytes for each key, kept event and open run
    Memory(memory::Options),
    /// Measure the lane beside other queues: throughput, latencies, costs
    Ring(ring::Options),
    /// Fill and empty one queue on one thread, to count its instructions under callgrind
    HandOver(ring::AloneOptions),
    /// Run the relay alone: copy the ticks above 50 from one topic to another, then end
    Relay(relay::Options),
}

/// Counts for `memory`, and for it alone.
#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Pipeline(options) => pipeline::run(&options),
        Command::Distant(options) => single::distant(&options),
        Command::Idle(options) => single::idle(&options),
        Command::Engine(options) => engine::run(&options),
        Command::Memory(options) => memory::run(&options),
        Command::Ring(options) => ring::run(&options),
        Command::HandOver(options) => ring::hand_over(&options),
        Command::Relay(options) => relay::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kolo-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
