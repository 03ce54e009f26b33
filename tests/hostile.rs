//! Feeds parsers of untrusted bytes with damaged versions of good input.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;

use crate::support::{Service, picture, request};

fn small(format: ImageFormat) -> Vec<u8> {
    let noise = |x: u32, y: u32| image::Rgb([((x * 37) ^ (y * 91)) as u8, (x * y) as u8, (x + y * 7) as u8]);
    let picture = DynamicImage::from(RgbImage::from_fn(40, 24, noise));
    let mut bytes = Cursor::new(vec![]);
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

proptest! {
    #[test]
    fn damaged_pictures_are_decoded_or_refused_without_panic(
        jpeg: bool, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut: prop::sample::Index,
    ) {
        let mut bytes = small(if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png });
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        faceplate::media::fuzz(&bytes);
        faceplate::media::fuzz(&bytes[..cut.index(bytes.len())]);
    }
}

/// The same request, split anywhere, gets the same reply.
#[test]
fn requests_in_chunks_of_any_size_get_the_same_reply() {
    use std::io::Write;
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let whole = request("POST", "/v1/face/pattern/extract", &[("Content-Type", "image/jpeg")], &jpeg);
    let want = service.raw(&whole);
    assert_eq!(want.status, 200);
    for piece in [1_000, 1_460, 65_536] {
        let mut stream = service.connect();
        for chunk in whole.chunks(piece) {
            stream.write_all(chunk).unwrap();
            stream.flush().unwrap();
        }
        let got = crate::support::Reply::read(&mut std::io::BufReader::new(stream));
        assert_eq!(got.body, want.body);
    }
    let mut stream = service.connect();
    for byte in &whole[..200] {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.write_all(&whole[200..]).unwrap();
    assert_eq!(crate::support::Reply::read(&mut std::io::BufReader::new(stream)).body, want.body);
}
