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

/// Finishes sums of one block, which began with `Columns::init`, and puts them somewhere.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unsafe_code, reason = "places are not checked")]
pub(super) trait Put {
    /// Sums of sixteen channels.
    type Sums: Copy;

    /// # Safety
    /// The processor must be one that the kernels are for; sixteen elements from `at` must lie in what this was made from.
    unsafe fn put(&self, at: usize, sums: Self::Sums);

    /// The same for rows of one block, `width` elements apart.
    ///
    /// # Safety
    /// That of [`Put::put`] for every row.
    #[inline(always)]
    unsafe fn put_rows<const N: usize>(&self, at: usize, width: usize, sums: [Self::Sums; N]) {
        for (row, sums) in sums.into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { self.put(at + row * width, sums) };
        }
    }
}

/// Evaluates `$body` with `$put` for what has to be done, each of which is code of its own. Where it is used, `Bytes` names what finishes
/// sums that are stored as they are, without a condition in it, and `Floats` what finishes all others.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! with_put {
    ($target:expr, $columns:expr, $activation:expr, |$put:ident| $body:expr) => {{
        use $crate::engine::int8::finish::Activation;
        match ($target, $columns) {
            (target, columns) if target.floats || !target.residual.is_null() => {
                let $put = &Floats::<{ Activation::Any as u8 }>::new(target, columns);
                $body
            }
            (target, columns) => match $activation {
                Activation::None => {
                    let $put = &Bytes::<{ Activation::None as u8 }>::new(target, columns);
                    $body
                }
                Activation::Larger => {
                    let $put = &Bytes::<{ Activation::Larger as u8 }>::new(target, columns);
                    $body
                }
                Activation::Any => {
                    let $put = &Bytes::<{ Activation::Any as u8 }>::new(target, columns);
                    $body
                }
            },
        }
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use with_put;
