//! `counter`: an HTTP request, an atomic add, a JSON answer.

const std = @import("std");
const wapc = @import("wapc.zig");
const faults = @import("faults.zig");
const http = @import("http.zig");
const json = @import("json.zig");
const keyvalue = @import("keyvalue.zig");
const requests = @import("request.zig");

pub const operations = [_]wapc.Operation{.{ .name = "counter", .answer = counter }};

comptime {
    wapc.serve(@This(), &(operations ++ faults.operations));
}

fn counter(request: []u8) wapc.Refused![]const u8 {
    const head = http.parse(request) catch |err| return switch (err) {
        error.CutShort => requests.bad("the HTTP request is cut short"),
        error.NotHttp => requests.bad("not HTTP/1.1"),
    };
    if (!std.mem.eql(u8, head.method, "POST") and !std.mem.eql(u8, head.method, "GET"))
        return requests.bad("a counter takes POST or GET");
    const name = counterName(head.path) orelse
        return requests.bad("the path is not /counter/<name> of letters, digits, '-', '_', '.'");
    const value = try keyvalue.add(try wapc.join(&.{ "counter:", name }), 1);
    var digits: [20]u8 = undefined;
    return wapc.join(&.{ "{\"counter\":\"", name, "\",\"value\":", json.decimal(value, &digits), "}" });
}

/// The name in `/counter/<name>?query`.
fn counterName(path: []const u8) ?[]const u8 {
    const prefix = "/counter/";
    if (!std.mem.startsWith(u8, path, prefix)) return null;
    const end = std.mem.indexOfScalar(u8, path, '?') orelse path.len;
    const name = path[prefix.len..end];
    return if (requests.isName(name)) name else null;
}
