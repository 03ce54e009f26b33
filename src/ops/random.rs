//! Random bits for tokens and ids.

use ring::rand::{SystemRandom, generate};

/// 128 bits from the kernel. Blocks only before the kernel's generator is seeded, seconds after power on.
///
/// # Panics
/// If the kernel has no generator: a token that can be guessed is worse than none.
pub fn random() -> u128 {
    let bits = generate(&SystemRandom::new()).unwrap_or_else(|_| panic!("the kernel gives no random bytes"));
    u128::from_le_bytes(bits.expose())
}

/// 16 of these bits.
pub fn random_word() -> u16 {
    random() as u16
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_numbers_do_not_repeat() {
        let all: std::collections::HashSet<u128> = (0..1000).map(|_| super::random()).collect();
        assert_eq!(all.len(), 1000);
    }
}
