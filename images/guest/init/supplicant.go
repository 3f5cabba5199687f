//go:build linux

package main

import (
	"fmt"
	"sync"
	"time"

	"gatehouse/images/guest/tee"
	"gatehouse/smc/optee"
)

// supplicant answers the secure world's requests as tee-supplicant does, without trusted applications and without storage.
type supplicant struct {
	dev *tee.Device

	mu     sync.Mutex
	seen   []uint32               // guarded by mu: numbers of requests
	memory map[uint64]*tee.Memory // guarded by mu: what it has allocated
}

// lastCommand is a request that the supplicant dies of.
const lastCommand = 98

// serve answers requests until the last one, which it leaves unanswered.
func (s *supplicant) serve() {
	defer s.dev.Close()
	for {
		r, err := s.dev.Receive()
		if err != nil || r.Func == lastCommand {
			return
		}
		if s.dev.Send(r, uint32(s.answer(r))) != nil {
			return
		}
	}
}

// answer acts on a request. Commands as in optee_rpc_cmd.h and OP-TEE's tee-supplicant.
func (s *supplicant) answer(r *tee.Request) optee.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r.Func)
	p := r.User()
	switch optee.RPCCommand(r.Func) {
	case optee.RPCLoadTA:
		return optee.ErrorItemNotFound
	case optee.RPCFS, optee.RPCRPMB:
		return optee.ErrorItemNotFound
	case optee.RPCSHMAlloc:
		if len(p) != 1 || p[0].Attr != tee.ValueInOut || p[0].A != optee.SHMTypeApplication {
			return optee.ErrorBadParameters
		}
		m, err := s.dev.Alloc(p[0].B)
		if err != nil {
			return optee.ErrorOutOfMemory
		}
		s.memory[uint64(m.ID)] = m
		p[0].C = uint64(m.ID)
		return optee.Success
	case optee.RPCSHMFree:
		if len(p) != 1 || p[0].Attr != tee.ValueInOut || p[0].A != optee.SHMTypeApplication || s.memory[p[0].B] == nil {
			return optee.ErrorBadParameters
		}
		m := s.memory[p[0].B]
		delete(s.memory, p[0].B)
		if m.Close() != nil {
			return optee.ErrorGeneric
		}
		return optee.Success
	case optee.RPCPlugin:
		// A value goes back changed.
		if len(p) < 1 || p[0].Attr != tee.ValueInOut {
			return optee.ErrorBadParameters
		}
		p[0].A, p[0].B = p[0].A+1, p[0].B+2
		return optee.Success
	}
	return optee.ErrorNotSupported
}

func testSupplicant(t *tester, _ int) {
	d := open(t, "supplicant")
	if d == nil {
		return
	}
	defer d.Close()
	s, err := d.OpenPublic(optee.ProbeUUID())
	if !t.need("supplicant", err) {
		return
	}
	defer s.Close()
	request := func(cmd, a, b uint64, more ...tee.Param) ([]tee.Param, error) {
		p := append([]tee.Param{tee.Value(tee.ValueInput, cmd, 0), tee.Value(tee.ValueInOut, a, b)}, more...)
		return p, s.Invoke(optee.ProbeCmdSupplicant, p...)
	}
	// A request waits until there is a supplicant.
	waiting := make(chan error, 1)
	go func() {
		_, err := request(uint64(optee.RPCLoadTA), 1, 2)
		waiting <- err
	}()
	time.Sleep(10 * time.Millisecond)
	select {
	case err := <-waiting:
		t.fail("supplicant waits", fmt.Sprintf("answered without one: %v", err))
		return
	default:
	}
	dev, err := tee.Open(suppDevice)
	if !t.need("supplicant", err) {
		return
	}
	sup := &supplicant{dev: dev, memory: map[uint64]*tee.Memory{}}
	ended := make(chan struct{})
	go func() {
		sup.serve()
		close(ended)
	}()
	t.answers("supplicant waits", <-waiting, optee.ErrorItemNotFound)

	m, err := d.Alloc(page)
	if !t.need("supplicant", err) {
		return
	}
	defer m.Close()
	_, err = request(uint64(optee.RPCLoadTA), 0x1234, 0x5678, tee.Ref(tee.MemInOut, m, 16, 100))
	t.answers("supplicant load application", err, optee.ErrorItemNotFound)
	_, err = request(uint64(optee.RPCFS), 0, 0)
	t.answers("supplicant file", err, optee.ErrorItemNotFound)
	_, err = request(99, 0, 0)
	t.answers("supplicant unknown command", err, optee.ErrorNotSupported)
	p, err := request(uint64(optee.RPCPlugin), 40, 50)
	t.check("supplicant values", err == nil && p[1].A == 41 && p[1].B == 52, "%v, %d %d", err, p[1].A, p[1].B)

	for _, keep := range []uint64{0, 1} {
		p := []tee.Param{tee.Value(tee.ValueInput, optee.SHMTypeApplication, 10000), tee.Value(tee.ValueInput, 4, keep), tee.Value(tee.ValueOutput, 0, 0)}
		err := s.Invoke(optee.ProbeCmdAllocate, p...)
		t.check(fmt.Sprintf("supplicant memory keep %d", keep), err == nil && p[2].A > 0, "%v, sum %d", err, p[2].A)
	}
	sup.mu.Lock()
	t.check("supplicant memory comes back", len(sup.memory) == 0, "%d left", len(sup.memory))
	alloc, free := 0, 0
	for _, f := range sup.seen {
		switch optee.RPCCommand(f) {
		case optee.RPCSHMAlloc:
			alloc++
		case optee.RPCSHMFree:
			free++
		}
	}
	sup.mu.Unlock()
	t.check("supplicant requests", alloc == 8 && free == 8, "%d allocations, %d returns", alloc, free)
	_, err = request(lastCommand, 0, 0)
	t.answers("supplicant dies", err, optee.ErrorCommunication)
	<-ended
	_, err = d.OpenPublic([16]byte{9})
	t.answers("supplicant unknown application", err, optee.ErrorItemNotFound)
}
