//! What an app asks.

use dapr::dapr::proto::runtime::v1::{
    DeleteBulkStateRequest, DeleteStateRequest, ExecuteStateTransactionRequest, GetBulkStateRequest,
    GetStateRequest, SaveStateRequest,
};

/// One call.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Call {
    /// The number that its reply carries. The app chooses it; calls under way have different ones.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What is asked.
    #[prost(oneof = "Request", tags = "2, 3, 4, 5, 6, 7")]
    pub request: Option<Request>,
}

/// What is asked: a request of Dapr's state API.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Request {
    /// `GetState`
    #[prost(message, tag = "2")]
    Get(GetStateRequest),
    /// `GetBulkState`
    #[prost(message, tag = "3")]
    BulkGet(GetBulkStateRequest),
    /// `SaveState`
    #[prost(message, tag = "4")]
    Save(SaveStateRequest),
    /// `DeleteState`
    #[prost(message, tag = "5")]
    Delete(DeleteStateRequest),
    /// `DeleteBulkState`
    #[prost(message, tag = "6")]
    BulkDelete(DeleteBulkStateRequest),
    /// `ExecuteStateTransaction`
    #[prost(message, tag = "7")]
    Transact(ExecuteStateTransactionRequest),
}
