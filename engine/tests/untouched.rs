//! A number that is merely passed on is written as it came in: any text that JSON has for a number, through everything that
//! keeps values.

mod common;

use common::{KAFKA, addresses, engine, lines, slot};
use kolo_engine::slot::{Cause, Slot};
use proptest::prelude::*;

/// Programs over a `T` and then a `U`, both of which have the number as `x`. Every output is to show it, also as `x`.
const PROGRAMS: &[&str] = &[
    "stream S = T.emit(x: x)",
    "stream S = T.emit()",
    "stream S = T.map(e => {x: e.x}).emit()",
    "stream S = T.emit(x: coalesce(none, if true then m.x else 0))",
    "stream S = T.emit(x: xs[0])",
    "fn f(x: float):\n    emit S(x: x)\nstream R = T.process(f(x))",
    "stream S = T as a -> U as b .emit(x: a.x)",
    "stream S = T as a -> U as b .emit(x: x)",
    "stream S = T as a -> U where x == a.x and x >= a.x as b .partition_by(x).emit(x: b.x)",
    "stream M = T as a -> all U as b .emit()\nstream S = M.emit(x: b_x)",
    "stream S = T as a -> all U as b .within(1s).longest().emit(x: max(b.x))",
    "stream S = T as a -> U as b .emit(x: a.m.x)",
    "stream S = T as a -> U as b .emit(x: a.xs[0])",
    "stream S = T as a -> NOT U where x != a.x .within(1s).emit(x: a.x)",
    "stream S = join(T, U).on(T.x == U.x).emit(x: U.x)",
    "stream S = join(T, U).on(T.x == U.x).emit()",
    "stream S = left_join(T, U).on(T.k == U.k).emit(x: x)",
    "stream S = T.partition_by(x).window(1s).aggregate(n: count()).emit()",
    "stream S = T.window(1s).aggregate(x: first(x)).emit()",
    "stream S = T.window(1).aggregate(x: last(x)).emit()",
    "stream S = T.window(1s, sliding: 1s).aggregate(x: min(x)).emit()",
    "stream S = T.window(session: 1s).aggregate(x: max(x)).emit()",
    "stream W = T.window(1, sliding: 1).aggregate(all: collect(x))\nstream S = W.emit(x: all[0])",
    "stream S = T.aggregate(x: last(x)).emit()",
    "stream S = T.select(x, y: x + 1).window(1s).emit(x: x)",
    "stream S = T.window(1s).order_by(x desc).emit()",
    "stream W = T.partition_by(x).window(1s).aggregate(n: count())\nstream M = U as u -> W as w .emit(x: w.x)\n\
     stream S = M.window(1s).order_by(x).emit()",
];

/// Whatever JSON allows and a float can hold, but for the int `-0`, which is written as `0` where it was kept.
fn number() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "-?(0|[1-9][0-9]{0,5})\\.[0-9]{1,4}",
        "-?(0|[1-9][0-9]{0,25})",
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
    ];
    let allowed = |text: &String| text != "-0" && text.parse().is_ok_and(f64::is_finite);
    text.prop_filter("refused, or the exception", allowed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_untouched_number_is_written_as_it_came_in(number in number()) {
        let record = |event_type: &str| slot(&format!(
            r#"{{"event_type":"{event_type}","ts":0,"x":{number},"m":{{"x":{number}}},"xs":[{number}]}}"#
        ));
        for program in PROGRAMS {
            let mut slots =
                [record("T"), record("U"), Slot { cause: Cause::EndOfInput, ..Slot::default() }];
            engine(program).process(&mut slots);
            let shows = |line: &String| {
                ["}", ","].iter().any(|end| line.contains(&format!("\"x\":{number}{end}")))
            };
            let outputs: Vec<String> =
                lines(&slots).into_iter().filter(|line| line.starts_with(r#"{"event_type":"S""#)).collect();
            prop_assert!(!outputs.is_empty(), "{} puts nothing out", program);
            prop_assert!(outputs.iter().all(shows), "{}: {:?}", program, outputs);
        }
        let mut slots = [record("T")];
        engine(&format!("{KAFKA}stream S = T.emit(x: x).to(k, topic: \"t\", key: x)")).process(&mut slots);
        prop_assert_eq!(addresses(&slots[0]), [(Some(0), None, format!("own {number}"))]);
    }
}
