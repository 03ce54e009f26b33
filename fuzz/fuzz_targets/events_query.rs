#![no_main]

libfuzzer_sys::fuzz_target!(init: faceplate_fuzz::let_others_panic(), |bytes: &[u8]| {
    faceplate::api::fuzz_events_query(&String::from_utf8_lossy(bytes))
});
