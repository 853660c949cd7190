// Package counter is an HTTP-shaped request, an atomic add and a JSON answer.
package counter

import (
	"bytes"
	"strconv"

	"pillion/guests/keyvalue"
	"pillion/guests/parse"
	"pillion/guests/wapc"
)

func init() {
	wapc.Handle("counter", counter)
}

var key, reply []byte

var prefix = []byte("/counter/")

// counter counts one visit of /counter/<name>; a query string is ignored.
func counter(request []byte) ([]byte, error) {
	method, target, err := parse.HTTP(request)
	if err != nil {
		return nil, err
	}
	if string(method) != "POST" && string(method) != "GET" {
		return nil, wapc.Error("bad request: a counter takes POST or GET")
	}
	path, _, _ := bytes.Cut(target, []byte{'?'})
	name, ok := bytes.CutPrefix(path, prefix)
	if !ok || !parse.IsName(name) {
		return nil, wapc.Error("bad request: the path is not /counter/<name> of letters, digits, '-', '_', '.'")
	}
	key = append(append(key[:0], "counter:"...), name...)
	value, err := keyvalue.Add(key, 1)
	if err != nil {
		return nil, err
	}
	reply = append(append(reply[:0], `{"counter":"`...), name...)
	reply = strconv.AppendInt(append(reply, `","value":`...), value, 10)
	reply = append(reply, '}')
	return reply, nil
}
