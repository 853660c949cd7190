// A strict JSON parser that allocates nothing: it writes over what it has read, so a text is read once.
import { isUtf8 } from "./utf8";

let at: usize = 0;
let end: usize = 0;

/** The text that `text` read, inside of what is parsed. */
export let textAt: usize = 0;
export let textLength: usize = 0;
/** What `unsigned` read. */
export let number: u64 = 0;

/** Begins to parse bytes that lie in a buffer. */
export function parse(from: usize, length: usize): void {
  at = from;
  end = from + length;
}

function white(): void {
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) return;
  }
}

/** The next byte, or 0, which is nothing in JSON. */
function peek(): u32 {
  return at < end ? load<u8>(at) : 0;
}

/** Reads this byte, behind white space, if it is next. */
export function take(byte: u32): bool {
  white();
  if (peek() != byte) return false;
  at++;
  return true;
}

/** Whether nothing but white space is left. */
export function ended(): bool {
  white();
  return at == end;
}

/** Reads a text of UTF-8, without its escapes. */
export function text(): bool {
  if (!take(0x22)) return false;
  textAt = at;
  // Nothing need be moved in front of the first escape.
  let to = at;
  while (at < end) {
    const byte = <u32>load<u8>(at++);
    if (byte == 0x22) {
      textLength = to - textAt;
      return isUtf8(textAt, textLength);
    }
    if (byte < 0x20) return false;
    if (byte != 0x5c) { store<u8>(to++, byte); continue; }
    const code = escape();
    if (code == BROKEN) return false;
    to = writeUtf8(to, code);
  }
  return false;
}

/** Not a code point. */
const BROKEN: u32 = 0xffffffff;

/** The character of the escape whose backslash was read. */
function escape(): u32 {
  const byte = peek();
  at++;
  switch (byte) {
    case 0x22: case 0x5c: case 0x2f: return byte;
    case 0x62: return 0x08;
    case 0x66: return 0x0c;
    case 0x6e: return 0x0a;
    case 0x72: return 0x0d;
    case 0x74: return 0x09;
    case 0x75: break;
    default: return BROKEN;
  }
  const first = hex();
  if (first == BROKEN || first - 0xd800 >= 0x800) return first;
  // Half of a pair: the other half must follow.
  if (first >= 0xdc00 || end - at < 6 || load<u16>(at) != 0x755c) return BROKEN;
  at += 2;
  const second = hex();
  if (second - 0xdc00 >= 0x400) return BROKEN;
  return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/** Four hexadecimal digits. */
function hex(): u32 {
  if (end - at < 4) return BROKEN;
  let value: u32 = 0;
  for (let i = 0; i < 4; i++) {
    const byte = <u32>load<u8>(at++);
    const letter = (byte | 0x20) - 0x61;
    if (byte - 0x30 < 10) value = value << 4 | (byte - 0x30);
    else if (letter < 6) value = value << 4 | (letter + 10);
    else return BROKEN;
  }
  return value;
}

/** Writes a character, which is never longer than its escape, and answers where the next one goes. */
function writeUtf8(to: usize, code: u32): usize {
  if (code < 0x80) { store<u8>(to, code); return to + 1; }
  if (code < 0x800) {
    store<u8>(to, 0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      store<u8>(to, 0xe0 | code >> 12);
    } else {
      store<u8>(to++, 0xf0 | code >> 18);
      store<u8>(to, 0x80 | (code >> 12 & 0x3f));
    }
    store<u8>(++to, 0x80 | (code >> 6 & 0x3f));
  }
  store<u8>(++to, 0x80 | (code & 0x3f));
  return to + 1;
}

/** Reads a number of digits alone, without a leading zero, of at most `most`. */
export function unsigned(most: u64): bool {
  white();
  const first = at;
  number = 0;
  for (; at < end; at++) {
    const digit = <u64>load<u8>(at) - 0x30;
    if (digit > 9) break;
    if (number > (most - digit) / 10) return false;
    number = number * 10 + digit;
  }
  if (at == first || (load<u8>(first) == 0x30 && at - first > 1)) return false;
  const next = peek();
  return next != 0x2e && (next | 0x20) != 0x65;
}

/** Reads past a value of any kind, however deep it is nested. */
export function skip(): bool {
  // What is open, as its closing byte: over bytes that were read, as each was opened by a byte.
  const stack = at;
  let top = stack;
  do {
    white();
    const byte = peek();
    if (byte == 0x7b || byte == 0x5b) {
      at++;
      if (!take(byte + 2)) {
        store<u8>(top++, byte + 2);
        if (byte == 0x7b && !skipName()) return false;
        continue;
      }
    } else if (!skipPlain(byte)) {
      return false;
    }
    // A value has ended, and perhaps what it is in.
    for (; top > stack; top--) {
      const closing = load<u8>(top - 1);
      if (take(0x2c)) {
        if (closing == 0x7d && !skipName()) return false;
        break;
      }
      if (!take(closing)) return false;
    }
  } while (top > stack);
  return true;
}

/** A field's name and its colon. */
function skipName(): bool {
  white();
  return peek() == 0x22 && skipText() && take(0x3a);
}

function skipPlain(byte: u32): bool {
  if (byte == 0x22) return skipText();
  if (byte == 0x74) return word(0x65757274, 4);
  if (byte == 0x6e) return word(0x6c6c756e, 4);
  if (byte == 0x66) { at++; return word(0x65736c61, 4); }
  if (byte == 0x2d) at++;
  const zero = peek() == 0x30;
  const count = digits();
  if (count == 0 || (zero && count > 1)) return false;
  if (peek() == 0x2e) { at++; if (digits() == 0) return false; }
  if ((peek() | 0x20) == 0x65) {
    at++;
    if (peek() == 0x2b || peek() == 0x2d) at++;
    if (digits() == 0) return false;
  }
  return true;
}

/** A text that nobody wants, which need not be UTF-8. */
function skipText(): bool {
  for (at++; at < end;) {
    const byte = <u32>load<u8>(at++);
    if (byte == 0x22) return true;
    if (byte < 0x20) return false;
    if (byte != 0x5c) continue;
    const kind = peek();
    at++;
    if (kind == 0x75) { if (hex() == BROKEN) return false; }
    else if (kind != 0x22 && kind != 0x5c && kind != 0x2f && kind != 0x62 && kind != 0x66 && kind != 0x6e
      && kind != 0x72 && kind != 0x74) return false;
  }
  return false;
}

/** Reads four letters. */
function word(letters: u32, length: usize): bool {
  if (end - at < length || load<u32>(at) != letters) return false;
  at += length;
  return true;
}

function digits(): usize {
  const first = at;
  while (peek() - 0x30 < 10) at++;
  return at - first;
}
