//! What streams do with an event, one file an operator: its state and its update rule.
//!
//! An operator belongs to one path from a record to a stream, so its expressions know where every field lies. State belongs
//! to the stream: all paths to it share one entry of [`States`].
//!
//! No operator here needs a record again once it has been processed, so none holds back a commit; after a restart
//! `.limit` and `.distinct` begin anew.

pub(crate) mod distinct;
pub(crate) mod filter;
pub(crate) mod limit;
pub(crate) mod process;
pub(crate) mod project;
pub(crate) mod publish;
pub(crate) mod reshape;
pub(crate) mod tell;

use crate::engine::Totals;
use crate::expr::Context;

/// One step of a chain.
#[derive(Debug)]
pub(crate) enum Operator {
    Filter(filter::Filter),
    Project(project::Project),
    Limit(limit::Limit),
    Distinct(distinct::Distinct),
    Reshape(reshape::Reshape),
    Tell(tell::Tell),
}

/// The state of all operators, by the numbers that the plan gave them.
#[derive(Debug, Default)]
pub(crate) struct States {
    pub(crate) limits: Vec<limit::Passed>,
    pub(crate) distincts: Vec<distinct::Seen>,
}

/// How many states of each kind a plan needs.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StateCounts {
    pub(crate) limits: usize,
    pub(crate) distincts: usize,
}

impl States {
    pub(crate) fn new(counts: StateCounts) -> Self {
        let limits = (0..counts.limits).map(|_| limit::Passed::default()).collect();
        let distincts = (0..counts.distincts).map(|_| distinct::Seen::default()).collect();
        States { limits, distincts }
    }
}

impl Operator {
    /// Takes the event at hand; whether it goes on.
    #[inline]
    pub(crate) fn pass<'a>(&'a self, cx: &Context<'a>, states: &mut States, totals: &mut Totals) -> bool {
        match self {
            Operator::Filter(filter) => filter.pass(cx, totals),
            Operator::Project(project) => project.pass(cx),
            Operator::Limit(limit) => limit.pass(&mut states.limits, totals),
            Operator::Distinct(distinct) => distinct.pass(cx, &mut states.distincts, totals),
            Operator::Reshape(reshape) => reshape.pass(cx, totals),
            Operator::Tell(tell) => tell.pass(cx),
        }
    }
}
