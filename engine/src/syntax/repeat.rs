//! `for NAME in a..b:` at the outermost level repeats its block with `{NAME}` replaced by the number.
//!
//! The replacement happens in the text, so that `stream S{i} = …` and `"topic-{i}"` work alike. An [`Origin`] leads from
//! the replaced text back to the file, so that diagnostics point at what a person wrote.

use super::ast::Span;

/// The most repetitions of a block, counting those of the loops around it.
pub const MAX_REPEATS: i64 = 10_000;

/// The most bytes that all loops of a program together may become.
pub const MAX_EXPANDED_BYTES: usize = 16 << 20;

/// Where a text stands in the file.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// In the order of the text, without gaps, the first at 0.
    pieces: Vec<Piece>,
}

/// A stretch of text from one place of the file.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Its first byte in the text.
    at: usize,
    /// Where it stands in the file.
    span: Span,
    /// True for a number that replaces `{NAME}`: all of it stands for the whole span.
    replaced: bool,
}

impl Origin {
    /// The text is a file itself, which begins at byte `start` of its program.
    pub(super) fn file(start: usize, length: usize) -> Self {
        Origin { pieces: vec![Piece { at: 0, span: Span::new(start, start + length), replaced: false }] }
    }

    /// Where in the file the bytes from `start` to `end` of the text stand.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let first = self.piece(start);
        let from = if first.replaced { first.span.start } else { first.span.start + (start - first.at) as u32 };
        if start == end {
            return Span { start: from, end: from };
        }
        let last = self.piece(end - 1);
        let to = if last.replaced { last.span.end } else { last.span.start + (end - last.at) as u32 };
        Span { start: from, end: to.max(from) }
    }

    fn piece(&self, byte: usize) -> Piece {
        self.pieces[self.pieces.partition_point(|piece| piece.at <= byte) - 1]
    }
}

/// A block, cut at every `{NAME}` that is to be replaced.
#[derive(Debug)]
pub(super) struct Template<'a> {
    text: &'a str,
    /// Where the block's text stands in the text around it.
    start: usize,
    /// Where the `{NAME}` begin, within `text`.
    holes: Vec<usize>,
    hole_length: usize,
}

impl<'a> Template<'a> {
    /// The bytes from `start` to `end` of `text`, as the block of a loop over `variable`.
    pub(super) fn new(text: &'a str, start: usize, end: usize, variable: &str) -> Self {
        let text = &text[start..end];
        let hole = format!("{{{variable}}}");
        let holes = text.match_indices(&hole).map(|(at, _)| at).collect();
        Template { text, start, holes, hole_length: hole.len() }
    }

    /// The block for one value. `origin` is that of the text around the block.
    pub(super) fn fill(&self, value: i64, origin: &Origin) -> (String, Origin) {
        let value = value.to_string();
        let mut text = String::with_capacity(self.text.len() + self.holes.len() * value.len());
        let mut pieces = Vec::with_capacity(2 * self.holes.len() + 1);
        let mut done = 0;
        for hole in &self.holes {
            self.copy(done, *hole, origin, &mut text, &mut pieces);
            done = hole + self.hole_length;
            let span = origin.span(self.start + hole, self.start + done);
            pieces.push(Piece { at: text.len(), span, replaced: true });
            text.push_str(&value);
        }
        self.copy(done, self.text.len(), origin, &mut text, &mut pieces);
        (text, Origin { pieces })
    }

    /// Copies a stretch without holes; in a nested loop it may consist of several of `origin`'s pieces.
    fn copy(&self, from: usize, to: usize, origin: &Origin, text: &mut String, pieces: &mut Vec<Piece>) {
        let (outer_from, outer_to) = (self.start + from, self.start + to);
        let first = origin.pieces.partition_point(|piece| piece.at <= outer_from) - 1;
        for (index, piece) in origin.pieces.iter().enumerate().skip(first) {
            if index > first && piece.at >= outer_to {
                break;
            }
            let end = origin.pieces.get(index + 1).map_or(outer_to, |next| next.at.min(outer_to));
            let start = piece.at.max(outer_from);
            pieces.push(Piece { at: text.len() + start - outer_from, span: origin.span(start, end), ..*piece });
        }
        text.push_str(&self.text[from..to]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lead_back_to_the_block_as_written() {
        let file = "ab{i}cd{i}{j}";
        let (text, origin) = Template::new(file, 1, file.len(), "i").fill(17, &Origin::file(0, file.len()));
        assert_eq!(text, "b17cd17{j}");
        assert_eq!(origin.span(0, 1), Span::new(1, 2));
        assert_eq!(origin.span(1, 3), Span::new(2, 5));
        assert_eq!(origin.span(0, 5), Span::new(1, 7));
        assert_eq!(origin.span(2, 2), Span::new(2, 2), "a place within a number is the place of its braces");
        let (text, origin) = Template::new(&text, 4, text.len(), "j").fill(5, &origin);
        assert_eq!(text, "d175");
        assert_eq!(origin.span(0, 1), Span::new(6, 7));
        assert_eq!(origin.span(1, 3), Span::new(7, 10));
        assert_eq!(origin.span(3, 4), Span::new(10, 13));
        assert_eq!(origin.span(4, 4).start, 13, "the end of the text lies in its last piece");
    }
}
