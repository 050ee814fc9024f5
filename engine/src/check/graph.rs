//! Which stream reads which.

use std::collections::HashMap;

use super::program::MAX_DEPTH;
use super::{Checker, Declared};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{self, EventAlgebra, Name, OpKind, SourceKind};

impl<'a> Checker<'a> {
    /// The streams so that each comes after those that it reads. Circles come last.
    pub(super) fn order_streams(&mut self, streams: &[Declared<'a>]) -> Vec<usize> {
        let mut emitters: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, declared) in streams.iter().enumerate() {
            for event_type in self.emitted_by(declared.stream) {
                emitters.entry(event_type).or_default().push(index);
            }
        }
        let reads: Vec<Vec<usize>> = streams
            .iter()
            .map(|declared| {
                let names = names_read(declared.stream).into_iter().flat_map(|name| self.events_of(name));
                // Whoever emits events of a type feeds the streams that read it.
                let read = |name: &Name| match self.names.streams.get(&name.text) {
                    Some(stream) => vec![stream],
                    None => emitters.get(self.names.type_in_data(&name.text).as_str()).cloned().unwrap_or_default(),
                };
                names.flat_map(read).collect()
            })
            .collect();
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); streams.len()];
        for (reader, read) in reads.iter().enumerate() {
            read.iter().for_each(|read| readers[*read].push(reader));
        }
        let mut waiting: Vec<usize> = reads.iter().map(Vec::len).collect();
        let mut order: Vec<usize> = (0..streams.len()).filter(|stream| waiting[*stream] == 0).collect();
        let mut done = 0;
        while done < order.len() {
            for reader in &readers[order[done]] {
                waiting[*reader] -= 1;
                if waiting[*reader] == 0 {
                    order.push(*reader);
                }
            }
            done += 1;
        }
        self.report_long_chains(streams, &order, &reads);
        self.report_circles(streams, &waiting, &reads);
        order.extend((0..streams.len()).filter(|stream| waiting[*stream] > 0));
        order
    }

    /// The types of the events that a stream's `.process` emits; a type may come several times.
    fn emitted_by(&self, stream: &'a ast::Stream) -> Vec<&str> {
        let mut types = Vec::new();
        for op in stream.ops.iter().filter(|op| op.name.text == "process") {
            if let OpKind::Plain(args) = &op.kind {
                args.iter().for_each(|arg| self.emitted_in(&arg.value, &mut types));
            }
        }
        types
    }

    fn emitted_in<'s>(&'s self, expr: &'a ast::Expr, types: &mut Vec<&'s str>) {
        if let ast::ExprKind::Name(name) = &expr.kind
            && let Some((function, _)) = self.names.functions.get(name)
        {
            types.extend(self.functions.emits[function].iter().map(|(event_type, _)| event_type.as_str()));
        }
        expr.parts(&mut |part| self.emitted_in(part, types));
    }

    /// What is read by the name: the steps of a pattern, or the name itself.
    fn events_of(&self, name: &'a Name) -> Vec<&'a Name> {
        match self.names.patterns.get(&name.text) {
            Some(pattern) if !self.names.streams.contains(&name.text) => {
                pattern.steps.iter().map(|step| &step.event).collect()
            }
            _ => vec![name],
        }
    }

    fn report_long_chains(&mut self, streams: &[Declared<'a>], order: &[usize], reads: &[Vec<usize>]) {
        let mut depths = vec![0; streams.len()];
        for stream in order {
            depths[*stream] = 1 + reads[*stream].iter().map(|read| depths[*read]).max().unwrap_or(0);
            // The streams behind it are too deep because of it.
            if depths[*stream] == MAX_DEPTH + 1 {
                let name = &streams[*stream].stream.name;
                let message =
                    format!("`{}` is the {}th stream of a chain; {MAX_DEPTH} is the most", name.text, MAX_DEPTH + 1);
                let diagnostic = Diagnostic::new(Code::LongChain, name.span, message)
                    .help("put the work of several streams of the chain into one");
                self.report(diagnostic);
            }
        }
    }

    /// Follows the first unfinished stream that each one reads, until a stream comes again.
    fn report_circles(&mut self, streams: &[Declared<'a>], waiting: &[usize], reads: &[Vec<usize>]) {
        let mut visited = vec![false; streams.len()];
        for start in (0..streams.len()).filter(|stream| waiting[*stream] > 0) {
            let mut path = Vec::new();
            let mut next = Some(start);
            while let Some(stream) = next.filter(|stream| !visited[*stream]) {
                visited[stream] = true;
                path.push(stream);
                next = reads[stream].iter().copied().find(|read| waiting[*read] > 0);
            }
            let Some(begin) = next.and_then(|last| path.iter().position(|stream| *stream == last)) else { continue };
            let circle = &path[begin..];
            let first = &streams[circle[0]].stream.name;
            let mut names: Vec<String> =
                circle.iter().map(|stream| format!("`{}`", streams[*stream].stream.name.text)).collect();
            names.push(format!("`{}`", first.text));
            let shown = if names.len() > MAX_SHOWN {
                format!("{} reads … reads {}", names[..MAX_SHOWN].join(" reads "), names[0])
            } else {
                names.join(" reads ")
            };
            let mut diagnostic =
                Diagnostic::new(Code::Cycle, first.span, format!("streams read each other in a circle: {shown}"));
            if circle.len() == 1 {
                let help = "if it is meant to read an event type of that name, give the stream another one";
                diagnostic = diagnostic.help(help);
            }
            self.report(diagnostic);
        }
    }

    /// A stream that puts nothing out is of use only to those that read it.
    pub(super) fn report_unread(&mut self, streams: &[Declared<'a>], silent: &[bool]) {
        if !self.torn.is_empty() {
            return;
        }
        let mut read = vec![false; streams.len()];
        let in_patterns = self.names.patterns.values().flat_map(|pattern| pattern.steps.iter().map(|step| &step.event));
        for name in streams.iter().flat_map(|declared| names_read(declared.stream)).chain(in_patterns) {
            if let Some(stream) = self.names.streams.get(&name.text) {
                read[stream] = true;
            }
        }
        for (index, declared) in streams.iter().enumerate().filter(|(index, _)| silent[*index] && !read[*index]) {
            let name = &declared.stream.name;
            if self.names.streams.get(&name.text) == Some(index) {
                let message = format!("`{}` puts nothing out, and no stream reads it", name.text);
                let diagnostic = Diagnostic::new(Code::UnreadStream, name.span, message)
                    .help("end it with `.emit()` or `.to(…)`, or leave it out");
                self.report(diagnostic);
            }
        }
    }
}

/// More names of a circle than a message needs.
const MAX_SHOWN: usize = 12;

/// The event types, streams and patterns that a stream reads.
pub(super) fn names_read(stream: &ast::Stream) -> Vec<&Name> {
    let mut names = Vec::new();
    match &stream.source.kind {
        SourceKind::From { .. } | SourceKind::Timer(_) => {}
        SourceKind::Named { name, .. } => names.push(name),
        SourceKind::Merge(branches) | SourceKind::Join { sides: branches, .. } => {
            names.extend(branches.iter().map(|branch| &branch.source));
        }
        SourceKind::Sequence(steps) => names.extend(steps.iter().map(|step| &step.event)),
    }
    for op in &stream.ops {
        match &op.kind {
            OpKind::Follow(step) => names.push(&step.event),
            OpKind::Not { event, .. } => names.push(event),
            OpKind::Pattern { events, .. } => algebra_names(events, &mut names),
            OpKind::Plain(_) | OpKind::Emit { .. } | OpKind::OrderBy(_) | OpKind::Refused => {}
        }
    }
    names
}

fn algebra_names<'a>(events: &'a EventAlgebra, names: &mut Vec<&'a Name>) {
    match events {
        EventAlgebra::Event(name) => names.push(name),
        EventAlgebra::Not(of) => algebra_names(of, names),
        EventAlgebra::Then(all) | EventAlgebra::And(all) | EventAlgebra::Or(all) | EventAlgebra::Xor(all) => {
            all.iter().for_each(|events| algebra_names(events, names));
        }
    }
}
