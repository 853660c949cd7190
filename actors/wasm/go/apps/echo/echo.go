// Package echo answers the request as it came.
package echo

import "pillion/guests/wapc"

func init() {
	wapc.Handle("echo", func(request []byte) ([]byte, error) { return request, nil })
}
