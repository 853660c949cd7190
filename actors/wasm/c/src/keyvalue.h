// The messages `Get`, `Set` and `Add` of `wascc:keyvalue` in MessagePack.
#pragma once

#include "msgpack.h"
#include "request.h"
#include "wapc.h"

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
