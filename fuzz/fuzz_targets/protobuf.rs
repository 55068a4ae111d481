//! Hands libFuzzer's input to `narthex::fuzzing`, where the checks are.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(narthex::fuzzing::run("protobuf", data));
});
