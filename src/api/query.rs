//! Splits queries into parameters. Nothing in them is ignored: a request that misspells `liveness=challenge` must not open a door.

/// The parameters of a query, all of which must be `known`, and each there once. A parameter without `=` has an empty value. The error says
/// what is wrong.
pub(super) fn parameters<'a>(query: &'a str, known: &[&str]) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut given: Vec<(&str, &str)> = vec![];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !known.contains(&name) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("the query has a parameter '{}'; this method takes {known}", short(name)));
        }
        if given.iter().any(|(other, _)| *other == name) {
            return Err(format!("the query has {name} twice"));
        }
        given.push((name, value));
    }
    Ok(given)
}

/// Why the value of a parameter is refused.
pub(super) fn wrong(name: &str, value: &str, must: &str) -> String {
    format!("{name} is '{}', and must be {must}", short(value))
}

/// A client's text for use in a message: short and without control characters.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
