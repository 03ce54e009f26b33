//! Valid values of `log.level`.

/// All levels, from none to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Whether a filter is a single level.
pub(super) fn is_level(filter: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(filter.trim()))
}

/// What is wrong with a filter: a level, or env_logger's list of `level`, `module=level` and `module`. A single word is a module only if
/// it is one of ours or a path: else a misspelled level would be taken for a module that logs nothing.
pub(super) fn wrong(filter: &str) -> Option<String> {
    let is_good = |part: &str| match part.trim().split_once('=') {
        Some((module, level)) => !module.is_empty() && is_level(level),
        None => is_level(part) || part.trim() == "faceplate" || part.contains("::"),
    };
    let part = filter.split(',').find(|part| !is_good(part))?;
    let levels = LEVELS.join(", ");
    Some(format!("found \"{part}\", expected {levels}, or a list such as faceplate=debug,tiny_http=info"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_lists_are_accepted_and_mistakes_refused() {
        for good in ["info", "OFF", "trace", "warn,faceplate=debug", "faceplate", "faceplate::gate,tiny_http=info"] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for bad in ["verbose", "", "info,", "faceplate=loud", "=info", "info,verbose"] {
            assert!(wrong(bad).is_some_and(|told| told.contains("off, error, warn, info, debug, trace")), "{bad}");
        }
    }
}
