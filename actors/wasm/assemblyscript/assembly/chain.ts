// `chain`: as many gets as the request says, one after another.
import { constant, isCalled, reply, request } from "./wapc";
import { Found, get, valueAt, valueLength } from "./keyvalue";
import { NOT_MINE, failMissing, hasNumber, isKey } from "./request";

const CHAIN = constant("chain");

export function chain(): i32 {
  if (!isCalled(CHAIN)) return NOT_MINE;
  const at = request.at;
  if (!hasNumber(request.length)) return 0;
  const key = at + 4;
  const length = request.length - 4;
  if (!isKey(key, length)) return 0;
  const calls = load<u32>(at);
  for (let i: u32 = 0; i < calls; i++) {
    const found = get(key, length);
    if (found == Found.Failed) return 0;
    if (found == Found.Missing) return failMissing(key, length);
  }
  return calls ? reply(valueAt, valueLength) : reply(at, 0);
}
