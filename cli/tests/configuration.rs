//! What programs and command lines may say about Kafka, and what is said back when it is wrong.

mod support;

use support::{Broker, Finished, Kind, Kolo, Message, fresh, kolo, number, numbers, numbers_in, on_each_broker};

on_each_broker![
    brokers_may_be_an_array_of_which_one_answers,
    a_beginning_may_be_chosen_on_connector_from_and_command_line,
    parameters_of_kolos_own_do_not_reach_librdkafka,
];

/// Runs a program as it is, without any of the flags that a broker under test needs.
fn run(program: &str, arguments: &[&str]) -> Finished {
    let mut command = kolo();
    command.args(["run", "--quiet", "--code", program]).args(arguments);
    Kolo::start(command).finish()
}

fn brokers_may_be_an_array_of_which_one_answers(broker: &Broker) {
    let own = broker.bootstrap();
    for brokers in
        [format!(r#"["127.0.0.1:1", "{own}"]"#), format!(r#"["{own}", "127.0.0.1:1"]"#), format!(r#"["{own}"]"#)]
    {
        let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
        broker.produce_values(&input, (0..10).map(number));
        let program = numbers(&input, &output, &group).replace(r#""replaced:9092""#, &brokers);
        run(&program, &["--until", "end"]).ok();
        assert_eq!(broker.ends(&output), [10], "{brokers}");
    }
}

fn a_beginning_may_be_chosen_on_connector_from_and_command_line(broker: &Broker) {
    let input = broker.topic("in", 1);
    broker.produce_values(&input, (0..10).map(number));
    // On the connector, on `.from`, on the command line; and how many of the ten records are read.
    let cases: [([Option<&str>; 3], i64); 9] = [
        ([None, None, None], 0),
        ([Some("earliest"), None, None], 10),
        ([Some("latest"), None, None], 0),
        ([None, Some("earliest"), None], 10),
        ([Some("latest"), Some("earliest"), None], 10),
        ([Some("earliest"), Some("latest"), None], 0),
        ([None, None, Some("earliest")], 10),
        ([Some("earliest"), Some("earliest"), Some("latest")], 0),
        ([Some("latest"), Some("latest"), Some("earliest")], 10),
    ];
    let output = broker.topic("out", 1);
    let mut outputs = 0;
    for ([connector, from, command_line], read) in cases {
        let said =
            |reset: Option<&str>| reset.map_or(String::new(), |reset| format!(r#", auto_offset_reset: "{reset}""#));
        let (connector_says, from_says, group) = (said(connector), said(from), fresh("group"));
        let program = format!(
            r#"
connector k = kafka(brokers: "replaced:9092", group_id: "{group}"{connector_says})
stream Numbers = Number.from(k, topic: "{input}"{from_says}).emit(n: n).to(k, topic: "{output}")
"#
        );
        let flags = command_line.map(|from| ["--from", from]);
        let arguments = ["--until", "end", "--quiet"].into_iter().chain(flags.into_iter().flatten());
        Kolo::run(broker, &program, arguments).finish().ok();
        outputs += read;
        assert_eq!(broker.ends(&output), [outputs], "connector {connector:?}, from {from:?}, --from {command_line:?}");
    }
}

fn parameters_of_kolos_own_do_not_reach_librdkafka(broker: &Broker) {
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..10).map(number));
    let program = format!(
        r#"
connector k = kafka(brokers: "replaced:9092", topic: "{input}", group_id: "unused", auto_offset_reset: "latest",
                    client_id: "tests", fetch_min_bytes: 1, linger_ms: 1)
stream Numbers = Number.from(k, group_id: "{group}", auto_offset_reset: "earliest")
    .emit(n: n)
    .to(k, topic: "{output}", key: n)
"#
    );
    let finished = Kolo::run(broker, &program, ["--until", "end", "--quiet", "-vv"]).finish().ok();
    assert_eq!(broker.ends(&output), [10]);
    assert_eq!(broker.committed(&input, &group), [Some(10)], "the group of .from wins");
    for complaint in ["No such configuration property", "CONFWARN", "unknown configuration"] {
        assert!(!finished.stderr.contains(complaint), "{}", finished.stderr);
    }
}

#[test]
fn from_a_point_in_time_reads_what_is_not_older() {
    // The mock cluster finds no offsets by time.
    let Some(broker) = Broker::real() else { return };
    assert_eq!(broker.kind(), Kind::Real);
    let input = broker.topic("in", 2);
    let base_ms = 1_775_990_400_000;
    let message = |n: u64| {
        let timestamp_ms = Some(base_ms + n as i64 * 1_000);
        Message { timestamp_ms, ..Message::of(number(n)).on((n % 2) as i32) }
    };
    broker.produce(&input, (0..20).map(message));
    for (from, first) in [
        ("2026-04-12T10:40:07Z", 7),
        ("2026-04-12T12:40:06.001+02:00", 7),
        ("1775990407000", 7),
        ("1775990000000", 0),
        ("2026-04-12T10:40:19Z", 19),
        ("2026-04-13T00:00:00Z", 20),
    ] {
        let output = broker.topic("out", 1);
        let program = numbers(&input, &output, &fresh("group"));
        Kolo::run(&broker, &program, ["--until", "end", "--quiet", "--from", from]).finish().ok();
        let mut read = numbers_in(&broker, &output).concat();
        read.sort_unstable();
        assert_eq!(read, (first..20).collect::<Vec<u64>>(), "--from {from}");
    }
}

#[test]
fn a_committed_offset_wins_over_every_choice_of_a_beginning() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..10).map(number));
    let program = numbers(&input, &output, &group);
    Kolo::run(&broker, &program, ["--until", "end", "--quiet"]).finish().ok();
    broker.produce_values(&input, (10..20).map(number));
    Kolo::run(&broker, &program, ["--until", "end", "--quiet", "--from", "latest"]).finish().ok();
    assert_eq!(numbers_in(&broker, &output), [(0..20).collect::<Vec<_>>()]);
}

#[test]
fn an_unknown_property_in_a_program_is_an_error_at_its_line_with_a_suggestion() {
    for (place, line) in [("connector", 2), ("from", 3), ("to", 5)] {
        let says = |here: &str| if here == place { ", lingr_ms: 5" } else { "" };
        let program = format!(
            "\nconnector k = kafka(brokers: \"127.0.0.1:1\"{})\nstream A = T.from(k, topic: \"t\"{})\n  .emit(x: x)\n  .to(k, topic: \"u\"{})\n",
            says("connector"),
            says("from"),
            says("to")
        );
        let finished = run(&program, &[]).code(1);
        for part in ["error[E024]", "lingr", &format!("<code>:{line}:"), "did you mean `linger_ms`?"] {
            assert!(finished.stderr.contains(part), "{place}: no {part:?} in\n{}", finished.stderr);
        }
    }
}

#[test]
fn a_value_that_librdkafka_refuses_is_an_error_at_its_line() {
    let program = "connector k = kafka(brokers: \"127.0.0.1:1\",\n  linger_ms: \"soon\")\nstream A = T.from(k, topic: \"t\").emit(x: x)";
    let finished = run(program, &[]).code(1);
    for part in ["error[", "<code>:2:", "linger.ms"] {
        assert!(finished.stderr.contains(part), "no {part:?} in\n{}", finished.stderr);
    }
}

#[test]
fn a_property_of_the_command_line_that_librdkafka_refuses_is_an_error() {
    let program = "connector k = kafka(brokers: \"127.0.0.1:1\")\nstream A = T.from(k, topic: \"t\").emit(x: x)";
    let finished = run(program, &["-X", "lingr.ms=5"]).code(1);
    assert!(
        finished.stderr.contains("lingr.ms") && finished.stderr.contains("did you mean linger.ms?"),
        "{}",
        finished.stderr
    );
    let finished = run(program, &["-X", "linger.ms=soon"]).code(1);
    assert!(finished.stderr.contains("linger.ms=soon"), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "one clear line: {}", finished.stderr);
    run(program, &["-X", "linger.ms"]).code(2);
}

#[test]
fn programs_with_errors_do_not_run_and_say_what_is_wrong_where() {
    let connector = "connector local = kafka(brokers: \"127.0.0.1:1\", topic: \"t\")\n";
    for (program, parts) in [
        ("stream A = T.from(local).where(x >", &["error[E", "<code>:2:"][..]),
        ("stream A = T.from(locla).emit(x: x)", &["error[E021]", "<code>:2:", "did you mean `local`?"]),
        ("stream A = T.from(local).emit(x: sqroot(x))", &["error[E023]", "<code>:2:", "sqroot"]),
        ("stream A = T.from(local).emit(x: sqr(x))", &["error[E023]", "did you mean `sqrt`?"]),
        ("stream A = T.from(local, topci: \"t\").emit(x: x)", &["error[E024]", "<code>:2:", "topci"]),
        ("stream A = T.from(local).wher(x > 1).emit(x: x)", &["error[E022]", "did you mean `where`?"]),
        ("stream A = T.from(local).emit(x: x).to(local, topic: \"\")", &["error[E", "<code>:2:"]),
        ("connector r = rabbit(url: \"u\")", &["error[E027]", "<code>:2:"]),
        ("connector m = kafka(brokers: \"${KOLO_TEST_UNSET}\")", &["error[E", "KOLO_TEST_UNSET"]),
    ] {
        let finished = run(&format!("{connector}{program}\n"), &[]).code(1);
        for part in parts {
            assert!(finished.stderr.contains(part), "{program}: no {part:?} in\n{}", finished.stderr);
        }
        assert_eq!(finished.stdout, "", "{program}");
    }
    let finished = run("stream A = T.emit(x: x)", &[]).code(1);
    assert!(finished.stderr.contains("the program reads nothing"), "{}", finished.stderr);
}

#[test]
fn names_that_resemble_declared_ones_are_warnings_and_the_program_runs() {
    let broker = Broker::mock();
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), fresh("group"));
    broker.produce_values(&input, (0..10).map(number));
    let declared = format!("event Number:\n    n: int\n    price: float\n{}", numbers(&input, &output, &group));
    let program = declared.replace(".emit(n: n)", ".where(is_null(pirce)).emit(n: n)");
    let finished = Kolo::run(&broker, &program, ["--until", "end", "--quiet"]).finish().ok();
    assert!(finished.stderr.contains("warning[W001]"), "{}", finished.stderr);
    assert!(finished.stderr.contains("did you mean `price`?"), "{}", finished.stderr);
    assert_eq!(broker.ends(&output), [10]);
}

#[test]
fn a_missing_program_or_event_file_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let program = folder.path().join("p.vpl");
    std::fs::write(&program, "stream A = T.emit(x: x)").expect("a file can be written");
    for (arguments, file) in [
        (vec!["run".as_ref(), "-f".as_ref(), missing.as_os_str()], &missing),
        (vec!["simulate".as_ref(), "-p".as_ref(), missing.as_os_str(), "-e".as_ref(), program.as_os_str()], &missing),
        (vec!["simulate".as_ref(), "-p".as_ref(), program.as_os_str(), "-e".as_ref(), missing.as_os_str()], &missing),
    ] {
        let mut command = kolo();
        command.args(&arguments);
        let finished = Kolo::start(command).finish().code(1);
        assert_eq!(finished.stderr.lines().count(), 1, "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(&file.display().to_string()), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn a_broker_that_is_down_at_the_start_is_one_clear_line() {
    let input = "connector k = kafka(brokers: \"127.0.0.1:1\")\nstream A = T.from(k, topic: \"t\").emit(x: x)";
    let programs = [input.to_owned(), format!("{input}.to(k, topic: \"u\")")];
    let running = programs.map(|program| {
        let mut command = kolo();
        command.args(["run", "--quiet", "--code", &program]);
        Kolo::start(command)
    });
    for finished in running.map(Kolo::finish) {
        let finished = finished.code(1);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        for part in ["connector k", "no broker answered at 127.0.0.1:1"] {
            assert!(finished.stderr.contains(part), "no {part:?} in\n{}", finished.stderr);
        }
        assert_eq!(finished.stdout, "", "it never listened");
    }
}

#[test]
fn a_missing_input_topic_is_an_error_that_names_the_command_to_create_it() {
    // The mock cluster creates every topic that it is asked for.
    let Some(broker) = Broker::real() else { return };
    let (missing, output) = (fresh("missing"), broker.topic("out", 1));
    let finished = Kolo::run(&broker, &numbers(&missing, &output, &fresh("group")), ["--quiet"]).finish().code(1);
    let command = format!("kafka-topics.sh --bootstrap-server {} --create --topic {missing}", broker.bootstrap());
    assert!(finished.stderr.contains(&command), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
}
