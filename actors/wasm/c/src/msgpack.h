// As much of MessagePack as the messages need.
#pragma once

#include "wapc.h"

// What no message exceeds besides its key and its value.
enum { MESSAGE_ROOM = 40 };

static inline uint8_t *write_raw(uint8_t *at, bytes content) {
    __builtin_memcpy(at, content.at, content.length);
    return at + content.length;
}

// `marker` is that of a length of one byte; those of two and four bytes follow it.
static uint8_t *write_head(uint8_t *at, uint8_t marker, size_t length) {
    if (length > 0xffff) {
        *at++ = marker + 2;
        *at++ = length >> 24;
        *at++ = length >> 16;
        *at++ = length >> 8;
    } else if (length > 0xff) {
        *at++ = marker + 1;
        *at++ = length >> 8;
    } else {
        *at++ = marker;
    }
    *at++ = length;
    return at;
}

static uint8_t *write_text(uint8_t *at, bytes text) {
    if (text.length < 32) *at++ = 0xa0 | text.length;
    else at = write_head(at, 0xd9, text.length);
    return write_raw(at, text);
}

static uint8_t *write_binary(uint8_t *at, bytes binary) {
    return write_raw(write_head(at, 0xc4, binary.length), binary);
}

// Always as 32 bits.
static inline uint8_t *write_integer(uint8_t *at, int32_t number) {
    uint32_t big_endian = __builtin_bswap32(number);
    *at = 0xd2;
    __builtin_memcpy(at + 1, &big_endian, 4);
    return at + 5;
}

// What has not been read yet.
typedef struct {
    uint8_t *at, *end;
} reader;

// An unsigned number of so many bytes.
static bool read_number(reader *from, int size, uint64_t *number) {
    if (from->end - from->at < size) return false;
    *number = 0;
    while (size-- > 0) *number = *number << 8 | *from->at++;
    return true;
}

static bool read_boolean(reader *from, bool *value) {
    if (from->at == from->end || (*from->at & 0xfe) != 0xc2) return false;
    *value = *from->at++ & 1;
    return true;
}

// The head of a map: how many pairs follow.
static bool read_map(reader *from, uint32_t *pairs) {
    uint64_t number;
    if (!read_number(from, 1, &number)) return false;
    if (number >= 0x80 && number < 0x90) number &= 0x0f;
    else if ((number & 0xfe) != 0xde || !read_number(from, number == 0xde ? 2 : 4, &number)) return false;
    *pairs = number;
    return true;
}

// A str or a bin.
static bool read_bytes(reader *from, bytes *content) {
    uint64_t number;
    if (!read_number(from, 1, &number)) return false;
    if (number >= 0xa0 && number < 0xc0) {
        number &= 0x1f;
    } else {
        int width = number >= 0xc4 && number <= 0xc6   ? 1 << (number - 0xc4)
                    : number >= 0xd9 && number <= 0xdb ? 1 << (number - 0xd9)
                                                       : 0;
        if (!width || !read_number(from, width, &number)) return false;
    }
    if (number > (size_t)(from->end - from->at)) return false;
    *content = (bytes){from->at, number};
    from->at += number;
    return true;
}

static bool read_integer(reader *from, int64_t *value) {
    uint64_t marker, number;
    if (!read_number(from, 1, &marker)) return false;
    if (marker < 0x80 || marker >= 0xe0) {
        *value = (int8_t)marker;
        return true;
    }
    if (marker < 0xcc || marker > 0xd3) return false;
    int bits = 8 << (marker & 3);
    if (!read_number(from, bits / 8, &number)) return false;
    if (marker < 0xd0) {
        *value = number;
        return *value >= 0;
    }
    *value = (int64_t)(number << (64 - bits)) >> (64 - bits);
    return true;
}

// Passes over one value of any kind, however deep.
static bool skip_value(reader *from) {
    // From the marker 0xc0 on: the width of a length that comes first, times 32, and how many bytes follow besides.
    enum { W1 = 32, W2 = 64, W4 = 128 };
    static const uint8_t forms[32] = {
        0, 0, 0, 0, W1, W2, W4, W1 + 1, W2 + 1, W4 + 1, 4, 8,  1,  2,  4,  8,
        1, 2, 4, 8, 2,  3,  5,  9,      17,     W1,     W2, W4, W2, W4, W2, W4,
    };
    for (uint64_t values = 1; values > 0; values--) {
        // Each value takes a byte at least, so a false count ends here.
        if (values > (size_t)(from->end - from->at)) return false;
        uint8_t marker = *from->at++;
        uint64_t length = 0;
        if (marker < 0x80 || marker >= 0xe0) continue;
        if (marker < 0xa0) {
            values += (marker & 0x0f) * (marker < 0x90 ? 2 : 1);
        } else if (marker < 0xc0) {
            length = marker & 0x1f;
        } else {
            uint8_t form = forms[marker - 0xc0];
            if (marker == 0xc1 || !read_number(from, form >> 5, &length)) return false;
            if (marker >= 0xdc) values += length * (marker < 0xde ? 1 : 2), length = 0;
            length += form & 31;
        }
        if (length > (size_t)(from->end - from->at)) return false;
        from->at += length;
    }
    return true;
}

// Actors and hosts of 2020 let NUL bytes trail.
static bool only_nul_follows(const reader *from) {
    for (const uint8_t *at = from->at; at < from->end; at++)
        if (*at) return false;
    return true;
}
