//! Compresses the files of the console for the binary, and renders the guides and references as pages of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::{env, fs};

use flate2::{Compression, GzBuilder};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// The folders of documents that are pages of the console.
const FOLDERS: [&str; 2] = ["guide", "ref"];

/// Writes each file, compressed, and `console.rs` with the list of them to the folder `to`.
pub(super) fn console(to: &Path) {
    println!("cargo::rerun-if-changed=console");
    let mut files: BTreeMap<String, (&str, Vec<u8>)> = BTreeMap::new();
    for path in entries("console") {
        let name = path.rsplit('/').next().expect("a path has a name");
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let content_type = match extension {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => continue,
        };
        let url = match (stem, extension) {
            ("index", "html") => "/".to_owned(),
            (stem, "html") => format!("/{stem}"),
            _ => format!("/console/{name}"),
        };
        let mut bytes = fs::read(&path).expect("a file of the console");
        if ["css", "js"].contains(&extension) {
            let mut text = spare(&String::from_utf8(bytes).expect("the console is text"));
            if extension == "css" {
                // No string of the style has any of these.
                for (loose, tight) in [(" { ", "{"), (" {", "{"), ("; }", "}"), ("; ", ";"), (": ", ":"), (", ", ",")] {
                    text = text.replace(loose, tight);
                }
            }
            bytes = text.into_bytes();
        }
        files.insert(url, (content_type, bytes));
    }
    for (url, page) in documents() {
        files.insert(url, ("text/html; charset=utf-8", page.into_bytes()));
    }
    let mut list = String::from("static ASSETS: &[Asset] = &[\n");
    for (number, (url, (content_type, bytes))) in files.into_iter().enumerate() {
        let name = format!("console-{number}.gz");
        let packed = gzip(&bytes);
        fs::write(to.join(&name), &packed).expect("the folder for build results");
        // The last eight bytes of gzip are the CRC-32 and the length (RFC 1952).
        let tag = packed[packed.len() - 8..].iter().fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
        writeln!(
            list,
            "Asset {{ path: {url:?}, content_type: {content_type:?}, tag: \"{tag}\", gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")) }},"
        )
        .expect("a string takes all");
    }
    list.push_str("];\n");
    fs::write(to.join("console.rs"), list).expect("the folder for build results");
}

/// A script or style without what only its authors need: indentation, empty lines, and comments that have a line of their own.
fn spare(text: &str) -> String {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !["//", "/*"].iter().any(|start| line.starts_with(start)));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

fn entries(folder: &str) -> Vec<String> {
    let mut paths: Vec<String> = fs::read_dir(folder)
        .expect("a folder of this repository")
        .map(|entry| entry.expect("an entry of the folder").path().to_string_lossy().into_owned())
        .collect();
    paths.sort();
    paths
}

/// The same bytes on every machine: without time, name and system.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().operating_system(255).write(vec![], Compression::best());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// The pages of all documents, and one that lists them.
fn documents() -> Vec<(String, String)> {
    let mut pages = vec![];
    let mut list = String::from("<h1>Guides and references</h1>\n");
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed=docs/{folder}");
        writeln!(list, "<h2>{}</h2>\n<ul>", if folder == "guide" { "Guides" } else { "References" })
            .expect("a string takes all");
        for path in entries(&format!("docs/{folder}")).into_iter().filter(|path| path.ends_with(".md")) {
            let url = format!("/{}.html", path.trim_end_matches(".md"));
            let (title, body) = rendered(&fs::read_to_string(&path).expect("a document"), folder);
            writeln!(list, "<li><a href=\"{url}\">{title}</a></li>").expect("a string takes all");
            pages.push((url, page(&title, &body)));
        }
        list.push_str("</ul>\n");
    }
    pages.push(("/docs".to_owned(), page("Guides and references", &list)));
    pages
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - Faceplate {}</title>\n<link rel=\"icon\" href=\"/console/icon.svg\">\n<link rel=\"stylesheet\" href=\"/console/style.css\">\n</head>\n\
         <body class=\"document\">\n<header class=\"bar\"><a class=\"brand\" href=\"/\">Faceplate</a><nav aria-label=\"Documents\"><a href=\"/docs\">Guides</a></nav></header>\n\
         <main>\n{body}</main>\n</body>\n</html>\n",
        env::var("CARGO_PKG_VERSION").expect("cargo tells the version")
    )
}

/// Title and HTML of a document in `docs/folder`. Links to what is no page here become plain text; headings get the anchors that links use.
fn rendered(text: &str, folder: &str) -> (String, String) {
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let (mut title, mut inside, mut is_link, mut is_image) = (String::new(), None, vec![], false);
    for at in 0..events.len() {
        if let Event::Start(Tag::Heading { .. }) = events[at] {
            inside = Some((at, String::new()));
        }
        if let (Event::Text(text) | Event::Code(text), Some((_, heading))) = (&events[at], &mut inside) {
            heading.push_str(text);
        }
        if matches!(events[at], Event::End(TagEnd::Heading(_)))
            && let Some((start, heading)) = inside.take()
            && let Event::Start(Tag::Heading { id, .. }) = &mut events[start]
        {
            *id = Some(anchor(&heading).into());
            if title.is_empty() {
                title = heading;
            }
        }
        // Pictures stay outside of the binary.
        is_image |= matches!(events[at], Event::Start(Tag::Image { .. }));
        if is_image {
            is_image = !matches!(events[at], Event::End(TagEnd::Image));
            events[at] = Event::Text(CowStr::Borrowed(""));
        }
        match &mut events[at] {
            Event::Start(Tag::Table(columns)) => {
                columns.iter_mut().for_each(|column| *column = pulldown_cmark::Alignment::None)
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let target = page_of(dest_url, folder);
                is_link.push(target.is_some());
                match target {
                    Some(target) => *dest_url = target.into(),
                    None => events[at] = Event::Text(CowStr::Borrowed("")),
                }
            }
            Event::End(TagEnd::Link) if is_link.pop() == Some(false) => events[at] = Event::Text(CowStr::Borrowed("")),
            Event::Html(_) | Event::InlineHtml(_) => events[at] = Event::Text(CowStr::Borrowed("")),
            _ => {}
        }
    }
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    let body = body
        .replace("<table>", "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table>")
        .replace("</table>", "</table></div>");
    let body = body.replace("<pre>", "<pre tabindex=\"0\">");
    (title.replace('&', "&amp;").replace('<', "&lt;"), body)
}

/// Where a link leads among the pages; none if that is nowhere. Other hosts are left out: this works offline.
fn page_of(link: &str, folder: &str) -> Option<String> {
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    if path.is_empty() {
        return Some(fragment);
    }
    let (folder, name) = match path.strip_prefix("../") {
        Some(rest) => rest.split_once('/')?,
        None => (folder, path),
    };
    let name = name.strip_suffix(".md")?;
    let is_page =
        FOLDERS.contains(&folder) && !name.contains('/') && Path::new(&format!("docs/{folder}/{name}.md")).is_file();
    is_page.then(|| format!("/docs/{folder}/{name}.html{fragment}"))
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
