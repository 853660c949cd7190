// `counter`: an HTTP-shaped request, an atomic add, a JSON answer.
import { Buffer, constant, fail, isCalled, reply, request, same } from "./wapc";
import { writeDecimal } from "./decimal";
import { Head, methodAt, methodLength, readHead, targetAt, targetLength } from "./http";
import { add, sum } from "./keyvalue";
import { NOT_MINE, isName } from "./request";

const COUNTER = constant("counter");
const GET = constant("GET");
const POST = constant("POST");
const PATH = constant("/counter/");

const key = new Buffer();
const answer = new Buffer();

export function counter(): i32 {
  if (!isCalled(COUNTER)) return NOT_MINE;
  const head = readHead(request.at, request.length);
  if (head == Head.CutShort) return fail("bad request: the HTTP request is cut short");
  if (head == Head.Wrong) return fail("bad request: not HTTP/1.1");
  return count();
}

/** Counts one visit of `/counter/<name>`; a query string is ignored. */
function count(): i32 {
  if (!same(methodAt, methodLength, GET) && !same(methodAt, methodLength, POST)) {
    return fail("bad request: a counter takes POST or GET");
  }
  let end = targetAt;
  while (end < targetAt + targetLength && load<u8>(end) != 0x3f) end++;
  const name = targetAt + PATH.length;
  if (end < name || !same(targetAt, PATH.length, PATH) || !isName(name, end - name)) {
    return fail("bad request: the path is not /counter/<name> of letters, digits, '-', '_', '.'");
  }
  const length = end - name;
  key.reset(length + 8);
  key.text("counter:");
  key.bytes(name, length);
  if (!add(key.at, key.length, 1)) return 0;
  answer.reset(length + 64);
  answer.text('{"counter":"');
  answer.bytes(name, length);
  answer.text('","value":');
  writeDecimal(sum, answer);
  answer.byte(0x7d);
  return reply(answer.at, answer.length);
}
