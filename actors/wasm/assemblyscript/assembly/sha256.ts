// SHA-256. Between its blocks the digest is eight numbers of 32 bits; `finish` makes bytes of them.

const FIRST = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
/** The block as numbers. */
const W = memory.data(64);
/** The last bytes of a message, and what is behind them. */
const TAIL = memory.data(128);

export const digest = memory.data(32);

/** Hashes bytes. */
export function hash(at: usize, length: usize): void {
  memory.copy(digest, FIRST, 32);
  const whole = length & ~63;
  blocks(at, whole);
  const rest = length - whole;
  memory.fill(TAIL, 0, 128);
  memory.copy(TAIL, at + whole, rest);
  store<u8>(TAIL + rest, 0x80);
  const tail: usize = rest < 56 ? 64 : 128;
  store<u64>(TAIL + tail - 8, bswap<u64>(<u64>length * 8));
  blocks(TAIL, tail);
}

/** Hashes the digest: one block, whose numbers are those of the digest. */
export function hashDigest(): void {
  for (let i: usize = 0; i < 32; i += 8) store<u64>(W + i, load<u64>(digest + i));
  store<u64>(W, 0x80000000, 32);
  store<u64>(W, 0, 40);
  store<u64>(W, 0, 48);
  store<u64>(W, <u64>256 << 32, 56);
  memory.copy(digest, FIRST, 32);
  block();
}

/** Makes bytes of the digest's numbers. */
export function finish(): void {
  for (let i: usize = 0; i < 32; i += 4) store<u32>(digest + i, bswap<u32>(load<u32>(digest + i)));
}

function blocks(at: usize, length: usize): void {
  for (const end = at + length; at < end; at += 64) {
    for (let i: usize = 0; i < 64; i += 4) store<u32>(W + i, bswap<u32>(load<u32>(at + i)));
    block();
  }
}

@inline function sum0(x: u32): u32 { return rotr<u32>(x, 2) ^ rotr<u32>(x, 13) ^ rotr<u32>(x, 22); }
@inline function sum1(x: u32): u32 { return rotr<u32>(x, 6) ^ rotr<u32>(x, 11) ^ rotr<u32>(x, 25); }
@inline function sigma0(x: u32): u32 { return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >>> 3); }
@inline function sigma1(x: u32): u32 { return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >>> 10); }
@inline function choose(x: u32, y: u32, z: u32): u32 { return ((y ^ z) & x) ^ z; }
@inline function majority(x: u32, y: u32, z: u32): u32 { return (x & y) | (z & (x | y)); }
@inline function key(i: usize, place: usize): u32 { return load<u32>(K + i + place); }

/** Mixes the block in `W` into the digest. */
function block(): void {
  let w0 = load<u32>(W, 0), w1 = load<u32>(W, 4), w2 = load<u32>(W, 8), w3 = load<u32>(W, 12);
  let w4 = load<u32>(W, 16), w5 = load<u32>(W, 20), w6 = load<u32>(W, 24), w7 = load<u32>(W, 28);
  let w8 = load<u32>(W, 32), w9 = load<u32>(W, 36), w10 = load<u32>(W, 40), w11 = load<u32>(W, 44);
  let w12 = load<u32>(W, 48), w13 = load<u32>(W, 52), w14 = load<u32>(W, 56), w15 = load<u32>(W, 60);
  let a = load<u32>(digest), b = load<u32>(digest, 4), c = load<u32>(digest, 8), d = load<u32>(digest, 12);
  let e = load<u32>(digest, 16), f = load<u32>(digest, 20), g = load<u32>(digest, 24), h = load<u32>(digest, 28);
  // Sixteen rounds at a time: then each number is back in its own variable, and none is moved.
  for (let i: usize = 0; ; i += 64) {
    h += sum1(e) + choose(e, f, g) + key(i, 0) + w0; d += h; h += sum0(a) + majority(a, b, c);
    g += sum1(d) + choose(d, e, f) + key(i, 4) + w1; c += g; g += sum0(h) + majority(h, a, b);
    f += sum1(c) + choose(c, d, e) + key(i, 8) + w2; b += f; f += sum0(g) + majority(g, h, a);
    e += sum1(b) + choose(b, c, d) + key(i, 12) + w3; a += e; e += sum0(f) + majority(f, g, h);
    d += sum1(a) + choose(a, b, c) + key(i, 16) + w4; h += d; d += sum0(e) + majority(e, f, g);
    c += sum1(h) + choose(h, a, b) + key(i, 20) + w5; g += c; c += sum0(d) + majority(d, e, f);
    b += sum1(g) + choose(g, h, a) + key(i, 24) + w6; f += b; b += sum0(c) + majority(c, d, e);
    a += sum1(f) + choose(f, g, h) + key(i, 28) + w7; e += a; a += sum0(b) + majority(b, c, d);
    h += sum1(e) + choose(e, f, g) + key(i, 32) + w8; d += h; h += sum0(a) + majority(a, b, c);
    g += sum1(d) + choose(d, e, f) + key(i, 36) + w9; c += g; g += sum0(h) + majority(h, a, b);
    f += sum1(c) + choose(c, d, e) + key(i, 40) + w10; b += f; f += sum0(g) + majority(g, h, a);
    e += sum1(b) + choose(b, c, d) + key(i, 44) + w11; a += e; e += sum0(f) + majority(f, g, h);
    d += sum1(a) + choose(a, b, c) + key(i, 48) + w12; h += d; d += sum0(e) + majority(e, f, g);
    c += sum1(h) + choose(h, a, b) + key(i, 52) + w13; g += c; c += sum0(d) + majority(d, e, f);
    b += sum1(g) + choose(g, h, a) + key(i, 56) + w14; f += b; b += sum0(c) + majority(c, d, e);
    a += sum1(f) + choose(f, g, h) + key(i, 60) + w15; e += a; a += sum0(b) + majority(b, c, d);
    if (i == 192) break;
    w0 += sigma0(w1) + w9 + sigma1(w14);
    w1 += sigma0(w2) + w10 + sigma1(w15);
    w2 += sigma0(w3) + w11 + sigma1(w0);
    w3 += sigma0(w4) + w12 + sigma1(w1);
    w4 += sigma0(w5) + w13 + sigma1(w2);
    w5 += sigma0(w6) + w14 + sigma1(w3);
    w6 += sigma0(w7) + w15 + sigma1(w4);
    w7 += sigma0(w8) + w0 + sigma1(w5);
    w8 += sigma0(w9) + w1 + sigma1(w6);
    w9 += sigma0(w10) + w2 + sigma1(w7);
    w10 += sigma0(w11) + w3 + sigma1(w8);
    w11 += sigma0(w12) + w4 + sigma1(w9);
    w12 += sigma0(w13) + w5 + sigma1(w10);
    w13 += sigma0(w14) + w6 + sigma1(w11);
    w14 += sigma0(w15) + w7 + sigma1(w12);
    w15 += sigma0(w0) + w8 + sigma1(w13);
  }
  store<u32>(digest, load<u32>(digest) + a);
  store<u32>(digest, load<u32>(digest, 4) + b, 4);
  store<u32>(digest, load<u32>(digest, 8) + c, 8);
  store<u32>(digest, load<u32>(digest, 12) + d, 12);
  store<u32>(digest, load<u32>(digest, 16) + e, 16);
  store<u32>(digest, load<u32>(digest, 20) + f, 20);
  store<u32>(digest, load<u32>(digest, 24) + g, 24);
  store<u32>(digest, load<u32>(digest, 28) + h, 28);
}
