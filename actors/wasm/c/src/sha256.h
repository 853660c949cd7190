// SHA-256, as FIPS 180-4 has it.
#pragma once

#include "wapc.h"

static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotated(uint32_t word, int right) {
    return word >> right | word << (32 - right);
}

static inline uint32_t big_endian(const uint8_t *at) {
    uint32_t word;
    __builtin_memcpy(&word, at, 4);
    return __builtin_bswap32(word);
}

// One round: what the variables hold moves on by one place, and `a` and `e` are new. Unrolled, nothing is moved.
#define SHA256_ROUND(constant, word)                                                                              \
    do {                                                                                                          \
        uint32_t first = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + (g ^ (e & (f ^ g))) + (constant) + \
                         (word);                                                                                  \
        uint32_t second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) | (c & (a | b)));          \
        h = g, g = f, f = e, e = d + first;                                                                       \
        d = c, c = b, b = a, a = first + second;                                                                  \
    } while (0)

static void sha256_block(uint32_t state[8], const uint8_t *block) {
    // The message schedule needs no more than its last 16 words.
    uint32_t words[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    // All 64 rounds in a row would be 4 % faster and twice the code.
#pragma clang loop unroll(full)
    for (int at = 0; at < 16; at++) {
        words[at] = big_endian(block + 4 * at);
        SHA256_ROUND(sha256_constants[at], words[at]);
    }
    for (int group = 16; group < 64; group += 16) {
#pragma clang loop unroll(full)
        for (int at = 0; at < 16; at++) {
            uint32_t near = words[(at + 14) & 15], far = words[(at + 1) & 15];
            words[at] += words[(at + 9) & 15] + (rotated(near, 17) ^ rotated(near, 19) ^ near >> 10) +
                         (rotated(far, 7) ^ rotated(far, 18) ^ far >> 3);
            SHA256_ROUND(sha256_constants[group + at], words[at]);
        }
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

// `digest` may lie where the message does.
static void sha256(bytes message, uint8_t digest[32]) {
    uint32_t state[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    size_t at = 0;
    for (; message.length - at >= 64; at += 64) sha256_block(state, message.at + at);
    // What is left, one bit, zeros, the length in bits: one block or two.
    uint8_t last[128] = {0};
    size_t left = message.length - at, padded = left < 56 ? 64 : 128;
    for (size_t byte = 0; byte < left; byte++) last[byte] = message.at[at + byte];
    last[left] = 0x80;
    uint64_t bits = __builtin_bswap64((uint64_t)message.length * 8);
    __builtin_memcpy(last + padded - 8, &bits, 8);
    for (size_t block = 0; block < padded; block += 64) sha256_block(state, last + block);
    for (int word = 0; word < 8; word++) {
        uint32_t bytes_of_word = __builtin_bswap32(state[word]);
        __builtin_memcpy(digest + 4 * word, &bytes_of_word, 4);
    }
}
