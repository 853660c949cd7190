// Package parse takes requests and records apart.
package parse

import (
	"encoding/binary"
	"unicode/utf8"

	"pillion/guests/wapc"
)

const longestName = 128

// Key tells what is wrong with bytes as a key, which is text and not empty.
func Key(bytes []byte) error {
	switch {
	case len(bytes) == 0:
		return wapc.Error("bad request: the key is empty")
	case !utf8.Valid(bytes):
		return wapc.Error("bad request: the key is not UTF-8")
	}
	return nil
}

// Missing is the error of a key that was asked for and is not there.
func Missing(key []byte) error {
	return wapc.Error("key " + string(key) + " is not there; set it first")
}

// Number takes a number of 4 bytes and what follows it.
func Number(bytes []byte) (number uint32, rest []byte, err error) {
	if len(bytes) < 4 {
		return 0, nil, wapc.Error("bad request: the request is shorter than the 4 bytes of its number")
	}
	return binary.LittleEndian.Uint32(bytes), bytes[4:], nil
}

// IsName tells whether a name is letters, digits, '-', '_' and '.': safe in keys and in JSON.
func IsName(name []byte) bool {
	for _, b := range name {
		if letter := b | 0x20; (letter < 'a' || letter > 'z') && (b < '0' || b > '9') && b != '-' && b != '_' && b != '.' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= longestName
}
