//! The parts of a manifest that may become others.

use super::*;

#[tokio::test]
async fn bindings_get_other_values_and_streams_of_events_come_and_go() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    folder.sign("app.wasm", &key, &keyvalue(), caps(&["wascc:keyvalue", "wascc:eventstreams"]));
    let text = |prefix: &str, events: &str| {
        format!(
            r#"
providers: [{{name: store, kind: memory}}, {{name: audit, kind: memory-events}}]
actors:
  - module: app.wasm
    bindings: [{{provider: store, values: {prefix}}}, {{provider: audit}}]
    events: {events}
"#
        )
    };
    let mut running = folder.start(&text("{prefix: one}", "[{stream: a}]")).await;
    let streams = |running: &Running| actor(running, &key).info().event_streams;
    call(&running, &key, "Add", &add(1)).await.expect("it answers");
    assert_eq!((count(&running, &key).await, streams(&running)), (1, vec!["a".to_owned()]));

    let changed = folder.reload(&mut running, &text("{prefix: two}", "[{stream: a}]")).await;
    assert!(changed.expect("it is right").to_string().contains("(bindings)"));
    call(&running, &key, "Add", &add(5)).await.expect("it answers");
    assert_eq!(count(&running, &key).await, 5, "others see other keys");

    for (events, named) in [
        ("[{stream: a, maxDeliveries: 2}]", vec!["a"]),
        ("[{stream: a, maxDeliveries: 2}, {stream: b, start: eldest}]", vec!["a", "b"]),
        ("[{stream: b, start: eldest}]", vec!["b"]),
        ("[]", vec![]),
    ] {
        let changed = folder.reload(&mut running, &text("{prefix: two}", events)).await;
        assert!(changed.expect("it is right").to_string().contains("(subscriptions)"), "{events}");
        assert_eq!(streams(&running), named, "{events}");
        let again = folder.reload(&mut running, &text("{prefix: two}", events)).await;
        assert!(again.expect("it is right").is_empty(), "{events}");
    }

    for (prefix, events, place) in [
        ("{prefx: two}", "[]", "actors[0].bindings[0]: "),
        ("{prefix: two}", "[{stream: a, binding: other}]", "actors[0].events[0]: "),
        ("{prefix: two}", "[{stream: a}, {stream: a}]", "actors[0].events[1]: "),
    ] {
        let error = folder.reload(&mut running, &text(prefix, events)).await.expect_err("it is wrong");
        assert!(error.starts_with(place), "{error}");
    }
    folder.reload(&mut running, &text("{prefix: one}", "[]")).await.expect("it is right");
    assert_eq!(count(&running, &key).await, 1, "what was kept is there again");
    running.stop().await;
}

#[tokio::test]
async fn metrics_move_and_end() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    folder.sign("app.wasm", &key, &saying("1"), caps(&[]));
    let text = |listen: &str| format!("metrics: {{listen: \"{listen}\"}}\nactors: [{{module: app.wasm}}]");
    let mut running = folder.start(&text("127.0.0.1:0")).await;
    let first = running.metrics().expect("they are served");
    call(&running, &key, "any", b"").await.expect("it answers");
    let changes = folder.reload(&mut running, &text("localhost:0")).await.expect("it is right");
    assert_eq!(changes.to_string(), "metrics");
    let second = running.metrics().expect("they are served");
    tokio::net::TcpStream::connect(first).await.expect_err("nobody listens");
    let scrape = async |at: SocketAddr| {
        let uri = format!("http://{at}/metrics").parse().expect("a URI");
        let response = client().get(uri).await.expect("a response");
        String::from_utf8_lossy(&response.into_body().collect().await.expect("a body").to_bytes())
            .into_owned()
    };
    assert!(scrape(second).await.contains(&key.public_key()), "what was counted is there");
    folder.reload(&mut running, "actors: [{module: app.wasm}]").await.expect("it is right");
    assert_eq!(running.metrics(), None);
    tokio::net::TcpStream::connect(second).await.expect_err("nobody listens");
    folder.reload(&mut running, &text("127.0.0.1:0")).await.expect("the host was started with them");
    let third = running.metrics().expect("they are served");
    assert!(scrape(third).await.contains(&key.public_key()));
    running.stop().await;
}

#[tokio::test]
async fn an_alias_may_pass_to_another_and_calls_follow_it() {
    let folder = Folder::new();
    let [one, two, caller] = [(); 3].map(|()| KeyPair::new_module());
    folder.sign("one.wasm", &one, &saying("one"), aliased(1, "demo/a", &[]));
    folder.sign("two.wasm", &two, &saying("two"), aliased(1, "demo/b", &[]));
    folder.sign("caller.wasm", &caller, &crate::guests::calling("demo/a"), caps(&["demo/a"]));
    let text =
        "actors:\n  - module: caller.wasm\n    calls: [demo/a]\n  - module: one.wasm\n  - module: two.wasm\n";
    let mut running = folder.start(text).await;
    assert_eq!(call(&running, &caller, "any", b"").await.expect("it answers"), "one");
    folder.sign("one.wasm", &one, &saying("one"), aliased(2, "demo/b", &[]));
    let error = folder.reload(&mut running, text).await.expect_err("nobody has the alias");
    assert!(error.starts_with("actors[0].calls[0]: there is no actor"), "{error}");
    let error = folder.reload(&mut running, &text.replace("    calls: [demo/a]\n", "")).await;
    let error = error.expect_err("the other is taken");
    assert!(error.contains("the call alias \"demo/b\""), "{error}");
    assert_eq!(call(&running, &caller, "any", b"").await.expect("it answers"), "one");
    folder.sign("two.wasm", &two, &saying("two"), aliased(2, "demo/a", &[]));
    let changes = folder.reload(&mut running, text).await.expect("they change places").to_string();
    assert!(changes.contains(&format!("~actor {} (calls)", caller.public_key())), "{changes}");
    assert_eq!(call(&running, &caller, "any", b"").await.expect("it answers"), "two");
    let links = actor(&running, &caller).info().links;
    assert_eq!(links, [two.public_key()]);
    running.stop().await;
}

/// Answers with a text, and traps on an operation of four letters.
fn trapping(text: &str) -> Vec<u8> {
    module(&format!(
        "(data (i32.const 3000) \"{text}\")
         (func (export \"__guest_call\") (param $operation i32) (param i32) (result i32)
           (if (i32.eq (local.get $operation) (i32.const 4)) (then unreachable))
           (call $guest_response (i32.const 3000) (i32.const {})) (i32.const 1))",
        text.len()
    ))
}

#[tokio::test]
async fn a_revision_that_does_not_prove_itself_goes_back_and_is_not_tried_again() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    let sign = |rev: i32| folder.sign("app.wasm", &key, &trapping(&rev.to_string()), revision(rev, &[]));
    let text = |calls: u32| {
        format!("actors:\n  - module: app.wasm\n    health: {{probation: {{calls: {calls}, failures: 1}}}}\n")
    };
    sign(1);
    let mut running = folder.start(&text(3)).await;
    sign(2);
    folder.reload(&mut running, &text(3)).await.expect("it is newer");
    call(&running, &key, "Trap", b"").await.expect_err("it traps");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "2", "one may fail");
    call(&running, &key, "Trap", b"").await.expect_err("it traps");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "1");
    let rolled_back = actor(&running, &key).info().rolled_back.expect("it is told");
    assert_eq!(rolled_back.revision, Some(2));

    let traces = Traces::of("pillion::reload");
    let line = traces.until_logged(async || {
        assert!(folder.reload(&mut running, &text(3)).await.expect("nothing is wrong with it").is_empty());
    });
    let line = line.await;
    assert!(line.contains("stays as it is") && line.contains("rolled back"), "{line}");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "1", "the file is the same");
    sign(3);
    folder.reload(&mut running, &text(3)).await.expect("it is newer");
    for _ in 0..3 {
        assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "3");
    }
    for _ in 0..3 {
        call(&running, &key, "Trap", b"").await.expect_err("it traps");
    }
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "3", "it is confirmed");
    running.stop().await;
}

#[tokio::test]
async fn limits_change_also_where_the_code_is_compiled_anew_for_them() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    let sign = |rev: i32| folder.sign("app.wasm", &key, &trapping(&rev.to_string()), revision(rev, &[]));
    sign(1);
    let text = |limits: &str| {
        let health = "health: {probation: {calls: 10}}";
        format!("actors:\n  - module: app.wasm\n    limits: {{{limits}}}\n    {health}\n")
    };
    let mut running = folder.start(&text("")).await;
    for (limits, fails) in
        [("fuel: 1", true), ("fuel: 1000000", false), ("instances: 7", false), ("fuel: 1", true)]
    {
        let changes = folder.reload(&mut running, &text(limits)).await.expect("it is right");
        assert_eq!(changes.to_string(), format!("~actor {} (limits)", key.public_key()));
        let answer = call(&running, &key, "any", b"").await;
        assert_eq!(answer.is_err(), fails, "{limits}: {answer:?}");
    }
    // Of a revision that was rolled back there is no code to compile anew but in the file that is not taken.
    folder.reload(&mut running, &text("")).await.expect("it is right");
    sign(2);
    folder.reload(&mut running, &text("")).await.expect("it is newer");
    call(&running, &key, "Trap", b"").await.expect_err("it traps");
    folder.reload(&mut running, &text("instances: 9")).await.expect("that takes no compiling");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "1");
    let error = folder.reload(&mut running, &text("fuel: 9")).await.expect_err("it cannot be compiled");
    assert!(error.starts_with("actors[0].module: fuel cannot be counted"), "{error}");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "1");
    running.stop().await;
}

#[tokio::test]
async fn a_watch_says_once_that_files_changed() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    folder.sign("app.wasm", &key, &saying("1"), caps(&[]));
    fs::create_dir_all(folder.path("policies/deep")).expect("made");
    let text = "tokens: [later.jwt]\npolicies: [policies]\nactors: [{module: app.wasm}]";
    folder.write("host.yaml", text);
    let manifest = folder.path("host.yaml");
    let mut watch = Watch::new(&manifest);
    watch.follow(folder.manifest(text).files(folder.directory.path()));
    assert!(!watch.changed() && !watch.changed(), "nothing has changed");
    let changes: [(&str, &dyn Fn()); 6] = [
        ("the manifest", &|| folder.write("host.yaml", &format!("{text}\n"))),
        ("a module", &|| folder.sign("app.wasm", &key, &saying("2"), caps(&[]))),
        ("a file that was missing", &|| folder.write("later.jwt", "any")),
        ("a file deep in a folder", &|| folder.write("policies/deep/data.json", "{}")),
        ("another file in its place", &|| {
            folder.write("next", "{}");
            fs::rename(folder.path("next"), folder.path("policies/deep/data.json")).expect("renamed");
        }),
        ("a file that is gone", &|| fs::remove_file(folder.path("later.jwt")).expect("removed")),
    ];
    for (what, change) in changes {
        change();
        assert!(!watch.changed(), "{what}: it may be written to yet");
        assert!(watch.changed(), "{what}");
        assert!(!watch.changed(), "{what}");
    }
    folder.write("unknown", "any");
    assert!(!watch.changed() && !watch.changed(), "a file that no manifest names");
    watch.forget_others(&manifest, &[]);
    folder.sign("app.wasm", &key, &saying("3"), caps(&[]));
    assert!(!watch.changed() && !watch.changed(), "it is watched no more");
}
