//! Writes the reply of detect: a folder with its media and analyses, as the vendor's service describes one.
//!
//! Nothing is stored, so its ids are drawn for the reply and have no meaning later. A best shot is written once, at the path that the
//! vendor's page names; wherever else it belongs, a JSON pointer (RFC 6901) refers to it. Otherwise ten analyses of ten pictures would
//! hold each of them twenty times.
//!
//! Where gestures are required, a medium that lacks one is declined whatever its confidence is: that stays what it is.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::payload::Analysis;
use super::submission::Submission;
use crate::api::encoding::encode_base64;
use crate::api::reply::{Reply, hundredths};
use crate::api::text::raw;
use crate::face::{PadResult, Score, SeenGesture};
use crate::media::{self, Details};
use crate::ops::random;

/// Result of a medium, an analysis or the whole, the worst last: an analysis takes the worst of its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Resolution {
    Success,
    Declined,
    Failed,
}

/// State of the work on an analysis or a folder, in the words of the vendor's status table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Finished,
    /// A medium could not be judged.
    Failed,
}

impl Resolution {
    /// The state of the work with this result.
    fn state(self) -> State {
        match self {
            Self::Success | Self::Declined => State::Finished,
            Self::Failed => State::Failed,
        }
    }
}

/// The result for a medium, or why there is none.
pub(in crate::api) type JudgedMedium = Result<PadResult, String>;

#[derive(Serialize)]
struct Folder<'a> {
    passed: bool,
    score: Box<RawValue>,
    folder_id: &'a str,
    time_created: Box<RawValue>,
    company_id: Option<()>,
    user_id: Option<()>,
    meta_data: &'a Map<String, Value>,
    resolution_status: State,
    system_resolution: Resolution,
    media: Vec<Medium<'a>>,
    analyses: Vec<Analyzed<'a>>,
}

#[derive(Serialize)]
struct Medium<'a> {
    media_id: &'a str,
    folder_id: &'a str,
    media_type: &'static str,
    original_name: &'a str,
    tags: &'a [String],
    meta_data: Value,
    info: Value,
}

#[derive(Serialize)]
struct Analyzed<'a> {
    analysis_id: String,
    analyse_id: String,
    folder_id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    state: State,
    resolution_status: Resolution,
    resolution: Resolution,
    confs: Confs,
    source_media: Vec<Source<'a>>,
    results_media: Vec<MediumResult<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_images: Option<Vec<Image>>,
    results_data: Option<()>,
    error_code: Option<&'static str>,
    error_message: Option<String>,
}

#[derive(Serialize)]
struct Source<'a> {
    media_id: &'a str,
    media_type: &'static str,
}

/// Exactly one of the three ids is set.
#[derive(Default, Serialize)]
struct MediumResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source_video_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_shots_set_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_image_id: Option<&'a str>,
    results_data: Option<ResultsData>,
    resolution_status: Option<Resolution>,
    output_images: Vec<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

#[derive(Serialize)]
struct ResultsData {
    confidence_spoofing: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gestures: Vec<TaggedGesture>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct TaggedGesture {
    tag: &'static str,
    seen: Option<bool>,
    amplitude: Option<f64>,
}

#[derive(Serialize)]
struct Confs {
    threshold_spoofing: f64,
    extract_best_shot: bool,
}

/// A best shot, or a reference to it.
#[derive(Serialize)]
#[serde(untagged)]
enum Image {
    Here { image_b64: String },
    There { image_ref: String },
}

/// The code and wording for a medium that failed among others.
const FAILED: (&str, &str) = ("LDE-002004", "Failed to extract the biometric sample");

/// Writes the reply. `judged` has an entry for each medium; `None` for one that no analysis names. `media_by_analysis` has, for each
/// analysis of the payload, the indices of its media. With `required` a medium is declined in which a gesture is missing.
pub(in crate::api) fn reply(
    submission: &Submission<'_>,
    media_by_analysis: &[Vec<usize>],
    judged: &[Option<JudgedMedium>],
    required: bool,
) -> Reply {
    let folder_id = uuid();
    let ids: Vec<String> = submission.media.iter().map(|_| uuid()).collect();
    let kinds: Vec<_> = submission.media.iter().map(|m| m.kind).collect();
    // For each medium, where its best shot was written, once it was.
    let mut places: Vec<Option<String>> = vec![None; judged.len()];
    let analyses: Vec<Analyzed<'_>> = submission
        .payload
        .analyses
        .iter()
        .zip(media_by_analysis)
        .enumerate()
        .map(|(number, (analysis, media_by_analysis))| {
            let shots = shots(number, analysis, media_by_analysis, judged, &mut places);
            Analyzed {
                output_images: shots,
                ..analyzed(analysis, media_by_analysis, (judged, required), &places, &ids, &kinds, &folder_id)
            }
        })
        .collect();
    let system = analyses.iter().map(|a| a.resolution).max().unwrap_or(Resolution::Failed);
    // A medium that could not be judged, or lacks its gesture, counts as an attack: a client that reads only `score` must not be let in.
    let nothing = Score::new(0.0);
    let liveness = |at: &usize| match &judged[*at] {
        Some(Ok(finding)) if !(required && is_incomplete(finding)) => finding.spoofing.complement(),
        _ => nothing,
    };
    let score = media_by_analysis.iter().flatten().map(liveness).min().unwrap_or(nothing);
    let media = submission.media.iter().enumerate().map(|(at, medium)| Medium {
        media_id: &ids[at],
        folder_id: &folder_id,
        media_type: media_type(kinds[at]),
        original_name: &medium.original_name,
        tags: submission.payload.tags_of(&medium.key),
        meta_data: submission.payload.meta_of(&medium.key),
        info: judged[at].as_ref().and_then(|j| j.as_ref().ok()).map_or_else(|| json!({}), |f| info(&f.details)),
    });
    Reply::json(&Folder {
        passed: system == Resolution::Success,
        score: raw(score),
        folder_id: &folder_id,
        time_created: now(),
        company_id: None,
        user_id: None,
        meta_data: &submission.payload.folder_meta,
        resolution_status: system.state(),
        system_resolution: system,
        media: media.collect(),
        analyses,
    })
}

/// Bytes that the best shots take in a reply, each once.
pub(in crate::api) fn shot_bytes(judged: &[Option<JudgedMedium>]) -> usize {
    let shots = judged.iter().flatten().flatten().filter_map(|finding| finding.best_shot.as_ref());
    shots.map(|jpeg| jpeg.len().div_ceil(3) * 4).sum()
}

/// The best shots of an analysis that asks for them: each that is not written yet, and references to the others.
fn shots(
    number: usize,
    analysis: &Analysis,
    media_by_analysis: &[usize],
    judged: &[Option<JudgedMedium>],
    places: &mut [Option<String>],
) -> Option<Vec<Image>> {
    if !analysis.best_shot {
        return None;
    }
    let mut images = vec![];
    for &at in media_by_analysis {
        let Some(jpeg) = judged[at].as_ref().and_then(|j| j.as_ref().ok()).and_then(|f| f.best_shot.as_ref()) else {
            continue;
        };
        images.push(match &places[at] {
            Some(place) => Image::There { image_ref: place.clone() },
            None => {
                places[at] = Some(format!("/analyses/{number}/output_images/{}/image_b64", images.len()));
                Image::Here { image_b64: encode_base64(jpeg) }
            }
        });
    }
    Some(images)
}

fn analyzed<'a>(
    analysis: &Analysis,
    media_by_analysis: &[usize],
    (judged, required): (&[Option<JudgedMedium>], bool),
    places: &[Option<String>],
    ids: &'a [String],
    kinds: &[Option<media::Kind>],
    folder_id: &'a str,
) -> Analyzed<'a> {
    let results: Vec<MediumResult<'a>> = media_by_analysis
        .iter()
        .map(|&at| {
            let mut result = match &judged[at] {
                Some(Ok(finding)) => found(analysis, finding, required, places[at].as_deref()),
                Some(Err(why)) => failed(why),
                None => failed("it was not analyzed"),
            };
            let id = match kinds[at] {
                Some(media::Kind::Video) => &mut result.source_video_id,
                Some(media::Kind::Archive) => &mut result.source_shots_set_id,
                Some(media::Kind::Picture) | None => &mut result.source_image_id,
            };
            *id = Some(&ids[at]);
            result
        })
        .collect();
    let worst = results.iter().filter_map(|r| r.resolution_status).max().unwrap_or(Resolution::Failed);
    let error_message = results.iter().find_map(|r| r.error_message.clone());
    let id = uuid();
    Analyzed {
        analysis_id: id.clone(),
        analyse_id: id,
        folder_id,
        kind: "QUALITY",
        state: worst.state(),
        resolution_status: worst,
        resolution: worst,
        confs: Confs { threshold_spoofing: analysis.threshold, extract_best_shot: analysis.best_shot },
        source_media: media_by_analysis
            .iter()
            .map(|&m| Source { media_id: &ids[m], media_type: media_type(kinds[m]) })
            .collect(),
        output_images: None,
        results_media: results,
        results_data: None,
        error_code: error_message.is_some().then_some(FAILED.0),
        error_message,
    }
}

/// Whether a gesture is missing. One that can't be told is not.
fn is_incomplete(finding: &PadResult) -> bool {
    finding.gestures.iter().any(is_missing)
}

fn is_missing(gesture: &SeenGesture) -> bool {
    gesture.seen == Some(false)
}

fn tagged(gesture: &SeenGesture) -> TaggedGesture {
    // Rounded down: 1 is told of none that was not seen.
    let hundredths = |share: f64| (share * 100.0).floor() / 100.0;
    TaggedGesture { tag: gesture.gesture.tag(), seen: gesture.seen, amplitude: gesture.amplitude.map(hundredths) }
}

fn found<'a>(analysis: &Analysis, finding: &PadResult, required: bool, place: Option<&str>) -> MediumResult<'a> {
    // The number that is compared is the one that is printed.
    let is_attack = finding.spoofing.value() > analysis.threshold;
    let is_incomplete = required && is_incomplete(finding);
    let missing = || finding.gestures.iter().filter(|g| is_missing(g)).map(|g| g.gesture.tag()).collect::<Vec<_>>();
    let place = place.filter(|_| analysis.best_shot);
    MediumResult {
        results_data: Some(ResultsData {
            confidence_spoofing: raw(finding.spoofing),
            gestures: finding.gestures.iter().map(tagged).collect(),
            reason: is_incomplete.then(|| format!("the medium does not show {}", missing().join(", "))),
        }),
        resolution_status: Some(if is_attack || is_incomplete { Resolution::Declined } else { Resolution::Success }),
        output_images: place.map(|place| Image::There { image_ref: place.to_owned() }).into_iter().collect(),
        ..MediumResult::default()
    }
}

fn failed<'a>(why: &str) -> MediumResult<'a> {
    MediumResult {
        resolution_status: Some(Resolution::Failed),
        error_code: Some(FAILED.0),
        error_message: Some(format!("{}: {why}", FAILED.1)),
        ..MediumResult::default()
    }
}

/// A medium of unknown type counts as a picture.
fn media_type(kind: Option<media::Kind>) -> &'static str {
    match kind {
        Some(media::Kind::Video) => "VIDEO_FOLDER",
        Some(media::Kind::Archive) => "SHOTS_SET_FOLDER",
        Some(media::Kind::Picture) | None => "IMAGE_FOLDER",
    }
}

fn info(details: &Details) -> Value {
    match details {
        Details::Picture { mime, width, height } => {
            json!({"image": {"mime-type": mime, "width": width, "height": height}})
        }
        Details::Video(clip) => json!({"video": {
            "mime-type": clip.mime, "width": clip.width, "height": clip.height,
            "FPS": hundredths(clip.frames_per_second), "duration": hundredths(clip.duration_s),
        }}),
        Details::Archive { pictures } => json!({"shots_set": {"mime-type": "application/zip", "images": pictures}}),
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let bits = random() & !(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Seconds since 1970, to the millisecond.
fn now() -> Box<RawValue> {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    RawValue::from_string(format!("{}.{:03}", ms / 1000, ms % 1000)).expect("a decimal number is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Gesture;

    #[test]
    fn ids_are_version_4() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(id, uuid());
    }

    #[test]
    fn failed_is_worse_than_declined_is_worse_than_success() {
        assert!(Resolution::Success < Resolution::Declined && Resolution::Declined < Resolution::Failed);
        assert_eq!(serde_json::to_string(&Resolution::Declined).unwrap(), "\"DECLINED\"");
        let states = [Resolution::Success, Resolution::Declined, Resolution::Failed].map(Resolution::state);
        assert_eq!(serde_json::to_string(&states).unwrap(), r#"["FINISHED","FINISHED","FAILED"]"#);
    }

    #[test]
    fn a_medium_is_declined_above_its_threshold_and_not_at_it() {
        let resolution = |spoofing: f64, threshold: f64| {
            let details = Details::Archive { pictures: 1 };
            let spoofing = Score::new(spoofing);
            let finding = PadResult { details, spoofing, frames: 1, best_shot: None, gestures: vec![] };
            let analysis = Analysis { source_media: None, best_shot: false, threshold };
            found(&analysis, &finding, true, None).resolution_status
        };
        for (spoofing, threshold, want) in [
            (0.499_999, 0.5, Resolution::Success),
            (0.5, 0.5, Resolution::Success),
            (0.500_001, 0.5, Resolution::Declined),
            (0.0, 0.0, Resolution::Success),
            (0.000_001, 0.0, Resolution::Declined),
            (1.0, 1.0, Resolution::Success),
        ] {
            assert_eq!(resolution(spoofing, threshold), Some(want), "{spoofing} {threshold}");
        }
    }

    #[test]
    fn a_missing_gesture_declines_only_where_it_is_required_and_can_be_told() {
        let result = |seen: Option<bool>, amplitude: Option<f64>, required: bool| {
            let gestures = vec![SeenGesture { gesture: Gesture::Left, seen, amplitude }];
            let details = Details::Archive { pictures: 8 };
            let finding = PadResult { details, spoofing: Score::new(0.1), frames: 8, best_shot: None, gestures };
            found(&Analysis::default(), &finding, required, None)
        };
        for (seen, amplitude, required, want) in [
            (Some(true), Some(1.2), true, Resolution::Success),
            (Some(false), Some(0.999), true, Resolution::Declined),
            (Some(false), Some(0.999), false, Resolution::Success),
            (None, None, true, Resolution::Success),
        ] {
            let result = result(seen, amplitude, required);
            assert_eq!(result.resolution_status, Some(want));
            let data = serde_json::to_value(&result.results_data).unwrap();
            assert_eq!(data["confidence_spoofing"], 0.1);
            let told = amplitude.map(|a| (a * 100.0).floor() / 100.0);
            assert_eq!(data["gestures"], json!([{"tag": "video_selfie_left", "seen": seen, "amplitude": told}]));
            let reason = (want == Resolution::Declined).then_some("the medium does not show video_selfie_left");
            assert_eq!(data.get("reason"), reason.map(Value::from).as_ref());
        }
    }
}
