// `echo`: the request as it came.
import { constant, isCalled, reply, request } from "./wapc";
import { NOT_MINE } from "./request";

const ECHO = constant("echo");

export function echo(): i32 {
  return isCalled(ECHO) ? reply(request.at, request.length) : NOT_MINE;
}
