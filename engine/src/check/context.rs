//! Contexts: processor cores for the lanes of the streams that name them. They never change results.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, ExprKind, Statement, StatementKind};

/// The highest number that a core may have.
const MAX_CORE: i64 = 1023;

impl<'a> Checker<'a> {
    /// The cores of all contexts are numbers of cores.
    pub(super) fn check_contexts(&mut self, statements: &[&'a Statement]) {
        for statement in statements {
            let StatementKind::Context(context) = &statement.kind else { continue };
            let wrong = context.cores.iter().flatten().find(|core| !(0..=MAX_CORE).contains(*core));
            if let Some(core) = wrong {
                let diagnostic = Diagnostic::new(Code::BadValue, statement.span, format!("there is no core {core}"))
                    .help(format!("cores are numbered from 0; {MAX_CORE} is the highest possible"));
                self.report(diagnostic);
            }
        }
    }

    /// `.context(NAME)`
    pub(super) fn context(&mut self, arg: &'a ast::Expr) {
        let ExprKind::Name(name) = &arg.kind else {
            let diagnostic = Diagnostic::new(Code::BadValue, arg.span, "this is no name of a context")
                .help("declare one and name it: `context fast (cores: [0, 1])`, `.context(fast)`");
            return self.report(diagnostic);
        };
        match self.names.contexts.get(name) {
            Some(context) => {
                for core in context.cores.iter().flatten().filter_map(|core| usize::try_from(*core).ok()) {
                    if !self.program.cores.contains(&core) {
                        self.program.cores.push(core);
                    }
                }
            }
            None if self.names.broken.contains(name.as_str()) => {}
            None => {
                let diagnostic =
                    Diagnostic::new(Code::UnknownContext, arg.span, format!("there is no context `{name}`"))
                        .suggest(self.names.contexts.similar(name))
                        .help(format!("declare it: `context {name}`"));
                self.report(diagnostic);
            }
        }
    }
}
