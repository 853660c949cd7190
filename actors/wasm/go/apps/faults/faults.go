// Package faults has the operations that fail on purpose.
package faults

import "pillion/guests/wapc"

func init() {
	wapc.Handle("fault.trap", func([]byte) ([]byte, error) {
		trap()
		return nil, nil
	})
	wapc.Handle("fault.loop", func([]byte) ([]byte, error) {
		for {
		}
	})
}

// trap is the instruction unreachable: a panic would write to a standard error and exit.
func trap()
