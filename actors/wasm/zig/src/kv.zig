//! `kv.get` and `kv.set`: one host call each.

const std = @import("std");
const wapc = @import("wapc.zig");
const faults = @import("faults.zig");
const keyvalue = @import("keyvalue.zig");
const requests = @import("request.zig");

pub const operations = [_]wapc.Operation{
    .{ .name = "kv.get", .answer = get },
    .{ .name = "kv.set", .answer = set },
};

comptime {
    wapc.serve(@This(), &(operations ++ faults.operations));
}

fn get(request: []u8) wapc.Refused![]const u8 {
    const key = try requests.key(request);
    return try keyvalue.get(key) orelse requests.missing(key);
}

/// The key's length (`u16`, little-endian), the key, the value.
fn set(request: []u8) wapc.Refused![]const u8 {
    const short = "the request is shorter than its key";
    if (request.len < 2) return requests.bad(short);
    const end = @as(usize, 2) + std.mem.readInt(u16, request[0..2], .little);
    if (request.len < end) return requests.bad(short);
    try keyvalue.set(try requests.key(request[2..end]), request[end..]);
    return request[0..0];
}
