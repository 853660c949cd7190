//! `echo`: the request is the reply.

const wapc = @import("wapc.zig");
const faults = @import("faults.zig");

pub const operations = [_]wapc.Operation{.{ .name = "echo", .answer = echo }};

comptime {
    wapc.serve(@This(), &(operations ++ faults.operations));
}

fn echo(request: []u8) wapc.Refused![]const u8 {
    return request;
}
