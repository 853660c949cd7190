//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Shared;
use super::exchange::answer;

/// A connection beyond the limit is told so, and closed after so long at most.
const FAREWELL: Duration = Duration::from_secs(1);

/// Counts a request as under way until it is dropped.
struct UnderWay(watch::Sender<usize>);

// === impl UnderWay ===

impl UnderWay {
    fn begin(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Serves a connection until it ends, or the server does. One on which nothing is asked for the time of the options'
/// patience is let go: also one that never says which version of HTTP it speaks, on which hyper has no clock.
pub(super) async fn serve(stream: TcpStream, shared: Shared, mut stopped: watch::Receiver<bool>) {
    let patience = shared.options.patience;
    let (count, mut under_way) = watch::channel(0_usize);
    let service = hyper::service::service_fn(move |request| {
        let (shared, asked) = (shared.clone(), UnderWay::begin(&count));
        async move {
            let response = answer(&shared.actor, request, shared.options, &shared.room).await;
            drop(asked);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(patience);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = idle(&mut under_way, patience) => None,
        // Sent or dropped, the server is to end.
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // Requests under way are answered yet, and a response is written out.
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = idle(&mut under_way, patience) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "pillion::http", %error, "a connection ended");
    }
}

/// Ends when no request was under way for so long.
async fn idle(under_way: &mut watch::Receiver<usize>, patience: Duration) {
    loop {
        let asked = *under_way.borrow_and_update() > 0;
        if asked {
            // An error: there will be no request any more, as the service is gone. It is idle from now on.
            if under_way.changed().await.is_err() {
                tokio::time::sleep(patience).await;
                return;
            }
        } else {
            match tokio::time::timeout(patience, under_way.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    tokio::time::sleep(patience).await;
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

/// Says that there are too many connections. What the client sends is read, so that it gets to read this.
pub(super) async fn refuse(mut stream: TcpStream) {
    let text = "the server has as many connections as it may; try again later";
    let response = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    );
    let farewell = async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await?;
        let mut buffer = [0; 1_024];
        while stream.read(&mut buffer).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whatever becomes of it, that was all.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
