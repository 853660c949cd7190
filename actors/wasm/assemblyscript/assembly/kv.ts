// `kv.get` and `kv.set`: one host call each.
import { constant, fail, isCalled, reply, request } from "./wapc";
import { Found, get, set, valueAt, valueLength } from "./keyvalue";
import { NOT_MINE, failMissing, isKey } from "./request";

const GET = constant("kv.get");
const SET = constant("kv.set");

export function kv(): i32 {
  if (isCalled(GET)) return getValue(request.at, request.length);
  if (isCalled(SET)) return setValue(request.at, request.length);
  return NOT_MINE;
}

function getValue(key: usize, length: usize): i32 {
  if (!isKey(key, length)) return 0;
  const found = get(key, length);
  if (found == Found.Failed) return 0;
  return found == Found.There ? reply(valueAt, valueLength) : failMissing(key, length);
}

/** The request is the key's length in 2 bytes, the key and the value. */
function setValue(at: usize, length: usize): i32 {
  const keyLength: usize = length < 2 ? 0 : load<u16>(at);
  if (length < 2 + keyLength) return fail("bad request: the request is shorter than its key");
  const key = at + 2;
  if (!isKey(key, keyLength)) return 0;
  const value = key + keyLength;
  return set(key, keyLength, value, at + length - value) ? reply(at, 0) : 0;
}
