//! Counts the visits of pages, and says so to who is interested.

use pillion_sdk::message::{BrokerMessage, Request};
use pillion_sdk::{KeyValue, Messaging, Reply, Result, export, info, operations};

operations! {
    /// What this actor answers.
    pub fn answer {
        HandleRequest => visit,
        DeliverMessage => forget,
        "visits" => visits,
    }
}

export!(answer);

const STORE: KeyValue<'_> = KeyValue::new();

/// A visit by HTTP.
fn visit(request: Request<'_>, reply: &mut Reply) -> Result<()> {
    let count = STORE.add(request.path, 1)?;
    info!("visit {count} of {}", request.path);
    Messaging::new().publish("visited", request.path.as_bytes())?;
    reply.http(200, "text/plain", count.to_string().as_bytes());
    Ok(())
}

/// A message with the page that is to begin anew.
fn forget(message: BrokerMessage<'_>) -> Result<()> {
    STORE.delete(str::from_utf8(message.body).map_err(|_| "the page is not UTF-8")?)
}

/// The visits of a page, by its path: the value of the store as it is there.
fn visits(page: &[u8], reply: &mut Reply) -> Result<()> {
    let page = str::from_utf8(page).map_err(|_| "the page is not UTF-8")?;
    reply.pass(STORE.get(page)?.ok_or("nobody visited the page")?);
    Ok(())
}
