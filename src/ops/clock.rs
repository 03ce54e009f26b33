//! Whether the clock of this machine can be believed: boards without a clock of their own start in the past.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Made by systemd-timesyncd once it has set the clock.
const BY_NETWORK: &str = "/run/systemd/timesync/synchronized";
/// Where the kernel lists the hardware's clocks. Asking it directly whether the clock is synchronized (`adjtimex`) is what the sandbox of the
/// unit forbids.
const HARDWARE: &str = "/sys/class/rtc";

/// 2026-11-01, in seconds since 1970: no clock that is before is right, whoever set it. A battery that is empty is no clock.
const PLAUSIBLE_S: u64 = 1_793_491_200;

/// Whether the clock was set by the network, or by a clock of the hardware at the start of the system. One that is set by other means, as by
/// chrony on a board without a hardware clock, is not seen: see `door.without_time`.
pub fn is_synchronized() -> bool {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() >= PLAUSIBLE_S && by_files(Path::new(BY_NETWORK), Path::new(HARDWARE))
}

/// The clock by which the kernel dates edges of lines.
pub fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

fn by_files(network: &Path, hardware: &Path) -> bool {
    let set_it =
        |entry: fs::DirEntry| fs::read_to_string(entry.path().join("hctosys")).is_ok_and(|is| is.trim() == "1");
    network.exists() || fs::read_dir(hardware).is_ok_and(|clocks| clocks.flatten().any(set_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_believed_if_the_network_or_the_hardware_set_it() {
        let folder = std::env::temp_dir().join(format!("faceplate-clock-{}", crate::ops::random()));
        let (network, hardware) = (folder.join("synchronized"), folder.join("rtc"));
        fs::create_dir_all(hardware.join("rtc0")).unwrap();
        assert!(!by_files(&network, &hardware));
        fs::write(hardware.join("rtc0/hctosys"), "0\n").unwrap();
        assert!(!by_files(&network, &hardware));
        fs::write(hardware.join("rtc0/hctosys"), "1\n").unwrap();
        assert!(by_files(&network, &hardware));
        fs::remove_dir_all(&hardware).unwrap();
        fs::write(&network, "").unwrap();
        assert!(by_files(&network, &hardware));
        fs::remove_dir_all(&folder).unwrap();
    }
}
