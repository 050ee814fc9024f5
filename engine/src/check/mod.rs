//! Tree to program: names resolved, arguments checked, every problem of a file reported in one go.
//!
//! The passes, each of which needs only what those before it found:
//!
//! 1. `names`: who declares what, and what is declared twice.
//! 2. `types`: the fields of every event, inherited ones included.
//! 3. `constants`: variables and connectors, from top to bottom; a variable is visible below its declaration.
//! 4. `function`: what functions do, and which call which.
//! 5. `graph`: which stream reads which; circles and long chains.
//! 6. `source`, `sequence`, `stream`, `window`, `events`, `target`: what a stream reads, does and publishes, each stream after those
//!    that it reads, so that its fields are known.
//!
//! 7. `typing`, `usage`, `keys`: what in the resolved program can never have a value, is never true, never used, or
//!    kept by something else than what keys its topic.
//!
//! `expression` resolves the expressions of passes 3, 4 and 6, `aliases` what they say of captured events; `support` says
//! which parts of the language are refused.
//!
//! What is wrong in one place does not hide what is wrong in another, and is not reported again as its own consequences:
//! a name whose declaration has a syntax error counts as declared.

mod algebra;
mod aliases;
mod constants;
mod context;
mod events;
mod expression;
mod function;
mod graph;
mod join;
pub(crate) mod keys;
mod names;
mod outline;
pub mod program;
mod sequence;
mod source;
mod stream;
mod support;
mod target;
mod trend;
mod types;
mod typing;
mod usage;
mod window;

#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::syntax::ast::{self, Span, Statement, StatementKind};
use crate::syntax::parse;
use names::Names;
use program::Program;

/// Where the values of `${NAME}` come from.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads and checks a program. `env` gives the values of `${NAME}` in the parameters of connectors, `.from` and `.to`.
/// The program is `None` if any diagnostic is an error. The diagnostics come in the order of the file.
pub fn check(source: &SourceFile, env: Environment<'_>) -> (Option<Program>, Vec<Diagnostic>) {
    let (tree, mut diagnostics) = parse(source);
    let mut statements = Vec::new();
    flatten(&tree.statements, &mut statements);
    let mut checker = Checker {
        source,
        env,
        names: Names::default(),
        program: Program::default(),
        visible: Default::default(),
        functions: Default::default(),
        torn: diagnostics.iter().filter(|found| found.is_error()).map(|found| found.span).collect(),
        torn_events: HashSet::new(),
        diagnostics: Vec::new(),
    };
    checker.run(&statements, &tree.broken);
    let Checker { program, diagnostics: found, .. } = checker;
    diagnostics.extend(found);
    // What is not used may be what is wrong.
    if !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.extend(usage::check(&program, source.text()));
        diagnostics.extend(keys::check(&program, source.text()));
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
    // The repetitions of a loop have the same problems in the same places.
    let mut seen = HashSet::new();
    diagnostics.retain(|diagnostic| seen.insert((diagnostic.code, diagnostic.span, diagnostic.message.clone())));
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    ((!failed).then_some(program), diagnostics)
}

/// All statements, those in loops as well.
fn flatten<'a>(statements: &'a [Statement], all: &mut Vec<&'a Statement>) {
    for statement in statements {
        match &statement.kind {
            StatementKind::Repeat(repeat) => flatten(&repeat.statements, all),
            _ => all.push(statement),
        }
    }
}

struct Checker<'a> {
    source: &'a SourceFile,
    env: Environment<'a>,
    names: Names<'a>,
    program: Program,
    visible: constants::Visible<'a>,
    functions: function::Functions,
    /// Where the text has syntax errors, so that parts of it are not known.
    torn: Vec<Span>,
    /// The events with such a place, whose fields are not all known.
    torn_events: HashSet<&'a str>,
    diagnostics: Vec<Diagnostic>,
}

/// A stream's declaration.
#[derive(Clone, Copy)]
struct Declared<'a> {
    stream: &'a ast::Stream,
    /// The whole statement.
    span: Span,
    /// How many of the program's variables are declared above it.
    variables: usize,
}

impl<'a> Checker<'a> {
    fn run(&mut self, statements: &[&'a Statement], broken: &'a [ast::Name]) {
        self.collect_names(statements, broken);
        self.resolve_events(statements);
        let (streams, functions) = self.resolve_constants(statements);
        self.resolve_functions(&functions);
        self.check_contexts(statements);
        for statement in statements {
            self.refuse_statement(statement);
        }
        let order = self.order_streams(&streams);
        self.resolve_streams(&streams, &order);
        self.check_quiet_calls();
        self.diagnostics.extend(typing::check(&self.program));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
