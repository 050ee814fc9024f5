//! The live line: what a run does right now, on stderr while that is a terminal, rewritten in place.
//!
//! 1. One line, cut by the terminal where it is too narrow; it is erased at the end.
//! 2. Whoever else writes to stderr does so through [`stderr`], which takes the line away first: nothing is ever written
//!    into it. It comes back with the next refresh.
//! 3. The same thread samples the ring for the report, also where there is no terminal, twenty times a second.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::report::{Occupancy, grouped};
use crate::stderr;

/// How often the ring is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// How many samples there are for each refresh of the line.
const SAMPLES_A_REFRESH: u32 = 4;
/// Rates are taken over this many refreshes: one second, so that a reader can follow.
const REFRESHES_A_RATE: usize = 5;

/// What the line shows, at one moment.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Figures {
    /// Records taken so far.
    pub(crate) records_in: u64,
    /// Outputs sent so far.
    pub(crate) outputs: u64,
    /// Records that are expected in all, where that is known.
    pub(crate) expected: Option<u64>,
    /// Records that the brokers hold beyond those taken, where that is known.
    pub(crate) lag: Option<u64>,
    /// Slots in use.
    pub(crate) occupancy: u64,
    /// Slots that there are.
    pub(crate) slots: u64,
}

/// Whether there is a place for a live line: stderr is a terminal that can rewrite a line, and the outputs do not run
/// over the same one.
pub(crate) fn possible(outputs_on_stdout: bool) -> bool {
    io::stderr().is_terminal()
        && !(outputs_on_stdout && io::stdout().is_terminal())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The thread that samples and, if asked to, shows.
pub(crate) struct Live {
    /// Dropped to stop the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<Option<Occupancy>>>,
}

impl Live {
    /// Begins. The line appears only if it is to be `visible` (see [`possible`]); `figures` is called twenty times a
    /// second either way.
    pub(crate) fn start(visible: bool, figures: impl Fn() -> Figures + Send + 'static) -> Live {
        let (running, stopped) = mpsc::channel();
        let watch = move || {
            let mut samples = Samples::default();
            let mut line = Line::begin(Instant::now());
            let mut until_refresh = SAMPLES_A_REFRESH;
            while stopped.recv_timeout(SAMPLE_EVERY) == Err(RecvTimeoutError::Timeout) {
                let figures = figures();
                samples.add(figures.occupancy, figures.slots);
                until_refresh -= 1;
                if until_refresh == 0 {
                    until_refresh = SAMPLES_A_REFRESH;
                    if visible {
                        stderr::rewrite(&line.next(&figures, Instant::now()));
                    }
                }
            }
            samples.occupancy()
        };
        // Without the thread a run only lacks its line and the ring's occupancy.
        let thread = thread::Builder::new().name("kolo-live".to_owned()).spawn(watch);
        let thread = thread.inspect_err(|reason| log::warn!("no live figures: {reason}")).ok();
        Live { running: Some(running), thread }
    }

    /// Ends, erases the line, and returns what the ring was like; `None` if it was too short to tell.
    pub(crate) fn stop(mut self) -> Option<Occupancy> {
        self.end()
    }

    fn end(&mut self) -> Option<Occupancy> {
        self.running = None;
        let occupancy = self.thread.take()?.join().ok().flatten();
        stderr::above(|| ());
        occupancy
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the samples of a run add up to.
#[derive(Debug, Default)]
struct Samples {
    count: u64,
    sum: u64,
    max: u64,
    slots: u64,
}

impl Samples {
    fn add(&mut self, occupancy: u64, slots: u64) {
        self.count += 1;
        self.sum += occupancy;
        self.max = self.max.max(occupancy);
        self.slots = slots;
    }

    fn occupancy(&self) -> Option<Occupancy> {
        (self.count > 0).then(|| Occupancy { mean: self.sum as f64 / self.count as f64, max: self.max })
    }
}

/// The line's text, which needs to remember a second of figures for its rates.
struct Line {
    began: Instant,
    /// When, records in and outputs, the oldest first; never empty.
    past: VecDeque<(Instant, u64, u64)>,
}

impl Line {
    fn begin(now: Instant) -> Line {
        Line { began: now, past: VecDeque::from([(now, 0, 0)]) }
    }

    fn next(&mut self, figures: &Figures, now: Instant) -> String {
        let (then, records_in, outputs) = self.past[0];
        let seconds = now.duration_since(then).as_secs_f64().max(f64::EPSILON);
        let rate = |count: u64, before: u64| grouped((count.saturating_sub(before) as f64 / seconds) as u64);
        let elapsed_s = now.duration_since(self.began).as_secs();
        let (hours, minutes, seconds) = (elapsed_s / 3_600, elapsed_s / 60 % 60, elapsed_s % 60);
        let mut line = match hours {
            0 => format!("{minutes}:{seconds:02}"),
            _ => format!("{hours}:{minutes:02}:{seconds:02}"),
        };
        line += &format!("  {}", grouped(figures.records_in));
        if let Some(expected) = figures.expected.filter(|expected| *expected > 0) {
            line += &format!(" ({} %)", figures.records_in.saturating_mul(100) / expected);
        }
        line += &format!("  in {}/s  out {}/s", rate(figures.records_in, records_in), rate(figures.outputs, outputs));
        if let Some(lag) = figures.lag {
            line += &format!("  lag {}", grouped(lag));
        }
        line += &format!("  ring {} %", figures.occupancy * 100 / figures.slots.max(1));
        self.past.push_back((now, figures.records_in, figures.outputs));
        if self.past.len() > REFRESHES_A_RATE {
            self.past.pop_front();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn the_line_tells_totals_rates_lag_and_occupancy() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut line = Line::begin(began);
        let mut figures = Figures {
            records_in: 1_500_000,
            outputs: 3_000,
            lag: Some(12_345),
            occupancy: 1_024,
            slots: 4_096,
            expected: None,
        };
        assert_eq!(
            line.next(&figures, after(1)),
            "0:01  1,500,000  in 1,500,000/s  out 3,000/s  lag 12,345  ring 25 %"
        );
        for seconds in 2..=10 {
            figures.records_in += 10;
            line.next(&figures, after(seconds));
        }
        // Only the last second's worth of refreshes counts: the burst of the beginning is over.
        figures = Figures { records_in: 1_500_100, expected: Some(2_000_000), lag: None, occupancy: 0, ..figures };
        assert_eq!(line.next(&figures, after(3_671)), "1:01:11  1,500,100 (75 %)  in 0/s  out 0/s  ring 0 %");
    }

    #[test]
    fn a_typical_line_fits_into_eighty_columns() {
        let began = Instant::now();
        let figures = Figures {
            records_in: 98_765_432,
            outputs: 87_654_321,
            expected: None,
            lag: Some(12_345_678),
            occupancy: 4_096,
            slots: 4_096,
        };
        let line = Line::begin(began).next(&figures, began + Duration::from_secs(59));
        assert!(line.len() <= 80, "{} columns: {line}", line.len());
    }

    #[test]
    fn samples_have_a_mean_and_a_maximum_if_there_are_any() {
        let mut samples = Samples::default();
        assert_eq!(samples.occupancy(), None);
        [1, 5, 3].into_iter().for_each(|occupancy| samples.add(occupancy, 8));
        assert_eq!(samples.occupancy(), Some(Occupancy { mean: 3.0, max: 5 }));
    }

    #[test]
    fn it_samples_until_it_is_stopped() {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let live = Live::start(false, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Figures { occupancy: 7, slots: 8, ..Figures::default() }
        });
        while calls.load(Ordering::Relaxed) < 2 {
            thread::yield_now();
        }
        assert_eq!(live.stop(), Some(Occupancy { mean: 7.0, max: 7 }));
        let at_the_end = calls.load(Ordering::Relaxed);
        thread::sleep(2 * SAMPLE_EVERY);
        assert_eq!(calls.load(Ordering::Relaxed), at_the_end);
    }
}
