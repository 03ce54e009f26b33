//! Stores the results of kernels that write without checks.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "arm", target_os = "linux")))]

use super::Out;

/// An output and the residual added to it. The caller must have checked that both are long enough.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// Bytes, or floats if `floats` is set.
    pub(super) out: *mut u8,
    /// Whether results are left as floats.
    pub(super) floats: bool,
    /// As many bytes as there are results, or null if there is no residual.
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

/// Requantizes the sums of one block, which began with `RequantConstants::init`, and stores them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unsafe_code, reason = "places are not checked")]
pub(super) trait Store {
    /// Sums of 16 channels.
    type Sums: Copy;

    /// # Safety
    /// The processor must be one that the kernels are for; 16 elements from `at` must lie in what this was made from.
    unsafe fn store(&self, at: usize, sums: Self::Sums);

    /// The same for rows of one block, `width` elements apart.
    ///
    /// # Safety
    /// As for [`Store::store`], for every row.
    #[inline(always)]
    unsafe fn store_rows<const N: usize>(&self, at: usize, width: usize, sums: [Self::Sums; N]) {
        for (row, sums) in sums.into_iter().enumerate() {
            // SAFETY: guaranteed by the caller.
            unsafe { self.store(at + row * width, sums) };
        }
    }
}

/// Evaluates `$body` with the right `$store`, compiled separately for each case. Where it is used, `Bytes` names the type for sums that
/// are stored as bytes without a residual, which has no condition in it, and `Floats` the type for all others.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! with_put {
    ($target:expr, $columns:expr, $activation:expr, |$store:ident| $body:expr) => {{
        use $crate::engine::int8::requantize::Activation;
        match ($target, $columns) {
            (target, columns) if target.floats || !target.residual.is_null() => match $activation {
                Activation::Last => {
                    let $store = &Floats::<{ Activation::Last as u8 }>::new(target, columns);
                    $body
                }
                _ => {
                    let $store = &Floats::<{ Activation::Any as u8 }>::new(target, columns);
                    $body
                }
            },
            (target, columns) => match $activation {
                Activation::None => {
                    let $store = &Bytes::<{ Activation::None as u8 }>::new(target, columns);
                    $body
                }
                Activation::Larger => {
                    let $store = &Bytes::<{ Activation::Larger as u8 }>::new(target, columns);
                    $body
                }
                Activation::Any | Activation::Last => {
                    let $store = &Bytes::<{ Activation::Any as u8 }>::new(target, columns);
                    $body
                }
            },
        }
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use with_put;
