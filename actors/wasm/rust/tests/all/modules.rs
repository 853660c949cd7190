//! The modules as they are: what is exported is what is tested.

#[path = "../../examples/all.rs"]
pub(crate) mod all;
#[path = "../../examples/chain.rs"]
pub(crate) mod chain;
#[path = "../../examples/compute.rs"]
pub(crate) mod compute;
#[path = "../../examples/counter.rs"]
pub(crate) mod counter;
#[path = "../../examples/echo.rs"]
pub(crate) mod echo;
#[path = "../../examples/kv.rs"]
pub(crate) mod kv;
#[path = "../../examples/order.rs"]
pub(crate) mod order;
