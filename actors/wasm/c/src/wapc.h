// waPC for a guest, without a libc: the host's functions, the entry point, memory. Copy this file into an actor of your
// own, which is one file of C that says at its end what it serves.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *at;
    size_t length;
} bytes;

// A literal as bytes; it must not be written to.
#define TEXT(literal) ((bytes){(uint8_t *)(literal), sizeof(literal) - 1})

#define IMPORT(name) __attribute__((import_module("wapc"), import_name(#name))) name
void IMPORT(__guest_request)(uint8_t *operation, uint8_t *payload);
void IMPORT(__guest_response)(const uint8_t *reply, size_t length);
void IMPORT(__guest_error)(const uint8_t *text, size_t length);
int32_t IMPORT(__host_call)(const uint8_t *binding, size_t binding_length, const uint8_t *name_space,
                            size_t name_space_length, const uint8_t *operation, size_t operation_length,
                            const uint8_t *payload, size_t length);
size_t IMPORT(__host_response_len)(void);
void IMPORT(__host_response)(uint8_t *into);
size_t IMPORT(__host_error_len)(void);
void IMPORT(__host_error)(uint8_t *into);

// What the entry point returns to the host, which has the reply or the error's text by then. `REFUSED` is false, so
// that a check which fails the call may return it.
enum { REFUSED = 0, ANSWERED = 1 };

// `same(a, TEXT("b"))`: the length is a constant then, and compared first.
static inline bool same(bytes one, bytes other) {
    if (one.length != other.length) return false;
    for (size_t at = 0; at < other.length; at++)
        if (one.at[at] != other.at[at]) return false;
    return true;
}

// Memory is a stack from the end of the data. A call gives back all that it took, so what stays with the instance is
// what its largest call needed; a call within a call takes what lies above.
extern uint8_t __heap_base;
static uint8_t *top = &__heap_base;

// So many bytes, until the call is over or `top` is set back; null if there are none, and then the call has failed.
static uint8_t *take(size_t length) {
    enum { PAGE = 64 * 1024 };
    // One byte more at least: the host checks a pointer even where it writes nothing.
    uint64_t end = ((uintptr_t)top + (uint64_t)length + 16) & ~(uint64_t)15;
    size_t pages = (end + PAGE - 1) / PAGE, there = __builtin_wasm_memory_size(0);
    if (pages > there && __builtin_wasm_memory_grow(0, pages - there) == SIZE_MAX) {
        bytes text = TEXT("out of memory");
        __guest_error(text.at, text.length);
        return NULL;
    }
    uint8_t *start = top;
    top = (uint8_t *)(uintptr_t)end;
    return start;
}

// Parts in one piece; false if there is no memory for it.
static bool join_all(const bytes *parts, size_t count, bytes *joined) {
    size_t length = 0;
    for (size_t part = 0; part < count; part++) length += parts[part].length;
    uint8_t *at = take(length);
    *joined = (bytes){at, length};
    if (!at) return false;
    for (size_t part = 0; part < count; part++) {
        __builtin_memcpy(at, parts[part].at, parts[part].length);
        at += parts[part].length;
    }
    return true;
}
#define PARTS(...) (bytes[]){__VA_ARGS__}, sizeof((bytes[]){__VA_ARGS__}) / sizeof(bytes)
#define JOIN(joined, ...) join_all(PARTS(__VA_ARGS__), joined)

static inline int answer_with(bytes reply) {
    __guest_response(reply.at, reply.length);
    return ANSWERED;
}

static int refuse(bytes text) {
    __guest_error(text.at, text.length);
    return REFUSED;
}

static int refuse_all(const bytes *parts, size_t count) {
    bytes text;
    return join_all(parts, count, &text) ? refuse(text) : REFUSED;
}
// Fails the call with a text made of parts.
#define REFUSE(...) refuse_all(PARTS(__VA_ARGS__))

// Calls the host; the payload is not needed any more once this is back. False if that failed, and so has the call.
static bool host_call(bytes operation, bytes payload) {
    bytes binding = TEXT("default"), contract = TEXT("wascc:keyvalue");
    if (__host_call(binding.at, binding.length, contract.at, contract.length, operation.at, operation.length,
                    payload.at, payload.length))
        return true;
    bytes text = {.length = __host_error_len()};
    text.at = take(text.length);
    if (text.at) {
        __host_error(text.at);
        refuse(text);
    }
    return false;
}

// What the host answered to the last call.
static bool host_response(bytes *response) {
    response->length = __host_response_len();
    response->at = take(response->length);
    if (response->at) __host_response(response->at);
    return response->at;
}

// `SERVE(ANSWER("operation", function))` with as many operations as the module has. The functions take the request,
// which they may overwrite, and return what `answer_with`, `refuse` or `REFUSE` does.
#define ANSWER(name, function) if (same(operation, TEXT(name))) return function(request);
#define SERVE(...)                                                                     \
    static int answer(bytes operation, bytes request) {                                \
        __VA_ARGS__                                                                    \
        return refuse(TEXT("bad dispatch"));                                           \
    }                                                                                  \
    __attribute__((export_name("__guest_call")))                                       \
    int32_t __guest_call(size_t operation_length, size_t length) {                     \
        uint8_t *start = top;                                                          \
        bytes operation = {take(operation_length), operation_length};                  \
        bytes request = {operation.at ? take(length) : NULL, length};                  \
        int result = REFUSED;                                                          \
        if (request.at) {                                                              \
            __guest_request(operation.at, request.at);                                 \
            result = answer(operation, request);                                       \
        }                                                                              \
        top = start;                                                                   \
        return result;                                                                 \
    }
