//! Inner products of one vector with many: how a gallery is searched.
//!
//! The loop is plain Rust, which each instruction set compiles for itself: the compiler's vectors are as fast as the memory here. The
//! result is exact, hence the same everywhere.

/// The loop, to be compiled for an instruction set by inlining it into a function that has the set's features.
#[inline(always)]
pub(super) fn products(vector: &[i8], rows: &[i8], out: &mut [i32]) {
    // The usual length, known to the compiler.
    match vector.as_chunks::<128>() {
        ([vector], []) => {
            for (row, out) in rows.as_chunks::<128>().0.iter().zip(out) {
                *out = product(vector, row);
            }
        }
        _ => {
            for (row, out) in rows.chunks_exact(vector.len().max(1)).zip(out) {
                *out = product(vector, row);
            }
        }
    }
}

#[inline(always)]
fn product(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// The same as compiled for every processor.
pub(super) fn portable(vector: &[i8], rows: &[i8], out: &mut [i32]) {
    products(vector, rows, out);
}
