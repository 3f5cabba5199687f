//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/images/guest/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// testSessions opens and closes n (1,000) sessions one after the other, and many at the same time.
func testSessions(t *tester, n int) {
	if n == 0 {
		n = 1000
	}
	d := open(t, "sessions")
	if d == nil {
		return
	}
	defer d.Close()
	tas := []smc.UUID{optee.SDPUUID(), optee.InvokeTestsUUID(), optee.RNGUUID(), optee.ProbeUUID(), optee.DecryptUUID()}
	var err error
	for i := 0; i < n && err == nil; i++ {
		var s *tee.Session
		if s, err = d.OpenPublic(tas[i%len(tas)]); err == nil {
			err = s.Close()
		}
	}
	t.check(fmt.Sprintf("sessions %d", n), err == nil, "%v", err)

	var many []*tee.Session
	seen := map[uint32]bool{}
	for range 1000 {
		var s *tee.Session
		if s, err = d.OpenPublic(optee.SDPUUID()); err != nil {
			break
		}
		seen[s.ID] = true
		many = append(many, s)
	}
	r, ok := result(err)
	t.check("sessions at a time", len(many) >= 32 && len(seen) == len(many) && ok && r != optee.Success, "%d open with %d identifiers, then %v",
		len(many), len(seen), err)
	for _, s := range many {
		if !t.need("sessions at a time", s.Close()) {
			break
		}
	}
	s, err := d.OpenPublic(optee.SDPUUID())
	if t.ok("session after many", err) {
		t.ok("session closed", s.Close())
		t.is("session closed twice", s.Close(), syscall.EINVAL)
		t.is("session closed, invoked", s.Invoke(0), syscall.EINVAL)
	}
	// A program's end closes its sessions: as many as there can be, twice.
	for round := range 2 {
		e := open(t, "sessions of a program")
		if e == nil {
			return
		}
		k := 0
		for ; k < len(many); k++ {
			if _, err = e.OpenPublic(optee.SDPUUID()); err != nil {
				break
			}
		}
		t.check(fmt.Sprintf("sessions of program %d", round), k == len(many), "%d of %d, then %v", k, len(many), err)
		e.Close()
	}
	_, err = d.OpenPublic(smc.UUID{1, 2, 3})
	t.answers("session unknown application", err, optee.ErrorItemNotFound)
	_, err = d.Open(optee.ProbeUUID(), optee.LoginREEKernel, 0)
	t.is("session as the kernel", err, syscall.EPERM)

	// Many threads at once.
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			if errs[i] = pin(i); errs[i] != nil {
				return
			}
			for range 20 {
				s, err := d.OpenPublic(optee.InvokeTestsUUID())
				if err != nil {
					errs[i] = err
					return
				}
				p := []tee.Param{tee.Value(tee.ValueInOut, uint64(i), 1000)}
				err = s.Invoke(optee.InvokeTestsCmdParams, p...)
				if err == nil && p[0].A != uint64(i)+1000 {
					err = fmt.Errorf("sum %d", p[0].A)
				}
				if errs[i] = errors.Join(err, s.Close()); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	t.ok("sessions of many threads", errors.Join(errs...))
}

// testMemory copies through shared memory of all kinds and sizes.
func testMemory(t *tester, _ int) {
	d := open(t, "memory")
	if d == nil {
		return
	}
	defer d.Close()
	s, err := d.OpenPublic(optee.ProbeUUID())
	if !t.need("memory", err) {
		return
	}
	defer s.Close()
	v, err := d.Version()
	t.need("memory", err)
	dynamic := v.GenCaps&tee.CapRegMem != 0
	through := func(name string, a, b *tee.Memory, n uint64) {
		for i := range n {
			a.Data[i] = byte(i*7 + i>>12)
			b.Data[i] = 0
		}
		p := []tee.Param{tee.Ref(tee.MemInput, a, 0, n), tee.Ref(tee.MemOutput, b, 0, n)}
		err := s.Invoke(optee.ProbeCmdCopy, p...)
		t.check("memory "+name, err == nil && p[1].B == n && bytes.Equal(a.Data[:n], b.Data[:n]), "%v, or other bytes", err)
	}
	for _, size := range []uint64{1, page, page + 1, 100000} {
		a, err := d.Alloc(size)
		if !t.need("memory alloc", err) {
			continue
		}
		b, err := d.Alloc(size)
		if t.need("memory alloc", err) {
			through(fmt.Sprintf("alloc %d", size), a, b, size)
			t.need("memory close", b.Close())
		}
		t.need("memory close", a.Close())
	}
	_, err = d.Alloc(0)
	t.check("memory alloc 0", err != nil, "no error")
	if !dynamic {
		_, err := d.Register(make([]byte, page))
		t.check("memory register", err != nil, "taken, though the secure world has reserved memory alone")
		return
	}
	// The program's own memory: its pages lie anywhere, so that the list of them is long.
	for _, size := range []uint64{1, 100, page - 1, 3*page + 5, 3 << 20} {
		back := make([]byte, 2*(size+page))
		from, to := back[7:7+size], back[size+page+13:2*size+page+13]
		a, err := d.Register(from)
		if !t.need(fmt.Sprintf("memory register %d", size), err) {
			continue
		}
		b, err := d.Register(to)
		if t.need(fmt.Sprintf("memory register %d", size), err) {
			through(fmt.Sprintf("register %d", size), a, b, size)
			t.need("memory close", b.Close())
		}
		t.need("memory close", a.Close())
	}
	_, err = d.Register(nil)
	t.check("memory register nothing", err != nil, "no error")
	// More than there is room for is refused, and what is given back can be had again.
	counts := [2]int{}
	pool := make([]byte, 300*page)
	for round := range counts {
		var all []*tee.Memory
		for i := range 300 {
			m, err := d.Register(pool[i*page : (i+1)*page])
			if err != nil {
				break
			}
			all = append(all, m)
		}
		counts[round] = len(all)
		for _, m := range all {
			t.need("memory many", m.Close())
		}
	}
	t.check("memory many", counts[0] >= 32 && counts[0] == counts[1], "%d, then %d", counts[0], counts[1])
}

// testRNG reads random numbers from the pseudo-TA, and from /dev/hwrng where the kernel has it.
func testRNG(t *tester, _ int) {
	d := open(t, "rng")
	if d == nil {
		return
	}
	defer d.Close()
	s, err := d.OpenPublic(optee.RNGUUID())
	if !t.need("rng", err) {
		return
	}
	defer s.Close()
	p := []tee.Param{tee.Value(tee.ValueOutput, 0, 0)}
	err = s.Invoke(optee.RNGCmdGetInfo, p...)
	t.check("rng info", err == nil && p[0].A > 0 && p[0].B > 0 && p[0].B <= 1024, "%v, %d bytes a second, %d bits of 1024", err, p[0].A, p[0].B)
	m, err := d.Alloc(2 * optee.RNGPool)
	if !t.need("rng", err) {
		return
	}
	defer m.Close()
	var drawn [2][]byte
	for i := range drawn {
		p = []tee.Param{tee.Ref(tee.MemInOut, m, 0, optee.RNGPool)}
		err = s.Invoke(optee.RNGCmdGetEntropy, p...)
		drawn[i] = bytes.Clone(m.Data[:optee.RNGPool])
		t.check("rng draw", err == nil && p[0].B == optee.RNGPool && random(drawn[i]), "%v, %d bytes: %x...", err, p[0].B, drawn[i][:16])
	}
	t.check("rng draws differ", !bytes.Equal(drawn[0], drawn[1]), "twice the same")
	t.answers("rng too much", s.Invoke(optee.RNGCmdGetEntropy, tee.Ref(tee.MemInOut, m, 0, optee.RNGPool+1)), optee.ErrorNotSupported)

	if _, err := os.Stat("/dev/hwrng"); err != nil {
		fmt.Println("NOTE hwrng: the kernel has no hwrng device")
		return
	}
	// Another generator may have come first.
	const rngCurrent = "/sys/class/misc/hw_random/rng_current"
	t.need("hwrng choice", os.WriteFile(rngCurrent, []byte("optee-rng"), 0))
	current, err := os.ReadFile(rngCurrent)
	t.check("hwrng current", strings.HasPrefix(string(current), "optee"), "%q, %v", current, err)
	f, err := os.Open("/dev/hwrng")
	if !t.need("hwrng", err) {
		return
	}
	defer f.Close()
	var b [page]byte
	n := 0
	for n < len(b) && err == nil {
		var k int
		k, err = f.Read(b[n:])
		n += k
	}
	t.check("hwrng", err == nil && random(b[:]), "%d bytes, %v", n, err)
}

// random reports whether bytes have the look of random ones: none stands much more or less often than the others.
func random(b []byte) bool {
	var count [256]int
	for _, v := range b {
		count[v]++
	}
	// 16 are expected of 4,096; beyond 5 standard deviations of 4 is chance in one of 10,000 draws.
	for _, n := range count {
		if n*256 > 3*len(b) {
			return false
		}
	}
	return true
}

// testCalls makes the secure world come back for something while it serves a call.
func testCalls(t *tester, _ int) {
	d := open(t, "calls")
	if d == nil {
		return
	}
	defer d.Close()
	s, err := d.OpenPublic(optee.ProbeUUID())
	if !t.need("calls", err) {
		return
	}
	p := []tee.Param{tee.Value(tee.ValueOutput, 0, 0)}
	err = s.Invoke(optee.ProbeCmdTime, p...)
	now := time.Now().Unix()
	t.check("call time", err == nil && int64(p[0].A) >= now-2 && int64(p[0].A) <= now && p[0].B < 1e9, "%v, %d.%09d at %d", err, p[0].A, p[0].B, now)
	from := time.Now()
	err = s.Invoke(optee.ProbeCmdSleep, tee.Value(tee.ValueInput, 20, 0))
	t.check("call sleep", err == nil && time.Since(from) >= 20*time.Millisecond, "%v after %v", err, time.Since(from))
	t.ok("call interrupts", s.Invoke(optee.ProbeCmdInterrupt, tee.Value(tee.ValueInput, 100, 0)))
	for _, size := range []uint64{1, page, 20000} {
		for _, keep := range []uint64{0, 1} {
			p := []tee.Param{tee.Value(tee.ValueInput, 1, size), tee.Value(tee.ValueInput, 4, keep), tee.Value(tee.ValueOutput, 0, 0)}
			err := s.Invoke(optee.ProbeCmdAllocate, p...)
			sum := uint64(0) // of what the application writes: buffer k has bytes k, k+7, k+14 ...
			for k := range uint64(4) {
				for i := range size {
					sum += uint64(byte(k + 7*i))
				}
			}
			name := fmt.Sprintf("call allocates %d keep %d", size, keep)
			// The kernel may give more than was asked for.
			t.check(name, err == nil && p[2].A >= sum, "%v, sum %d, want %d", err, p[2].A, sum)
		}
	}
	for _, r := range []optee.Result{optee.ErrorGeneric, optee.ErrorAccessDenied, optee.ErrorTargetDead, optee.ErrorCorruptObject, 0x12345678, 0xffffffff} {
		err := s.Invoke(optee.ProbeCmdResult, tee.Value(tee.ValueInput, uint64(r), 0))
		var f *tee.Failure
		t.check(fmt.Sprintf("call result %#x", uint32(r)), errors.As(err, &f) && f.Result == r && f.Origin == optee.OriginTrustedApp, "%v", err)
	}
	m, err := d.Alloc(page)
	if t.need("call client", err) {
		p := []tee.Param{tee.Value(tee.ValueOutput, 9, 9), tee.Ref(tee.MemOutput, m, 0, 16)}
		err = s.Invoke(optee.ProbeCmdClient, p...)
		t.check("call client", err == nil && p[0].A == uint64(optee.LoginPublic) && bytes.Equal(m.Data[:16], make([]byte, 16)), "%v, %d, %x", err, p[0].A, m.Data[:16])
		if u, err := d.Open(optee.ProbeUUID(), optee.LoginUser, 0); t.need("call client user", err) {
			err = u.Invoke(optee.ProbeCmdClient, p...)
			// A version 5 UUID of the user's number (GlobalPlatform, Linux's tee_session_calc_client_uuid).
			t.check("call client user", err == nil && p[0].A == uint64(optee.LoginUser) && m.Data[6]>>4 == 5, "%v, %d, %x", err, p[0].A, m.Data[:16])
			u.Close()
		}
		m.Close()
	}
	// More calls than the secure world has threads wait for their turn.
	var wg sync.WaitGroup
	errs := make([]error, 24)
	for i := range errs {
		wg.Go(func() {
			x, err := d.OpenPublic(optee.ProbeUUID())
			if err == nil {
				err = errors.Join(x.Invoke(optee.ProbeCmdSleep, tee.Value(tee.ValueInput, 5, 0)), x.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	t.ok("calls at a time", errors.Join(errs...))

	t.answers("call panics", s.Invoke(optee.ProbeCmdPanic), optee.ErrorTargetDead)
	t.answers("call after a panic", s.Invoke(optee.ProbeCmdResult, tee.Value(tee.ValueInput, 0, 0)), optee.ErrorTargetDead)
	t.ok("session closed after a panic", s.Close())
	s, err = d.OpenPublic(optee.ProbeUUID())
	if t.ok("session after a panic", err) {
		t.ok("call in a session after a panic", s.Invoke(optee.ProbeCmdResult, tee.Value(tee.ValueInput, 0, 0)))
		s.Close()
	}
}

// testCancel ends calls from another thread.
func testCancel(t *tester, _ int) {
	d := open(t, "cancel")
	if d == nil {
		return
	}
	defer d.Close()
	s, err := d.OpenPublic(optee.ProbeUUID())
	if !t.need("cancel", err) {
		return
	}
	defer s.Close()
	// start invokes a command in the background, and gives it time to get going.
	start := func(s *tee.Session, cmd, id uint32, p []tee.Param) chan error {
		done := make(chan error, 1)
		go func() { done <- s.InvokeCancel(cmd, id, p) }()
		time.Sleep(10 * time.Millisecond)
		return done
	}
	p := []tee.Param{tee.Value(tee.ValueInput, 60, 0), tee.Value(tee.ValueOutput, 7, 0)}
	done := start(s, optee.ProbeCmdCancelled, 5, p)
	t.ok("cancel", s.Cancel(5))
	err = <-done
	t.check("cancelled call", err == nil && p[1].A == 1, "%v, cancelled %d", err, p[1].A)

	p = []tee.Param{tee.Value(tee.ValueInput, 60, 0), tee.Value(tee.ValueOutput, 7, 0)}
	done = start(s, optee.ProbeCmdCancelled, 5, p)
	t.ok("cancel another", s.Cancel(6))
	err = <-done
	t.check("call that was not cancelled", err == nil && p[1].A == 0, "%v, cancelled %d", err, p[1].A)

	from := time.Now()
	done = start(s, optee.ProbeCmdWait, 9, []tee.Param{tee.Value(tee.ValueInput, 33, 0)})
	t.ok("cancel a wait", s.Cancel(9))
	t.answers("cancelled wait", <-done, optee.ErrorCancel)
	t.check("cancelled wait ends soon", time.Since(from) < time.Second, "after %v", time.Since(from))
	closed := tee.Session(*s)
	closed.ID = 0x7fff
	t.is("cancel in no session", closed.Cancel(9), syscall.EINVAL)
}

// testNotify waits for notifications, from another call and from the secure world itself.
func testNotify(t *tester, _ int) {
	d := open(t, "notify")
	if d == nil {
		return
	}
	defer d.Close()
	var s [2]*tee.Session
	for i := range s {
		var err error
		if s[i], err = d.OpenPublic(optee.ProbeUUID()); !t.need("notify", err) {
			return
		}
	}
	wait := func(key, ms uint64) chan error {
		done := make(chan error, 1)
		go func() { done <- s[1].Invoke(optee.ProbeCmdWait, tee.Value(tee.ValueInput, key, ms)) }()
		time.Sleep(10 * time.Millisecond)
		return done
	}
	done := wait(20, 0)
	t.ok("wake", s[0].Invoke(optee.ProbeCmdWake, tee.Value(tee.ValueInput, 20, 0)))
	t.answers("woken", <-done, optee.Success)

	// What comes before the wait is not lost.
	t.ok("wake early", s[0].Invoke(optee.ProbeCmdWake, tee.Value(tee.ValueInput, 21, 0)))
	t.answers("woken early", <-wait(21, 0), optee.Success)

	done = wait(22, 0)
	t.ok("notify", s[0].Invoke(optee.ProbeCmdNotify, tee.Value(tee.ValueInput, 22, 0)))
	t.answers("notified", <-done, optee.Success)
	done = wait(23, 0)
	t.ok("notify later", s[0].Invoke(optee.ProbeCmdNotify, tee.Value(tee.ValueInput, 23, 3000)))
	t.answers("notified later", <-done, optee.Success)

	count := func() uint64 {
		p := []tee.Param{tee.Value(tee.ValueOutput, 0, 0)}
		t.need("bottom halves", s[0].Invoke(optee.ProbeCmdBottomHalves, p...))
		return p[0].A
	}
	before := count()
	t.ok("notify bottom half", s[0].Invoke(optee.ProbeCmdNotify, tee.Value(tee.ValueInput, 0, 0)))
	after := before
	for i := 0; i < 50 && after == before; i++ {
		time.Sleep(2 * time.Millisecond)
		after = count()
	}
	t.check("bottom half", after > before, "%d before, %d after", before, after)

	from := time.Now()
	err := s[1].Invoke(optee.ProbeCmdWait, tee.Value(tee.ValueInput, 24, 10))
	t.check("wait runs out", err != nil && time.Since(from) >= 8*time.Millisecond, "%v after %v", err, time.Since(from))
	for _, x := range s {
		t.need("notify", x.Close())
	}
}
