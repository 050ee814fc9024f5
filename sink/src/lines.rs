//! Outputs as lines of text: files and standard output.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes each output as a line. What was written counts as delivered once [`flush`](Self::flush) has returned.
///
/// A reader that goes away takes with it what it had not been given. Whether that matters depends on the lines: one that
/// is the only place where its output goes is *owed*, one that repeats what goes elsewhere is not.
pub struct Lines {
    /// `None` once the reader has gone.
    writer: Option<BufWriter<Box<dyn Write + Send>>>,
    name: String,
    unflushed: bool,
    /// Whether an owed line came since the last flush.
    owes: bool,
}

impl Lines {
    /// Lines on standard output.
    pub fn stdout() -> Self {
        Lines::new(Box::new(io::stdout()), "standard output")
    }

    /// Lines appended to a file, which is created if there is none.
    ///
    /// # Errors
    /// The operating system's reason why it cannot be opened.
    pub fn file(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Lines::new(Box::new(file), path))
    }

    /// Lines into `writer`, called `name` in messages.
    pub fn new(writer: Box<dyn Write + Send>, name: &str) -> Self {
        let writer = Some(BufWriter::with_capacity(BUFFER_BYTES, writer));
        Lines { writer, name: name.to_owned(), unflushed: false, owes: false }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a line; nothing happens to it once the reader has gone.
    ///
    /// # Errors
    /// The operating system's, once: `BrokenPipe` when the reader has gone.
    #[inline]
    pub fn write(&mut self, line: &[u8], owed: bool) -> io::Result<()> {
        self.owes |= owed;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.unflushed = true;
        let written = writer.write_all(line).and_then(|()| writer.write_all(b"\n"));
        written.inspect_err(|_| self.abandon())
    }

    /// Hands everything to the operating system; waits while a reader is slow.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn flush(&mut self) -> io::Result<()> {
        if self.unflushed
            && let Some(writer) = &mut self.writer
        {
            writer.flush().inspect_err(|_| self.abandon())?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Whether all owed lines since the last call have arrived; to be asked after [`flush`](Self::flush).
    #[inline]
    pub fn settled(&mut self) -> bool {
        !std::mem::take(&mut self.owes) || self.writer.is_some()
    }

    /// Gives up what was not flushed: dropping the writer would try once more to write what the reader did not take.
    #[cold]
    fn abandon(&mut self) {
        if let Some(writer) = self.writer.take() {
            let (_, unwritten) = writer.into_parts();
            drop(unwritten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then has gone.
    struct Reader(usize);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn owed_lines_are_settled_only_if_they_arrived() {
        let mut lines = Lines::new(Box::new(Reader(8)), "a test");
        lines.write(b"one", true).expect("it is buffered");
        lines.flush().expect("four bytes fit");
        assert!(lines.settled());
        lines.write(b"a longer one", true).expect("it is buffered");
        assert_eq!(lines.flush().expect_err("it does not fit").kind(), io::ErrorKind::BrokenPipe);
        assert!(!lines.settled());
        lines.write(b"repeated elsewhere", false).expect("told once");
        assert!(lines.settled());
        lines.write(b"owed", true).expect("told once");
        lines.flush().expect("told once");
        assert!(!lines.settled());
    }

    #[test]
    fn lines_that_were_buffered_when_another_failed_have_not_arrived() {
        let mut lines = Lines::new(Box::new(Reader(0)), "a test");
        lines.write(b"first", true).expect("it is buffered");
        lines.write(&[b'x'; BUFFER_BYTES + 1], false).expect_err("the reader has gone");
        lines.flush().expect("told once");
        assert!(!lines.settled());
    }
}
