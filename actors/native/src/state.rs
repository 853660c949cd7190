//! Dapr's state API as the apps need it, whatever the protocol.

use std::future::Future;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::BulkStateItem;
use pillion_logic::CallError;

/// A counter that others change this often in a row is given up.
const MOST_ATTEMPTS: u32 = 1_000;

/// A value and its version.
pub(crate) struct Versioned {
    pub(crate) value: Bytes,
    pub(crate) etag: String,
}

/// What must hold for a value to be saved.
#[derive(Clone, Copy)]
pub(crate) enum Condition<'a> {
    /// Nothing.
    None,
    /// The key is not there.
    Absent,
    /// The key has this version.
    Etag(&'a str),
}

/// Why a value was not saved.
pub(crate) enum SaveError {
    /// The condition does not hold.
    Conflict,
    /// Anything else.
    Failed(CallError),
}

/// A client of the state API.
pub(crate) trait State: Sync {
    fn read(&self, key: &str) -> impl Future<Output = Result<Option<Versioned>, CallError>> + Send;

    fn save(
        &self,
        key: &str,
        value: &[u8],
        condition: Condition<'_>,
    ) -> impl Future<Output = Result<(), SaveError>> + Send;
}

// === impl Condition ===

impl<'a> Condition<'a> {
    /// The version that a save tells.
    pub(crate) fn etag(self) -> Option<&'a str> {
        match self {
            Self::Etag(etag) => Some(etag),
            Self::None | Self::Absent => None,
        }
    }

    /// Whether a save asks to be the first to write. With no version told, that is to find nothing there.
    pub(crate) fn is_first_write(self) -> bool {
        !matches!(self, Self::None)
    }
}

// === impl SaveError ===

impl From<SaveError> for CallError {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Conflict => {
                Self("the sidecar reports an etag mismatch for a save without an etag".to_owned())
            }
            SaveError::Failed(error) => error,
        }
    }
}

/// Adds to a counter. The state API has no such call, so this is what Dapr's documentation says: read, save with the
/// version that was read, start again if somebody else was faster.
pub(crate) async fn add<S: State>(state: &S, key: &str, delta: i64) -> Result<i64, CallError> {
    for _ in 0..MOST_ATTEMPTS {
        let old = state.read(key).await?;
        let number = old.as_ref().map_or(Some(0), |old| integer(&old.value));
        let number = number
            .ok_or_else(|| CallError(format!("the value of key {key} is not an integer of 64 bits")))?;
        let sum = number.checked_add(delta).ok_or_else(|| {
            CallError(format!("adding to key {key} would leave the range of an integer of 64 bits"))
        })?;
        let condition = old.as_ref().map_or(Condition::Absent, |old| Condition::Etag(&old.etag));
        match state.save(key, sum.to_string().as_bytes(), condition).await {
            Ok(()) => return Ok(sum),
            Err(SaveError::Conflict) => tokio::task::yield_now().await,
            Err(SaveError::Failed(error)) => return Err(error),
        }
    }
    Err(CallError(format!("others changed key {key} {MOST_ATTEMPTS} times in a row; try again")))
}

/// The integer that a value spells in the one way that counters do: no plus, no leading zero, as every provider has it.
fn integer(value: &[u8]) -> Option<i64> {
    let text = str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// The values of two keys in what a bulk get over gRPC found.
pub(crate) fn of_bulk(keys: [&str; 2], found: Vec<BulkStateItem>) -> Result<[Option<Bytes>; 2], CallError> {
    in_order(
        keys,
        found,
        |item| &item.key,
        |item, key| {
            if !item.error.is_empty() {
                return Err(CallError(format!("the sidecar cannot read key {key}: {}", item.error)));
            }
            let there = !(item.data.is_empty() && item.etag.is_empty());
            Ok(there.then(|| item.data.into()))
        },
    )
}

/// What was found in the order of the keys. Dapr answers a bulk get in any order, and a key as often as it was asked for.
pub(crate) fn in_order<T>(
    keys: [&str; 2],
    mut found: Vec<T>,
    key_of: impl Fn(&T) -> &str,
    value_of: impl Fn(T, &str) -> Result<Option<Bytes>, CallError>,
) -> Result<[Option<Bytes>; 2], CallError> {
    let mut of = |key: &str| {
        let place = found.iter().position(|item| key_of(item) == key);
        let place = place.ok_or_else(|| CallError(format!("the sidecar says nothing of key {key}")))?;
        value_of(found.swap_remove(place), key)
    };
    Ok([of(keys[0])?, of(keys[1])?])
}
