import { kv } from "../kv";
import { faultsOrUnknown } from "../faults";
import { NOT_MINE } from "../request";
import { receive } from "../wapc";

export function __guest_call(operationLength: usize, length: usize): i32 {
  receive(operationLength, length);
  const status = kv();
  return status == NOT_MINE ? faultsOrUnknown() : status;
}
