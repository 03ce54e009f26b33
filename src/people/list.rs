//! Lists people in pages, in the order of their ids.

use std::collections::BinaryHeap;
use std::sync::Arc;

use super::gallery::Snapshot;
use super::person::{PersonId, Profile};

/// Which people are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those whose id comes after this.
    pub after: Option<PersonId>,
    /// Those in this group.
    pub group: Option<String>,
    /// Those whose id, name or external id has this text, whatever the case.
    pub text: Option<String>,
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The people.
    pub people: Vec<Arc<Profile>>,
    /// Whether there are more after these.
    pub has_more: bool,
}

impl Filter {
    fn has(&self, profile: &Profile, text: Option<&str>) -> bool {
        let holds = |field: &str, text: &str| field.to_lowercase().contains(text);
        self.after.as_ref().is_none_or(|after| profile.id > *after)
            && self.group.as_ref().is_none_or(|group| profile.groups.contains(group))
            && text.is_none_or(|text| {
                holds(&profile.name, text)
                    || holds(profile.id.as_str(), text)
                    || profile.external_id.as_deref().is_some_and(|id| holds(id, text))
            })
    }
}

impl Snapshot {
    /// The first `most` of the filter's people.
    pub fn list(&self, filter: &Filter, most: usize) -> Page {
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        // A heap of the smallest ids: sorting a hundred thousand to show twenty would take longer.
        let mut first = BinaryHeap::with_capacity(most + 2);
        for profile in self.people().filter(|profile| filter.has(profile, text.as_deref())) {
            first.push(ById(Arc::clone(profile)));
            if first.len() > most + 1 {
                first.pop();
            }
        }
        let mut people: Vec<_> = first.into_sorted_vec().into_iter().map(|one| one.0).collect();
        let has_more = people.len() > most;
        people.truncate(most);
        Page { people, has_more }
    }
}

struct ById(Arc<Profile>);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::face::Comparator;
    use crate::people::gallery::Gallery;
    use crate::people::person::Draft;

    #[test]
    fn pages_follow_each_other_without_gaps() {
        let gallery = Gallery::default();
        let draft = |i: u32| Draft {
            id: PersonId::new(format!("p{i:03}")),
            name: format!("Frau ÄRMEL {i}"),
            groups: vec![if i.is_multiple_of(2) { "staff".into() } else { "guests".to_owned() }],
            external_id: Some(format!("card-{}", 1000 - i)),
            ..Draft::default()
        };
        let people = (0..100).map(|i| draft(i * 7 % 100).enrolled(Timestamp::UNIX_EPOCH).profile);
        let changes = people.map(|profile| (profile.id.clone(), Some((profile, vec![])))).collect();
        gallery.change(changes, &Comparator::new(&[], &[], None));
        let list = |filter: &Filter, most| {
            let page = gallery.snapshot().list(filter, most);
            (page.people.iter().map(|p| p.id.to_string()).collect::<Vec<_>>(), page.has_more)
        };
        let (mut filter, mut seen) = (Filter { group: Some("staff".into()), ..Filter::default() }, vec![]);
        loop {
            let (ids, has_more) = list(&filter, 7);
            filter.after = ids.last().and_then(|id| PersonId::new(id.as_str()));
            seen.extend(ids);
            if !has_more {
                break;
            }
        }
        assert_eq!(seen, (0..100).step_by(2).map(|i| format!("p{i:03}")).collect::<Vec<_>>());
        let text = |text: &str| list(&Filter { text: Some(text.into()), ..Filter::default() }, 100).0;
        assert_eq!(
            (text("ärmel 42"), text("P042"), text("CARD-958")),
            (vec!["p042".into()], vec!["p042".into()], vec!["p042".into()])
        );
        assert_eq!((text("nobody"), list(&Filter::default(), 100).1), (vec![], false));
    }
}
