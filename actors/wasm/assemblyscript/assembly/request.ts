// Taking requests apart.
import { fail } from "./wapc";
import { isUtf8 } from "./utf8";

/** What a handler answers when the operation is not its own: neither 0 (failed) nor 1 (answered). */
export const NOT_MINE = 2;

const LONGEST_NAME: usize = 128;

/** Whether bytes are a key, which is text and not empty. If not, the call has failed. */
export function isKey(at: usize, length: usize): bool {
  if (length == 0) fail("bad request: the key is empty");
  else if (!isUtf8(at, length)) fail("bad request: the key is not UTF-8");
  else return true;
  return false;
}

/** Whether a request begins with a number of 4 bytes. If not, the call has failed. */
export function hasNumber(length: usize): bool {
  if (length >= 4) return true;
  fail("bad request: the request is shorter than the 4 bytes of its number");
  return false;
}

/** Whether a name is letters, digits, `-`, `_` and `.`: safe in keys and in JSON. */
export function isName(at: usize, length: usize): bool {
  if (length == 0 || length > LONGEST_NAME) return false;
  for (const end = at + length; at < end; at++) {
    const byte = <u32>load<u8>(at);
    const letter = (byte | 0x20) - 0x61 < 26;
    if (!letter && byte - 0x30 >= 10 && byte != 0x2d && byte != 0x5f && byte != 0x2e) return false;
  }
  return true;
}

export function failMissing(key: usize, length: usize): i32 {
  return fail("key ", key, length, " is not there; set it first");
}
