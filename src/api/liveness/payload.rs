//! Reads the JSON field `payload` of detect: the analyses, their media and their thresholds.
//!
//! Everything in it is optional and unknown keys are ignored. What is present must have its type: a threshold that can't be read must
//! not silently become the default one. `null` counts as left out.

use serde_json::{Map, Value};

use crate::api::text::quoted;
use crate::capture::DEFAULT_THRESHOLD;
use crate::face::Gesture;
use crate::ops::{Limits, counted};

/// The content of a payload; the default stands for a missing one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::api) struct Payload {
    /// `folder:meta_data`, for the echo.
    pub(super) folder_meta: Map<String, Value>,
    media_meta: Map<String, Value>,
    media_tags: Vec<(String, Vec<String>)>,
    /// At least one.
    pub(in crate::api) analyses: Vec<Analysis>,
}

/// One analysis.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::api) struct Analysis {
    /// Names of its media; `None` stands for all.
    pub(super) source_media: Option<Vec<String>>,
    /// Whether the best shot of each medium is wanted.
    pub(in crate::api) best_shot: bool,
    /// Spoofing confidence above which the verdict is `DECLINED`, 0..1.
    pub(in crate::api) threshold: f64,
}

/// Most values, that is media and other elements, of a payload: an object with one member takes some 600 bytes of memory, a hundred
/// times what it takes as text.
const MOST_VALUES: usize = 4_096;

/// Upper bound on the values in JSON text: commas, colons and brackets outside of strings.
fn values(text: &[u8]) -> usize {
    let (mut count, mut is_string, mut is_escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b',' | b':' | b'[' | b'{' if !is_string => count += 1,
            _ => {}
        }
    }
    count
}

/// Prefix of tags that mark a picture of a document, which takes no part in liveness.
const DOCUMENT_TAG: &str = "photo_id";

impl Payload {
    /// The payload of a request that has none: one analysis of all media.
    pub(super) fn none() -> Self {
        Self { analyses: vec![Analysis::default()], ..Self::default() }
    }

    /// Reads the field. The error names the key and what it must be.
    pub(super) fn parse(text: &[u8], limits: &Limits) -> Result<Self, String> {
        if text.len() > limits.payload_bytes {
            return Err(format!("payload is over the limit of {}", counted(limits.payload_bytes, "byte", "bytes")));
        }
        if text.trim_ascii().is_empty() {
            return Ok(Self::none());
        }
        if values(text) > MOST_VALUES {
            return Err(format!("payload has more than {MOST_VALUES} values"));
        }
        let value: Value = serde_json::from_slice(text)
            .map_err(|e| format!("payload is not JSON: line {}, column {}", e.line(), e.column()))?;
        let Value::Object(mut root) = value else { return Err("payload must be a JSON object".into()) };
        let mut object = |key: &str| match root.remove(key) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(format!("payload: {key} must be an object")),
        };
        let mut media_tags = vec![];
        for (name, tags) in object("media:tags")? {
            media_tags.push((name.clone(), texts(&tags, &format!("media:tags of {}", quoted(&name)))?));
        }
        let outer = object("params")?;
        let (folder_meta, media_meta) = (object("folder:meta_data")?, object("media:meta_data")?);
        let analyses = match given(&root, "analyses") {
            None => vec![],
            Some(Value::Array(list)) if list.len() <= limits.analyses => list
                .iter()
                .enumerate()
                .map(|(number, value)| Analysis::parse(value, &format!("analyses[{number}]"), &outer))
                .collect::<Result<_, _>>()?,
            Some(Value::Array(_)) => {
                return Err(format!("payload: more than {}", counted(limits.analyses, "analysis", "analyses")));
            }
            Some(_) => return Err("payload: analyses must be an array".into()),
        };
        // An empty list means the same as a missing one, so that every reply has a verdict.
        let analyses = match analyses.is_empty() {
            true => vec![Analysis::from(&[(&outer, "params")])?],
            false => analyses,
        };
        Ok(Self { folder_meta, media_meta, media_tags, analyses })
    }

    /// The same with no threshold above `most`.
    pub(in crate::api) fn capped(mut self, most: f64) -> Self {
        self.analyses.iter_mut().for_each(|analysis| analysis.threshold = analysis.threshold.min(most));
        self
    }

    /// The metadata of a medium, for the echo.
    pub(super) fn meta_of(&self, medium: &str) -> Value {
        self.media_meta.get(medium).cloned().unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// The tags of a medium.
    pub(super) fn tags_of(&self, medium: &str) -> &[String] {
        self.media_tags.iter().find(|(name, _)| name == medium).map_or(&[], |(_, tags)| tags)
    }

    /// The gestures that the tags of a medium name, each once.
    pub(super) fn gestures_of(&self, medium: &str) -> Vec<Gesture> {
        let mut gestures = vec![];
        for gesture in self.tags_of(medium).iter().filter_map(|tag| Gesture::of_tag(tag)) {
            if !gestures.contains(&gesture) {
                gestures.push(gesture);
            }
        }
        gestures
    }

    /// Whether a medium is tagged as a picture of a document.
    pub(super) fn is_document(&self, medium: &str) -> bool {
        self.tags_of(medium).iter().any(|tag| tag.starts_with(DOCUMENT_TAG))
    }
}

impl Default for Analysis {
    fn default() -> Self {
        Self { source_media: None, best_shot: false, threshold: DEFAULT_THRESHOLD }
    }
}

impl Analysis {
    fn parse(value: &Value, at: &str, outer: &Map<String, Value>) -> Result<Self, String> {
        let Value::Object(own) = value else { return Err(format!("payload: {at} must be an object")) };
        match given(own, "type") {
            None => {}
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("quality") => {}
            Some(Value::String(_)) => return Err(format!("payload: {at}.type must be \"quality\"")),
            Some(_) => return Err(format!("payload: {at}.type must be a string")),
        }
        let empty = Map::new();
        let params = match given(own, "params") {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(_) => return Err(format!("payload: {at}.params must be an object")),
        };
        let inner = format!("{at}.params");
        let mut analysis = Self::from(&[(own, at), (params, &inner), (outer, "params")])?;
        analysis.source_media = match given(own, "source_media") {
            None => None,
            Some(list) => Some(texts(list, &format!("{at}.source_media"))?),
        };
        Ok(analysis)
    }

    /// Threshold and best shot from the first of these objects that has them.
    fn from(places: &[(&Map<String, Value>, &str)]) -> Result<Self, String> {
        let mut analysis = Self::default();
        let mut find = |key: &str, read: &mut dyn FnMut(&mut Self, &Value) -> Result<(), &'static str>| {
            for (rank, (map, at)) in places.iter().enumerate() {
                let Some(value) = given(map, key) else { continue };
                // The later objects are read for their types only: a bad value is reported wherever it is.
                let mut ignored = Self::default();
                let earlier = places[..rank].iter().any(|(map, _)| given(map, key).is_some());
                let target = if earlier { &mut ignored } else { &mut analysis };
                read(target, value).map_err(|must| format!("payload: {at}.{key} must be {must}"))?;
            }
            Ok::<(), String>(())
        };
        find("extract_best_shot", &mut |analysis, value| {
            analysis.best_shot = value.as_bool().ok_or("true or false")?;
            Ok(())
        })?;
        find("threshold_spoofing", &mut |analysis, value| {
            let number = value.as_f64().filter(|t| (0.0..=1.0).contains(t));
            analysis.threshold = number.ok_or("a number from 0 to 1")?;
            Ok(())
        })?;
        Ok(analysis)
    }
}

/// The value of a key, unless it is `null`.
fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|v| !v.is_null())
}

fn texts(value: &Value, at: &str) -> Result<Vec<String>, String> {
    let list = value.as_array().and_then(|l| l.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    list.ok_or_else(|| format!("payload: {at} must be an array of strings"))
}

/// Reads any bytes as a payload: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { payload_bytes: 1 << 12, analyses: 3, ..Limits::default() };
    if let Ok(payload) = Payload::parse(bytes, &limits) {
        assert!((1..=3).contains(&payload.analyses.len()));
        assert!(payload.analyses.iter().all(|a| (0.0..=1.0).contains(&a.threshold)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Payload, String> {
        Payload::parse(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn an_empty_payload_means_one_analysis_of_all_media() {
        for text in
            ["", " \n", "{}", r#"{"analyses": []}"#, r#"{"analyses": null, "params": null, "what": {"ever": 1}}"#]
        {
            assert_eq!(parse(text).unwrap().analyses, [Analysis::default()], "{text}");
        }
        assert_eq!(Payload::none(), parse("{}").unwrap());
    }

    #[test]
    fn analysis_keys_override_its_params_which_override_the_outer_params() {
        let text = r#"{"params": {"threshold_spoofing": 0.1, "extract_best_shot": true}, "analyses": [
            {}, {"params": {"threshold_spoofing": 0.2}}, {"threshold_spoofing": 0.3, "params": {"threshold_spoofing": 0.2,
            "extract_best_shot": false}, "type": "QUALITY", "source_media": ["a"]}]}"#;
        let got = parse(text).unwrap().analyses;
        assert_eq!(
            got.iter().map(|a| (a.threshold, a.best_shot)).collect::<Vec<_>>(),
            [(0.1, true), (0.2, true), (0.3, false)]
        );
        assert_eq!(got[2].source_media, Some(vec!["a".to_owned()]));
        assert_eq!(parse(r#"{"params": {"threshold_spoofing": 1}}"#).unwrap().analyses[0].threshold, 1.0);
    }

    #[test]
    fn thresholds_are_capped_at_the_highest() {
        let text = r#"{"analyses": [{"threshold_spoofing": 1}, {"threshold_spoofing": 0.3}, {}]}"#;
        let thresholds =
            |most| parse(text).unwrap().capped(most).analyses.iter().map(|a| a.threshold).collect::<Vec<_>>();
        assert_eq!(thresholds(0.7), [0.7, 0.3, 0.5]);
        assert_eq!(thresholds(0.4), [0.4, 0.3, 0.4]);
    }

    #[test]
    fn tags_and_metadata_are_kept() {
        let text = r#"{"folder:meta_data": {"k": [1]}, "media:meta_data": {"m": {"x": "y"}},
            "media:tags": {"m": ["photo_selfie"], "d": ["orientation_portrait", "photo_id_front"]}}"#;
        let payload = parse(text).unwrap();
        assert_eq!(Value::Object(payload.folder_meta.clone()).to_string(), r#"{"k":[1]}"#);
        assert_eq!(payload.meta_of("m").to_string(), r#"{"x":"y"}"#);
        assert_eq!(payload.meta_of("n").to_string(), "{}");
        assert_eq!(payload.tags_of("m"), ["photo_selfie"]);
        assert_eq!((payload.gestures_of("m"), payload.gestures_of("n")), (vec![], vec![]));
        assert!(payload.is_document("d") && !payload.is_document("m") && !payload.is_document("n"));
    }

    #[test]
    fn gestures_are_known_by_their_tags() {
        let payload = parse(
            r#"{"media:tags": {"m": ["video_selfie", "video_selfie_down", "video_selfie_zoom_in",
            "video_selfie_down", "video_selfie_blank", "VIDEO_SELFIE_LEFT"]}}"#,
        )
        .unwrap();
        assert_eq!(payload.gestures_of("m"), [Gesture::Down, Gesture::ZoomIn]);
    }

    #[test]
    fn errors_name_the_invalid_key() {
        for (text, told) in [
            ("{", "not JSON"),
            ("[1]", "object"),
            ("7", "object"),
            (r#"{"analyses": {}}"#, "analyses must be an array"),
            (r#"{"analyses": [1]}"#, "analyses[0] must be an object"),
            (r#"{"analyses": [{}, {"type": "biometry"}]}"#, "analyses[1].type"),
            (r#"{"analyses": [{"type": 1}]}"#, "analyses[0].type must be a string"),
            (r#"{"analyses": [{"source_media": "a"}]}"#, "analyses[0].source_media"),
            (r#"{"analyses": [{"threshold_spoofing": 1.01}]}"#, "analyses[0].threshold_spoofing must be a number"),
            (r#"{"analyses": [{"threshold_spoofing": "0.5"}]}"#, "analyses[0].threshold_spoofing"),
            (r#"{"analyses": [{"params": {"threshold_spoofing": -1}}]}"#, "analyses[0].params.threshold_spoofing"),
            (r#"{"analyses": [{"threshold_spoofing": 1}], "params": {"threshold_spoofing": 2}}"#, "params.threshold"),
            (r#"{"params": {"extract_best_shot": 1}}"#, "params.extract_best_shot must be true or false"),
            (r#"{"params": []}"#, "params must be an object"),
            (r#"{"folder:meta_data": 1}"#, "folder:meta_data"),
            (r#"{"media:meta_data": [1]}"#, "media:meta_data"),
            (r#"{"media:tags": {"a": "b"}}"#, "media:tags of 'a'"),
            (r#"{"media:tags": {"a": [1]}}"#, "media:tags of 'a'"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
        let many = format!(r#"{{"analyses": [{}]}}"#, ["{}"; 11].join(","));
        assert!(parse(&many).unwrap_err().contains("more than 10"));
        assert!(parse(&" ".repeat(300_000)).unwrap_err().contains("limit"));
        assert!(parse(&"[".repeat(4_000)).unwrap_err().contains("not JSON"));
        assert!(
            parse(&format!(r#"{{"folder:meta_data": [{}]}}"#, ["{}"; 5_000].join(",")))
                .unwrap_err()
                .contains("4096 values")
        );
        assert!(parse(&format!(r#"{{"folder:meta_data": {{"a": "{}"}}}}"#, ",:\\\"[{".repeat(5_000))).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>, key in "analyses|params|media:tags", value in "[\\[\\]{}:,0-9a-z\"]{0,40}") {
            fuzz(&bytes);
            fuzz(format!("{{\"{key}\": {value}}}").as_bytes());
        }
    }
}
