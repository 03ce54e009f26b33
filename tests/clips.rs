//! Containers and decoders against ffmpeg: every frame of every clip, bit for bit.
//!
//! Beside each clip lies a file of checksums, one a frame, that ffmpeg made: `tests/clips/make.py` for the clips of this
//! repository, `.ci/clips.py` for a larger set in the folder that `FACEPLATE_CLIPS` names.

use std::path::{Path, PathBuf};

use faceplate::media::video::Clip;
use faceplate::ops::Limits;

/// CRC-32 of each frame's planes Y, U, V one after the other, in the order of presentation.
fn checksums(bytes: &[u8]) -> Result<Vec<String>, String> {
    let clip = Clip::open(bytes, &Limits::default()).map_err(|e| e.to_string())?;
    let (mut sums, mut last) = (vec![], i64::MIN);
    clip.decode_all(|picture, time_us| {
        assert!(time_us > last, "frames come in the order of their times: {time_us} after {last}");
        last = time_us;
        let mut hasher = crc32fast::Hasher::new();
        picture.planes.iter().for_each(|plane| hasher.update(&plane.samples));
        sums.push(format!("{:08x}", hasher.finalize()));
    })
    .map_err(|e| e.to_string())?;
    Ok(sums)
}

/// Compares all clips of a folder that have checksums; returns how many clips and frames that were.
fn compare(folder: &Path) -> (usize, usize) {
    let mut lists: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    lists.retain(|p| p.extension().is_some_and(|e| e == "crc"));
    lists.sort();
    let (mut frames, mut wrong) = (0, vec![]);
    for list in &lists {
        let want: Vec<String> = std::fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
        frames += want.len();
        match checksums(&std::fs::read(list.with_extension("")).unwrap()) {
            Ok(got) if got == want => {}
            Ok(got) => {
                let first = got.iter().zip(&want).position(|(g, w)| g != w);
                wrong.push(format!("{list:?}: {} of {} frames, first difference {first:?}", got.len(), want.len()));
            }
            Err(error) => wrong.push(format!("{list:?}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    (lists.len(), frames)
}

#[test]
fn every_clip_is_decoded_exactly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips");
    assert_eq!(compare(&folder), (11, 204));
}

#[test]
#[ignore = "needs FACEPLATE_CLIPS"]
fn every_generated_clip_is_decoded_exactly() {
    let folder = PathBuf::from(std::env::var_os("FACEPLATE_CLIPS").expect("FACEPLATE_CLIPS names the folder"));
    let (clips, frames) = compare(&folder);
    println!("{clips} clips, {frames} frames");
    assert!(clips > 50);
}

#[test]
fn a_clip_that_was_cut_is_refused_or_shorter_but_never_otherwise() {
    for name in
        ["h264.mp4", "h264_bframes_fragmented.mp4", "h264_cropped.mkv", "h264.avi", "vp8.webm", "hevc.mp4", "h263.3gp"]
    {
        let whole = crate::support::clip(name);
        let want = checksums(&whole).unwrap();
        for share in 1..16 {
            if let Ok(got) = checksums(&whole[..whole.len() * share / 16]) {
                assert!(want.starts_with(&got), "{name} cut at {share}/16");
            }
        }
    }
}
