//! Random functions against an interpreter that does what their text says, one statement after the other.

mod common;

use common::{engine, lines, slot};
use proptest::prelude::*;

/// The variables of every function; `a` is its parameter.
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Expr {
    Int(i64),
    Variable(usize),
    Sum(Box<Expr>, Box<Expr>),
    Product(Box<Expr>, Box<Expr>),
    Quotient(Box<Expr>, Box<Expr>),
    /// The second function, called by the first; in the second the argument itself.
    Call(Box<Expr>),
}

#[derive(Debug, Clone)]
enum Statement {
    Set(usize, Expr),
    If(Expr, Expr, Vec<Statement>, Vec<Statement>),
    For(usize, i64, Vec<Statement>),
    /// `while left < right`, which a body seldom makes false: the loop ends at ten turns.
    While(Expr, Expr, Vec<Statement>),
    Break,
    Continue,
    Return(Expr),
    Value(Expr),
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![(-3..4i64).prop_map(Expr::Int), (0..3usize).prop_map(Expr::Variable)];
    leaf.prop_recursive(3, 12, 2, |part| {
        let pair = (part.clone().prop_map(Box::new), part.clone().prop_map(Box::new));
        prop_oneof![
            pair.clone().prop_map(|(a, b)| Expr::Sum(a, b)),
            pair.clone().prop_map(|(a, b)| Expr::Product(a, b)),
            pair.prop_map(|(a, b)| Expr::Quotient(a, b)),
            part.prop_map(|a| Expr::Call(Box::new(a))),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<Statement>> {
    let leaf = prop_oneof![
        4 => (0..3usize, expr()).prop_map(|(variable, value)| Statement::Set(variable, value)),
        2 => expr().prop_map(Statement::Value),
        1 => expr().prop_map(Statement::Return),
        1 => Just(Statement::Break),
        1 => Just(Statement::Continue),
    ];
    let statement = leaf.prop_recursive(3, 24, 4, |part| {
        let block = prop::collection::vec(part, 1..4);
        prop_oneof![
            (expr(), expr(), block.clone(), block.clone())
                .prop_map(|(a, b, then, other)| Statement::If(a, b, then, other)),
            (0..3usize, 0..4i64, block.clone())
                .prop_map(|(variable, turns, block)| Statement::For(variable, turns, block)),
            (expr(), expr(), block).prop_map(|(a, b, block)| Statement::While(a, b, block)),
        ]
    });
    prop::collection::vec(statement, 1..6)
}

impl Expr {
    fn text(&self, calls: bool) -> String {
        let text = |part: &Expr| part.text(calls);
        match self {
            Expr::Int(int) => format!("({int})"),
            Expr::Variable(variable) => NAMES[*variable].to_owned(),
            Expr::Sum(a, b) => format!("({} + {})", text(a), text(b)),
            Expr::Product(a, b) => format!("({} * {})", text(a), text(b)),
            Expr::Quotient(a, b) => format!("({} / {})", text(a), text(b)),
            Expr::Call(a) if calls => format!("g({})", text(a)),
            Expr::Call(a) => text(a),
        }
    }

    fn value(&self, locals: &[Option<i64>; 3], called: Option<&[Statement]>) -> Option<i64> {
        let value = |part: &Expr| part.value(locals, called);
        match self {
            Expr::Int(int) => Some(*int),
            Expr::Variable(variable) => locals[*variable],
            Expr::Sum(a, b) => value(a)?.checked_add(value(b)?),
            Expr::Product(a, b) => value(a)?.checked_mul(value(b)?),
            Expr::Quotient(a, b) => value(a)?.checked_div(value(b)?),
            Expr::Call(a) => match called {
                Some(body) => call(body, value(a), None),
                None => value(a),
            },
        }
    }
}

/// The text of a function, line by line.
struct Writer {
    out: String,
    calls: bool,
    /// How many names for loops there are.
    names: usize,
}

impl Writer {
    fn line(&mut self, indent: usize, line: &str) {
        self.out += &format!("{}{line}\n", "    ".repeat(indent));
    }

    /// The lines of a block. Outside of a loop `break` and `continue` become something without effect.
    fn block(&mut self, statements: &[Statement], indent: usize, in_loop: bool) {
        for statement in statements {
            let calls = self.calls;
            match statement {
                Statement::Set(variable, value) => {
                    self.line(indent, &format!("{} := {}", NAMES[*variable], value.text(calls)));
                }
                Statement::If(a, b, then, other) => {
                    self.line(indent, &format!("if {} < {}:", a.text(calls), b.text(calls)));
                    self.block(then, indent + 1, in_loop);
                    self.line(indent, "else:");
                    self.block(other, indent + 1, in_loop);
                }
                Statement::For(variable, turns, body) => {
                    self.names += 1;
                    let name = format!("i{}", self.names);
                    self.line(indent, &format!("for {name} in 0..{turns}:"));
                    self.line(indent + 1, &format!("{} := {name}", NAMES[*variable]));
                    self.block(body, indent + 1, true);
                }
                Statement::While(a, b, body) => {
                    self.names += 1;
                    let turns = format!("t{}", self.names);
                    self.line(indent, &format!("var {turns} = 0"));
                    self.line(indent, &format!("while {} < {} and {turns} < 10:", a.text(calls), b.text(calls)));
                    self.line(indent + 1, &format!("{turns} := {turns} + 1"));
                    self.block(body, indent + 1, true);
                }
                Statement::Break if in_loop => self.line(indent, "break"),
                Statement::Continue if in_loop => self.line(indent, "continue"),
                Statement::Break | Statement::Continue => self.line(indent, "b := b"),
                Statement::Return(value) => self.line(indent, &format!("return {}", value.text(calls))),
                Statement::Value(value) => self.line(indent, &value.text(calls)),
            }
        }
    }
}

fn function(name: &str, body: &[Statement], calls: bool) -> String {
    let mut writer = Writer { out: String::new(), calls, names: 0 };
    writer.line(0, &format!("fn {name}(a: int) -> int:"));
    writer.line(1, "var b = 0");
    writer.line(1, "var c = 1");
    writer.block(body, 1, false);
    writer.out
}

/// Where a block leads.
enum End {
    Next,
    Break,
    Continue,
    Return(Option<i64>),
}

fn run(
    statements: &[Statement],
    in_loop: bool,
    locals: &mut [Option<i64>; 3],
    last: &mut Option<i64>,
    called: Option<&[Statement]>,
) -> End {
    for statement in statements {
        let less = |a: &Expr, b: &Expr, locals: &[Option<i64>; 3]| matches!((a.value(locals, called), b.value(locals, called)), (Some(a), Some(b)) if a < b);
        let end = match statement {
            Statement::Set(variable, value) => {
                locals[*variable] = value.value(locals, called);
                End::Next
            }
            Statement::If(a, b, then, other) => {
                let block = if less(a, b, locals) { then } else { other };
                run(block, in_loop, locals, last, called)
            }
            Statement::For(variable, turns, body) => {
                let mut end = End::Next;
                for turn in 0..*turns {
                    locals[*variable] = Some(turn);
                    match run(body, true, locals, last, called) {
                        End::Next | End::Continue => {}
                        End::Break => break,
                        returned => {
                            end = returned;
                            break;
                        }
                    }
                }
                end
            }
            Statement::While(a, b, body) => {
                let (mut end, mut turns) = (End::Next, 0);
                while less(a, b, locals) && turns < 10 {
                    turns += 1;
                    match run(body, true, locals, last, called) {
                        End::Next | End::Continue => {}
                        End::Break => break,
                        returned => {
                            end = returned;
                            break;
                        }
                    }
                }
                end
            }
            Statement::Break if in_loop => End::Break,
            Statement::Continue if in_loop => End::Continue,
            Statement::Break | Statement::Continue => End::Next,
            Statement::Return(value) => End::Return(value.value(locals, called)),
            Statement::Value(value) => {
                *last = value.value(locals, called);
                End::Next
            }
        };
        if !matches!(end, End::Next) {
            return end;
        }
    }
    End::Next
}

fn call(body: &[Statement], argument: Option<i64>, called: Option<&[Statement]>) -> Option<i64> {
    let (mut locals, mut last) = ([argument, Some(0), Some(1)], None);
    match run(body, false, &mut locals, &mut last, called) {
        End::Return(value) => value,
        _ => last,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn functions_do_what_their_text_says(f in body(), g in body(), arguments in prop::collection::vec(-5..6i64, 1..4)) {
        let program = format!("{}{}stream S = T.emit(v: f(x))\n", function("f", &f, true), function("g", &g, false));
        let mut slots: Vec<_> =
            arguments.iter().map(|x| slot(&format!(r#"{{"event_type":"T","x":{x}}}"#))).collect();
        engine(&program).process(&mut slots);
        let expected: Vec<String> = arguments
            .iter()
            .map(|x| {
                let value = call(&f, Some(*x), Some(&g)).map_or(String::new(), |value| format!(r#","v":{value}"#));
                format!(r#"{{"event_type":"S","timestamp":"1970-01-01T00:00:00Z"{value}}}"#)
            })
            .collect();
        prop_assert_eq!(lines(&slots), expected, "{}", program);
    }
}
