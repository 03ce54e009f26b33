//! What holds for the repository as a whole: where unsafe code may stand, and that every parser of outside bytes is fuzzed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
}

/// All files under `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder).flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Public functions `fuzz…` under `folder`, each with its file.
fn fuzz_functions(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    for path in files(folder) {
        let text = read(&path);
        let names = text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split_once('(').map(|(name, _)| name));
        found.extend(names.filter(|name| name.starts_with("fuzz")).map(|name| (path.clone(), name.to_owned())));
    }
    found
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

/// The targets of tests/fuzz.rs, one a line: name and path of the function.
fn targets(root: &Path) -> Vec<(String, String)> {
    let example = read(&root.join("tests/fuzz.rs"));
    let (_, table) = example.split_once("const TARGETS").unwrap();
    let lines = table.lines().skip(1).take_while(|line| *line != "];");
    lines
        .map(|line| {
            let (name, rest) = line.trim().strip_prefix("(\"").unwrap().split_once('"').unwrap();
            let path = &rest[rest.find("faceplate::").unwrap()..];
            (name.to_owned(), path[..path.find([',', '(']).unwrap()].to_owned())
        })
        .collect()
}

/// In most modules the compiler forbids it; in `engine` and `ops` it is denied, and may be allowed in these files alone.
#[test]
fn unsafe_code_is_allowed_only_in_kernels_for_teams_and_for_the_heap() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = files(&root);
    let names_it = |file: &PathBuf| {
        let text = read(file);
        ["unsafe_code", "unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|word| text.contains(word))
    };
    let but_for = ["engine/int8/kernels", "lib.rs", "tests.rs"].map(|path| root.join(path));
    files.retain(|file| names_it(file) && !but_for.iter().any(|path| file.starts_with(path)));
    files.sort();
    assert_eq!(files, ["engine/team.rs", "ops/heap.rs"].map(|path| root.join(path)));
}

#[test]
fn every_public_fuzz_function_is_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (sources, targets) = (root.join("src"), targets(root));
    let functions = fuzz_functions(&sources);
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
