//! What the checker makes of sequences, and what it says of bad ones.

use super::program::*;
use super::*;
use crate::diagnostic::render;

/// The sequence of the stream `S` in a program without any problem.
fn sequence(text: &str) -> (Stream, Sequence) {
    let source = SourceFile::new("test.vpl", text);
    let (program, diagnostics) = check(&source, &|_| None);
    assert!(diagnostics.is_empty(), "{}", render(&source, &diagnostics, false));
    let mut streams = program.expect("no diagnostics").streams;
    let stream = streams.swap_remove(streams.iter().position(|stream| stream.name.text == "S").expect("S"));
    let Some(Operator::Sequence(sequence)) = stream.operators.first().cloned() else { panic!("no sequence: {text}") };
    (stream, *sequence)
}

/// Codes and messages of what is wrong.
fn problems(text: &str) -> Vec<String> {
    let (_, diagnostics) = check(&SourceFile::new("test.vpl", text), &|_| None);
    diagnostics.iter().map(|diagnostic| format!("{} {}", diagnostic.code.id(), diagnostic.message)).collect()
}

#[test]
fn three_ways_to_write_a_sequence_mean_the_same() {
    let steps = |text: &str| {
        let (stream, sequence) = sequence(text);
        let inputs: Vec<Origin> = stream.inputs.into_iter().map(|input| input.from).collect();
        let shown: Vec<(Option<String>, usize, bool)> = sequence
            .steps
            .iter()
            .map(|step| (step.alias.clone(), step.candidates[0].input, step.candidates[0].predicate.is_some()))
            .collect();
        (inputs, shown, sequence.within, sequence.captures)
    };
    let first = steps("stream S = A as a -> B where b.id == a.id as b .within(5s).emit()");
    assert_eq!(first.0, [Origin::Event("A".into()), Origin::Event("B".into())]);
    assert_eq!(first.1, [(Some("a".into()), 0, false), (Some("b".into()), 1, true)]);
    assert_eq!(first.2, Some(5_000_000_000));
    assert_eq!(first.3, [Capture::Field { step: 0, which: Which::Last, field: "id".into() }]);
    for text in [
        "stream S = sequence(a: A, b: B where b.id == a.id .within(5s)).emit()",
        "pattern P = A as a -> B where b.id == a.id as b within 5s\nstream S = P.emit()",
        "pattern P = A as a within 1m\nstream S = P -> B where id == a.id as b .within(1s).within(5s).emit()",
    ] {
        assert_eq!(steps(text), first, "{text}");
    }
}

#[test]
fn what_several_steps_read_is_one_input() {
    let (stream, sequence) = sequence("stream S = A as a -> all A as b -> B -> NOT A .not(B).within(1s).emit()");
    assert_eq!(stream.inputs.len(), 2);
    let inputs: Vec<usize> = sequence.steps.iter().map(|step| step.candidates[0].input).collect();
    assert_eq!((inputs, sequence.absence[0].input, sequence.nots[0].input), (vec![0, 0, 1], 0, 1));
}

#[test]
fn emission_depends_on_the_closure() {
    let emission = |text: &str| sequence(text).1.emission;
    assert_eq!(emission("stream S = A -> all B .emit()"), Emission::Each);
    assert_eq!(emission("stream S = A -> B.increasing(x) .emit()"), Emission::Longest);
    assert_eq!(emission("stream S = A -> B.increasing(x) .each().emit()"), Emission::Each);
    assert_eq!(emission("stream S = A -> all B .longest().subsets().emit()"), Emission::Subsets);
}

#[test]
fn names_behind_a_sequence_are_captures() {
    let text = "event A:\n    x: int\nevent B:\n    y: int\n\
                stream S = A as a -> all B as b .emit(x: x, y: b_y, n: count(b), s: sum(b.y), z: b[-2].y, d: match_count)";
    let field = |step, which, field: &str| Capture::Field { step, which, field: field.into() };
    assert_eq!(
        sequence(text).1.captures,
        [
            field(0, Which::Last, "x"),
            field(1, Which::Last, "y"),
            Capture::Count { step: 1 },
            Capture::Aggregate { function: AliasFunction::Sum, step: 1, field: "y".into() },
            field(1, Which::At(-2), "y"),
            Capture::MatchCount,
        ]
    );
}

#[test]
fn an_algebra_is_spelt_as_steps() {
    let text = "stream S = merge(A, B, C).pattern(p: A -> (B or C) -> D and E and not F).emit()";
    let (_, spelt) = sequence(text);
    let shown: Vec<(usize, usize)> = spelt.steps.iter().map(|step| (step.candidates.len(), step.group)).collect();
    assert_eq!(shown, [(1, 0), (2, 1), (1, 2), (1, 2)]);
    assert_eq!((spelt.nots.len(), spelt.absence.len()), (1, 0));
    let (_, spelt) =
        sequence("stream S = sequence(a: A, b: B where x > a.x).pattern(p: a -> b -> not C).within(1s).emit()");
    assert_eq!((spelt.steps[1].alias.as_deref(), spelt.absence.len()), (Some("b"), 1));
}

#[test]
fn what_is_wrong_with_a_sequence_is_said() {
    for (text, expected) in [
        ("stream S = A as a -> B as a .emit()", "E020 `a` is given twice"),
        ("stream S = A where x > b.x as a -> B as b .emit()", "E037 this pattern can never match"),
        ("stream S = A as a -> NOT B .emit()", "E037 this pattern can never match"),
        ("stream S = A as a -> NOT B -> C .within(1s).emit()", "E037 this pattern can never match"),
        ("stream S = A.within(5s).emit()", "E036 `.within` belongs to a sequence, and this stream has none"),
        ("stream S = A.strict().emit()", "E036 `.strict` belongs to a sequence, and this stream has none"),
        ("stream S = A -> B .within(5).emit()", "E034 `within` takes a duration, known before the program runs"),
        ("stream S = A -> B .strict(1).emit()", "E025 `.strict` takes no arguments"),
        ("stream S = A -> B .longest().emit()", "W003 this has no effect on a sequence without `all`"),
        ("stream S = A -> B .where(x > 1) -> C .emit()", "E036 `.where` cannot stand before a step"),
        ("stream S = A .select(x) -> B .emit()", "E036 `.select` cannot stand before a step"),
        ("stream S = A -> B .partition_by(x + 1).emit()", "E025 a sequence is partitioned by a field"),
        (
            "stream S = A -> all B as b .emit(s: sum(b.x * 2))",
            "E025 `sum` over captured events takes a field of an alias",
        ),
        (
            "stream S = A -> B .trend_aggregate(n: count_trends()).emit()",
            "E036 `.trend_aggregate` is about the events of one `all` step",
        ),
        (
            "stream S = A -> all B as b .trend_aggregate(n: count_trend()).emit()",
            "E023 there is no trend aggregate `count_trend`",
        ),
        (
            "stream S = A -> all B as b .trend_aggregate(n: sum_trends(a.x)).emit()",
            "E025 a trend aggregate takes a field of the `all` step's alias",
        ),
        ("stream S = timer(1s) -> B .emit()", "E036 a sequence cannot begin here"),
        ("stream S = sequence().emit()", "E025 this sequence has no steps"),
        ("pattern P = NOT A within 1s\nstream S = P.emit()", "E037 this sequence has no step that takes an event"),
        (
            "pattern P = A -> B\nstream S = all P as p .emit()",
            "E036 `P` is a pattern; it has its own steps, predicates and aliases",
        ),
        (
            "pattern P = A -> B\npattern Q = P -> C\nstream S = Q.emit()",
            "E036 `P` is a pattern, and a pattern consists of events",
        ),
        ("stream S = A.pattern(p: B -> C).emit()", "E036 the pattern does not name `A`"),
        (
            "stream S = A.pattern(p: A xor B -> C).emit()",
            "E034 `xor` can stand in last place only: later, both may have come",
        ),
        (
            "stream S = A.pattern(p: (A -> B) or C).emit()",
            "E034 only events can stand here, not sequences or alternatives of them",
        ),
        ("event A:\n    x: int\nstream S = A as a -> A as b .emit(y: a.y)", "W001 the event `A` declares no field `y`"),
        (
            "event A:\n    x: int\nstream S = A as a -> A as b .emit(y: y)",
            "W001 no event of this sequence has a field `y`",
        ),
    ] {
        let found = problems(text);
        assert!(found.iter().any(|problem| problem == expected), "{text}\ngives {found:?}");
    }
}

#[test]
fn a_pattern_that_nobody_reads_is_checked() {
    assert_eq!(
        problems("pattern P = A as a -> B where b.x > c.x as b -> C as c"),
        ["E037 this pattern can never match"]
    );
}

#[test]
fn a_stream_that_a_pattern_reads_may_be_declared_anywhere() {
    let text = "stream S = P.emit()\npattern P = Big as x -> Big as y\nstream Big = A.where(n > 1)";
    assert_eq!(sequence(text).0.inputs[0].from, Origin::Stream(1));
    assert!(problems("stream S = P.emit()\npattern P = S -> A")[0].starts_with("E029"));
}
