//! An `.evt` file as the lines of a JSONL file, so that [`Replay`](crate::replay::Replay) reads both.
//!
//! Each line becomes one line, a comment a blank one: line numbers stay. A line that cannot be read ends the replay
//! there, with its place and reason.

use std::io::{self, BufRead, ErrorKind, Read};

use kolo_engine::check::program::EventType;
use kolo_engine::evt::Translator;

/// Reads `.evt`, gives JSONL.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    translator: Translator,
    line: Vec<u8>,
    json: Vec<u8>,
    /// How much of `json` has been read.
    used: usize,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input` for a program that declares these event types.
    pub fn new(input: R, events: &[EventType]) -> Self {
        Reader { input, translator: Translator::new(events), line: Vec::new(), json: Vec::new(), used: 0 }
    }
}

impl<R: BufRead> BufRead for Reader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.json.len() {
            self.used = 0;
            self.line.clear();
            self.json.clear();
            if self.input.read_until(b'\n', &mut self.line)? > 0 {
                let invalid = |reason: String| io::Error::new(ErrorKind::InvalidData, reason);
                let line = str::from_utf8(&self.line).map_err(|_| invalid("the line is no UTF-8".into()))?;
                let line = line.trim_end_matches(['\r', '\n']);
                self.translator.line(line, &mut self.json).map_err(|error| invalid(error.to_string()))?;
                self.json.push(b'\n');
            }
        }
        Ok(&self.json[self.used..])
    }

    fn consume(&mut self, amount: usize) {
        self.used = (self.used + amount).min(self.json.len());
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_line() {
        let text = "# two events\r\nA { n: 1 }\r\n\n{\"event_type\":\"B\"}\n@1s C(x)";
        let mut jsonl = String::new();
        Reader::new(text.as_bytes(), &[]).read_to_string(&mut jsonl).expect("it can be read");
        let expected = concat!(
            "\n",
            r#"{"event_type":"A","@timestamp":"1970-01-01T00:00:00Z","data":{"n":1}}"#,
            "\n\n",
            r#"{"event_type":"B"}"#,
            "\n",
            r#"{"event_type":"C","@timestamp":"1970-01-01T00:00:01Z","data":{"field_0":"x"}}"#,
            "\n",
        );
        assert_eq!(jsonl, expected);
    }

    #[test]
    fn a_bad_line_is_an_error_after_the_good_ones() {
        let mut reader = Reader::new(&b"A()\nA(\nA()\n"[..], &[]);
        let mut line = String::new();
        assert!(reader.read_line(&mut line).is_ok_and(|length| length > 0));
        let error = reader.read_line(&mut line).expect_err("a bracket is not closed");
        assert_eq!(error.to_string(), "column 3: expected a value");
        let mut reader = Reader::new(&b"A(\xff)\n"[..], &[]);
        assert_eq!(reader.read_line(&mut line).expect_err("no UTF-8").to_string(), "the line is no UTF-8");
    }
}
