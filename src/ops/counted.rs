//! Numbers in sentences.

use std::fmt::Display;

/// A number with its noun: `1 pixel`, `2 pixels`, `0 media`.
pub fn counted(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let noun = if number == "1" { one } else { many };
    format!("{number} {noun}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_the_only_singular() {
        let told = [0, 1, 2, 11].map(|n| counted(n, "medium", "media"));
        assert_eq!(told, ["0 media", "1 medium", "2 media", "11 media"]);
    }
}
