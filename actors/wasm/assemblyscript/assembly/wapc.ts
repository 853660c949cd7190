// The waPC ABI as a guest sees it. Copy this file for an actor of your own.

@external("wapc", "__guest_request") declare function guestRequest(operation: usize, payload: usize): void;
@external("wapc", "__guest_response") declare function guestResponse(at: usize, length: usize): void;
@external("wapc", "__guest_error") declare function guestError(at: usize, length: usize): void;
@external("wapc", "__host_call") declare function hostCall(
  binding: usize, bindingLength: usize, namespace: usize, namespaceLength: usize,
  operation: usize, operationLength: usize, payload: usize, length: usize,
): i32;
@external("wapc", "__host_response_len") declare function hostResponseLength(): usize;
@external("wapc", "__host_response") declare function hostResponse(at: usize): void;
@external("wapc", "__host_error_len") declare function hostErrorLength(): usize;
@external("wapc", "__host_error") declare function hostError(at: usize): void;

/** A larger buffer is not kept for calls that need less. */
const MOST_KEPT: usize = 256 * 1024;
/** Memory behind every buffer, so that short texts may be moved and compared 8 bytes at a time. */
const SLACK: usize = 8;

/** Bytes that each call uses again. Outside of the garbage collector, so that a call allocates nothing. */
@unmanaged
export class Buffer {
  at: usize = 0;
  length: usize = 0;
  private capacity: usize = 0;

  /** Empties the buffer and makes room for `most` bytes, which the appending methods rely on. */
  reset(most: usize): void {
    if (most + SLACK > this.capacity || (this.capacity > MOST_KEPT && most + SLACK <= MOST_KEPT)) {
      if (this.at) heap.free(this.at);
      this.capacity = (most + SLACK + 63) & ~63;
      this.at = heap.alloc(this.capacity);
    }
    this.length = 0;
  }

  byte(value: u32): void {
    store<u8>(this.at + this.length++, value);
  }

  /** Appends bytes that lie in a buffer. */
  bytes(from: usize, length: usize): void {
    const to = this.at + this.length;
    this.length += length;
    // A call of the engine's copy costs more than this for names and keys.
    if (length > 64) memory.copy(to, from, length);
    else for (let i: usize = 0; i < length; i += 8) store<u64>(to + i, load<u64>(from + i));
  }

  /** Appends a text, each of whose characters is a byte. */
  text(text: string): void {
    for (let i = 0, length = text.length; i < length; i++) this.byte(text.charCodeAt(i));
  }
}

/** A constant text as the bytes of its characters, each below 256. */
export function constant(text: string): Buffer {
  const buffer = new Buffer();
  buffer.reset(text.length);
  buffer.text(text);
  return buffer;
}

/** Whether bytes that lie in a buffer are those of a constant. */
export function same(at: usize, length: usize, name: Buffer): bool {
  if (length != name.length) return false;
  if (length > 8) return memory.compare(at, name.at, length) == 0;
  return length == 0 || (load<u64>(at) ^ load<u64>(name.at)) << (64 - 8 * <u64>length) == 0;
}

const BINDING = constant("default");

export const operation = new Buffer();
export const request = new Buffer();
/** What the last host call brought: its response, or its error. */
export const response = new Buffer();
const failure = new Buffer();

/** Fetches the call's operation and request. */
export function receive(operationLength: usize, length: usize): void {
  operation.reset(operationLength);
  request.reset(length);
  guestRequest(operation.at, request.at);
  operation.length = operationLength;
  request.length = length;
}

/** Whether the call is for this operation. */
export function isCalled(name: Buffer): bool {
  return same(operation.at, operation.length, name);
}

/** Answers the call. Handlers end with `return reply(…)` or `return fail(…)`. */
export function reply(at: usize, length: usize): i32 {
  guestResponse(at, length);
  return 1;
}

/** Fails the call with a text, in whose midst may be bytes that lie in a buffer. */
export function fail(text: string, at: usize = 0, length: usize = 0, rest: string = ""): i32 {
  failure.reset(<usize>text.length + length + rest.length);
  failure.text(text);
  failure.bytes(at, length);
  failure.text(rest);
  guestError(failure.at, failure.length);
  return 0;
}

/** Fails the call with the error that the last host call brought. */
export function failAsHost(): i32 {
  guestError(response.at, response.length);
  return 0;
}

/** Calls the host, whose answer is in `response` until the next call. False if it failed. */
export function call(namespace: Buffer, name: Buffer, payload: Buffer): bool {
  const done = hostCall(
    BINDING.at, BINDING.length, namespace.at, namespace.length,
    name.at, name.length, payload.at, payload.length,
  ) != 0;
  const length = done ? hostResponseLength() : hostErrorLength();
  response.reset(length);
  if (done) hostResponse(response.at);
  else hostError(response.at);
  response.length = length;
  return done;
}
