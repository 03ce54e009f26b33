#![no_main]

libfuzzer_sys::fuzz_target!(init: faceplate_fuzz::let_others_panic(), |bytes: &[u8]| {
    faceplate::outputs::fuzz_broker(bytes)
});
