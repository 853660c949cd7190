//! The messages `Get`, `Set` and `Add` of `wascc:keyvalue` in MessagePack.

const std = @import("std");
const wapc = @import("wapc.zig");
const requests = @import("request.zig");

/// The value of a key, where the host's answer has it: it is gone once memory before it is released.
pub fn get(key: []const u8) wapc.Refused!?[]u8 {
    const start = wapc.mark();
    var message = try Writer.init(key.len);
    message.raw("\x81\xa3key");
    message.text(key);
    try wapc.call("Get", message.bytes());
    wapc.release(start);
    var reader: Reader = .{ .rest = try wapc.response() };
    return reader.get() catch malformed("Get");
}

/// Nothing reads what the host answers to `Set`, so it is not fetched: it would be the value again.
pub fn set(key: []const u8, value: []const u8) wapc.Refused!void {
    const start = wapc.mark();
    defer wapc.release(start);
    var message = try Writer.init(key.len + value.len);
    message.raw("\x83\xa3key");
    message.text(key);
    message.raw("\xa5value");
    if (requests.isText(value)) message.text(value) else message.binary(value);
    message.raw("\xa7expires\x00");
    try wapc.call("Set", message.bytes());
}

/// Adds atomically, and answers the sum.
pub fn add(key: []const u8, delta: i32) wapc.Refused!i64 {
    const start = wapc.mark();
    defer wapc.release(start);
    var message = try Writer.init(key.len);
    message.raw("\x82\xa3key");
    message.text(key);
    message.raw("\xa5value\xd2");
    message.number(i32, delta);
    try wapc.call("Add", message.bytes());
    var reader: Reader = .{ .rest = try wapc.response() };
    return reader.add() catch malformed("Add");
}

fn malformed(comptime operation: []const u8) wapc.Refused {
    return wapc.refuse(&.{"the host's answer to " ++ operation ++ " is malformed"});
}

const Writer = struct {
    start: [*]u8,
    at: [*]u8,

    /// Room for texts of this length in all, and for what no message exceeds besides them.
    fn init(length: usize) wapc.Refused!Writer {
        const room = try wapc.take(length + 40);
        return .{ .start = room.ptr, .at = room.ptr };
    }

    fn bytes(self: *const Writer) []const u8 {
        return self.start[0 .. self.at - self.start];
    }

    fn raw(self: *Writer, content: []const u8) void {
        @memcpy(self.at, content);
        self.at += content.len;
    }

    fn byte(self: *Writer, content: u8) void {
        self.at[0] = content;
        self.at += 1;
    }

    fn number(self: *Writer, comptime T: type, content: T) void {
        std.mem.writeInt(T, self.at[0..@sizeOf(T)], content, .big);
        self.at += @sizeOf(T);
    }

    fn text(self: *Writer, content: []const u8) void {
        if (content.len < 32) self.byte(0xa0 | @as(u8, @intCast(content.len))) else self.head(0xd9, content.len);
        self.raw(content);
    }

    fn binary(self: *Writer, content: []const u8) void {
        self.head(0xc4, content.len);
        self.raw(content);
    }

    /// `marker` is that of a length of one byte; those of two and four bytes follow it.
    fn head(self: *Writer, marker: u8, length: usize) void {
        if (length <= 0xff) {
            self.byte(marker);
            self.number(u8, @intCast(length));
        } else if (length <= 0xffff) {
            self.byte(marker + 1);
            self.number(u16, @intCast(length));
        } else {
            self.byte(marker + 2);
            self.number(u32, @intCast(length));
        }
    }
};

const Malformed = error{Malformed};

/// Takes the fields in any order, and passes over those it does not know.
const Reader = struct {
    rest: []u8,

    fn get(self: *Reader) Malformed!?[]u8 {
        var value: ?[]u8 = null;
        var exists: ?bool = null;
        for (0..try self.map()) |_| {
            const name = try self.bytes();
            if (std.mem.eql(u8, name, "value")) {
                if (value != null) return error.Malformed;
                value = try self.bytes();
            } else if (std.mem.eql(u8, name, "exists")) {
                if (exists != null) return error.Malformed;
                exists = switch (try self.byte()) {
                    0xc2 => false,
                    0xc3 => true,
                    else => return error.Malformed,
                };
            } else try self.skip();
        }
        try self.finish();
        const found = value orelse return error.Malformed;
        return if (exists orelse return error.Malformed) found else null;
    }

    fn add(self: *Reader) Malformed!i64 {
        var sum: ?i64 = null;
        for (0..try self.map()) |_| {
            const name = try self.bytes();
            if (std.mem.eql(u8, name, "value")) {
                if (sum != null) return error.Malformed;
                sum = try self.integer();
            } else try self.skip();
        }
        try self.finish();
        return sum orelse error.Malformed;
    }

    fn take(self: *Reader, length: usize) Malformed![]u8 {
        if (length > self.rest.len) return error.Malformed;
        defer self.rest = self.rest[length..];
        return self.rest[0..length];
    }

    fn number(self: *Reader, comptime T: type) Malformed!T {
        const content = try self.take(@sizeOf(T));
        return std.mem.readInt(T, content[0..@sizeOf(T)], .big);
    }

    fn byte(self: *Reader) Malformed!u8 {
        return self.number(u8);
    }

    fn map(self: *Reader) Malformed!usize {
        return switch (try self.byte()) {
            0x80...0x8f => |marker| marker & 0x0f,
            0xde => try self.number(u16),
            0xdf => try self.number(u32),
            else => error.Malformed,
        };
    }

    /// A str or a bin.
    fn bytes(self: *Reader) Malformed![]u8 {
        return self.take(switch (try self.byte()) {
            0xa0...0xbf => |marker| marker & 0x1f,
            0xc4, 0xd9 => try self.number(u8),
            0xc5, 0xda => try self.number(u16),
            0xc6, 0xdb => try self.number(u32),
            else => return error.Malformed,
        });
    }

    fn integer(self: *Reader) Malformed!i64 {
        return switch (try self.byte()) {
            0x00...0x7f, 0xe0...0xff => |marker| @as(i8, @bitCast(marker)),
            0xcc => try self.number(u8),
            0xcd => try self.number(u16),
            0xce => try self.number(u32),
            0xcf => std.math.cast(i64, try self.number(u64)) orelse error.Malformed,
            0xd0 => try self.number(i8),
            0xd1 => try self.number(i16),
            0xd2 => try self.number(i32),
            0xd3 => try self.number(i64),
            else => error.Malformed,
        };
    }

    /// Passes over one value of any kind, however deep.
    fn skip(self: *Reader) Malformed!void {
        var values: u64 = 1;
        while (values > 0) : (values -= 1) {
            // Each value takes a byte at least, so a false count ends here.
            if (values > self.rest.len) return error.Malformed;
            const marker = try self.byte();
            _ = try self.take(switch (marker) {
                0x00...0x7f, 0xe0...0xff, 0xc0, 0xc2, 0xc3 => 0,
                0x80...0x8f => blk: {
                    values += 2 * @as(u64, marker & 0x0f);
                    break :blk 0;
                },
                0x90...0x9f => blk: {
                    values += marker & 0x0f;
                    break :blk 0;
                },
                0xdc, 0xde => blk: {
                    values += @as(u64, try self.number(u16)) * (1 + (marker >> 1 & 1));
                    break :blk 0;
                },
                0xdd, 0xdf => blk: {
                    values += @as(u64, try self.number(u32)) * (1 + (marker >> 1 & 1));
                    break :blk 0;
                },
                0xa0...0xbf => marker & 0x1f,
                0xc4, 0xd9 => try self.number(u8),
                0xc5, 0xda => try self.number(u16),
                0xc6, 0xdb => try self.number(u32),
                0xc7 => @as(usize, try self.number(u8)) + 1,
                0xc8 => @as(usize, try self.number(u16)) + 1,
                0xc9 => (try self.number(u32)) +| 1,
                0xcc, 0xd0 => 1,
                0xcd, 0xd1, 0xd4 => 2,
                0xd5 => 3,
                0xca, 0xce, 0xd2 => 4,
                0xd6 => 5,
                0xcb, 0xcf, 0xd3 => 8,
                0xd7 => 9,
                0xd8 => 17,
                0xc1 => return error.Malformed,
            });
        }
    }

    /// Actors and hosts of 2020 let NUL bytes trail.
    fn finish(self: *const Reader) Malformed!void {
        for (self.rest) |trailing| if (trailing != 0) return error.Malformed;
    }
};
