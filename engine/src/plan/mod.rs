//! A checked program as what runs: which topics to read, which fields become columns, and for every type of event the
//! chains of operators that it goes through.
//!
//! A chain is one path from a record to one stream: the stream's operators, what it puts out, and the chains that it
//! feeds, in order of declaration. A stream that is reached on two paths (by `merge`, or through two streams) has two
//! chains, each compiled for the fields that its events have there; they share the stream's state. An event runs through a
//! chain and everything that it feeds before the next chain begins, so a record's outputs come depth first.
//!
//! A chain that comes to a window (or whatever else keeps state) ends there, in a `Stage`. The paths to a stream share
//! its stage; what its rows go through next is compiled once more, for the fields that they have.
//!
//! Limits: see [`PlanError`].

mod build;
pub mod describe;

use std::fmt;

use crate::check::program::{Connector, OffsetReset, Program, Property, Watermark};
use crate::decode::Names;
use crate::expr::RegisterIndex;
use crate::operators::process::Process;
use crate::operators::publish::Publish;
use crate::operators::sort::Sort;
use crate::operators::timer::Timer;
use crate::operators::{Feed, Operator, StateCounts, Stateful};

/// The most paths from a record to a stream.
pub const MAX_CHAINS: usize = 10_000;
/// The most fields that expressions may read or compute.
pub const MAX_FIELDS: usize = 60_000;
/// The most `.to` of one program.
pub const MAX_TARGETS: usize = 60_000;

/// What an engine runs. Immutable; lanes may share it.
#[derive(Debug)]
pub struct Plan {
    connectors: Vec<Connector>,
    sources: Vec<Source>,
    targets: Vec<Target>,
    cores: Vec<usize>,
    /// The fields that have columns.
    pub(crate) columns: Names,
    /// Whether records are needed with all their fields.
    pub(crate) keep_fields: bool,
    /// The types that some stream reads.
    pub(crate) types: Names,
    /// The chains that begin with a record, in the order in which they run.
    pub(crate) roots: Vec<Chain>,
    /// By origin ([`Plan::origin`]), then by type: indices into `roots`.
    pub(crate) routes: Vec<Vec<Vec<u32>>>,
    pub(crate) registers: usize,
    /// See [`NumberCell`](crate::expr::NumberCell).
    pub(crate) steps: u32,
    pub(crate) parameters: usize,
    pub(crate) states: StateCounts,
    pub(crate) timers: Vec<Timer>,
    /// Those that feed others come before them.
    pub(crate) stages: Vec<Stage>,
    /// By origin: the stages that its records come to.
    pub(crate) reaches: Vec<Vec<usize>>,
    meetings: Vec<Meeting>,
}

/// A topic, or a file, to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Index into [`Plan::connectors`].
    pub connector: usize,
    /// The topic, or the file's path.
    pub topic: String,
    /// The type of a record that names none, if exactly one `.from` reads the topic.
    pub event_type: Option<String>,
    /// Where to begin without a committed offset.
    pub auto_offset_reset: OffsetReset,
    /// The consumer group, if the program names one.
    pub group_id: Option<String>,
    /// Properties of librdkafka that are given in a `.from`.
    pub properties: Vec<Property>,
    /// The `.from` of the program that read the topic: indices into [`Program::sources`].
    pub declared: Vec<usize>,
}

/// Topics whose records meet in one state that is kept key by key: a join, or a window or sequence with `.partition_by`.
///
/// Whoever reads the records of a key from one of them has to read those from the others as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// The stream that keeps the state.
    pub stream: String,
    /// Indices into [`Plan::sources`], two at least, rising.
    pub sources: Vec<usize>,
}

/// A `.to`.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Index into [`Plan::connectors`].
    pub connector: usize,
    /// The topic, or the file's path; `None` if every output names its own.
    pub topic: Option<String>,
    /// Whether outputs have the headers of the record that caused them.
    pub pass_headers: bool,
    /// Properties of librdkafka that are given in the `.to`.
    pub properties: Vec<Property>,
}

/// One path to one stream, or to its stage, or from there on.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) operators: Vec<Operator>,
    pub(crate) end: End,
    /// The stages that it comes to, not counting those behind another stage. They are told the time of an event that an
    /// operator drops.
    pub(crate) below: Vec<usize>,
}

/// Where a chain ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The stream's events go out, and on.
    Out { publish: Option<Box<Publish>>, feeds: Vec<Chain> },
    /// What a function emits takes their place.
    Process(Box<Process>),
    /// They come to a stage, index into [`Plan::stages`].
    Stage { feed: Feed, stage: usize },
    /// They wait for the other rows of their closing.
    Sort(Box<Sort>),
}

/// What keeps state, and what its rows go through.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What commits call it.
    pub(crate) mark: u32,
    pub(crate) operator: Stateful,
    pub(crate) watermark: Watermark,
    /// The stages that feed it.
    pub(crate) upstream: Vec<usize>,
    /// By path, if the events themselves come out; otherwise there is one.
    pub(crate) rests: Vec<Chain>,
    /// By path: where `rests` expects the fields of an event that was kept.
    pub(crate) registers: Vec<Vec<RegisterIndex>>,
    /// The stages that `rests` comes to.
    pub(crate) below: Vec<usize>,
    /// How far the times of its rows may lie behind its watermark.
    pub(crate) lag_ns: i64,
    /// The `.limit`, `.distinct` and `.order_by` of its stream, which are about one closing.
    pub(crate) limits: Vec<usize>,
    pub(crate) distincts: Vec<usize>,
    pub(crate) sort: Option<usize>,
}

/// The most stages of one program: a commit tells of each how far it has come, and Kafka bounds what a commit says.
pub const MAX_STAGES: usize = 180;

/// Why a checked program cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// Merges of merges multiply the paths beyond [`MAX_CHAINS`].
    Chains {
        /// The stream at which the limit was reached.
        stream: String,
    },
    /// More than [`MAX_FIELDS`] fields.
    Fields(usize),
    /// More than [`MAX_TARGETS`] `.to`.
    Targets(usize),
    /// More than [`MAX_STAGES`] windows and whatever else keeps state.
    Stages(usize),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Chains { stream } => write!(
                f,
                "stream {stream} is reached on too many paths: a program may have {MAX_CHAINS} of them; merge fewer streams"
            ),
            PlanError::Fields(count) => {
                write!(f, "the program reads and computes {count} fields: at most {MAX_FIELDS} are possible")
            }
            PlanError::Stages(count) => write!(
                f,
                "the program has {count} streams with state (windows and the like): at most {MAX_STAGES} are possible; \
                 put some into a program of their own"
            ),
            PlanError::Targets(count) => write!(f, "the program has {count} .to: at most {MAX_TARGETS} are possible"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Compiles a checked program.
    ///
    /// # Errors
    /// If it exceeds one of the limits that [`PlanError`] names.
    pub fn compile(program: &Program) -> Result<Plan, PlanError> {
        build::plan(program)
    }

    /// The program's connectors.
    pub fn connectors(&self) -> &[Connector] {
        &self.connectors
    }

    /// The processor cores to which the program ties its lanes; none: no matter which.
    pub fn cores(&self) -> &[usize] {
        &self.cores
    }

    /// The shortest pause of its timers, in nanoseconds; `None` if there are no timers.
    pub fn shortest_timer_ns(&self) -> Option<i64> {
        self.timers.iter().flat_map(|timer| [timer.every_ns, timer.initial_delay_ns]).filter(|pause| *pause > 0).min()
    }

    /// The topics to read, one for each topic of a connector.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The places to write to, one for each `.to`.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Where topics meet by key. A topic counts where a stream reads a type from it; a type that no `.from` names and no
    /// function emits may arrive on every topic.
    pub fn meetings(&self) -> &[Meeting] {
        &self.meetings
    }

    /// Whether some target passes headers on, so that records are needed with theirs.
    pub fn passes_headers(&self) -> bool {
        self.targets.iter().any(|target| target.pass_headers)
    }

    /// The names of the fields that are decoded, in no particular order; others are only validated.
    pub fn decoded_fields(&self) -> impl Iterator<Item = &str> {
        self.columns.iter()
    }

    /// Whether the plan keeps state that the passing of time concerns, so that its lane needs ticks.
    pub fn is_stateful(&self) -> bool {
        !self.stages.is_empty()
    }

    /// The index into `routes` for records of a source, or for those of a file, which come from none.
    pub(crate) fn origin(&self, source: Option<u16>) -> usize {
        source.map_or(0, |source| usize::from(source) + 1)
    }
}
