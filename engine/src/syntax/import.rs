//! `import "file"`: the statements of another file, as if they were written in its place; `as x` puts `x.` before the
//! names that it declares.
//!
//! The files are read beforehand ([`gather`]) and lie in one [`SourceFile`], so that a span leads to its file. A file that
//! is imported again under the same prefix is there already. A prefix changes what a file declares and its own uses of
//! that: what it uses without declaring it (an event type that the program or nobody declares) keeps its name, and so does
//! an event type in the data.

use std::collections::HashSet;

use super::ast::{Import, Program, Statement, StatementKind};
use super::parser::parse_text;
use super::prefix::{Declared, collapse, prefix};
use crate::diagnostic::{Code, Diagnostic, SourceFile};

/// The most files that a program may import, directly and through others.
const MAX_FILES: usize = 1_000;
/// How many files may import each other in a row.
const MAX_DEPTH: usize = 50;

/// Finds what stands behind `import`: the file's name, by which it is known again, and its text; or why there is none.
pub type Load<'l> = &'l dyn Fn(&str) -> Result<(String, String), String>;

/// A program with the files that it imports, which `load` finds relative to the program.
pub fn gather(name: impl Into<String>, text: impl Into<String>, load: Load<'_>) -> SourceFile {
    let mut source = SourceFile::new(name, text);
    let mut file = 0;
    while file < source.files() {
        // What cannot be read is told when the program is.
        let (program, _) = parse_text(source.text_of(file), 0);
        for statement in &program.statements {
            let StatementKind::Import(Import { path, foreign: false, .. }) = &statement.kind else { continue };
            if !source.knows_import(&path.text) {
                let found = match source.files() {
                    0..MAX_FILES => load(&path.text),
                    _ => Err(format!("the program imports more than {MAX_FILES} files")),
                };
                source.add_import(path.text.clone(), found);
            }
        }
        file += 1;
    }
    source
}

/// Reads a program with everything that it imports.
pub fn parse(source: &SourceFile) -> (Program, Vec<Diagnostic>) {
    let mut reader =
        Reader { source, diagnostics: Vec::new(), broken: Vec::new(), open: Vec::new(), done: HashSet::new() };
    let statements = reader.read(0, "");
    let Reader { diagnostics, broken, .. } = reader;
    (Program { statements, broken }, diagnostics)
}

struct Reader<'s> {
    source: &'s SourceFile,
    diagnostics: Vec<Diagnostic>,
    broken: Vec<super::ast::Name>,
    /// The files that are being read, each of which imports the next.
    open: Vec<usize>,
    /// Files that have been read, with all the prefixes before their names.
    done: HashSet<(usize, String)>,
}

impl Reader<'_> {
    /// The statements of a file, with those that it imports.
    fn read(&mut self, file: usize, prefixes: &str) -> Vec<Statement> {
        let start = self.source.start_of(file);
        let (Program { statements, broken }, found) = parse_text(self.source.text_of(file), start);
        self.diagnostics.extend(found);
        self.broken.extend(broken);
        if !statements.iter().any(|statement| matches!(statement.kind, StatementKind::Import(_))) {
            return statements;
        }
        self.open.push(file);
        let mut all = Vec::new();
        for statement in statements {
            match &statement.kind {
                StatementKind::Import(import) if !import.foreign => all.extend(self.import(import, prefixes)),
                _ => all.push(statement),
            }
        }
        self.open.pop();
        // A name with a prefix is one name.
        let declared = Declared::of(&all);
        all.iter_mut().for_each(|statement| collapse(statement, &declared));
        all
    }

    fn import(&mut self, import: &Import, prefixes: &str) -> Vec<Statement> {
        let path = &import.path;
        let file = match self.source.import(&path.text) {
            Ok(file) => file,
            Err(reason) => {
                let message = format!("`{}` cannot be imported: {reason}", path.text);
                let diagnostic = Diagnostic::new(Code::BadImport, path.span, message)
                    .help("a file is looked for beside the program, or where its path leads from there");
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        };
        if self.open.contains(&file) {
            let message = format!("`{}` imports itself, directly or through others", path.text);
            self.diagnostics
                .push(Diagnostic::new(Code::Cycle, path.span, message).help("leave one of the imports out"));
            return Vec::new();
        }
        if self.open.len() == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} files import each other in a row");
            self.diagnostics.push(Diagnostic::new(Code::LongChain, path.span, message));
            return Vec::new();
        }
        let alias = import.alias.as_ref().map(|alias| alias.text.as_str());
        let inner = alias.map_or(prefixes.to_owned(), |alias| format!("{prefixes}{alias}."));
        if !self.done.insert((file, inner.clone())) {
            return Vec::new();
        }
        let mut statements = self.read(file, &inner);
        if let Some(alias) = alias {
            let declared = Declared::of(&statements);
            statements.iter_mut().for_each(|statement| prefix(statement, alias, &declared));
        }
        statements
    }
}
