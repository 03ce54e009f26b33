//! `template show`: what a template file holds, without the values that identify a person.

use std::error::Error;
use std::path::Path;

use crate::api::Seals;
use crate::engine::{Decoding, Role};
use crate::face::Template;
use crate::ops::Settings;

pub(super) fn show(settings: &Settings, file: &Path) -> Result<(), Box<dyn Error>> {
    let models = super::models(settings)?;
    let info = models.get(Role::Embedder).info();
    let Decoding::Embedding { dimension } = info.output else { return Err("the embedder makes no embeddings".into()) };
    let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let plain = Seals::load(&settings.templates)?.open(&bytes, None).map_err(|e| at(&e))?.into_owned();
    let template = Template::parse(&plain, info.id, dimension).map_err(|e| at(&e))?;
    println!("model      {} ({} {})", template.model(), info.name, info.version);
    println!("dimension  {}", template.dimension());
    println!("quality    {} of 100", template.quality());
    println!("scale      {} / 2^24", template.scale());
    println!("size       {} bytes, CRC-32 {:08x}", plain.len(), crc32fast::hash(&plain[..plain.len() - 4]));
    println!("sealed     {}", if plain.len() == bytes.len() { "no" } else { "yes" });
    Ok(())
}
