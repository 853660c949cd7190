//! Peers that are stopped, slow, or close connections, by a clock of their own.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// What is sent to a place that is gone ends within this: it is first found unchanged at the second look.
const BOUND: Duration = SILENCE.saturating_mul(2).saturating_add(ANSWER);
/// A test that takes longer, by its own clock, has failed.
const DAYS: Duration = Duration::from_secs(10 * 24 * 60 * 60);
/// So long the app behind a place thinks.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

type Answered = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Another sidecar, which may be stopped: then nothing of it runs, as with a process, and it is still connected to.
struct Peer {
    stopped: watch::Sender<bool>,
    /// Which connections are closed: all that were made before the last change.
    closed: watch::Sender<()>,
    asked: Arc<Asked>,
    pool: Pool,
}

#[derive(Default)]
struct Asked {
    /// Requests over HTTP/1.1.
    requests: AtomicUsize,
    /// Whether it is still there.
    looks: AtomicUsize,
    connections: AtomicUsize,
    /// Those that are not closed.
    open: AtomicUsize,
}

impl Peer {
    fn start() -> Self {
        let (dialled, mut accepted) = mpsc::unbounded_channel();
        let pool = Pool::new(Arc::new(Link::within(dialled)), Terms { most: 64, fields: 128, asks: true });
        let peer = Self {
            stopped: watch::Sender::new(false),
            closed: watch::Sender::new(()),
            asked: Arc::default(),
            pool,
        };
        let (stopped, closed) = (peer.stopped.subscribe(), peer.closed.subscribe());
        let asked = Arc::clone(&peer.asked);
        tokio::spawn(while_it_runs(peer.stopped.subscribe(), async move {
            while let Some(stream) = accepted.recv().await {
                let mut closed = closed.clone();
                closed.mark_unchanged();
                let asked = Arc::clone(&asked);
                tokio::spawn(while_it_runs(stopped.clone(), async move {
                    asked.connections.fetch_add(1, Ordering::Relaxed);
                    asked.open.fetch_add(1, Ordering::Relaxed);
                    tokio::select! {
                        () = serve(stream, Arc::clone(&asked)) => {}
                        _ = closed.changed() => {}
                    }
                    asked.open.fetch_sub(1, Ordering::Relaxed);
                }));
            }
        }));
        peer
    }

    async fn send(&self, path: &'static str) -> Result<Response<Received>, LinkError> {
        let request = Request::post(path).body(whole("body")).unwrap();
        timeout(DAYS, self.pool.send(request)).await.expect("it never ends")
    }

    /// Sends a request that is answered.
    async fn answered(&self, path: &'static str) {
        let response = self.send(path).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "here");
    }

    fn open(&self) -> usize {
        self.pool.0.open.load(Ordering::Relaxed)
    }
}

async fn serve(stream: DuplexStream, asked: Arc<Asked>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let asked = Arc::clone(&asked);
        async move { Ok::<_, Infallible>(answer(&asked, request).await) }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(asked: &Asked, request: Request<Incoming>) -> Answered {
    if request.version() == Version::HTTP_2 {
        asked.looks.fetch_add(1, Ordering::Relaxed);
        return Response::builder().status(404).body(Full::default().boxed_unsync()).unwrap();
    }
    asked.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "body");
    if path == "/half" {
        // Its head comes at once, and the rest of its body late.
        let parts = futures_util::stream::unfold(0, |sent| async move {
            match sent {
                0 => Some((Ok(Frame::data(Bytes::from_static(b"he"))), 1)),
                1 => {
                    sleep(LONG).await;
                    Some((Ok(Frame::data(Bytes::from_static(b"re"))), 2))
                }
                _ => None,
            }
        });
        return Response::new(StreamBody::new(parts).boxed_unsync());
    }
    if path == "/slow" {
        sleep(LONG).await;
    }
    Response::new(Full::from("here").boxed_unsync())
}

/// Goes on with something for as long as nobody stops it.
async fn while_it_runs(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    let mut work = std::pin::pin!(work);
    loop {
        // The peer is gone with its test.
        if stopped.wait_for(|stopped| !*stopped).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = &mut work => return,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_stopped_is_given_up_and_works_again_when_it_goes_on() {
    let peer = Peer::start();
    tokio::join!(peer.answered("/"), peer.answered("/"));
    let half = peer.send("/half").await.unwrap();
    assert_eq!((half.status().as_u16(), peer.open()), (200, 2));
    // On a connection that was used before, on a new one, and in the middle of an answer.
    peer.stopped.send_replace(true);
    let start = Instant::now();
    let (used, new, half) =
        tokio::join!(peer.send("/"), peer.send("/"), timeout(DAYS, half.into_body().collect()));
    for failed in [used, new] {
        let Err(LinkError::Broken(reason)) = failed else { panic!("{failed:?}") };
        assert_eq!(reason, SILENT);
    }
    assert!(half.expect("it never ends").is_err());
    assert!(start.elapsed() <= BOUND, "{:?}", start.elapsed());
    // Nothing is left of them, and who comes now is given up as well.
    assert_eq!(peer.open(), 0);
    peer.send("/").await.unwrap_err();
    assert!(start.elapsed() <= BOUND * 2, "{:?}", start.elapsed());
    peer.stopped.send_replace(false);
    let start = Instant::now();
    peer.answered("/").await;
    assert_eq!((start.elapsed(), peer.open()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stands_still_for_a_while_is_waited_for() {
    let peer = Peer::start();
    peer.answered("/").await;
    peer.stopped.send_replace(true);
    // Less than a look and the time for an answer to it.
    let on = async {
        sleep(SILENCE + ANSWER / 2).await;
        peer.stopped.send_replace(false);
    };
    tokio::join!(peer.answered("/"), on);
    assert_eq!((peer.asked.requests.load(Ordering::Relaxed), peer.open()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_slow_and_alive_is_waited_for() {
    let peer = Peer::start();
    let start = Instant::now();
    tokio::join!(peer.answered("/slow"), peer.answered("/half"));
    assert!(start.elapsed() >= LONG);
    // It was asked all the time whether it is there, for both.
    let looks = peer.asked.looks.load(Ordering::Relaxed);
    let most = 2 * usize::try_from(LONG.as_secs() / SILENCE.as_secs()).unwrap();
    assert!((most - 10..=most).contains(&looks), "{looks} of {most}");
    assert_eq!((peer.asked.requests.load(Ordering::Relaxed), peer.open()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn connections_that_a_peer_closes_are_replaced_and_those_that_nobody_uses_are_closed() {
    let peer = Peer::start();
    for round in 1..=20 {
        for part in 1..=2 {
            tokio::join!(peer.answered("/"), peer.answered("/"));
            let (connections, requests) = (&peer.asked.connections, &peer.asked.requests);
            let made = (connections.load(Ordering::Relaxed), requests.load(Ordering::Relaxed));
            assert_eq!((peer.open(), made), (2, (2 * round, 4 * round - 4 + 2 * part)));
        }
        peer.closed.send_replace(());
        while peer.asked.open.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }
    peer.answered("/").await;
    assert_eq!(peer.open(), 1);
    sleep(SILENCE * LOOKS - Duration::from_secs(1)).await;
    assert_eq!(peer.open(), 1);
    peer.answered("/").await;
    sleep(SILENCE * (LOOKS + 1)).await;
    assert_eq!((peer.open(), peer.asked.looks.load(Ordering::Relaxed)), (0, 0));
}
