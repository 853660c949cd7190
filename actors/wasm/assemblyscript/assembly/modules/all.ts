import { chain } from "../chain";
import { compute } from "../compute";
import { counter } from "../counter";
import { echo } from "../echo";
import { faultsOrUnknown } from "../faults";
import { kv } from "../kv";
import { order } from "../order";
import { NOT_MINE } from "../request";
import { receive } from "../wapc";

export function __guest_call(operationLength: usize, length: usize): i32 {
  receive(operationLength, length);
  let status = echo();
  if (status == NOT_MINE) status = kv();
  if (status == NOT_MINE) status = chain();
  if (status == NOT_MINE) status = counter();
  if (status == NOT_MINE) status = compute();
  if (status == NOT_MINE) status = order();
  return status == NOT_MINE ? faultsOrUnknown() : status;
}
