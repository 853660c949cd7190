//! JSON as the apps need it: strict, without a tree, without recursion.

const std = @import("std");
const wapc = @import("wapc.zig");
const requests = @import("request.zig");

pub const Malformed = error{Malformed} || wapc.Refused;

pub const Unknown = enum { refused, skipped };

/// Reads an object that has each field of `T` once, and nothing after it. Fields are texts or unsigned integers; texts
/// are unescaped where they lie in `bytes`.
pub fn object(comptime T: type, bytes: []u8, unknown: Unknown) Malformed!T {
    const info = @typeInfo(T).@"struct";
    var parser: Parser = .{ .bytes = bytes };
    var result: T = undefined;
    var seen: [info.field_names.len]bool = @splat(false);
    try parser.expect('{');
    if (parser.peek() != '}') while (true) {
        const name = try parser.text();
        try parser.expect(':');
        inline for (info.field_names, info.field_types, &seen) |field, Field, *is_seen| {
            if (std.mem.eql(u8, name, field)) {
                if (is_seen.*) return error.Malformed;
                is_seen.* = true;
                @field(result, field) = if (Field == []const u8)
                    try parser.text()
                else
                    std.math.cast(Field, try parser.number()) orelse return error.Malformed;
                break;
            }
        } else switch (unknown) {
            .refused => return error.Malformed,
            .skipped => try parser.skip(),
        }
        if (parser.peek() != ',') break;
        parser.at += 1;
    };
    try parser.expect('}');
    if (parser.peek() != null) return error.Malformed;
    for (seen) |is_seen| if (!is_seen) return error.Malformed;
    return result;
}

const Parser = struct {
    bytes: []u8,
    at: usize = 0,

    /// The next byte that is not white space.
    fn peek(self: *Parser) ?u8 {
        while (self.at < self.bytes.len) : (self.at += 1) switch (self.bytes[self.at]) {
            ' ', '\t', '\n', '\r' => {},
            else => |byte| return byte,
        };
        return null;
    }

    fn expect(self: *Parser, byte: u8) Malformed!void {
        if (self.peek() != byte) return error.Malformed;
        self.at += 1;
    }

    /// Any byte.
    fn next(self: *Parser) Malformed!u8 {
        if (self.at == self.bytes.len) return error.Malformed;
        defer self.at += 1;
        return self.bytes[self.at];
    }

    /// A text, unescaped: that never takes more room than what it replaces.
    fn text(self: *Parser) Malformed![]const u8 {
        try self.expect('"');
        const start = self.at;
        var end = start;
        while (true) switch (try self.next()) {
            '"' => break,
            0...0x1f => return error.Malformed,
            '\\' => end += try self.unescape(end),
            else => |byte| {
                self.bytes[end] = byte;
                end += 1;
            },
        };
        const unescaped = self.bytes[start..end];
        return if (requests.isText(unescaped)) unescaped else error.Malformed;
    }

    /// Writes what an escape stands for, and answers its length.
    fn unescape(self: *Parser, end: usize) Malformed!usize {
        self.bytes[end] = switch (try self.next()) {
            '"', '\\', '/' => |byte| byte,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                var code: u21 = try self.hex();
                if (code & 0xfc00 == 0xd800) {
                    if (try self.next() != '\\' or try self.next() != 'u') return error.Malformed;
                    const low = try self.hex();
                    if (low & 0xfc00 != 0xdc00) return error.Malformed;
                    code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
                }
                // Half a pair of surrogates is an error here.
                return std.unicode.utf8Encode(code, self.bytes[end..]) catch error.Malformed;
            },
            else => return error.Malformed,
        };
        return 1;
    }

    fn hex(self: *Parser) Malformed!u16 {
        var code: u16 = 0;
        for (0..4) |_| code = code << 4 | (std.fmt.charToDigit(try self.next(), 16) catch return error.Malformed);
        return code;
    }

    /// An integer without sign, fraction or exponent.
    fn number(self: *Parser) Malformed!u64 {
        const first = self.peek();
        const start = self.at;
        var value: u64 = 0;
        while (self.at < self.bytes.len and std.ascii.isDigit(self.bytes[self.at])) : (self.at += 1) {
            value = std.math.mul(u64, value, 10) catch return error.Malformed;
            value = std.math.add(u64, value, self.bytes[self.at] - '0') catch return error.Malformed;
        }
        const length = self.at - start;
        return if (length == 0 or first == '0' and length > 1) error.Malformed else value;
    }

    /// Passes over a value of any kind. Nesting is on a stack of its own: a record must not overflow the guest's.
    fn skip(self: *Parser) Malformed!void {
        const start = wapc.mark();
        defer wapc.release(start);
        // Each level takes a byte at least.
        const closers = try wapc.take(self.bytes.len - self.at);
        var depth: usize = 0;
        while (true) {
            switch (self.peek() orelse return error.Malformed) {
                '{', '[' => |open| {
                    self.at += 1;
                    const closer = open + 2;
                    if (self.peek() != closer) {
                        closers[depth] = closer;
                        depth += 1;
                        if (open == '{') try self.skipName();
                        continue;
                    }
                    self.at += 1;
                },
                '"' => try self.skipText(),
                't' => try self.literal("true"),
                'f' => try self.literal("false"),
                'n' => try self.literal("null"),
                else => try self.skipNumber(),
            }
            while (depth > 0) {
                const byte = self.peek() orelse return error.Malformed;
                self.at += 1;
                if (byte == ',') {
                    if (closers[depth - 1] == '}') try self.skipName();
                    break;
                }
                if (byte != closers[depth - 1]) return error.Malformed;
                depth -= 1;
            } else return;
        }
    }

    fn skipName(self: *Parser) Malformed!void {
        try self.skipText();
        try self.expect(':');
    }

    fn skipText(self: *Parser) Malformed!void {
        try self.expect('"');
        while (true) switch (try self.next()) {
            '"' => return,
            0...0x1f => return error.Malformed,
            '\\' => switch (try self.next()) {
                '"', '\\', '/', 'b', 'f', 'n', 'r', 't' => {},
                'u' => _ = try self.hex(),
                else => return error.Malformed,
            },
            else => {},
        };
    }

    fn literal(self: *Parser, comptime word: []const u8) Malformed!void {
        for (word) |byte| if (try self.next() != byte) return error.Malformed;
    }

    fn skipNumber(self: *Parser) Malformed!void {
        _ = self.strip("-");
        if (!self.strip("0")) try self.digits();
        if (self.strip(".")) try self.digits();
        if (self.strip("eE")) {
            _ = self.strip("+-");
            try self.digits();
        }
    }

    /// Passes over one byte of these, if it is next.
    fn strip(self: *Parser, any: []const u8) bool {
        const there = self.at < self.bytes.len and std.mem.indexOfScalar(u8, any, self.bytes[self.at]) != null;
        if (there) self.at += 1;
        return there;
    }

    fn digits(self: *Parser) Malformed!void {
        if (!self.strip("0123456789")) return error.Malformed;
        while (self.strip("0123456789")) {}
    }
};

/// A number in decimal.
pub fn decimal(value: i64, into: *[20]u8) []const u8 {
    var left = @abs(value);
    var at: usize = into.len;
    while (true) {
        at -= 1;
        into[at] = '0' + @as(u8, @intCast(left % 10));
        left /= 10;
        if (left == 0) break;
    }
    if (value < 0) {
        at -= 1;
        into[at] = '-';
    }
    return into[at..];
}
