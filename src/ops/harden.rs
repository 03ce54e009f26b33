//! Hardens the process by the kernel's means, before it handles anything that is worth protecting.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Descriptors that the service may use where the system permits it: connections and cameras need one each.
const DESCRIPTORS: u64 = 4_096;

/// Disables core dumps and access of other processes of the same user to this one's memory, and raises the number of descriptors from the
/// usual 1,024. What the kernel denies is logged, and the process goes on. Returns how many descriptors there are.
pub fn harden() -> u64 {
    let told = |what: &str, result: rustix::io::Result<()>| {
        if let Err(error) = result {
            log::warn!("{what}: {error}");
        }
    };
    let core = getrlimit(Resource::Core);
    if (core.current, core.maximum) != (Some(0), Some(0)) {
        told(
            "core dumps cannot be forbidden",
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }),
        );
    }
    told("memory cannot be hidden", set_dumpable_behavior(DumpableBehavior::NotDumpable));
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if limit.current.is_some_and(|now| now < wanted) {
        told("the limit of descriptors stays", setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }));
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
