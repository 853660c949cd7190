// The head of an HTTP/1.x request: its request line and its headers, complete and well formed.
import { isUtf8 } from "./utf8";

export const enum Head { Complete, CutShort, Wrong }

/** More headers than this are refused. */
const MOST_HEADERS = 32;

export let methodAt: usize = 0;
export let methodLength: usize = 0;
export let targetAt: usize = 0;
export let targetLength: usize = 0;

let at: usize = 0;
let end: usize = 0;

/** Reads a head, behind which a body may follow. */
export function readHead(from: usize, length: usize): Head {
  at = from;
  end = from + length;
  // Empty lines in front are allowed.
  while (at < end && (load<u8>(at) == 0x0d || load<u8>(at) == 0x0a)) {
    const line = readLineEnd();
    if (line != Head.Complete) return line;
  }
  methodAt = at;
  while (at < end && isToken(load<u8>(at))) at++;
  methodLength = at - methodAt;
  if (at == end) return Head.CutShort;
  if (methodLength == 0 || load<u8>(at++) != 0x20) return Head.Wrong;
  targetAt = at;
  while (at < end && load<u8>(at) > 0x20 && load<u8>(at) != 0x7f) at++;
  targetLength = at - targetAt;
  if (at == end) return Head.CutShort;
  if (targetLength == 0 || load<u8>(at++) != 0x20 || !isUtf8(targetAt, targetLength)) return Head.Wrong;
  return readRest();
}

/** The version and the headers. */
function readRest(): Head {
  // "HTTP/1." in the order of bytes in memory, as far as there are bytes.
  const there = min<usize>(end - at, 7);
  if (there && (load<u64>(at) ^ 0x2e312f50545448) << (64 - 8 * <u64>there)) return Head.Wrong;
  if (end - at < 8) return Head.CutShort;
  if (load<u8>(at, 7) != 0x30 && load<u8>(at, 7) != 0x31) return Head.Wrong;
  at += 8;
  let line = readLineEnd();
  for (let headers = 0; line == Head.Complete; headers++) {
    if (at == end) return Head.CutShort;
    const first = load<u8>(at);
    if (first == 0x0d || first == 0x0a) return readLineEnd();
    line = readHeader();
    if (line == Head.Complete && headers == MOST_HEADERS) return Head.Wrong;
  }
  return line;
}

function readHeader(): Head {
  const name = at;
  while (at < end && isToken(load<u8>(at))) at++;
  if (at == end && at > name) return Head.CutShort;
  if (at == name || load<u8>(at++) != 0x3a) return Head.Wrong;
  while (at < end && isValue(load<u8>(at))) at++;
  return readLineEnd();
}

/** LF, or CR and LF. */
function readLineEnd(): Head {
  if (at < end && load<u8>(at) == 0x0d) at++;
  if (at == end) return Head.CutShort;
  return load<u8>(at++) == 0x0a ? Head.Complete : Head.Wrong;
}

function isValue(byte: u32): bool {
  return byte >= 0x20 ? byte != 0x7f : byte == 0x09;
}

/** Letters, digits and !#$%&'*+-.^_`|~ */
function isToken(byte: u32): bool {
  if ((byte | 0x20) - 0x61 < 26) return true;
  if (byte < 0x20 || byte > 0x7f) return false;
  // A bit for each of 0x20 to 0x3f, and for each of 0x60 to 0x7f with what is 0x20 below.
  if (byte < 0x40) return (0x03ff6cfa >>> (byte - 0x20) & 1) != 0;
  return byte == 0x5e || byte == 0x5f || byte == 0x60 || byte == 0x7c || byte == 0x7e;
}
