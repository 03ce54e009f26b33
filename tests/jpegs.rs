//! Compares the decoding of JPEGs with libjpeg-turbo: every layout that is read, and refusals of the others.
//!
//! `.ci/jpegs.py` makes them in the folder that `FACEPLATE_JPEGS` names, with the pixels that Pillow decodes beside each.

use std::path::{Path, PathBuf};

use faceplate::media::{Error, Means, decode};
use faceplate::ops::{Limits, Memory};

/// The largest mean difference of the samples of a usual picture from the reference: the decoder rounds differently and upsamples chroma
/// with other weights.
const MAX_MEAN_DIFFERENCE: f64 = 0.5;

/// The largest difference of one sample.
const MAX_DIFFERENCE: u8 = 8;

/// The largest and the mean difference from the reference, which contains width, height and samples.
fn difference(picture: &Path, memory: &Memory) -> Result<(u8, f64), String> {
    let bytes = std::fs::read(picture).unwrap();
    let limits = Limits::default();
    let shown = decode(&bytes, &Means { limits: &limits, memory, stop: &|| false, threads: &() }).map_err(|e| {
        let refused = matches!(&e, Error::Unsupported(what) if what.contains("not supported; send"));
        format!("{}{e}", if refused { "refused: " } else { "" })
    })?;
    let Ok(reference) = std::fs::read(picture.with_extension("rgb")) else { return Ok((0, 0.0)) };
    let (head, samples) = reference.split_at(8);
    let size = [shown.width(), shown.height()].map(|side| (side as u32).to_le_bytes());
    if head != size.as_flattened() {
        return Err("has another size".into());
    }
    let shown = shown.upright();
    let differences = || shown.pixels().iter().zip(samples).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences().map(u64::from).sum();
    Ok((differences().max().unwrap_or(0), sum as f64 / samples.len() as f64))
}

#[test]
#[ignore = "needs FACEPLATE_JPEGS"]
fn every_generated_jpeg_is_decoded_as_by_libjpeg() {
    let folder = PathBuf::from(std::env::var_os("FACEPLATE_JPEGS").expect("FACEPLATE_JPEGS names the folder"));
    let mut pictures: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    pictures.retain(|path| path.extension().is_some_and(|e| e == "jpg"));
    pictures.sort();
    let memory = Memory::of(1 << 28);
    let (mut wrong, mut worst) = (vec![], (0, 0.0_f64));
    for picture in &pictures {
        let name = picture.file_stem().unwrap().to_str().unwrap();
        let result = difference(picture, &memory);
        let is_right = match (name.split('_').next(), &result) {
            (Some("usual"), Ok((largest, mean))) => {
                worst = (worst.0.max(*largest), worst.1.max(*mean));
                *largest <= MAX_DIFFERENCE && *mean <= MAX_MEAN_DIFFERENCE
            }
            (Some("plain"), Ok((largest, _))) => *largest == 0,
            (Some("refused"), Err(what)) => what.starts_with("refused: "),
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{name}: {result:?}"));
        }
    }
    println!(
        "{} pictures; of usual ones the largest difference is {}, the largest mean {:.2}",
        pictures.len(),
        worst.0,
        worst.1
    );
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());
    assert!(pictures.len() > 1_000);
}
