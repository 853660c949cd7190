//! The operations on a store.

use futures_util::future::join_all;
use http::StatusCode;
use pillion_capabilities::keyvalue::{Change, Entry, Etag, When};
use pillion_capabilities::{Answer, Error};
use tonic::Code;

use super::traced::{asked, asked_all};
use super::{Delete, Save, Store, Write};
use crate::ApiError;

/// Reads a key.
///
/// # Errors
/// An illegal key, or a provider that failed.
pub async fn get(store: &Store, key: &str) -> Result<Option<Entry>, ApiError> {
    let full = store.key(key)?;
    match called(store, "get", || store.provider.get(&full)).await {
        Ok(entry) => Ok(entry),
        Err(error) => Err(ApiError::internal(
            "ERR_STATE_GET",
            format!("fail to get {key} from state store {}: {error}", store.name),
        )),
    }
}

/// Reads many keys in one go, in their order. One that holds what is no value has an error in its place.
///
/// # Errors
/// An illegal key, or a provider that failed.
pub async fn bulk_get(store: &Store, keys: &[String]) -> Result<Vec<Result<Option<Entry>, Error>>, ApiError> {
    let full = keys.iter().map(|key| store.key(key)).collect::<Result<Vec<_>, _>>()?;
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let entries = called(store, "bulk_get", || store.provider.bulk_get_each(&full)).await;
    entries.map_err(|error| {
        ApiError::internal(
            "ERR_STATE_BULK_GET",
            format!("fail to bulk get from state store {}: {error}", store.name),
        )
    })
}

/// Writes one value.
///
/// # Errors
/// An illegal key, an etag that does not match, bad options, or a provider that failed.
pub async fn save(store: &Store, save: Save) -> Result<(), ApiError> {
    let full = store.key(&save.key)?;
    let saved = match &store.policy {
        None => asked(store, "set", || start_save(store, &full, save)).await,
        Some(_) => called(store, "set", || start_save(store, &full, save.clone())).await,
    };
    saved.map(drop).map_err(|error| save_error(store, &error))
}

/// Writes many values, each for itself: one that fails does not take back the others. All are begun before the
/// first is waited for, so that a store behind a connection takes them in one round trip.
///
/// # Errors
/// As [`save`]; the first failure in the order of the request. A request with an illegal key writes nothing.
pub async fn save_all(store: &Store, mut saves: Vec<Save>) -> Result<(), ApiError> {
    if saves.len() == 1
        && let Some(only) = saves.pop()
    {
        return save(store, only).await;
    }
    let keys = saves.iter().map(|item| store.key(&item.key)).collect::<Result<Vec<_>, _>>()?;
    let saved = match &store.policy {
        None => {
            let save = || keys.iter().zip(saves).map(|(full, item)| start_save(store, full, item)).collect();
            asked_all(store, "bulk_set", save, first_failure).await
        }
        Some(policy) => {
            let save = || {
                let saves = saves.iter().cloned();
                keys.iter().zip(saves).map(|(full, item)| start_save(store, full, item)).collect()
            };
            Box::pin(policy.call(|| name(store), || asked_all(store, "bulk_set", save, first_failure))).await
        }
    };
    saved.map_err(|error| save_error(store, &error))
}

/// Deletes one key; a missing one is fine.
///
/// # Errors
/// As [`save`].
pub async fn delete(store: &Store, delete: &Delete) -> Result<(), ApiError> {
    let full = store.key(&delete.key)?;
    let deleted = match &store.policy {
        None => asked(store, "delete", || start_delete(store, full, delete)).await,
        Some(_) => called(store, "delete", || start_delete(store, full.clone(), delete)).await,
    };
    deleted.map(drop).map_err(|error| {
        failed_change(&error, "ERR_STATE_DELETE", &format!("failed deleting state with key {}", delete.key))
    })
}

/// Deletes many keys, each for itself.
///
/// # Errors
/// As [`save_all`].
pub async fn delete_all(store: &Store, deletes: &[Delete]) -> Result<(), ApiError> {
    let keys = deletes.iter().map(|item| store.key(&item.key)).collect::<Result<Vec<_>, _>>()?;
    let start = |keys: Vec<String>| {
        keys.into_iter().zip(deletes).map(|(key, item)| start_delete(store, key, item)).collect()
    };
    let deleted = match &store.policy {
        None => asked_all(store, "bulk_delete", || start(keys), first_failure).await,
        Some(policy) => {
            let delete = || asked_all(store, "bulk_delete", || start(keys.clone()), first_failure);
            Box::pin(policy.call(|| name(store), delete)).await
        }
    };
    deleted.map_err(|error| {
        failed_change(
            &error,
            "ERR_STATE_DELETE",
            &format!("failed deleting state in bulk in state store {}", store.name),
        )
    })
}

/// Makes all changes or none.
///
/// # Errors
/// As [`save`], but Dapr tells all failures of the store alike: `ERR_STATE_TRANSACTION`.
pub async fn transact(store: &Store, writes: Vec<Write>) -> Result<(), ApiError> {
    let failed = |error: Error| {
        ApiError::internal(
            "ERR_STATE_TRANSACTION",
            format!("error while executing state transaction: {}", describe(&error)),
        )
    };
    let mut changes = Vec::with_capacity(writes.len());
    for write in writes {
        changes.push(match write {
            Write::Save(save) => {
                let key = store.key(&save.key)?;
                let options = save.set_options(store.backend).map_err(failed)?;
                Change::Set { key, value: save.value, options }
            }
            Write::Delete(delete) => {
                let key = store.key(&delete.key)?;
                let when = delete.when(store.backend).map_err(failed)?;
                Change::Delete { key, when }
            }
        });
    }
    let done = match &store.policy {
        None => asked(store, "transact", || store.provider.transact(changes)).await,
        Some(_) => called(store, "transact", || store.provider.transact(changes.clone())).await,
    };
    done.map_err(failed)
}

/// What a store is called in failures.
fn name(store: &Store) -> String {
    format!("state store {}", store.name)
}

/// Has the provider called, as the store's policy has it if there is one.
async fn called<T>(store: &Store, operation: &'static str, call: impl Fn() -> Answer<T>) -> Result<T, Error> {
    match &store.policy {
        None => asked(store, operation, call).await,
        // Aside, so that calls without it are not larger.
        Some(policy) => Box::pin(policy.call(|| name(store), || asked(store, operation, &call))).await,
    }
}

fn start_save(store: &Store, full: &str, save: Save) -> Answer<Etag> {
    match save.set_options(store.backend) {
        Ok(options) => store.provider.set(full, save.value, options),
        Err(error) => Answer::Ready(Err(error)),
    }
}

fn start_delete(store: &Store, full: String, delete: &Delete) -> Answer<bool> {
    match delete.when(store.backend) {
        // The first writer has not read the key, so it may not be there; outside a transaction the contract has no such
        // condition for a delete, and needs none: a key that is not there needs no deleting.
        Ok(When::Absent) => match store.provider.exists(&full) {
            Answer::Ready(exists) => Answer::Ready(exists.and_then(|exists| refuse_if(exists, full))),
            Answer::Pending(exists) => {
                Answer::pending(async move { exists.await.and_then(|exists| refuse_if(exists, full)) })
            }
        },
        Ok(when) => store.provider.delete(&full, when),
        Err(error) => Answer::Ready(Err(error)),
    }
}

fn refuse_if(exists: bool, key: String) -> Result<bool, Error> {
    if exists { Err(Error::EtagMismatch { key }) } else { Ok(false) }
}

async fn first_failure<T>(answers: Vec<Answer<T>>) -> Result<(), Error> {
    join_all(answers.into_iter().map(Answer::wait)).await.into_iter().try_for_each(|result| result.map(drop))
}

fn save_error(store: &Store, error: &Error) -> ApiError {
    failed_change(error, "ERR_STATE_SAVE", &format!("failed saving state in state store {}", store.name))
}

/// The failure of a change, in the words of Dapr's `ETagError` where it was the etag.
fn failed_change(error: &Error, error_code: &'static str, what: &str) -> ApiError {
    let (status, code) = match error {
        Error::EtagMismatch { .. } => (StatusCode::CONFLICT, Code::Aborted),
        Error::EtagInvalid { .. } => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
    };
    ApiError::new(status, code, error_code, format!("{what}: {}", describe(error)))
}

fn describe(error: &Error) -> String {
    match error {
        Error::EtagMismatch { key } => format!(
            "possible etag mismatch. error from state store: key {key} was changed or removed by somebody else; \
             read it again and retry"
        ),
        Error::EtagInvalid { etag } => {
            format!("invalid etag value. error from state store: {etag:?} was not given out by this store")
        }
        other => other.to_string(),
    }
}
