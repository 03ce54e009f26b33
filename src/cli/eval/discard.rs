//! Measures whether quality predicts errors: the error-versus-discard curve (ISO/IEC 29794-1; Grother, Tabassi: Performance of biometric
//! quality measures, 2007).

use super::gallery::{Gallery, Picture};
use crate::face::{Comparator, Template};

/// Shares of the pictures that are discarded, lowest quality first.
const DISCARDED: [f64; 6] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2];

/// The false non-match rate at a threshold among the pictures that remain after this share has been discarded.
pub(super) fn error_versus_discard(gallery: &Gallery, threshold: f64) -> Vec<(f64, f64)> {
    let mut enrolled: Vec<(&Picture, &Template)> =
        gallery.pictures.iter().filter_map(|p| Some((p, p.template.as_ref().ok()?))).collect();
    enrolled.sort_by_key(|(_, template)| template.quality());
    let discarded = |share: &f64| (*share, (enrolled.len() as f64 * share).round() as usize);
    DISCARDED
        .iter()
        .map(discarded)
        .map(|(share, count)| (share, non_match_rate(&gallery.comparator, &enrolled[count..], threshold)))
        .collect()
}

/// The share of mated pairs that are not above the threshold; 0 if there is none.
fn non_match_rate(comparator: &Comparator, enrolled: &[(&Picture, &Template)], threshold: f64) -> f64 {
    let (mut pairs, mut missed) = (0, 0);
    for (i, (a, ta)) in enrolled.iter().enumerate() {
        for (_, tb) in enrolled[..i].iter().filter(|(b, _)| a.identity == b.identity) {
            pairs += 1;
            missed += usize::from(comparator.similarity(ta, tb) <= threshold);
        }
    }
    f64::from(missed as u32) / f64::from((pairs as u32).max(1))
}
