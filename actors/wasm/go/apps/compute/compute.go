// Package compute is hashing without a host call.
package compute

import (
	"crypto/sha256"

	"pillion/guests/parse"
	"pillion/guests/wapc"
)

func init() {
	wapc.Handle("compute", compute)
}

var digest [sha256.Size]byte

func compute(request []byte) ([]byte, error) {
	rounds, seed, err := parse.Number(request)
	if err != nil {
		return nil, err
	}
	digest = sha256.Sum256(seed)
	for ; rounds > 0; rounds-- {
		digest = sha256.Sum256(digest[:])
	}
	return digest[:], nil
}
