//! Streams: what they read, what they do with it, where they put it out.

use std::collections::HashMap;
use std::rc::Rc;

use super::constants::kafka_key;
use super::expression::{Fields, Scope, Shape};
use super::graph::names_read;
use super::program::{
    At, ConnectorKind, Expr, ExprKind, Input, OffsetReset, Operator, Origin, Output, Projection, Property, Source,
    Stream, Target, Topic,
};
use super::support::{OPERATIONS, Support};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, BinaryOp, Branch, Name, Op, OpKind, Param, SourceKind, Span};

/// A stream while its operations are gone through.
struct Building<'s> {
    scope: Scope<'s>,
    operators: Vec<Operator>,
    targets: Vec<Target>,
    /// `.emit`, once it has come.
    emitted: Option<&'s Op>,
    /// The type that `.emit as` names.
    event_type: Option<&'s Name>,
    /// The last `.to`, once one has come.
    published: Option<&'s Op>,
}

impl<'a> Checker<'a> {
    /// Resolves all streams, in `order`, so that the fields of what a stream reads are known.
    pub(super) fn resolve_streams(&mut self, streams: &[Declared<'a>], order: &[usize]) {
        let shapes = self.event_shapes();
        let sources: Vec<Option<usize>> = streams.iter().map(|declared| self.resolve_source(*declared)).collect();
        let mut fields: Vec<Fields> = vec![Fields::Any; streams.len()];
        let mut resolved: Vec<Option<(Stream, Vec<Target>)>> = streams.iter().map(|_| None).collect();
        for index in order {
            let declared = streams[*index];
            self.check_source_names(declared.stream);
            self.check_shape(&declared.stream.ops);
            let (inputs, scope) = self.inputs(declared, sources[*index], &shapes, &fields);
            let mut building = Building {
                scope,
                operators: Vec::new(),
                targets: Vec::new(),
                emitted: None,
                event_type: None,
                published: None,
            };
            for op in &declared.stream.ops {
                self.operation(op, declared, &mut building);
            }
            let Building { scope, operators, targets, emitted, event_type, published } = building;
            fields[*index] = scope.fields;
            let output = (emitted.is_some() || published.is_some()).then(|| Output {
                event_type: event_type.unwrap_or(&declared.stream.name).text.clone(),
                targets: Vec::new(),
            });
            let stream = Stream { name: declared.stream.name.clone(), inputs, operators, output, span: declared.span };
            resolved[*index] = Some((stream, targets));
        }
        for (mut stream, targets) in resolved.into_iter().flatten() {
            if let Some(output) = &mut stream.output {
                let first = self.program.targets.len();
                output.targets = (first..first + targets.len()).collect();
            }
            self.program.targets.extend(targets);
            self.program.streams.push(stream);
        }
        self.check_agreement();
        let silent: Vec<bool> = self.program.streams.iter().map(|stream| stream.output.is_none()).collect();
        self.report_unread(streams, &silent);
    }

    fn event_shapes(&self) -> HashMap<String, Rc<Shape>> {
        let shape = |event: &super::program::EventType| {
            let names = event.fields.iter().map(|field| field.name.text.clone()).collect();
            (event.name.text.clone(), Rc::new(Shape::new(event.name.text.clone(), names)))
        };
        self.program.events.iter().map(shape).collect()
    }

    /// Warns of names that are declared nowhere and look like misspelt ones.
    fn check_source_names(&mut self, stream: &'a ast::Stream) {
        // A type that is bound to a topic is as good as declared, unless it looks like one that is.
        let bound = match &stream.source.kind {
            SourceKind::From { event, .. } if !self.names.events.contains(&event.text) => Some(event),
            _ => None,
        };
        let mut misspelt: Vec<(&Name, &str)> =
            bound.and_then(|event| Some((event, self.names.events.similar(&event.text)?))).into_iter().collect();
        // The names in an algebra may be aliases.
        if !stream.ops.iter().any(|op| matches!(op.kind, OpKind::Pattern { .. })) {
            for name in names_read(stream) {
                if self.names.is_source(&name.text) {
                    continue;
                }
                // A stream does not mean itself.
                let similar = self.names.similar_source(&name.text).filter(|similar| *similar != stream.name.text);
                misspelt.extend(similar.map(|similar| (name, similar)));
            }
        }
        for (name, similar) in misspelt {
            let message = format!("nothing named `{}` is declared; it is read as an event type", name.text);
            let diagnostic = Diagnostic::new(Code::SimilarName, name.span, message).suggest(Some(similar));
            self.report(diagnostic);
        }
    }

    /// `.from`: the connector, and the parameters of both.
    fn resolve_source(&mut self, declared: Declared<'a>) -> Option<usize> {
        let SourceKind::From { event, connector, params } = &declared.stream.source.kind else { return None };
        let index = self.connector_index(connector)?;
        self.given_twice(params.iter().map(|param| (kafka_key(&param.key.text), param.key.span)));
        let mut topic = None;
        let mut auto_offset_reset = None;
        let mut group_id = None;
        let mut properties = Vec::new();
        match self.program.connectors[index].kind.clone() {
            ConnectorKind::Kafka(kafka) => {
                for param in params {
                    let Some(value) = self.text(&param.value, declared.variables) else {
                        // The topic is named, if not well.
                        topic = topic
                            .or((param.key.text == "topic")
                                .then(|| At { value: String::new(), span: param.value.span }));
                        continue;
                    };
                    match kafka_key(&param.key.text).as_str() {
                        "topic" => topic = Some(value),
                        "group_id" => group_id = Some(value),
                        "auto_offset_reset" => auto_offset_reset = self.offset_reset(value),
                        "brokers" | "bootstrap_servers" | "exactly_once" => self.belongs_to_connector(param),
                        _ => properties.extend(self.property(&param.key, value)),
                    }
                }
                let reset =
                    auto_offset_reset.or(kafka.auto_offset_reset).map_or(OffsetReset::Latest, |reset| reset.value);
                let topic = topic.or(kafka.topic).or_else(|| self.missing_topic(connector, ".from"))?;
                let span = declared.stream.source.span;
                let group_id = group_id.or(kafka.group_id);
                let event = event.clone();
                self.program.sources.push(Source {
                    event,
                    connector: index,
                    topic,
                    auto_offset_reset: reset,
                    group_id,
                    properties,
                    span,
                });
            }
            ConnectorKind::File { path } => {
                for param in params {
                    match param.key.text.as_str() {
                        "path" => topic = self.text(&param.value, declared.variables),
                        _ => self.unknown_argument(&param.key, "`.from` of a file", &["path"]),
                    }
                }
                self.program.sources.push(Source {
                    event: event.clone(),
                    connector: index,
                    topic: topic.unwrap_or(path),
                    auto_offset_reset: OffsetReset::Earliest,
                    group_id: None,
                    properties,
                    span: declared.stream.source.span,
                });
            }
            ConnectorKind::Console => {
                let message = format!("`{}` is a console, and a console is only written to", connector.text);
                let diagnostic =
                    Diagnostic::new(Code::BadValue, connector.span, message).help("read from kafka or from a file");
                self.report(diagnostic);
                return None;
            }
        }
        Some(self.program.sources.len() - 1)
    }

    fn belongs_to_connector(&mut self, param: &Param) {
        let message = format!("`{}` belongs to the connector", param.key.text);
        let diagnostic = Diagnostic::new(Code::UnknownArgument, param.key.span, message)
            .help("declare a second connector with another value");
        self.report(diagnostic);
    }

    fn missing_topic(&mut self, connector: &Name, of: &str) -> Option<At<String>> {
        let message = format!("neither this `{of}` nor the connector `{}` names a topic", connector.text);
        let diagnostic = Diagnostic::new(Code::MissingTopic, connector.span, message)
            .help(format!("name it here: `{of}({}, topic: \"…\")`", connector.text));
        self.report(diagnostic);
        None
    }

    fn connector_index(&mut self, name: &Name) -> Option<usize> {
        let index = self.program.connectors.iter().position(|connector| connector.name.text == name.text);
        let known = self.names.connectors.contains(&name.text) || self.names.broken.contains(name.text.as_str());
        if index.is_none() && !known {
            let mut diagnostic =
                Diagnostic::new(Code::UnknownConnector, name.span, format!("there is no connector `{}`", name.text))
                    .suggest(self.names.connectors.similar(&name.text));
            if diagnostic.label.is_empty() {
                diagnostic = diagnostic.help(format!("declare it: `connector {} = kafka(brokers: \"…\")`", name.text));
            }
            self.report(diagnostic);
        }
        index
    }

    /// All `.from` of a connector and group share one consumer, all `.to` of a connector one producer: they must not ask
    /// for different things.
    fn check_agreement(&mut self) {
        // By connector, client and property: the value that was asked for first, and where.
        let mut asked: HashMap<(usize, String, String), (String, Span)> = HashMap::new();
        let mut conflicts = Vec::new();
        let mut ask = |connector: usize, client: &str, key: &str, value: &str, span: Span| {
            let place = (connector, client.to_owned(), key.to_owned());
            let (earlier, first) = asked.entry(place).or_insert_with(|| (value.to_owned(), span));
            if earlier != value {
                conflicts.push((span, *first, key.to_owned()));
            }
        };
        for source in &self.program.sources {
            let client = source.group_id.as_ref().map_or(".from".into(), |group| format!(".from as {}", group.value));
            for property in &source.properties {
                ask(source.connector, &client, &property.key, &property.value, property.value_span);
            }
            let of_topic = format!("auto_offset_reset of {}", source.topic.value);
            let reset = format!("{:?}", source.auto_offset_reset);
            ask(source.connector, &client, &of_topic, &reset, source.span);
        }
        for target in &self.program.targets {
            for property in &target.properties {
                ask(target.connector, ".to", &property.key, &property.value, property.value_span);
            }
        }
        for (span, first, key) in conflicts {
            let message = format!("{key} has another value elsewhere");
            let diagnostic = Diagnostic::new(Code::BadValue, span, message)
                .related(first, "said here")
                .note("all `.from` of a connector and group share one consumer, all `.to` of a connector one producer")
                .help("say the same in both, or declare a second connector");
            self.report(diagnostic);
        }
    }

    /// What a stream reads, and what the names in its expressions can be.
    fn inputs(
        &mut self,
        declared: Declared<'a>,
        source: Option<usize>,
        shapes: &HashMap<String, Rc<Shape>>,
        streams: &[Fields],
    ) -> (Vec<Input>, Scope<'a>) {
        let stream = declared.stream;
        if let Some(ty) = &stream.ty {
            self.check_type(ty);
        }
        let of_type = |name: &str| shapes.get(name).map_or(Fields::Any, |shape| Fields::Declared(shape.clone()));
        let any = || Scope::new(Fields::Any, declared.variables);
        match &stream.source.kind {
            SourceKind::From { event, .. } => {
                let mut scope = Scope::new(of_type(&event.text), declared.variables);
                scope.qualifiers.push(&event.text);
                let input = source.map(|source| Input { from: Origin::Source(source), predicate: None });
                (input.into_iter().collect(), scope)
            }
            SourceKind::Named { all: true, .. } => {
                self.not_yet(stream.source.span, "`all`");
                (Vec::new(), any())
            }
            SourceKind::Named { all: false, name, predicate, alias } => {
                let (from, fields) = self.origin(name, of_type, streams);
                let mut scope = Scope::new(fields, declared.variables);
                scope.alias = alias.as_ref().map(|alias| alias.text.as_str());
                scope.qualifiers.push(&name.text);
                let predicate = predicate.as_ref().map(|predicate| self.resolve(predicate, &mut scope));
                (vec![Input { from, predicate }], scope)
            }
            SourceKind::Merge(branches) => self.merge(branches, declared, of_type, streams),
            SourceKind::Join { .. } => {
                self.not_yet(stream.source.span, "a join");
                (Vec::new(), any())
            }
            SourceKind::Sequence(_) => {
                self.not_yet(stream.source.span, "`sequence`");
                (Vec::new(), any())
            }
            SourceKind::Timer(_) => {
                self.not_yet(stream.source.span, "`timer`");
                (Vec::new(), any())
            }
        }
    }

    fn origin(&self, name: &Name, of_type: impl Fn(&str) -> Fields, streams: &[Fields]) -> (Origin, Fields) {
        match self.names.streams.get(&name.text) {
            Some(stream) => (Origin::Stream(stream), streams[stream].clone()),
            None => (Origin::Event(name.text.clone()), of_type(&name.text)),
        }
    }

    /// The inputs of a merge. Its events may have the fields of any of them.
    fn merge(
        &mut self,
        branches: &'a [Branch],
        declared: Declared<'a>,
        of_type: impl Fn(&str) -> Fields,
        streams: &[Fields],
    ) -> (Vec<Input>, Scope<'a>) {
        let mut inputs = Vec::new();
        let mut all_fields = Vec::new();
        if branches.is_empty() {
            let diagnostic = Diagnostic::new(Code::WrongArguments, declared.stream.source.span, "this merges nothing")
                .help("name the streams or event types: `merge(A, B)`");
            self.report(diagnostic);
        }
        for branch in branches {
            let (from, fields) = self.origin(&branch.source, &of_type, streams);
            let mut scope = Scope::new(fields.clone(), declared.variables);
            scope.qualifiers.extend(branch.label.iter().chain([&branch.source]).map(|name| name.text.as_str()));
            let predicate = branch.condition.as_ref().map(|condition| self.resolve(condition, &mut scope));
            inputs.push(Input { from, predicate });
            all_fields.push(fields);
        }
        (inputs, Scope::new(Fields::union(&declared.stream.name.text, &all_fields), declared.variables))
    }

    fn operation(&mut self, op: &'a Op, declared: Declared<'a>, building: &mut Building<'a>) {
        if let OpKind::Follow(_) = &op.kind {
            self.not_yet(op.span, "a sequence with `->`");
            building.scope.fields = Fields::Any;
            return;
        }
        let name = op.name.text.as_str();
        match OPERATIONS.iter().find(|(known, _)| *known == name).map(|(_, support)| *support) {
            None => {
                let diagnostic =
                    Diagnostic::new(Code::UnknownOperation, op.name.span, format!("there is no operation `.{name}`"))
                        .suggest(similar(name, OPERATIONS.iter().map(|(known, _)| *known)));
                self.report(diagnostic);
                building.scope.fields = Fields::Any;
                return;
            }
            Some(Support::Refused(instead)) => {
                let message = format!("kolo does not do `.{name}`, and will not");
                self.report(Diagnostic::new(Code::Refused, op.name.span, message).help(instead));
                building.scope.fields = Fields::Any;
                return;
            }
            Some(Support::NotYet) => {
                self.not_yet(op.name.span, &format!("`.{name}`"));
                building.scope.fields = Fields::Any;
                return;
            }
            Some(Support::Yes) => {}
        }
        if let Some(published) = building.published.filter(|_| name != "to") {
            let diagnostic =
                Diagnostic::new(Code::Misplaced, op.name.span, format!("`.{name}` cannot stand behind `.to`"))
                    .related(published.name.span, "the events have been published here")
                    .help(format!("move `.{name}` before `.to`"));
            self.report(diagnostic);
        }
        let scope = &mut building.scope;
        match (name, &op.kind) {
            ("where" | "having", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    building.operators.push(Operator::Where(self.resolve(arg, scope)));
                }
            }
            ("filter", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args) {
                    building.operators.push(Operator::Where(self.resolve_filter(arg, scope)));
                }
            }
            ("select", OpKind::Plain(args)) => {
                if args.is_empty() {
                    let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "`.select` names no field")
                        .help("name the fields to keep: `.select(a, b: c + 1)`");
                    self.report(diagnostic);
                }
                let fields = self.projections(args, scope, true);
                scope.fields = Fields::made(&declared.stream.name.text, &fields);
                building.operators.push(Operator::Select(fields));
            }
            ("emit", OpKind::Emit { output, args }) => {
                if let Some(first) = building.emitted.replace(op) {
                    let diagnostic = Diagnostic::new(Code::Misplaced, op.name.span, "a stream has one `.emit`")
                        .related(first.name.span, "the first")
                        .help("declare a second stream that reads this one");
                    self.report(diagnostic);
                }
                building.event_type = output.as_ref();
                if !args.is_empty() {
                    let fields = self.projections(args, scope, false);
                    scope.fields = Fields::made(&declared.stream.name.text, &fields);
                    building.operators.push(Operator::Emit(fields));
                }
            }
            ("limit", OpKind::Plain(args)) => {
                if let Some(arg) = self.one(op, args)
                    && let Some(limit) = self.limit(arg, scope)
                {
                    building.operators.push(Operator::Limit(limit));
                }
            }
            ("distinct", OpKind::Plain(args)) => {
                let arg = if args.is_empty() { Some(None) } else { self.one(op, args).map(Some) };
                if let Some(arg) = arg {
                    building.operators.push(Operator::Distinct(arg.map(|arg| self.resolve(arg, scope))));
                }
            }
            (_, OpKind::Plain(args)) => {
                building.published = Some(op);
                let target = self.target(op, args, declared, scope);
                building.targets.extend(target);
            }
            // The parser gives `.emit` its own form and no other operation that is supported.
            _ => {}
        }
    }

    /// The only argument of an operation that takes one.
    fn one(&mut self, op: &Op, args: &'a [Arg]) -> Option<&'a ast::Expr> {
        let name = &op.name.text;
        match args {
            [Arg { name: None, value }] => Some(value),
            [Arg { name: Some(label), .. }] => {
                self.unknown_argument(label, &format!("`.{name}`"), &[]);
                None
            }
            _ => {
                let message = format!("`.{name}` takes 1 argument, not {}", args.len());
                let mut diagnostic = Diagnostic::new(Code::WrongArguments, op.span, message);
                if args.len() > 1 && matches!(name.as_str(), "where" | "having" | "filter") {
                    diagnostic = diagnostic.help("join conditions with `and`");
                }
                self.report(diagnostic);
                None
            }
        }
    }

    fn unknown_argument(&mut self, label: &Name, of: &str, known: &[&str]) {
        let message = format!("{of} has no argument `{}`", label.text);
        let mut diagnostic = Diagnostic::new(Code::UnknownArgument, label.span, message)
            .suggest(similar(&label.text, known.iter().copied()));
        if !known.is_empty() {
            diagnostic = diagnostic.help(format!("it takes {}", known.join(", ")));
        }
        self.report(diagnostic);
    }

    fn limit(&mut self, arg: &ast::Expr, scope: &mut Scope<'_>) -> Option<u64> {
        let mut resolved = self.resolve(arg, scope);
        while let ExprKind::Variable(index) = resolved.kind {
            resolved = self.program.variables[index].value.clone();
        }
        let limit = match resolved.kind {
            ExprKind::Int(limit) => u64::try_from(limit).ok(),
            _ => None,
        };
        if limit.is_none() {
            let message = "`.limit` takes a number of events, known before the program runs";
            self.report(Diagnostic::new(Code::BadValue, arg.span, message).help("for example `.limit(10)`"));
        }
        limit
    }

    /// `name: expr`, and a field's name alone where `bare` allows it.
    fn projections(&mut self, args: &[Arg], scope: &mut Scope<'_>, bare: bool) -> Vec<Projection> {
        let mut projections: Vec<Projection> = Vec::new();
        let mut names = Vec::new();
        for arg in args {
            let name = match (&arg.name, &arg.value.kind) {
                (Some(name), _) => name.clone(),
                (None, ast::ExprKind::Name(field)) if bare => Name { text: field.clone(), span: arg.value.span },
                (None, kind) => {
                    let suggestion = match kind {
                        ast::ExprKind::Name(field) | ast::ExprKind::Member { field: Name { text: field, .. }, .. } => {
                            field
                        }
                        _ => "name",
                    };
                    let written = self.source.text().get(arg.value.span.range()).unwrap_or("…");
                    let diagnostic = Diagnostic::new(Code::WrongArguments, arg.value.span, "this field has no name")
                        .help(format!("write `{suggestion}: {written}`"));
                    self.report(diagnostic);
                    continue;
                }
            };
            let value = self.resolve(&arg.value, scope);
            names.push((name.text.clone(), name.span));
            projections.push(Projection { name, value });
        }
        self.given_twice(names);
        projections
    }

    /// `.to(connector, topic: …, key: …)`
    fn target(&mut self, op: &'a Op, args: &'a [Arg], declared: Declared<'a>, scope: &mut Scope<'a>) -> Option<Target> {
        let (connector, named) = match args {
            [Arg { name: None, value: ast::Expr { kind: ast::ExprKind::Name(text), span, .. } }, named @ ..] => {
                (Name { text: text.clone(), span: *span }, named)
            }
            _ => {
                let diagnostic = Diagnostic::new(Code::WrongArguments, op.span, "`.to` names no connector")
                    .help("its first argument is a connector: `.to(K, topic: \"…\")`");
                self.report(diagnostic);
                return None;
            }
        };
        let index = self.connector_index(&connector);
        let kind = index.map(|index| self.program.connectors[index].kind.clone());
        let labels = named.iter().filter_map(|arg| arg.name.as_ref());
        self.given_twice(labels.map(|name| (kafka_key(&name.text), name.span)));
        let mut topic = None;
        let mut topic_named = false;
        let mut key = None;
        let mut properties: Vec<Property> = Vec::new();
        for arg in named {
            let Some(label) = &arg.name else {
                let message = "after the connector, the arguments of `.to` have names";
                let diagnostic =
                    Diagnostic::new(Code::WrongArguments, arg.value.span, message).help("for example `topic: \"…\"`");
                self.report(diagnostic);
                continue;
            };
            match (label.text.as_str(), &kind) {
                ("topic", Some(ConnectorKind::Kafka(_)) | None) | ("path", Some(ConnectorKind::File { .. })) => {
                    topic_named = true;
                    topic = self.topic(&arg.value, scope);
                }
                ("key", Some(ConnectorKind::Kafka(_)) | None) => key = Some(self.resolve(&arg.value, scope)),
                ("record_timestamp" | "headers", Some(ConnectorKind::Kafka(_))) => {
                    self.not_yet(label.span, &format!("`{}` of `.to`", label.text));
                }
                (own, Some(ConnectorKind::Kafka(_))) => match kafka_key(own).as_str() {
                    "group_id" | "auto_offset_reset" | "brokers" | "bootstrap_servers" | "exactly_once" => {
                        self.unknown_argument(label, "`.to`", &["topic", "key", "record_timestamp", "headers"]);
                    }
                    _ => {
                        if let Some(value) = self.text(&arg.value, declared.variables) {
                            properties.extend(self.property(label, value));
                        }
                    }
                },
                (_, Some(ConnectorKind::File { .. })) => self.unknown_argument(label, "`.to` of a file", &["path"]),
                (_, Some(ConnectorKind::Console)) => self.unknown_argument(label, "`.to` of a console", &[]),
                (_, None) => {}
            }
        }
        let topic = match kind? {
            ConnectorKind::Kafka(kafka) => topic.or(kafka.topic.map(Topic::Fixed)).or_else(|| {
                if !topic_named {
                    self.missing_topic(&connector, ".to");
                }
                None
            })?,
            ConnectorKind::File { path } => topic.unwrap_or(Topic::Fixed(path)),
            ConnectorKind::Console => Topic::Fixed(At { value: String::new(), span: connector.span }),
        };
        Some(Target { connector: index?, topic, key, properties, span: op.span })
    }

    /// A text, a field, or a concatenation of these.
    fn topic(&mut self, expr: &ast::Expr, scope: &mut Scope<'_>) -> Option<Topic> {
        let before = self.diagnostics.len();
        let resolved = self.resolve(expr, scope);
        if self.diagnostics[before..].iter().any(Diagnostic::is_error) {
            return None;
        }
        if matches!(resolved.kind, ExprKind::String(_) | ExprKind::Variable(_) | ExprKind::Binary { .. })
            && let Ok(text) = self.constant_text(&resolved)
        {
            let topic = self.with_environment(text, expr.span)?;
            if topic.value.is_empty() {
                self.report(Diagnostic::new(Code::BadValue, expr.span, "a topic needs a name"));
                return None;
            }
            return Some(Topic::Fixed(topic));
        }
        if let Some(place) = no_topic(&resolved) {
            let diagnostic = Diagnostic::new(Code::BadValue, place, "this cannot name a topic")
                .help("a topic is a text, a field, or a concatenation: `topic: \"alerts-\" + region`");
            self.report(diagnostic);
            return None;
        }
        self.environment_in(resolved).map(Topic::Computed)
    }

    /// Replaces `${NAME}` in the texts of a concatenation.
    fn environment_in(&mut self, expr: Expr) -> Option<Expr> {
        let span = expr.span;
        let kind = match expr.kind {
            ExprKind::String(text) => ExprKind::String(self.with_environment(text, span)?.value),
            ExprKind::Binary { op, left, right } => {
                let (left, right) = (self.environment_in(*left), self.environment_in(*right));
                ExprKind::Binary { op, left: Box::new(left?), right: Box::new(right?) }
            }
            kind => kind,
        };
        Some(Expr { kind, span })
    }
}

/// The place in an expression of what a topic cannot consist of.
fn no_topic(expr: &Expr) -> Option<Span> {
    match &expr.kind {
        ExprKind::String(_) | ExprKind::Field(_) | ExprKind::Variable(_) | ExprKind::Member { .. } => None,
        ExprKind::Binary { op: BinaryOp::Add, left, right } => no_topic(left).or_else(|| no_topic(right)),
        _ => Some(expr.span),
    }
}
