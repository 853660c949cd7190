// Every module's last word: operations that fail on purpose, and what it does not know.
import { constant, fail, isCalled } from "./wapc";

const TRAP = constant("fault.trap");
const LOOP = constant("fault.loop");

export function faultsOrUnknown(): i32 {
  if (isCalled(TRAP)) unreachable();
  if (isCalled(LOOP)) while (true) {}
  return fail("bad dispatch");
}
