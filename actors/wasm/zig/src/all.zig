//! Every app in one module.

const wapc = @import("wapc.zig");

comptime {
    wapc.serve(@This(), &(@import("echo.zig").operations ++
        @import("kv.zig").operations ++
        @import("chain.zig").operations ++
        @import("counter.zig").operations ++
        @import("compute.zig").operations ++
        @import("order.zig").operations ++
        @import("faults.zig").operations));
}
