//! Which types a value may have.

use std::fmt;

use crate::syntax::ast::{Type, TypeKind};

/// A set of types. A value may besides always be missing; a field may also be null.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const NULL: Kinds = Kinds(1);
    pub(super) const BOOL: Kinds = Kinds(2);
    pub(super) const INT: Kinds = Kinds(4);
    pub(super) const FLOAT: Kinds = Kinds(8);
    pub(super) const STR: Kinds = Kinds(16);
    pub(super) const ARRAY: Kinds = Kinds(32);
    pub(super) const MAP: Kinds = Kinds(64);
    pub(super) const TIMESTAMP: Kinds = Kinds(128);
    pub(super) const DURATION: Kinds = Kinds(256);

    pub(super) const NUMBER: Kinds = Kinds(Self::INT.0 | Self::FLOAT.0);
    pub(super) const ANY: Kinds = Kinds(511);

    const NAMES: [(Kinds, &str); 8] = [
        (Kinds::BOOL, "bool"),
        (Kinds::INT, "int"),
        (Kinds::FLOAT, "float"),
        (Kinds::STR, "str"),
        (Kinds::ARRAY, "array"),
        (Kinds::MAP, "map"),
        (Kinds::TIMESTAMP, "timestamp"),
        (Kinds::DURATION, "duration"),
    ];

    /// No type: the value is always missing.
    pub(super) const NONE: Kinds = Kinds(0);

    pub(super) const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(super) fn without_null(self) -> Kinds {
        Kinds(self.0 & !Self::NULL.0)
    }

    pub(super) fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of the types alone.
    pub(super) fn each(self) -> impl Iterator<Item = Kinds> {
        (0..9).map(|bit| Kinds(1 << bit)).filter(move |kind| self.meets(*kind))
    }

    /// The types in which a field comes that is declared so. Nothing is converted, and JSON has neither times nor an int
    /// that is no float: a declared time may be a text or a number, a declared int one that is too large for an int.
    pub(super) fn declared(ty: &Type) -> Kinds {
        let kinds = match &ty.kind {
            TypeKind::Int | TypeKind::Float => Kinds::NUMBER,
            TypeKind::Bool => Kinds::BOOL,
            TypeKind::Str => Kinds::STR,
            TypeKind::Array(_) | TypeKind::Tuple(_) => Kinds::ARRAY,
            TypeKind::Map(..) => Kinds::MAP,
            TypeKind::Optional(of) => Kinds::declared(of),
            TypeKind::Timestamp | TypeKind::Duration | TypeKind::Named(_) | TypeKind::Stream(_) => Kinds::ANY,
        };
        kinds.or(Kinds::NULL)
    }
}

impl fmt::Display for Kinds {
    /// `int`, `int or str`, `null`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.without_null();
        match kinds {
            Kinds::NUMBER => return f.write_str("a number"),
            _ if kinds == Kinds::ANY.without_null() => return f.write_str("anything"),
            _ => {}
        }
        let names: Vec<&str> =
            Kinds::NAMES.iter().filter(|(kind, _)| kinds.meets(*kind)).map(|(_, name)| *name).collect();
        if names.is_empty() { f.write_str("null") } else { f.write_str(&names.join(" or ")) }
    }
}
