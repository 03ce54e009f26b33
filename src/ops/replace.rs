//! Replaces a small text file.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// Replaces a file's text atomically and durably, keeping its owner and mode.
pub fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let file = if file.exists() { file.canonicalize()? } else { file.to_owned() };
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let written = File::create(&new).and_then(|mut to| {
        if let Ok(old) = file.metadata() {
            chown(&new, Some(old.uid()), Some(old.gid()))?;
            to.set_permissions(old.permissions())?;
        }
        to.write_all(text.as_bytes())?;
        to.sync_all()?;
        std::fs::rename(&new, &file)
    });
    // A rename is lost with the power until its folder is written. It is done all the same: an error would say that it is not.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|_| written.is_ok())
        && let Err(e) = File::open(folder).and_then(|folder| folder.sync_all())
    {
        log::warn!("{}: the change may be lost with the power: {e}", file.display());
    }
    if written.is_err() {
        // A file that can't be removed does no harm.
        let _ = std::fs::remove_file(&new);
    }
    written
}
