//! Where kernels that write without checks put their results.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", target_os = "linux")))]

use super::Out;

/// An output, and what is added to it. Whoever uses it must have checked that both are long enough.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// Bytes, or floats if so told.
    pub(super) out: *mut u8,
    /// Whether results are left as floats.
    pub(super) floats: bool,
    /// As many bytes as there are results, or null.
    pub(super) residual: *const u8,
}

impl Target {
    pub(super) fn new(out: &mut Out<'_>, residual: Option<&[u8]>) -> Self {
        let (out, floats) = match out {
            Out::Bytes(bytes) => (bytes.as_mut_ptr(), false),
            Out::Floats(floats) => (floats.as_mut_ptr().cast(), true),
        };
        Self { out, floats, residual: residual.map_or(std::ptr::null(), <[u8]>::as_ptr) }
    }
}
