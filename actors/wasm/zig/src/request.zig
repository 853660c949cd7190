//! Taking requests apart.

const std = @import("std");
const wapc = @import("wapc.zig");

pub fn bad(comptime reason: []const u8) wapc.Refused {
    return wapc.refuse(&.{"bad request: " ++ reason});
}

/// Bytes as a key, which is text and not empty.
pub fn key(bytes: []const u8) wapc.Refused![]const u8 {
    if (bytes.len == 0) return bad("the key is empty");
    if (!isText(bytes)) return bad("the key is not UTF-8");
    return bytes;
}

pub fn missing(absent: []const u8) wapc.Refused {
    return wapc.refuse(&.{ "key ", absent, " is not there; set it first" });
}

/// A `u32` in little-endian order; what follows it begins at byte 4.
pub fn number(bytes: []const u8) wapc.Refused!u32 {
    if (bytes.len < 4) return bad("the request is shorter than the 4 bytes of its number");
    return std.mem.readInt(u32, bytes[0..4], .little);
}

/// Whether a name may become part of a key, and stand in JSON and in URLs without escaping.
pub fn isName(name: []const u8) bool {
    if (name.len == 0 or name.len > 128) return false;
    for (name) |byte| switch (byte) {
        'a'...'z', 'A'...'Z', '0'...'9', '-', '_', '.' => {},
        else => return false,
    };
    return true;
}

/// Whether these bytes are UTF-8.
pub fn isText(bytes: []const u8) bool {
    var rest = bytes;
    while (rest.len > 0) {
        // Most text is ASCII, which eight bytes at a time show.
        if (rest.len >= 8 and std.mem.readInt(u64, rest[0..8], .little) & 0x8080808080808080 == 0) {
            rest = rest[8..];
            continue;
        }
        const first = rest[0];
        const length: usize = switch (first) {
            0x00...0x7f => 1,
            0xc2...0xdf => 2,
            0xe0...0xef => 3,
            0xf0...0xf4 => 4,
            else => return false,
        };
        if (length > rest.len) return false;
        if (length > 1) {
            // Neither a longer form than needed, nor a surrogate, nor beyond U+10FFFF.
            const low: u8 = if (first == 0xe0) 0xa0 else if (first == 0xf0) 0x90 else 0x80;
            const high: u8 = if (first == 0xed) 0x9f else if (first == 0xf4) 0x8f else 0xbf;
            if (rest[1] < low or rest[1] > high) return false;
            for (rest[2..length]) |byte| if (byte & 0xc0 != 0x80) return false;
        }
        rest = rest[length..];
    }
    return true;
}
