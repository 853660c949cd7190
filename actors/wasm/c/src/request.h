// Taking requests apart.
#pragma once

#include "wapc.h"

#define BAD(reason) refuse(TEXT("bad request: " reason))

static inline uint32_t little_endian(const uint8_t *at) {
    uint32_t number;
    __builtin_memcpy(&number, at, 4);
    return number;
}

// Whether these bytes are UTF-8.
static bool is_text(bytes text) {
    const uint8_t *at = text.at, *end = at + text.length;
    while (at < end) {
        uint64_t eight;
        // Most text is ASCII, which eight bytes at a time show.
        if (end - at >= 8) {
            __builtin_memcpy(&eight, at, 8);
            if (!(eight & 0x8080808080808080)) {
                at += 8;
                continue;
            }
        }
        uint8_t first = *at;
        int length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
        if (!length || length > end - at) return false;
        if (length > 1) {
            // Neither a longer form than needed, nor a surrogate, nor beyond U+10FFFF.
            uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
            uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
            if (at[1] < low || at[1] > high) return false;
            for (int next = 2; next < length; next++)
                if ((at[next] & 0xc0) != 0x80) return false;
        }
        at += length;
    }
    return true;
}

// Whether bytes are a key, which is text and not empty; the call has failed if not.
static bool is_key(bytes key) {
    if (!key.length) return BAD("the key is empty");
    return is_text(key) || BAD("the key is not UTF-8");
}

static int refuse_missing(bytes key) {
    return REFUSE(TEXT("key "), key, TEXT(" is not there; set it first"));
}

static inline bool is_alphanumeric(uint8_t byte) {
    return (uint8_t)(byte - '0') < 10 || (uint8_t)((byte | 0x20) - 'a') < 26;
}

// Whether a name may become part of a key, and stand in JSON and in URLs without escaping.
static bool is_name(bytes name) {
    if (!name.length || name.length > 128) return false;
    for (size_t at = 0; at < name.length; at++) {
        uint8_t byte = name.at[at];
        if (!is_alphanumeric(byte) && byte != '-' && byte != '_' && byte != '.') return false;
    }
    return true;
}

// Takes the number (`u32`, little-endian) off a request; the call has failed if there is none.
static bool take_number(bytes *request, uint32_t *number) {
    if (request->length < 4) return BAD("the request is shorter than the 4 bytes of its number");
    *number = little_endian(request->at);
    request->at += 4;
    request->length -= 4;
    return true;
}
