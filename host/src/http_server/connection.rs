//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Present;
use super::activity::Activity;
use super::exchange::answer;

/// A connection beyond the limit is told so, and closed after so long at most.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, or the server does. One on which nothing goes on for the time of the options'
/// patience is let go: also one that never says which version of HTTP it speaks. hyper's own clocks are not used: that
/// for a request's head runs while the response before it is still being written.
pub(super) async fn serve(stream: TcpStream, present: Present, mut stopped: watch::Receiver<bool>) {
    let patience = present.read().options.patience;
    let activity = Activity::new();
    let asked = activity.clone();
    let service = hyper::service::service_fn(move |request| {
        let (shared, under_way) = (present.read().clone(), asked.asked());
        async move {
            let response = answer(&shared, request).await;
            Ok::<_, Infallible>(response.map(|body| Full::new(under_way.answered(body))))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None);
    let connection = builder.serve_connection(TokioIo::new(activity.stream(stream)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        // Bytes that are there when the time is over are looked at first: they may ask for something.
        biased;
        ended = &mut connection => Some(ended),
        // Sent or dropped, the server is to end.
        _ = stopped.wait_for(|stopped| *stopped) => None,
        () = activity.idle(patience) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // Requests under way are answered yet, and responses written out.
            connection.as_mut().graceful_shutdown();
            activity.note();
            tokio::select! {
                biased;
                ended = &mut connection => ended,
                () = activity.idle(patience) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "pillion::http", %error, "a connection ended");
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
