//! What calls of the actor are answered, on whatever host: operation, payload, and the reply or the error.

pub(super) type Row<'a> = (&'a str, &'a str, Result<&'a str, &'a str>);

const EMPTY: Result<&str, &str> = Err("the key is empty; name one");
const NO_CONTAINER: Result<&str, &str> = Err("there is no container d; create it first");
const NO_INTEGER: Result<&str, &str> = Err("the value of key text is not an integer of 64 bits");
const NO_UPLOAD: Result<&str, &str> = Err(
    "there is no upload of c/p that waits for a chunk; start it, and send one chunk when the one before is answered",
);
const NOTHING: Result<&str, &str> = Err("nothing is there");

/// In an order in which each finds what those before it left.
pub(super) const KEYS_AND_VALUES: &[Row<'_>] = &[
    ("keyvalue.get", "default k", NOTHING),
    ("keyvalue.set", "default k v w", Ok("")),
    ("keyvalue.get", "default k", Ok("v w")),
    ("keyvalue.get", " k", Ok("v w")),
    ("keyvalue.exists", "default k", Ok("true")),
    ("keyvalue.exists", "default other", Ok("false")),
    ("keyvalue.get", "second k", NOTHING),
    ("keyvalue.set", "second k its own", Ok("")),
    ("keyvalue.get", "second k", Ok("its own")),
    ("keyvalue.get", "default k", Ok("v w")),
    ("keyvalue.set_for", "default short 60 v", Ok("")),
    ("keyvalue.get", "default short", Ok("v")),
    ("keyvalue.delete", "default k", Ok("")),
    ("keyvalue.delete", "default k", Ok("")),
    ("keyvalue.exists", "default k", Ok("false")),
    ("keyvalue.set", "default ключ значение", Ok("")),
    ("keyvalue.get", "default ключ", Ok("значение")),
    // Counters.
    ("keyvalue.add", "default n 5", Ok("5")),
    ("keyvalue.add", "default n -7", Ok("-2")),
    ("keyvalue.get", "default n", Ok("-2")),
    (
        "keyvalue.add",
        "default n 2147483648",
        Err("what is added to n is too much: waSCC adds integers of 32 bits"),
    ),
    ("keyvalue.set", "default text abc", Ok("")),
    ("keyvalue.add", "default text 1", NO_INTEGER),
    ("keyvalue.set", "default text 007", Ok("")),
    ("keyvalue.add", "default text 1", NO_INTEGER),
    ("keyvalue.set", "default text +7", Ok("")),
    ("keyvalue.add", "default text 1", NO_INTEGER),
    ("keyvalue.set", "default text ", Ok("")),
    ("keyvalue.add", "default text 1", NO_INTEGER),
    ("keyvalue.set", "default text 0", Ok("")),
    ("keyvalue.add", "default text 1", Ok("1")),
    ("keyvalue.set", "default full 9223372036854775807", Ok("")),
    (
        "keyvalue.add",
        "default full 1",
        Err("adding to key full would leave the range of an integer of 64 bits"),
    ),
    // Lists.
    ("keyvalue.push", "default l a", Ok("1")),
    ("keyvalue.push", "default l b", Ok("2")),
    ("keyvalue.push", "default l a", Ok("3")),
    ("keyvalue.range", "default l 0 -1", Ok("a,b,a")),
    ("keyvalue.range", "default l 1 1", Ok("b")),
    ("keyvalue.range", "default l -2 -1", Ok("b,a")),
    ("keyvalue.range", "default l -9 0", Ok("a")),
    ("keyvalue.range", "default l 5 9", Ok("")),
    ("keyvalue.range", "default l 2 1", Ok("")),
    ("keyvalue.list_remove", "default l a", Ok("1")),
    ("keyvalue.range", "default l 0 -1", Ok("b")),
    ("keyvalue.list_remove", "default l b", Ok("0")),
    ("keyvalue.exists", "default l", Ok("false")),
    ("keyvalue.list_remove", "default none x", Ok("0")),
    ("keyvalue.exists", "default none", Ok("false")),
    ("keyvalue.push", "default l c", Ok("1")),
    ("keyvalue.clear", "default l", Ok("")),
    ("keyvalue.clear", "default l", Ok("")),
    ("keyvalue.range", "default l 0 -1", Ok("")),
    // Sets.
    ("keyvalue.set_add", "default s b", Ok("1")),
    ("keyvalue.set_add", "default s b", Ok("1")),
    ("keyvalue.set_add", "default s a", Ok("2")),
    ("keyvalue.set_add", "default t b", Ok("1")),
    ("keyvalue.members", "default s", Ok("a,b")),
    ("keyvalue.members", "default none", Ok("")),
    ("keyvalue.union", "default s t none", Ok("a,b")),
    ("keyvalue.union", "default", Ok("")),
    ("keyvalue.intersection", "default s t", Ok("b")),
    ("keyvalue.intersection", "default s none", Ok("")),
    ("keyvalue.intersection", "default", Ok("")),
    ("keyvalue.set_remove", "default s x", Ok("2")),
    ("keyvalue.set_remove", "default s a", Ok("1")),
    ("keyvalue.set_remove", "default s b", Ok("0")),
    ("keyvalue.exists", "default s", Ok("false")),
    // Of another kind.
    ("keyvalue.push", "default n x", Err("key n holds a value, not a list")),
    ("keyvalue.clear", "default n", Err("key n holds a value, not a list")),
    ("keyvalue.set_add", "default n x", Err("key n holds a value, not a set")),
    ("keyvalue.union", "default t n", Err("key n holds a value, not a set")),
    ("keyvalue.range", "default t 0 -1", Err("key t holds a set, not a list")),
    ("keyvalue.push", "default m x", Ok("1")),
    ("keyvalue.get", "default m", Err("key m holds a list, not a value")),
    ("keyvalue.add", "default m 1", Err("key m holds a list, not a value")),
    ("keyvalue.members", "default m", Err("key m holds a list, not a set")),
    ("keyvalue.set", "default m anew", Ok("")),
    ("keyvalue.get", "default m", Ok("anew")),
    // Without a name.
    ("keyvalue.get", "default ", EMPTY),
    ("keyvalue.set", "default  v", EMPTY),
    ("keyvalue.set_for", "default  1 v", EMPTY),
    ("keyvalue.add", "default  1", EMPTY),
    ("keyvalue.delete", "default ", EMPTY),
    ("keyvalue.exists", "default ", EMPTY),
    ("keyvalue.push", "default  v", EMPTY),
    ("keyvalue.range", "default  0 -1", EMPTY),
    ("keyvalue.list_remove", "default  v", EMPTY),
    ("keyvalue.clear", "default ", EMPTY),
    ("keyvalue.set_add", "default  v", EMPTY),
    ("keyvalue.set_remove", "default  v", EMPTY),
    ("keyvalue.members", "default ", EMPTY),
];

/// They leave the container `c` with the objects `o` of ten bytes, `p` and `empty`.
pub(super) const BLOBS: &[Row<'_>] = &[
    ("blobstore.upload", "default d o 4 0123456789", NO_CONTAINER),
    ("blobstore.create_container", "default c", Ok("")),
    ("blobstore.create_container", "default c", Ok("")),
    ("blobstore.list", "default c", Ok("")),
    ("blobstore.upload", "default c o 0 x", Err("a chunk has one byte at least")),
    ("blobstore.upload", "default c o 100 replaced later", Ok("")),
    ("blobstore.upload", "default c o 4 0123456789", Ok("")),
    ("blobstore.upload", "default c empty 4 ", Ok("")),
    ("blobstore.size", "default c o", Ok("10")),
    ("blobstore.size", "default c empty", Ok("0")),
    ("blobstore.size", "second c o", Ok("10")),
    ("blobstore.size", "default c none", NOTHING),
    ("blobstore.size", "default d o", NO_CONTAINER),
    ("blobstore.remove", "default c none", Ok("")),
    ("blobstore.remove", "default d o", NO_CONTAINER),
    ("blobstore.list", "default c", Ok("c/empty=0;c/o=10;")),
    ("blobstore.list", "default d", NO_CONTAINER),
    (
        "blobstore.remove_container",
        "default c",
        Err("container c is not empty; remove its objects and end the uploads to it first"),
    ),
    // Names.
    (
        "blobstore.create_container",
        "default .c",
        Err(
            "\".c\" has a / or begins with a dot, and so is no name of a container; name it with up to 255 bytes of \
             plain text",
        ),
    ),
    (
        "blobstore.create_container",
        "default ",
        Err(
            "\"\" has a segment that is empty, . or .., and so is no name of a container; name it with up to 255 bytes \
             of plain text",
        ),
    ),
    (
        "blobstore.upload",
        "default c ../o 4 x",
        Err(
            "\"../o\" has a segment that is empty, . or .., and so is no name of a object; name it with up to 255 bytes \
             of plain text",
        ),
    ),
    (
        "blobstore.size",
        "default c a\\b",
        Err(
            "\"a\\\\b\" has a backslash or a control character, and so is no name of a object; name it with up to 255 \
             bytes of plain text",
        ),
    ),
    // In steps.
    ("blobstore.upload_part", "default UploadChunk c p 0 5 ab", NO_UPLOAD),
    ("blobstore.upload_part", "default StartUpload c p 0 5 ", Ok("")),
    ("blobstore.upload_part", "default UploadChunk c p 0 5 ab", Ok("")),
    ("blobstore.size", "default c p", NOTHING),
    (
        "blobstore.upload_part",
        "default UploadChunk c p 0 5 cde",
        Err("chunk 0 of the upload of c/p came after chunk 0; number chunks in their order"),
    ),
    ("blobstore.upload_part", "default UploadChunk c p 1 5 cde", Ok("")),
    ("blobstore.size", "default c p", Ok("5")),
    ("blobstore.upload_part", "default UploadChunk c p 2 5 f", NO_UPLOAD),
    ("blobstore.upload_part", "default StartUpload c p 0 2 ", Ok("")),
    (
        "blobstore.upload_part",
        "default UploadChunk c p 0 2 abc",
        Err("more than 2 bytes for c/p, as its upload said; start it anew"),
    ),
    ("blobstore.upload_part", "default UploadChunk c p 0 2 ab", NO_UPLOAD),
    (
        "blobstore.upload_part",
        "default StartUpload c p 0 2 a",
        Err("StartUpload carries no bytes; send them by UploadChunk"),
    ),
    // What does not begin.
    ("blobstore.download", "default c none 4", Err("there is no object none in container c")),
    ("blobstore.download", "default d o 4", NO_CONTAINER),
    ("blobstore.download", "default c o 0", Err("0 is no size of a chunk; ask for 1 to 16777216 bytes")),
    (
        "blobstore.download",
        "default c o 16777217",
        Err("16777217 is no size of a chunk; ask for 1 to 16777216 bytes"),
    ),
];

/// `{server}` says what it was asked, `{actor}` is the actor itself as a server.
pub(super) const SERVERS: &[Row<'_>] = &[
    ("http_client.get", "default {server}/a?q=1", Ok("200|OK|one, two -|GET /a?q=1 - - ")),
    ("http_client.get", "second {server}/a", Ok("200|OK|one, two -|GET /a - - ")),
    ("http_client.get", "default {server}/missing", Ok("404|Not Found|one, two -|GET /missing - - ")),
    ("http_client.get", "default {server}/broken", Ok("503|Service Unavailable|one, two -|GET /broken - - ")),
    (
        "http_client.post",
        "default {server}/b text/plain the body",
        Ok("200|OK|one, two -|POST /b text/plain - the body"),
    ),
    (
        "http_client.request",
        "default PUT {server}/c X-Field here the body",
        Ok("200|OK|one, two -|PUT /c - here the body"),
    ),
    (
        "http_client.get",
        "default /path?q=1",
        Err("\"/path\" is no URL of a request; write it as https://HOST/PATH, without a user's name"),
    ),
    (
        "http_client.get",
        "default http://ada:pass@host/",
        Err("\"host/\" is no URL of a request; write it as https://HOST/PATH, without a user's name"),
    ),
    ("http_client.get", "default {actor}/a?q=1", Ok("200|OK|by an actor -|GET /a?q=1  ")),
    ("http_client.get", "default {actor}/missing", Ok("404|Not Found|by an actor -|GET /missing?  ")),
    (
        "http_client.post",
        "second {actor}/a text/plain the body",
        Ok("200|OK|by an actor -|POST /a?  the body"),
    ),
];

/// Of each client's call: what follows the binding in its payload, and its contract.
pub(super) const CALLS: &[(&str, &str, &str)] = &[
    ("keyvalue.get", "k", "wascc:keyvalue"),
    ("keyvalue.set", "k v", "wascc:keyvalue"),
    ("keyvalue.set_for", "k 1 v", "wascc:keyvalue"),
    ("keyvalue.add", "k 1", "wascc:keyvalue"),
    ("keyvalue.delete", "k", "wascc:keyvalue"),
    ("keyvalue.exists", "k", "wascc:keyvalue"),
    ("keyvalue.push", "k v", "wascc:keyvalue"),
    ("keyvalue.range", "k 0 1", "wascc:keyvalue"),
    ("keyvalue.list_remove", "k v", "wascc:keyvalue"),
    ("keyvalue.clear", "k", "wascc:keyvalue"),
    ("keyvalue.set_add", "k v", "wascc:keyvalue"),
    ("keyvalue.set_remove", "k v", "wascc:keyvalue"),
    ("keyvalue.members", "k", "wascc:keyvalue"),
    ("keyvalue.union", "k l", "wascc:keyvalue"),
    ("keyvalue.intersection", "k l", "wascc:keyvalue"),
    ("messaging.publish", "t b", "wascc:messaging"),
    ("messaging.publish_for_reply", "t r b", "wascc:messaging"),
    ("messaging.request", "t 1 b", "wascc:messaging"),
    ("blobstore.create_container", "c", "wascc:blobstore"),
    ("blobstore.remove_container", "c", "wascc:blobstore"),
    ("blobstore.list", "c", "wascc:blobstore"),
    ("blobstore.size", "c o", "wascc:blobstore"),
    ("blobstore.remove", "c o", "wascc:blobstore"),
    ("blobstore.upload", "c o 1 b", "wascc:blobstore"),
    ("blobstore.upload_part", "UploadChunk c o 1 1 b", "wascc:blobstore"),
    ("blobstore.download", "c o 1", "wascc:blobstore"),
    ("http_client.get", "{server}/", "wascc:http_client"),
    ("http_client.post", "{server}/ text/plain b", "wascc:http_client"),
    ("http_client.request", "PUT {server}/ name value b", "wascc:http_client"),
    ("logging.write", "info line", "wascc:logging"),
    ("secrets.get", "token", "pillion:secrets"),
    ("secrets.get_all", "token", "pillion:secrets"),
    ("configuration.get", "colour", "pillion:configuration"),
    ("configuration.subscribe", "colour", "pillion:configuration"),
    ("configuration.unsubscribe", "id", "pillion:configuration"),
    ("eventstreams.write", "s a=1", "wascc:eventstreams"),
    ("eventstreams.query", "s - - 1", "wascc:eventstreams"),
    ("extras.guid", "", "wascc:extras"),
    ("extras.sequence", "", "wascc:extras"),
    ("extras.random", "1 2", "wascc:extras"),
];

/// These are by the binding `default` alone, and fail never.
pub(super) const UNBOUND: [&str; 1] = ["logging.macros"];

/// The contracts with those of their operations that the clients use.
pub(super) const CONTRACTS: [(&str, &str); 9] = [
    (
        "wascc:keyvalue",
        "Get Set Add Del KeyExists Range Push ListItemDelete Clear SetAdd SetRemove SetQuery SetUnion SetIntersection",
    ),
    ("wascc:messaging", "Publish Request"),
    (
        "wascc:blobstore",
        "CreateContainer RemoveContainer ListObjects GetObjectInfo RemoveObject StartUpload UploadChunk StartDownload",
    ),
    ("wascc:http_client", "PerformRequest"),
    ("wascc:logging", "WriteLog"),
    ("pillion:secrets", "Get BulkGet"),
    ("pillion:configuration", "Get Subscribe Unsubscribe"),
    ("wascc:eventstreams", "WriteEvent QueryStream"),
    ("wascc:extras", "RequestGuid RequestSequence RequestRandom"),
];
