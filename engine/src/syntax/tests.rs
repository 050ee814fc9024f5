//! The parser against the grammar, line by line, and against programs that are not in it.

use super::ast::*;
use super::*;
use crate::diagnostic::{Code, Diagnostic, SourceFile, render};

fn parsed(text: &str) -> (Program, Vec<Diagnostic>) {
    parser::parse_text(text, 0)
}

/// The statements of a program without syntax errors.
fn good(text: &str) -> Vec<Statement> {
    let source = SourceFile::new("test.vpl", text);
    let (program, diagnostics) = parsed(text);
    assert!(diagnostics.is_empty(), "{}", render(&source, &diagnostics, false));
    program.statements
}

fn codes(text: &str) -> Vec<Code> {
    parsed(text).1.iter().map(|diagnostic| diagnostic.code).collect()
}

/// An expression with all its parentheses.
fn expr(text: &str) -> String {
    let text = format!("let x = {text}");
    match &good(&text)[..] {
        [Statement { kind: StatementKind::Variable(variable), span }] => {
            assert_eq!(span.range(), 0..text.len());
            show(&variable.value)
        }
        other => panic!("{other:?}"),
    }
}

fn show(e: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(" ");
    match &e.kind {
        ExprKind::Null => "null".into(),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::Int(i) => i.to_string(),
        ExprKind::Float(f) => format!("{f:?}"),
        ExprKind::String(s) => format!("{s:?}"),
        ExprKind::Duration(d) => format!("{d}ns"),
        ExprKind::Timestamp(t) => format!("@{t}"),
        ExprKind::Array(items) => format!("[{}]", list(items)),
        ExprKind::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{}: {}", key.text, show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        ExprKind::Name(name) => name.clone(),
        ExprKind::Member { of, field, optional } => {
            format!("{}{}{}", show(of), if *optional { "?." } else { "." }, field.text)
        }
        ExprKind::Index { of, index } => format!("{}[{}]", show(of), show(index)),
        ExprKind::Slice { of, from, to } => {
            let side = |e: &Option<Box<Expr>>| e.as_ref().map_or(String::new(), |e| show(e));
            format!("{}[{}:{}]", show(of), side(from), side(to))
        }
        ExprKind::Call { callee, args } => {
            let args: Vec<_> = args
                .iter()
                .map(|arg| arg.name.as_ref().map_or(String::new(), |n| format!("{}: ", n.text)) + &show(&arg.value))
                .collect();
            format!("{}({})", show(callee), args.join(", "))
        }
        ExprKind::Unary { op, operand } => format!("({op:?} {})", show(operand)),
        ExprKind::Binary { op, left, right } => format!("({} {op:?} {})", show(left), show(right)),
        ExprKind::IsNull { operand, negated } => {
            format!("({} Is{} null)", show(operand), if *negated { "Not" } else { "" })
        }
        ExprKind::Range { from, to, inclusive } => {
            format!("({} {} {})", show(from), if *inclusive { "..=" } else { ".." }, show(to))
        }
        ExprKind::If { condition, then, otherwise } => {
            format!("(if {} {} {})", show(condition), show(then), show(otherwise))
        }
        ExprKind::Lambda { parameters, body } => {
            let names: Vec<_> = parameters.iter().map(|name| name.text.as_str()).collect();
            format!("({} => {})", names.join(" "), show(body))
        }
    }
}

fn stream(text: &str) -> Stream {
    match good(text).remove(0).kind {
        StatementKind::Stream(stream) => stream,
        other => panic!("{other:?}"),
    }
}

/// The predicate of a stream `S = A where …`, and the names of the operations behind it.
fn predicate(text: &str) -> (String, Vec<String>) {
    let stream = stream(text);
    let SourceKind::Named { predicate: Some(predicate), .. } = &stream.source.kind else { panic!("{stream:?}") };
    (show(predicate), stream.ops.iter().map(|op| op.name.text.clone()).collect())
}

#[test]
fn operators_bind_as_the_table_says() {
    for (text, tree) in [
        ("a or b and c", "(a Or (b And c))"),
        ("a and b or c and d", "((a And b) Or (c And d))"),
        ("not a and b", "((Not a) And b)"),
        ("not a == b", "(Not (a Equal b))"),
        ("not not a", "(Not (Not a))"),
        ("a == b and c != d", "((a Equal b) And (c NotEqual d))"),
        ("a < b | c", "(a Less (b BitOr c))"),
        (
            "a | b ^ c & d << e + f * g ** h",
            "(a BitOr (b BitXor (c BitAnd (d ShiftLeft (e Add (f Multiply (g Power h)))))))",
        ),
        ("a - b - c", "((a Subtract b) Subtract c)"),
        ("a / b * c % d", "(((a Divide b) Multiply c) Remainder d)"),
        ("a ** b ** c", "(a Power (b Power c))"),
        ("-a ** b", "((Negate a) Power b)"),
        ("2 ** -1", "(2 Power (Negate 1))"),
        ("-~a.b", "(Negate (BitNot a.b))"),
        ("a >> b << c", "((a ShiftRight b) ShiftLeft c)"),
        ("a..b + 1", "(a .. (b Add 1))"),
        ("0..=10", "(0 ..= 10)"),
        ("a or b..c", "((a Or b) .. c)"),
        ("x => x + 1", "(x => (x Add 1))"),
        ("(x, y) => x => y", "(x y => (x => y))"),
        ("(x) => x", "(x => x)"),
        ("(a + b) * c", "((a Add b) Multiply c)"),
        ("a in [1, 2,]", "(a In [1 2])"),
        ("a not in b", "(a NotIn b)"),
        ("not a in b", "(Not (a In b))"),
        ("a is null or b is not null", "((a Is null) Or (b IsNot null))"),
        ("if a then b else if c then d else e", "(if a b (if c d e))"),
        ("if (a) then -b else c + 1", "(if a (Negate b) (c Add 1))"),
        ("a?.b.c[0][1:2][:3][4:][:]", "a?.b.c[0][1:2][:3][4:][:]"),
        ("f(a, b: c)(d)[x => x]", "f(a, b: c)(d)[(x => x)]"),
        ("a >= 1 and a <= 2 and a > 3", "(((a GreaterOrEqual 1) And (a LessOrEqual 2)) And (a Greater 3))"),
    ] {
        assert_eq!(expr(text), tree, "{text}");
    }
}

#[test]
fn literals_are_read() {
    for (text, value) in [
        ("12", "12"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.5", "1.5"),
        ("1.5e3", "1500.0"),
        ("2.0E-1", "0.2"),
        ("1..2", "(1 .. 2)"),
        ("\"a\\n\\\"é\\u00e9\"", "\"a\\n\\\"éé\""),
        ("5m", "300000000000ns"),
        ("100ms", "100000000ns"),
        ("@2024-01-15", "@1705276800000000000"),
        ("@2024-01-15T10:00:00Z", "@1705312800000000000"),
        ("@2024-01-15-1h", "(@1705276800000000000 Subtract 3600000000000ns)"),
        ("true", "true"),
        ("null", "null"),
        ("{a: 1, \"b c\": [x, 2]}", "{a: 1, b c: [x 2]}"),
        ("{}", "{}"),
        ("[]", "[]"),
    ] {
        assert_eq!(expr(text), value, "{text}");
    }
}

#[test]
fn no_word_is_reserved() {
    for word in [
        "first",
        "last",
        "count",
        "open",
        "close",
        "order",
        "type",
        "mode",
        "timestamp",
        "event_type",
        "status",
        "steps",
        "rising",
        "stream",
        "event",
        "as",
        "where",
        "in",
        "is",
        "and",
        "or",
        "not",
        "if",
        "then",
        "else",
        "for",
        "fn",
        "let",
        "all",
        "within",
        "from",
        "emit",
        "notional",
        "nothing",
        "android",
        "order_by",
        "island",
        "iffy",
    ] {
        assert_eq!(expr(&format!("{word} > 5")), format!("({word} Greater 5)"));
        assert_eq!(expr(&format!("1 + {word}")), format!("(1 Add {word})"));
        assert_eq!(expr(&format!("a.{word}.b")), format!("a.{word}.b"));
        good(&format!("event E:\n    {word}: int\nstream S = E as {word} .emit({word}: {word})"));
        good(&format!("stream {word} = {word}"));
        good(&format!("{word} := 1"));
        good(&format!("fn f():\n    {word} := {word} + 1\n    {word}"));
    }
    assert_eq!(expr("notional"), "notional");
    assert_eq!(expr("not ional"), "(Not ional)");
}

#[test]
fn comments_stand_anywhere() {
    let stream = stream(
        "# one\nstream /* two */ S = // three\n  A\n  .where( # four\n    a > /* five\n six */ 5 // seven\n  )\n  /* eight */ .emit(a: a, # nine\n  b: b)\n#",
    );
    assert_eq!(stream.ops.len(), 2);
}

#[test]
fn a_predicate_ends_where_the_next_operation_begins() {
    let (tree, ops) = predicate("stream S = A where b.id == a.id\n  .within(5m)");
    assert_eq!((tree.as_str(), ops.join(" ").as_str()), ("(b.id Equal a.id)", "within"));
    let (tree, ops) = predicate("stream S = A where x > first(a.b).c as x -> B where f(a.g(1)) as b .emit()");
    assert_eq!((tree.as_str(), ops.join(" ").as_str()), ("(x Greater first(a.b).c)", "-> emit"));
    let (tree, _) = predicate("stream S = A where x .emit as T (y: y)");
    assert_eq!(tree, "x");
    let (tree, _) = predicate("stream S = A where a.b");
    assert_eq!(tree, "a.b");
}

/// Every construct of the language, each as it stands in its grammar.
const STATEMENTS: &[&str] = &[
    "context c",
    "context c (cores: [0, 1])",
    "connector K = kafka(brokers: [\"a:1\", \"b:2\"], \"group.id\": \"g\", topic: PREFIX + \"-x\" + \"-y\", linger_ms: 5)",
    "connector F = file(path: \"x.jsonl\")",
    "connector C = console()",
    "event E:\n    a: int\n    b: float?\n    c: [str]\n    d: {str: int}\n    e: (int, E)\n    f: Stream<Stream<T>>\n    g: timestamp?\n    h: duration",
    "event E extends F:\na: int\nb: bool\nstream S = E",
    "type T = [int]?",
    "type T:\n    a: int",
    "let a = 1\nvar b: int = 2\nconst c: str? = \"x\"\nb := b + a",
    "fn f(a: int, b: [float]) -> float:\n    let c = a\n        + 1\n    var d = [a\n  , 2][0]\n    if c > 1 and d < 2:\n        return c\n    elif d == 1:\n        d := 2\n    else:\n        emit T(x: c, y: d)\n    for i in 0..10:\n        continue\n    while d > 0:\n        d := d - 1\n        break\n    if a then b\n    else c",
    "fn f():\n    return\nfn g():\n\treturn 1",
    "for i in 0..3:\n    stream S{i} = Tick .where(id == {i}) .emit(n: \"no {i}\")\n\nstream Z = Y",
    "for i in 0..2:\n    for j in 0..=1:\n        event E{i}_{j}:\n            a: int\n    let x{i} = [\n{i}]",
    "config app { a: 1, b: \"x\"\n c: [1, 2] }",
    "import \"lib/shared.vpl\"\nimport \"x.vpl\" as x\nstream S = x.Tick",
    "pattern P = A as a -> all B where b.x == a.x as b -> NOT C where x > 5 within 10m partition by user",
    "pattern P = A\nstream S = P",
    "pattern P = A -> all B.increasing(price) as b within 5s",
    "stream S = T.from(K)",
    "stream S: Stream<T> = T\n    .from(K, topic: \"x\", auto_offset_reset: \"earliest\")",
    "stream S: Stream<T>= T",
    "stream S = T\nstream R = S as s\nstream Q = all S as s -> B",
    "stream S = all X\nstream T = Y",
    "stream S = merge(A, stream B = C.where(x > 1), D)",
    "stream S = join(A, B).on(A.x == B.x).window(5m)",
    "stream S = left_join(stream A = X.on(A.k == B.k), stream B = Y)",
    "stream S = right_join(A, B) .on(A.x == B.x)\nstream T = full_join(A, B) .on(A.x == B.x)",
    "stream S = sequence(a: A, b: B where b.x == a.x .within(5m), c: C.within(1s))",
    "stream S = timer(5s)\nstream T = timer(5s, initial_delay: 1s)",
    "stream S = A as a -> B where b.id == a.id as b -> all NOT C as c -> all D.decreasing(p) where p > 1 as d .within(1h)",
    "stream S = A .where(a) .having(b) .select(a, b: c + 1) .filter(x => x.a > 1) .map(x => {a: x.a}) .process(f(a))",
    "stream S = A .emit()\nstream T = A .emit(as X, a: a)\nstream U = A .emit as X (a: a)\nstream V = A .emit(as X)",
    "stream S = A .to(K, topic: \"pre-\" + f, key: symbol, record_timestamp: \"event\", headers: \"pass\")",
    "stream S = A .window(5m) .window(5m, sliding: 1m) .window(10) .window(10, sliding: 2) .window(session: 5m)",
    "stream S = A .window(1m) .aggregate(n: count(), s: sum(p * v) / sum(v), e: ema(x, 12), q: percentile(x, 0.5))",
    "stream S = A .partition_by(a.symbol) .within(5m) .not(B where x == a.x) .not(C)",
    "stream S = A .strict() .stnm() .stam() .each() .longest() .subsets()",
    "stream S = A .watermark(out_of_order: 5s, idle_timeout: 1m) .allowed_lateness(10s)",
    "stream S = A .order_by(a desc, b asc, c + d) .limit(5) .distinct() .distinct(a)",
    "stream S = A .print() .print(\"x {a}\", b) .log(level: \"info\", message: \"m\") .alert(\"x\") .tap(a: 1) .context(c)",
    "stream S = P .trend_aggregate(n: count_trends(), s: sum_trends(b.x))",
    "stream S = A .pattern(p: A -> (B or not C) and D xor E -> F)",
    "stream S = A .forecast(a: -> ) .score(\"model\", inputs: [a]) .enrich(K, key: a) .fork(x: .where(a)) .emit()",
    "stream S = A .any(1) .all() .first() .concurrent(max: 4) .collect() .on_error(retry: 3)",
    "import fn f(a: int) -> int from wasm \"x.wasm\"\nstream S = A",
];

#[test]
fn every_construct_parses() {
    for text in STATEMENTS {
        good(text);
    }
    good(&STATEMENTS.join("\n"));
}

#[test]
fn a_loop_repeats_its_block() {
    let statements = good("for i in 1..3:\n    for j in 0..=1:\n        stream S{i}{j} = A{i} .emit(t: \"{j}-{i}\")\n");
    let mut streams = Vec::new();
    fn collect(statements: &[Statement], streams: &mut Vec<String>) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Repeat(repeat) => collect(&repeat.statements, streams),
                StatementKind::Stream(stream) => {
                    let OpKind::Emit { args, .. } = &stream.ops[0].kind else { panic!("{stream:?}") };
                    let SourceKind::Named { name, .. } = &stream.source.kind else { panic!("{stream:?}") };
                    streams.push(format!("{} {} {}", stream.name.text, name.text, show(&args[0].value)));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    collect(&statements, &mut streams);
    assert_eq!(streams, ["S10 A1 \"0-1\"", "S11 A1 \"1-1\"", "S20 A2 \"0-2\"", "S21 A2 \"1-2\""]);
}

#[test]
fn spans_in_a_repeated_block_are_those_of_the_file() {
    let text = "for i in 10..12:\n    stream S{i} = A .wher e(x)\n";
    let diagnostics = parsed(text).1;
    assert_eq!(diagnostics.len(), 1, "one repetition is reported, not all: {diagnostics:?}");
    assert_eq!(&text[diagnostics[0].span.range()], "e");
    let StatementKind::Repeat(repeat) = good("for i in 10..11:\n    stream S{i} = A\n").remove(0).kind else {
        panic!()
    };
    assert_eq!(repeat.statements[0].span, Span::new(21, 36));
}

#[test]
fn all_problems_come_in_one_go() {
    let text = "stream A = T .where(a >) .emit(a a) .limit(5)\nsteam B = A\nevent E:\n    a: \n    b: 5\n    c: int\nstream C = \"x\nlet d = 1.5s\nfn f():\n    x +\n    y )\n    return 1\nstream D = A .where(x ==\nstream E = A\n";
    let (program, diagnostics) = parsed(text);
    let source = SourceFile::new("test.vpl", text);
    let found: Vec<String> =
        diagnostics.iter().map(|d| format!("{} {}", d.code, source.position(d.span.start).0)).collect();
    assert_eq!(
        found,
        ["E002 7", "E004 8", "E010 1", "E010 1", "E011 2", "E010 4", "E010 5", "E010 11", "E010 13"],
        "{}",
        render(&source, &diagnostics, false)
    );
    let kept: Vec<&str> = program
        .statements
        .iter()
        .map(|statement| match &statement.kind {
            StatementKind::Stream(stream) => stream.name.text.as_str(),
            StatementKind::Event(event) => event.name.text.as_str(),
            StatementKind::Function(function) => function.name.text.as_str(),
            _ => "?",
        })
        .collect();
    assert_eq!(kept, ["A", "E", "f", "E"]);
}

#[test]
fn every_syntax_code_has_its_program() {
    let deep = format!("let x = {}1{}", "(".repeat(200), ")".repeat(200));
    for (text, code) in [
        ("let x = 5 $ 3", Code::UnexpectedCharacter),
        ("let x = 'a'", Code::UnexpectedCharacter),
        ("let x = \"abc\nlet y = 1", Code::UnterminatedString),
        ("let x = 1 /* abc", Code::UnterminatedComment),
        ("let x = 1h30m", Code::BadNumber),
        ("let x = 1e5", Code::BadNumber),
        ("let x = 9223372036854775808", Code::BadNumber),
        ("let x = 1.0e999", Code::BadNumber),
        ("let x = 200000d", Code::BadNumber),
        ("let x = @2024-02-30", Code::BadTimestamp),
        ("let x = \"a\\qb\"", Code::BadEscape),
        ("event E:\n    a: int\n\tb: int", Code::MixedIndentation),
        ("fn f():\n \ta", Code::MixedIndentation),
        (&deep, Code::TooDeep),
        ("let x", Code::Expected),
        ("x + 1", Code::ExpectedStatement),
        ("event E:\nstream S = A", Code::BadBlock),
        ("fn f():\nstream S = A", Code::BadBlock),
        ("fn f():\n    a\n  b\n", Code::BadBlock),
        ("for i in 0..10001:\n    stream S{i} = A", Code::BadRepeat),
        ("for i in 0..101:\n    for j in 0..100:\n        stream S{i}{j} = A", Code::BadRepeat),
        ("let x = 1 < 2 < 3", Code::ChainedComparison),
    ] {
        let found = codes(text);
        assert!(found.contains(&code), "{text}: {found:?}");
    }
    let large = " ".repeat(MAX_PROGRAM_BYTES + 1);
    assert_eq!(codes(&large), [Code::TooLarge]);
}

#[test]
fn nesting_of_every_kind_is_bounded() {
    let n = 10_000;
    for (before, after) in [
        ("let x = (", ")"),
        ("let x = [", "]"),
        ("let x = {a: ", "}"),
        ("let x = f(", ")"),
        ("let x = a[", "]"),
        ("let x = -", ""),
        ("let x = not ", ""),
        ("let x = 1 ** ", ""),
        ("let x = y => ", ""),
        ("let x = if a then b else ", ""),
        ("let x = if ", " then a else b"),
        ("type T = [", "]"),
        ("type T = (", ")"),
        ("type T = Stream<", ">"),
        ("stream S = A .pattern(p: (", ")"),
        ("stream S = A .pattern(p: not ", ""),
    ] {
        let repeated = before.rsplit_once("= ").map_or(before, |(_, last)| last);
        let text = format!("{before}{}1{}", repeated.repeat(n), after.repeat(n + 1));
        assert!(codes(&text).iter().any(|code| matches!(code, Code::TooDeep | Code::Expected)), "{before}");
    }
    let mixed = "([{a: f(a[y => if a then b else not a or b and c == d | e ^ f & g << h + i * -~j ** (";
    assert!(codes(&format!("let x = {}", mixed.repeat(n))).contains(&Code::TooDeep));
    for link in [" + 1", " or 1", ".a", "[0]", "()", " | 1"] {
        assert_eq!(codes(&format!("let x = a{}", link.repeat(n))), [Code::TooDeep], "{link}");
    }
    let mut blocks = String::from("fn f():\n");
    for depth in 1..1_000 {
        blocks.push_str(&format!("{}if a:\n", " ".repeat(depth)));
    }
    assert!(codes(&blocks).contains(&Code::TooDeep));
    let long = format!("stream S = A{}", " -> B".repeat(n));
    assert_eq!(stream(&long).ops.len(), n, "a chain of steps is a list, not a tree");
}

/// A small generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn mutated_programs_never_panic_or_hang() {
    let sample: Vec<char> = STATEMENTS.join("\n").chars().collect();
    let alphabet: Vec<char> = "abAB019 \n\t\"\\#/*(){}[]<>.,:;=!?-+|&^~%@_é€😀".chars().collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..3_000 {
        let mut text: Vec<char> = STATEMENTS[random.below(STATEMENTS.len())].chars().collect();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len().max(1));
            match random.below(4) {
                0 if !text.is_empty() => drop(text.remove(at)),
                1 => text.insert(at.min(text.len()), alphabet[random.below(alphabet.len())]),
                2 if !text.is_empty() => text[at] = alphabet[random.below(alphabet.len())],
                _ => {
                    // A stretch of another program in the middle of this one.
                    let start = random.below(sample.len());
                    let piece: Vec<char> = sample[start..].iter().take(random.below(30)).copied().collect();
                    let at = at.min(text.len());
                    text.splice(at..at, piece);
                }
            }
        }
        let text: String = text.into_iter().collect();
        let source = SourceFile::new("test.vpl", text.as_str());
        let (_, diagnostics) = parse(&source);
        for diagnostic in &diagnostics {
            assert!(
                diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end as usize <= text.len(),
                "{text}"
            );
        }
        render(&source, &diagnostics, false);
    }
}

#[test]
fn truncated_programs_never_panic() {
    let sample = STATEMENTS.join("\n");
    for end in (0..sample.len()).filter(|end| sample.is_char_boundary(*end)).step_by(7) {
        parsed(&sample[..end]);
    }
}
