//! MessagePack from guests.

use pillion_codec::{
    AddRequest, AddResponse, Blob, BlobList, BrokerMessage, ConfigurationChange, ConfigurationItems,
    ConfigurationKeys, Container, Event, FileChunk, GeneratorRequest, GeneratorResult, GetRequest,
    GetResponse, Item, Keys, NewCount, RangeRequest, Request, RequestMessage, Response, SecretNames,
    SecretRequest, SecretResponse, SecretsResponse, SetRequest, SetResponse, StreamQuery, StreamRequest,
    StreamResults, SubscriptionId, TimeRange, Unsubscribed, Values, WriteLogRequest, WriteResponse,
};

/// One function for each kind of message: what is read from any bytes is what is read from its own encoding.
macro_rules! kinds {
    ($($message:ident),+ $(,)?) => {
        [$((|bytes| {
            let Ok(message) = $message::decode(bytes) else { return };
            let mut encoded = Vec::new();
            message.encode(&mut encoded);
            assert_eq!($message::decode(&encoded), Ok(message), "{bytes:x?}");
            let mut again = Vec::new();
            message.encode(&mut again);
            assert_eq!(again, encoded, "{bytes:x?}");
        }) as fn(&[u8])),+]
    };
}

/// The first byte says which message the rest is.
pub fn codec(data: &[u8]) {
    let kinds = kinds![
        AddRequest,
        AddResponse,
        Blob,
        BlobList,
        BrokerMessage,
        Container,
        Event,
        FileChunk,
        GeneratorRequest,
        GeneratorResult,
        GetRequest,
        GetResponse,
        Item,
        Keys,
        NewCount,
        RangeRequest,
        Request,
        RequestMessage,
        Response,
        SetRequest,
        SetResponse,
        StreamQuery,
        StreamRequest,
        StreamResults,
        TimeRange,
        Values,
        WriteLogRequest,
        WriteResponse,
        ConfigurationChange,
        ConfigurationItems,
        ConfigurationKeys,
        SecretNames,
        SecretRequest,
        SecretResponse,
        SecretsResponse,
        SubscriptionId,
        Unsubscribed,
    ];
    let Some((kind, bytes)) = data.split_first() else { return };
    kinds[usize::from(*kind) % kinds.len()](bytes);
}
