//! The crate `v4l` under its own name, for us and for nokhwa, without bindgen: `moq-v4l` is the same library with the kernel's
//! structures checked in. With the original, every build and every cross build would need libclang and the target's headers.

pub use moq_v4l::sys as v4l_sys;
pub use moq_v4l::*;
