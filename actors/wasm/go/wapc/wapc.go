// Package wapc is the waPC ABI as a guest sees it. Copy this file for an actor of your own.
package wapc

import "unsafe"

//go:wasmimport wapc __guest_request
//go:noescape
func guestRequest(operation, payload unsafe.Pointer)

//go:wasmimport wapc __guest_response
//go:noescape
func guestResponse(at unsafe.Pointer, length uint32)

//go:wasmimport wapc __guest_error
//go:noescape
func guestError(text string)

//go:wasmimport wapc __host_call
//go:noescape
func hostCall(binding, namespace, operation string, payload unsafe.Pointer, length uint32) int32

//go:wasmimport wapc __host_response_len
func hostResponseLength() uint32

//go:wasmimport wapc __host_response
//go:noescape
func hostResponse(at unsafe.Pointer)

//go:wasmimport wapc __host_error_len
func hostErrorLength() uint32

//go:wasmimport wapc __host_error
//go:noescape
func hostError(at unsafe.Pointer)

// A larger buffer is not kept for calls that need less.
const mostKept = 256 << 10

// Error is a text for the host.
type Error string

func (e Error) Error() string { return string(e) }

// Handler answers one call. It may write over the request; what it answers, which may be the request or a part of a
// host's response, must stay as it is until the next call.
type Handler func(request []byte) (reply []byte, err error)

type entry struct {
	operation string
	handler   Handler
}

// Few operations are found faster in a row than in a map.
var entries []entry

// What each call uses again, so that it allocates nothing.
var operation, request, response []byte

// Handle makes handler answer the calls of an operation. It is for init functions: hosts do not call main.
func Handle(operation string, handler Handler) {
	entries = append(entries, entry{operation, handler})
}

//go:wasmexport __guest_call
func guestCall(operationLength, length uint32) int32 {
	Reserve(&operation, int(operationLength))
	Reserve(&request, int(length))
	guestRequest(pointer(operation), pointer(request))
	reply, err := dispatch(operation, request)
	if err != nil {
		guestError(err.Error())
		return 0
	}
	guestResponse(pointer(reply), uint32(len(reply)))
	return 1
}

func dispatch(operation, request []byte) ([]byte, error) {
	for i := range entries {
		if entries[i].operation == string(operation) {
			return entries[i].handler(request)
		}
	}
	return nil, Error("bad dispatch")
}

// Call calls the host, whose response is there until the next call.
func Call(namespace, operation string, payload []byte) ([]byte, error) {
	if hostCall("default", namespace, operation, pointer(payload), uint32(len(payload))) == 0 {
		text := make([]byte, hostErrorLength())
		hostError(pointer(text))
		return nil, Error(text)
	}
	Reserve(&response, int(hostResponseLength()))
	hostResponse(pointer(response))
	return response, nil
}

// Reserve gives a buffer this length, and whatever bytes.
func Reserve(buffer *[]byte, length int) {
	if length > cap(*buffer) || cap(*buffer) > mostKept && length <= mostKept {
		*buffer = make([]byte, length, (length+4095)&^4095)
	}
	*buffer = (*buffer)[:length]
}

// The pointer of no bytes is nil, which is within memory.
func pointer(bytes []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(bytes))
}
