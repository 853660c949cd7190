// Package chain is as many gets as the request says, one after another.
package chain

import (
	"pillion/guests/keyvalue"
	"pillion/guests/parse"
	"pillion/guests/wapc"
)

func init() {
	wapc.Handle("chain", chain)
}

func chain(request []byte) (last []byte, err error) {
	calls, key, err := parse.Number(request)
	if err != nil {
		return nil, err
	}
	if err := parse.Key(key); err != nil {
		return nil, err
	}
	for ; calls > 0; calls-- {
		value, exists, err := keyvalue.Get(key)
		if err != nil {
			return nil, err
		}
		if !exists {
			return nil, parse.Missing(key)
		}
		last = value
	}
	return last, nil
}
