//! Answers in the bytes of a connection.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::ETAG;
use http::{HeaderValue, Response, StatusCode};
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use crate::channel::MOST_BYTES;

/// The longest head, trailer or line before a chunk, in bytes, and the most fields of a head.
const MOST_HEAD: usize = 64 << 10;
const MOST_FIELDS: usize = 64;
/// There is room for so many bytes before each read; for more, if a body is known to be that long, but not for all of it
/// at once: nobody has seen it yet.
const ROOM: usize = 16 << 10;
const MOST_ROOM: usize = 1 << 20;
/// A body up to this length is copied, so that what comes next can be read into the same memory.
const SHORT: usize = 4 << 10;

/// What came, and has not been answered yet.
#[derive(Default)]
pub(super) struct Answers {
    input: BytesMut,
    stage: Stage,
}

/// What comes next.
#[derive(Default)]
enum Stage {
    #[default]
    Head,
    Body {
        head: Head,
        length: usize,
    },
    Chunk {
        head: Head,
        body: BytesMut,
    },
    /// Of a chunk, with the end of its line.
    Inside {
        head: Head,
        body: BytesMut,
        left: usize,
    },
    Trailer {
        head: Head,
        body: BytesMut,
    },
}

/// What is kept of a head.
struct Head {
    status: StatusCode,
    etag: Option<HeaderValue>,
    closes: bool,
}

/// How a head says where its body ends.
enum Framing {
    Length(usize),
    Chunked,
}

/// One answer.
pub(super) struct Answer {
    pub(super) response: Response<Bytes>,
    /// Whether it is the last one of the connection.
    pub(super) closes: bool,
}

/// What this client does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("its head is wrong: {0}")]
    Head(httparse::Error),
    #[error("its head, or a line between its chunks, has more than {MOST_HEAD} bytes")]
    LongHead,
    #[error("it says nothing of its length")]
    NoLength,
    #[error("it says its length wrongly or in two ways")]
    Length,
    #[error("it has more than {MOST_BYTES} bytes")]
    TooLong,
    #[error("its transfer coding is not chunked alone")]
    Coding,
    #[error("a chunk of it is wrong")]
    Chunk,
    #[error("it changes to another protocol")]
    Switch,
    #[error("there is no request that it answers")]
    Unasked,
}

// === impl Answers ===

impl Answers {
    /// Where more is to be read into.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let known = match &self.stage {
            Stage::Body { length: wanted, .. } | Stage::Inside { left: wanted, .. } => {
                wanted.saturating_sub(self.input.len())
            }
            _ => 0,
        };
        self.input.reserve(known.clamp(ROOM, MOST_ROOM));
        &mut self.input
    }

    /// Whether an answer has begun.
    pub(super) fn is_within(&self) -> bool {
        !self.input.is_empty() || !matches!(self.stage, Stage::Head)
    }

    /// The next answer, once all of it has come.
    pub(super) fn next(&mut self) -> Result<Option<Answer>, Malformed> {
        loop {
            self.stage = match std::mem::take(&mut self.stage) {
                Stage::Head => {
                    let Some((length, head, framing)) = head(&self.input)? else { return self.more() };
                    self.input.advance(length);
                    match framing {
                        _ if head.status.is_informational() => Stage::Head,
                        Framing::Length(length) => Stage::Body { head, length },
                        Framing::Chunked => Stage::Chunk { head, body: BytesMut::new() },
                    }
                }
                Stage::Body { head, length } if self.input.len() < length => {
                    self.stage = Stage::Body { head, length };
                    return Ok(None);
                }
                Stage::Body { head, length } => return Ok(Some(head.with(self.body(length)))),
                Stage::Chunk { head, body } => {
                    let Some((begin, length)) = chunk(&self.input)? else {
                        self.stage = Stage::Chunk { head, body };
                        return self.more();
                    };
                    self.input.advance(begin);
                    if body.len().saturating_add(length) > MOST_BYTES {
                        return Err(Malformed::TooLong);
                    }
                    if length == 0 {
                        Stage::Trailer { head, body }
                    } else {
                        Stage::Inside { head, body, left: length + 2 }
                    }
                }
                Stage::Inside { head, body, left } if self.input.len() < left => {
                    self.stage = Stage::Inside { head, body, left };
                    return Ok(None);
                }
                Stage::Inside { head, mut body, left } => {
                    let chunk = self.input.split_to(left);
                    let Some((chunk, b"\r\n")) = chunk.split_last_chunk::<2>() else {
                        return Err(Malformed::Chunk);
                    };
                    body.extend_from_slice(chunk);
                    Stage::Chunk { head, body }
                }
                Stage::Trailer { head, body } => {
                    let mut fields = [EMPTY_HEADER; MOST_FIELDS];
                    match httparse::parse_headers(&self.input, &mut fields).map_err(Malformed::Head)? {
                        Status::Complete((length, _)) => {
                            self.input.advance(length);
                            return Ok(Some(head.with(body.freeze())));
                        }
                        Status::Partial => {
                            self.stage = Stage::Trailer { head, body };
                            return self.more();
                        }
                    }
                }
            }
        }
    }

    /// A line or head goes on.
    fn more(&self) -> Result<Option<Answer>, Malformed> {
        if self.input.len() > MOST_HEAD { Err(Malformed::LongHead) } else { Ok(None) }
    }

    fn body(&mut self, length: usize) -> Bytes {
        if length > SHORT {
            return self.input.split_to(length).freeze();
        }
        let body = Bytes::copy_from_slice(self.input.get(..length).unwrap_or_default());
        self.input.advance(length);
        body
    }
}

// === impl Head ===

impl Head {
    fn with(self, body: Bytes) -> Answer {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if let Some(etag) = self.etag {
            response.headers_mut().insert(ETAG, etag);
        }
        Answer { response, closes: self.closes }
    }
}

/// The head that begins the input, with its length; none while it is not complete.
fn head(input: &[u8]) -> Result<Option<(usize, Head, Framing)>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let parsing = config.parse_response_with_uninit_headers(&mut parsed, input, &mut fields);
    let Status::Complete(begin) = parsing.map_err(Malformed::Head)? else { return Ok(None) };
    // It is there, and of three digits, after a complete parse.
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed::Head(httparse::Error::Status))?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Malformed::Switch);
    }
    let (mut length, mut is_chunked) = (None, false);
    // HTTP/1.0 closes.
    let mut head = Head { status, etag: None, closes: parsed.version == Some(0) };
    for Header { name, value } in parsed.headers.iter() {
        if name.eq_ignore_ascii_case("content-length") {
            let said = number(value)?;
            if length.is_some_and(|length| length != said) {
                return Err(Malformed::Length);
            }
            length = Some(said);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if is_chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed::Coding);
            }
            is_chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            let mut words = value.split(|&byte| byte == b',');
            head.closes |= words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
        } else if name.eq_ignore_ascii_case("etag") {
            head.etag = HeaderValue::from_bytes(value).ok();
        }
    }
    let is_bare =
        status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = match (is_chunked, length) {
        (true, Some(_)) => return Err(Malformed::Length),
        _ if is_bare => Framing::Length(0),
        (true, None) => Framing::Chunked,
        (false, Some(length)) if length > MOST_BYTES => return Err(Malformed::TooLong),
        (false, Some(length)) => Framing::Length(length),
        (false, None) => return Err(Malformed::NoLength),
    };
    Ok(Some((begin, head, framing)))
}

/// Where the chunk begins and how long it is, whose line begins the input; none while that is not complete.
fn chunk(input: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    match httparse::parse_chunk_size(input).map_err(|_| Malformed::Chunk)? {
        Status::Complete((begin, length)) => {
            let length = usize::try_from(length).map_err(|_| Malformed::TooLong)?;
            Ok(Some((begin, length)))
        }
        Status::Partial => Ok(None),
    }
}

/// A number of decimal digits alone.
fn number(text: &[u8]) -> Result<usize, Malformed> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::Length);
    }
    // Digits that are no number are too many.
    let text = str::from_utf8(text).map_err(|_| Malformed::Length)?;
    text.parse().map_err(|_| Malformed::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All answers in `bytes`, of which `at_once` come together: status, ETag, body and whether it closes.
    fn read(bytes: &[u8], at_once: usize) -> Result<Vec<(u16, String, Bytes, bool)>, Malformed> {
        let mut answers = Answers::default();
        let mut found = Vec::new();
        for part in bytes.chunks(at_once) {
            answers.room().extend_from_slice(part);
            while let Some(Answer { response, closes }) = answers.next()? {
                let etag = response.headers().get(ETAG).map(|etag| etag.to_str().unwrap().to_owned());
                let status = response.status().as_u16();
                found.push((status, etag.unwrap_or_default(), response.into_body(), closes));
            }
        }
        assert!(!answers.is_within(), "something is left of {:?}", String::from_utf8_lossy(bytes));
        Ok(found)
    }

    #[test]
    fn answers_are_read_however_they_are_cut() {
        let long = "x".repeat(3 * SHORT);
        let stream = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: 17\r\n\r\nhello",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 \r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nlast: word\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}", long.len()),
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\ny",
            "HTTP/1.1 409 Conflict\r\nconnection: keep-alive, Close\r\ncontent-length: 1\r\n\r\nz",
        ]
        .concat();
        let expected: [(u16, &str, &str, bool); 9] = [
            (200, "17", "hello", false),
            (204, "", "", false),
            (204, "", "", false),
            (404, "", "", false),
            (200, "", "abc0123456789", false),
            (200, "", "", false),
            (200, "", &long, false),
            (200, "", "y", true),
            (409, "", "z", true),
        ];
        // The third says that it has a body, which a 204 cannot have.
        for at_once in [1, 2, 3, 7, 50, 1_000, stream.len()] {
            let found = read(stream.as_bytes(), at_once).unwrap();
            let found: Vec<_> =
                found.iter().map(|(a, b, c, d)| (*a, b.as_str(), str::from_utf8(c).unwrap(), *d)).collect();
            assert_eq!(found, expected, "{at_once} at once");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_by_its_fault() {
        let with = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let chunked = |rest: &str| with("transfer-encoding: chunked\r\n") + rest;
        let cases = [
            ("SSH-2.0-OpenSSH\r\n".to_owned(), Malformed::Head(httparse::Error::Version)),
            ("HTTP/1.1 20x OK\r\n\r\n".to_owned(), Malformed::Head(httparse::Error::Status)),
            (
                "HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n".to_owned(),
                Malformed::Head(httparse::Error::Status),
            ),
            (with("no field\r\n"), Malformed::Head(httparse::Error::HeaderName)),
            (with(&"a: b\r\n".repeat(MOST_FIELDS + 1)), Malformed::Head(httparse::Error::TooManyHeaders)),
            (with(&format!("a: {}", "b".repeat(MOST_HEAD))), Malformed::LongHead),
            (with(""), Malformed::NoLength),
            (with("content-length: \r\n"), Malformed::Length),
            (with("content-length: -1\r\n"), Malformed::Length),
            (with("content-length: +1\r\n"), Malformed::Length),
            (with("content-length: 1, 1\r\n"), Malformed::Length),
            (with("content-length: 1\r\ncontent-length: 2\r\n"), Malformed::Length),
            (with("content-length: 1\r\ntransfer-encoding: chunked\r\n"), Malformed::Length),
            (with(&format!("content-length: {}\r\n", MOST_BYTES + 1)), Malformed::TooLong),
            (with(&format!("content-length: {}\r\n", "9".repeat(40))), Malformed::TooLong),
            (with("transfer-encoding: gzip, chunked\r\n"), Malformed::Coding),
            (with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"), Malformed::Coding),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(), Malformed::Switch),
            (chunked("x\r\n"), Malformed::Chunk),
            (chunked("ffffffffffffffffff\r\n"), Malformed::Chunk),
            (chunked("fffffffffffffff\r\n"), Malformed::TooLong),
            (chunked("3\r\nabcd\r\n"), Malformed::Chunk),
            (chunked(&format!("3;{}", "x".repeat(MOST_HEAD))), Malformed::LongHead),
            (chunked("0\r\nno field\r\n"), Malformed::Head(httparse::Error::HeaderName)),
            (chunked(&format!("0\r\na: {}", "x".repeat(MOST_HEAD))), Malformed::LongHead),
        ];
        for (bytes, fault) in cases {
            for at_once in [100, bytes.len()] {
                let found = read(bytes.as_bytes(), at_once);
                assert_eq!(found.unwrap_err(), fault, "{:?}", bytes.get(..100).unwrap_or(&bytes));
            }
        }
    }
}
