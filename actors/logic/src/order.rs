//! `order`: a realistic request. It validates JSON, reads two records, takes from a stock atomically, writes the
//! order and answers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{AppError, Capabilities, request};

/// The most items of one order.
const MOST_ITEMS: u32 = 1_000;

/// What a customer sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order<'a> {
    #[serde(borrow)]
    order: Cow<'a, str>,
    #[serde(borrow)]
    customer: Cow<'a, str>,
    #[serde(borrow)]
    sku: Cow<'a, str>,
    quantity: u32,
}

/// The record `customer:<id>`.
#[derive(Deserialize)]
struct Customer {
    /// Percent off every price, 0 to 100.
    discount: u64,
}

/// The record `product:<sku>`.
#[derive(Deserialize)]
struct Product {
    /// Cents for one item, at most `u32::MAX`, so that no total overflows.
    price: u32,
}

/// The record `order:<id>`.
#[derive(Serialize)]
struct Placed<'a> {
    customer: &'a str,
    sku: &'a str,
    quantity: u32,
    total: u64,
}

/// The reply.
#[derive(Serialize)]
struct Decision<'a> {
    order: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<i64>,
}

/// Places the order that the request is, and appends the decision to `reply`.
///
/// # Errors
/// [`AppError`].
pub async fn handle<C: Capabilities + Sync>(
    capabilities: &C,
    request: &[u8],
    reply: &mut Vec<u8>,
) -> Result<(), AppError> {
    // The same words in every language, so none of a parser's own.
    let order: Order<'_> = object(request).ok_or_else(|| {
        AppError::bad_request("the order is not a JSON object of order, customer, sku and quantity")
    })?;
    order.validate()?;
    let decision = order.place(capabilities).await?;
    write(&decision, reply)
}

// === impl Order ===

impl Order<'_> {
    fn validate(&self) -> Result<(), AppError> {
        if ![&self.order, &self.customer, &self.sku].into_iter().all(|name| request::is_name(name)) {
            return Err(AppError::bad_request(
                "order, customer and sku are names of 1 to 128 letters, digits, '-', '_', '.'",
            ));
        }
        if !(1..=MOST_ITEMS).contains(&self.quantity) {
            return Err(AppError::bad_request("quantity is not from 1 to 1000"));
        }
        Ok(())
    }

    /// Takes the items from the stock before it writes the order: two orders never share an item.
    async fn place<C: Capabilities + Sync>(&self, capabilities: &C) -> Result<Decision<'_>, AppError> {
        let customer_key = request::join("customer:", &self.customer);
        let product_key = request::join("product:", &self.sku);
        let [customer, product] = capabilities.get_two([&customer_key, &product_key]).await?;
        let customer: Customer = match customer {
            Some(record) => read(customer_key, record.as_ref())?,
            None => return Ok(self.reject("unknown customer", None)),
        };
        let product: Product = match product {
            Some(record) => read(product_key, record.as_ref())?,
            None => return Ok(self.reject("unknown product", None)),
        };
        let key = request::join("stock:", &self.sku);
        let quantity = i64::from(self.quantity);
        let stock = capabilities.add(&key, -quantity).await?;
        if stock < 0 {
            let stock = capabilities.add(&key, quantity).await?;
            return Ok(self.reject("out of stock", Some(stock)));
        }
        let full = u64::from(product.price) * u64::from(self.quantity);
        let total = full * (100 - customer.discount.min(100)) / 100;
        let placed = Placed { customer: &self.customer, sku: &self.sku, quantity: self.quantity, total };
        let mut record = Vec::with_capacity(128);
        write(&placed, &mut record)?;
        capabilities.set(&request::join("order:", &self.order), &record).await?;
        Ok(Decision {
            order: &self.order,
            status: "accepted",
            reason: None,
            total: Some(total),
            stock: Some(stock),
        })
    }

    fn reject(&self, reason: &'static str, stock: Option<i64>) -> Decision<'_> {
        Decision { order: &self.order, status: "rejected", reason: Some(reason), total: None, stock }
    }
}

fn read<'a, T: Deserialize<'a>>(key: String, record: &'a [u8]) -> Result<T, AppError> {
    object(record).ok_or(AppError::BadRecord(key))
}

/// A JSON object. serde would take an array of its fields for it.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok()).flatten()
}

fn write(value: &impl Serialize, bytes: &mut Vec<u8>) -> Result<(), AppError> {
    serde_json::to_writer(bytes, value).map_err(|error| AppError::BadRequest(error.to_string()))
}
