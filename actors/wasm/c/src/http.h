// The head of an HTTP/1.x request.
#pragma once

#include "request.h"
#include "wapc.h"

enum { MOST_HEADERS = 32 };

enum parsed { PARSED, CUT_SHORT, NOT_HTTP };

typedef struct {
    uint8_t *at, *end;
} cursor;

#define TRY(step)                     \
    do {                              \
        enum parsed result = (step);  \
        if (result) return result;    \
    } while (0)

static inline bool is_token_byte(uint8_t byte) {
    switch (byte) {
    case '!': case '#': case '$': case '%': case '&': case '\'': case '*': case '+':
    case '-': case '.': case '^': case '_': case '`': case '|': case '~': return true;
    default: return is_alphanumeric(byte);
    }
}

static inline bool is_path_byte(uint8_t byte) {
    return byte > ' ' && byte != 0x7f;
}

static inline bool is_value_byte(uint8_t byte) {
    return (byte >= ' ' && byte != 0x7f) || byte == '\t';
}

static inline enum parsed expect_byte(cursor *from, uint8_t byte) {
    if (from->at == from->end) return CUT_SHORT;
    return *from->at++ == byte ? PARSED : NOT_HTTP;
}

static enum parsed line_end(cursor *from) {
    if (from->at < from->end && *from->at == '\r') from->at++;
    return expect_byte(from, '\n');
}

// All bytes of a kind.
static inline __attribute__((always_inline)) bytes run(cursor *from, bool (*is_of_kind)(uint8_t)) {
    uint8_t *start = from->at;
    while (from->at < from->end && is_of_kind(*from->at)) from->at++;
    return (bytes){start, from->at - start};
}

// At least one byte of a kind, and the byte that ends them.
static inline __attribute__((always_inline)) enum parsed token(cursor *from, bool (*is_of_kind)(uint8_t), uint8_t end,
                                                               bytes *found) {
    *found = run(from, is_of_kind);
    TRY(expect_byte(from, end));
    return found->length ? PARSED : NOT_HTTP;
}

static enum parsed version(cursor *from) {
    bytes major = TEXT("HTTP/1.");
    for (size_t at = 0; at < major.length; at++) TRY(expect_byte(from, major.at[at]));
    if (from->at == from->end) return CUT_SHORT;
    return (*from->at++ & 0xfe) == '0' ? PARSED : NOT_HTTP;
}

static inline bool at_line_end(const cursor *from) {
    return from->at < from->end && (*from->at == '\r' || *from->at == '\n');
}

// The request line, once the head is known to be well formed up to its empty line. Lines end with LF or CR LF, and
// empty ones may come first.
static enum parsed parse_head(bytes request, bytes *method, bytes *path) {
    cursor from = {request.at, request.at + request.length};
    while (at_line_end(&from)) TRY(line_end(&from));
    TRY(token(&from, is_token_byte, ' ', method));
    TRY(token(&from, is_path_byte, ' ', path));
    if (!is_text(*path)) return NOT_HTTP;
    TRY(version(&from));
    TRY(line_end(&from));
    for (int headers = 0; !at_line_end(&from); headers++) {
        bytes name;
        TRY(token(&from, is_token_byte, ':', &name));
        run(&from, is_value_byte);
        TRY(line_end(&from));
        if (headers == MOST_HEADERS) return NOT_HTTP;
    }
    return line_end(&from);
}
