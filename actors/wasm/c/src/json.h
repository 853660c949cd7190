// JSON as the apps need it: strict, without a tree, without recursion.
#pragma once

#include "request.h"
#include "wapc.h"

// A field of an object, and where its content goes: to one of the two.
typedef struct {
    bytes name;
    bytes *text;
    uint64_t *number;
} field;

enum unknown { REFUSE_UNKNOWN, SKIP_UNKNOWN };

typedef struct {
    uint8_t *at, *end;
} parser;

// The next byte that is not white space, or -1.
static int peek(parser *from) {
    for (; from->at < from->end; from->at++) {
        uint8_t byte = *from->at;
        if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') return byte;
    }
    return -1;
}

static bool expect(parser *from, uint8_t byte) {
    if (peek(from) != byte) return false;
    from->at++;
    return true;
}

// Any byte, or -1.
static inline int next(parser *from) {
    return from->at < from->end ? *from->at++ : -1;
}

static int hex_digit(int byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    int letter = byte | 0x20;
    return byte > 0 && letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static bool hex(parser *from, uint32_t *unit) {
    *unit = 0;
    for (int count = 0; count < 4; count++) {
        int digit = hex_digit(next(from));
        if (digit < 0) return false;
        *unit = *unit << 4 | digit;
    }
    return true;
}

// Behind `\u`: writes the character in UTF-8. Half a pair of surrogates is none.
static bool character(parser *from, uint8_t **end) {
    uint32_t code, low;
    uint8_t *to = *end;
    if (!hex(from, &code) || (code & 0xfc00) == 0xdc00) return false;
    if ((code & 0xfc00) == 0xd800) {
        if (next(from) != '\\' || next(from) != 'u' || !hex(from, &low) || (low & 0xfc00) != 0xdc00) return false;
        code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    }
    if (code < 0x80) {
        *to++ = code;
    } else {
        if (code < 0x800) {
            *to++ = 0xc0 | code >> 6;
        } else {
            if (code < 0x10000) {
                *to++ = 0xe0 | code >> 12;
            } else {
                *to++ = 0xf0 | code >> 18;
                *to++ = 0x80 | (code >> 12 & 0x3f);
            }
            *to++ = 0x80 | (code >> 6 & 0x3f);
        }
        *to++ = 0x80 | (code & 0x3f);
    }
    *end = to;
    return true;
}

// What the letter of an escape stands for, `u` apart, or 0.
static uint8_t escaped(int letter) {
    switch (letter) {
    case '"': case '\\': case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

// A text, unescaped where it lies: that never takes more room than what it replaces.
static bool text(parser *from, bytes *content) {
    if (!expect(from, '"')) return false;
    uint8_t *start = from->at, *end = start;
    for (int byte; (byte = next(from)) != '"';) {
        if (byte < 0x20) return false;
        if (byte == '\\') {
            int letter = next(from);
            if (letter == 'u') {
                if (!character(from, &end)) return false;
                continue;
            }
            byte = escaped(letter);
            if (!byte) return false;
        }
        *end++ = byte;
    }
    *content = (bytes){start, end - start};
    return is_text(*content);
}

static inline bool is_digit(int byte) {
    return byte >= '0' && byte <= '9';
}

// An integer without sign, fraction or exponent.
static bool number(parser *from, uint64_t *value) {
    int first = peek(from);
    uint8_t *start = from->at;
    *value = 0;
    for (; from->at < from->end && is_digit(*from->at); from->at++) {
        uint8_t digit = *from->at - '0';
        if (*value > (UINT64_MAX - digit) / 10) return false;
        *value = *value * 10 + digit;
    }
    return from->at > start && (first != '0' || from->at == start + 1);
}

static bool skip_text(parser *from) {
    uint32_t unit;
    if (!expect(from, '"')) return false;
    for (int byte; (byte = next(from)) != '"';) {
        if (byte < 0x20) return false;
        if (byte == '\\') {
            int letter = next(from);
            if (letter == 'u' ? !hex(from, &unit) : !escaped(letter)) return false;
        }
    }
    return true;
}

static bool skip_word(parser *from, bytes word) {
    for (size_t at = 0; at < word.length; at++)
        if (next(from) != word.at[at]) return false;
    return true;
}

// Passes over one byte if it is this or that.
static bool strip(parser *from, uint8_t this, uint8_t that) {
    bool there = from->at < from->end && (*from->at == this || *from->at == that);
    from->at += there;
    return there;
}

static bool skip_digits(parser *from) {
    uint8_t *start = from->at;
    while (from->at < from->end && is_digit(*from->at)) from->at++;
    return from->at > start;
}

static bool skip_number(parser *from) {
    strip(from, '-', '-');
    if (!strip(from, '0', '0') && !skip_digits(from)) return false;
    if (strip(from, '.', '.') && !skip_digits(from)) return false;
    if (!strip(from, 'e', 'E')) return true;
    strip(from, '+', '-');
    return skip_digits(from);
}

static bool skip_scalar(parser *from) {
    switch (peek(from)) {
    case '"': return skip_text(from);
    case 't': return skip_word(from, TEXT("true"));
    case 'f': return skip_word(from, TEXT("false"));
    case 'n': return skip_word(from, TEXT("null"));
    default: return skip_number(from);
    }
}

// Passes over a value of any kind. Nesting is on a stack of its own: a record must not overflow the guest's.
static bool skip(parser *from) {
    // Each level takes a byte at least.
    uint8_t *closers = take(from->end - from->at);
    if (!closers) return false;
    size_t depth = 0;
    do {
        int byte = peek(from);
        bool is_open = byte == '{' || byte == '[';
        if (is_open) {
            from->at++;
            uint8_t closer = byte + 2;
            if (expect(from, closer)) {
                is_open = false;
            } else {
                closers[depth++] = closer;
                if (closer == '}' && !(skip_text(from) && expect(from, ':'))) return false;
            }
        } else if (!skip_scalar(from)) {
            return false;
        }
        // Behind a value: the ends of what it is the last of, then the next one.
        while (!is_open && depth > 0 && !expect(from, ',')) {
            if (!expect(from, closers[depth - 1])) return false;
            depth--;
        }
        if (!is_open && depth > 0 && closers[depth - 1] == '}' && !(skip_text(from) && expect(from, ':'))) return false;
    } while (depth > 0);
    top = closers;
    return true;
}

// Reads an object that has each of the fields once, and nothing after it.
static bool object(bytes json, const field *fields, size_t count, enum unknown unknown) {
    parser from = {json.at, json.at + json.length};
    uint32_t seen = 0;
    if (!expect(&from, '{')) return false;
    if (peek(&from) != '}') {
        do {
            bytes name;
            size_t index = 0;
            if (!text(&from, &name) || !expect(&from, ':')) return false;
            while (index < count && !same(name, fields[index].name)) index++;
            if (index == count) {
                if (unknown == REFUSE_UNKNOWN || !skip(&from)) return false;
                continue;
            }
            if (seen & 1u << index) return false;
            seen |= 1u << index;
            if (fields[index].text ? !text(&from, fields[index].text) : !number(&from, fields[index].number))
                return false;
        } while (expect(&from, ','));
    }
    return expect(&from, '}') && peek(&from) < 0 && seen == (1u << count) - 1;
}
