//! What the calls of the API are called in metrics.

use crate::http::{Block, Call, Route};

/// Makes the list of names.
macro_rules! names {
    ($($name:ident),+ $(,)?) => {
        /// A call of the API by the name that Dapr has for it. There are so many and no more, so that labels are bounded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Name {
            $($name),+
        }

        impl Name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// The name of a method of the service `Dapr`.
            pub(crate) fn of_method(method: &str) -> Self {
                // The first ones are the most frequent.
                match method {
                    $(stringify!($name) => Self::$name,)+
                    _ => Self::Other,
                }
            }
        }
    };
}

names! {
    GetState,
    SaveState,
    PublishEvent,
    InvokeService,
    DeleteState,
    GetBulkState,
    ExecuteStateTransaction,
    DeleteBulkState,
    QueryStateAlpha1,
    BulkPublishEvent,
    BulkPublishEventAlpha1,
    SubscribeTopicEventsAlpha1,
    InvokeBinding,
    GetSecret,
    GetBulkSecret,
    GetConfiguration,
    GetConfigurationAlpha1,
    SubscribeConfiguration,
    SubscribeConfigurationAlpha1,
    UnsubscribeConfiguration,
    UnsubscribeConfigurationAlpha1,
    TryLockAlpha1,
    UnlockAlpha1,
    GetMetadata,
    SetMetadata,
    Healthz,
    HealthzOutbound,
    Shutdown,
    Other,
}

// === impl Name ===

impl Name {
    /// The name of what a path leads to.
    pub(crate) fn of_route(route: &Route<'_>) -> Self {
        let Route::Found(call) = route else { return Self::Other };
        match call {
            Call::GetState { .. } => Self::GetState,
            Call::SaveState { .. } => Self::SaveState,
            Call::DeleteState { .. } => Self::DeleteState,
            Call::BulkGet { .. } => Self::GetBulkState,
            Call::Transact { .. } => Self::ExecuteStateTransaction,
            Call::QueryState { .. } => Self::QueryStateAlpha1,
            Call::Health { outbound: false } => Self::Healthz,
            Call::Health { outbound: true } => Self::HealthzOutbound,
            Call::GetMetadata => Self::GetMetadata,
            Call::SetMetadata { .. } => Self::SetMetadata,
            Call::Shutdown => Self::Shutdown,
            Call::Publish { .. } => Self::PublishEvent,
            Call::PublishBulk { .. } => Self::BulkPublishEvent,
            Call::Block(block) => Self::of_block(block),
        }
    }

    fn of_block(block: &Block<'_>) -> Self {
        match block {
            Block::GetSecret { .. } => Self::GetSecret,
            Block::GetBulkSecret { .. } => Self::GetBulkSecret,
            Block::GetConfiguration { .. } => Self::GetConfiguration,
            Block::SubscribeConfiguration { .. } => Self::SubscribeConfiguration,
            Block::UnsubscribeConfiguration { .. } => Self::UnsubscribeConfiguration,
            Block::InvokeBinding { .. } => Self::InvokeBinding,
            Block::TryLock { .. } => Self::TryLockAlpha1,
            Block::Unlock { .. } => Self::UnlockAlpha1,
            Block::Outside(_) => Self::Other,
        }
    }
}
