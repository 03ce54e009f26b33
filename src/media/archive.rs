//! Reads zip archives of pictures: from the bytes of an archive to the files in it, one at a time.
//!
//! The central directory is authoritative (PKWARE APPNOTE 6.3, section 4.3.12); local headers are not
//! trusted. Nothing is ever written, names are never opened as paths, and no claimed size is allocated before
//! it is checked against the limits. Not read: encrypted archives, methods other than stored and deflate, zip64, archives
//! in archives.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::Read;

use flate2::bufread::DeflateDecoder;

use super::still;
use crate::ops::{Limits, counted};

/// Largest ratio of a file's size to its size in the archive. Pictures are already compressed: a photo has a ratio of 1, a
/// screenshot as an uncompressed PNG one of 20. Deflate can reach 1,032.
const RATIO: u64 = 200;

/// Bytes up to which the ratio is not checked: a tiny picture of one color may have any.
const RATIO_FREE: u64 = 1 << 20;

/// Compression methods: stored and deflate.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Flag of a file that is encrypted.
const ENCRYPTED: u16 = 1;

/// Files whose first bytes are inflated to check whether they are pictures. Each takes about ten microseconds, and a directory may
/// list 65,535.
const MOST_LOOKS: usize = 1_000;

/// Bytes needed to recognize a picture: a PNG's eight.
const LONGEST_SIGNATURE: usize = 8;

/// File name extensions of pictures, unsupported formats included: a file meant as a picture must not be overlooked.
const PICTURE_ENDINGS: [&[u8]; 14] = [
    b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".heic", b".heif", b".avif", b".webp", b".gif", b".bmp", b".tif",
    b".tiff", b".jp2",
];

/// Why bytes are not an archive of pictures. The text is for the client: it contains nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The archive is damaged or ends early.
    Damaged(&'static str),
    /// The archive is valid but contains no pictures. The name of a file that it contains instead, if there is one.
    NoPictures(Option<String>),
    /// The archive is valid but uses an unsupported feature.
    Unsupported(String),
    /// Policy: it contains more files or more bytes than the limits allow.
    TooLarge(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the archive ")?;
        match self {
            Self::Damaged(what) => f.write_str(what),
            Self::NoPictures(None) => f.write_str("holds no pictures"),
            Self::NoPictures(Some(name)) => {
                write!(f, "holds no pictures, but files such as '{name}'; send JPEG or PNG")
            }
            Self::Unsupported(what) | Self::TooLarge(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

/// Whether the bytes begin like an archive, an empty one included.
pub(super) fn sniff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Iterates over the pictures of an archive in the order of their names, folders included. Numbers in names compare as numbers, so
/// that `frame2` comes before `frame10`. The iterator ends after the first error.
///
/// A file is a picture if it begins like one or is named like one, so that a damaged picture fails instead of being overlooked. It
/// skips other files, folders, and files whose name or folder begins with a dot or is `__MACOSX`.
pub struct Archive<'a> {
    bytes: &'a [u8],
    files: std::vec::IntoIter<Listed<'a>>,
    /// Byte limit of one file.
    each: u64,
    /// Byte limit of all files together, and the bytes that remain of it.
    all: (u64, u64),
}

/// A file of an archive.
#[derive(PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name without folders, for messages: printable, but the client chose it.
    pub name: String,
    /// Its bytes; their checksum was verified.
    pub data: Cow<'a, [u8]>,
}

/// Reads the list of files.
pub(super) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Archive<'a>, Error> {
    let (directory, count) = directory(bytes)?;
    let mut rest = directory;
    let (mut files, mut other, mut looks) = (Vec::new(), None, 0);
    for _ in 0..count {
        let file = Listed::take(&mut rest).ok_or(DIRECTORY)?;
        if file.is_hidden() {
            continue;
        }
        if !file.is_named_picture() {
            looks += 1;
            if looks > MOST_LOOKS {
                return Err(Error::TooLarge(format!(
                    "holds more than {MOST_LOOKS} files that are not named as pictures"
                )));
            }
            if !file.begins_as_picture(bytes).unwrap_or(true) {
                other.get_or_insert_with(|| file.printable_name());
                continue;
            }
        }
        if files.len() == limits.archive_entries {
            return Err(Error::TooLarge(format!(
                "holds more than {}",
                counted(limits.archive_entries, "file", "files")
            )));
        }
        files.push(file);
    }
    if files.is_empty() {
        return Err(Error::NoPictures(other));
    }
    files.sort_by(|a, b| natural(a.name, b.name));
    if files.windows(2).any(|two| two[0].name == two[1].name) {
        return Err(Error::Damaged("has two files of the same name"));
    }
    check_places(bytes, &files)?;
    let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let (each, all) = (count(limits.picture_bytes), count(limits.archive_bytes));
    Ok(Archive { bytes, files: files.into_iter(), each, all: (all, all) })
}

const DIRECTORY: Error = Error::Damaged("has a damaged directory");
const ENTRY: Error = Error::Damaged("holds a damaged file");

/// Finds the central directory and the number of files in it through the end record (section 4.3.16): the last one that
/// is consistent.
fn directory(bytes: &[u8]) -> Result<(&[u8], u16), Error> {
    /// Bytes of the record without its comment.
    const RECORD: usize = 22;
    let first = bytes.len().saturating_sub(RECORD + usize::from(u16::MAX));
    let mut end = bytes.len();
    while let Some(at) = memchr::memmem::rfind(&bytes[first..end], b"PK\x05\x06").map(|at| first + at) {
        // The next search may find one that begins up to three bytes before this one.
        end = at + 3;
        let record = &bytes[at..];
        let (Some(count), Some(size), Some(start), Some(comment)) =
            (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16), u16_at(record, 20))
        else {
            continue;
        };
        if record.len() < RECORD + usize::from(comment) {
            continue;
        }
        if count == u16::MAX || size == u32::MAX || start == u32::MAX {
            return Err(Error::Unsupported("is a zip64 archive, which is not supported".into()));
        }
        let start = usize::try_from(start).map_err(|_| DIRECTORY)?;
        let size = usize::try_from(size).map_err(|_| DIRECTORY)?;
        return match bytes[..at].get(start..).and_then(|rest| rest.get(..size)) {
            Some(directory) => Ok((directory, count)),
            None => Err(DIRECTORY),
        };
    }
    Err(Error::Damaged("has no directory at its end: it was cut off while being sent"))
}

/// A file's entry in the central directory.
struct Listed<'a> {
    /// Name, with folders.
    name: &'a [u8],
    flags: u16,
    method: u16,
    checksum: u32,
    /// Bytes in the archive.
    packed: u32,
    /// Bytes when inflated, as claimed.
    size: u32,
    /// Where its local header begins.
    start: u32,
}

impl<'a> Listed<'a> {
    /// Takes a file header (section 4.3.12) from the front.
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        const HEADER: usize = 46;
        let (fixed, variable) = rest.split_at_checked(HEADER)?;
        if !fixed.starts_with(b"PK\x01\x02") {
            return None;
        }
        let length = |at| u16_at(fixed, at).map(usize::from);
        let (name, variable) = variable.split_at_checked(length(28)?)?;
        *rest = variable.get(length(30)? + length(32)?..)?;
        Some(Self {
            name,
            flags: u16_at(fixed, 8)?,
            method: u16_at(fixed, 10)?,
            checksum: u32_at(fixed, 16)?,
            packed: u32_at(fixed, 20)?,
            size: u32_at(fixed, 24)?,
            start: u32_at(fixed, 42)?,
        })
    }

    /// Whether it is a folder, or lies where operating systems store files of their own, which may look like pictures.
    fn is_hidden(&self) -> bool {
        let hidden = |part: &[u8]| part.starts_with(b".") && !matches!(part, b"." | b"..");
        self.name.ends_with(b"/")
            || self.name.ends_with(b"\\")
            || self.name.split(is_separator).any(|part| hidden(part) || part == b"__MACOSX")
    }

    fn is_named_picture(&self) -> bool {
        let ends = |ending: &&[u8]| {
            self.name.len().checked_sub(ending.len()).is_some_and(|at| self.name[at..].eq_ignore_ascii_case(ending))
        };
        PICTURE_ENDINGS.iter().any(ends)
    }

    /// Whether its content begins like a supported picture; `None` if that cannot be determined.
    fn begins_as_picture(&self, bytes: &[u8]) -> Option<bool> {
        let (packed, _) = self.packed(bytes)?;
        let mut start = Vec::with_capacity(LONGEST_SIGNATURE);
        match self.method {
            _ if self.flags & ENCRYPTED != 0 => return None,
            STORED => start.extend_from_slice(&packed[..packed.len().min(LONGEST_SIGNATURE)]),
            DEFLATED => {
                DeflateDecoder::new(packed).take(LONGEST_SIGNATURE as u64).read_to_end(&mut start).ok()?;
            }
            _ => return None,
        }
        Some(still::is_picture(&start))
    }

    /// The name without folders and without characters that could break a line of text.
    fn printable_name(&self) -> String {
        const MOST: usize = 64;
        let last = self.name.rsplit(is_separator).next().unwrap_or_default();
        String::from_utf8_lossy(last).chars().filter(|c| !c.is_control()).take(MOST).collect()
    }

    /// The bytes after its local header (section 4.3.7), and where they end.
    fn packed<'b>(&self, bytes: &'b [u8]) -> Option<(&'b [u8], usize)> {
        const HEADER: usize = 30;
        let start = usize::try_from(self.start).ok()?;
        let header = bytes.get(start..).filter(|header| header.starts_with(b"PK\x03\x04"))?;
        let skipped = HEADER + usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
        let data = header.get(skipped..)?.get(..usize::try_from(self.packed).ok()?)?;
        Some((data, start + skipped + data.len()))
    }
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Refuses files that share bytes: a small archive could expand to a large one that way.
fn check_places(bytes: &[u8], files: &[Listed<'_>]) -> Result<(), Error> {
    let mut places = Vec::with_capacity(files.len());
    for file in files {
        let start = usize::try_from(file.start).map_err(|_| ENTRY)?;
        places.push((start, file.packed(bytes).ok_or(ENTRY)?.1));
    }
    places.sort_unstable();
    if places.windows(2).any(|two| two[0].1 > two[1].0) {
        return Err(Error::Damaged("has files that overlap each other"));
    }
    Ok(())
}

impl<'a> Iterator for Archive<'a> {
    type Item = Result<Entry<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = self.files.next()?;
        let entry = self.unpack(&file);
        if entry.is_err() {
            self.files = Vec::new().into_iter();
        }
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.files.size_hint()
    }
}

impl ExactSizeIterator for Archive<'_> {}

impl<'a> Archive<'a> {
    /// Bytes of memory that the largest file needs when it is inflated; a stored file needs none.
    pub(super) fn largest(&self) -> u64 {
        let files = self.files.as_slice().iter().filter(|file| file.method != STORED);
        files.map(|file| u64::from(file.size)).max().unwrap_or_default().min(self.each)
    }

    fn unpack(&mut self, file: &Listed<'_>) -> Result<Entry<'a>, Error> {
        if file.flags & ENCRYPTED != 0 {
            return Err(Error::Unsupported("is encrypted".into()));
        }
        let (packed, _) = file.packed(self.bytes).ok_or(ENTRY)?;
        self.check_size(file, file.size.into())?;
        let data = match file.method {
            STORED => Cow::Borrowed(packed),
            DEFLATED => {
                // One byte more than claimed, to detect a file that is longer.
                let mut data = Vec::with_capacity(usize::try_from(file.size).map_err(|_| ENTRY)?);
                let mut inflater = DeflateDecoder::new(packed).take(u64::from(file.size) + 1);
                inflater.read_to_end(&mut data).map_err(|_| ENTRY)?;
                Cow::Owned(data)
            }
            other => {
                return Err(Error::Unsupported(format!("uses method {other} of compression, which is not supported")));
            }
        };
        if data.len() as u64 != u64::from(file.size) || crc32fast::hash(&data) != file.checksum {
            return Err(ENTRY);
        }
        if sniff(&data) {
            return Err(Error::Unsupported("holds another archive, which is not supported".into()));
        }
        self.all.1 -= data.len() as u64;
        Ok(Entry { name: file.printable_name(), data })
    }

    /// Checks the claimed size of a file against the limits. Inflating enforces the claimed size.
    fn check_size(&self, file: &Listed<'_>, size: u64) -> Result<(), Error> {
        if size > self.each {
            return Err(Error::TooLarge(format!(
                "holds a file over the limit of {}",
                counted(self.each, "byte", "bytes")
            )));
        }
        if size > RATIO_FREE && size > u64::from(file.packed) * RATIO {
            return Err(Error::TooLarge(format!("holds a file that inflates to over {RATIO} times its size")));
        }
        if size > self.all.1 {
            return Err(Error::TooLarge(format!("holds more than {} of files", counted(self.all.0, "byte", "bytes"))));
        }
        Ok(())
    }
}

/// Compares byte by byte, but runs of digits by their numeric value.
fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(x), Some(y)) = (left.first(), right.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (x, y) = (take_number(&mut left), take_number(&mut right));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            x.cmp(y)
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Takes the digits at the front and returns them without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    *text = rest;
    let zeros = number.iter().take_while(|&&digit| digit == b'0').count();
    &number[zeros..]
}

/// The little-endian number at an offset.
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().copied().map(u16::from_le_bytes)
}

/// The little-endian number at an offset.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Reads any bytes with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { archive_entries: 8, archive_bytes: 1 << 20, picture_bytes: 1 << 19, ..Limits::default() };
    let Ok(archive) = open(bytes, &limits) else { return };
    let count = archive.len();
    assert!((1..=8).contains(&count));
    let files: Vec<_> = archive.map_while(Result::ok).collect();
    assert!(files.len() <= count);
    assert!(files.iter().all(|file| file.data.len() <= limits.picture_bytes && !file.name.contains(['/', '\\', '\n'])));
    assert!(files.iter().map(|file| file.data.len()).sum::<usize>() <= limits.archive_bytes);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;

    use super::*;

    /// A file to be put into an archive, with the contents of its headers.
    #[derive(Clone)]
    struct File {
        name: Vec<u8>,
        packed: Vec<u8>,
        method: u16,
        flags: u16,
        checksum: u32,
        size: u32,
        /// Added to where its local header is.
        shift: i32,
    }

    fn stored(name: &str, data: &[u8]) -> File {
        let checksum = crc32fast::hash(data);
        let (packed, size) = (data.to_vec(), data.len() as u32);
        File { name: name.into(), packed, method: 0, flags: 0, checksum, size, shift: 0 }
    }

    fn deflated(name: &str, data: &[u8]) -> File {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        File { packed: encoder.finish().unwrap(), method: 8, ..stored(name, data) }
    }

    fn zip(files: &[File]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        let half = |n: usize| (n as u16).to_le_bytes();
        for file in files {
            let start = (bytes.len() as u32).wrapping_add_signed(file.shift);
            let common: Vec<u8> = [
                &20_u16.to_le_bytes()[..],
                &file.flags.to_le_bytes(),
                &file.method.to_le_bytes(),
                &[0; 4],
                &file.checksum.to_le_bytes(),
                &(file.packed.len() as u32).to_le_bytes(),
                &file.size.to_le_bytes(),
                &half(file.name.len()),
            ]
            .concat();
            directory.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 12], &start.to_le_bytes(), &file.name].concat());
            bytes.extend([b"PK\x03\x04", &common[..], &half(2), &file.name, b"ex", &file.packed].concat());
        }
        let (start, size, count) = (bytes.len() as u32, directory.len() as u32, half(files.len()));
        let numbers = [&[0; 4], &count[..], &count, &size.to_le_bytes(), &start.to_le_bytes(), &half(7)].concat();
        [bytes, directory, b"PK\x05\x06".to_vec(), numbers, b"comment".to_vec()].concat()
    }

    fn unzip(bytes: &[u8], limits: &Limits) -> Result<Vec<(String, Vec<u8>)>, Error> {
        open(bytes, limits)?.map(|entry| entry.map(|entry| (entry.name, entry.data.into_owned()))).collect()
    }

    fn error(files: &[File]) -> String {
        unzip(&zip(files), &Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn files_are_sorted_by_name() {
        let bytes = zip(&[stored("b/x10.png", b"ten"), deflated("b/x9.png", b"nine"), stored("a.jpg", b"first")]);
        let files = unzip(&bytes, &Limits::default()).unwrap();
        let want = [("a.jpg", "first"), ("x9.png", "nine"), ("x10.png", "ten")];
        assert_eq!(files, want.map(|(name, data)| (name.to_string(), data.as_bytes().to_vec())));
        assert_eq!(open(&bytes, &Limits::default()).unwrap().len(), 3);
    }

    #[test]
    fn numbers_in_names_sort_numerically() {
        let mut names = ["f10", "f9", "f010", "f", "f9a", "e99999999999999999999999", "f1/2", "f1", "g", "f0"];
        names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["e99999999999999999999999", "f", "f0", "f1", "f1/2", "f9", "f9a", "f010", "f10", "g"]);
    }

    #[test]
    fn other_files_are_skipped() {
        let hidden = ["a/", "__MACOSX/._a.jpg", ".DS_Store", "a/.hidden/b.jpg", "dir.jpg\\"];
        let mut files: Vec<File> = hidden.iter().map(|name| stored(name, b"x")).collect();
        assert_eq!(error(&files), "the archive holds no pictures");
        files.push(deflated("a/notes.txt", b"taken on Monday"));
        files.extend(["a/Thumbs.db", "DESKTOP.INI", "clip.mp4", "frame"].map(|name| stored(name, b"x")));
        files.extend([stored("empty", b""), stored("a.zip", &zip(&[stored("a.jpg", b"picture")]))]);
        let told = "the archive holds no pictures, but files such as 'notes.txt'; send JPEG or PNG";
        assert_eq!(error(&files), told);
        files.push(stored("./a.jpg", b"picture"));
        files.push(stored("../../etc/b\n.jpg", b"picture"));
        files.extend([
            stored("frame1", b"\xFF\xD8\xFF"),
            deflated("frame2", b"\x89PNG\r\n\x1A\n.."),
            stored("c.HEIC", b""),
        ]);
        let names: Vec<_> = unzip(&zip(&files), &Limits::default()).unwrap().into_iter().map(|file| file.0).collect();
        assert_eq!(names, ["b.jpg", "a.jpg", "c.HEIC", "frame1", "frame2"]);
        assert_eq!(error(&[]), "the archive holds no pictures");
    }

    #[test]
    fn files_that_may_be_pictures_are_not_skipped() {
        // A file that cannot be inspected fails; so does one that is named like a picture but is not one.
        let file = deflated("a", b"\xFF\xD8\xFFsome picture");
        let damaged = File { packed: vec![0xFF; 9], ..file.clone() };
        for (odd, told) in [
            (File { flags: 1, ..file.clone() }, "encrypted"),
            (File { method: 9, ..file }, "method 9"),
            (damaged, "damaged"),
        ] {
            let told_of = error(&[stored("b.jpg", b"picture"), odd]);
            assert!(told_of.contains(told), "{told_of}");
        }
        let many: Vec<File> = (0..=MOST_LOOKS).map(|n| stored(&n.to_string(), b"x")).collect();
        assert_eq!(error(&many), "the archive holds more than 1000 files that are not named as pictures");
        assert!(error(&many[1..]).contains("no pictures"));
    }

    #[test]
    fn archive_limits_are_enforced() {
        let limits = Limits { archive_entries: 2, archive_bytes: 100, picture_bytes: 60, ..Limits::default() };
        let text = |files: &[File]| unzip(&zip(files), &limits).map(|files| files.len()).map_err(|e| e.to_string());
        let [a, b, c] = ["a.jpg", "b.jpg", "c.jpg"].map(|name| deflated(name, &[7; 50]));
        assert_eq!(text(&[a.clone(), b.clone()]), Ok(2));
        assert_eq!(text(&[a.clone(), b, c]), Err("the archive holds more than 2 files".into()));
        let long = deflated("b.jpg", &[7; 51]);
        assert_eq!(text(&[a, long]), Err("the archive holds more than 100 bytes of files".into()));
        assert_eq!(
            text(&[stored("b.jpg", &[7; 61])]),
            Err("the archive holds a file over the limit of 60 bytes".into())
        );
        let bomb = deflated("a.png", &vec![0; 2 << 20]);
        assert_eq!(error(&[bomb]), "the archive holds a file that inflates to over 200 times its size");
    }

    #[test]
    fn inconsistent_headers_are_refused() {
        let honest = deflated("a.jpg", b"some text, some text");
        let damaged = "the archive holds a damaged file";
        for lie in [
            File { size: 19, ..honest.clone() },
            File { size: 21, ..honest.clone() },
            File { size: 0, ..honest.clone() },
            File { checksum: 1, ..honest.clone() },
            File { packed: honest.packed[..9].to_vec(), ..honest.clone() },
            File { shift: 1, ..honest.clone() },
            File { shift: -1, ..honest.clone() },
            File { method: 0, ..honest.clone() },
        ] {
            assert_eq!(error(&[lie]), damaged);
        }
        let length = 30 + 5 + 2 + honest.packed.len() as i32;
        let twice = File { name: b"b.jpg".to_vec(), shift: -length, ..honest.clone() };
        assert_eq!(error(&[honest.clone(), twice]), "the archive has files that overlap each other");
        assert_eq!(error(&[honest.clone(), honest]), "the archive has two files of the same name");
    }

    #[test]
    fn unsupported_archives_are_named_in_the_error() {
        let file = stored("a.jpg", b"data");
        assert_eq!(error(&[File { flags: 1, ..file.clone() }]), "the archive is encrypted");
        let text = "the archive uses method 14 of compression, which is not supported";
        assert_eq!(error(&[File { method: 14, ..file.clone() }]), text);
        let inner = stored("b.jpg", &zip(std::slice::from_ref(&file)));
        assert_eq!(error(&[inner]), "the archive holds another archive, which is not supported");
        let mut large = zip(&[file]);
        let count = large.len() - 7 - 12;
        large[count..count + 2].fill(0xFF);
        let text = "the archive is a zip64 archive, which is not supported";
        assert_eq!(unzip(&large, &Limits::default()).unwrap_err().to_string(), text);
    }

    #[test]
    fn every_truncated_archive_is_refused() {
        let bytes = zip(&[stored("a.jpg", b"data"), deflated("b.png", b"datadatadata")]);
        for end in 0..bytes.len() {
            fuzz(&bytes[..end]);
            assert!(unzip(&bytes[..end], &Limits::default()).is_err(), "{end}");
        }
        let text = "the archive has no directory at its end: it was cut off while being sent";
        assert_eq!(unzip(&bytes[..50], &Limits::default()).unwrap_err().to_string(), text);
        assert!(unzip(&[bytes, vec![0; 9]].concat(), &Limits::default()).is_ok(), "what follows is ignored");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&bytes);
            for name in ["a", "a.jpg"] {
                fuzz(&zip(&[File { packed: bytes.clone(), method: 8, ..stored(name, &[0; 100]) }]));
            }
        }

        #[test]
        fn damaged_archives_are_parsed_without_panic(damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
            let mut bytes = zip(&[stored("a2.jpg", b"data"), deflated("a10", b"\xFF\xD8datadatadata"), stored(".b", b"")]);
            for (at, value) in damage {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            fuzz(&bytes);
        }

        #[test]
        fn natural_order_is_a_total_order(names in proptest::collection::vec("[a0-2/]{0,4}", 3)) {
            let order = |a: usize, b: usize| natural(names[a].as_bytes(), names[b].as_bytes());
            prop_assert_eq!(order(0, 1), order(1, 0).reverse());
            if order(0, 1).is_le() && order(1, 2).is_le() {
                prop_assert!(order(0, 2).is_le());
            }
        }
    }
}
