//! What an event is about, as the number that the kernel gives back.

use mio::Token;

/// Whose socket an event is about. Its number is the rank of its kind in the two lowest bits, its place in its list, and for
/// clients an age above these.
pub(super) enum Source {
    Waker,
    Door(usize),
    Backend(usize),
    Client(usize, usize),
}

const PLACE_BITS: u32 = 17;

/// The ages that fit into a token, on 32-bit processors too.
pub(super) const AGES: usize = (1 << (30 - PLACE_BITS)) - 1;

impl Source {
    pub(super) fn of(Token(number): Token) -> Self {
        let (place, age) = (number >> 2 & ((1 << PLACE_BITS) - 1), number >> (2 + PLACE_BITS));
        match number & 3 {
            0 => Self::Waker,
            1 => Self::Door(place),
            2 => Self::Backend(place),
            _ => Self::Client(place, age),
        }
    }

    pub(super) const fn token(&self) -> Token {
        Token(match self {
            Self::Waker => 0,
            Self::Door(place) => 1 | *place << 2,
            Self::Backend(place) => 2 | *place << 2,
            Self::Client(place, age) => 3 | *place << 2 | (*age & AGES) << (2 + PLACE_BITS),
        })
    }
}
