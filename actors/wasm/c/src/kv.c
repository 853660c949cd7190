// `kv.get` and `kv.set`: one host call each.
#include "faults.h"
#include "keyvalue.h"
#include "request.h"
#include "wapc.h"

static int kv_get(bytes key) {
    bytes value;
    if (!is_key(key)) return REFUSED;
    switch (keyvalue_get(key, &value)) {
    case FAILED: return REFUSED;
    case ABSENT: return refuse_missing(key);
    case FOUND: return answer_with(value);
    }
}

// The key's length (`u16`, little-endian), the key, the value.
static int kv_set(bytes request) {
    size_t length = request.length < 2 ? SIZE_MAX : request.at[0] | (size_t)request.at[1] << 8;
    if (request.length < 2 || request.length - 2 < length) return BAD("the request is shorter than its key");
    bytes key = {request.at + 2, length};
    bytes value = {key.at + length, request.length - 2 - length};
    if (!is_key(key) || !keyvalue_set(key, value)) return REFUSED;
    return answer_with((bytes){request.at, 0});
}

#define KV ANSWER("kv.get", kv_get) ANSWER("kv.set", kv_set)

#ifndef ALL
SERVE(KV FAULTS)
#endif
