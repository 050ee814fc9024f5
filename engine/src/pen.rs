//! Writing into room that was made beforehand.
//!
//! A vector looks for room at every append. A line consists of many short pieces whose greatest lengths are known when the
//! plan is made: room for all of them is made at once, and then each piece merely moves the pen on. Short pieces are
//! copied in chunks of constant size, which are a few moves where a copy of varying size is a call; what a chunk holds
//! beyond the piece is overwritten by the next one.

/// Appends to a vector whose length is set when the pen is put down.
#[derive(Debug)]
pub(crate) struct Pen<'v> {
    out: &'v mut Vec<u8>,
    /// Where the next byte will stand: within the vector's capacity, and everything before it is initialised.
    at: *mut u8,
}

impl<'v> Pen<'v> {
    /// A pen at the end of `out`, with room for `bytes`.
    #[inline(always)]
    pub(crate) fn new(out: &'v mut Vec<u8>, bytes: usize) -> Self {
        out.reserve(bytes);
        // SAFETY: the length is within the capacity.
        let at = unsafe { out.as_mut_ptr().add(out.len()) };
        Pen { out, at }
    }

    /// Writes `piece` out of the front of `chunk`.
    ///
    /// # Safety
    /// There is room for the whole chunk, and `piece` is no longer than it.
    #[inline(always)]
    pub(crate) unsafe fn chunk<const N: usize>(&mut self, chunk: &[u8; N], piece: usize) {
        debug_assert!(piece <= N && N <= self.left());
        // SAFETY: the caller made room; a chunk lies outside of the vector, which is borrowed mutably.
        unsafe {
            self.at.copy_from_nonoverlapping(chunk.as_ptr(), N);
            self.at = self.at.add(piece);
        }
    }

    /// Lets `write` put down bytes at the pen's place; it returns the place behind them.
    ///
    /// # Safety
    /// There is room for what `write` puts down, and it leaves no gap.
    #[inline(always)]
    pub(crate) unsafe fn put(&mut self, write: impl FnOnce(*mut u8) -> *mut u8) {
        self.at = write(self.at);
        debug_assert!(self.at as usize <= self.out.as_ptr() as usize + self.out.capacity());
    }

    /// Writes `bytes`, however many, and makes room for `more` behind them.
    #[inline(always)]
    pub(crate) fn long(&mut self, bytes: &[u8], more: usize) {
        self.append(more, |out| out.extend_from_slice(bytes));
    }

    /// Lets `write` append to the vector, and makes room for `more` bytes behind that.
    #[inline(always)]
    pub(crate) fn append(&mut self, more: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.put_down();
        write(self.out);
        self.out.reserve(more);
        // SAFETY: the length is within the capacity.
        self.at = unsafe { self.out.as_mut_ptr().add(self.out.len()) };
    }

    /// Makes room for `bytes` unless there is.
    #[inline(always)]
    pub(crate) fn make_room(&mut self, bytes: usize) {
        if self.left() < bytes {
            self.append(bytes, |_| {});
        }
    }

    /// Sets the vector's length. A pen that is not put down leaves the vector as it was, or shorter than was written.
    #[inline(always)]
    pub(crate) fn put_down(&mut self) {
        let len = self.at as usize - self.out.as_ptr() as usize;
        // SAFETY: the pen has initialised everything before its place, which is within the capacity.
        unsafe { self.out.set_len(len) };
    }

    /// How much room there is.
    #[inline(always)]
    fn left(&self) -> usize {
        self.out.as_ptr() as usize + self.out.capacity() - self.at as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_without_gaps() {
        let mut out = b"before ".to_vec();
        let mut pen = Pen::new(&mut out, 16);
        // SAFETY: there is room for sixteen bytes, and the pieces have nine.
        unsafe {
            pen.chunk(b"one ....", 4);
            pen.chunk(b"two..", 3);
        }
        pen.long(&[b'-'; 100], 8);
        // SAFETY: room for eight bytes was made, and two are written.
        unsafe {
            pen.put(|at| {
                at.write(b'!');
                at.add(1).write(b'?');
                at.add(2)
            });
        }
        pen.put_down();
        assert_eq!(out, [b"before one two".as_slice(), &[b'-'; 100], b"!?"].concat());
    }
}
