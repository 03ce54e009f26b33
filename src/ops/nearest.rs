//! Finds the known word that a mistyped one was most likely meant to be.

/// The known word that is the fewest edits away, unless all are too different to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 4).max(2);
    let by_distance = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    by_distance.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, found)| found)
}

/// Levenshtein's distance: characters that are inserted, deleted or replaced.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_or_none() {
        let known = ["limits.samples", "limits.templates", "server.listen"];
        assert_eq!(nearest("limits.sample", known), Some("limits.samples"));
        assert_eq!(nearest("limit.template", known), Some("limits.templates"));
        assert_eq!(nearest("server.llsten", known), Some("server.listen"));
        assert_eq!(nearest("color.sky", known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "abc"), distance("abc", "")), (3, 3));
    }
}
