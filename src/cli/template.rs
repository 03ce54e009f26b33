//! `template show`: what a template file holds, without the values that identify a person.

use std::error::Error;
use std::path::Path;

use crate::engine::{Decoding, Role};
use crate::face::Template;
use crate::ops::Settings;

pub(super) fn show(settings: &Settings, file: &Path) -> Result<(), Box<dyn Error>> {
    let models = super::models(settings)?;
    let info = models.get(Role::Embedder).info();
    let Decoding::Embedding { dimension } = info.output else { return Err("the embedder makes no embeddings".into()) };
    let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let template = Template::parse(&bytes, info.id, dimension).map_err(|e| format!("{}: {e}", file.display()))?;
    println!("model      {} ({} {})", template.model(), info.name, info.version);
    println!("dimension  {}", template.dimension());
    println!("quality    {} of 100", template.quality());
    println!("scale      {} / 2^24", template.scale());
    println!("size       {} bytes, CRC-32 {:08x}", bytes.len(), crc32fast::hash(&bytes[..bytes.len() - 4]));
    Ok(())
}
