import { chain } from "../chain";
import { faultsOrUnknown } from "../faults";
import { NOT_MINE } from "../request";
import { receive } from "../wapc";

export function __guest_call(operationLength: usize, length: usize): i32 {
  receive(operationLength, length);
  const status = chain();
  return status == NOT_MINE ? faultsOrUnknown() : status;
}
