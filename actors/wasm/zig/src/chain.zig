//! `chain`: as many gets as the request says, one after another.

const wapc = @import("wapc.zig");
const faults = @import("faults.zig");
const keyvalue = @import("keyvalue.zig");
const requests = @import("request.zig");

pub const operations = [_]wapc.Operation{.{ .name = "chain", .answer = chain }};

comptime {
    wapc.serve(@This(), &(operations ++ faults.operations));
}

/// The number of gets (`u32`, little-endian), the key; the reply is the value of the last get.
fn chain(request: []u8) wapc.Refused![]const u8 {
    const calls = try requests.number(request);
    const key = try requests.key(request[4..]);
    var last: []const u8 = request[0..0];
    const start = wapc.mark();
    for (0..calls) |_| {
        wapc.release(start);
        last = try keyvalue.get(key) orelse return requests.missing(key);
    }
    return last;
}
