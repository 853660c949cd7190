//! One operation for each call of each client, for tests of the clients on real hosts.
//!
//! A payload is words with a space between, the binding's name first; what is behind the last word may be any bytes.

use pillion_sdk::message::{BrokerMessage, ConfigurationChange, Event, FileChunk, Request, TimeRange};
use pillion_sdk::{
    BlobStore, Configuration, Error, EventStreams, Extras, HttpClient, HttpResponse, KeyValue, Logging,
    Messaging, Reply, Result, Secrets, Values, call, call_actor, export, logging, operations,
};

operations! {
    /// What this actor answers.
    pub fn answer {
        HandleRequest => handle_request,
        DeliverMessage => deliver_message,
        DeliverEvent => deliver_event,
        DeliverConfiguration => deliver_configuration,
        ReceiveChunk => receive_chunk,
        HealthRequest => health,
        "echo" => echo,
        "fail" => fail,
        "call" => raw_call,
        "call_actor" => other_actor,
        "keyvalue.get" => get,
        "keyvalue.set" => set,
        "keyvalue.set_for" => set_for,
        "keyvalue.add" => add,
        "keyvalue.delete" => delete,
        "keyvalue.exists" => exists,
        "keyvalue.push" => push,
        "keyvalue.range" => range,
        "keyvalue.list_remove" => list_remove,
        "keyvalue.clear" => clear,
        "keyvalue.set_add" => set_add,
        "keyvalue.set_remove" => set_remove,
        "keyvalue.members" => members,
        "keyvalue.union" => union,
        "keyvalue.intersection" => intersection,
        "messaging.publish" => publish,
        "messaging.publish_for_reply" => publish_for_reply,
        "messaging.request" => request,
        "blobstore.create_container" => create_container,
        "blobstore.remove_container" => remove_container,
        "blobstore.list" => list,
        "blobstore.size" => size,
        "blobstore.remove" => remove,
        "blobstore.upload" => upload,
        "blobstore.upload_part" => upload_part,
        "blobstore.download" => download,
        "http_client.get" => http_get,
        "http_client.post" => http_post,
        "http_client.request" => http_request,
        "logging.write" => write_line,
        "logging.macros" => macros,
        "secrets.get" => secret,
        "secrets.get_all" => secrets,
        "configuration.get" => items,
        "configuration.subscribe" => subscribe,
        "configuration.unsubscribe" => unsubscribe,
        "eventstreams.write" => write_event,
        "eventstreams.query" => query,
        "extras.guid" => guid,
        "extras.sequence" => sequence,
        "extras.random" => random,
    }
}

export!(answer);

// === what is delivered: a line each in the list `delivered` ===

fn handle_request(request: Request<'_>, reply: &mut Reply) -> Result<()> {
    let status = if request.path == "/missing" { 404 } else { 200 };
    let field = request.header.iter().find(|(name, _)| *name == "x-field").map_or("", |(_, value)| value);
    let said = [request.method, " ", request.path, "?", request.query_string, " ", field, " "].concat();
    reply.http_with(status, &[("X-Handled", "by an actor")], &[said.as_bytes(), request.body].concat());
    Ok(())
}

fn deliver_message(message: BrokerMessage<'_>) -> Result<()> {
    if message.subject == "questions" {
        return Messaging::new().publish(message.reply_to, &[b"re: ", message.body].concat());
    }
    delivered(&[b"message", message.subject.as_bytes(), message.reply_to.as_bytes(), message.body])
}

fn deliver_event(event: Event<'_>) -> Result<()> {
    delivered(&[b"event", event.stream.as_bytes(), &shown(event)])
}

fn deliver_configuration(change: ConfigurationChange<'_>) -> Result<()> {
    let items: Vec<_> = change.items.iter().map(|(key, item)| [key, "=", item.value].concat()).collect();
    let removed: Vec<_> = change.removed.iter().collect();
    delivered(&[b"configuration", change.id.as_bytes(), items.join(",").as_bytes(), &removed.join(&b',')])
}

fn receive_chunk(chunk: FileChunk<'_>) -> Result<()> {
    let number = [chunk.sequence_no, chunk.total_bytes, chunk.chunk_size].map(|number| number.to_string());
    let context = chunk.context.unwrap_or("-");
    let texts = [chunk.container, chunk.id, &number.join(" "), context].join(" ");
    delivered(&[b"chunk", texts.as_bytes(), chunk.chunk_bytes])
}

fn health() -> Result<()> {
    if KeyValue::new().exists("ill")? { Err("not well".into()) } else { Ok(()) }
}

fn delivered(parts: &[&[u8]]) -> Result<()> {
    KeyValue::new().push("delivered", &parts.join(&b' ')).map(drop)
}

// === calls ===

fn echo(payload: &[u8], reply: &mut Reply) -> Result<()> {
    reply.write(payload);
    Ok(())
}

fn fail(payload: &[u8], _: &mut Reply) -> Result<()> {
    Err(Error::new(text(payload)?.to_owned()))
}

fn raw_call(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, namespace, operation], payload) = words(payload)?;
    reply.pass(call(at, namespace, operation, payload)?);
    Ok(())
}

fn other_actor(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([actor, operation], payload) = words(payload)?;
    reply.pass(call_actor(actor, operation, payload)?);
    Ok(())
}

// === keys and values ===

fn get(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], _) = words(payload)?;
    reply.pass(KeyValue::bound(at).get(key)?.ok_or("nothing is there")?);
    Ok(())
}

fn set(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, key], value) = words(payload)?;
    KeyValue::bound(at).set(key, value)
}

fn set_for(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, key, seconds], value) = words(payload)?;
    KeyValue::bound(at).set_for(key, value, number(seconds)?)
}

fn add(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key, delta], _) = words(payload)?;
    show(&KeyValue::bound(at).add(key, number(delta)?)?, reply)
}

fn delete(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, key], _) = words(payload)?;
    KeyValue::bound(at).delete(key)
}

fn exists(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], _) = words(payload)?;
    show(&KeyValue::bound(at).exists(key)?, reply)
}

fn push(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], value) = words(payload)?;
    show(&KeyValue::bound(at).push(key, value)?, reply)
}

fn range(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key, start, stop], _) = words(payload)?;
    values(&KeyValue::bound(at).range(key, number(start)?, number(stop)?)?, reply)
}

fn list_remove(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], value) = words(payload)?;
    show(&KeyValue::bound(at).list_remove(key, value)?, reply)
}

fn clear(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, key], _) = words(payload)?;
    KeyValue::bound(at).clear(key)
}

fn set_add(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], member) = words(payload)?;
    show(&KeyValue::bound(at).set_add(key, member)?, reply)
}

fn set_remove(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], member) = words(payload)?;
    show(&KeyValue::bound(at).set_remove(key, member)?, reply)
}

fn members(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, key], _) = words(payload)?;
    values(&KeyValue::bound(at).members(key)?, reply)
}

fn union(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], keys) = words(payload)?;
    values(&KeyValue::bound(at).union(&all(keys)?)?, reply)
}

fn intersection(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], keys) = words(payload)?;
    values(&KeyValue::bound(at).intersection(&all(keys)?)?, reply)
}

// === messages ===

fn publish(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, subject], body) = words(payload)?;
    Messaging::bound(at).publish(subject, body)
}

fn publish_for_reply(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, subject, reply_to], body) = words(payload)?;
    Messaging::bound(at).publish_for_reply(subject, reply_to, body)
}

fn request(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, subject, timeout], body) = words(payload)?;
    reply.pass(Messaging::bound(at).request(subject, body, number(timeout)?)?);
    Ok(())
}

// === objects ===

fn create_container(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, container], _) = words(payload)?;
    BlobStore::bound(at).create_container(container)
}

fn remove_container(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, container], _) = words(payload)?;
    BlobStore::bound(at).remove_container(container)
}

fn list(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, container], _) = words(payload)?;
    for blob in BlobStore::bound(at).list(container)?.iter() {
        reply.write([blob.container, "/", blob.id, "=", &blob.byte_size.to_string(), ";"].concat());
    }
    Ok(())
}

fn size(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, container, id], _) = words(payload)?;
    show(&BlobStore::bound(at).size(container, id)?.ok_or("nothing is there")?, reply)
}

fn remove(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, container, id], _) = words(payload)?;
    BlobStore::bound(at).remove(container, id)
}

fn upload(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, container, id, chunk_size], bytes) = words(payload)?;
    BlobStore::bound(at).upload(container, id, bytes, number(chunk_size)?)
}

fn upload_part(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, operation, container, id, sequence_no, total], chunk_bytes) = words(payload)?;
    let (sequence_no, total_bytes) = (number(sequence_no)?, number(total)?);
    let chunk =
        FileChunk { sequence_no, container, id, total_bytes, chunk_size: 0, context: None, chunk_bytes };
    BlobStore::bound(at).upload_part(operation, &chunk)
}

fn download(payload: &[u8], _: &mut Reply) -> Result<()> {
    let ([at, container, id, chunk_size], context) = words(payload)?;
    let context = text(context)?;
    let context = (!context.is_empty()).then_some(context);
    BlobStore::bound(at).download(container, id, number(chunk_size)?, context)
}

// === servers ===

fn http_get(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, url], _) = words(payload)?;
    response(&HttpClient::bound(at).get(url)?, reply)
}

fn http_post(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, url, content_type], body) = words(payload)?;
    response(&HttpClient::bound(at).post(url, content_type, body)?, reply)
}

fn http_request(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, method, url, field, value], body) = words(payload)?;
    response(&HttpClient::bound(at).request(method, url, &[(field, value)], body)?, reply)
}

fn response(response: &HttpResponse, reply: &mut Reply) -> Result<()> {
    let (status, reason) = (response.status().to_string(), response.message().status);
    let fields =
        [response.header("X-Handled").unwrap_or("-"), response.header("nothing-such").unwrap_or("-")];
    reply.write([&status, reason, &fields.join(" "), ""].join("|"));
    reply.write(response.body());
    Ok(())
}

// === lines, secrets, configuration ===

fn write_line(payload: &[u8], _: &mut Reply) -> Result<()> {
    use logging::Level::{Debug, Error, Info, Trace, Warn};
    let ([at, level], line) = words(payload)?;
    let known = [("error", Error), ("warn", Warn), ("info", Info), ("debug", Debug), ("trace", Trace)];
    let level = known.into_iter().find(|(name, _)| *name == level).ok_or("no such level")?.1;
    Logging::bound(at).write(level, text(line)?)
}

/// These have no binding, and no error.
fn macros(payload: &[u8], _: &mut Reply) -> Result<()> {
    let line = text(payload)?;
    pillion_sdk::error!("error {line}");
    pillion_sdk::warn!("warn {line}");
    pillion_sdk::info!("info {line}");
    pillion_sdk::debug!("debug {line}");
    pillion_sdk::trace!("trace");
    Ok(())
}

/// The single value, or that under a key.
fn secret(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, name], key) = words(payload)?;
    let secret = Secrets::bound(at).get(name)?.ok_or("nothing is there")?;
    let value = if key.is_empty() { secret.value() } else { secret.key(text(key)?) };
    show(&value.ok_or("no such value")?, reply)
}

fn secrets(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], names) = words(payload)?;
    let secrets = Secrets::bound(at).get_all(&all(names)?)?;
    let names: Vec<_> = secrets.names().collect();
    let values = ["token", "user"].map(|key| secrets.get(if key == "user" { "db" } else { key }, key));
    show(&[names.join(","), values.map(|value| value.unwrap_or("-")).join(",")].join(" "), reply)
}

fn items(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], keys) = words(payload)?;
    let items = Configuration::bound(at).get(&all(keys)?)?;
    let mut shown: Vec<_> = items.iter().map(|(key, item)| [key, "=", item.value].concat()).collect();
    shown.push(["colour is ", items.value("colour").unwrap_or("not there")].concat());
    show(&shown.join(","), reply)
}

fn subscribe(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], keys) = words(payload)?;
    show(&Configuration::bound(at).subscribe(&all(keys)?)?, reply)
}

fn unsubscribe(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, id], _) = words(payload)?;
    show(&Configuration::bound(at).unsubscribe(id)?, reply)
}

// === events, numbers ===

/// Values as `name=value`.
fn write_event(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, stream], values) = words(payload)?;
    let pair = |word: &[u8]| -> Option<(String, Vec<u8>)> {
        let equals = word.iter().position(|byte| *byte == b'=')?;
        Some((str::from_utf8(word.get(..equals)?).ok()?.to_owned(), word.get(equals + 1..)?.to_vec()))
    };
    let values: Vec<_> = values.split(|byte| *byte == b' ').filter_map(pair).collect();
    let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    show(&EventStreams::bound(at).write(stream, &values)?, reply)
}

/// The events of seconds `min` to `max`, or of any where one is `-`.
fn query(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, stream, min, max, count], _) = words(payload)?;
    let range = match (min, max) {
        ("-", _) | (_, "-") => None,
        _ => Some(TimeRange { min_time: number(min)?, max_time: number(max)? }),
    };
    for event in EventStreams::bound(at).query(stream, range, number(count)?)?.iter() {
        reply.write([event.stream.as_bytes(), b" ", &shown(event), b";"].concat());
    }
    Ok(())
}

fn shown(event: Event<'_>) -> Vec<u8> {
    let values: Vec<_> =
        event.values.iter().map(|(name, value)| [name.as_bytes(), b"=", value].concat()).collect();
    [event.event_id.as_bytes(), &values.join(&b',')].join(&b' ')
}

fn guid(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], _) = words(payload)?;
    show(&Extras::bound(at).guid()?, reply)
}

fn sequence(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at], _) = words(payload)?;
    show(&Extras::bound(at).sequence()?, reply)
}

fn random(payload: &[u8], reply: &mut Reply) -> Result<()> {
    let ([at, min, max], _) = words(payload)?;
    show(&Extras::bound(at).random(number(min)?, number(max)?)?, reply)
}

// === payloads and replies ===

/// The first words of a payload, and what is behind them.
fn words<const N: usize>(payload: &[u8]) -> Result<([&str; N], &[u8])> {
    let mut parts = payload.splitn(N + 1, |byte| *byte == b' ');
    let mut words = [""; N];
    for word in &mut words {
        *word = text(parts.next().ok_or("the payload has too few words")?)?;
    }
    Ok((words, parts.next().unwrap_or_default()))
}

/// Words in any number.
fn all(payload: &[u8]) -> Result<Vec<&str>> {
    let words = payload.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.map(text).collect()
}

fn text(bytes: &[u8]) -> Result<&str> {
    str::from_utf8(bytes).map_err(Error::of)
}

fn number<T: std::str::FromStr<Err: std::fmt::Display>>(word: &str) -> Result<T> {
    word.parse().map_err(Error::of)
}

fn show(what: &impl ToString, reply: &mut Reply) -> Result<()> {
    reply.write(what.to_string());
    Ok(())
}

fn values(values: &Values, reply: &mut Reply) -> Result<()> {
    let all: Vec<_> = values.iter().collect();
    reply.write(all.join(&b','));
    Ok(())
}
