//! What somebody may have meant by a word that is not there.

/// More than two slips of the finger is another word.
const MAX_DISTANCE: usize = 2;

/// The one of `known` that `found` is most likely a slip of, if any is near.
pub fn near_miss<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = found.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= MAX_DISTANCE.min(candidate.len() / 2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements, and exchanges of two neighbours that make `left` into `right`.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<_>, Vec<_>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=right.len()).collect();
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["level", "format", "plugins"];
        assert_eq!(near_miss("levle", known), Some("level"));
        assert_eq!(near_miss("Fromat", known), Some("format"));
        assert_eq!(near_miss("plugin", known), Some("plugins"));
        assert_eq!(near_miss("colour", known), None);
        assert_eq!(
            near_miss("fallback-prompt", ["fallback_prompt"]),
            Some("fallback_prompt")
        );
    }
}
