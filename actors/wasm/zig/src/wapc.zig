//! waPC for a guest: the host's functions, the entry point, memory. Copy this file into an actor of your own.

const std = @import("std");

const binding = "default";
const namespace = "wascc:keyvalue";

const host = struct {
    extern "wapc" fn __guest_request(operation: [*]u8, payload: [*]u8) void;
    extern "wapc" fn __guest_response(reply: [*]const u8, length: usize) void;
    extern "wapc" fn __guest_error(text: [*]const u8, length: usize) void;
    extern "wapc" fn __host_call(
        binding: [*]const u8,
        binding_length: usize,
        namespace: [*]const u8,
        namespace_length: usize,
        operation: [*]const u8,
        operation_length: usize,
        payload: [*]const u8,
        length: usize,
    ) i32;
    extern "wapc" fn __host_response_len() usize;
    extern "wapc" fn __host_response(into: [*]u8) void;
    extern "wapc" fn __host_error_len() usize;
    extern "wapc" fn __host_error(into: [*]u8) void;
};

/// The call fails. The host has the text already.
pub const Refused = error{Refused};

/// The request and the reply may lie anywhere in memory; the request may be overwritten.
pub const Operation = struct { name: []const u8, answer: *const fn (request: []u8) Refused![]const u8 };

/// Makes the file `Actor` answer these operations, if it is the one that is built: others may import it.
pub fn serve(comptime Actor: type, comptime operations: []const Operation) void {
    if (Actor != @import("root")) return;
    const entry = struct {
        fn call(operation_length: usize, length: usize) callconv(.c) i32 {
            const start = mark();
            defer release(start);
            const reply = answer(operation_length, length) catch return 0;
            host.__guest_response(reply.ptr, reply.len);
            return 1;
        }

        fn answer(operation_length: usize, length: usize) Refused![]const u8 {
            const operation = try take(operation_length);
            const request = try take(length);
            host.__guest_request(operation.ptr, request.ptr);
            inline for (operations) |known| {
                if (std.mem.eql(u8, operation, known.name)) return known.answer(request);
            }
            return refuse(&.{"bad dispatch"});
        }
    };
    @export(&entry.call, .{ .name = "__guest_call" });
}

/// Fails the call with a text made of these parts.
pub fn refuse(parts: []const []const u8) Refused {
    const text = join(parts) catch |refused| return refused;
    host.__guest_error(text.ptr, text.len);
    return error.Refused;
}

/// Calls the host. The payload is not needed any more once this is back.
pub fn call(operation: []const u8, payload: []const u8) Refused!void {
    const ok = host.__host_call(
        binding,
        binding.len,
        namespace,
        namespace.len,
        operation.ptr,
        operation.len,
        payload.ptr,
        payload.len,
    );
    if (ok != 0) return;
    const text = try take(host.__host_error_len());
    host.__host_error(text.ptr);
    return refuse(&.{text});
}

/// What the host answered to the last call.
pub fn response() Refused![]u8 {
    const bytes = try take(host.__host_response_len());
    host.__host_response(bytes.ptr);
    return bytes;
}

// Memory is a stack from the end of the data. A call gives back all that it took, so what stays with the instance is
// what its largest call needed; a call within a call takes what lies above.
extern var __heap_base: u8;
var top: [*]u8 = @ptrCast(&__heap_base);
const page = 64 * 1024;

/// So many bytes, until the call is over or they are released.
pub fn take(length: usize) Refused![]u8 {
    // One byte more at least: the host checks a pointer even where it writes nothing.
    const end = (@as(u64, @intFromPtr(top)) + length + 16) & ~@as(u64, 15);
    const pages: usize = @intCast((end + page - 1) / page);
    const there: usize = @wasmMemorySize(0);
    if (pages > there and @wasmMemoryGrow(0, pages - there) < 0) {
        const text = "out of memory";
        host.__guest_error(text, text.len);
        return error.Refused;
    }
    const bytes = top[0..length];
    top = @ptrFromInt(@as(usize, @intCast(end)));
    return bytes;
}

pub fn mark() [*]u8 {
    return top;
}

/// Gives back all that was taken since the mark.
pub fn release(to: [*]u8) void {
    top = to;
}

pub fn join(parts: []const []const u8) Refused![]const u8 {
    if (parts.len == 1) return parts[0];
    var length: usize = 0;
    for (parts) |part| length += part.len;
    const joined = try take(length);
    var at: usize = 0;
    for (parts) |part| {
        @memcpy(joined[at..][0..part.len], part);
        at += part.len;
    }
    return joined;
}
