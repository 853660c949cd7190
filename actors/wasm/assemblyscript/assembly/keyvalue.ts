// The messages Get, Set and Add of `wascc:keyvalue`, in MessagePack. Keys and values lie in buffers of the glue.
import { Buffer, call, constant, fail, failAsHost, response, same } from "./wapc";
import { isUtf8 } from "./utf8";

const NAMESPACE = constant("wascc:keyvalue");
const GET = constant("Get");
const SET = constant("Set");
const ADD = constant("Add");
const KEY_ALONE = constant("\x81\xa3key");
const KEY_AND_VALUE = constant("\x82\xa3key");
const KEY_VALUE_EXPIRES = constant("\x83\xa3key");
const VALUE_FIELD = constant("\xa5value");
/** A value that never goes away. */
const EXPIRES_NEVER = constant("\xa7expires\x00");
const VALUE = constant("value");
const EXISTS = constant("exists");
const VALUE_FIRST = constant("\x82\xa5value");
const EXISTS_FIELD = constant("\xa6exists");

/** How deep values of unknown fields may be nested. */
const MAX_DEPTH = 32;
/** More than all names, heads and numbers of a request. */
const MOST_AROUND: usize = 64;

export const enum Found { Failed, Missing, There }

const message = new Buffer();

/** The value that `get` found, inside of the host's response: until the next call. */
export let valueAt: usize = 0;
export let valueLength: usize = 0;
/** The sum that `add` brought. */
export let sum: i64 = 0;

// What is still to be read of a response, whether it is sound so far, and which of its fields were read.
let at: usize = 0;
let end: usize = 0;
let sound = false;
let exists = false;
let fields = 0;

/** Reads a value; where this says `Failed`, the call has failed. */
export function get(key: usize, length: usize): Found {
  message.reset(length + MOST_AROUND);
  message.bytes(KEY_ALONE.at, KEY_ALONE.length);
  writeText(key, length);
  if (!call(NAMESPACE, GET, message)) { failAsHost(); return Found.Failed; }
  if (readUsual()) return exists ? Found.There : Found.Missing;
  readFields(true);
  if (fields != 3) { fail("the host's answer to Get is malformed"); return Found.Failed; }
  return exists ? Found.There : Found.Missing;
}

/** Writes a value that never goes away. Where this is false, the call has failed. */
export function set(key: usize, keyLength: usize, value: usize, length: usize): bool {
  message.reset(keyLength + length + MOST_AROUND);
  message.bytes(KEY_VALUE_EXPIRES.at, KEY_VALUE_EXPIRES.length);
  writeText(key, keyLength);
  message.bytes(VALUE_FIELD.at, VALUE_FIELD.length);
  if (isUtf8(value, length)) {
    writeText(value, length);
  } else {
    writeHead(length, length < 256 ? 0xc4 : length < 65536 ? 0xc5 : 0xc6);
    message.bytes(value, length);
  }
  message.bytes(EXPIRES_NEVER.at, EXPIRES_NEVER.length);
  if (call(NAMESPACE, SET, message)) return true;
  failAsHost();
  return false;
}

/** Adds to a counter; where this is false, the call has failed. */
export function add(key: usize, length: usize, delta: i32): bool {
  message.reset(length + MOST_AROUND);
  message.bytes(KEY_AND_VALUE.at, KEY_AND_VALUE.length);
  writeText(key, length);
  message.bytes(VALUE_FIELD.at, VALUE_FIELD.length);
  writeInteger(delta);
  if (!call(NAMESPACE, ADD, message)) { failAsHost(); return false; }
  readFields(false);
  if (fields == 1) return true;
  fail("the host's answer to Add is malformed");
  return false;
}

function writeText(from: usize, length: usize): void {
  if (length < 32) message.byte(0xa0 | <u32>length);
  else writeHead(length, length < 256 ? 0xd9 : length < 65536 ? 0xda : 0xdb);
  message.bytes(from, length);
}

/** A marker and a length in as many bytes as the length needs. */
function writeHead(length: usize, marker: u32): void {
  message.byte(marker);
  if (length < 256) message.byte(<u32>length);
  else if (length < 65536) writeU16(<u32>length);
  else writeU32(<u32>length);
}

function writeInteger(value: i32): void {
  if (value >= -32 && value < 128) { message.byte(value); return; }
  if (value >= -128 && value < 256) { message.byte(value < 0 ? 0xd0 : 0xcc); message.byte(value); return; }
  if (value >= -32768 && value < 65536) { message.byte(value < 0 ? 0xd1 : 0xcd); writeU16(value); return; }
  message.byte(0xd2);
  writeU32(value);
}

function writeU16(value: u32): void {
  store<u16>(message.at + message.length, bswap<u16>(<u16>value));
  message.length += 2;
}

function writeU32(value: u32): void {
  store<u32>(message.at + message.length, bswap<u32>(value));
  message.length += 4;
}

/** Reads the answer to Get as hosts write it: both fields in this order, and nothing else. False if it is another. */
function readUsual(): bool {
  at = response.at;
  end = at + response.length;
  sound = true;
  if (!strip(VALUE_FIRST)) return false;
  valueLength = readBytes();
  valueAt = at - valueLength;
  if (!strip(EXISTS_FIELD)) return false;
  const flag = unsigned(1);
  exists = flag == 0xc3;
  return sound && at == end && (flag & 0xfe) == 0xc2;
}

/** Moves past these bytes, if they are next. */
function strip(name: Buffer): bool {
  return pass(name.length) && same(at - name.length, name.length, name);
}

/**
 * Reads a response: a map whose fields come in any order and may be more than those that count. `fields` gets bit 0
 * for `value` (bytes or an integer) and bit 1 for `exists`; it is 0 if the response is not sound.
 */
function readFields(bytes: bool): void {
  at = response.at;
  end = at + response.length;
  sound = true;
  fields = 0;
  const marker = <u32>unsigned(1);
  let count: u32 = 0;
  if ((marker & 0xf0) == 0x80) count = marker & 0x0f;
  else if (marker == 0xde || marker == 0xdf) count = <u32>unsigned(marker == 0xde ? 2 : 4);
  else sound = false;
  for (; count && sound; count--) {
    const length = readBytes();
    const name = at - length;
    if (same(name, length, VALUE)) {
      if (fields & 1) sound = false;
      fields |= 1;
      if (bytes) { valueLength = readBytes(); valueAt = at - valueLength; }
      else sum = readInteger();
    } else if (bytes && same(name, length, EXISTS)) {
      const flag = unsigned(1);
      if (fields & 2 || (flag & 0xfe) != 0xc2) sound = false;
      fields |= 2;
      exists = flag == 0xc3;
    } else {
      skip(MAX_DEPTH);
    }
  }
  // Actors of 2020 leave NUL bytes behind a message.
  while (sound && at < end) sound = load<u8>(at++) == 0;
  if (!sound) fields = 0;
}

/** Moves past as many bytes, if there are so many. */
function pass(length: usize): bool {
  if (sound) sound = end - at >= length;
  if (sound) at += length;
  return sound;
}

function unsigned(width: usize): u64 {
  if (!pass(width)) return 0;
  const from = at - width;
  switch (<u32>width) {
    case 1: return load<u8>(from);
    case 2: return bswap<u16>(load<u16>(from));
    case 4: return bswap<u32>(load<u32>(from));
    default: return bswap<u64>(load<u64>(from));
  }
}

/** Moves past a text or bytes, and answers how long it was; it ends at `at`. */
function readBytes(): usize {
  const marker = <u32>unsigned(1);
  let length: usize = 0;
  if ((marker & 0xe0) == 0xa0) length = marker & 0x1f;
  else if (marker == 0xd9 || marker == 0xc4) length = <usize>unsigned(1);
  else if (marker == 0xda || marker == 0xc5) length = <usize>unsigned(2);
  else if (marker == 0xdb || marker == 0xc6) length = <usize>unsigned(4);
  else sound = false;
  return pass(length) ? length : 0;
}

function readInteger(): i64 {
  const marker = <u32>unsigned(1);
  if (marker < 0x80 || marker >= 0xe0) return <i64><i8>marker;
  switch (marker) {
    case 0xcc: return unsigned(1);
    case 0xcd: return unsigned(2);
    case 0xce: return unsigned(4);
    case 0xcf: {
      const value = <i64>unsigned(8);
      if (value < 0) sound = false;
      return value;
    }
    case 0xd0: return <i64><i8>unsigned(1);
    case 0xd1: return <i64><i16>unsigned(2);
    case 0xd2: return <i64><i32>unsigned(4);
    case 0xd3: return <i64>unsigned(8);
  }
  sound = false;
  return 0;
}

/** Moves past a value of any kind. Each value takes a byte at least, so that a false count ends with the bytes. */
function skip(depth: i32): void {
  if (depth < 0 || at == end) { sound = false; return; }
  const marker = <u32>load<u8>(at);
  if ((marker & 0xe0) == 0xa0 || (marker >= 0xc4 && marker <= 0xc6) || (marker >= 0xd9 && marker <= 0xdb)) {
    readBytes();
    return;
  }
  pass(1);
  let values: u64 = 0;
  if (marker < 0x80 || marker >= 0xe0 || marker == 0xc0 || marker == 0xc2 || marker == 0xc3) return;
  if (marker < 0x90) values = (marker & 0x0f) * 2;
  else if (marker < 0xa0) values = marker & 0x0f;
  else if (marker >= 0xdc) values = unsigned(marker & 1 ? 4 : 2) << (marker >= 0xde ? 1 : 0);
  else if (marker >= 0xd4) { pass((<usize>1 << (marker - 0xd4)) + 1); return; }
  else if (marker >= 0xcc) { pass(<usize>1 << (marker & 3)); return; }
  else if (marker == 0xca || marker == 0xcb) { pass(marker == 0xca ? 4 : 8); return; }
  // 0xc7 to 0xc9: an extension with its kind and its length.
  else if (marker != 0xc1) { const length = <usize>unsigned(1 << (marker - 0xc7)); if (pass(1)) pass(length); return; }
  else { sound = false; return; }
  for (; values && sound; values--) skip(depth - 1);
}
