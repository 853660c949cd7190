import { Buffer } from "./wapc";

/** Appends a number in digits, for which the buffer has room for 20 bytes. */
export function writeDecimal(value: i64, out: Buffer): void {
  let rest = <u64>value;
  if (value < 0) {
    out.byte(0x2d);
    rest = 0 - rest;
  }
  let power: u64 = 1;
  while (rest / power >= 10) power *= 10;
  for (; power; power /= 10) out.byte(0x30 + <u32>(rest / power % 10));
}
