//! Names of imported files: `x.` before what a file declares, and `x.NAME` as one name where it is used.
//!
//! A name that a function, a lambda or a stream gives to something of its own is left alone, even if the file declares
//! another of that name.

use std::collections::HashSet;

use super::ast::*;

/// The names that statements declare, by what they can be used for.
#[derive(Default)]
pub(super) struct Declared {
    variables: HashSet<String>,
    functions: HashSet<String>,
    connectors: HashSet<String>,
    contexts: HashSet<String>,
    /// Events, streams and patterns.
    sources: HashSet<String>,
    /// Types and events.
    types: HashSet<String>,
}

impl Declared {
    pub(super) fn of(statements: &[Statement]) -> Self {
        let mut declared = Declared::default();
        for statement in statements {
            let (set, name) = match &statement.kind {
                StatementKind::Context(context) => (&mut declared.contexts, &context.name),
                StatementKind::Connector(connector) => (&mut declared.connectors, &connector.name),
                StatementKind::Event(event) => {
                    declared.types.insert(event.name.text.clone());
                    (&mut declared.sources, &event.name)
                }
                StatementKind::Type(ty) => (&mut declared.types, &ty.name),
                StatementKind::Variable(variable) => (&mut declared.variables, &variable.name),
                StatementKind::Function(function) => (&mut declared.functions, &function.name),
                StatementKind::Pattern(pattern) => (&mut declared.sources, &pattern.name),
                StatementKind::Stream(stream) => (&mut declared.sources, &stream.name),
                StatementKind::Repeat(repeat) => {
                    declared.add(Declared::of(&repeat.statements));
                    continue;
                }
                StatementKind::Assign(_) | StatementKind::Config(_) | StatementKind::Import(_) => continue,
            };
            set.insert(name.text.clone());
        }
        declared
    }

    fn add(&mut self, other: Declared) {
        self.variables.extend(other.variables);
        self.functions.extend(other.functions);
        self.connectors.extend(other.connectors);
        self.contexts.extend(other.contexts);
        self.sources.extend(other.sources);
        self.types.extend(other.types);
    }

    /// Whether `name` is declared, or the beginning of a name that is.
    fn begins(&self, name: &str) -> bool {
        let begins =
            |known: &String| known.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        [&self.variables, &self.functions, &self.connectors, &self.contexts, &self.sources, &self.types]
            .into_iter()
            .any(|set| set.iter().any(begins))
    }
}

/// Makes one name of each `x.NAME` in the expressions of a statement that is declared.
pub(super) fn collapse(statement: &mut Statement, declared: &Declared) {
    if declared.begins_nowhere() {
        return;
    }
    Renaming { declared, prefix: None, own: HashSet::new() }.statement(statement);
}

/// Puts `prefix` before the names that are declared, wherever they stand in a statement.
pub(super) fn prefix(statement: &mut Statement, prefix: &str, declared: &Declared) {
    Renaming { declared, prefix: Some(prefix), own: HashSet::new() }.statement(statement);
}

impl Declared {
    /// Whether no declared name has a prefix.
    fn begins_nowhere(&self) -> bool {
        ![&self.variables, &self.functions, &self.connectors, &self.contexts, &self.sources, &self.types]
            .into_iter()
            .any(|set| set.iter().any(|name| name.contains('.')))
    }
}

struct Renaming<'d> {
    declared: &'d Declared,
    /// `None`: only `x.NAME` becomes one name.
    prefix: Option<&'d str>,
    /// Names that the statement gives to something of its own.
    own: HashSet<String>,
}

impl Renaming<'_> {
    fn rename(&self, name: &mut String, set: &HashSet<String>) {
        if let Some(prefix) = self.prefix.filter(|_| set.contains(name.as_str())) {
            *name = format!("{prefix}.{name}");
        }
    }

    fn source(&self, name: &mut Name) {
        self.rename(&mut name.text, &self.declared.sources);
    }

    fn statement(&mut self, statement: &mut Statement) {
        let declared = self.declared;
        match &mut statement.kind {
            StatementKind::Context(context) => self.rename(&mut context.name.text, &declared.contexts),
            StatementKind::Connector(connector) => {
                self.rename(&mut connector.name.text, &declared.connectors);
                connector.params.iter_mut().for_each(|param| self.expr(&mut param.value));
            }
            StatementKind::Event(event) => {
                if self.prefix.is_some() {
                    event.in_data.get_or_insert_with(|| event.name.text.clone());
                }
                self.source(&mut event.name);
                event.extends.iter_mut().for_each(|base| self.source(base));
                event.fields.iter_mut().for_each(|field| self.ty(&mut field.ty));
            }
            StatementKind::Type(ty) => {
                self.rename(&mut ty.name.text, &declared.types);
                match &mut ty.body {
                    TypeBody::Alias(ty) => self.ty(ty),
                    TypeBody::Fields(fields) => fields.iter_mut().for_each(|field| self.ty(&mut field.ty)),
                }
            }
            StatementKind::Variable(variable) => {
                self.rename(&mut variable.name.text, &declared.variables);
                self.variable(variable);
            }
            StatementKind::Assign(assign) => {
                self.rename(&mut assign.name.text, &declared.variables);
                self.expr(&mut assign.value);
            }
            StatementKind::Function(function) => {
                self.rename(&mut function.name.text, &declared.functions);
                for parameter in &mut function.parameters {
                    self.own.insert(parameter.name.text.clone());
                    self.ty(&mut parameter.ty);
                }
                function.returns.iter_mut().for_each(|ty| self.ty(ty));
                own_names(&function.body, &mut self.own);
                self.body(&mut function.body);
            }
            StatementKind::Repeat(repeat) => {
                repeat.statements.iter_mut().for_each(|statement| self.statement(statement));
            }
            StatementKind::Config(_) | StatementKind::Import(_) => {}
            StatementKind::Pattern(pattern) => {
                self.source(&mut pattern.name);
                self.own.extend(pattern.steps.iter().filter_map(|step| Some(step.alias.as_ref()?.text.clone())));
                pattern.steps.iter_mut().for_each(|step| self.step(step));
            }
            StatementKind::Stream(stream) => self.stream(stream),
        }
        self.own.clear();
    }

    fn variable(&self, variable: &mut Variable) {
        variable.ty.iter_mut().for_each(|ty| self.ty(ty));
        self.expr(&mut variable.value);
    }

    fn stream(&mut self, stream: &mut Stream) {
        let declared = self.declared;
        self.source(&mut stream.name);
        stream.ty.iter_mut().for_each(|ty| self.ty(ty));
        let mut own: Vec<&Name> = Vec::new();
        match &stream.source.kind {
            SourceKind::Named { alias, .. } => own.extend(alias),
            SourceKind::Merge(branches) | SourceKind::Join { sides: branches, .. } => {
                own.extend(branches.iter().filter_map(|branch| branch.label.as_ref()));
            }
            SourceKind::Sequence(steps) => own.extend(steps.iter().map(|step| &step.alias)),
            SourceKind::From { .. } | SourceKind::Timer(_) => {}
        }
        own.extend(stream.ops.iter().filter_map(|op| match &op.kind {
            OpKind::Follow(step) => step.alias.as_ref(),
            _ => None,
        }));
        self.own.extend(own.into_iter().map(|name| name.text.clone()));
        match &mut stream.source.kind {
            SourceKind::From { event, connector, params } => {
                self.source(event);
                self.rename(&mut connector.text, &declared.connectors);
                params.iter_mut().for_each(|param| self.expr(&mut param.value));
            }
            SourceKind::Named { name, predicate, .. } => {
                self.source(name);
                predicate.iter_mut().for_each(|predicate| self.expr(predicate));
            }
            SourceKind::Merge(branches) | SourceKind::Join { sides: branches, .. } => {
                for branch in branches {
                    self.source(&mut branch.source);
                    branch.condition.iter_mut().for_each(|condition| self.expr(condition));
                }
            }
            SourceKind::Sequence(steps) => {
                for step in steps {
                    self.source(&mut step.event);
                    step.predicate.iter_mut().chain(&mut step.within).for_each(|expr| self.expr(expr));
                }
            }
            SourceKind::Timer(args) => self.args(args),
        }
        stream.ops.iter_mut().for_each(|op| self.op(op));
    }

    fn op(&self, op: &mut Op) {
        match &mut op.kind {
            OpKind::Plain(args) => {
                self.args(args);
                let first = match op.name.text.as_str() {
                    "to" => Some(&self.declared.connectors),
                    "context" => Some(&self.declared.contexts),
                    _ => None,
                };
                if let (Some(set), Some(Arg { name: None, value: Expr { kind: ExprKind::Name(name), .. } })) =
                    (first, args.first_mut())
                {
                    self.rename(name, set);
                }
            }
            OpKind::Follow(step) => self.step(step),
            OpKind::Emit { args, .. } => self.args(args),
            OpKind::OrderBy(keys) => keys.iter_mut().for_each(|key| self.expr(&mut key.value)),
            OpKind::Not { event, predicate } => {
                self.source(event);
                predicate.iter_mut().for_each(|predicate| self.expr(predicate));
            }
            OpKind::Pattern { events, .. } => self.algebra(events),
            OpKind::Refused => {}
        }
    }

    fn step(&self, step: &mut Step) {
        self.source(&mut step.event);
        step.predicate.iter_mut().for_each(|predicate| self.expr(predicate));
    }

    fn algebra(&self, events: &mut EventAlgebra) {
        match events {
            EventAlgebra::Event(name) => {
                if !self.own.contains(&name.text) {
                    self.source(name);
                }
            }
            EventAlgebra::Not(of) => self.algebra(of),
            EventAlgebra::Then(all) | EventAlgebra::And(all) | EventAlgebra::Or(all) | EventAlgebra::Xor(all) => {
                all.iter_mut().for_each(|events| self.algebra(events));
            }
        }
    }

    fn body(&self, statements: &mut [BodyStatement]) {
        for statement in statements {
            match &mut statement.kind {
                BodyKind::If { branches, otherwise } => {
                    for (condition, block) in branches {
                        self.expr(condition);
                        self.body(block);
                    }
                    otherwise.iter_mut().for_each(|block| self.body(block));
                }
                BodyKind::For { over: expr, body, .. } | BodyKind::While { condition: expr, body } => {
                    self.expr(expr);
                    self.body(body);
                }
                BodyKind::Break | BodyKind::Continue => {}
                BodyKind::Return(value) => value.iter_mut().for_each(|value| self.expr(value)),
                BodyKind::Variable(variable) => self.variable(variable),
                BodyKind::Assign(assign) => self.expr(&mut assign.value),
                BodyKind::Emit { event, fields } => {
                    self.source(event);
                    self.args(fields);
                }
                BodyKind::Expr(value) => self.expr(value),
            }
        }
    }

    fn args(&self, args: &mut [Arg]) {
        args.iter_mut().for_each(|arg| self.expr(&mut arg.value));
    }

    fn expr(&self, expr: &mut Expr) {
        // A name before a dot or parentheses is looked at from there.
        match &mut expr.kind {
            ExprKind::Member { of, .. } if matches!(of.kind, ExprKind::Name(_)) => {}
            ExprKind::Call { callee, args } => {
                if !matches!(callee.kind, ExprKind::Name(_)) {
                    self.expr(callee);
                }
                self.args(args);
            }
            _ => expr.parts_mut(&mut |part| self.expr(part)),
        }
        match &mut expr.kind {
            ExprKind::Name(name) if !self.own.contains(name) => self.rename(name, &self.declared.variables),
            ExprKind::Call { callee, .. } => {
                if let ExprKind::Name(name) = &mut callee.kind {
                    self.rename(name, &self.declared.functions);
                }
            }
            ExprKind::Member { of, field, .. } => {
                let ExprKind::Name(name) = &mut of.kind else { return };
                if self.own.contains(name) {
                    return;
                }
                let joined = format!("{name}.{}", field.text);
                if self.prefix.is_none() && self.declared.begins(&joined) {
                    expr.kind = ExprKind::Name(joined);
                } else if self.declared.variables.contains(name.as_str()) {
                    self.rename(name, &self.declared.variables);
                } else {
                    self.rename(name, &self.declared.sources);
                }
            }
            _ => {}
        }
    }

    fn ty(&self, ty: &mut Type) {
        match &mut ty.kind {
            TypeKind::Named(name) => self.rename(name, &self.declared.types),
            TypeKind::Array(of) | TypeKind::Stream(of) | TypeKind::Optional(of) => self.ty(of),
            TypeKind::Map(key, value) => {
                self.ty(key);
                self.ty(value);
            }
            TypeKind::Tuple(types) => types.iter_mut().for_each(|ty| self.ty(ty)),
            TypeKind::Int
            | TypeKind::Float
            | TypeKind::Bool
            | TypeKind::Str
            | TypeKind::Timestamp
            | TypeKind::Duration => {}
        }
    }
}

/// The names that a function's body declares.
fn own_names(body: &[BodyStatement], own: &mut HashSet<String>) {
    for statement in body {
        match &statement.kind {
            BodyKind::If { branches, otherwise } => {
                branches.iter().for_each(|(_, block)| own_names(block, own));
                otherwise.iter().for_each(|block| own_names(block, own));
            }
            BodyKind::For { variable, body, .. } => {
                own.insert(variable.text.clone());
                own_names(body, own);
            }
            BodyKind::While { body, .. } => own_names(body, own),
            BodyKind::Variable(variable) => {
                own.insert(variable.name.text.clone());
            }
            _ => {}
        }
    }
}
