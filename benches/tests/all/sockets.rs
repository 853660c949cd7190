//! Turning `TCP_NODELAY` off makes preflight refuse.

use std::net::{TcpListener, TcpStream};

use pillion_harness::leg::Standing;
use pillion_harness::preflight::{judge, refused};
use pillion_harness::sockets::{Sockets, inspect};

#[test]
fn a_connection_without_nodelay_is_refused_and_one_with_it_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let look = || inspect(std::process::id() as i32);
    let check = |found| {
        judge("lane x".into(), &Standing { debug: Vec::new(), sockets: vec![("sidecar".into(), found)] })
    };

    client.set_nodelay(true).unwrap();
    server.set_nodelay(false).unwrap();
    assert_eq!(look(), Ok(Sockets { prompt: 1, delaying: 1 }));
    let refusal = check(look());
    assert!(refused(std::slice::from_ref(&refusal)), "{refusal:?}");
    assert!(refusal.found.contains("TCP_NODELAY"), "{refusal:?}");

    server.set_nodelay(true).unwrap();
    assert_eq!(look(), Ok(Sockets { prompt: 2, delaying: 0 }));
    assert!(!refused(&[check(look())]));
}

#[test]
fn a_debug_build_is_refused() {
    for program in ["runner-sidecar", "pillion-sidecar"] {
        let standing = Standing { debug: vec![program.to_owned()], sockets: Vec::new() };
        let check = judge("lane x".into(), &standing);
        assert!(refused(std::slice::from_ref(&check)) && check.found.contains(program), "{check:?}");
    }
}
