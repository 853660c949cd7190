//! Names of hosts that stand for the sidecars of apps.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::uri::Authority;
use tonic::Code;

use super::Refused;
use super::address::AppAddress;
use super::names::Place;

/// Names of hosts that are made of an app's id.
#[derive(Debug)]
pub(crate) struct Dns {
    /// With `{{.ID}}`, `{{.Namespace}}` and `{{.Port}}`.
    template: String,
    port: u16,
    known: Arc<Mutex<HashMap<AppKey, Known>>>,
}

type AppKey = (String, String);

/// What is known of a name.
#[derive(Debug)]
struct Known {
    /// When it was looked up last, though that failed.
    at: Instant,
    /// When it was asked for last.
    asked: Instant,
    /// What it stood for, if it did.
    place: Option<Arc<Place>>,
    under_way: Option<LookUp>,
}

/// A look-up, whose outcome all have who wait for it.
type LookUp = Shared<BoxFuture<'static, Result<Arc<Place>, Refused>>>;

/// A name stands for the same addresses for so long.
const FRESH: Duration = Duration::from_secs(5);
/// Those serve while it is looked up again, unless nobody asked for so long: then it may well be elsewhere, and is waited for.
const STALE: Duration = Duration::from_secs(60);
/// More names than these are not remembered: ids are the callers' choice.
const NAMES: usize = 1_024;

// === impl Dns ===

impl Dns {
    /// Dapr's own names, as Kubernetes has them.
    pub(crate) const TEMPLATE: &str = "{{.ID}}-dapr.{{.Namespace}}.svc.cluster.local:{{.Port}}";

    pub(crate) fn new(template: String, port: u16) -> Self {
        Self { template, port, known: Arc::default() }
    }

    /// The name and port for an app.
    pub(crate) fn name(&self, id: &str, namespace: &str) -> String {
        self.template
            .replace("{{.ID}}", id)
            .replace("{{.Namespace}}", namespace)
            .replace("{{.Port}}", &self.port.to_string())
    }

    pub(super) async fn find(&self, app: &AppAddress) -> Result<Arc<Place>, Refused> {
        let look_up = |name: String| async move { Ok(tokio::net::lookup_host(name).await?.collect()) };
        self.find_by(app, look_up).await
    }

    /// Has a name looked up by one caller at a time: a resolver that hangs holds up only those who have no address at all.
    async fn find_by<F>(
        &self,
        app: &AppAddress,
        look_up: impl FnOnce(String) -> F,
    ) -> Result<Arc<Place>, Refused>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let key = (app.id.clone(), app.namespace.clone());
        let under_way = {
            let mut all = held(&self.known);
            let mut known = all.get_mut(&key);
            let age = known.as_ref().map_or(Duration::MAX, |known| known.at.elapsed());
            let since = known.as_mut().map(|known| std::mem::replace(&mut known.asked, Instant::now()));
            let known = known.map(|known| &*known);
            let place = known.and_then(|known| known.place.clone());
            if let Some(place) = place.as_ref().filter(|_| age < FRESH) {
                return Ok(Arc::clone(place));
            }
            let under_way = known.and_then(|known| known.under_way.clone()).unwrap_or_else(|| {
                let name = self.name(&app.id, &app.namespace);
                let begun = self.begin(key.clone(), place.clone(), look_up(name.clone()), name);
                remember(&mut all, key, place.clone(), begun.clone());
                begun
            });
            if let Some(place) = place.filter(|_| since.is_some_and(|since| since.elapsed() < STALE)) {
                return Ok(place);
            }
            under_way
        };
        under_way.await
    }

    /// Begins a look-up, which goes on though nobody waits for it.
    fn begin(
        &self,
        key: AppKey,
        before: Option<Arc<Place>>,
        addresses: impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
        name: String,
    ) -> LookUp {
        let all = Arc::clone(&self.known);
        let looking = tokio::spawn(async move {
            let found = place(&name, addresses.await, before.as_ref());
            let mut all = held(&all);
            if let Some(known) = all.get_mut(&key) {
                known.under_way = None;
                // Also where it failed: the resolver is left alone for as long.
                known.at = Instant::now();
                match &found {
                    Ok(found) => known.place = Some(Arc::clone(found)),
                    Err(_) if known.place.is_none() => drop(all.remove(&key)),
                    Err(refused) => tracing::debug!("{}; what it stood for serves on", refused.message),
                }
            }
            // What it stood for may still do.
            found.or_else(|refused| before.ok_or(refused))
        });
        let given_up = |_| Err(Refused::new(Code::Internal, "the look-up of an address was given up"));
        looking.map(move |ended| ended.unwrap_or_else(given_up)).boxed().shared()
    }
}

// === free functions ===

fn held(known: &Mutex<HashMap<AppKey, Known>>) -> MutexGuard<'_, HashMap<AppKey, Known>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers that a name is being looked up, if there is room.
fn remember(all: &mut HashMap<AppKey, Known>, key: AppKey, place: Option<Arc<Place>>, under_way: LookUp) {
    if let Some(known) = all.get_mut(&key) {
        known.under_way = Some(under_way);
        return;
    }
    if all.len() >= NAMES {
        all.retain(|_, known| known.under_way.is_some() || known.at.elapsed() < FRESH);
    }
    if all.len() < NAMES {
        let now = Instant::now();
        all.insert(key, Known { at: now, asked: now, place, under_way: Some(under_way) });
    }
}

/// What a name stands for. The same addresses as before keep their connections.
fn place(
    name: &str,
    addresses: io::Result<Vec<SocketAddr>>,
    before: Option<&Arc<Place>>,
) -> Result<Arc<Place>, Refused> {
    let failed = |reason: String| {
        Refused::new(Code::Internal, format!("failed to resolve address for '{name}': {reason}"))
    };
    let addresses = addresses.map_err(|error| failed(error.to_string()))?.into_iter();
    let mut authorities: Vec<Authority> =
        addresses.filter_map(|address| address.to_string().parse().ok()).collect();
    authorities.sort_by(|left, right| left.as_str().cmp(right.as_str()));
    authorities.dedup();
    if authorities.is_empty() {
        return Err(failed("it has no address".to_owned()));
    }
    let same = before.filter(|place| place.authorities().eq(authorities.iter())).cloned();
    Ok(same.unwrap_or_else(|| Arc::new(Place::new(authorities))))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn app() -> AppAddress {
        AppAddress { id: "a".to_owned(), namespace: "n".to_owned() }
    }

    fn key() -> AppKey {
        ("a".to_owned(), "n".to_owned())
    }

    fn dns() -> Dns {
        Dns::new("{{.ID}}.{{.Namespace}}:{{.Port}}".to_owned(), 1)
    }

    fn found() -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], 1))])
    }

    fn failed() -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no resolver"))
    }

    /// Makes what is known that much older.
    fn age(dns: &Dns, by: Duration) {
        let mut all = held(&dns.known);
        let known = all.get_mut(&key()).unwrap();
        known.at -= by;
        known.asked -= by;
    }

    /// Waits for the look-up that is under way.
    async fn looked_up(dns: &Dns) -> Result<Arc<Place>, Refused> {
        let under_way = held(&dns.known)[&key()].under_way.clone();
        under_way.expect("there is one").await
    }

    #[tokio::test]
    async fn of_many_at_a_time_one_looks_up_and_all_have_the_outcome() {
        let (dns, count) = (dns(), AtomicUsize::new(0));
        for outcome in [failed as fn() -> _, found] {
            let (release, gate) = tokio::sync::watch::channel(false);
            let look_up = |name: String| {
                assert_eq!(name, "a.n:1");
                count.fetch_add(1, Ordering::Relaxed);
                let mut gate = gate.clone();
                async move {
                    gate.wait_for(|open| *open).await.unwrap();
                    outcome()
                }
            };
            let app = app();
            let mut calls: Vec<_> = (0..3).map(|_| dns.find_by(&app, look_up).boxed_local()).collect();
            for call in &mut calls {
                assert!(call.now_or_never().is_none(), "there is nothing to be had yet");
            }
            release.send_replace(true);
            for call in calls {
                assert_eq!(call.await.is_ok(), outcome().is_ok());
            }
        }
        assert_eq!(count.into_inner(), 2, "a failure alone is not remembered");
        let again = dns.find_by(&app(), |_| pending()).now_or_never();
        assert!(again.expect("it is fresh").is_ok());
    }

    #[tokio::test]
    async fn what_a_name_stood_for_serves_while_it_is_looked_up() {
        let dns = dns();
        let first = dns.find_by(&app(), |_| ready(found())).await.unwrap();
        age(&dns, FRESH);
        let (release, gate) = tokio::sync::oneshot::channel();
        let mut gate = Some(gate);
        for _ in 0..3 {
            // A resolver that hangs is asked once.
            let gate = gate.take();
            let look_up = |_| {
                let gate = gate.expect("one look-up at a time");
                async move { gate.await.unwrap() }
            };
            let served = dns.find_by(&app(), look_up).now_or_never().expect("nobody waits").unwrap();
            assert!(Arc::ptr_eq(&served, &first));
        }
        // However long it hangs.
        held(&dns.known).get_mut(&key()).unwrap().at -= STALE;
        let served = dns.find_by(&app(), |_| pending()).now_or_never().expect("nobody waits").unwrap();
        assert!(Arc::ptr_eq(&served, &first));
        let under_way = held(&dns.known)[&key()].under_way.clone().unwrap();
        let last = tokio::spawn(under_way);
        release.send(failed()).unwrap();
        assert!(Arc::ptr_eq(&last.await.unwrap().unwrap(), &first));
        // A failure is as good as an answer for a while: nobody asks again.
        let served = dns.find_by(&app(), |_| -> std::future::Ready<_> { panic!("asked again") }).await;
        assert!(Arc::ptr_eq(&served.unwrap(), &first));
        // New addresses are taken.
        age(&dns, FRESH);
        let others = || ready(Ok(vec![SocketAddr::from(([127, 0, 0, 2], 1))]));
        assert!(Arc::ptr_eq(&dns.find_by(&app(), |_| others()).await.unwrap(), &first));
        let second = looked_up(&dns).await.unwrap();
        assert!(!Arc::ptr_eq(&second, &first));
        assert!(Arc::ptr_eq(&dns.find_by(&app(), |_| pending()).await.unwrap(), &second));
        // The same ones keep their connections.
        age(&dns, FRESH);
        dns.find_by(&app(), |_| others()).await.unwrap();
        assert!(Arc::ptr_eq(&looked_up(&dns).await.unwrap(), &second));
    }

    #[tokio::test]
    async fn what_nobody_asked_for_in_long_is_waited_for() {
        let dns = dns();
        let first = dns.find_by(&app(), |_| ready(found())).await.unwrap();
        age(&dns, STALE);
        let (release, gate) = tokio::sync::oneshot::channel();
        let app = app();
        let mut call = dns.find_by(&app, |_| async move { gate.await.unwrap() }).boxed_local();
        assert!((&mut call).now_or_never().is_none());
        release.send(failed()).unwrap();
        assert!(Arc::ptr_eq(&call.await.unwrap(), &first), "it may still do");
    }
}
