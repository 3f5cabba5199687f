package tee

import (
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Client is who opened a session (GlobalPlatform client identity).
type Client struct {
	Login optee.Login
	UUID  smc.UUID // nil for public and kernel logins
}

// Properties are what the service has to know of an application.
type Properties uint8

const (
	// Device: the device enumeration lists the application, so that normal-world drivers bind to it.
	Device Properties = 1 << iota
	// SecureDataPath: clients may pass references to protected memory (OP-TEE's TA_FLAG_SECURE_DATA_PATH). To other
	// applications these are BAD_PARAMETERS.
	SecureDataPath
	// SingleSession: while a session is open, another one is BUSY.
	SingleSession
)

// PseudoTA is a trusted application that is part of the service.
//
// Open and Invoke are entered once for each step of a call. An application that needs the normal world makes a request with one of
// the methods of [Call] and returns; when the request has been answered it is entered again. What it has to know then stands in
// the call's [State], not in variables of its own: a call may be saved and restored between two steps. Without a request a step is
// the last one, and its result is the call's. Results that are not SUCCESS come from the application (ret_origin TRUSTED_APP).
//
// One call at a time is under way in a session, but calls of several sessions take turns at their steps.
type PseudoTA interface {
	UUID() smc.UUID
	Properties() Properties
	Open(c *Call) optee.Result
	Invoke(c *Call) optee.Result
	// Close ends a session that was opened: on its client's behalf, or because the application panicked.
	Close(session uint32)
}

// State is all there is of a call between two steps.
type State struct {
	// Session is unique among the open sessions, and never 0.
	Session uint32
	Command uint32 // of Invoke
	Client  Client
	// Params are the parameters; results go here, too.
	Params Params
	// Step is 0 at first and then what the application makes it.
	Step uint32
	// Local is for the application.
	Local [4]uint64
	// Answer is what came of the last request.
	Answer Answer

	cancelled bool
}

// Answer is the normal world's answer to a request.
type Answer struct {
	Result optee.Result
	// Values are output values; A stands for the size of an output memory reference. The normal world may have written anything.
	Values [rpcParams]optee.Value
	// Buffer is the buffer that Allocate brought.
	Buffer int
}

// Call is one step of a call of an application.
type Call struct {
	*State
	service *Service
	thread  *thread
	request request
}

// requested is what steps return that are not the last one; nobody looks at it.
const requested = optee.Success

// Request makes a request with values and references as OP-TEE's RPC commands have them, at most four. Commands that the
// normal world's driver does not know go to the supplicant.
func (c *Call) Request(cmd optee.RPCCommand, params ...optee.Param) optee.Result {
	if len(params) > rpcParams {
		panic("BUG: tee: request with too many parameters")
	}
	c.request = command(cmd, params...)
	return requested
}

// Time asks for the normal world's time: the first value is A seconds and B nanoseconds.
func (c *Call) Time() optee.Result {
	return c.Request(optee.RPCGetTime, optee.ValueParam(optee.AttrValueOutput, 0, 0, 0))
}

// Sleep asks the normal world to wait so many milliseconds. It is CANCEL when the call was cancelled meanwhile.
func (c *Call) Sleep(ms uint32) optee.Result {
	return c.Request(optee.RPCSuspend, optee.ValueParam(optee.AttrValueInput, uint64(ms), 0, 0))
}

// Wait waits for a notification, at most so many milliseconds unless that is 0. It is CANCEL when the call has been cancelled.
func (c *Call) Wait(key, ms uint32) optee.Result {
	c.request = notification(optee.NotificationWait, key, ms)
	return requested
}

// Wake sends the notification that Wait waits for.
func (c *Call) Wake(key uint32) optee.Result {
	c.request = notification(optee.NotificationSend, key, 0)
	return requested
}

// Allocate asks for a buffer of at least size bytes: kind is optee.SHMTypeApplication or SHMTypeKernel. A call can have four at a
// time; the fifth panics as a BUG. Buffers that are left at the end of the call are given back.
func (c *Call) Allocate(kind, size uint64) optee.Result {
	for i := range c.thread.buffers {
		if !c.thread.buffers[i].live {
			return c.Request(optee.RPCSHMAlloc, optee.ValueParam(optee.AttrValueInput, kind, size, 8))
		}
	}
	panic("BUG: tee: an application allocates too many buffers")
}

// Buffer gives a buffer that Allocate brought.
func (c *Call) Buffer(i int) *Memref { return &c.thread.buffers[i].mem }

// Free gives a buffer back.
func (c *Call) Free(i int) optee.Result {
	c.request = c.service.giveBack(c.thread, &c.thread.buffers[i])
	return requested
}

// Interrupt lets the normal world take its interrupts.
func (c *Call) Interrupt() optee.Result {
	c.request = request{kind: requestInterrupt}
	return requested
}

// Reference describes part of a client's memory for a request: attr is a memory reference's direction, AttrRMemInput to
// AttrRMemInOut. Memory that the client has no name for, and protected memory, are BAD_PARAMETERS.
func (c *Call) Reference(attr optee.Attr, m *Memref, off, size uint64) (optee.Param, optee.Result) {
	return m.describe(attr, off, size)
}

// Cancelled reports whether the client has cancelled the call.
func (c *Call) Cancelled() bool { return c.cancelled }

// Panic ends the application: all of its sessions are TARGET_DEAD from there on. A session that is opened later finds it as at
// the beginning, as far as Close has made it forget.
func (c *Call) Panic() optee.Result {
	c.thread.panics = true
	return optee.ErrorTargetDead
}

// Notify sends an asynchronous notification to the client: key 0 asks for the bottom half, 1 to 63 wake who waits for that key.
// It is BAD_STATE where the client has not enabled them, BAD_PARAMETERS for other keys.
func (c *Call) Notify(key uint32) optee.Result { return c.service.notify(c.thread.abi, key) }

// NotifyAfter is Notify so many nanoseconds of virtual time later. It is NOT_SUPPORTED without a timer, and BUSY when too
// many are due.
func (c *Call) NotifyAfter(key uint32, delay uint64) optee.Result {
	return c.service.notifyAfter(c.thread.abi, key, delay)
}

// BottomHalves is how often the client has run the bottom half since it enabled asynchronous notifications.
func (c *Call) BottomHalves() uint32 { return c.service.notif[c.thread.abi].bottomHalves }
