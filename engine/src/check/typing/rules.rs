//! What the operators and functions take, and what they make of it. The engine's own rules (`expr/`) are the pattern;
//! where these are coarser they allow more.

use super::kinds::Kinds;
use crate::check::program::Function;
use crate::syntax::ast::BinaryOp;

/// What an arithmetic operator makes of two operands of these types, each of which may be several.
pub(super) fn arithmetic(op: BinaryOp, left: Kinds, right: Kinds) -> Kinds {
    let mut results = Kinds::NONE;
    for a in left.without_null().each() {
        for b in right.without_null().each() {
            results = results.or(of_two(op, a, b).unwrap_or(results));
        }
    }
    results
}

fn of_two(op: BinaryOp, a: Kinds, b: Kinds) -> Option<Kinds> {
    use BinaryOp as Op;
    let both = |kind| a == kind && b == kind;
    let numbers = Kinds::NUMBER.meets(a) && Kinds::NUMBER.meets(b);
    let number = if both(Kinds::INT) { Kinds::INT } else { Kinds::FLOAT };
    Some(match op {
        Op::BitOr | Op::BitXor | Op::BitAnd | Op::ShiftLeft | Op::ShiftRight if both(Kinds::INT) => Kinds::INT,
        Op::Power if numbers => number.or(Kinds::FLOAT),
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder if numbers => number,
        Op::Add if both(Kinds::STR) => Kinds::STR,
        Op::Add | Op::Subtract if both(Kinds::DURATION) => Kinds::DURATION,
        Op::Add | Op::Subtract if a == Kinds::TIMESTAMP && b == Kinds::DURATION => Kinds::TIMESTAMP,
        Op::Add if a == Kinds::DURATION && b == Kinds::TIMESTAMP => Kinds::TIMESTAMP,
        Op::Subtract if both(Kinds::TIMESTAMP) => Kinds::DURATION,
        // Durations with numbers and with each other: what exactly is the engine's to say.
        Op::Multiply | Op::Divide | Op::Remainder
            if a == Kinds::DURATION && b.meets(Kinds::NUMBER.or(Kinds::DURATION))
                || op == Op::Multiply && b == Kinds::DURATION && a.meets(Kinds::NUMBER) =>
        {
            Kinds::DURATION.or(Kinds::NUMBER)
        }
        _ => return None,
    })
}

/// Whether `<` and its like can order values of these types.
pub(super) fn orders(left: Kinds, right: Kinds) -> bool {
    [Kinds::NUMBER, Kinds::STR, Kinds::TIMESTAMP, Kinds::DURATION]
        .into_iter()
        .any(|kind| left.meets(kind) && right.meets(kind))
}

/// Whether `==` can be true of values of these types.
pub(super) fn equals(left: Kinds, right: Kinds) -> bool {
    let spread = |kinds: Kinds| if kinds.meets(Kinds::NUMBER) { kinds.or(Kinds::NUMBER) } else { kinds };
    let (left, right) = (spread(left), spread(right));
    // Two fields that are null are equal, but that is not what is compared for.
    left == Kinds::NULL || right == Kinds::NULL || left.without_null().meets(right.without_null())
}

/// The types of the arguments of a function, the last one's for all that follow, and of its value.
pub(super) fn signature(function: Function) -> (&'static [Kinds], Kinds) {
    use Function as F;
    const ANY: Kinds = Kinds::ANY;
    const INT: Kinds = Kinds::INT;
    const NUMBER: Kinds = Kinds::NUMBER;
    const STR: Kinds = Kinds::STR;
    const ARRAY: Kinds = Kinds::ARRAY;
    const MAP: Kinds = Kinds::MAP;
    let number_or_duration = const { &[NUMBER.or(Kinds::DURATION)] };
    let sized = const { &[STR.or(ARRAY).or(MAP)] };
    let whole = const { &[NUMBER.or(Kinds::BOOL).or(STR).or(Kinds::TIMESTAMP).or(Kinds::DURATION)] };
    match function {
        F::Abs => (number_or_duration, ANY),
        F::Floor | F::Ceil | F::Round => (&[NUMBER], INT),
        F::Sqrt | F::Log | F::Log10 | F::Exp | F::Sin | F::Cos | F::Tan => (&[NUMBER], Kinds::FLOAT),
        F::Pow => (&[NUMBER], NUMBER),
        F::Len => (sized, INT),
        F::Trim | F::Lower | F::Upper => (&[STR], STR),
        F::Split => (&[STR], ARRAY),
        F::Join => (&[ARRAY, STR], STR),
        F::Replace => (&[STR], STR),
        F::StartsWith | F::EndsWith => (&[STR], Kinds::BOOL),
        F::Substring => (&[STR, INT], STR),
        F::First | F::Last | F::Sum | F::Avg => (&[ARRAY], ANY),
        F::Push => (&[ARRAY, ANY], ARRAY),
        F::Pop => (&[ARRAY], ARRAY),
        F::Sort => (&[ARRAY], ARRAY),
        F::Reverse => (const { &[STR.or(ARRAY)] }, ANY),
        F::Range => (&[INT], ARRAY),
        F::Keys | F::Values => (&[MAP], ARRAY),
        F::Set => (&[MAP, STR, ANY], MAP),
        F::Map | F::Filter => (&[ARRAY, ANY], ARRAY),
        F::ToInt => (whole, INT),
        F::ToFloat => (const { &[NUMBER.or(Kinds::BOOL).or(STR)] }, Kinds::FLOAT),
        F::ToString | F::TypeOf => (&[ANY], STR),
        F::IsNull | F::Contains => (&[ANY], Kinds::BOOL),
        F::Now => (&[], Kinds::TIMESTAMP),
        F::Min | F::Max | F::Clamp | F::Concat | F::Get | F::Coalesce => (&[ANY], ANY),
    }
}
