//! What streams read: `.from` with its connector, event types, other streams, merges.

use std::collections::HashMap;
use std::rc::Rc;

use super::constants::kafka_key;
use super::expression::{Fields, Scope, Shape};
use super::graph::names_read;
use super::program::{At, ConnectorKind, Input, Kafka, OffsetReset, Origin, Source, Timer};
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic, similar};
use crate::syntax::ast::{self, Arg, Branch, Name, OpKind, Param, SourceKind, Span};

impl<'a> Checker<'a> {
    /// Warns of names that are declared nowhere and look like misspelt ones.
    pub(super) fn check_source_names(&mut self, stream: &'a ast::Stream) {
        // A type that is bound to a topic is as good as declared, unless it looks like one that is.
        let bound = match &stream.source.kind {
            SourceKind::From { event, .. } if !self.names.events.contains(&event.text) => Some(event),
            _ => None,
        };
        if let Some(event) = bound
            && let Some(similar) = self.names.events.similar(&event.text)
        {
            self.misspelt(event, similar);
        }
        // The names in an algebra may be aliases.
        if !stream.ops.iter().any(|op| matches!(op.kind, OpKind::Pattern { .. })) {
            for name in names_read(stream) {
                self.check_read_name(name, Some(&stream.name.text));
            }
        }
    }

    /// Warns of a name that is read as an event type and looks like a declared one. A stream does not mean itself.
    pub(super) fn check_read_name(&mut self, name: &'a Name, own: Option<&str>) {
        if !self.names.is_source(&name.text)
            && let Some(similar) = self.names.similar_source(&name.text).filter(|similar| Some(*similar) != own)
        {
            self.misspelt(name, similar);
        }
    }

    fn misspelt(&mut self, name: &Name, similar: &str) {
        let message = format!("nothing named `{}` is declared; it is read as an event type", name.text);
        self.report(Diagnostic::new(Code::SimilarName, name.span, message).suggest(Some(similar)));
    }

    /// `.from`: the connector, and the parameters of both.
    pub(super) fn resolve_source(&mut self, declared: Declared<'a>) -> Option<usize> {
        let SourceKind::From { event, connector, params } = &declared.stream.source.kind else { return None };
        let index = self.connector_index(connector)?;
        self.given_twice(params.iter().map(|param| (kafka_key(&param.key.text), param.key.span)));
        let mut source = Source {
            event: Name { text: self.names.type_in_data(&event.text), span: event.span },
            connector: index,
            topic: At { value: String::new(), span: connector.span },
            auto_offset_reset: OffsetReset::Latest,
            group_id: None,
            key: None,
            properties: Vec::new(),
            span: declared.stream.source.span,
        };
        match self.program.connectors[index].kind.clone() {
            ConnectorKind::Kafka(kafka) => {
                self.kafka_source(&mut source, kafka, connector, params, declared.variables)?
            }
            ConnectorKind::File { path } => {
                source.topic = path;
                source.auto_offset_reset = OffsetReset::Earliest;
                for param in params {
                    match param.key.text.as_str() {
                        "path" => source.topic = self.text(&param.value, declared.variables)?,
                        _ => self.unknown_argument(&param.key, "`.from` of a file", &["path"]),
                    }
                }
            }
            ConnectorKind::Console => {
                let message = format!("`{}` is a console, and a console is only written to", connector.text);
                let diagnostic =
                    Diagnostic::new(Code::BadValue, connector.span, message).help("read from kafka or from a file");
                self.report(diagnostic);
                return None;
            }
        }
        self.program.sources.push(source);
        Some(self.program.sources.len() - 1)
    }

    /// What `.from` says of a Kafka topic, and what it leaves to its connector.
    fn kafka_source(
        &mut self,
        source: &mut Source,
        kafka: Kafka,
        connector: &Name,
        params: &[Param],
        variables: usize,
    ) -> Option<()> {
        let (mut topic, mut topic_named) = (kafka.topic, false);
        let mut reset = kafka.auto_offset_reset;
        source.group_id = kafka.group_id;
        for param in params {
            let key = kafka_key(&param.key.text);
            topic_named |= key == "topic";
            let Some(value) = self.text(&param.value, variables) else { continue };
            match key.as_str() {
                "topic" => topic = self.not_empty(value, "a topic"),
                "group_id" => source.group_id = self.not_empty(value, "a consumer group"),
                "key" => source.key = self.key_field(value, &source.event),
                "auto_offset_reset" => reset = self.offset_reset(value),
                "brokers" | "bootstrap_servers" | "exactly_once" => self.belongs_to_connector(param),
                _ => source.properties.extend(self.property(&param.key, value)),
            }
        }
        source.auto_offset_reset = reset.map_or(OffsetReset::Latest, |reset| reset.value);
        if topic.is_none() && !topic_named {
            let named = params.iter().map(|param| &param.key);
            self.missing_topic(connector, ".from", named);
        }
        source.topic = topic?;
        Some(())
    }

    /// `key:` names a field of the events that arrive.
    fn key_field(&mut self, key: At<String>, event: &Name) -> Option<At<String>> {
        let key = self.not_empty(key, "the field of the key")?;
        if let Some(declared) = self.program.events.iter().find(|declared| declared.name.text == event.text) {
            let names = declared.fields.iter().map(|field| field.name.text.clone()).collect();
            let fields = Fields::Declared(Rc::new(Shape::new(event.text.clone(), names)));
            self.expect_field(&key.value, key.span, &fields);
        }
        Some(key)
    }

    fn belongs_to_connector(&mut self, param: &Param) {
        let message = format!("`{}` belongs to the connector", param.key.text);
        let diagnostic = Diagnostic::new(Code::UnknownArgument, param.key.span, message)
            .help("declare a second connector with another value");
        self.report(diagnostic);
    }

    /// Neither an argument of this operation nor its connector is a topic; one of the arguments may be misspelt.
    pub(super) fn missing_topic<'n>(&mut self, connector: &Name, of: &str, mut named: impl Iterator<Item = &'n Name>) {
        let message = format!("neither this `{of}` nor the connector `{}` names a topic", connector.text);
        let misspelt = named.find(|name| similar(&name.text, ["topic"]).is_some());
        self.report(match misspelt {
            Some(name) => Diagnostic::new(Code::MissingTopic, name.span, message).suggest(Some("topic")),
            None => Diagnostic::new(Code::MissingTopic, connector.span, message)
                .help(format!("name it here: `{of}({}, topic: \"…\")`", connector.text)),
        });
    }

    pub(super) fn connector_index(&mut self, name: &Name) -> Option<usize> {
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
    pub(super) fn check_agreement(&mut self) {
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
    pub(super) fn inputs(
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
            SourceKind::Named { name, predicate, alias, .. } => {
                let (from, fields) = self.origin(name, of_type, streams);
                let mut scope = Scope::new(fields, declared.variables);
                scope.alias = alias.as_ref().map(|alias| alias.text.as_str());
                scope.qualifiers.push(&name.text);
                let predicate = predicate.as_ref().map(|predicate| self.resolve(predicate, &mut scope));
                (vec![Input { from, predicate }], scope)
            }
            SourceKind::Merge(branches) => self.merge(branches, declared, of_type, streams),
            // They are resolved as what they are.
            SourceKind::Join { .. } | SourceKind::Sequence(_) => (Vec::new(), any()),
            SourceKind::Timer(args) => {
                let timer = self.timer(args, declared);
                let input = timer.map(|timer| Input { from: Origin::Timer(timer), predicate: None });
                let fields = Fields::made(&stream.name.text, &[]);
                (input.into_iter().collect(), Scope::new(fields, declared.variables))
            }
        }
    }

    /// `timer(d, initial_delay: d)`
    fn timer(&mut self, args: &'a [Arg], declared: Declared<'a>) -> Option<usize> {
        self.given_twice(args.iter().filter_map(|arg| arg.name.as_ref()).map(|name| (name.text.clone(), name.span)));
        let (mut every, mut delay) = (None, None);
        for arg in args {
            match &arg.name {
                None if every.is_none() => {
                    every = Some(self.span_of_time(&arg.value, 1, declared.variables, "a timer takes a duration")?);
                }
                Some(name) if name.text == "initial_delay" => {
                    let what = "`initial_delay` takes a duration";
                    delay = Some(self.span_of_time(&arg.value, 0, declared.variables, what)?);
                }
                Some(name) => self.unknown_argument(name, "`timer`", &["initial_delay"]),
                None => {
                    let message = "a timer takes one duration";
                    let diagnostic = Diagnostic::new(Code::WrongArguments, arg.value.span, message)
                        .help("for example `timer(5s, initial_delay: 1s)`");
                    self.report(diagnostic);
                }
            }
        }
        let Some(every_ns) = every else {
            let diagnostic =
                Diagnostic::new(Code::WrongArguments, declared.stream.source.span, "this timer has no duration")
                    .help("say how often it fires: `timer(5s)`");
            self.report(diagnostic);
            return None;
        };
        self.program.timers.push(Timer { every_ns, initial_delay_ns: delay.unwrap_or(every_ns) });
        Some(self.program.timers.len() - 1)
    }

    pub(super) fn origin(&self, name: &Name, of_type: impl Fn(&str) -> Fields, streams: &[Fields]) -> (Origin, Fields) {
        match self.names.streams.get(&name.text) {
            Some(stream) => (Origin::Stream(stream), streams[stream].clone()),
            None => (Origin::Event(self.names.type_in_data(&name.text)), of_type(&name.text)),
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
}
