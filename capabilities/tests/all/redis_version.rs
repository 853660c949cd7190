//! A Redis server of another version than is needed.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use pillion_capabilities::{Error, Redis};

use crate::providers::runtime;

/// A server that answers `INFO` with a text of the test's, and any other command as Redis would.
fn server(info: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || serve(stream, info));
        }
    });
    address
}

/// Until the client goes.
fn serve(mut stream: TcpStream, info: &str) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let number = |lines: &mut BufReader<TcpStream>| -> Result<usize> {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        Ok(line.trim().get(1..).and_then(|number| number.parse().ok()).unwrap_or(0))
    };
    loop {
        let arguments = match number(&mut lines)? {
            0 => return Ok(()),
            arguments => arguments,
        };
        let mut words = Vec::new();
        for _ in 0..arguments {
            let mut word = vec![0; number(&mut lines)? + 2];
            lines.read_exact(&mut word)?;
            words.push(String::from_utf8_lossy(&word).trim().to_uppercase());
        }
        let answer = match words[0].as_str() {
            "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
            "INFO" if info.starts_with('-') => format!("{info}\r\n"),
            "INFO" => format!("${}\r\n{info}\r\n", info.len()),
            _ => "+OK\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes())?;
    }
}

#[test]
fn a_redis_that_is_too_old_is_refused_with_version_and_remedy() {
    let old = server("# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n");
    runtime().block_on(async {
        let error = Redis::connect(&format!("redis://{old}")).await.unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error:?}");
        let text = error.to_string();
        for part in [old.to_string().as_str(), "6.2.14", "7.0 or newer", "upgrade"] {
            assert!(text.contains(part), "{text}");
        }
    });
}

#[test]
fn a_redis_that_is_new_enough_or_does_not_tell_is_taken() {
    for info in [
        "redis_version:7.0.0\r\n",
        "redis_version:10.1.0\r\n",
        "# Server\r\n",
        "-NOPERM no permissions to INFO",
    ] {
        let address = server(info);
        runtime().block_on(async { Redis::connect(&format!("redis://{address}")).await.unwrap() });
    }
}
