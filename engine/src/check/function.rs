//! Functions: what the names in their bodies are, which functions call which, and which of them emit.
//!
//! A function knows its parameters, the locals that are declared above in the same block or in one around it, and the
//! variables of the program that are declared above the function. It knows no field: what it needs of an event is given
//! to it. A function is called from anywhere, also from above its declaration; only a variable's value must find all that
//! its functions read declared above itself.

use super::Checker;
use super::expression::{Fields, Scope};
use super::names::FunctionIndex;
use super::program::{BodyStatement, Expr, UserFunction};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, BodyKind, Name, Span, VariableKind};

/// How high the expressions of a function and of all that it calls may stack up: the stack of the engine's thread bears it.
const MAX_CALL_HEIGHT: usize = 300;

/// A declared function.
#[derive(Clone, Copy)]
pub(super) struct DeclaredFunction<'a> {
    pub(super) function: &'a ast::Function,
    /// How many of the program's variables are declared above it.
    pub(super) variables: usize,
}

/// What is known of functions once their bodies have been gone through.
#[derive(Default)]
pub(super) struct Functions {
    /// By function: the types that it emits itself, or through what it calls, and the first `emit` of each.
    pub(super) emits: Vec<Vec<(String, Span)>>,
    /// By function: one more than the last of the program's variables that it or what it calls reads, and which one.
    reads: Vec<usize>,
    /// Calls in values of variables: which function, where, and how many variables are declared above.
    pub(super) in_values: Vec<(FunctionIndex, Span, usize)>,
    /// Calls where nothing may be emitted.
    pub(super) quiet_calls: Vec<(FunctionIndex, Span)>,
}

/// A name that a function's body declares, or a parameter.
pub(super) struct Local {
    name: String,
    number: usize,
    kind: VariableKind,
    declared: Span,
}

/// The locals that are visible in the body at hand.
#[derive(Default)]
pub(super) struct Locals {
    visible: Vec<Local>,
    /// How many there were in the whole function.
    count: usize,
    /// Where the innermost block begins in `visible`.
    block: usize,
    loops: usize,
    /// What the function calls, and what it emits itself.
    calls: Vec<FunctionIndex>,
    emits: Vec<(String, Span)>,
    /// One more than the last of the program's variables that it reads.
    reads: usize,
}

impl Locals {
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.visible.iter().rev().find(|local| local.name == name).map(|local| local.number)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.visible.iter().map(|local| local.name.as_str())
    }

    pub(super) fn note_call(&mut self, function: FunctionIndex) {
        self.calls.push(function);
    }

    pub(super) fn note_variable(&mut self, index: usize) {
        self.reads = self.reads.max(index + 1);
    }
}

/// A function's calls and height, to follow them.
struct Node {
    calls: Vec<FunctionIndex>,
    height: usize,
}

impl<'a> Checker<'a> {
    /// Resolves the bodies of all functions, then follows their calls.
    pub(super) fn resolve_functions(&mut self, declared: &[DeclaredFunction<'a>]) {
        let mut nodes = Vec::with_capacity(declared.len());
        for DeclaredFunction { function, variables } in declared {
            let mut scope = Scope::new(Fields::None, *variables);
            scope.locals = Some(Locals::default());
            for parameter in &function.parameters {
                self.check_type(&parameter.ty);
                self.declare(&parameter.name, VariableKind::Var, &mut scope);
            }
            if let Some(ty) = &function.returns {
                self.check_type(ty);
            }
            let body = self.body(&function.body, &mut scope);
            let locals = scope.locals.take().unwrap_or_default();
            nodes.push(Node { calls: locals.calls, height: height(&function.body) });
            self.functions.emits.push(locals.emits);
            self.functions.reads.push(locals.reads);
            self.program.functions.push(UserFunction {
                name: function.name.clone(),
                parameters: function.parameters.len(),
                locals: locals.count,
                body,
            });
        }
        self.follow_calls(declared, &nodes);
        self.check_values();
    }

    /// The statements of one block, whose declarations end with it.
    fn body(&mut self, statements: &'a [ast::BodyStatement], scope: &mut Scope<'a>) -> Vec<BodyStatement> {
        statements.iter().filter_map(|statement| self.body_statement(statement, scope)).collect()
    }

    fn block(&mut self, statements: &'a [ast::BodyStatement], scope: &mut Scope<'a>) -> Vec<BodyStatement> {
        let locals = scope.locals.get_or_insert_default();
        let outer = (std::mem::replace(&mut locals.block, locals.visible.len()), locals.visible.len());
        let body = self.body(statements, scope);
        let locals = scope.locals.get_or_insert_default();
        locals.visible.truncate(outer.1);
        locals.block = outer.0;
        body
    }

    fn body_statement(&mut self, statement: &'a ast::BodyStatement, scope: &mut Scope<'a>) -> Option<BodyStatement> {
        Some(match &statement.kind {
            BodyKind::If { branches, otherwise } => BodyStatement::If {
                branches: branches
                    .iter()
                    .map(|(condition, block)| (self.resolve(condition, scope), self.block(block, scope)))
                    .collect(),
                otherwise: otherwise.as_ref().map(|block| self.block(block, scope)).unwrap_or_default(),
            },
            BodyKind::For { variable, over, body } => {
                let over = self.resolve(over, scope);
                let locals = scope.locals.get_or_insert_default();
                let outer = (std::mem::replace(&mut locals.block, locals.visible.len()), locals.visible.len());
                let local = self.declare(variable, VariableKind::Var, scope);
                let body = self.repeated(body, scope);
                let locals = scope.locals.get_or_insert_default();
                locals.visible.truncate(outer.1);
                locals.block = outer.0;
                BodyStatement::For { local, over, body }
            }
            BodyKind::While { condition, body } => {
                BodyStatement::While { condition: self.resolve(condition, scope), body: self.repeated(body, scope) }
            }
            BodyKind::Break => {
                self.within_loop("break", statement.span, scope);
                BodyStatement::Break
            }
            BodyKind::Continue => {
                self.within_loop("continue", statement.span, scope);
                BodyStatement::Continue
            }
            BodyKind::Return(value) => BodyStatement::Return(value.as_ref().map(|value| self.resolve(value, scope))),
            BodyKind::Variable(variable) => {
                if let Some(ty) = &variable.ty {
                    self.check_type(ty);
                }
                let value = self.resolve(&variable.value, scope);
                BodyStatement::Set { local: self.declare(&variable.name, variable.kind, scope), value }
            }
            BodyKind::Assign(assign) => {
                let value = self.resolve(&assign.value, scope);
                BodyStatement::Set { local: self.assignable(&assign.name, scope)?, value }
            }
            BodyKind::Emit { event, fields } => {
                let fields = self.projections(fields, scope, false);
                let event_type = self.names.type_in_data(&event.text);
                let locals = scope.locals.get_or_insert_default();
                if !locals.emits.iter().any(|(emitted, _)| *emitted == event_type) {
                    locals.emits.push((event_type.clone(), statement.span));
                }
                BodyStatement::Emit { event_type, fields }
            }
            BodyKind::Expr(value) => BodyStatement::Value(self.resolve(value, scope)),
        })
    }

    fn repeated(&mut self, body: &'a [ast::BodyStatement], scope: &mut Scope<'a>) -> Vec<BodyStatement> {
        scope.locals.get_or_insert_default().loops += 1;
        let body = self.block(body, scope);
        scope.locals.get_or_insert_default().loops -= 1;
        body
    }

    fn within_loop(&mut self, word: &str, span: Span, scope: &Scope<'_>) {
        if scope.locals.as_ref().is_none_or(|locals| locals.loops == 0) {
            let message = format!("`{word}` stands in no loop");
            let help = "it belongs into the block of a `for` or `while`; `return` ends the function";
            self.report(Diagnostic::new(Code::Misplaced, span, message).help(help));
        }
    }

    /// A new local, visible from here to the end of its block.
    fn declare(&mut self, name: &Name, kind: VariableKind, scope: &mut Scope<'a>) -> usize {
        let locals = scope.locals.get_or_insert_default();
        let number = locals.count;
        locals.count += 1;
        let earlier = locals.visible[locals.block..].iter().find(|local| local.name == name.text);
        let earlier = earlier.map(|local| local.declared);
        locals.visible.push(Local { name: name.text.clone(), number, kind, declared: name.span });
        if let Some(earlier) = earlier {
            self.declared_twice("variable", name, earlier);
        }
        number
    }

    /// The local that `:=` gives a value to.
    fn assignable(&mut self, name: &Name, scope: &Scope<'a>) -> Option<usize> {
        let locals = scope.locals.as_ref()?;
        let diagnostic = match locals.visible.iter().rev().find(|local| local.name == name.text) {
            Some(Local { kind: VariableKind::Var, number, .. }) => return Some(*number),
            Some(local) => {
                let word = if local.kind == VariableKind::Let { "let" } else { "const" };
                Diagnostic::new(Code::NotAssignable, name.span, format!("`{}` cannot be assigned again", name.text))
                    .related(local.declared, format!("declared with `{word}`"))
                    .help("declare it with `var`")
            }
            None if self.names.broken.contains(name.text.as_str()) => return None,
            None => match self.visible.get(&name.text, scope.variables) {
                Some(index) => {
                    let message = format!("a function cannot assign to `{}`, which belongs to the program", name.text);
                    Diagnostic::new(Code::NotAssignable, name.span, message)
                        .related(self.program.variables[index].name.span, "the program's variable")
                        .note("functions keep nothing from one event to the next")
                        .help("declare a `var` in the function, or keep a value over many events with `.aggregate`")
                }
                None => {
                    let similar = crate::diagnostic::similar(&name.text, locals.names()).map(str::to_owned);
                    let message = format!("there is no variable `{}` to assign to", name.text);
                    Diagnostic::new(Code::UnknownVariable, name.span, message)
                        .suggest(similar.as_deref())
                        .help(format!("declare it first: `var {} = …`", name.text))
                }
            },
        };
        self.report(diagnostic);
        None
    }

    /// Finds circles and towers of calls, and passes on to each function what those that it calls emit and read.
    fn follow_calls(&mut self, declared: &[DeclaredFunction<'a>], nodes: &[Node]) {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut states = vec![State::New; nodes.len()];
        let mut heights: Vec<usize> = nodes.iter().map(|node| node.height).collect();
        for start in 0..nodes.len() {
            // Function and how many of its calls have been followed.
            let mut path: Vec<(FunctionIndex, usize)> = Vec::new();
            if states[start] == State::New {
                states[start] = State::Open;
                path.push((start, 0));
            }
            while let Some((function, followed)) = path.last_mut() {
                let function = *function;
                let Some(&called) = nodes[function].calls.get(*followed) else {
                    states[function] = State::Done;
                    path.pop();
                    if heights[function] > MAX_CALL_HEIGHT {
                        let name = &declared[function].function.name;
                        let message = format!("the calls of `{}` are nested too deeply", name.text);
                        let diagnostic = Diagnostic::new(Code::LongChain, name.span, message)
                            .note(format!("its expressions and those of all that it calls stack up to {} levels; {MAX_CALL_HEIGHT} are possible", heights[function]))
                            .help("put the work of several functions of the chain into one");
                        self.report(diagnostic);
                        // Those that call it are too high because of it.
                        heights[function] = 0;
                    }
                    if let Some((caller, _)) = path.last() {
                        self.inherit(*caller, function);
                        heights[*caller] = heights[*caller].max(nodes[*caller].height + heights[function]);
                    }
                    continue;
                };
                *followed += 1;
                match states[called] {
                    State::New => {
                        states[called] = State::Open;
                        path.push((called, 0));
                    }
                    State::Open => {
                        let begin = path.iter().position(|(open, _)| *open == called).unwrap_or(0);
                        let circle: Vec<FunctionIndex> = path[begin..].iter().map(|(open, _)| *open).collect();
                        self.report_recursion(declared, &circle);
                    }
                    State::Done => {
                        self.inherit(function, called);
                        heights[function] = heights[function].max(nodes[function].height + heights[called]);
                    }
                }
            }
        }
    }

    fn report_recursion(&mut self, declared: &[DeclaredFunction<'a>], circle: &[FunctionIndex]) {
        let name = |function: &FunctionIndex| &declared[*function].function.name;
        let first = name(&circle[0]);
        let path: Vec<String> =
            circle.iter().chain(&circle[..1]).map(|function| format!("`{}`", name(function).text)).collect();
        let message = match circle {
            [_] => format!("`{}` calls itself", first.text),
            _ => format!("functions call each other in a circle: {}", path.join(" calls ")),
        };
        let diagnostic = Diagnostic::new(Code::Cycle, first.span, message).help("write it with `while` or `for`");
        self.report(diagnostic);
    }

    fn inherit(&mut self, caller: FunctionIndex, called: FunctionIndex) {
        let functions = &mut self.functions;
        functions.reads[caller] = functions.reads[caller].max(functions.reads[called]);
        for (event_type, span) in functions.emits[called].clone() {
            if !functions.emits[caller].iter().any(|(known, _)| *known == event_type) {
                functions.emits[caller].push((event_type, span));
            }
        }
    }

    /// The values of variables are computed from top to bottom.
    fn check_values(&mut self) {
        for (function, span, variables) in std::mem::take(&mut self.functions.in_values) {
            let reads = self.functions.reads[function];
            if reads > variables {
                let name = &self.program.functions[function].name.text;
                let read = &self.program.variables[reads - 1].name;
                let message = format!("`{name}` reads the variable `{}`, which has no value yet", read.text);
                let diagnostic = Diagnostic::new(Code::UnknownVariable, span, message)
                    .related(read.span, "it gets its value here")
                    .help("move this below it: the values of variables are computed from top to bottom");
                self.report(diagnostic);
            }
        }
    }

    /// Reports the calls of functions that emit where nothing can be emitted. To be called when all is resolved.
    pub(super) fn check_quiet_calls(&mut self) {
        for (function, span) in std::mem::take(&mut self.functions.quiet_calls) {
            if let Some((event_type, place)) = self.functions.emits[function].first().cloned() {
                let name = &self.program.functions[function].name.text;
                let message = format!("`{name}` emits events, and can be called in `.process` only");
                let diagnostic = Diagnostic::new(Code::Misplaced, span, message)
                    .related(place, format!("an event of type `{event_type}` is emitted here"))
                    .help(format!("write `.process({name}(…))`: the stream goes on with the events that it emits"));
                self.report(diagnostic);
            }
        }
    }

    /// The functions that an expression calls, themselves or through others, in order of their first call.
    pub(super) fn called_by(&self, expr: &Expr) -> Vec<FunctionIndex> {
        let mut called = Vec::new();
        self.program.visit_calls(expr, &mut called);
        called
    }
}

/// How high the statements and expressions of a body stack up.
fn height(body: &[ast::BodyStatement]) -> usize {
    let of = |expr: &ast::Expr| usize::from(expr.height);
    let each = |statement: &ast::BodyStatement| match &statement.kind {
        BodyKind::If { branches, otherwise } => {
            let branches = branches.iter().map(|(condition, block)| of(condition).max(height(block)));
            branches.chain(otherwise.as_ref().map(|block| height(block))).max().unwrap_or(0)
        }
        BodyKind::For { over: expr, body, .. } | BodyKind::While { condition: expr, body } => {
            of(expr).max(height(body))
        }
        BodyKind::Break | BodyKind::Continue | BodyKind::Return(None) => 0,
        BodyKind::Return(Some(value)) | BodyKind::Expr(value) => of(value),
        BodyKind::Variable(variable) => of(&variable.value),
        BodyKind::Assign(assign) => of(&assign.value),
        BodyKind::Emit { fields, .. } => fields.iter().map(|field| of(&field.value)).max().unwrap_or(0),
    };
    1 + body.iter().map(each).max().unwrap_or(0)
}
