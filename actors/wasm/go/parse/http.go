package parse

import (
	"unicode/utf8"

	"pillion/guests/wapc"
)

const (
	errCutShort = wapc.Error("bad request: the HTTP request is cut short")
	errNotHTTP  = wapc.Error("bad request: not HTTP/1.1")
)

// More headers than this are refused.
const mostHeaders = 32

type head struct {
	rest []byte
}

// HTTP takes the method and the target from the head of a request, which must be complete and well formed. A body may
// follow.
func HTTP(request []byte) (method, target []byte, err error) {
	h := head{request}
	// Empty lines in front are allowed.
	for len(h.rest) > 0 && (h.rest[0] == '\r' || h.rest[0] == '\n') {
		if err := h.lineEnd(); err != nil {
			return nil, nil, err
		}
	}
	method, err = h.word(isToken, ' ')
	if err != nil {
		return nil, nil, err
	}
	target, err = h.word(isTarget, ' ')
	if err != nil {
		return nil, nil, err
	}
	if !utf8.Valid(target) {
		return nil, nil, errNotHTTP
	}
	if err := h.version(); err != nil {
		return nil, nil, err
	}
	return method, target, h.headers()
}

// word reads bytes of a kind, one at least, and the byte behind them.
func (h *head) word(is func(byte) bool, behind byte) ([]byte, error) {
	length := 0
	for length < len(h.rest) && is(h.rest[length]) {
		length++
	}
	if length == len(h.rest) {
		return nil, errCutShort
	}
	if length == 0 || h.rest[length] != behind {
		return nil, errNotHTTP
	}
	word := h.rest[:length]
	h.rest = h.rest[length+1:]
	return word, nil
}

func (h *head) version() error {
	const prefix = "HTTP/1."
	there := min(len(h.rest), len(prefix))
	if string(h.rest[:there]) != prefix[:there] {
		return errNotHTTP
	}
	if len(h.rest) <= len(prefix) {
		return errCutShort
	}
	if minor := h.rest[len(prefix)]; minor != '0' && minor != '1' {
		return errNotHTTP
	}
	h.rest = h.rest[len(prefix)+1:]
	return h.lineEnd()
}

func (h *head) headers() error {
	for count := 0; ; count++ {
		if len(h.rest) == 0 {
			return errCutShort
		}
		if h.rest[0] == '\r' || h.rest[0] == '\n' {
			return h.lineEnd()
		}
		if _, err := h.word(isToken, ':'); err != nil {
			return err
		}
		for len(h.rest) > 0 && isValue(h.rest[0]) {
			h.rest = h.rest[1:]
		}
		if err := h.lineEnd(); err != nil {
			return err
		}
		if count == mostHeaders {
			return errNotHTTP
		}
	}
}

// lineEnd reads LF, or CR and LF.
func (h *head) lineEnd() error {
	if len(h.rest) > 0 && h.rest[0] == '\r' {
		h.rest = h.rest[1:]
	}
	if len(h.rest) == 0 {
		return errCutShort
	}
	if h.rest[0] != '\n' {
		return errNotHTTP
	}
	h.rest = h.rest[1:]
	return nil
}

func isTarget(b byte) bool { return b > ' ' && b != 0x7f }

func isValue(b byte) bool { return b >= ' ' && b != 0x7f || b == '\t' }

func isToken(b byte) bool {
	switch b {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	letter := b | 0x20
	return letter >= 'a' && letter <= 'z' || b >= '0' && b <= '9'
}
