//! Writes the manual pages and the completions of `docs/` from the command line's description: `cargo run --release --example manual`
//! writes them, and a test checks that they are up to date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

/// The files to write, by path in the repository.
fn generated() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut command = faceplate::cli::described();
    command.build();
    pages(&command, &mut files);
    for (shell, name) in [(Shell::Bash, "faceplate.bash"), (Shell::Zsh, "_faceplate"), (Shell::Fish, "faceplate.fish")]
    {
        let mut text = vec![];
        clap_complete::generate(shell, &mut faceplate::cli::described(), "faceplate", &mut text);
        files.insert(Path::new("docs/completions").join(name), text);
    }
    files
}

/// The pages of a command and of its subcommands.
fn pages(command: &clap::Command, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = vec![];
    let page = clap_mangen::Man::new(command.clone()).source(concat!("faceplate ", env!("CARGO_PKG_VERSION")));
    page.manual("Faceplate").render(&mut text).expect("writing to memory does not fail");
    files.insert(format!("docs/man/{name}.1").into(), text);
    command.get_subcommands().for_each(|below| pages(below, files));
}

#[allow(dead_code, reason = "used by the example")]
fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["docs/man", "docs/completions"] {
        // Pages of removed commands go away.
        let _ = std::fs::remove_dir_all(root.join(folder));
        std::fs::create_dir_all(root.join(folder))?;
    }
    generated().into_iter().try_for_each(|(path, text)| std::fs::write(root.join(path), text))
}

#[test]
fn pages_and_completions_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = generated();
    for (path, text) in &generated {
        let present = std::fs::read(root.join(path)).unwrap_or_default();
        assert!(present == *text, "{} is out of date: cargo run --release --example manual", path.display());
    }
    let present = ["docs/man", "docs/completions"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap().count());
    assert_eq!(present.iter().sum::<usize>(), generated.len(), "there is a page of a command that does not exist");
}
