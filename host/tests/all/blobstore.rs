//! Objects in containers, to actors and from them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pillion_capabilities::blobstore::{
    BlobInfo, ContainerInfo, Download, Files, MOST_BYTES, Memory as Blobs, Operation, Page, Query, Range,
    Upload,
};
use pillion_capabilities::{Answer, BlobStore, Counters, KeyValue, Memory};
use pillion_codec::{Blob, BlobList, Container, FileChunk, StreamRequest};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::{ActorClaims, IdentityError, KeyPair};
use pillion_host::middleware::{ActorCall, Halt, Middleware};
use pillion_host::{ActorRef, Host, HostConfig, HostError, Limits};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc as events};

use crate::guests::{Author, caps, downloader, saying};

/// An actor bound to a blob store, which keeps the chunks that it gets in a list.
struct Fixture {
    author: Author,
    module: KeyPair,
    host: Host,
    actor: ActorRef,
    store: Arc<dyn BlobStore>,
    chunks: Arc<Memory>,
}

/// A chunk as the actor got it.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    number: u64,
    name: String,
    total: u64,
    size: u64,
    context: Option<String>,
    bytes: Vec<u8>,
}

/// Holds an actor's second chunk up until it is let go.
struct Turnstile {
    chunks: AtomicUsize,
    let_go: Mutex<mpsc::Receiver<()>>,
    events: events::UnboundedSender<&'static str>,
}

/// A fixture with a turnstile, an object `o` of ten bytes, and what tells whether anybody still has them.
struct HeldUp {
    fixture: Fixture,
    let_go: mpsc::Sender<()>,
    events: events::UnboundedReceiver<&'static str>,
    bytes: Arc<[u8; 10]>,
}

struct Shared(Arc<[u8; 10]>);

/// A store whose chunks are written once there is a permit.
struct Stalling {
    store: Blobs,
    go: Arc<Semaphore>,
}

struct Stalled {
    upload: Box<dyn Upload>,
    go: Arc<Semaphore>,
}

fn granted() -> ActorClaims {
    caps(&["wascc:keyvalue", "wascc:blobstore"])
}

// === impl Fixture ===

impl Fixture {
    fn new<B: BlobStore>(store: B) -> Self {
        Self::with(store, Limits::default())
    }

    fn with<B: BlobStore>(store: B, limits: Limits) -> Self {
        Self::on(store, HostConfig { limits, ..HostConfig::default() })
    }

    fn on<B: BlobStore>(store: B, config: HostConfig) -> Self {
        let (author, module) = (Author::new(), KeyPair::new_module());
        let host = author.host(config);
        let actor = host.load(&author.sign(&module, &downloader(), granted())).expect("it loads");
        let (store, chunks) = (Arc::new(store), Arc::new(Memory::new()));
        host.bind(&actor, "default", Provider::blob_store(Arc::clone(&store))).expect("granted");
        host.bind(&actor, "default", Provider::key_value(Arc::clone(&chunks))).expect("granted");
        Self { author, module, host, actor, store, chunks }
    }

    /// Puts the module's next revision in its place.
    async fn update(&self, granted: ActorClaims) {
        let newer = ActorClaims { rev: Some(1), ..granted };
        let newer = self.author.sign(&self.module, &downloader(), newer);
        self.host.update(&self.actor, &newer, None).await.expect("it is newer");
    }

    async fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes, String> {
        let mut payload = Vec::new();
        encode(&mut payload);
        let answer = self.host.call(&self.actor, operation, &payload).wait().await;
        answer.map_err(|failure| failure.to_string())
    }

    async fn create(&self) {
        let answer = self.call("CreateContainer", |out| Container { id: "c" }.encode(out)).await;
        assert_eq!(Container::decode(&answer.expect("it is made")), Ok(Container { id: "c" }));
    }

    async fn start(&self, id: &str, total: u64) -> Result<Bytes, String> {
        self.call("StartUpload", |out| chunk(id, 0, total, b"").encode(out)).await
    }

    async fn send(&self, id: &str, number: u64, bytes: &[u8]) -> Result<Bytes, String> {
        self.call("UploadChunk", |out| chunk(id, number, 10, bytes).encode(out)).await
    }

    async fn download(&self, id: &str, chunk_size: u64, context: Option<&str>) -> Result<Bytes, String> {
        let request = StreamRequest { id, container: "c", chunk_size, context };
        self.call("StartDownload", |out| request.encode(out)).await
    }

    async fn info(&self, id: &str) -> (String, String, u64) {
        let request = Blob { id, container: "c", byte_size: 0 };
        let answer = self.call("GetObjectInfo", |out| request.encode(out)).await.expect("answered");
        let Blob { id, container, byte_size } = Blob::decode(&answer).expect("a blob");
        (id.to_owned(), container.to_owned(), byte_size)
    }

    async fn list(&self) -> Vec<(String, u64)> {
        let answer = self.call("ListObjects", |out| Container { id: "c" }.encode(out)).await;
        let answer = answer.expect("listed");
        let BlobList { blobs } = BlobList::decode(&answer).expect("a list");
        blobs
            .iter()
            .map(|blob| {
                assert_eq!(blob.container, "c");
                (blob.id.to_owned(), blob.byte_size)
            })
            .collect()
    }

    /// What the actor received so far, once it is that many chunks.
    async fn received(&self, count: usize) -> Vec<Received> {
        loop {
            let items = self.chunks.list_range("k", 0, -1).wait().await.expect("it is a list");
            if items.len() >= count {
                return items.iter().map(|item| received(item)).collect();
            }
            tokio::task::yield_now().await;
        }
    }
}

// === impl Turnstile ===

impl Middleware for Turnstile {
    fn before_actor(&self, call: &ActorCall<'_>) -> Result<(), Halt> {
        if call.operation != "ReceiveChunk" || self.chunks.fetch_add(1, Ordering::Relaxed) != 1 {
            return Ok(());
        }
        let _ = self.events.send("held up");
        // The limit is for a test that fails.
        let gone = self.let_go.lock().expect("unpoisoned").recv_timeout(Duration::from_secs(20));
        let _ = self.events.send(if gone.is_ok() { "let go" } else { "forgotten" });
        gone.map_err(|_| Halt("nobody let it go".to_owned()))
    }
}

// === impl HeldUp ===

impl HeldUp {
    /// A download whose second chunk is held up before the actor.
    async fn new() -> Self {
        let ((let_go, gone), (said, mut events)) = (mpsc::channel(), events::unbounded_channel());
        let turnstile = Turnstile { chunks: AtomicUsize::new(0), let_go: Mutex::new(gone), events: said };
        let config = HostConfig { middleware: vec![Arc::new(turnstile)], ..HostConfig::default() };
        let fixture = Fixture::on(Blobs::new(1 << 20), config);
        fixture.create().await;
        let bytes = Arc::new(*b"0123456789");
        let shared = Bytes::from_owner(Shared(Arc::clone(&bytes)));
        fixture.store.put("c", "o", shared).wait().await.expect("there is room");
        fixture.download("o", 1, None).await.expect("it starts");
        assert_eq!(events.recv().await, Some("held up"));
        Self { fixture, let_go, events, bytes }
    }

    /// Lets it go, and asserts that the chunk that was held up is the last.
    async fn ends(self) {
        let fixture = self.ended().await;
        assert_eq!(fixture.received(2).await.len(), 2);
    }

    /// As [`HeldUp::ends`], whatever the actor does with the chunk.
    async fn ended(mut self) -> Fixture {
        self.let_go.send(()).expect("it waits");
        assert_eq!(self.events.recv().await, Some("let go"));
        self.fixture.store.remove("c", "o").wait().await.expect("it is there");
        while Arc::strong_count(&self.bytes) > 1 {
            // The download still has them.
            tokio::task::yield_now().await;
        }
        assert_eq!(self.fixture.store.counters().of(Operation::DownloadChunk), 2);
        self.fixture
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &*self.0
    }
}

// === impl Stalling ===

impl BlobStore for Stalling {
    fn name(&self) -> &'static str {
        "stalling"
    }

    fn counters(&self) -> &Counters<Operation> {
        self.store.counters()
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn create_container(&self, container: &str) -> Answer<bool> {
        self.store.create_container(container)
    }

    fn remove_container(&self, container: &str) -> Answer<bool> {
        self.store.remove_container(container)
    }

    fn containers(&self, query: Query) -> Answer<Page<ContainerInfo>> {
        self.store.containers(query)
    }

    fn container(&self, container: &str) -> Answer<Option<ContainerInfo>> {
        self.store.container(container)
    }

    fn put(&self, container: &str, object: &str, bytes: Bytes) -> Answer<BlobInfo> {
        self.store.put(container, object, bytes)
    }

    fn upload(&self, container: &str, object: &str) -> Answer<Box<dyn Upload>> {
        let (upload, go) = (self.store.upload(container, object), Arc::clone(&self.go));
        Answer::pending(async move {
            let upload = upload.wait().await?;
            Ok(Box::new(Stalled { upload, go }) as Box<dyn Upload>)
        })
    }

    fn get(&self, container: &str, object: &str, range: Range) -> Answer<Option<Bytes>> {
        self.store.get(container, object, range)
    }

    fn download(&self, container: &str, object: &str) -> Answer<Option<Box<dyn Download>>> {
        self.store.download(container, object)
    }

    fn info(&self, container: &str, object: &str) -> Answer<Option<BlobInfo>> {
        self.store.info(container, object)
    }

    fn list(&self, container: &str, query: Query) -> Answer<Page<BlobInfo>> {
        self.store.list(container, query)
    }

    fn remove(&self, container: &str, object: &str) -> Answer<bool> {
        self.store.remove(container, object)
    }
}

impl Upload for Stalled {
    fn append(&mut self, chunk: Bytes) -> Answer<u64> {
        let (written, go) = (self.upload.append(chunk), Arc::clone(&self.go));
        Answer::pending(async move {
            let _permit = go.acquire().await;
            written.wait().await
        })
    }

    fn finish(self: Box<Self>) -> Answer<BlobInfo> {
        self.upload.finish()
    }
}

// === free functions ===

fn chunk<'a>(id: &'a str, sequence_no: u64, total_bytes: u64, chunk_bytes: &'a [u8]) -> FileChunk<'a> {
    FileChunk { sequence_no, container: "c", id, total_bytes, chunk_size: 4, context: None, chunk_bytes }
}

fn received(message: &[u8]) -> Received {
    let chunk = FileChunk::decode(message).expect("a chunk");
    Received {
        number: chunk.sequence_no,
        name: format!("{}/{}", chunk.container, chunk.id),
        total: chunk.total_bytes,
        size: chunk.chunk_size,
        context: chunk.context.map(str::to_owned),
        bytes: chunk.chunk_bytes.to_vec(),
    }
}

fn files() -> (Files, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    (Files::open(directory.path()).expect("it opens"), directory)
}

/// Makes of each `async fn(Fixture)` a test per provider.
macro_rules! for_each_store {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            use super::{Blobs, Fixture, files};

            #[tokio::test]
            async fn memory() {
                super::$promise(Fixture::new(Blobs::new(1 << 20))).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn files_() {
                let (store, _directory) = files();
                super::$promise(Fixture::new(store)).await;
            }
        }
    )+};
}

for_each_store! {
    what_is_uploaded_in_chunks_is_downloaded_in_chunks,
    what_is_wrong_is_said_and_leaves_no_object,
    an_upload_outlives_an_update_and_ends_with_its_binding,
}

async fn what_is_uploaded_in_chunks_is_downloaded_in_chunks(fixture: Fixture) {
    fixture.create().await;
    fixture.create().await;
    fixture.start("o", 10).await.expect("it starts");
    // The numbers of actors that count bytes.
    for (number, bytes) in [(0, &b"0123"[..]), (4, b"4567"), (8, b"89")] {
        assert_eq!(fixture.info("o").await, (String::new(), String::new(), 0), "it is not there yet");
        fixture.send("o", number, bytes).await.expect("it is kept");
    }
    assert_eq!(fixture.info("o").await, ("o".to_owned(), "c".to_owned(), 10));
    fixture.start("empty", 0).await.expect("it is there at once");
    assert_eq!(fixture.list().await, [("empty".to_owned(), 0), ("o".to_owned(), 10)]);

    assert!(fixture.download("o", 3, Some("first")).await.expect("it starts").is_empty());
    let expected = [&b"012"[..], b"345", b"678", b"9"].into_iter().zip(0..).map(|(bytes, number)| Received {
        number,
        name: "c/o".to_owned(),
        total: 10,
        size: 3,
        context: Some("first".to_owned()),
        bytes: bytes.to_vec(),
    });
    assert_eq!(fixture.received(4).await, expected.collect::<Vec<_>>());
    fixture.download("empty", 3, None).await.expect("it starts");
    let last = fixture.received(5).await.pop().expect("five");
    let name = "c/empty".to_owned();
    assert_eq!(last, Received { number: 0, name, total: 0, size: 3, context: None, bytes: Vec::new() });

    for id in ["o", "o", "empty"] {
        let request = Blob { id, container: "c", byte_size: 0 };
        fixture.call("RemoveObject", |out| request.encode(out)).await.expect("it is gone");
    }
    assert_eq!(fixture.list().await, []);
    fixture.call("RemoveContainer", |out| Container { id: "c" }.encode(out)).await.expect("it is empty");
    let error = fixture.start("o", 1).await.expect_err("there is no container");
    assert!(error.contains("there is no container c"), "{error}");
}

async fn what_is_wrong_is_said_and_leaves_no_object(fixture: Fixture) {
    fixture.create().await;
    let error = fixture.send("o", 0, b"x").await.expect_err("no upload");
    assert!(error.contains("there is no upload of c/o that waits for a chunk"), "{error}");
    let error = fixture.call("StartUpload", |out| chunk("o", 0, 4, b"x").encode(out)).await;
    assert!(error.expect_err("bytes").contains("carries no bytes"));
    fixture.start("o", 10).await.expect("it starts");
    fixture.send("o", 5, b"01").await.expect("it is kept");
    for number in [5, 4, 0] {
        let error = fixture.send("o", number, b"23").await.expect_err("it came before");
        assert!(
            error.contains(&format!("chunk {number} of the upload of c/o came after chunk 5")),
            "{error}"
        );
    }
    let error = fixture.send("o", 6, b"012345678").await.expect_err("11 bytes");
    assert!(error.contains("more than 10 bytes for c/o"), "{error}");
    fixture.send("o", 6, b"").await.expect_err("that was the end of the upload");

    for number in 0..16 {
        fixture.start(&number.to_string(), 10).await.expect("there is room");
    }
    let error = fixture.start("o", 10).await.expect_err("the seventeenth");
    assert!(error.contains("more than 16 uploads of a binding"), "{error}");
    fixture.start("0", 10).await.expect("it is begun anew");
    assert_eq!(fixture.list().await, []);
    let error = fixture.call("RemoveContainer", |out| Container { id: "c" }.encode(out)).await;
    assert!(error.expect_err("uploads are under way").contains("is not empty"));

    let error = fixture.download("o", 3, None).await.expect_err("no object");
    assert!(error.contains("there is no object o in container c"), "{error}");
    for size in [0, MOST_BYTES + 1] {
        let error = fixture.download("o", size, None).await.expect_err("no size");
        assert!(error.contains("is no size of a chunk"), "{error}");
    }
    for (operation, id) in [("CreateContainer", "../x"), ("CreateContainer", ""), ("ListObjects", "/etc")] {
        let error = fixture.call(operation, |out| Container { id }.encode(out)).await.expect_err("no name");
        assert!(error.contains("is no name of a container"), "{error}");
    }
    let error = fixture.download("../../etc/passwd", 3, None).await.expect_err("no name");
    assert!(error.contains("is no name of a object") || error.contains("is no name of an object"), "{error}");
    let error = fixture.call("UploadChunk", |out| out.push(0xc1)).await.expect_err("no request");
    assert!(error.contains("the request of wascc:blobstore UploadChunk is malformed"), "{error}");
    let error = fixture.call("Format", |_| {}).await.expect_err("no such operation");
    assert!(error.contains("wascc:blobstore has no operation \"Format\""), "{error}");
}

async fn an_upload_outlives_an_update_and_ends_with_its_binding(fixture: Fixture) {
    fixture.create().await;
    fixture.start("o", 10).await.expect("it starts");
    fixture.start("p", 10).await.expect("it starts");
    fixture.send("o", 0, b"01234").await.expect("it is kept");
    fixture.update(granted()).await;
    fixture.send("o", 1, b"56789").await.expect("it goes on");
    assert_eq!(fixture.info("o").await.2, 10);
    fixture.host.unbind(&fixture.actor, "default", Contract::BlobStore).expect("it is bound");
    // Of the upload of `p` nothing is left, which would keep the container from being empty.
    fixture.store.remove("c", "o").wait().await.expect("it is there");
    loop {
        // Instances of the old wiring, and files, go in their own time.
        match fixture.store.remove_container("c").wait().await {
            Ok(removed) => break assert!(removed),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_removed_actor_holds_nothing_of_its_store() {
    let fixture = Fixture::new(Blobs::new(1 << 20));
    fixture.create().await;
    fixture.start("o", 10).await.expect("it starts");
    fixture.download("o", 1, None).await.expect_err("it is not there yet");
    fixture.host.remove(&fixture.actor).expect("it is there");
    assert_eq!((Arc::strong_count(&fixture.store), Arc::strong_count(&fixture.chunks)), (1, 1));
    assert!(fixture.store.remove_container("c").wait().await.expect("no upload is under way"));
}

#[tokio::test]
async fn a_download_waits_for_an_actor_with_one_instance() {
    let limits = Limits { instances: 1, ..Limits::default() };
    let fixture = Fixture::with(Blobs::new(1 << 20), limits);
    fixture.create().await;
    fixture.store.put("c", "o", Bytes::from(vec![7; 1_000])).wait().await.expect("there is room");
    for round in 1..=5 {
        fixture.download("o", 10, None).await.expect("it starts");
        let received = fixture.received(round * 100).await;
        let numbers: Vec<u64> = received[(round - 1) * 100..].iter().map(|it| it.number).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_download_that_its_actor_refuses_is_given_up() {
    let fixture = Fixture::new(Blobs::new(1 << 20));
    fixture.create().await;
    fixture.store.put("c", "o", Bytes::from_static(b"0123456789")).wait().await.expect("there is room");
    fixture.host.unbind(&fixture.actor, "default", Contract::KeyValue).expect("it is bound");
    // More than may be under way at a time, and each ends at its first chunk.
    for begun in 1..=40 {
        fixture.download("o", 1, None).await.expect("the earlier ones have ended");
        while fixture.store.counters().of(Operation::DownloadChunk) < begun {
            tokio::task::yield_now().await;
        }
        // The chunk is read, and then refused.
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.store.counters().of(Operation::DownloadChunk), 40);
    let all = fixture.store.get("c", "o", Range::ALL).wait().await.expect("it is there");
    assert_eq!(all.expect("it is there"), &b"0123456789"[..]);
}

#[tokio::test]
async fn an_updated_actor_downloads_as_before() {
    let fixture = Fixture::new(Blobs::new(1 << 20));
    fixture.create().await;
    fixture.store.put("c", "o", Bytes::from_static(b"0123456789")).wait().await.expect("there is room");
    fixture.update(granted()).await;
    fixture.download("o", 1, None).await.expect("it starts");
    assert_eq!(fixture.received(10).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_download_to_an_actor_that_takes_its_time_stalls_nobody() {
    let HeldUp { fixture, let_go, mut events, .. } = HeldUp::new().await;
    // On the only worker.
    tokio::spawn(async move { let_go.send(()) }).await.expect("it runs").expect("it waits");
    assert_eq!(events.recv().await, Some("let go"));
    assert_eq!(fixture.received(10).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_download_ends_with_its_binding() {
    let held_up = HeldUp::new().await;
    let Fixture { host, actor, .. } = &held_up.fixture;
    host.unbind(actor, "default", Contract::BlobStore).expect("it is bound");
    held_up.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_download_ends_with_its_grant() {
    let held_up = HeldUp::new().await;
    held_up.fixture.update(caps(&["wascc:keyvalue"])).await;
    held_up.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_download_ends_with_its_token() {
    let held_up = HeldUp::new().await;
    let fixture = &held_up.fixture;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // A machine that takes longer than that for it is given another, valid for twice as long.
    let mut valid = 1;
    let end = loop {
        let end = now() + valid;
        let newer = ActorClaims { rev: Some(1), ..granted() };
        // It takes every chunk without a capability.
        let newer = fixture.author.sign_until(&fixture.module, &saying("taken"), newer, Some(end));
        match fixture.host.update(&fixture.actor, &newer, None).await {
            Ok(()) => break end,
            Err(HostError::Identity(IdentityError::Expired { .. })) if valid < 64 => valid *= 2,
            Err(error) => panic!("{error}"),
        }
    };
    while now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held_up.ended().await;
}

#[tokio::test]
async fn an_abandoned_upload_gives_way() {
    let fixture = Fixture::new(Blobs::new(1 << 20));
    fixture.host.unbind(&fixture.actor, "default", Contract::BlobStore).expect("it is bound");
    let Provider::BlobStore(blobs) = Provider::from(Arc::clone(&fixture.store)) else { unreachable!() };
    let impatient = Provider::BlobStore(blobs.with_patience(Duration::ZERO));
    fixture.host.bind(&fixture.actor, "default", impatient).expect("it is granted");
    fixture.create().await;
    for number in 0..16 {
        fixture.start(&number.to_string(), 10).await.expect("there is room");
    }
    fixture.send("0", 0, b"01234").await.expect("it is kept");
    fixture.start("o", 10).await.expect("the one that was touched longest ago gives way");
    let error = fixture.send("1", 0, b"01234").await.expect_err("that was it");
    assert!(error.contains("there is no upload of c/1 that waits for a chunk"), "{error}");
    for id in ["0", "2", "15", "o"] {
        fixture.send(id, 1, b"56789").await.expect("it is still there");
    }
}

#[tokio::test]
async fn an_upload_keeps_its_place_while_a_chunk_is_written() {
    let go = Arc::new(Semaphore::new(0));
    let fixture = Fixture::new(Stalling { store: Blobs::new(1 << 20), go: Arc::clone(&go) });
    fixture.create().await;
    for number in 0..16 {
        fixture.start(&number.to_string(), 10).await.expect("there is room");
    }
    let written = async {
        while fixture.store.counters().of(Operation::UploadChunk) == 0 {
            tokio::task::yield_now().await;
        }
    };
    let mut sent = Box::pin(fixture.send("0", 0, b"01234"));
    tokio::select! {
        _ = &mut sent => panic!("it waits for a permit"),
        () = written => {}
    }
    let error = fixture.start("o", 10).await.expect_err("the seventeenth");
    assert!(error.contains("more than 16 uploads of a binding"), "{error}");
    go.add_permits(1);
    sent.await.expect("it has its place");
    fixture.send("0", 1, b"56789").await.expect("it goes on");
    assert_eq!(fixture.info("0").await.2, 10);
    fixture.start("o", 10).await.expect("there is room again");
}

#[test]
fn without_a_runtime_all_but_downloads_are_served() {
    let fixture = Fixture::new(Blobs::new(1 << 20));
    assert!(fixture.actor.always_ready());
    let call = |operation: &str, encode: &dyn Fn(&mut Vec<u8>)| {
        let (mut payload, mut response) = (Vec::new(), Vec::new());
        encode(&mut payload);
        let called = fixture.host.call_into(&fixture.actor, operation, &payload, &mut response);
        called.map(|()| response).map_err(|failure| failure.to_string())
    };
    call("CreateContainer", &|out| Container { id: "c" }.encode(out)).expect("it is made");
    call("StartUpload", &|out| chunk("o", 0, 2, b"").encode(out)).expect("it starts");
    call("UploadChunk", &|out| chunk("o", 0, 2, b"01").encode(out)).expect("it is kept");
    let list = call("ListObjects", &|out| Container { id: "c" }.encode(out)).expect("listed");
    assert_eq!(BlobList::decode(&list).expect("a list").blobs.len(), 1);
    let request = StreamRequest { id: "o", container: "c", chunk_size: 1, context: None };
    let error = call("StartDownload", &|out| request.encode(out)).expect_err("nobody delivers");
    assert!(error.contains("make the provider within a tokio runtime"), "{error}");
}
