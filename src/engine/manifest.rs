//! Reads `models.toml`: the purpose, source, input and output of each model.
//!
//! `docs/ref/models.md` describes the format for integrators who bring their own models.

use serde::Deserialize;

use super::Error;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; 1.
    pub format: u32,
    /// The models, one for each role; the one for landmarks may be missing.
    #[serde(rename = "model")]
    pub models: Vec<ModelInfo>,
}

/// What a model does for the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Finds faces and five points in each.
    Detector,
    /// Turns an aligned face into an embedding.
    Embedder,
    /// Liveness model (PAD): tells a bona fide face in front of the camera from a picture or a mask of one.
    Liveness,
    /// Finds a mesh of points on a face. A set without one can't judge how a head turns.
    Landmarks,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Detector, Self::Embedder, Self::Liveness, Self::Landmarks];

    /// Whether every manifest has a model for it.
    fn is_required(self) -> bool {
        self != Self::Landmarks
    }
}

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// What it is for.
    pub role: Role,
    /// Names an embedding space inside templates: two models share an id only if their templates may be compared.
    #[serde(default)]
    pub id: u16,
    /// Name, as `/version` shows it.
    pub name: String,
    /// Version, as `/version` shows it.
    pub version: String,
    /// File name beside the manifest.
    pub file: String,
    /// Lower-case hexadecimal SHA-256 of the file.
    pub sha256: String,
    /// SPDX name of the weights' license.
    pub license: String,
    /// Its text, beside the manifest.
    pub license_file: String,
    /// Source of the weights.
    pub source: Source,
    /// The input tensor.
    pub input: Input,
    /// The outputs and how they are decoded.
    pub output: Decoding,
    /// How it was quantized; documentation only.
    pub quantization: Quantization,
    /// The self-test's known answer.
    pub self_test: SelfTest,
    /// An embedder's cosine at each false match rate, in order of falling rates.
    #[serde(default, rename = "knot")]
    pub knots: Vec<Knot>,
    /// The same where one of the two templates is joined from several samples; if empty, the knots above apply.
    #[serde(default, rename = "joined_knot")]
    pub joined_knots: Vec<Knot>,
}

/// The package that a model was converted from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Package registry by its usual name.
    pub registry: String,
    /// Package name.
    pub package: String,
    /// Package version.
    pub version: String,
    /// SHA-256 of the package archive.
    pub sha256: String,
    /// File inside the archive.
    pub path: String,
    /// SHA-256 of that file.
    pub path_sha256: String,
}

/// The input tensor: `[1, 3, side, side]`, `pixel - mean`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name in the graph.
    pub tensor: String,
    /// Only `NCHW`.
    pub layout: Layout,
    /// Order of the three planes.
    pub channels: Channels,
    /// Sides of the square inputs that the service uses, in pixels, ascending.
    pub sides: Vec<usize>,
    /// Pixel value that stands for zero.
    pub mean: u8,
}

/// Axis order of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
}

/// Order of the color planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// How outputs are decoded.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "decoding", rename_all = "lowercase", deny_unknown_fields)]
pub enum Decoding {
    /// YuNet's maps for strides 8, 16 and 32: `cls_S`, `obj_S` (logits, 1 channel), `bbox_S` (4), `kps_S` (10).
    Yunet {
        /// Least face score, 0..1.
        score: f32,
        /// Intersection over union above which the lower-scored of two boxes is dropped.
        overlap: f32,
    },
    /// One vector, of any length; only its direction counts.
    Embedding {
        /// Number of dimensions.
        dimension: usize,
    },
    /// Logits of classes, one of which stands for a bona fide presentation; the others are kinds of attack presentations.
    Liveness {
        /// Number of classes.
        classes: usize,
        /// Index of the live class, from 0.
        live: usize,
    },
    /// `points`: x, y and z of each point in pixels of the upright crop, z growing away from the viewer; `face`: a logit that it is one.
    Mesh {
        /// Number of points.
        points: usize,
    },
}

/// How the model was made int8; documentation only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    /// Weight scheme.
    pub weights: String,
    /// Activation scheme.
    pub activations: String,
    /// List of the calibration pictures.
    pub calibration: String,
}

/// Values spread evenly over all outputs, for the picture that `engine::self_test` makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// 32 values.
    pub answer: Vec<f32>,
}

/// A point of the score curve.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knot {
    /// False match rate.
    pub fmr: f64,
    /// The cosine that this share of impostor pairs reaches.
    pub cosine: f64,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let manifest: Self = toml::from_str(text).map_err(|e| Error::models(format!("models.toml: {e}")).because(e))?;
        let wrong = |what: String| Err(Error::models(format!("models.toml: {what}")));
        if manifest.format != 1 {
            return wrong(format!("format {} is not 1", manifest.format));
        }
        for role in Role::ALL {
            let found = manifest.models.iter().filter(|m| m.role == role).count();
            if found > 1 || found == 0 && role.is_required() {
                return wrong(format!("{found} models have the role {role:?}; there must be one"));
            }
        }
        manifest.models.iter().try_for_each(ModelInfo::check)?;
        Ok(manifest)
    }
}

impl ModelInfo {
    fn check(&self) -> Result<(), Error> {
        if self.file.contains(['/', '\\']) || self.file.starts_with('.') {
            return self.wrong(&format!("file {:?} must lie beside models.toml", self.file));
        }
        if self.input.sides.is_empty() || self.input.sides.iter().any(|s| !(16..=2048).contains(s)) {
            return self.wrong("sides must be between 16 and 2048 pixels");
        }
        if !self.input.sides.is_sorted() {
            return self.wrong("sides must ascend");
        }
        match (self.role, &self.output) {
            (Role::Detector, Decoding::Yunet { .. }) => {
                if self.input.sides.iter().any(|s| s % 32 != 0) {
                    return self.wrong("sides of a yunet must be multiples of 32");
                }
                Ok(())
            }
            (Role::Embedder, Decoding::Embedding { dimension }) => {
                if !(16..=1024).contains(dimension) {
                    return self.wrong("dimension must be between 16 and 1024");
                }
                if self.id == 0 {
                    return self.wrong("an embedder needs an id from 1");
                }
                self.check_knots(&self.knots)?;
                let rates = |knots: &[Knot]| knots.iter().map(|k| k.fmr).collect::<Vec<_>>();
                if !self.joined_knots.is_empty() {
                    self.check_knots(&self.joined_knots)?;
                    if rates(&self.joined_knots) != rates(&self.knots) {
                        return self.wrong("joined knots must be at the rates of the others");
                    }
                }
                Ok(())
            }
            (Role::Liveness, Decoding::Liveness { classes, live }) => {
                if !(2..=16).contains(classes) || live >= classes {
                    return self.wrong("classes must be between 2 and 16, and live one of them");
                }
                Ok(())
            }
            (Role::Landmarks, Decoding::Mesh { points: 468 }) => Ok(()),
            (Role::Landmarks, Decoding::Mesh { .. }) => self.wrong("a mesh must have the 468 points of FaceMesh"),
            (role, _) => self.wrong(&format!("this decoding does not fit the role {role:?}")),
        }
    }

    fn check_knots(&self, knots: &[Knot]) -> Result<(), Error> {
        let rising = knots.windows(2).all(|k| k[0].fmr > k[1].fmr && k[0].cosine < k[1].cosine);
        if knots.len() < 2 || !rising {
            return self.wrong("knots must be two or more, with falling fmr and rising cosine");
        }
        if knots.iter().any(|k| !(k.fmr > 0.0 && k.fmr <= 1.0 && k.cosine.abs() < 1.0)) {
            return self.wrong("knots need fmr in (0, 1] and cosine in (-1, 1)");
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> Result<(), Error> {
        Err(Error::models(format!("models.toml: model {}: {what}", self.name)))
    }
}
