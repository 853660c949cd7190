// Package keyvalue has Get, Set and Add of wascc:keyvalue, as host calls with MessagePack messages.
package keyvalue

import (
	"encoding/binary"
	"unicode/utf8"

	"pillion/guests/wapc"
)

const namespace = "wascc:keyvalue"

// More than all names, heads and numbers of a request.
const mostAround = 64

var message []byte

// Get reads a value, which is there until the next host call.
func Get(key []byte) (value []byte, exists bool, err error) {
	begin("\x81\xa3key", len(key))
	writeText(key)
	response, err := wapc.Call(namespace, "Get", message)
	if err != nil {
		return nil, false, err
	}
	if value, exists, ok := readUsual(response); ok {
		return value, exists, nil
	}
	found, ok := readFields(response, true)
	if !ok || !found.hasValue || !found.hasExists {
		return nil, false, wapc.Error("the host's answer to Get is malformed")
	}
	return found.value, found.exists, nil
}

// Set writes a value that never goes away.
func Set(key, value []byte) error {
	begin("\x83\xa3key", len(key)+len(value))
	writeText(key)
	message = append(message, "\xa5value"...)
	if utf8.Valid(value) {
		writeText(value)
	} else {
		writeHead(len(value), 0xc4)
		message = append(message, value...)
	}
	message = append(message, "\xa7expires\x00"...)
	_, err := wapc.Call(namespace, "Set", message)
	return err
}

// Add adds to a counter, and answers the sum.
func Add(key []byte, delta int32) (int64, error) {
	begin("\x82\xa3key", len(key))
	writeText(key)
	message = append(message, "\xa5value"...)
	writeInteger(delta)
	response, err := wapc.Call(namespace, "Add", message)
	if err != nil {
		return 0, err
	}
	found, ok := readFields(response, false)
	if !ok || !found.hasValue {
		return 0, wapc.Error("the host's answer to Add is malformed")
	}
	return found.sum, nil
}

func begin(prefix string, length int) {
	wapc.Reserve(&message, length+mostAround)
	message = append(message[:0], prefix...)
}

func writeText(text []byte) {
	if len(text) < 32 {
		message = append(message, 0xa0|byte(len(text)))
	} else {
		writeHead(len(text), 0xd9)
	}
	message = append(message, text...)
}

// writeHead writes a length behind the marker for its width, of which the first is for one byte.
func writeHead(length int, marker byte) {
	switch {
	case length < 1<<8:
		message = append(message, marker, byte(length))
	case length < 1<<16:
		message = binary.BigEndian.AppendUint16(append(message, marker+1), uint16(length))
	default:
		message = binary.BigEndian.AppendUint32(append(message, marker+2), uint32(length))
	}
}

func writeInteger(value int32) {
	switch {
	case value >= -32 && value < 1<<7:
		message = append(message, byte(value))
	case value >= 0 && value < 1<<8:
		message = append(message, 0xcc, byte(value))
	case value < 0 && value >= -1<<7:
		message = append(message, 0xd0, byte(value))
	case value >= 0 && value < 1<<16:
		message = binary.BigEndian.AppendUint16(append(message, 0xcd), uint16(value))
	case value < 0 && value >= -1<<15:
		message = binary.BigEndian.AppendUint16(append(message, 0xd1), uint16(value))
	default:
		message = binary.BigEndian.AppendUint32(append(message, 0xd2), uint32(value))
	}
}
