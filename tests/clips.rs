//! Compares containers and decoders with ffmpeg: every frame of every clip, bit for bit.
//!
//! Each clip comes with a file of checksums, one a frame, that ffmpeg made: `tests/clips/make.py` for the clips of this
//! repository, `.ci/clips.py` for a larger set in the folder that `FACEPLATE_CLIPS` names. For that set there are also the size and
//! the times at which the frames are shown, and the first frame.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use faceplate::media::Frame;
use faceplate::media::video::Clip;
use faceplate::ops::Limits;

/// CRC-32 of each frame's planes Y, U, V one after the other, in the order of presentation.
fn checksums(bytes: &[u8]) -> Result<Vec<String>, String> {
    let clip = Clip::open(bytes, &Limits::default()).map_err(|e| e.to_string())?;
    let (mut sums, mut last) = (vec![], i64::MIN);
    clip.decode_all(|picture, time_us| {
        assert!(time_us >= last, "frames come in the order of their times: {time_us} after {last}");
        last = time_us;
        let mut hasher = crc32fast::Hasher::new();
        picture.planes.iter().for_each(|plane| hasher.update(&plane.samples));
        sums.push(format!("{:08x}", hasher.finalize()));
    })
    .map_err(|e| e.to_string())?;
    Ok(sums)
}

/// Compares all clips of a folder that have checksums; returns the numbers of clips and of frames.
fn compare(folder: &Path) -> (usize, usize) {
    let mut lists: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    lists.retain(|p| p.extension().is_some_and(|e| e == "crc"));
    lists.sort();
    let (mut frames, mut differences) = (0, vec![]);
    for list in &lists {
        let want: Vec<String> = std::fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
        frames += want.len();
        match checksums(&std::fs::read(list.with_extension("")).unwrap()) {
            Ok(got) if got == want => {}
            Ok(got) => {
                let first = got.iter().zip(&want).position(|(g, w)| g != w);
                differences.push(format!(
                    "{list:?}: {} of {} frames, first difference {first:?}",
                    got.len(),
                    want.len()
                ));
            }
            Err(error) => differences.push(format!("{list:?}: {error}")),
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    (lists.len(), frames)
}

/// The first difference in how a clip is shown from the files beside it: size, times, the first frame in gray.
fn difference_shown(clip: &Path) -> Option<String> {
    let beside = |extension| PathBuf::from(format!("{}.{extension}", clip.display()));
    let seen = std::fs::read_to_string(beside("seen")).unwrap();
    let (size, times) = seen.split_once('\n').unwrap();
    let (width, height) = size.split_once('x').unwrap();
    let size: (usize, usize) = (width.parse().unwrap(), height.parse().unwrap());
    let want: Vec<i64> = times.lines().map(|line| line.parse().unwrap()).collect();
    let bytes = std::fs::read(clip).unwrap();
    let (mut first, mut got) = (None, vec![]);
    let opened = match Clip::open(&bytes, &Limits::default()) {
        Ok(opened) => opened,
        Err(error) => return Some(error.to_string()),
    };
    let result = opened.sample(usize::MAX, &|| false, &(), |sampled| {
        got.push(sampled.time_us);
        first.get_or_insert(sampled.frame);
        ControlFlow::Continue(())
    });
    let info = (opened.info().width as usize, opened.info().height as usize);
    let Some(first) = first else { return Some(format!("no frame: {result:?}")) };
    if (first.width(), first.height()) != size || info != size {
        return Some(format!("{}x{} pixels, reported as {info:?}, not {size:?}", first.width(), first.height()));
    }
    // Matroska rounds to milliseconds. Where no times are written down, the checksums give the number of frames.
    let late = |(got, want): (&i64, &i64)| got.abs_diff(*want) > 1000;
    if !want.is_empty() && (got.len() != want.len() || got.iter().zip(&want).any(late)) {
        return Some(format!("times {got:?}, not {want:?}"));
    }
    let distance = distance(&first, &std::fs::read(beside("gray")).unwrap());
    (distance > 6.0).then(|| format!("the first frame is {distance} levels away"))
}

/// Mean absolute difference of the luma of two frames, in levels.
fn distance(frame: &Frame, gray: &[u8]) -> f64 {
    let luma =
        |pixel: &[u8; 3]| 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]);
    let frame = frame.upright();
    let pixels = frame.pixels().as_chunks::<3>().0;
    assert_eq!(pixels.len(), gray.len());
    let apart = |(pixel, gray): (_, &u8)| f64::abs(luma(pixel) - f64::from(*gray));
    pixels.iter().zip(gray).map(apart).sum::<f64>() / gray.len() as f64
}

#[test]
fn every_clip_is_decoded_exactly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips");
    assert_eq!(compare(&folder), (11, 201));
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
#[ignore = "needs FACEPLATE_CLIPS"]
fn every_generated_clip_is_shown_as_ffmpeg_shows_it() {
    let folder = PathBuf::from(std::env::var_os("FACEPLATE_CLIPS").expect("FACEPLATE_CLIPS names the folder"));
    let mut seen: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seen.retain(|path| path.extension().is_some_and(|extension| extension == "seen"));
    seen.sort();
    let difference = |path: &PathBuf| {
        let clip = path.with_extension("");
        difference_shown(&clip).map(|what| format!("{clip:?}: {what}"))
    };
    let differences: Vec<String> = seen.iter().filter_map(difference).collect();
    println!("{} clips", seen.len());
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(seen.len() > 150);
}

#[test]
fn a_truncated_clip_is_refused_or_gives_its_first_frames() {
    for name in ["h264.mp4", "h264_bframes_fragmented.mp4", "h264_cropped.mkv", "h264.avi", "vp8.webm", "hevc.mp4"] {
        let whole = crate::support::clip(name);
        let want = checksums(&whole).unwrap();
        for share in 1..16 {
            if let Ok(got) = checksums(&whole[..whole.len() * share / 16]) {
                assert!(want.starts_with(&got), "{name} cut at {share}/16");
            }
        }
    }
}
