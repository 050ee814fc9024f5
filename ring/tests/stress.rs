//! Real threads, random lanes: rounds of random size, under each wait strategy, that end in order or by a panic.
//!
//! ```text
//!   producer ─▶ stage 1 (changes every word) ─▶ stage 2 (checks every word, acknowledges late)
//!      ┊ a fourth thread reads the counts all the while, and wakes parties that do not wait for it
//! ```
//!
//! The same few rounds run each time, then others from a new seed: one of each strategy, and more for as many seconds as
//! `KOLO_STRESS_SECONDS` says. Two minutes of them:
//!
//! ```sh
//! KOLO_STRESS_SECONDS=120 cargo test -p kolo-ring --release --test stress -- --nocapture
//! ```

use kolo_ring::*;
use std::any::type_name;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Every word of a slot carries the same value, so that one written by two hands shows.
type Words = [u64; 8];

/// The numbers of Weyl and Marsaglia: plenty random for sizes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % bound
    }
}

#[derive(Debug)]
struct Round {
    config: Config,
    /// The most that each party claims at a time.
    batches: [usize; 3],
    /// How many slots go through, unless somebody panics.
    total: u64,
    /// Who panics, at which sequence.
    panics: Option<(usize, u64)>,
}

impl Round {
    /// Few laps of many slots or of few: a hand-over may cost a time slice where parties outnumber cores.
    fn roll(dice: &mut Dice) -> Round {
        // Miri takes a second for what takes a millisecond here.
        let slots = 1 << dice.below(if cfg!(miri) { 3 } else { 11 });
        let total = slots as u64 * (1 + dice.below(if cfg!(miri) { 8 } else { 40 }));
        Round {
            config: Config { slots, in_flight: (1 + dice.below(2 * slots as u64)).max(slots as u64 / 4) },
            batches: [(); 3].map(|()| 1 + dice.below(slots as u64) as usize),
            total,
            panics: (dice.below(3) == 0).then(|| (dice.below(3) as usize, dice.below(total))),
        }
    }

    /// Panics if `party` is the one to, and its batch has come to the place. It holds the batch meanwhile.
    fn maybe_panic(&self, party: usize, batch: &Batch<'_, Words, impl WaitStrategy>) {
        if self.panics.is_some_and(|(who, at)| who == party && at < batch.sequence() + batch.len() as u64) {
            resume_unwind(Box::new("the point of this test"));
        }
    }

    fn play<W: WaitStrategy>(&self) {
        let (producer, [first, last], acknowledger, monitor) = lane::<Words, W, 2>(self.config, || [0; 8]);
        let wakers = [producer.waker(), first.waker(), last.waker()];
        let over = AtomicBool::new(false);
        let ends = thread::scope(|scope| {
            let parties = [
                scope.spawn(|| self.fill(producer)),
                scope.spawn(|| self.change(first)),
                scope.spawn(|| self.check(last, acknowledger)),
            ];
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Positions { published, stages, acknowledged } = monitor.positions();
                    assert!(acknowledged <= stages[1] && stages[1] <= stages[0] && stages[0] <= published);
                    assert!(monitor.occupancy() <= self.config.slots as u64);
                    wakers.iter().for_each(Waker::wake);
                    thread::sleep(Duration::from_micros(200));
                }
            });
            let ends = parties.map(|party| party.join().ok());
            over.store(true, Ordering::Relaxed);
            ends
        });
        let Positions { published, stages, acknowledged } = monitor.positions();
        let counts = [published, stages[0], stages[1]];
        let Some((who, at)) = self.panics else {
            assert_eq!((ends, counts), ([Some(Blocked::Closed); 3], [self.total; 3]));
            assert!(acknowledged == self.total && monitor.closed() && !monitor.poisoned());
            return;
        };
        assert!(monitor.poisoned() && counts[who] <= at, "{counts:?}: a batch in hand was let go");
        for (party, end) in ends.into_iter().enumerate() {
            match end {
                None => assert_eq!(party, who),
                // Stage 1 may have done its part before the last stage panicked.
                Some(Blocked::Closed) => assert_eq!((party, who), (1, 2)),
                Some(end) => assert_eq!(end, Blocked::Poisoned),
            }
        }
    }

    fn fill<W: WaitStrategy>(&self, mut producer: Producer<Words, W>) -> Blocked {
        while producer.published() < self.total {
            match producer.try_claim(self.batches[0]) {
                Ok(mut batch) => {
                    self.maybe_panic(0, &batch);
                    let first = batch.sequence();
                    let count = batch.len().min((self.total - first) as usize);
                    batch[..count].iter_mut().zip(first..).for_each(|(words, number)| *words = [number; 8]);
                    batch.publish(count);
                }
                Err(Blocked::NotYet) => producer.wait(|producer| producer.ready()),
                Err(end) => return end,
            }
        }
        producer.close();
        while !producer.drained() {
            if producer.poisoned() {
                return Blocked::Poisoned;
            }
            producer.wait(|producer| producer.drained() || producer.poisoned());
        }
        Blocked::Closed
    }

    /// Lets go of some of what it claims, and changes that.
    fn change<W: WaitStrategy>(&self, mut stage: Stage<Words, W>) -> Blocked {
        let mut dice = Dice(self.total);
        loop {
            match stage.try_claim(self.batches[1]) {
                Ok(mut batch) => {
                    self.maybe_panic(1, &batch);
                    let count = 1 + dice.below(batch.len() as u64) as usize;
                    batch[..count].iter_mut().flatten().for_each(|word| *word = word.wrapping_mul(*word));
                    batch.release(count);
                }
                Err(Blocked::NotYet) => stage.wait(|stage| stage.ready()),
                Err(end) => return end,
            }
        }
    }

    /// Acknowledges a batch when the next one comes, or when the producer has no more to give before it does.
    fn check<W: WaitStrategy>(&self, mut stage: Stage<Words, W>, mut acknowledger: Acknowledger<W>) -> Blocked {
        loop {
            let before = stage.position();
            match stage.try_claim(self.batches[2]) {
                Ok(batch) => {
                    self.maybe_panic(2, &batch);
                    for (words, number) in batch.iter().zip(batch.sequence()..) {
                        assert_eq!(*words, [number.wrapping_mul(number); 8], "slot {number} of {self:?}");
                    }
                    let count = batch.len();
                    batch.release(count);
                    acknowledger.acknowledge(before);
                }
                Err(Blocked::NotYet) => {
                    acknowledger.acknowledge(before);
                    stage.wait(|stage| stage.ready());
                }
                Err(end) => {
                    acknowledger.acknowledge(before);
                    return end;
                }
            }
        }
    }
}

/// A few rounds of every size, the same ones each time.
fn rounds<W: WaitStrategy>(count: usize) {
    let mut dice = Dice(7);
    for _ in 0..count {
        Round::roll(&mut dice).play::<W>();
    }
}

#[test]
fn spinning_parties_survive_random_rounds() {
    rounds::<BusySpin>(if cfg!(miri) { 1 } else { 8 });
}

#[test]
fn yielding_parties_survive_random_rounds() {
    rounds::<Yield>(if cfg!(miri) { 1 } else { 30 });
}

#[test]
fn parking_parties_survive_random_rounds() {
    rounds::<Park>(if cfg!(miri) { 2 } else { 60 });
}

#[test]
fn every_strategy_survives_rounds_from_a_new_seed() {
    let seconds = std::env::var("KOLO_STRESS_SECONDS").map_or(0, |text| text.parse().expect("KOLO_STRESS_SECONDS"));
    fn rounds_for<W: WaitStrategy>(time: Duration) {
        let start = Instant::now();
        // Another seed each time, printed for whoever wants the round again.
        let seed = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos() as u64;
        let mut dice = Dice(seed);
        let (mut rounds, mut slots) = (0, 0);
        loop {
            let round = Round::roll(&mut dice);
            round.play::<W>();
            rounds += 1;
            slots += round.total;
            if start.elapsed() >= time {
                break;
            }
        }
        println!("{}: {rounds} rounds of {slots} slots, from seed {seed}", type_name::<W>());
    }
    let third = Duration::from_secs(seconds) / 3;
    rounds_for::<BusySpin>(third);
    rounds_for::<Yield>(third);
    rounds_for::<Park>(third);
}
