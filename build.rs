//! Prepares what the binary embeds: models, deflated (weights of eight bits lose a fifth of their size that way), and the console with its
//! guides.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::DeflateEncoder;

#[path = "console/embed.rs"]
mod embed;

const FOLDER: &str = "models-quantized";

fn main() {
    println!("cargo::rerun-if-changed={FOLDER}");
    let to = PathBuf::from(env::var_os("OUT_DIR").expect("cargo tells where to"));
    for entry in fs::read_dir(FOLDER).expect("a folder of models") {
        let path = entry.expect("an entry of the folder").path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            deflate(&path, &to);
        }
    }
    embed::console(&to);
}

fn deflate(path: &Path, to: &Path) {
    let mut encoder = DeflateEncoder::new(vec![], Compression::best());
    encoder.write_all(&fs::read(path).expect("a model")).expect("memory can be written");
    let bytes = encoder.finish().expect("memory can be written");
    fs::write(to.join(path.file_name().expect("a file has a name")), bytes).expect("the folder for build results");
}
