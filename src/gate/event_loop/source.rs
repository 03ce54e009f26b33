//! Encodes what an event is about as the token that mio returns with it.

use mio::Token;

/// The socket that an event is about. The token holds the kind in its two lowest bits, above them the index in its list and, for clients,
/// a generation.
pub(super) enum Source {
    Waker,
    Listener(usize),
    Upstream(usize),
    Client(usize, usize),
}

const INDEX_BITS: u32 = 17;

/// The generations that fit into a token, on 32-bit processors too.
pub(super) const GENERATIONS: usize = (1 << (30 - INDEX_BITS)) - 1;

impl Source {
    pub(super) fn of(Token(number): Token) -> Self {
        let (index, generation) = (number >> 2 & ((1 << INDEX_BITS) - 1), number >> (2 + INDEX_BITS));
        match number & 3 {
            0 => Self::Waker,
            1 => Self::Listener(index),
            2 => Self::Upstream(index),
            _ => Self::Client(index, generation),
        }
    }

    pub(super) const fn token(&self) -> Token {
        Token(match self {
            Self::Waker => 0,
            Self::Listener(index) => 1 | *index << 2,
            Self::Upstream(index) => 2 | *index << 2,
            Self::Client(index, generation) => 3 | *index << 2 | (*generation & GENERATIONS) << (2 + INDEX_BITS),
        })
    }
}
