//! Loads models: embedded or read from a folder, checked against the manifest, planned by tract.

use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::DeflateDecoder;
use ring::digest::{SHA256, digest};
use tract_onnx::prelude::*;

use super::manifest::{Manifest, ModelInfo, Role};
use super::ops::Runnable;
use super::team::Team;
use super::{Arithmetic, Error, Session, ops};
use crate::ops::hex;

/// The models of one manifest, their bytes checked against it.
#[derive(Clone, Debug)]
pub struct ModelSet {
    models: Vec<Model>,
}

/// One model: its description and its file.
#[derive(Clone)]
pub struct Model {
    info: ModelInfo,
    onnx: Vec<u8>,
}

/// A model prepared for one input size. All its sessions share the weights.
pub struct Plan {
    runnable: Runnable,
    arithmetic: Arithmetic,
    coverage: ops::Coverage,
    side: usize,
    mean: u8,
    outputs: Vec<String>,
}

const EMBEDDED_MANIFEST: &str = include_str!("../../models-quantized/models.toml");
/// A file that `build.rs` deflated.
macro_rules! embedded {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("OUT_DIR"), "/", $name)))
    };
}

const EMBEDDED_FILES: [(&str, &[u8]); 4] = [
    embedded!("face_detection_yunet_2023mar.int8.onnx"),
    embedded!("face_recognition_sface_2021dec.int8.onnx"),
    embedded!("face_liveness_minifasnetv2se.int8.onnx"),
    embedded!("face_landmarks_facemesh.int8.onnx"),
];

/// A model file over this is refused before it is read. Ten times the largest that is shipped.
const MAX_FILE_BYTES: u64 = 100 << 20;

impl ModelSet {
    /// The models inside the binary.
    pub fn embedded() -> Result<Self, Error> {
        Self::new(Manifest::parse(EMBEDDED_MANIFEST)?, |name| {
            let file = EMBEDDED_FILES.iter().find(|(known, _)| *known == name);
            let (_, deflated) = file.ok_or_else(|| Error::models(format!("{name} is not embedded")))?;
            let mut onnx = Vec::with_capacity(2 * deflated.len());
            let inflated = DeflateDecoder::new(*deflated).read_to_end(&mut onnx);
            inflated.map_err(|e| Error::models(format!("{name}: {e}")).because(e))?;
            Ok(onnx)
        })
    }

    /// The models of a folder with a `models.toml`.
    pub fn from_dir(dir: &Path) -> Result<Self, Error> {
        let manifest = dir.join("models.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|e| unread(&manifest, e))?;
        Self::new(Manifest::parse(&text)?, |name| {
            let path = dir.join(name);
            let size = std::fs::metadata(&path).map_err(|e| unread(&path, e))?.len();
            if size > MAX_FILE_BYTES {
                return Err(Error::models(format!("{}: {size} bytes are over {MAX_FILE_BYTES}", path.display())));
            }
            std::fs::read(&path).map_err(|e| unread(&path, e))
        })
    }

    fn new(manifest: Manifest, read: impl Fn(&str) -> Result<Vec<u8>, Error>) -> Result<Self, Error> {
        let load = |info: ModelInfo| {
            let onnx = read(&info.file)?;
            let found = hex::digits(digest(&SHA256, &onnx).as_ref());
            if found != info.sha256 {
                let (file, want) = (&info.file, &info.sha256);
                return Err(Error::models(format!("{file}: its SHA-256 is {found}, models.toml says {want}")));
            }
            Ok(Model { info, onnx })
        };
        Ok(Self { models: manifest.models.into_iter().map(load).collect::<Result<_, _>>()? })
    }

    /// The model for a role that every set has.
    pub fn get(&self, role: Role) -> &Model {
        self.find(role).expect("the manifest was checked for every role")
    }

    /// The model for a role, if there is one.
    pub fn find(&self, role: Role) -> Option<&Model> {
        self.models.iter().find(|m| m.info.role == role)
    }

    /// All models in the manifest's order.
    pub fn iter(&self) -> impl Iterator<Item = &ModelInfo> {
        self.models.iter().map(|m| &m.info)
    }

    /// The models' descriptions without their files.
    pub fn into_infos(self) -> Vec<ModelInfo> {
        self.models.into_iter().map(|m| m.info).collect()
    }
}

fn unread(path: &Path, error: io::Error) -> Error {
    Error::models(format!("cannot read {}: {error}", path.display())).because(error)
}

impl Model {
    /// Its description.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Its file.
    #[cfg(test)]
    pub(super) fn onnx(&self) -> &[u8] {
        &self.onnx
    }

    /// Plans the model for square inputs of `side` pixels.
    pub fn plan(&self, side: usize, arithmetic: Arithmetic) -> Result<Plan, Error> {
        let told = |e: TractError| Error::models(format!("{}: {e:#}", self.info.file)).because(e);
        let mut graph = ops::framework().model_for_read(&mut &*self.onnx).map_err(told)?;
        if graph.inputs.len() != 1 {
            return Err(Error::models(format!("{}: {} inputs instead of one", self.info.file, graph.inputs.len())));
        }
        let shape = [1, 3, side, side];
        graph.set_input_fact(0, f32::fact(shape).into()).map_err(told)?;
        let outputs = graph.outputs.iter().map(|o| graph.outlet_label(*o).unwrap_or_default().to_owned()).collect();
        let ops::Lowered { runnable, coverage } = ops::lower(graph, arithmetic, self.info.input.mean).map_err(told)?;
        Ok(Plan { runnable, arithmetic, coverage, side, mean: self.info.input.mean, outputs })
    }
}

impl Plan {
    /// How it is computed, for display: which blocks in integers, which not, and why.
    pub fn arithmetic(&self) -> String {
        let isa = match self.arithmetic {
            Arithmetic::Integer(isa) => isa.name(),
            Arithmetic::Float => return "in floats".into(),
            Arithmetic::Emulated => return "in floats that are rounded as integers are".into(),
        };
        let ops::Coverage { integer, float } = &self.coverage;
        let told = format!("in integers, {integer} blocks, by kernels for {isa}");
        if float.is_empty() { told } else { format!("{told}; by tract in floats: {}", float.join("; ")) }
    }

    /// A state for one thread, the leader of `team`.
    pub fn session(&self, team: &Team) -> Result<Session, Error> {
        Session::new(&self.runnable, self.side, self.mean, self.outputs.clone(), team)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({} {}, {} bytes)", self.info.name, self.info.version, self.onnx.len())
    }
}
