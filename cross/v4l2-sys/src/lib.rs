//! What the crate `v4l` needs of the kernel's `linux/videodev2.h`, in the place of `v4l2-sys-mit`, which makes it in every build with
//! bindgen: that would need libclang, and the target's headers in every cross build. `generate` made it. Where a structure has another
//! size than in C, this does not compile.
#![allow(clippy::all, missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals, unsafe_code)]

mod bindings;
pub use bindings::*;

#[cfg(target_pointer_width = "32")]
mod layout32;
#[cfg(target_pointer_width = "64")]
mod layout64;
