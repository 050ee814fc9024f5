//! One lane, wired and run: source, engine and sink on a thread each.
//!
//! ```text
//!   thread "source"     thread "engine"     thread "sink"        this thread
//!   Poller or Replay ─▶ Engine::process ─▶ Sink ─▶ outputs       signals, live line, report
//! ```
//!
//! `run`, `simulate` and `demo` all come through here. Whoever fails poisons the lane by dropping its handle, so the
//! other two stop by themselves; [`Running::join`] tells the error that came first.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hdrhistogram::Histogram;
use kolo_engine::clock::Clock;
use kolo_engine::plan::Plan;
use kolo_engine::slot::{Commit, Slot};
use kolo_engine::{Counters as EngineCounters, Engine, Poisoned};
use kolo_ring::{
    BusySpin, Config, Disruptor, LaneParty, Monitor, Native, Park, Ring, Wait, WaitStrategy, Waker, Yield,
};
use kolo_sink::{Counters as SinkCounters, Outlets, Sink};
use kolo_source::control::Control;
use kolo_source::kafka::{Consumer, Counters as SourceCounters, Options, Poller};
use kolo_source::replay::Replay;

use crate::connection::Watch;
use crate::live::Figures;
use crate::outcome::Failure;
use crate::report::{self, Latency, Occupancy, Report};

/// Records that may await acknowledgement where nothing else is said: with acknowledgements 20 ms away, half as many held
/// the lane back below 1 M records/s.
pub(crate) const IN_FLIGHT: u64 = 131_072;

/// The implementations of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RingKind {
    /// kolo's own
    Native,
    /// That of the crate `disruptor`, to compare with
    Disruptor,
}

impl fmt::Display for RingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RingKind::Native => "native",
            RingKind::Disruptor => "disruptor",
        })
    }
}

/// The size and habits of the lane.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Slots in the ring, a power of two.
    pub(crate) slots: usize,
    /// Records that may await acknowledgement.
    pub(crate) in_flight: u64,
    /// Who sequences the slots.
    pub(crate) ring: RingKind,
    /// What a thread does that has nothing to do.
    pub(crate) wait: Wait,
    /// The core for each of source, engine and sink; empty: wherever the system puts them.
    pub(crate) cores: Vec<usize>,
}

/// Where the records come from.
pub(crate) enum Feed {
    /// Kafka, through connected consumers.
    Kafka {
        /// One for each connector and group.
        consumers: Vec<Consumer<Watch>>,
        /// How the poller behaves.
        options: Options,
    },
    /// Lines of text.
    Lines {
        /// What messages call it.
        name: String,
        /// The lines.
        reader: Box<dyn BufRead + Send>,
        /// Whether they are taken at the pace of their events.
        timed: bool,
    },
}

/// Ends a run from any thread, also from a signal's.
#[derive(Clone)]
pub(crate) struct Stopper {
    control: Arc<Control>,
    source: Waker,
}

impl Stopper {
    /// Asks the source to take no more; everything taken is finished first.
    pub(crate) fn stop(&self) {
        self.control.stop();
        self.source.wake();
    }
}

/// A lane at work.
pub(crate) struct Running {
    stopper: Stopper,
    source: JoinHandle<Result<(), Ended>>,
    engine: JoinHandle<Result<(), Poisoned>>,
    sink: JoinHandle<Result<(Histogram<u64>, Instant), Ended>>,
    gauges: Gauges,
}

/// Why a thread stopped before the end.
enum Ended {
    /// Another one did, and poisoned the lane.
    Poisoned,
    /// For a reason of its own.
    Failed(Failure),
}

impl From<kolo_source::kafka::Error> for Ended {
    fn from(error: kolo_source::kafka::Error) -> Ended {
        match error {
            kolo_source::kafka::Error::LanePoisoned => Ended::Poisoned,
            error => Ended::Failed(error.into()),
        }
    }
}

impl From<kolo_source::replay::Error> for Ended {
    fn from(error: kolo_source::replay::Error) -> Ended {
        match error {
            kolo_source::replay::Error::LanePoisoned => Ended::Poisoned,
            error => Ended::Failed(error.into()),
        }
    }
}

impl From<kolo_sink::Error> for Ended {
    fn from(error: kolo_sink::Error) -> Ended {
        match error {
            kolo_sink::Error::LanePoisoned => Ended::Poisoned,
            error => Ended::Failed(error.into()),
        }
    }
}

/// What can be read while it runs.
#[derive(Clone)]
pub(crate) struct Gauges {
    source: Taken,
    /// The engine's counters.
    pub(crate) engine: Arc<EngineCounters>,
    /// The sink's counters.
    pub(crate) sink: Arc<SinkCounters>,
    monitor: Monitor,
}

#[derive(Clone)]
enum Taken {
    Kafka(Arc<SourceCounters>),
    Lines(Arc<AtomicU64>),
}

impl Gauges {
    /// Records put into the lane.
    pub(crate) fn records(&self) -> u64 {
        match &self.source {
            Taken::Kafka(counters) => counters.records.load(Ordering::Relaxed),
            Taken::Lines(records) => records.load(Ordering::Relaxed),
        }
    }

    /// Everything that the live line shows.
    pub(crate) fn figures(&self) -> Figures {
        let lag = match &self.source {
            Taken::Kafka(counters) => u64::try_from(counters.lag.load(Ordering::Relaxed)).ok(),
            Taken::Lines(_) => None,
        };
        Figures {
            records_in: self.records(),
            outputs: self.sink.outputs.load(Ordering::Relaxed),
            lag,
            expected: None,
            occupancy: self.monitor.occupancy(),
            slots: self.monitor.slots() as u64,
        }
    }
}

/// What came of a run.
pub(crate) struct Finished {
    /// From a record's arrival in the source until all its outputs were acknowledged, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// When everything that will be acknowledged was.
    pub(crate) settled: Instant,
    /// The final counts.
    pub(crate) gauges: Gauges,
}

impl Finished {
    /// The report of the run, which began taking records at `began`.
    pub(crate) fn report(
        &self,
        command: &'static str,
        program: &str,
        settings: &Settings,
        began: Instant,
        occupancy: Option<Occupancy>,
    ) -> Report {
        let Gauges { source, engine, sink, .. } = &self.gauges;
        let bytes_in = match source {
            Taken::Kafka(counters) => Some(counters.bytes.load(Ordering::Relaxed)),
            Taken::Lines(_) => None,
        };
        Report {
            command,
            program: program.to_owned(),
            ring: settings.ring.to_string(),
            wait: settings.wait.to_string(),
            ring_slots: settings.slots as u64,
            ring_occupancy_slots: occupancy,
            in_flight_limit: settings.in_flight,
            elapsed_s: self.settled.saturating_duration_since(began).as_secs_f64(),
            records_in: self.gauges.records(),
            bytes_in,
            outputs: sink.outputs.load(Ordering::Relaxed),
            bytes_out: sink.bytes.load(Ordering::Relaxed),
            counters: engine.list().to_vec(),
            latency_us: Latency::of(&self.latency_us),
            latency_span: report::OWN_LATENCY,
            peak_memory_bytes: report::peak_memory_bytes(),
            verdicts: Vec::new(),
        }
    }
}

/// Starts the lane's threads. `outlets` is told how to stop the run, for the case that a reader goes away; `listening`
/// is called, on the source's thread, once every consumer has its assignment and start offsets.
pub(crate) fn start(
    plan: Plan,
    feed: Feed,
    outlets: impl FnOnce(Stopper) -> Outlets<Watch>,
    settings: &Settings,
    listening: impl FnOnce() + Send + 'static,
) -> Running {
    match settings.ring {
        RingKind::Native => start_on::<Native>(plan, feed, outlets, settings, listening),
        RingKind::Disruptor => start_on::<Disruptor>(plan, feed, outlets, settings, listening),
    }
}

fn start_on<R: Ring>(
    plan: Plan,
    feed: Feed,
    outlets: impl FnOnce(Stopper) -> Outlets<Watch>,
    settings: &Settings,
    listening: impl FnOnce() + Send + 'static,
) -> Running {
    match settings.wait {
        Wait::BusySpin => start_as::<R, BusySpin>(plan, feed, outlets, settings, listening),
        Wait::Yield => start_as::<R, Yield>(plan, feed, outlets, settings, listening),
        Wait::Park => start_as::<R, Park>(plan, feed, outlets, settings, listening),
    }
}

fn start_as<R: Ring, W: WaitStrategy>(
    plan: Plan,
    feed: Feed,
    outlets: impl FnOnce(Stopper) -> Outlets<Watch>,
    settings: &Settings,
    listening: impl FnOnce() + Send + 'static,
) -> Running {
    let clock = Clock::start();
    let config = Config { slots: settings.slots, in_flight: settings.in_flight };
    let (producer, [evaluate, send], acknowledger, monitor) = R::lane::<Slot, W, 2>(config, Slot::default);
    let control = Arc::new(Control::default());
    let stopper = Stopper { control: Arc::clone(&control), source: producer.waker() };
    let outlets = outlets(stopper.clone());

    type Run = Box<dyn FnOnce() -> Result<(), Ended> + Send>;
    type Store = Box<dyn FnMut(&[Commit]) + Send>;
    let source_control = Arc::clone(&control);
    let (source, taken, store): (Run, Taken, Store) = match feed {
        Feed::Kafka { consumers, options } => {
            let commit = options.commit;
            let poller = Poller::new(producer, consumers, options, clock);
            let offsets = poller.offset_store();
            let store: Store = if commit { Box::new(move |next| offsets.store(next)) } else { Box::new(|_| {}) };
            let taken = Taken::Kafka(poller.counters());
            (Box::new(move || poller.run(&source_control, listening).map_err(Ended::from)), taken, store)
        }
        Feed::Lines { name, reader, timed } => {
            let mut replay = Replay::new(producer, reader, &name, clock);
            if timed {
                replay = replay.timed();
            }
            let taken = Taken::Lines(replay.records());
            let run = move || {
                listening();
                replay.run(&source_control).map_err(Ended::from)
            };
            (Box::new(run), taken, Box::new(|_| {}))
        }
    };
    let mut engine = Engine::new(Arc::new(plan));
    let sink = Sink::new(send, acknowledger, monitor.clone(), outlets, settings.in_flight, store, clock);
    let gauges = Gauges { source: taken, engine: engine.counters(), sink: sink.counters(), monitor: monitor.clone() };

    let cores = &settings.cores;
    Running {
        source: spawn("source", cores.first(), source),
        engine: spawn("engine", cores.get(1), move || kolo_engine::run(&mut engine, evaluate)),
        sink: spawn("sink", cores.get(2), move || {
            let latency_us = sink.run()?;
            Ok((latency_us, Instant::now()))
        }),
        stopper,
        gauges,
    }
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    core: Option<&usize>,
    run: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let core = core.copied();
    let pinned = move || {
        if let Some(id) = core
            && !core_affinity::set_for_current(core_affinity::CoreId { id })
        {
            log::warn!(target: "kolo", "the {name} thread could not be pinned to core {id}; it runs unpinned");
        }
        run()
    };
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(kolo_engine::STACK_BYTES);
    thread.spawn(pinned).expect("the system starts a thread")
}

impl Running {
    /// How to end the run.
    pub(crate) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What can be read while it runs.
    pub(crate) fn gauges(&self) -> Gauges {
        self.gauges.clone()
    }

    /// Whether the run has ended, well or not.
    pub(crate) fn ended(&self) -> bool {
        self.source.is_finished() && self.sink.is_finished()
    }

    /// Waits for the end. Of several failures, the one that caused the others.
    ///
    /// # Errors
    /// What stopped the run before its end.
    pub(crate) fn join(self) -> Result<Finished, Failure> {
        while !self.ended() {
            thread::sleep(Duration::from_millis(5));
        }
        let engine = self.engine.join();
        let source = self.source.join();
        let sink = self.sink.join();
        let panicked = |thread: &str| Failure::new(format!("the {thread} thread panicked: a defect of kolo's"));
        // A poisoned lane is the others' news.
        let _ = engine.map_err(|_| panicked("engine"))?;
        let source = source.map_err(|_| panicked("source"))?;
        let sink = sink.map_err(|_| panicked("sink"))?;
        match (source, sink) {
            // A sink that ends well and leaves something unacknowledged has lost the reader of its lines.
            (Ok(()) | Err(Ended::Poisoned), Ok((latency_us, settled))) => {
                Ok(Finished { latency_us, settled, gauges: self.gauges })
            }
            (Err(Ended::Failed(failure)), _) | (_, Err(Ended::Failed(failure))) => Err(failure),
            _ => Err(Failure::new("the lane was poisoned, and nobody says why: a defect of kolo's")),
        }
    }
}
