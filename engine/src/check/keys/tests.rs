//! By what states are kept, and by what topics are keyed.

use super::{Division, states};
use crate::check::check;
use crate::check::program::Program;
use crate::diagnostic::{Code, Diagnostic, SourceFile, render};

const HEAD: &str = "connector K = kafka(brokers: \"b:9092\")\n";

fn checked(text: &str) -> (Program, Vec<Diagnostic>, String) {
    let text = format!("{HEAD}{text}\n");
    let source = SourceFile::new("test.vpl", text.as_str());
    let (program, mut diagnostics) = check(&source, &|_| None);
    let Some(program) = program else { panic!("{}", render(&source, &diagnostics, false)) };
    // Some samples write and read one topic, or read its type elsewhere, or have half a window.
    let others = [Code::TopicTwice, Code::UnreadStream, Code::HalfWindow];
    diagnostics.retain(|diagnostic| !others.contains(&diagnostic.code));
    (program, diagnostics, text)
}

/// The warnings of a program: what is underlined, and the message.
fn warnings(text: &str) -> Vec<String> {
    let (_, diagnostics, text) = checked(text);
    let shown = |diagnostic: &Diagnostic| {
        assert_eq!(diagnostic.code, Code::AcrossPartitions, "{}", diagnostic.message);
        format!("{}: {}", &text[diagnostic.span.range()], diagnostic.message)
    };
    diagnostics.iter().map(shown).collect()
}

/// How the states of a program lie in the partitions.
fn divisions(text: &str) -> Vec<Division> {
    let (program, ..) = checked(text);
    states(&program).into_iter().map(|state| state.division).collect()
}

/// Over a topic that is keyed by `symbol`.
fn keyed(rest: &str) -> String {
    format!("stream Ticks = Tick.from(K, topic: \"ticks\", key: symbol)\n{rest}")
}

const COUNT: &str = ".window(1m).aggregate(n: count()).emit()";

#[test]
fn a_state_by_the_key_is_right() {
    for rest in [
        format!("stream S = Ticks.partition_by(symbol){COUNT}"),
        format!("stream S = Ticks.where(price > 5).limit(9).partition_by(Ticks.symbol){COUNT}"),
        format!("stream S = Ticks.select(s: symbol, price).partition_by(s){COUNT}"),
        format!("stream R = Ticks.emit(s: symbol)\nstream S = R.select(t: s).partition_by(t){COUNT}"),
        format!("stream R = Ticks.map(e => {{s: e.symbol}}).partition_by(s){COUNT}"),
        format!("stream R = Ticks.partition_by(symbol){COUNT}\nstream S = R.partition_by(symbol){COUNT}"),
        format!(
            "stream R = Ticks.partition_by(symbol).window(5).aggregate(l: last(symbol)).emit()\n\
             stream S = R.partition_by(l){COUNT}"
        ),
        format!("stream R = Ticks.partition_by(symbol).window(5)\nstream S = R.partition_by(symbol){COUNT}"),
        format!("stream S = merge(Ticks, stream X = Ticks.where(price > 5)).partition_by(symbol){COUNT}"),
        format!("stream S = Tick.partition_by(symbol){COUNT}"),
        "stream S = Ticks as a -> all Tick as b .partition_by(symbol).emit(n: count(b))".to_owned(),
        format!(
            "stream R = Ticks as a -> Ticks as b .partition_by(symbol).emit(s: b.symbol)\n\
             stream S = R.partition_by(s){COUNT}"
        ),
        format!(
            "stream R = Ticks as a -> Ticks as b .partition_by(symbol).emit()\nstream S = R.partition_by(b_symbol){COUNT}"
        ),
        "stream S = join(Ticks, Tick).on(Ticks.symbol == Tick.symbol).emit(v: Tick.v)".to_owned(),
        format!(
            "stream R = join(stream a = Ticks, stream b = Ticks).on(a.v == b.v and a.symbol == b.symbol).emit(s: b.symbol)\n\
             stream S = R.partition_by(s){COUNT}"
        ),
        format!("stream S = Ticks.process(f(symbol)).partition_by(x){COUNT}\nfn f(s: str):\n    emit X(x: s)"),
    ] {
        let text = keyed(&rest);
        assert_eq!(warnings(&text), Vec::<String>::new(), "{text}");
        let all = divisions(&text);
        let known = !rest.contains("process");
        assert!(
            !all.is_empty() && (!known || all.iter().all(|division| *division == Division::ByKey)),
            "{text}: {all:?}"
        );
    }
}

#[test]
fn a_state_by_another_field_is_warned_of() {
    let by = |by: &str, place: &str| {
        vec![format!("{place}: this keeps a state for each `{by}`, and topic ticks is keyed by `symbol`")]
    };
    for (rest, expected) in [
        (format!("stream S = Ticks.partition_by(venue){COUNT}"), by("venue", "venue")),
        (format!("stream S = Ticks.partition_by(Ticks.venue){COUNT}"), by("venue", "Ticks.venue")),
        (format!("stream S = Ticks.select(s: symbol, v: venue).partition_by(v){COUNT}"), by("v", "v")),
        (format!("stream S = Ticks.select(symbol: venue).partition_by(symbol){COUNT}"), by("symbol", "symbol")),
        (format!("stream S = Tick.partition_by(venue){COUNT}"), by("venue", "venue")),
        ("stream S = Ticks as a -> Ticks as b .partition_by(venue).emit()".to_owned(), by("venue", "venue")),
        // Said once, and not again of what follows from it.
        (
            format!("stream R = Ticks.partition_by(venue){COUNT}\nstream S = R.partition_by(n){COUNT}"),
            by("venue", "venue"),
        ),
        (
            format!(
                "stream U = Quote.from(K, topic: \"quotes\")\nstream S = merge(U, Ticks).partition_by(venue){COUNT}"
            ),
            by("venue", "venue"),
        ),
    ] {
        assert_eq!(warnings(&keyed(&rest)), expected, "{rest}");
    }
}

#[test]
fn the_help_names_the_key_where_it_is_still_there() {
    let help = |rest: &str| checked(&keyed(rest)).1[0].help.clone().expect("a help");
    assert!(
        help(&format!("stream S = Ticks.select(s: symbol, v: venue).partition_by(v){COUNT}"))
            .starts_with("partition by `s`,")
    );
    assert!(
        help(&format!("stream S = Ticks.select(v: venue).partition_by(v){COUNT}")).starts_with("keep `symbol` and")
    );
}

#[test]
fn what_is_computed_of_the_key_may_be_as_good() {
    for rest in [
        format!("stream S = Ticks.select(s: lower(symbol)).partition_by(s){COUNT}"),
        format!("stream S = Ticks.select(s: symbol + \"-\" + venue).partition_by(s){COUNT}"),
    ] {
        assert_eq!(warnings(&keyed(&rest)), Vec::<String>::new(), "{rest}");
        assert_eq!(divisions(&keyed(&rest)), [Division::Unknown], "{rest}");
    }
}

#[test]
fn one_state_for_all_events_is_warned_of_where_the_key_is_declared() {
    let text = keyed(&format!("stream S = Ticks{COUNT}"));
    assert_eq!(warnings(&text), ["S: `S` keeps one state for all events, and topic ticks is keyed by `symbol`"]);
    // Alone, an event needs no other.
    assert_eq!(warnings(&keyed("stream S = Ticks.aggregate(n: count()).emit()")), Vec::<String>::new());
    // A condition may say what belongs together.
    assert_eq!(
        warnings(&keyed("stream S = Ticks as a -> Tick where symbol == a.symbol as b .emit()")),
        Vec::<String>::new()
    );
}

#[test]
fn nothing_is_known_of_other_topics() {
    let text = format!("stream Ticks = Tick.from(K, topic: \"ticks\")\nstream S = Ticks.partition_by(venue){COUNT}");
    assert_eq!(warnings(&text), Vec::<String>::new());
    assert_eq!(divisions(&text), [Division::Unknown]);
    let text = format!("stream Ticks = Tick.from(K, topic: \"ticks\")\nstream S = Ticks{COUNT}");
    assert_eq!(warnings(&text), Vec::<String>::new());
    assert_eq!(divisions(&text), [Division::Whole(None)]);
    let text = "connector F = file(path: \"f\")\nstream Ticks = Tick.from(F)\nstream S = Ticks.partition_by(venue)";
    assert_eq!(warnings(&format!("{text}{COUNT}")), Vec::<String>::new());
}

#[test]
fn the_program_knows_the_keys_of_what_it_writes() {
    let read = |write: &str, by: &str| {
        warnings(&format!(
            "stream Raw = Tick.from(K, topic: \"raw\")\n{write}\nstream In = Again.from(K, topic: \"again\")\n\
             stream S = In.partition_by({by}){COUNT}"
        ))
    };
    let venue = ["venue: this keeps a state for each `venue`, and topic again is keyed by `symbol`"];
    let none: [&str; 0] = [];
    let written = "stream W = Raw.emit(symbol: symbol, venue: venue).to(K, topic: \"again\", key: symbol)";
    assert_eq!(read(written, "symbol"), none);
    assert_eq!(read(written, "venue"), venue);
    // By the partition field, where `.to` names no key.
    let window = "stream W = Raw.partition_by(symbol).window(1m).aggregate(n: count(), venue: last(venue)).emit()\
                  .to(K, topic: \"again\")";
    assert_eq!(read(window, "symbol"), none);
    assert_eq!(read(window, "venue"), venue);
    let renamed = "stream W = Raw.partition_by(symbol).window(1m).aggregate(n: count(), venue: last(venue))\
                   .emit(symbol: symbol, s: symbol, venue: venue).to(K, topic: \"again\")";
    assert_eq!(read(renamed, "s"), none);
    let stateless = "stream W = Raw.partition_by(symbol).emit(symbol: symbol, venue: venue).to(K, topic: \"again\")";
    assert_eq!(read(stateless, "venue"), venue);
    let sequence = "stream W = Raw as a -> Raw as b .partition_by(symbol).emit(symbol: a.symbol, venue: b.venue)\
                    .to(K, topic: \"again\")";
    assert_eq!(read(sequence, "symbol"), none);
    assert_eq!(read(sequence, "venue"), venue);
    // The input's key, or a computed one: nobody knows.
    assert_eq!(read("stream W = Raw.emit(venue: venue).to(K, topic: \"again\")", "venue"), none);
    assert_eq!(read("stream W = Raw.emit(s: symbol).to(K, topic: \"again\", key: lower(s))", "venue"), none);
    // Two writers with different keys.
    let two = format!("{written}\nstream V = Raw.emit(venue: venue).to(K, topic: \"again\", key: venue)");
    assert_eq!(read(&two, "venue"), none);
    // What `.from` says counts.
    let said = format!(
        "stream Raw = Tick.from(K, topic: \"raw\")\n{written}\nstream In = Again.from(K, topic: \"again\", key: venue)\n\
         stream S = In.partition_by(venue){COUNT}"
    );
    assert_eq!(warnings(&said), none);
}

#[test]
fn an_output_without_a_key_of_its_own_has_that_of_its_input() {
    let text = format!(
        "{}\nstream In = Again.from(K, topic: \"again\")\nstream S = In.partition_by(venue){COUNT}",
        keyed("stream W = Ticks.emit(s: symbol, venue: venue).to(K, topic: \"again\")")
    );
    assert_eq!(warnings(&text), ["venue: this keeps a state for each `venue`, and topic again is keyed by `s`"]);
}

#[test]
fn every_side_of_a_join_is_keyed_by_its_part() {
    let join = |on: &str| {
        let quotes = "stream Quotes = Quote.from(K, topic: \"quotes\", key: \"instrument\")";
        warnings(&keyed(&format!("{quotes}\nstream S = join(Ticks, Quotes).on({on}).emit(v: Ticks.v)")))
    };
    let none: [&str; 0] = [];
    assert_eq!(join("Ticks.symbol == Quotes.instrument"), none);
    assert_eq!(join("Ticks.v == Quotes.v and Ticks.symbol == Quotes.instrument"), none);
    let quotes = "Quotes.venue: this joins by `Quotes.venue`, and topic quotes is keyed by `instrument`";
    assert_eq!(join("Ticks.symbol == Quotes.venue"), [quotes]);
    let ticks = "Ticks.venue: this joins by `Ticks.venue`, and topic ticks is keyed by `symbol`";
    assert_eq!(join("Ticks.venue == Quotes.venue"), [ticks, quotes]);
    // Each by its key, and these are not compared with each other.
    assert_eq!(
        join("Ticks.symbol == Quotes.v and Ticks.v == Quotes.instrument"),
        ["Quotes.v: this joins by `Quotes.v`, and topic quotes is keyed by `instrument`"]
    );
    // Of one side nothing is known.
    let text = "stream S = join(Ticks, Other).on(Ticks.venue == Other.venue).emit(v: Ticks.v)";
    assert_eq!(warnings(&keyed(text)), [ticks]);
}

#[test]
fn streams_that_multiply_again_and_again_stay_small() {
    let mut text = keyed("stream M0 = Ticks.select(a: symbol, b: symbol, c: venue)\n");
    for level in 1..4 {
        let names: Vec<String> = (0..20).map(|i| format!("M{level}x{i}")).collect();
        for (i, name) in names.iter().enumerate() {
            let before = level - 1;
            text += &format!("stream {name} = M{before}.select(a: {}, b, c, x{i}: a)\n", ["a", "b", "c"][i % 3]);
        }
        text += &format!("stream M{level} = merge({})\n", names.join(", "));
    }
    let steps: Vec<String> = (0..60).map(|i| format!("M3 as s{i}")).collect();
    text += &format!("stream S0 = {} .partition_by(b).emit()\n", steps.join(" -> "));
    let steps: Vec<String> = (0..60).map(|i| format!("S0 as s{i}")).collect();
    text += &format!("stream S1 = {} .emit()\n", steps.join(" -> "));
    let began = std::time::Instant::now();
    let (program, ..) = checked(&text);
    assert_eq!(states(&program).len(), 2);
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn the_declared_key_is_no_property_and_names_a_field() {
    let (program, ..) = checked("stream S = Tick.from(K, topic: \"t\", \"key\": \"symbol\", linger_ms: 5).emit()");
    let source = &program.sources[0];
    assert_eq!(source.key.as_ref().map(|key| key.value.as_str()), Some("symbol"));
    assert_eq!(source.properties.iter().map(|property| property.key.as_str()).collect::<Vec<_>>(), ["linger.ms"]);
    let (_, diagnostics, _) =
        checked("event Tick:\n    symbol: str\nstream S = Tick.from(K, topic: \"t\", key: symbl).emit()");
    assert_eq!(diagnostics.iter().map(|diagnostic| diagnostic.code.id()).collect::<Vec<_>>(), ["W001"]);
}
