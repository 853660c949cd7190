//! The head of an HTTP/1.x request.

const requests = @import("request.zig");

const most_headers = 32;

pub const Head = struct { method: []const u8, path: []const u8 };

pub const Malformed = error{ CutShort, NotHttp };

/// The request line, once the head is known to be well formed up to its empty line. Lines end with LF or CR LF, and
/// empty ones may come first.
pub fn parse(request: []const u8) Malformed!Head {
    var cursor: Cursor = .{ .rest = request };
    while (try cursor.peek() == '\r' or try cursor.peek() == '\n') try cursor.lineEnd();
    const method = try cursor.token(isTokenByte, ' ');
    const path = try cursor.token(isPathByte, ' ');
    if (!requests.isText(path)) return error.NotHttp;
    try cursor.version();
    try cursor.lineEnd();
    var headers: usize = 0;
    while (true) : (headers += 1) {
        const first = try cursor.peek();
        if (first == '\r' or first == '\n') break;
        _ = try cursor.token(isTokenByte, ':');
        _ = cursor.run(isValueByte);
        try cursor.lineEnd();
        if (headers == most_headers) return error.NotHttp;
    }
    try cursor.lineEnd();
    return .{ .method = method, .path = path };
}

const Cursor = struct {
    rest: []const u8,

    fn peek(self: *const Cursor) Malformed!u8 {
        return if (self.rest.len > 0) self.rest[0] else error.CutShort;
    }

    fn expect(self: *Cursor, byte: u8) Malformed!void {
        if (try self.peek() != byte) return error.NotHttp;
        self.rest = self.rest[1..];
    }

    fn lineEnd(self: *Cursor) Malformed!void {
        if (try self.peek() == '\r') self.rest = self.rest[1..];
        try self.expect('\n');
    }

    /// All bytes of a kind.
    fn run(self: *Cursor, comptime isOfKind: fn (u8) bool) []const u8 {
        const length = for (self.rest, 0..) |byte, index| {
            if (!isOfKind(byte)) break index;
        } else self.rest.len;
        defer self.rest = self.rest[length..];
        return self.rest[0..length];
    }

    /// At least one byte of a kind, and the byte that ends them.
    fn token(self: *Cursor, comptime isOfKind: fn (u8) bool, end: u8) Malformed![]const u8 {
        const found = self.run(isOfKind);
        if (try self.peek() != end or found.len == 0) return error.NotHttp;
        self.rest = self.rest[1..];
        return found;
    }

    fn version(self: *Cursor) Malformed!void {
        for ("HTTP/1.") |byte| try self.expect(byte);
        if (try self.peek() & 0xfe != '0') return error.NotHttp;
        self.rest = self.rest[1..];
    }
};

fn isTokenByte(byte: u8) bool {
    return switch (byte) {
        'a'...'z', 'A'...'Z', '0'...'9' => true,
        '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~' => true,
        else => false,
    };
}

fn isPathByte(byte: u8) bool {
    return byte > ' ' and byte != 0x7f;
}

fn isValueByte(byte: u8) bool {
    return byte >= ' ' and byte != 0x7f or byte == '\t';
}
