//! Where the sidecars of other apps are.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{Method, Request, Response, Version, header};
use hyper::body::Body as _;
use tonic::Code;

use super::address::AppAddress;
use super::dns::Dns;
use super::{Refused, headers};
use crate::body::Body;
use crate::link::{Link, LinkError};
use crate::pool::{Pool, Received, Terms};

/// What stands for the sidecars of other apps.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By app id, with the namespace where it is not this sidecar's.
    fixed: HashMap<String, Arc<Place>>,
    dns: Option<Dns>,
}

/// The sidecars of one app: each call goes to another of them.
#[derive(Debug, Default)]
pub(crate) struct Place {
    seats: Vec<Seat>,
    next: AtomicUsize,
}

/// One sidecar, and until when it is passed over.
#[derive(Debug)]
struct Seat {
    link: Arc<Link>,
    pool: Pool,
    /// In milliseconds since [`start`].
    down_until: AtomicU64,
}

/// A sidecar that cannot be connected to is passed over for so long, if there are others.
const DOWN: Duration = Duration::from_secs(2);
/// Requests and their answers go by HTTP/1.1 on so many connections to one sidecar. More at a time than these, those of unknown
/// or great length, those over gRPC and whatever may have trailers share one connection over HTTP/2.
const TERMS: Terms = Terms { most: 64, fields: 128, asks: true };
/// The longest body that goes by HTTP/1.1, in bytes, and the most fields of a request's head: hyper takes no more than 100.
const SMALL: u64 = 64 << 10;
const MOST_FIELDS: usize = 90;

/// What is wrong with an address of an app's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a sidecar; write it as HOST:PORT, with the port of its ready line's \"internal\""
)]
pub(crate) struct AddressError(pub(crate) String);

// === impl Names ===

impl Names {
    /// Adds an address of an app's sidecar; an app may have several.
    pub(crate) fn add(&mut self, id: &str, address: &str) -> Result<(), AddressError> {
        let authority: Authority = address.parse().map_err(|_| AddressError(address.to_owned()))?;
        if authority.port_u16().is_none() || address.contains('@') {
            return Err(AddressError(address.to_owned()));
        }
        let place = self.fixed.entry(id.to_owned()).or_default();
        // Nobody else has it before the sidecar serves.
        if let Some(place) = Arc::get_mut(place) {
            place.seats.push(Seat::new(authority));
        }
        Ok(())
    }

    pub(crate) fn set_dns(&mut self, dns: Dns) {
        self.dns = Some(dns);
    }

    pub(super) async fn find(&self, app: &AppAddress, own_namespace: &str) -> Result<Arc<Place>, Refused> {
        let fixed = if app.namespace == own_namespace {
            self.fixed.get(&app.id)
        } else {
            self.fixed.get(&format!("{}.{}", app.id, app.namespace))
        };
        if let Some(place) = fixed {
            return Ok(Arc::clone(place));
        }
        match &self.dns {
            Some(dns) => dns.find(app).await,
            None => Err(Refused::new(
                Code::Internal,
                format!(
                    "couldn't find service: {}; this sidecar has no mDNS: give --app-address {}=HOST:PORT, or \
                     spec.nameResolution with the component static, structuredformat or dns",
                    app.id, app.id
                ),
            )),
        }
    }
}

// === impl Place ===

impl Place {
    pub(super) fn new(authorities: Vec<Authority>) -> Self {
        Self { seats: authorities.into_iter().map(Seat::new).collect(), next: AtomicUsize::new(0) }
    }

    pub(super) fn authorities(&self) -> impl Iterator<Item = &Authority> {
        self.seats.iter().map(|seat| seat.link.authority())
    }

    /// Sends a request to one of the sidecars; to another where one cannot be connected to.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Received>, LinkError> {
        let count = self.seats.len();
        let first = if count > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let mut last = String::from("there is no address");
        // All that are not known to be down come first, then, for want of a better, the others.
        for down in [false, true] {
            for offset in 0..count {
                let Some(seat) = self.seats.get((first + offset) % count) else { continue };
                if count > 1 && seat.is_down() != down {
                    continue;
                }
                match seat.send(request).await {
                    Err(LinkError::Unsent { request: again, reason }) => {
                        seat.set_down();
                        last = format!("{}: {reason}", seat.link.authority());
                        request = *again;
                    }
                    sent => {
                        seat.down_until.store(0, Ordering::Relaxed);
                        return sent;
                    }
                }
            }
            if count == 1 {
                break;
            }
        }
        Err(LinkError::Unsent { request: Box::new(request), reason: last })
    }
}

// === impl Seat ===

impl Seat {
    fn new(authority: Authority) -> Self {
        let link = Arc::new(Link::new(authority, None));
        let pool = Pool::new(Arc::clone(&link), TERMS);
        Self { link, pool, down_until: AtomicU64::new(0) }
    }

    /// Sends a request by whichever version of HTTP costs less.
    async fn send(&self, request: Request<Body>) -> Result<Response<Received>, LinkError> {
        if is_simple(&request) && self.pool.has_room() {
            return self.pool.send(request).await;
        }
        Ok(self.link.send(request).await?.map(Received::from))
    }

    fn is_down(&self) -> bool {
        let until = self.down_until.load(Ordering::Relaxed);
        until != 0 && until > now()
    }

    fn set_down(&self) {
        let down = u64::try_from(DOWN.as_millis()).unwrap_or(u64::MAX);
        self.down_until.store(now().saturating_add(down), Ordering::Relaxed);
    }
}

/// Whether nothing is lost on a request, and its answer, by HTTP/1.1: a small body, all of which is announced, and nobody who
/// could be told trailers.
fn is_simple(request: &Request<Body>) -> bool {
    let fields = request.headers();
    request.version() <= Version::HTTP_11
        && request.method() != Method::CONNECT
        && fields.len() <= MOST_FIELDS
        && request.body().size_hint().exact().is_some_and(|length| length <= SMALL)
        && fields.contains_key(headers::CALL)
        && !fields.contains_key(header::TE)
}

/// Milliseconds since this was asked first.
fn now() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
