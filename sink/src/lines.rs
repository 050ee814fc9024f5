//! Outputs as lines of text: files and standard output.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes each output as a line. What was written counts as delivered once [`flush`](Self::flush) has returned.
pub struct Lines {
    writer: BufWriter<Box<dyn Write + Send>>,
    name: String,
    unflushed: bool,
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
        Lines { writer: BufWriter::with_capacity(BUFFER_BYTES, writer), name: name.to_owned(), unflushed: false }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The operating system's: `BrokenPipe` when the reader has gone.
    #[inline]
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.unflushed = true;
        self.writer.write_all(line)?;
        self.writer.write_all(b"\n")
    }

    /// Hands everything to the operating system; waits while a reader is slow.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn flush(&mut self) -> io::Result<()> {
        if self.unflushed {
            self.writer.flush()?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Gives up what was not flushed.
    pub fn abandon(self) {
        let (_, unwritten) = self.writer.into_parts();
        drop(unwritten);
    }
}
