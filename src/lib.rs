//! Faceplate: face verification and presentation attack detection over HTTP, on the machine where it runs.
//!
//! # How a request is processed
//! [`cli`] starts everything. [`gate`] accepts connections and passes a request on once it is whole, well-formed and has a slot;
//! [`api::Server`] takes it from tiny_http on one of a few threads; [`api::Route`] says which method it requests; [`api::multipart`]
//! splits its body; [`media`] decodes a picture into a frame and [`face`] makes a template of the frame, both on an inference worker of
//! [`work`], while the HTTP thread waits on a [`work::JobHandle`] with a deadline; the score of two templates becomes the reply. For
//! liveness, [`media`] decodes a picture, video or archive into a few frames, and [`face`] tracks the subject through them to one
//! verdict. The steps always run in this order.
//!
//! # Modules, from the bottom up
//! A module uses only modules that come before it in this list.
//!
//! | module | what it does |
//! |---|---|
//! | [`ops`] | limits, settings, log lines, signals |
//! | [`work`] | threads that compute, job handles, deadlines: the only places that wait |
//! | [`media`] | pictures, videos and archives to frames; no faces |
//! | [`camera`] | devices to frames: one thread, the newest frame, reconnection; no faces |
//! | [`engine`] | models, tract, int8; no faces |
//! | [`face`] | detection, alignment, embedding, quality, templates, scores, liveness |
//! | [`gate`] | connections, TLS, HTTP framing, tokens, slots; no routes, no faces |
//! | [`api`] | the contract: routes, codes, multipart, base64 |
//! | [`cli`] | one file a command |
//!
//! # Which thread may wait for which
//! The gate's thread waits only for sockets. HTTP threads wait for inference workers and for the camera's thread, never the reverse. The
//! camera's thread waits for its device. Workers wait only for work. Their queue is bounded; when it is full, the request is refused.
//!
//! # Untrusted bytes
//! All outside input is parsed under [`ops::Limits`]. Each parser has a function `fuzz` that takes any bytes and
//! panics if an invariant breaks: [`media::fuzz`] (pictures), [`media::fuzz_archive`], [`media::video::fuzz`] and those of
//! its containers, of VP8, [`media::fuzz_raw`] (what a camera sends), [`face::fuzz`] (templates), [`api::fuzz_query`]
//! (queries), [`api::multipart::fuzz`], [`api::liveness::fuzz`] (payloads), [`api::fuzz_base64`], [`api::fuzz_seal`],
//! [`gate::fuzz`] (connections), [`ops::settings::fuzz`]. `cargo fuzz-stable` feeds them.

#[forbid(unsafe_code)]
pub mod api;
#[forbid(unsafe_code)]
pub mod camera;
#[forbid(unsafe_code)]
pub mod cli;
pub mod engine;
#[forbid(unsafe_code)]
pub mod face;
#[forbid(unsafe_code)]
pub mod gate;
#[forbid(unsafe_code)]
pub mod media;
pub mod ops;
#[forbid(unsafe_code)]
pub mod work;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
    }

    /// Public functions `fuzz…` under `folder`, each with its file.
    fn fuzz_functions(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for path in entries(folder) {
            if path.is_dir() {
                fuzz_functions(&path, found);
                continue;
            }
            let text = read(&path);
            let names =
                text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split_once('(').map(|(name, _)| name));
            found.extend(names.filter(|name| name.starts_with("fuzz")).map(|name| (path.clone(), name.to_owned())));
        }
    }

    /// The paths by which the function `name` of a module is known: its own, and those by which its parents export it.
    fn paths(sources: &Path, module: &[String], name: &str) -> Vec<String> {
        let mut all = vec![format!("faceplate::{}::{name}", module.join("::"))];
        let Some((last, parents)) = module.split_last().filter(|(_, parents)| !parents.is_empty()) else { return all };
        let parent = read(&sources.join(parents.join("/")).join("mod.rs"));
        let exports = parent.split(';').filter_map(|item| item.split_once(&format!("pub use {last}::")));
        for (_, exported) in exports {
            for item in exported.split(['{', '}', ',']).map(str::trim) {
                let (its, known) = item.split_once(" as ").unwrap_or((item, item));
                if its == name {
                    all.extend(paths(sources, parents, known));
                }
            }
        }
        all
    }

    /// Rust files under `folder`.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// In most modules the compiler forbids it; in `engine` and `ops` it is denied, and may be allowed in these files alone.
    #[test]
    fn unsafe_code_is_allowed_only_in_kernels_and_for_the_heap() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = vec![];
        sources(&root, &mut files);
        let allows = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).unwrap();
            ["allow", "expect"].iter().any(|lint| text.contains(&format!("{lint}(unsafe_code")))
        };
        let kernels = root.join("engine/int8/kernels");
        files.retain(|file| allows(file) && !file.starts_with(&kernels));
        assert_eq!(files, [root.join("ops/heap.rs")]);
    }

    #[test]
    fn every_public_fuzz_function_is_called_by_the_example() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (sources, targets) = (root.join("src"), targets(root));
        let mut functions = vec![];
        fuzz_functions(&sources, &mut functions);
        assert!(functions.len() >= 16, "{functions:?}");
        for (file, name) in functions {
            let module = file.strip_prefix(&sources).unwrap().with_extension("");
            let mut module: Vec<String> = module.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.retain(|part| part != "mod");
            let paths = paths(&sources, &module, &name);
            assert!(targets.iter().any(|(_, path)| paths.contains(path)), "{}: none of {paths:?}", file.display());
        }
    }

    #[test]
    fn every_target_has_its_program_for_libfuzzer() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (folder, manifest) = (root.join("fuzz/fuzz_targets"), read(&root.join("fuzz/Cargo.toml")));
        let mut programs: BTreeSet<PathBuf> = entries(&folder).collect();
        for (name, path) in targets(root) {
            let file = folder.join(format!("{name}.rs"));
            assert!(programs.remove(&file), "{} is missing", file.display());
            assert!(read(&file).contains(&format!("    {path}(")), "{name} does not call {path}");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "fuzz/Cargo.toml lacks {name}");
        }
        assert!(programs.is_empty(), "{programs:?} are in no line of tests/fuzz.rs");
    }
}
