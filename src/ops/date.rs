//! Formats dates and times in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Today in UTC, year-month-day.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    of_day(seconds / 86_400)
}

/// A time in UTC to milliseconds, as in RFC 3339. Times before 1970 are printed as its beginning.
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (day, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day(day), since.subsec_millis())
}

/// The date of a day, counted from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is their last.
fn of_day(day: u64) -> String {
    /// From 0000-03-01 to 1970-01-01, in days.
    const START: u64 = 719_468;
    /// Days of 400 years.
    const ERA: u64 = 146_097;
    let day = day + START;
    let (era, day) = (day / ERA, day % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, every five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", 400 * era + year + next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn days_have_dates() {
        for (day, date) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_786, "2026-11-29"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(of_day(day), date);
        }
    }
    #[test]
    fn times_have_milliseconds() {
        let at = |millis| timestamp(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(1_795_949_831_042), "2026-11-29T10:57:11.042Z");
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), at(0));
    }
}
