// `compute`: hashing without a host call.
import { constant, isCalled, reply, request } from "./wapc";
import { NOT_MINE, hasNumber } from "./request";
import { digest, finish, hash, hashDigest } from "./sha256";

const COMPUTE = constant("compute");

export function compute(): i32 {
  if (!isCalled(COMPUTE)) return NOT_MINE;
  if (!hasNumber(request.length)) return 0;
  hash(request.at + 4, request.length - 4);
  for (let rounds = load<u32>(request.at); rounds; rounds--) hashDigest();
  finish();
  return reply(digest, 32);
}
