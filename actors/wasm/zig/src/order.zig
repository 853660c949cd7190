//! `order`: validates JSON, reads two records, takes from a stock atomically, writes the order and answers.

const wapc = @import("wapc.zig");
const faults = @import("faults.zig");
const json = @import("json.zig");
const keyvalue = @import("keyvalue.zig");
const requests = @import("request.zig");

pub const operations = [_]wapc.Operation{.{ .name = "order", .answer = order }};

comptime {
    wapc.serve(@This(), &(operations ++ faults.operations));
}

const Order = struct { order: []const u8, customer: []const u8, sku: []const u8, quantity: u32 };

fn order(request: []u8) wapc.Refused![]const u8 {
    const placed = json.object(Order, request, .refused) catch |err| switch (err) {
        error.Malformed => return requests.bad("the order is not a JSON object of order, customer, sku and quantity"),
        error.Refused => |refused| return refused,
    };
    for ([_][]const u8{ placed.order, placed.customer, placed.sku }) |name| if (!requests.isName(name))
        return requests.bad("order, customer and sku are names of 1 to 128 letters, digits, '-', '_', '.'");
    if (placed.quantity < 1 or placed.quantity > 1000) return requests.bad("quantity is not from 1 to 1000");
    return place(placed);
}

/// Takes the items from the stock before it writes the order: two orders never share an item.
fn place(placed: Order) wapc.Refused![]const u8 {
    const customer_key = try wapc.join(&.{ "customer:", placed.customer });
    const product_key = try wapc.join(&.{ "product:", placed.sku });
    const customer_record = try keyvalue.get(customer_key) orelse return reject(placed, "unknown customer", null);
    const product_record = try keyvalue.get(product_key);
    const customer = try read(struct { discount: u64 }, customer_key, customer_record);
    const product = try read(struct { price: u32 }, product_key, product_record orelse
        return reject(placed, "unknown product", null));
    const stock_key = try wapc.join(&.{ "stock:", placed.sku });
    const quantity: i32 = @intCast(placed.quantity);
    const stock = try keyvalue.add(stock_key, -quantity);
    if (stock < 0) return reject(placed, "out of stock", try keyvalue.add(stock_key, quantity));
    const full = @as(u64, product.price) * placed.quantity;
    const total: i64 = @intCast(full * (100 - @min(customer.discount, 100)) / 100);
    var digits: [3][20]u8 = undefined;
    const total_digits = json.decimal(total, &digits[0]);
    const record = try wapc.join(&.{
        "{\"customer\":\"", placed.customer,                           "\",\"sku\":\"", placed.sku,
        "\",\"quantity\":", json.decimal(placed.quantity, &digits[1]), ",\"total\":",   total_digits,
        "}",
    });
    try keyvalue.set(try wapc.join(&.{ "order:", placed.order }), record);
    return wapc.join(&.{
        "{\"order\":\"", placed.order,                    "\",\"status\":\"accepted\",\"total\":", total_digits,
        ",\"stock\":",   json.decimal(stock, &digits[2]), "}",
    });
}

fn reject(placed: Order, reason: []const u8, stock: ?i64) wapc.Refused![]const u8 {
    var digits: [20]u8 = undefined;
    return wapc.join(&.{
        "{\"order\":\"",                              placed.order,
        "\",\"status\":\"rejected\",\"reason\":\"",   reason,
        if (stock == null) "\"" else "\",\"stock\":", if (stock) |left| json.decimal(left, &digits) else "",
        "}",
    });
}

fn read(comptime T: type, key: []const u8, record: []u8) wapc.Refused!T {
    return json.object(T, record, .skipped) catch |err| switch (err) {
        error.Malformed => wapc.refuse(&.{ "record ", key, " is damaged: it is not what the app writes there" }),
        error.Refused => |refused| refused,
    };
}
