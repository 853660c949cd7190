//! What is under way while a manifest is taken: requests, calls, messages.

use super::*;

/// A policy that allows everything, and is another each time.
fn policy(number: i32) -> String {
    format!("package pillion\ndefault can_load := true\ndefault can_invoke := true\nnumber := {number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_is_lost_or_answered_twice_over_many_reloads() {
    const CLIENTS: u64 = 4;
    const RELOADS: i32 = 60;
    let folder = Folder::new();
    let (web, reader, extra) = (KeyPair::new_module(), KeyPair::new_module(), KeyPair::new_module());
    let granted = ["wascc:http_server", "wascc:keyvalue"];
    let sign = |rev| folder.sign("web.wasm", &web, &counting(rev), revision(rev, &granted));
    sign(0);
    folder.sign("reader.wasm", &reader, &keyvalue(), caps(&["wascc:keyvalue"]));
    folder.sign("extra.wasm", &extra, &saying("extra"), caps(&["wascc:keyvalue"]));
    let text = |number: i32| {
        let instances = if number % 5 == 1 { 500 } else { 1_000 };
        let body = if number % 5 == 2 { 1_000 } else { 100_000 };
        let (provider, binding, actor) = match number % 5 {
            3 => (
                ", {name: extra, kind: memory}",
                ", {name: extra, provider: extra}",
                "  - module: extra.wasm\n",
            ),
            _ => ("", "", ""),
        };
        folder.write("policy.rego", &policy(number / 4));
        format!(
            r#"
labels: {{number: "{number}"}}
policies: [policy.rego]
providers: [{{name: memory, kind: memory}}{provider}]
actors:
  - module: web.wasm
    limits: {{instances: {instances}}}
    bindings: [{{provider: memory}}{binding}]
    http: {{listen: "127.0.0.1:0", body: {body}}}
  - module: reader.wasm
    bindings: [{{provider: memory}}]
{actor}"#
        )
    };
    let mut running = folder.start(&text(0)).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let (reloading, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (reloading, answered) = (Arc::clone(&reloading), Arc::clone(&answered));
            tokio::spawn(async move {
                let (client, mut latest) = (client(), 0);
                while reloading.load(Ordering::Acquire) {
                    let (status, body) = get(&client, address).await.expect("no request is lost");
                    let body = String::from_utf8_lossy(&body).into_owned();
                    assert_eq!(status, 200, "{body}");
                    let revision: i32 = body.parse().expect("a revision");
                    assert!(revision >= latest, "an older revision after a newer one");
                    latest = revision;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for number in 1..=RELOADS {
        let before = answered.load(Ordering::Relaxed);
        if number % 2 == 0 {
            sign(number);
        }
        let changes = folder.reload(&mut running, &text(number)).await.expect("it is right");
        assert!(!changes.is_empty());
        let ended = || clients.iter().any(tokio::task::JoinHandle::is_finished);
        until("more are answered", || answered.load(Ordering::Relaxed) >= before + CLIENTS || ended()).await;
    }
    reloading.store(false, Ordering::Release);
    for client in clients {
        client.await.expect("no request was lost");
    }
    let (answered, counted) = (answered.load(Ordering::Relaxed), count(&running, &reader).await);
    assert!(answered >= CLIENTS * RELOADS as u64);
    assert_eq!(answered, counted, "each is answered once, and counted once");
    assert_eq!(running.addresses().next().map(|(_, at)| at), Some(address));
    assert_eq!(actor(&running, &web).claims().wascap.rev, Some(RELOADS));
    running.stop().await;
}

/// A provider that holds a call of it after as many others, until the test lets it go.
fn holding(after: usize) -> (Arc<Fake>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, when_reached) = mpsc::channel();
    let (go, when_gone) = mpsc::channel::<()>();
    let (held, calls) = (Mutex::new(when_gone), AtomicUsize::new(0));
    let provider = Fake::getting(true, move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == after {
            reached.send(()).expect("the test waits");
            held.lock().expect("unpoisoned").recv().expect("the test lets it go");
        }
        Answer::Ready(Ok(entry("held")))
    });
    (provider, when_reached, go)
}

/// Waits for a call that is held.
async fn reached(when_reached: mpsc::Receiver<()>) {
    tokio::task::spawn_blocking(move || when_reached.recv()).await.expect("no panic").expect("it is held");
}

/// Asks the default key-value binding for a value, and then an actor, or the binding once more, for what it answers with.
fn asking_twice(namespace: &str) -> Vec<u8> {
    let length = namespace.len();
    module(&format!(
        r#"(data (i32.const 3000) "Get")
           (data (i32.const 3100) "{namespace}")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (local $n i32)
             (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
                   (i32.const 3000) (i32.const 3) (i32.const 128) (i32.const 7)))
               (then unreachable))
             (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 3100) (i32.const {length})
                   (i32.const 3000) (i32.const 3) (i32.const 128) (i32.const 7)))
               (then
                 (local.set $n (call $host_error_len))
                 (call $host_error (i32.const 65536))
                 (call $guest_error (i32.const 65536) (local.get $n))
                 (return (i32.const 0))))
             (local.set $n (call $host_response_len))
             (call $host_response (i32.const 65536))
             (call $guest_response (i32.const 65536) (local.get $n))
             (i32.const 1))"#
    ))
}

/// An HTTP request to a held actor, while a manifest without it, and without what it calls, is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_removed_actor_has_under_way_is_answered_and_reaches_what_it_did() {
    let folder = Folder::new();
    let (caller, callee) = (KeyPair::new_module(), KeyPair::new_module());
    let granted = caps(&["wascc:keyvalue", "wascc:http_server", "demo/callee"]);
    folder.sign("caller.wasm", &caller, &asking_twice("demo/callee"), granted);
    folder.sign("callee.wasm", &callee, &counting(5), aliased(1, "demo/callee", &["wascc:keyvalue"]));
    let text = r#"
providers: [{name: memory, kind: memory}]
actors:
  - module: caller.wasm
    calls: [demo/callee]
    http: {listen: "127.0.0.1:0"}
  - module: callee.wasm
    bindings: [{provider: memory}]
"#;
    let mut running = folder.start(text).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let (provider, when_reached, go) = holding(0);
    running
        .host()
        .bind(&actor(&running, &caller), "default", Provider::key_value(provider))
        .expect("granted");
    let under_way = tokio::spawn(async move { get(&client(), address).await });
    reached(when_reached).await;

    let actors = [actor(&running, &caller), actor(&running, &callee)];
    let changes = {
        let reload = folder.reload(&mut running, "labels: {now: empty}\n");
        tokio::pin!(reload);
        // It has changed everything, and waits for the request.
        let nobody_listens = until("nobody listens", || std::net::TcpStream::connect(address).is_err());
        tokio::select! {
            _ = &mut reload => panic!("it does not wait for the request"),
            () = nobody_listens => {}
        }
        go.send(()).expect("it waits");
        reload.await.expect("nothing is wrong with it")
    };
    assert_eq!(changes.iter().filter(|it| it.starts_with("-actor")).count(), 2);
    let (status, body) = under_way.await.expect("no panic").expect("it is answered");
    assert_eq!((status, &*body), (200, &b"5"[..]), "it reached the other actor");
    for actor in &actors {
        let failure = running.host().call(actor, "any", b"").wait().await.expect_err("it is gone");
        assert_eq!(failure, CallFailure::Removed);
    }
    assert!(running.host().actors().is_empty());
    // They may come back.
    folder.reload(&mut running, text).await.expect("nothing is wrong with it");
    assert_eq!(running.host().actors().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_server_goes_on_where_it_listens_whichever_actor_it_is_of() {
    let folder = Folder::new();
    let granted = ["wascc:http_server"];
    let (one, two) = (KeyPair::new_module(), KeyPair::new_module());
    folder.sign("one.wasm", &one, &http_echo(201), caps(&granted));
    folder.sign("two.wasm", &two, &http_echo(202), caps(&granted));
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("it listens").port()
    };
    let text = format!(
        "actors:\n  - module: one.wasm\n    http: {{listen: \"127.0.0.1:{port}\"}}\n  - module: two.wasm\n"
    );
    let mut running = folder.start(&text).await;
    let (client, address) = (client(), SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(get(&client, address).await.expect("served").0, 201);
    let moved = format!(
        "actors:\n  - module: two.wasm\n    http: {{listen: \"127.0.0.1:{port}\", body: 5}}\n  - module: one.wasm\n"
    );
    let changes = folder.reload(&mut running, &moved).await.expect("it is right").to_string();
    assert_eq!(changes.matches("(http)").count(), 2, "{changes}");
    // On the connection that there was.
    assert_eq!(get(&client, address).await.expect("served").0, 202);
    let long =
        hyper::Request::post(format!("http://{address}/")).body(Full::from("123456")).expect("a request");
    assert_eq!(client.request(long).await.expect("a response").status(), 413);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_policies_decide_anew_and_calls_under_way_end_by_the_old() {
    let folder = Folder::new();
    let (caller, callee) = (KeyPair::new_module(), KeyPair::new_module());
    let granted = caps(&["wascc:keyvalue", "wascc:http_server", "demo/callee"]);
    folder.sign("caller.wasm", &caller, &asking_twice("demo/callee"), granted);
    folder.sign("callee.wasm", &callee, &counting(5), aliased(1, "demo/callee", &["wascc:keyvalue"]));
    folder.write("policy.rego", &policy(1));
    let text = r#"
policies: [policy.rego]
providers: [{name: memory, kind: memory}]
actors:
  - module: caller.wasm
    calls: [demo/callee]
    http: {listen: "127.0.0.1:0"}
  - module: callee.wasm
    bindings: [{provider: memory}]
"#;
    let mut running = folder.start(text).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let (provider, when_reached, go) = holding(1);
    running
        .host()
        .bind(&actor(&running, &caller), "default", Provider::key_value(provider))
        .expect("granted");
    let client = client();
    assert_eq!(get(&client, address).await.expect("served").0, 200, "it is allowed, and that is remembered");
    let under_way = tokio::spawn(async move { get(&self::client(), address).await });
    reached(when_reached).await;

    folder.write(
        "policy.rego",
        "package pillion\ndefault can_load := true\ncan_invoke if input.invocation.namespace != \"demo/callee\"",
    );
    let changes = folder.reload(&mut running, text).await.expect("it is a policy");
    assert_eq!(changes.to_string(), "policies");
    assert_eq!(get(&client, address).await.expect("served").0, 500, "it is denied from now on");
    go.send(()).expect("it waits");
    let (status, body) = under_way.await.expect("no panic").expect("it is answered");
    assert_eq!((status, &*body), (200, &b"5"[..]), "it began by the old policy");

    // Who may not be loaded any more keeps the policy out, not itself.
    folder.write("policy.rego", &policy(2).replace("can_load := true", "can_load := false"));
    let error = folder.reload(&mut running, text).await.expect_err("it denies what is there");
    assert!(error.contains("denied by policy: data.pillion.can_load is false"), "{error}");
    folder.write("policy.rego", "package pillion\ndefault can_load := {");
    let error = folder.reload(&mut running, text).await.expect_err("it is no policy");
    assert!(error.starts_with("policies: ") && error.contains("policy.rego:2"), "{error}");
    assert_eq!(get(&client, address).await.expect("served").0, 500, "the policy before them stays");
    let without = text.replace("policies: [policy.rego]", "");
    folder.reload(&mut running, &without).await.expect("it is right");
    assert_eq!(get(&client, address).await.expect("served").0, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_is_lost_or_delivered_twice_over_many_reloads() {
    const RELOADS: u32 = 40;
    let folder = Folder::new();
    let (web, inbox) = (KeyPair::new_module(), KeyPair::new_module());
    let (mut item, mut message) = (Vec::new(), Vec::new());
    Item { key: "k", value: &[7] }.encode(&mut item);
    BrokerMessage { subject: "inbox", reply_to: "", body: &item }.encode(&mut message);
    let publishing = acting((64, 15), "Publish", &message, 1);
    folder.sign("web.wasm", &web, &publishing, caps(&["wascc:http_server", "wascc:messaging"]));
    let sign = |rev| {
        let granted = ["wascc:keyvalue", "wascc:messaging"];
        folder.sign("inbox.wasm", &inbox, &mailbox(), revision(rev, &granted));
    };
    sign(0);
    let text = |number: u32| {
        let deliveries = 3 + number % 2;
        format!(
            r#"
providers: [{{name: bus, kind: memory-bus}}]
actors:
  - module: web.wasm
    bindings: [{{provider: bus}}]
    http: {{listen: "127.0.0.1:0"}}
  - module: inbox.wasm
    bindings: [{{provider: bus}}]
    subscriptions: [{{topic: inbox, group: all, maxDeliveries: {deliveries}}}]
"#
        )
    };
    let mut running = folder.start(&text(0)).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let delivered = Arc::new(AtomicU64::new(0));
    let provider = Fake::pushing({
        let delivered = Arc::clone(&delivered);
        move || Answer::Ready(Ok(delivered.fetch_add(1, Ordering::Relaxed)))
    });
    running.host().bind(&actor(&running, &inbox), "default", Provider::key_value(provider)).expect("granted");
    let (reloading, published) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let publisher = tokio::spawn({
        let (reloading, published) = (Arc::clone(&reloading), Arc::clone(&published));
        async move {
            let client = client();
            while reloading.load(Ordering::Acquire) {
                let (status, _) = get(&client, address).await.expect("no request is lost");
                assert_eq!(status, 200);
                published.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for number in 1..=RELOADS {
        if number % 3 == 0 {
            sign(number.cast_signed());
        }
        let changes = folder.reload(&mut running, &text(number)).await.expect("it is right").to_string();
        assert!(changes.contains("subscriptions"), "{changes}");
        let before = published.load(Ordering::Relaxed);
        until("more are published", || published.load(Ordering::Relaxed) > before || publisher.is_finished())
            .await;
    }
    reloading.store(false, Ordering::Release);
    publisher.await.expect("no request was lost");
    let published = published.load(Ordering::Relaxed);
    until("all are delivered", || delivered.load(Ordering::Relaxed) >= published).await;
    // Stopping waits for nothing to be delivered: what would be twice is by then.
    running.stop().await;
    assert_eq!(delivered.load(Ordering::Relaxed), published);
}
