// Package kv is kv.get and kv.set: one host call each.
package kv

import (
	"encoding/binary"

	"pillion/guests/keyvalue"
	"pillion/guests/parse"
	"pillion/guests/wapc"
)

func init() {
	wapc.Handle("kv.get", get)
	wapc.Handle("kv.set", set)
}

func get(key []byte) ([]byte, error) {
	if err := parse.Key(key); err != nil {
		return nil, err
	}
	value, exists, err := keyvalue.Get(key)
	if err == nil && !exists {
		err = parse.Missing(key)
	}
	return value, err
}

// set takes the key's length in 2 bytes, the key and the value.
func set(request []byte) ([]byte, error) {
	length := 0
	if len(request) >= 2 {
		length = int(binary.LittleEndian.Uint16(request))
	}
	if len(request) < 2+length {
		return nil, wapc.Error("bad request: the request is shorter than its key")
	}
	key, value := request[2:2+length], request[2+length:]
	if err := parse.Key(key); err != nil {
		return nil, err
	}
	return nil, keyvalue.Set(key, value)
}
