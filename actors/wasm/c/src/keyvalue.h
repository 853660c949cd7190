// The messages `Get`, `Set` and `Add` of `wascc:keyvalue`, and as much of MessagePack as they need.
#pragma once

#include "request.h"
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

enum found { FAILED, ABSENT, FOUND };

#define MALFORMED(operation) refuse(TEXT("the host's answer to " operation " is malformed"))

static bool read_get(reader *from, bytes *value, bool *exists) {
    bool has_value = false, has_exists = false;
    uint32_t fields;
    if (!read_map(from, &fields)) return false;
    for (; fields > 0; fields--) {
        bytes name;
        if (!read_bytes(from, &name)) return false;
        if (same(name, TEXT("value"))) {
            if (has_value || !read_bytes(from, value)) return false;
            has_value = true;
        } else if (same(name, TEXT("exists"))) {
            if (has_exists || !read_boolean(from, exists)) return false;
            has_exists = true;
        } else if (!skip_value(from)) {
            return false;
        }
    }
    return has_value && has_exists && only_nul_follows(from);
}

static bool read_add(reader *from, int64_t *sum) {
    bool has_sum = false;
    uint32_t fields;
    if (!read_map(from, &fields)) return false;
    for (; fields > 0; fields--) {
        bytes name;
        if (!read_bytes(from, &name)) return false;
        if (same(name, TEXT("value"))) {
            if (has_sum || !read_integer(from, sum)) return false;
            has_sum = true;
        } else if (!skip_value(from)) {
            return false;
        }
    }
    return has_sum && only_nul_follows(from);
}

// The value of a key, where the host's answer has it: it is gone once `top` is set back.
static enum found keyvalue_get(bytes key, bytes *value) {
    uint8_t *message = take(key.length + MESSAGE_ROOM), *end = message;
    if (!message) return FAILED;
    end = write_raw(end, TEXT("\x81\xa3key"));
    end = write_text(end, key);
    if (!host_call(TEXT("Get"), (bytes){message, end - message})) return FAILED;
    top = message;
    bytes response;
    bool exists;
    if (!host_response(&response)) return FAILED;
    reader from = {response.at, response.at + response.length};
    if (!read_get(&from, value, &exists)) {
        MALFORMED("Get");
        return FAILED;
    }
    return exists ? FOUND : ABSENT;
}

// Nothing reads what the host answers to `Set`, so it is not fetched: it would be the value again.
static bool keyvalue_set(bytes key, bytes value) {
    uint8_t *message = take(key.length + value.length + MESSAGE_ROOM), *end = message;
    if (!message) return false;
    end = write_raw(end, TEXT("\x83\xa3key"));
    end = write_text(end, key);
    end = write_raw(end, TEXT("\xa5value"));
    end = is_text(value) ? write_text(end, value) : write_binary(end, value);
    end = write_raw(end, TEXT("\xa7" "expires\0"));
    bool ok = host_call(TEXT("Set"), (bytes){message, end - message});
    top = message;
    return ok;
}

// Adds atomically; `sum` is what comes out.
static bool keyvalue_add(bytes key, int32_t delta, int64_t *sum) {
    uint8_t *message = take(key.length + MESSAGE_ROOM), *end = message;
    if (!message) return false;
    end = write_raw(end, TEXT("\x82\xa3key"));
    end = write_text(end, key);
    end = write_raw(end, TEXT("\xa5value"));
    end = write_integer(end, delta);
    bytes response;
    if (!host_call(TEXT("Add"), (bytes){message, end - message}) || !host_response(&response)) return false;
    reader from = {response.at, response.at + response.length};
    bool ok = read_add(&from, sum) || MALFORMED("Add");
    top = message;
    return ok;
}
