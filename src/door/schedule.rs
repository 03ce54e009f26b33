//! When groups may pass, by the clock on the wall of a time zone.
//!
//! A schedule begins on some days of the week, at a time of day, and lasts until another, of the next day if that is not later. Where clocks
//! are changed, both are what the clock on the wall shows: an hour that comes twice counts twice, and one that is left out never comes.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::ops::settings::{self, Day, minutes};

/// All schedules of a door.
#[derive(Clone, Debug, Default)]
pub struct Schedules(Vec<Schedule>);

#[derive(Clone, Debug)]
struct Schedule {
    groups: Vec<String>,
    days: Vec<Weekday>,
    /// Minutes since midnight.
    from: u32,
    to: u32,
    zone: TimeZone,
    /// Dates on which it does not begin; none stands for all dates.
    except: Option<Vec<Date>>,
}

const DAY: u32 = 24 * 60;

impl Schedules {
    /// Those of valid settings: one that is not valid lets nobody pass.
    pub fn new(settings: &[settings::Schedule]) -> Self {
        let never = |settings: &settings::Schedule| Schedule {
            groups: settings.groups.clone(),
            days: vec![],
            from: 0,
            to: DAY,
            zone: TimeZone::UTC,
            except: None,
        };
        Self(settings.iter().map(|one| Schedule::new(one).unwrap_or_else(|| never(one))).collect())
    }

    /// Whether somebody of these groups may pass now; anybody may where there are no schedules.
    pub fn allow(&self, groups: &[String], now: Timestamp) -> bool {
        self.0.is_empty() || self.of(groups).any(|schedule| schedule.holds(now))
    }

    /// Whether it depends on the time if somebody of these groups may pass.
    pub fn depend_on_time(&self, groups: &[String]) -> bool {
        !self.0.is_empty() && !self.of(groups).any(Schedule::always_holds)
    }

    fn of<'a>(&'a self, groups: &'a [String]) -> impl Iterator<Item = &'a Schedule> {
        self.0.iter().filter(|one| one.groups.is_empty() || one.groups.iter().any(|group| groups.contains(group)))
    }
}

impl Schedule {
    fn new(settings: &settings::Schedule) -> Option<Self> {
        let dates: Result<Vec<Date>, _> = settings.except.iter().map(|date| Date::from_str(date)).collect();
        Some(Self {
            groups: settings.groups.clone(),
            days: settings.days.iter().map(|day| weekday(*day)).collect(),
            from: minutes(&settings.from)?,
            to: minutes(&settings.to)?,
            zone: TimeZone::get(&settings.zone).ok()?,
            except: Some(dates.ok()?),
        })
    }

    fn always_holds(&self) -> bool {
        self.begins_on_all_days() && (self.from, self.to) == (0, DAY)
    }

    fn begins_on_all_days(&self) -> bool {
        let all = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ];
        self.except.as_ref().is_some_and(Vec::is_empty)
            && (self.days.is_empty() || all.iter().all(|day| self.days.contains(day)))
    }

    fn begins_on(&self, date: Date) -> bool {
        (self.days.is_empty() || self.days.contains(&date.weekday()))
            && self.except.as_ref().is_some_and(|except| !except.contains(&date))
    }

    fn holds(&self, now: Timestamp) -> bool {
        let local = now.to_zoned_datetime(self.zone.clone());
        let (today, minute) =
            (local.date(), u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs()));
        if self.from < self.to {
            return (self.from..self.to).contains(&minute) && self.begins_on(today);
        }
        let began_yesterday = || today.yesterday().is_ok_and(|yesterday| self.begins_on(yesterday));
        minute >= self.from && self.begins_on(today) || minute < self.to && began_yesterday()
    }
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedules(text: &str) -> Schedules {
        #[derive(serde::Deserialize)]
        struct All {
            s: Vec<settings::Schedule>,
        }
        let all: All = toml::from_str(text).unwrap();
        let schedules = Schedules::new(&all.s);
        assert_eq!(schedules.0.len(), all.s.len());
        schedules
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_those_of_the_wall_over_midnight_and_over_changes_of_the_clock() {
        let berlin = |rest: &str| schedules(&format!("[[s]]\nzone = \"Europe/Berlin\"\n{rest}"));
        let office = berlin(
            "days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\nfrom = \"08:00\"\nto = \"18:00\"\nexcept = [\"2026-12-25\"]",
        );
        let night = berlin("days = [\"sat\"]\nfrom = \"22:00\"\nto = \"06:00\"");
        let early = berlin("from = \"02:00\"\nto = \"03:00\"");
        for (schedules, time, want) in [
            // Winter is UTC+1, summer UTC+2.
            (&office, "2026-12-01T06:59:59Z", false),
            (&office, "2026-12-01T07:00:00Z", true),
            (&office, "2026-12-01T16:59:59Z", true),
            (&office, "2026-12-01T17:00:00Z", false),
            (&office, "2026-07-01T06:00:00Z", true),
            (&office, "2026-07-01T16:00:00Z", false),
            (&office, "2026-12-05T10:00:00Z", false), // a Saturday
            (&office, "2026-12-25T10:00:00Z", false), // a Friday that is left out
            // From Saturday to Sunday.
            (&night, "2026-12-05T20:59:00Z", false),
            (&night, "2026-12-05T21:00:00Z", true),
            (&night, "2026-12-06T04:59:00Z", true),
            (&night, "2026-12-06T05:00:00Z", false),
            (&night, "2026-12-06T21:30:00Z", false),
            (&night, "2026-12-05T04:00:00Z", false),
            // On 2026-03-29 there is no 02:30; on 2026-10-25 there are two.
            (&early, "2026-03-29T00:59:59Z", false),
            (&early, "2026-03-29T01:00:00Z", false),
            (&early, "2026-03-30T00:00:00Z", true),
            (&early, "2026-10-25T00:30:00Z", true),
            (&early, "2026-10-25T01:30:00Z", true),
            (&early, "2026-10-25T02:00:00Z", false),
            // The night in which the clock is put back is an hour longer.
            (&berlin("days = [\"sat\"]\nfrom = \"22:00\"\nto = \"06:00\""), "2026-10-25T04:59:00Z", true),
            (&berlin("from = \"08:00\"\nto = \"08:00\"\ndays = [\"mon\"]"), "2026-12-08T06:59:00Z", true),
            (&berlin("from = \"08:00\"\nto = \"08:00\"\ndays = [\"mon\"]"), "2026-12-08T07:00:00Z", false),
            (&schedules("[[s]]\nzone = \"Pacific/Kiritimati\"\ndays = [\"wed\"]"), "2026-12-01T10:00:00Z", true),
        ] {
            assert_eq!(schedules.allow(&[], at(time)), want, "{time}: {schedules:?}");
        }
    }

    #[test]
    fn each_group_has_its_times_and_who_is_in_none_has_none() {
        let now = at("2026-12-01T12:00:00Z");
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let some = schedules("[[s]]\ngroups = [\"staff\"]\nto = \"12:00\"\n[[s]]\ngroups = [\"guards\", \"chiefs\"]");
        for (of, may, by_time) in [
            (&[][..], false, true),
            (&["staff"], false, true),
            (&["chiefs"], true, false),
            (&["staff", "guards"], true, false),
            (&["Staff"], false, true),
        ] {
            assert_eq!((some.allow(&groups(of), now), some.depend_on_time(&groups(of))), (may, by_time), "{of:?}");
        }
        let none = Schedules::default();
        assert!(none.allow(&[], now) && !none.depend_on_time(&[]));
    }
}
