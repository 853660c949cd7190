//! What every module does wrong on demand, so that a host can be tried.

const wapc = @import("wapc.zig");

pub const operations = [_]wapc.Operation{
    .{ .name = "fault.trap", .answer = trap },
    .{ .name = "fault.loop", .answer = loop },
};

fn trap(_: []u8) wapc.Refused![]const u8 {
    @trap();
}

fn loop(_: []u8) wapc.Refused![]const u8 {
    var turns: u32 = 0;
    // Volatile, so that the loop does something and stays.
    while (true) @as(*volatile u32, &turns).* +%= 1;
}
