//! Shows what a template file holds, without the values that identify a person (`template show`), and joins templates (`template join`).

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::engine::{Decoding, ModelInfo, Role};
use crate::face::Sealer;
use crate::face::{Comparator, Score, Template};
use crate::ops::{SecretBytes, Settings};

/// What is needed to read template files.
struct Reader {
    info: ModelInfo,
    dimension: usize,
    seals: Sealer,
}

impl Reader {
    fn new(settings: &Settings) -> Result<Self, Box<dyn Error>> {
        let info = super::models(settings)?.get(Role::Embedder).info().clone();
        let Decoding::Embedding { dimension } = info.output else {
            return Err("the embedder makes no embeddings".into());
        };
        Ok(Self { info, dimension, seals: Sealer::load(&settings.templates)? })
    }

    /// The template in a file, and whether it is sealed.
    fn read(&self, file: &Path) -> Result<(Template, bool), String> {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let bytes = SecretBytes::from(std::fs::read(file).map_err(|e| at(&e))?);
        if let Some(told) = error_reply(&bytes) {
            return Err(at(&format!("no template but an error that the service answered: {told}")));
        }
        let plain = self.seals.open(&bytes, None).map_err(|e| at(&e))?;
        let template = Template::parse(&plain, self.info.id, self.dimension).map_err(|e| at(&e))?;
        Ok((template, self.seals.is_sealed(&bytes)))
    }
}

/// The code and the message of an error reply, which clients may have saved in place of a template.
fn error_reply(bytes: &[u8]) -> Option<String> {
    let reply: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    Some(format!("{}: {}", reply.get("code")?.as_str()?, reply.get("message")?.as_str()?))
}

pub(super) fn show(settings: &Settings, file: &Path) -> Result<(), Box<dyn Error>> {
    let reader = Reader::new(settings)?;
    let (template, is_sealed) = reader.read(file)?;
    let plain = template.to_bytes();
    println!("model      {} ({} {})", template.model(), reader.info.name, reader.info.version);
    println!("dimension  {}", template.dimension());
    println!("samples    {}", template.samples());
    println!("quality    {} of 100", template.quality());
    println!("scale      {} / 2^24", template.scale());
    println!("size       {} bytes, CRC-32 {:08x}", plain.len(), crc32fast::hash(&plain[..plain.len() - 4]));
    println!("sealed     {}", if is_sealed { "yes" } else { "no" });
    Ok(())
}

/// Any two of the templates have to reach `decision.operator_required`, as over HTTP.
pub(super) fn join(settings: &Settings, files: &[PathBuf], out: Option<&Path>) -> Result<(), Box<dyn Error>> {
    if out.is_none() && std::io::stdout().is_terminal() {
        return Err("a template is no text for a terminal; name a file with --out FILE, or redirect the output".into());
    }
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let reader = Reader::new(settings)?;
    let read = |file: &PathBuf| reader.read(file).map(|(template, _)| template);
    let templates: Vec<Template> = files.iter().map(read).collect::<Result<_, _>>()?;
    let (comparator, least) =
        (Comparator::of(&reader.info, settings)?, Score::new(settings.decision.operator_required));
    let joined = Template::join(&templates, &comparator, least).map_err(|why| why.told(&names))?;
    let bytes = reader.seals.seal(joined.to_bytes(), None);
    match out {
        Some(file) => std::fs::write(file, &*bytes).map_err(|e| format!("{}: {e}", file.display()))?,
        None => std::io::stdout().write_all(&bytes).and_then(|()| std::io::stdout().flush())?,
    }
    Ok(())
}
