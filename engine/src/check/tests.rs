//! The checker: what it makes of good programs, and what it says of bad ones.
//!
//! Every file `diagnostics/CODE.vpl` is a program with that problem; the file of the same name that ends in `.txt` holds
//! what is said of it, letter for letter. `KOLO_UPDATE=1` writes these files anew, to be read before they are committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::program::*;
use super::*;
use crate::diagnostic::{Code, render};

fn environment(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("broker".into()),
        "PORT" => Some("9092".into()),
        "NESTED" => Some("${HOST}".into()),
        _ => None,
    }
}

fn checked(text: &str) -> (Option<Program>, Vec<Diagnostic>) {
    check(&SourceFile::new("test.vpl", text), &environment)
}

/// A program without any problem.
fn good(text: &str) -> Program {
    let source = SourceFile::new("test.vpl", text);
    let (program, mut diagnostics) = check(&source, &environment);
    // Samples of one thing need not use all that they declare, nor be filters that let something pass.
    diagnostics.retain(|diagnostic| !matches!(diagnostic.code, Code::UnusedVariable | Code::NeverTrue));
    assert!(diagnostics.is_empty(), "{}", render(&source, &diagnostics, false));
    program.expect("no diagnostics")
}

fn codes(text: &str) -> Vec<&'static str> {
    checked(text).1.iter().map(|diagnostic| diagnostic.code.id()).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/check/diagnostics")
}

#[test]
fn diagnostics_read_as_they_should() {
    let update = std::env::var_os("KOLO_UPDATE").is_some();
    let mut programs: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of samples")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "vpl"))
        .collect();
    programs.sort();
    let mut wrong = Vec::new();
    for path in &programs {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let source = SourceFile::new(name.as_str(), fs::read_to_string(path).expect("UTF-8"));
        let (_, diagnostics) = check(&source, &environment);
        let found = render(&source, &diagnostics, false);
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &found).expect("a writable folder");
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(found.as_str()) {
            wrong.push(format!("{name} gives:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "KOLO_UPDATE=1 accepts these:\n{}", wrong.join("\n"));
    assert!(programs.len() >= Code::ALL.len(), "a sample for every code");
}

#[test]
fn every_code_has_a_sample_that_causes_it() {
    for code in Code::ALL.iter().filter(|code| **code != Code::TooLarge) {
        let path = folder().join(format!("{code}.vpl"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (program, diagnostics) = checked(&text);
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.code == *code), "{code} is not caused by its sample");
        assert_eq!(program.is_none(), diagnostics.iter().any(Diagnostic::is_error), "{code}");
    }
    let large = " ".repeat(crate::syntax::MAX_PROGRAM_BYTES + 1);
    assert_eq!(codes(&large), ["E009"]);
}

#[test]
fn the_documentation_lists_every_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnostics.md");
    let text = fs::read_to_string(path).expect("docs/diagnostics.md");
    let documented: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let id = cells.next()?.trim_matches('`').to_owned();
            let known = id.len() == 4 && id[1..].bytes().all(|byte| byte.is_ascii_digit());
            known.then(|| (id, cells.next().unwrap_or_default().to_owned()))
        })
        .collect();
    let declared: Vec<(String, String)> =
        Code::ALL.iter().map(|code| (code.id().to_owned(), code.title().to_owned())).collect();
    assert_eq!(documented, declared);
}

const KAFKA: &str = "connector K = kafka(brokers: \"b:9092\")\n";

/// An expression with all its parentheses.
fn show(e: &Expr) -> String {
    let all = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    let optional = |e: &Option<Box<Expr>>| e.as_ref().map_or(String::new(), |e| show(e));
    match &e.kind {
        ExprKind::Null => "null".into(),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::String(value) => format!("{value:?}"),
        ExprKind::Duration(value) => format!("{value}ns"),
        ExprKind::Timestamp(value) => format!("@{value}"),
        ExprKind::Array(items) => format!("[{}]", all(items)),
        ExprKind::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {}", show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        ExprKind::Field(name) => format!(".{name}"),
        ExprKind::Aggregate(call) => format!("a{call}"),
        ExprKind::Event => "event".into(),
        ExprKind::Captured(index) => format!("c{index}"),
        ExprKind::Variable(index) => format!("v{index}"),
        ExprKind::Parameter(index) => format!("p{index}"),
        ExprKind::Local(index) => format!("l{index}"),
        ExprKind::UserCall { function, args } => format!("f{function}({})", all(args)),
        ExprKind::Member { of, field } => format!("{}.{field}", show(of)),
        ExprKind::Index { of, index } => format!("{}[{}]", show(of), show(index)),
        ExprKind::Slice { of, from, to } => format!("{}[{}:{}]", show(of), optional(from), optional(to)),
        ExprKind::Call { function, args } => format!("{function:?}({})", all(args)),
        ExprKind::Lambda(body) => format!("=>{}", show(body)),
        ExprKind::Unary { op, operand } => format!("({op:?} {})", show(operand)),
        ExprKind::Binary { op, left, right } => format!("({} {op:?} {})", show(left), show(right)),
        ExprKind::IsNull { operand, negated } => format!("({} is null {negated})", show(operand)),
        ExprKind::Range { from, to, inclusive } => format!("({}..{} {inclusive})", show(from), show(to)),
        ExprKind::If { condition, then, otherwise } => {
            format!("(if {} {} {})", show(condition), show(then), show(otherwise))
        }
    }
}

fn operators(stream: &Stream) -> Vec<String> {
    let fields = |fields: &[Projection]| {
        fields.iter().map(|field| format!("{}={}", field.name.text, show(&field.value))).collect::<Vec<_>>().join(" ")
    };
    let one = |operator: &Operator| match operator {
        Operator::Where(predicate) => format!("where {}", show(predicate)),
        Operator::Select(projections) => format!("select {}", fields(projections)),
        Operator::Emit(projections) => format!("emit {}", fields(projections)),
        Operator::Limit(limit) => format!("limit {limit}"),
        Operator::Distinct(value) => format!("distinct {}", value.as_ref().map_or("all".into(), show)),
        Operator::Map(value) => format!("map {}", show(value)),
        Operator::Process(value) => format!("process {}", show(value)),
        Operator::Tell(tell) => format!("tell {:?} {} pieces", tell.level, tell.pieces.len()),
        Operator::Join(join) => format!("join of {}", join.keys.len()),
        Operator::Sequence(sequence) => format!("sequence of {}", sequence.steps.len()),
        Operator::PartitionBy(field) => format!("partition_by {}", show(field)),
        Operator::OrderBy(keys) => {
            let keys =
                keys.iter().map(|key| format!("{}{}", show(&key.value), if key.descending { " desc" } else { "" }));
            format!("order_by {}", keys.collect::<Vec<_>>().join(", "))
        }
        Operator::Window(window) => {
            let mut text = format!("window {:?}", window.kind);
            if let Some(partition) = &window.partition_by {
                text += &format!(" by {}", show(&partition.value));
            }
            if let Some(aggregate) = &window.aggregate {
                for call in &aggregate.calls {
                    text += &format!(" {:?}({})", call.function, call.argument.as_ref().map_or(String::new(), show));
                }
                text += &format!(" -> {}", fields(&aggregate.results));
            }
            text
        }
    };
    stream.operators.iter().map(one).collect()
}

/// The one predicate of a stream over the undeclared type `Tick`.
fn predicate(text: &str) -> String {
    let program = good(&format!("stream S = Tick as t .where({text}).emit()"));
    operators(&program.streams[0])[0].trim_start_matches("where ").to_owned()
}

#[test]
fn the_first_scenario_becomes_a_program() {
    let program = good(
        "connector local = kafka(brokers: [\"a:1\", \"b:2\"], linger_ms: 5)\nevent Tick:\n    symbol: str\n    price: float\n\
         stream Ticks = Tick.from(local, topic: \"ticks\", auto_offset_reset: \"earliest\")\n\
         stream Filtered = Ticks\n    .where(price > 50)\n    .emit(symbol: symbol, cost: -2 * price)\n    .to(local, topic: \"filtered\", key: symbol)\n",
    );
    let ConnectorKind::Kafka(kafka) = &program.connectors[0].kind else { panic!("{program:?}") };
    assert_eq!(kafka.brokers.as_ref().expect("brokers").value, "a:1,b:2");
    assert_eq!((kafka.properties[0].key.as_str(), kafka.properties[0].value.as_str()), ("linger.ms", "5"));
    assert_eq!(program.events[0].fields.len(), 2);
    let source = &program.sources[0];
    assert_eq!((source.event.text.as_str(), source.connector, source.topic.value.as_str()), ("Tick", 0, "ticks"));
    assert_eq!(source.auto_offset_reset, OffsetReset::Earliest);
    let [ticks, filtered] = &program.streams[..] else { panic!("{program:?}") };
    assert_eq!(ticks.inputs, [Input { from: Origin::Source(0), predicate: None }]);
    assert_eq!((ticks.operators.len(), &ticks.output), (0, &None));
    assert_eq!(filtered.inputs, [Input { from: Origin::Stream(0), predicate: None }]);
    assert_eq!(operators(filtered), ["where (.price Greater 50)", "emit symbol=.symbol cost=(-2 Multiply .price)"]);
    assert_eq!(filtered.output, Some(Output { event_type: Some("Filtered".into()), targets: vec![0] }));
    let target = &program.targets[0];
    assert!(matches!(&target.topic, Topic::Fixed(topic) if topic.value == "filtered"));
    assert_eq!(target.key.as_ref().map(show), Some(".symbol".into()));
}

#[test]
fn names_are_resolved_from_the_inside_out() {
    for (text, resolved) in [
        ("price > 5", "(.price Greater 5)"),
        ("t.price > Tick.price", "(.price Greater .price)"),
        ("t is null", "(event is null false)"),
        ("book.bids[0].price > 5", "(.book.bids[0].price Greater 5)"),
        ("len(map(xs, x => x.y + price)) > 0", "(Len(Map(.xs =>(p0.y Add .price))) Greater 0)"),
        ("map(xs, x => map(x, y => x + y))", "Map(.xs =>Map(p0 =>(p0 Add p1)))"),
        ("map(xs, t => t.price)", "Map(.xs =>p0.price)"),
        ("map(xs, x => map(x, x => x))", "Map(.xs =>Map(p0 =>p1))"),
        ("coalesce(a, -1, - 2.5)", "Coalesce(.a -1 -2.5)"),
        ("a[-1] == s[1:2]", "(.a[-1] Equal .s[1:2])"),
        ("x in (1..5) or not y", "((.x In (1..5 false)) Or (Not .y))"),
    ] {
        assert_eq!(predicate(text), resolved, "{text}");
    }
}

#[test]
fn variables_are_visible_below_their_declaration() {
    let program = good(
        "var low = 1\nlet high = low * 2\nstream A = Tick.where(x > low and x < high).emit()\nlow := low + 1\n\
         stream B = Tick.where(x > low).emit()\n",
    );
    assert_eq!(
        program.variables.iter().map(|v| show(&v.value)).collect::<Vec<_>>(),
        ["1", "(v0 Multiply 2)", "(v0 Add 1)"]
    );
    assert_eq!(operators(&program.streams[0]), ["where ((.x Greater v0) And (.x Less v1))"]);
    assert_eq!(operators(&program.streams[1]), ["where (.x Greater v2)"]);
    // Above its declaration the word is a field; in another variable it is nothing.
    let program = good("stream A = Tick.where(x > low).emit()\nlet low = 1\n");
    assert_eq!(operators(&program.streams[0]), ["where (.x Greater .low)"]);
    assert_eq!(codes("let a = b\nlet b = 1"), ["E028"]);
}

#[test]
fn functions_know_their_parameters_their_locals_and_the_variables_above_them() {
    let program = good(
        "let low = 5\nfn above(x: float, limit: float) -> bool:\n    var y = x + low\n    for x in [1, 2]:\n\
         \x20       let low = x\n        y := y + low\n    y > half(limit)\n\
         fn half(low: float): low / 2\n"
            .replace("): low", "):\n    low")
            .as_str(),
    );
    let [above, half] = &program.functions[..] else { panic!("{:?}", program.functions) };
    assert_eq!((above.parameters, above.locals, half.parameters, half.locals), (2, 5, 1, 1));
    let [BodyStatement::Set { local: 2, value }, BodyStatement::For { local: 3, body, .. }, BodyStatement::Value(last)] =
        &above.body[..]
    else {
        panic!("{:?}", above.body)
    };
    assert_eq!([value, last].map(show), ["(l0 Add v0)", "(l2 Greater f1(l1))"]);
    let [BodyStatement::Set { local: 4, value: low }, BodyStatement::Set { local: 2, value: sum }] = &body[..] else {
        panic!("{body:?}")
    };
    assert_eq!([low, sum].map(show), ["l3", "(l2 Add l4)"]);
}

#[test]
fn only_values_of_variables_depend_on_the_order_of_functions() {
    let below = "let a = f(1)\nfn f(x: int):\n    x + g()\nfn g():\n    2\n";
    good(&format!("{below}stream S = T.emit(a: a)"));
    let reads = "let a = f(1)\nlet b = 2\nfn f(x: int):\n    x + g()\nfn g():\n    b\nstream S = T.emit(a: a)";
    assert_eq!(codes(reads), ["E028"]);
}

#[test]
fn contexts_that_streams_name_tie_lanes_to_cores() {
    let program = good(
        "context a (cores: [2, 0])\ncontext b (cores: [0, 5])\ncontext c\ncontext unused (cores: [7])\n\
         stream S = T.context(b).emit()\nstream U = T.emit(x: 1).context(a)\nstream V = T.context(c).emit()",
    );
    assert_eq!(program.cores, [0, 5, 2]);
}

#[test]
fn calls_may_stack_up_to_a_limit() {
    let chain = |length: usize| {
        let functions = (0..length).map(|i| format!("fn f{i}(x: int):\n    f{}(x) + 1\n", i + 1));
        functions.collect::<String>() + &format!("fn f{length}(x: int):\n    x\nstream S = T.emit(a: f0(1))")
    };
    assert_eq!(codes(&chain(90)), <[&str; 0]>::default());
    assert_eq!(codes(&chain(110)), ["E030"]);
}

#[test]
fn filter_takes_an_expression_or_a_lambda_over_the_event() {
    let program = good("stream A = Tick.filter(price > 5).filter(e => e.price > low and len(keys(e)) > 2).emit()");
    assert_eq!(
        operators(&program.streams[0]),
        ["where (.price Greater 5)", "where ((.price Greater .low) And (Len(Keys(event)) Greater 2))"]
    );
}

#[test]
fn parameters_of_connectors_are_texts() {
    let kafka = |params: &str| {
        let program = good(&format!("let HOSTS = [\"a:1\", \"b:2\"]\nlet PRE = \"x-\"\nconnector K = kafka({params})"));
        let ConnectorKind::Kafka(kafka) = program.connectors[0].kind.clone() else { panic!("{program:?}") };
        kafka
    };
    let brokers = |params: &str| kafka(params).brokers.expect("brokers").value;
    assert_eq!(brokers("brokers: [\"a:1\", \"b:2\"]"), "a:1,b:2");
    assert_eq!(brokers("bootstrap_servers: HOSTS"), "a:1,b:2");
    assert_eq!(brokers("\"bootstrap.servers\": \"${HOST}:${PORT}\""), "broker:9092");
    assert_eq!(brokers("brokers: [\"${HOST}:1\", \"${HOST}:2\"]"), "broker:1,broker:2");
    assert_eq!(brokers("brokers: \"${NESTED}\""), "${HOST}", "a value is not searched again");
    assert_eq!(kafka("topic: PRE + \"y\" + z").topic.expect("a topic").value, "x-yz");
    assert_eq!(kafka("auto_offset_reset: earliest").auto_offset_reset.expect("a reset").value, OffsetReset::Earliest);
    assert_eq!(kafka("group_id: \"g\"").group_id.expect("a group").value, "g");
    assert_eq!(kafka("exactly_once: false").exactly_once.map(|at| at.value), Some(false));
    let properties: Vec<(String, String)> =
        kafka("linger_ms: 5, \"acks\": all, queued_max_messages_kbytes: -1, enable_idempotence: true, \"a.b\": 0.5")
            .properties
            .into_iter()
            .map(|property| (property.key, property.value))
            .collect();
    let expected = [
        ("linger.ms", "5"),
        ("acks", "all"),
        ("queued.max.messages.kbytes", "-1"),
        ("enable.idempotence", "true"),
        ("a.b", "0.5"),
    ];
    assert_eq!(properties, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn what_from_says_wins_over_its_connector() {
    let source = |connector: &str, from: &str| {
        let text = format!("connector K = kafka(topic: \"c\", {connector})\nstream S = T.from(K{from}).emit()");
        good(&text).sources.remove(0)
    };
    assert_eq!(source("", "").auto_offset_reset, OffsetReset::Latest);
    assert_eq!(source("auto_offset_reset: \"earliest\"", "").auto_offset_reset, OffsetReset::Earliest);
    assert_eq!(
        source("auto_offset_reset: \"earliest\"", ", auto_offset_reset: \"latest\"").auto_offset_reset,
        OffsetReset::Latest
    );
    assert_eq!(source("", "").topic.value, "c");
    assert_eq!(source("", ", topic: \"f\"").topic.value, "f");
    assert_eq!(source("group_id: \"c\"", "").group_id.map(|group| group.value), Some("c".into()));
    assert_eq!(source("group_id: \"c\"", ", group_id: \"f\"").group_id.map(|group| group.value), Some("f".into()));
    assert_eq!(source("", ", fetch_min_bytes: 7").properties[0].key, "fetch.min.bytes");
}

#[test]
fn topics_are_fixed_or_computed() {
    let topic = |topic: &str| {
        good(&format!("{KAFKA}let PRE = \"a-\"\nstream S = T.to(K, topic: {topic})")).targets.remove(0).topic
    };
    let fixed = |text: &str| match topic(text) {
        Topic::Fixed(topic) => topic.value,
        computed => panic!("{computed:?}"),
    };
    let computed = |text: &str| match topic(text) {
        Topic::Computed(expr) => show(&expr),
        fixed => panic!("{fixed:?}"),
    };
    assert_eq!(fixed("\"x\""), "x");
    assert_eq!(fixed("PRE + \"${HOST}\""), "a-broker");
    assert_eq!(computed("region"), ".region");
    assert_eq!(computed("\"${HOST}-\" + region + \"-x\""), "((\"broker-\" Add .region) Add \"-x\")");
    assert_eq!(computed("PRE + T.region"), "(v0 Add .region)");
}

#[test]
fn record_timestamps_and_headers_are_chosen_for_each_target() {
    let chosen = |arguments: &str| {
        let program = good(&format!("{KAFKA}let WHEN = \"event\"\nstream S = T.to(K, topic: \"t\"{arguments})"));
        (program.targets[0].record_timestamp, program.targets[0].pass_headers)
    };
    assert_eq!(chosen(""), (RecordTimestamp::Produced, false));
    assert_eq!(chosen(", record_timestamp: \"produced\", headers: \"none\""), (RecordTimestamp::Produced, false));
    assert_eq!(chosen(", record_timestamp: WHEN"), (RecordTimestamp::Event, false));
    assert_eq!(chosen(", headers: pass"), (RecordTimestamp::Produced, true));
}

#[test]
fn outputs_are_what_emit_and_to_make() {
    let program = good(&format!(
        "{KAFKA}connector C = console()\nconnector F = file(path: \"o.jsonl\")\n\
         stream A = T.emit()\nstream B = T.emit(as X, a: 1).to(K, topic: \"t\").to(C)\nstream D = T.emit as Y (a: a)\n\
         stream E = T.to(F).to(F, path: \"p\")\nstream G = T\nstream H = G.emit(as Z)\n"
    ));
    let outputs: Vec<Option<(&str, &[usize])>> = program
        .streams
        .iter()
        .map(|stream| {
            stream.output.as_ref().map(|output| (output.event_type.as_deref().unwrap_or_default(), &output.targets[..]))
        })
        .collect();
    assert_eq!(
        outputs,
        [Some(("A", &[][..])), Some(("X", &[0, 1])), Some(("Y", &[])), Some(("E", &[2, 3])), None, Some(("Z", &[]))]
    );
    assert_eq!(operators(&program.streams[0]), Vec::<String>::new(), "`.emit()` passes everything");
    let paths: Vec<&str> = program.targets[2..]
        .iter()
        .map(|target| match &target.topic {
            Topic::Fixed(path) => path.value.as_str(),
            Topic::Computed(_) => panic!(),
        })
        .collect();
    assert_eq!(paths, ["o.jsonl", "p"]);
}

#[test]
fn streams_may_be_declared_in_any_order() {
    let program = good(
        "stream B = A.where(b > 1).emit()\nstream A = Tick.select(b)\nstream M = merge(A, stream X = Tick.where(X.y > 1)).emit()\n",
    );
    assert_eq!(program.streams[0].inputs[0].from, Origin::Stream(1));
    let merged = &program.streams[2];
    assert_eq!(merged.inputs[0], Input { from: Origin::Stream(1), predicate: None });
    assert_eq!(merged.inputs[1].from, Origin::Event("Tick".into()));
    assert_eq!(merged.inputs[1].predicate.as_ref().map(show), Some("(.y Greater 1)".into()));
}

#[test]
fn events_inherit_and_aliases_are_replaced() {
    let program = good(
        "type Price = float\ntype Money = Price\nevent C extends B:\n    c: Money\n    a: str\nevent A:\n    a: int\nevent B extends A:\n    b: [Price]?\n",
    );
    let fields = |event: usize| {
        program.events[event].fields.iter().map(|field| (field.name.text.as_str(), &field.ty.kind)).collect::<Vec<_>>()
    };
    let [("a", ast::TypeKind::Str), ("b", ast::TypeKind::Optional(_)), ("c", ast::TypeKind::Float)] = &fields(0)[..]
    else {
        panic!("{:?}", fields(0));
    };
    assert!(matches!(fields(2)[..], [("a", ast::TypeKind::Int), ("b", _)]));
}

#[test]
fn a_chain_of_ten_streams_is_the_longest() {
    let chain = |length: usize| {
        let mut text = String::from("stream S1 = Tick\n");
        (2..=length).for_each(|i| text.push_str(&format!("stream S{i} = S{}\n", i - 1)));
        codes(&(text + &format!("stream Out = S{length}.emit()\n")))
    };
    assert_eq!(chain(9), Vec::<&str>::new());
    assert_eq!(chain(10), ["E030"]);
    assert_eq!(chain(500), ["E030"], "one diagnostic for one chain");
}

#[test]
fn an_event_inherits_from_a_hundred_others_at_most() {
    let chain = |length: usize| {
        let event = |i: usize| format!("event E{i} extends E{}:\n    f{i}: int\n", i - 1);
        let text: String = (1..=length).map(event).collect();
        codes(&format!("event E0:\n    f: int\n{text}"))
    };
    assert_eq!(chain(100), Vec::<&str>::new());
    assert_eq!(chain(102), ["E030", "E030"]);
}

#[test]
fn a_declaration_with_a_syntax_error_counts_as_declared() {
    assert_eq!(
        codes("connector K = kafka(brokers: )\nstream S = Tik.from(K, topic: \"t\").emit()\nevent Tick\n"),
        ["E010", "E010"]
    );
    assert_eq!(codes("let a = \nstream A = T.where(x > a).emit()\nlet b = a + 1"), ["E010"]);
    assert_eq!(codes("fn f(:\n    1\nstream A = T.where(f(x)).emit()"), ["E010"]);
    // Its fields may be those that cannot be read.
    assert_eq!(codes("event T:\n    a int\n    b: int\nstream A = T.where(a > 1 and b > 1).emit()"), ["E010"]);
    // What follows a stream may be a part of it.
    assert_eq!(codes("stream A = T as a -> T as b where a.x > 1 .emit()"), ["E011"]);
}

#[test]
fn a_loop_declares_streams() {
    let program = good("for i in 0..3:\n    stream S{i} = Tick.where(id == {i}).emit(name: \"n{i}\")\n");
    assert_eq!(program.streams.len(), 3);
    assert_eq!(operators(&program.streams[2]), ["where (.id Equal 2)", "emit name=\"n2\""]);
}

#[test]
fn variables_that_double_again_and_again_stay_small() {
    let mut text = String::from("let v0 = \"xy\"\n");
    (1..200).for_each(|i| text.push_str(&format!("let v{i} = v{0} + v{0}\n", i - 1)));
    text.push_str("connector K = kafka(topic: v199, brokers: v3)\n");
    assert_eq!(codes(&text), ["E034"]);
}

#[test]
fn function_names_are_distinct_and_complete() {
    let names: BTreeSet<&str> = Function::ALL.iter().map(|(_, name, ..)| *name).collect();
    let functions: BTreeSet<String> = Function::ALL.iter().map(|(function, ..)| format!("{function:?}")).collect();
    assert_eq!((names.len(), functions.len()), (Function::ALL.len(), Function::ALL.len()));
    for (position, (function, ..)) in Function::ALL.iter().enumerate() {
        assert_eq!(*function as usize, position, "in the order of the declaration, none left out");
    }
    assert_eq!(Function::Now as usize + 1, Function::ALL.len());
}

#[test]
fn operations_that_the_parser_skips_are_those_that_are_refused() {
    let refused: Vec<&str> = support::OPERATIONS
        .iter()
        .filter(|(_, support)| matches!(support, support::Support::Refused(_)))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(refused, crate::syntax::REFUSED_OPERATIONS);
}

#[test]
fn sample_programs_stay_readable_when_mutated() {
    let samples: Vec<String> = fs::read_dir(folder())
        .expect("the folder of samples")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "vpl"))
        .filter(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() < 1_000))
        .map(|path| fs::read_to_string(path).expect("UTF-8"))
        .collect();
    let mut seed: u64 = 0x2545_F491_4F6C_DD1D;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit.max(1)
    };
    for _ in 0..2_000 {
        let mut bytes = samples[below(samples.len())].clone().into_bytes();
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            match below(3) {
                0 => drop(bytes.remove(at)),
                1 => bytes[at] = below(256) as u8,
                _ => bytes.insert(at, b"(){}[]\".:,\n= ax1"[below(16)]),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (program, diagnostics) = checked(&text);
        assert_eq!(program.is_none(), diagnostics.iter().any(Diagnostic::is_error), "{text}");
        assert!(diagnostics.iter().all(|diagnostic| diagnostic.span.end as usize <= text.len()), "{text}");
    }
}

#[test]
fn the_programs_of_the_documentation_are_good() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vpl.md");
    let text = fs::read_to_string(path).expect("docs/vpl.md");
    let programs: Vec<&str> =
        text.split("```vpl\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(programs.len() >= 3, "the page has programs");
    for program in programs {
        let source = SourceFile::new("vpl.md", program);
        let (_, diagnostics) = check(&source, &|name| Some(format!("the value of {name}")));
        assert!(diagnostics.is_empty(), "{}", render(&source, &diagnostics, false));
    }
}

#[test]
fn the_documentation_names_every_operation_and_function() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vpl.md");
    let text = fs::read_to_string(path).expect("docs/vpl.md");
    for (name, _) in support::OPERATIONS {
        assert!(text.contains(&format!("`.{name}`")) || text.contains(&format!("`.{name}(")), ".{name}");
    }
    for (_, name, ..) in Function::ALL {
        assert!(text.contains(&format!("`{name}(")), "{name}");
    }
}

#[test]
fn the_scenarios_are_good() {
    let scenarios = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let folders = fs::read_dir(scenarios).expect("the scenarios").map(|entry| entry.expect("a readable folder").path());
    let programs: Vec<PathBuf> = folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| fs::read_dir(folder).expect("a readable folder"))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "vpl"))
        .collect();
    assert!(!programs.is_empty());
    for path in programs {
        let source = SourceFile::new(path.display().to_string(), fs::read_to_string(&path).expect("UTF-8"));
        let (_, diagnostics) = check(&source, &environment);
        assert!(diagnostics.is_empty(), "{}", render(&source, &diagnostics, false));
    }
}

#[test]
fn the_deepest_programs_that_parse_can_be_checked() {
    for text in [
        format!("a{}", " or b".repeat(256)),
        format!("{}a{}", "(".repeat(120), ")".repeat(120)),
        format!("{}a", "not ".repeat(120)),
        format!("{}a{}", "len(".repeat(100), ")".repeat(100)),
        format!("{}a", "if a then b else ".repeat(100)),
        format!("{}x", "map(a, x => ".repeat(50)) + &")".repeat(50),
        format!("a{}", ".b".repeat(256)),
    ] {
        let (program, diagnostics) = checked(&format!("stream S = Tick.where({text}).emit()"));
        assert!(program.is_some(), "{diagnostics:?}");
    }
}
