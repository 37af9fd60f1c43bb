// Package homenode decides where vCPUs and memory of KVM guests go on a NUMA host: homenode's planner, over its C library.
package homenode

/*
#cgo LDFLAGS: -lhomenode -lm -pthread
#include <stdlib.h>
#include "homenode.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// InputError says what is wrong with a host or a request.
type InputError struct {
	// Part is host, request or options.
	Part string `json:"in"`
	// Where is the place in it, such as vms[2].memory; empty: all of it.
	Where string `json:"where"`
	// Expected is what belongs there.
	Expected string `json:"expected"`
	// Got is what was found.
	Got string `json:"got"`
}

func (err *InputError) Error() string {
	place := err.Part
	if err.Where != "" {
		place += ": " + err.Where
	}
	return fmt.Sprintf("%s: expected %s, got %s", place, err.Expected, err.Got)
}

var (
	// ErrLimit is returned for texts of more than 64 MiB.
	ErrLimit = errors.New("homenode: expected at most 64 MiB of text, got more")
	// ErrMemory is returned where there is not enough memory.
	ErrMemory = errors.New("homenode: there is not enough memory")
)

// Planner plans one request after the other. Goroutines that share one wait for each other; with one each they do not.
type Planner struct {
	lock sync.Mutex
	json *C.homenode_json
}

// NewPlanner makes a planner. Close ends it; so does the garbage collector.
func NewPlanner() (*Planner, error) {
	planner := &Planner{json: C.homenode_json_new()}
	if planner.json == nil {
		return nil, ErrMemory
	}
	runtime.SetFinalizer(planner, (*Planner).Close)
	return planner, nil
}

// Close ends the planner. It may be called again.
func (planner *Planner) Close() {
	planner.lock.Lock()
	defer planner.lock.Unlock()
	C.homenode_json_free(planner.json)
	planner.json = nil
}

// Plan places the request's VMs on the host, in up to 5,000 steps. VMs that do not fit are in Refused. Host and request may be structures of this
// package, json.RawMessage, or whatever marshals to the formats.
func (planner *Planner) Plan(host, request any) (*Plan, error) {
	return planner.PlanIn(host, request, 5000, 1)
}

// PlanIn is Plan with so many steps of search, from a seed.
func (planner *Planner) PlanIn(host, request any, steps, seed int32) (*Plan, error) {
	hostText, err := json.Marshal(host)
	if err != nil {
		return nil, err
	}
	requestText, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	isPlan, answer, err := planner.Answer(hostText, requestText, steps, seed)
	if err != nil {
		return nil, err
	}
	if !isPlan {
		var wrong struct{ Error *InputError }
		if err := json.Unmarshal(answer, &wrong); err != nil {
			return nil, err
		}
		return nil, wrong.Error
	}
	plan := new(Plan)
	return plan, json.Unmarshal(answer, plan)
}

// Answer is the same as JSON text: a plan, or {"error": ...} (false).
func (planner *Planner) Answer(host, request []byte, steps, seed int32) (bool, []byte, error) {
	planner.lock.Lock()
	defer planner.lock.Unlock()
	if planner.json == nil {
		return false, nil, errors.New("homenode: the planner is closed")
	}
	first, second := C.CBytes(host), C.CBytes(request)
	defer C.free(first)
	defer C.free(second)
	var answer *C.char
	var length C.size_t
	status := C.homenode_json_plan(planner.json, (*C.char)(first), C.size_t(len(host)), (*C.char)(second), C.size_t(len(request)),
		C.int32_t(steps), C.int32_t(seed), &answer, &length)
	defer runtime.KeepAlive(planner)
	switch {
	case status >= 0:
		return status == 1, C.GoBytes(unsafe.Pointer(answer), C.int(length)), nil
	case status == C.HOMENODE_ERROR_LIMIT:
		return false, nil, ErrLimit
	case status == C.HOMENODE_ERROR_MEMORY:
		return false, nil, ErrMemory
	}
	return false, nil, fmt.Errorf("homenode: the planner has failed (%d)", int(status))
}

// Calls is the planner as docs/planner-abi.md has it, in numbers.
type Calls struct {
	lock    sync.Mutex
	planner *C.homenode_planner
}

// NewCalls makes an empty problem. Close ends it; so does the garbage collector.
func NewCalls() (*Calls, error) {
	calls := &Calls{planner: C.homenode_planner_new()}
	if calls.planner == nil {
		return nil, ErrMemory
	}
	runtime.SetFinalizer(calls, (*Calls).Close)
	return calls, nil
}

// Close ends it. It may be called again.
func (calls *Calls) Close() {
	calls.lock.Lock()
	defer calls.lock.Unlock()
	C.homenode_planner_free(calls.planner)
	calls.planner = nil
}

// Call returns a value, or below 0 a status: Call("addNode", 0, 1). After Close it is that of calls in the wrong order.
func (calls *Calls) Call(name string, numbers ...float64) float64 {
	calls.lock.Lock()
	defer calls.lock.Unlock()
	if calls.planner == nil {
		return C.HOMENODE_ERROR_ORDER
	}
	// C would take the name to end at a zero.
	if strings.ContainsRune(name, 0) {
		return C.HOMENODE_ERROR_UNKNOWN
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var first *C.double
	if len(numbers) > 0 {
		first = (*C.double)(unsafe.Pointer(&numbers[0]))
	}
	result := C.homenode_call(calls.planner, text, first, C.size_t(len(numbers)))
	runtime.KeepAlive(calls)
	return float64(result)
}
