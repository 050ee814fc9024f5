//! Median, least and greatest of a handful of rounds, and how sure the median of many is.

use serde::Serialize;

/// What several rounds of one measurement come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// The middle one, or the mean of the middle two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Summary {
    /// # Panics
    /// If there are no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Summary {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        assert!(!sorted.is_empty(), "nothing was measured");
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Summary { median, min: sorted[0], max: sorted[sorted.len() - 1] }
    }
}

/// Blocks that many rounds are cut into, more or less: rounds next to each other share what disturbs the machine, blocks
/// hardly do.
const BLOCKS: usize = 25;

/// A 95 % interval of the median of rounds in the order in which they were measured: the sign test's, over the medians of
/// blocks of them. It supposes nothing of how the rounds are distributed, and a disturbed one counts for no more than any
/// other: a block is of an odd number of rounds, so that its median is one of them.
///
/// # Panics
/// If there are no rounds.
pub(crate) fn interval(rounds: &[f64]) -> (f64, f64) {
    let blocks = rounds.chunks_exact((rounds.len() / BLOCKS) | 1);
    let mut medians: Vec<f64> = blocks.map(|block| Summary::of(block.iter().copied()).median).collect();
    medians.sort_by(f64::total_cmp);
    let outside = outside(medians.len());
    (medians[outside], medians[medians.len() - 1 - outside])
}

/// How many values may be left out at each end of `count`, if each lies on either side of the true median like a coin and
/// that median is to be beyond what remains in 2.5 % of the cases at most, on each side. Of few values, none.
fn outside(count: usize) -> usize {
    let mut chance = 0.5f64.powi(count as i32);
    let mut beyond = chance;
    let more = |outside: &usize| {
        chance *= (count - outside) as f64 / (outside + 1) as f64;
        beyond += chance;
        beyond <= 0.025
    };
    (0..count).take_while(more).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_leaves_out_what_chance_allows() {
        // From tables of the binomial distribution.
        assert_eq!([1, 5, 6, 9, 25].map(outside), [0, 0, 0, 1, 7]);
        let rounds: Vec<f64> = (1..=25).map(f64::from).collect();
        assert_eq!(interval(&rounds), (8.0, 18.0));
        assert_eq!(interval(&[2.0, 1.0, 3.0]), (1.0, 3.0));
    }

    #[test]
    fn a_block_of_disturbed_rounds_moves_an_interval_no_further_than_one_does() {
        let mut rounds = vec![1.0; 1_000];
        rounds[..200].fill(50.0);
        assert_eq!(interval(&rounds), (1.0, 1.0));
    }

    #[test]
    fn odd_and_even_numbers_of_rounds() {
        assert_eq!(Summary::of([3.0, 1.0, 2.0]), Summary { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Summary::of([4.0, 1.0, 3.0, 2.0]), Summary { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Summary::of([7.0]), Summary { median: 7.0, min: 7.0, max: 7.0 });
    }
}
