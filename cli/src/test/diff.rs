//! What of one list is in another: the longest common subsequence, shown line by line.

/// One line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The expected one at the first index is the actual one at the second.
    Same(usize, usize),
    /// The expected one at this index did not come.
    Absent(usize),
    /// The actual one at this index was not expected.
    Extra(usize),
}

/// Beyond so many comparisons, lines are compared in pairs.
const MOST_CELLS: usize = 4_000_000;

/// Compares lists of these lengths, of which `same` says whether two elements match.
pub(super) fn compare(expected: usize, actual: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Step> {
    let head = (0..expected.min(actual)).take_while(|i| same(*i, *i)).count();
    let tail = (0..expected.min(actual) - head).take_while(|i| same(expected - 1 - i, actual - 1 - i)).count();
    let (rows, columns) = (expected - head - tail, actual - head - tail);
    let mut steps: Vec<Step> = (0..head).map(|i| Step::Same(i, i)).collect();
    if rows.saturating_mul(columns) > MOST_CELLS {
        steps.extend((head..head + rows).map(Step::Absent));
        steps.extend((head..head + columns).map(Step::Extra));
    } else {
        // Of the last i expected and the last j actual ones, how many can be paired.
        let width = columns + 1;
        let mut common = vec![0_u32; (rows + 1) * width];
        for i in (0..rows).rev() {
            for j in (0..columns).rev() {
                common[i * width + j] = if same(head + i, head + j) {
                    common[(i + 1) * width + j + 1] + 1
                } else {
                    common[(i + 1) * width + j].max(common[i * width + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < rows || j < columns {
            if i < rows && j < columns && same(head + i, head + j) {
                steps.push(Step::Same(head + i, head + j));
                (i, j) = (i + 1, j + 1);
            } else if i < rows && (j == columns || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
                steps.push(Step::Absent(head + i));
                i += 1;
            } else {
                steps.push(Step::Extra(head + j));
                j += 1;
            }
        }
    }
    steps.extend((0..tail).rev().map(|i| Step::Same(expected - 1 - i, actual - 1 - i)));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `=` for what is in both, `-` and `+` for what is in one.
    fn diff(expected: &str, actual: &str) -> String {
        let (expected, actual): (Vec<char>, Vec<char>) = (expected.chars().collect(), actual.chars().collect());
        compare(expected.len(), actual.len(), |i, j| expected[i] == actual[j])
            .into_iter()
            .map(|step| match step {
                Step::Same(i, j) => {
                    assert_eq!(expected[i], actual[j]);
                    format!("={}", expected[i])
                }
                Step::Absent(i) => format!("-{}", expected[i]),
                Step::Extra(j) => format!("+{}", actual[j]),
            })
            .collect()
    }

    #[test]
    fn as_much_as_possible_is_common() {
        for (expected, actual, steps) in [
            ("", "", ""),
            ("a", "a", "=a"),
            ("a", "", "-a"),
            ("", "a", "+a"),
            ("abc", "abc", "=a=b=c"),
            ("abc", "axc", "=a-b+x=c"),
            ("abc", "bcd", "-a=b=c+d"),
            ("aa", "a", "=a-a"),
            ("xaybz", "ab", "-x=a-y=b-z"),
        ] {
            assert_eq!(diff(expected, actual), steps, "{expected} {actual}");
        }
        let common = diff("abcbdab", "bdcaba").matches('=').count();
        assert_eq!(common, 4, "there are several longest ones");
    }
}
