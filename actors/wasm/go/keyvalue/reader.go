package keyvalue

import "math"

// How deep the values of unknown fields may be nested.
const maxDepth = 32

// What a response may hold.
type fields struct {
	value               []byte
	sum                 int64
	exists              bool
	hasValue, hasExists bool
}

// A reader of MessagePack. Once something is wrong, all that it reads is nothing.
type reader struct {
	rest  []byte
	wrong bool
}

// readUsual reads the answer to Get as hosts write it: both fields in this order, and nothing else. Any other answer is
// for readFields.
func readUsual(response []byte) (value []byte, exists, ok bool) {
	const before, after = "\x82\xa5value", "\xa6exists"
	if len(response) < len(before) || string(response[:len(before)]) != before {
		return nil, false, false
	}
	value, rest, ok := split(response[len(before):])
	if !ok || len(rest) != len(after)+1 || string(rest[:len(after)]) != after {
		return nil, false, false
	}
	flag := rest[len(after)]
	return value, flag == 0xc3, flag&0xfe == 0xc2
}

// split splits a text or bytes from what follows.
func split(all []byte) (first, rest []byte, ok bool) {
	if len(all) == 0 {
		return nil, nil, false
	}
	marker, rest := all[0], all[1:]
	length := uint(marker & 0x1f)
	if marker&0xe0 != 0xa0 {
		width := 0
		switch marker {
		case 0xc4, 0xd9:
			width = 1
		case 0xc5, 0xda:
			width = 2
		case 0xc6, 0xdb:
			width = 4
		}
		if width == 0 || len(rest) < width {
			return nil, nil, false
		}
		length = 0
		for _, b := range rest[:width] {
			length = length<<8 | uint(b)
		}
		rest = rest[width:]
	}
	if uint(len(rest)) < length {
		return nil, nil, false
	}
	return rest[:length:length], rest[length:], true
}

// readFields reads a map whose fields come in any order, and may be more than those that count. The value is bytes, or
// an integer.
func readFields(response []byte, bytes bool) (found fields, ok bool) {
	r := reader{rest: response}
	count := uint32(0)
	switch marker := r.byte(); {
	case marker&0xf0 == 0x80:
		count = uint32(marker & 0x0f)
	case marker == 0xde:
		count = uint32(r.unsigned(2))
	case marker == 0xdf:
		count = uint32(r.unsigned(4))
	default:
		r.wrong = true
	}
	for ; count > 0 && !r.wrong; count-- {
		switch name := r.bytes(); {
		case string(name) == "value" && !found.hasValue:
			found.hasValue = true
			if bytes {
				found.value = r.bytes()
			} else {
				found.sum = r.integer()
			}
		case string(name) == "exists" && bytes && !found.hasExists:
			found.hasExists = true
			marker := r.byte()
			found.exists = marker == 0xc3
			r.wrong = r.wrong || marker&0xfe != 0xc2
		case string(name) == "value" || string(name) == "exists" && bytes:
			r.wrong = true
		default:
			r.skip(maxDepth)
		}
	}
	// Actors of 2020 leave NUL bytes behind a message.
	for _, b := range r.rest {
		r.wrong = r.wrong || b != 0
	}
	return found, !r.wrong
}

func (r *reader) take(length uint64) []byte {
	if r.wrong || length > uint64(len(r.rest)) {
		r.wrong = true
		return nil
	}
	taken := r.rest[:length:length]
	r.rest = r.rest[length:]
	return taken
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.wrong = true
		return 0
	}
	first := r.rest[0]
	r.rest = r.rest[1:]
	return first
}

func (r *reader) unsigned(width uint64) (value uint64) {
	for _, b := range r.take(width) {
		value = value<<8 | uint64(b)
	}
	return value
}

// bytes reads a text or bytes.
func (r *reader) bytes() []byte {
	bytes, rest, ok := split(r.rest)
	if r.wrong || !ok {
		r.wrong = true
		return nil
	}
	r.rest = rest
	return bytes
}

func (r *reader) integer() int64 {
	marker := r.byte()
	switch {
	case marker < 0x80 || marker >= 0xe0:
		return int64(int8(marker))
	case marker < 0xcc || marker > 0xd3:
		r.wrong = true
		return 0
	}
	value := r.unsigned(1 << (marker & 3))
	switch marker {
	case 0xcf:
		r.wrong = r.wrong || value > math.MaxInt64
	case 0xd0:
		return int64(int8(value))
	case 0xd1:
		return int64(int16(value))
	case 0xd2:
		return int64(int32(value))
	}
	return int64(value)
}

// skip reads past a value of any kind. Each value takes a byte at least, so that a false count ends with the bytes.
func (r *reader) skip(depth int) {
	if depth < 0 || len(r.rest) == 0 {
		r.wrong = true
		return
	}
	marker := r.rest[0]
	if marker&0xe0 == 0xa0 || marker >= 0xc4 && marker <= 0xc6 || marker >= 0xd9 && marker <= 0xdb {
		r.bytes()
		return
	}
	r.byte()
	values := uint64(0)
	switch {
	case marker < 0x80 || marker >= 0xe0 || marker == 0xc0 || marker == 0xc2 || marker == 0xc3:
	case marker < 0x90:
		values = 2 * uint64(marker&0x0f)
	case marker < 0xa0:
		values = uint64(marker & 0x0f)
	case marker >= 0xde:
		values = 2 * r.unsigned(2<<(marker&1))
	case marker >= 0xdc:
		values = r.unsigned(2 << (marker & 1))
	case marker >= 0xd4:
		r.take(1<<(marker-0xd4) + 1)
	case marker >= 0xcc:
		r.take(1 << (marker & 3))
	case marker >= 0xca:
		r.take(4 << (marker & 1))
	case marker >= 0xc7:
		// An extension: its length, its kind and its bytes.
		r.take(r.unsigned(1<<(marker-0xc7)) + 1)
	default:
		r.wrong = true
	}
	for ; values > 0 && !r.wrong; values-- {
		r.skip(depth - 1)
	}
}
