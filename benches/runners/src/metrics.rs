//! A sidecar's own count of provider calls.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How often a component's provider was reached, from the sidecar's metrics at `host:port`.
///
/// # Errors
/// The sidecar does not answer, or its answer is not what it has to be.
pub async fn provider_calls(address: &str, component: &str) -> Result<u64, String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask.await.map_err(|error| format!("the sidecar's metrics at {address}: {error}"))?;
    if !answer.starts_with("HTTP/1.1 200") {
        let status = answer.lines().next().unwrap_or("nothing");
        return Err(format!("the sidecar's metrics at {address} answered {status}"));
    }
    let wanted = format!("component=\"{component}\"");
    answer
        .lines()
        .filter(|line| line.starts_with("pillion_provider_calls_total{") && line.contains(&wanted))
        .map(|line| {
            let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
            count.ok_or_else(|| format!("the sidecar's metrics hold {line:?}"))
        })
        .sum()
}
