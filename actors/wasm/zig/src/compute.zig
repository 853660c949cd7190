//! `compute`: hashing without a host call.

const std = @import("std");
const wapc = @import("wapc.zig");
const faults = @import("faults.zig");
const requests = @import("request.zig");

const Sha256 = std.crypto.hash.sha2.Sha256;

pub const operations = [_]wapc.Operation{.{ .name = "compute", .answer = compute }};

comptime {
    wapc.serve(@This(), &(operations ++ faults.operations));
}

/// The rounds (`u32`, little-endian), the seed; the reply is the seed's hash, hashed again in each round.
fn compute(request: []u8) wapc.Refused![]const u8 {
    const rounds = try requests.number(request);
    const digest = (try wapc.take(Sha256.digest_length))[0..Sha256.digest_length];
    Sha256.hash(request[4..], digest, .{});
    for (0..rounds) |_| Sha256.hash(digest, digest, .{});
    return digest;
}
