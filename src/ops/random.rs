//! Random bits for tokens and ids.

use rustix::rand::{GetRandomFlags, getrandom};

/// 128 bits from the kernel.
pub fn random() -> u128 {
    let mut bytes = [0; 16];
    let mut got = 0;
    while got < bytes.len() {
        // This blocks only before the kernel's generator is seeded, seconds after power on.
        match getrandom(&mut bytes[got..], GetRandomFlags::empty()) {
            Ok(count) => got += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_never_says_the_same() {
        let all: std::collections::HashSet<u128> = (0..1000).map(|_| super::random()).collect();
        assert_eq!(all.len(), 1000);
    }
}
