// A waPC guest of a few bytes for the tests: `echo`, `fault.trap` and `fault.loop`, and one error for everything else.

const text = (string) => [string.length, ...new TextEncoder().encode(string)];
const section = (id, ...items) => {
  const content = [items.length, ...items.flat()];
  return [id, content.length, ...content];
};
/** A body with its length and no variables. */
const body = (...code) => [code.length + 2, 0, ...code, 0x0b];
const i32 = 0x7f;
const constant = (...leb128) => [0x41, ...leb128];
const get = (local) => [0x20, local];
const call = (index) => [0x10, index];

/** Where the request is put, behind the operation and the error's text: 65,536. */
const REQUEST = constant(0x80, 0x80, 0x04);
const OPERATION = constant(0);
const ERROR = constant(32);

/** The module; its error has fewer than 64 characters. */
export function echo(error) {
  const wapc = (name) => [...text("wapc"), ...text(name), 0, 0];
  // The seventh character tells `fault.trap` from `fault.loop`; no other operation of ten is asked.
  const isFault = (letter) => [...OPERATION, 0x2d, 0, 6, ...constant(letter.charCodeAt(0) | 0x80, 0), 0x46];
  const when = (condition, ...then) => [...condition, 0x04, 0x40, ...then, 0x0b];
  const hasLength = (length) => [...get(0), ...constant(length), 0x46];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [0x60, 2, i32, i32, 0], [0x60, 2, i32, i32, 1, i32]),
    ...section(2, wapc("__guest_request"), wapc("__guest_response"), wapc("__guest_error")),
    ...section(3, [1]),
    // 32 pages: a mebibyte fits.
    ...section(5, [0, 32]),
    ...section(7, [...text("memory"), 2, 0], [...text("__guest_call"), 0, 3]),
    ...section(
      10,
      body(
        ...[...OPERATION, ...REQUEST, ...call(0)],
        ...when(
          hasLength(10),
          ...when(isFault("t"), 0x00),
          ...when(isFault("l"), 0x03, 0x40, 0x0c, 0, 0x0b),
        ),
        ...when(hasLength(4), ...REQUEST, ...get(1), ...call(1), ...constant(1), 0x0f),
        ...[...ERROR, ...constant(error.length), ...call(2), ...constant(0)],
      ),
    ),
    ...section(11, [0, ...ERROR, 0x0b, ...text(error)]),
  ]);
}
