// node profiles.mjs MODULE: nanoseconds for one kv.get of 16 bytes in the fastest of some batches: whatever else the
// machine does only adds. One module a process: an engine's ways from JavaScript into a module and back are slower where
// there were several.
import { readFileSync } from "node:fs";

const BATCH = 20_000;
// In the first ones the engine compiles, and they are never the fastest.
const BATCHES = 35;
const text = (string) => [0xa0 | string.length, ...Buffer.from(string)];
const operation = Buffer.from("kv.get");
const key = Buffer.from("0123456789abcdef");
const answer = Uint8Array.from([0x82, ...text("value"), ...text("0123456789ABCDEF"), ...text("exists"), 0xc3]);

/** A guest behind a host whose store has one answer. */
function open(file) {
  let memory, view, reply;
  const put = (at, bytes) => {
    // A memory that has grown has another buffer, and the view of the old one is empty.
    if (view.length === 0) view = new Uint8Array(memory.buffer);
    // Faster than `set` for so few.
    for (let i = 0; i < bytes.length; i++) view[at + i] = bytes[i];
  };
  const get = (at, length) => Buffer.from(memory.buffer, at, length).toString();
  const wapc = {
    __guest_request: (name, payload) => (put(payload, key), put(name, operation)),
    __guest_response: (at, length) => { reply = [at, length]; },
    __guest_error: (at, length) => { throw new Error(`${file}: ${get(at, length)}`); },
    __host_call: () => 1,
    __host_response_len: () => answer.length,
    __host_response: (at) => put(at, answer),
    __host_error_len: () => 0,
    __host_error: () => {},
    __console_log: (at, length) => console.error(file, get(at, length)),
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), { wapc });
  memory = instance.exports.memory;
  view = new Uint8Array(memory.buffer);
  instance.exports.wapc_init?.();
  const call = () => instance.exports.__guest_call(operation.length, key.length);
  call();
  if (get(...reply) !== "0123456789ABCDEF") throw new Error(`${file} answered ${get(...reply)}`);
  return () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) call();
    return Number(process.hrtime.bigint() - start) / BATCH;
  };
}

const batch = open(process.argv[2]);
console.log(Math.min(...Array.from({ length: BATCHES }, batch)).toFixed(1));
