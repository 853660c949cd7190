/** Whether bytes that lie in a buffer are UTF-8. */
export function isUtf8(at: usize, length: usize): bool {
  const end = at + length;
  while (at < end) {
    // Most texts are ASCII. What a buffer has behind the text is shifted away.
    const there = end - at;
    const eight = there < 8 ? load<u64>(at) << (64 - 8 * <u64>there) : load<u64>(at);
    if ((eight & 0x8080808080808080) == 0) {
      if (there <= 8) return true;
      at += 8;
      continue;
    }
    const first = <u32>load<u8>(at++);
    if (first < 0x80) continue;
    // How many bytes follow, and the range of the first of these: that leaves out overlong forms, surrogates and what
    // is beyond U+10FFFF.
    let more: usize = 1;
    let low: u32 = 0x80;
    let high: u32 = 0xbf;
    if (first < 0xc2 || first > 0xf4) return false;
    if (first >= 0xf0) {
      more = 3;
      if (first == 0xf0) low = 0x90;
      if (first == 0xf4) high = 0x8f;
    } else if (first >= 0xe0) {
      more = 2;
      if (first == 0xe0) low = 0xa0;
      if (first == 0xed) high = 0x9f;
    }
    if (end - at < more) return false;
    const second = <u32>load<u8>(at);
    if (second < low || second > high) return false;
    for (let i: usize = 1; i < more; i++) if ((load<u8>(at + i) & 0xc0) != 0x80) return false;
    at += more;
  }
  return true;
}
