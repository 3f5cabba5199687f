//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"

	"gatehouse/images/guest/tee"
	"gatehouse/smc/optee"
)

// result gives the answer of a trusted application that an error is, or SUCCESS for none.
func result(err error) (optee.Result, bool) {
	var f *tee.Failure
	if errors.As(err, &f) {
		return f.Result, true
	}
	return optee.Success, err == nil
}

// answers checks the answer of a trusted application.
func (t *tester) answers(name string, err error, want optee.Result) {
	r, ok := result(err)
	t.check(name, ok && r == want, "got %v, want %v", err, want)
}

// path is protected memory with a session of the application that copies to and from it.
type path struct {
	heap    *tee.Heap
	dev     *tee.Device
	session *tee.Session
	open    *tee.Memory // normal memory
	closed  *tee.Memory // protected memory
	fd      int
}

// newPath opens everything, or fails the test.
func newPath(t *tester, name string, size uint64) *path {
	p := &path{fd: -1}
	var err error
	for _, step := range []func() error{
		func() error { p.heap, err = tee.OpenHeap(tee.SecureVideo); return err },
		func() error { p.dev, err = tee.Open(teeDevice); return err },
		func() error { p.session, err = p.dev.OpenPublic(optee.SDPUUID()); return err },
		func() error { p.open, err = p.dev.Alloc(2 * size); return err },
		func() error { p.fd, err = p.heap.Alloc(size); return err },
		func() error { p.closed, err = p.dev.RegisterFD(p.fd); return err },
	} {
		if err := step(); err != nil {
			t.fail(name, err.Error())
			p.close()
			return nil
		}
	}
	return p
}

func (p *path) close() {
	for _, m := range []*tee.Memory{p.closed, p.open} {
		if m != nil {
			m.Close()
		}
	}
	if p.fd >= 0 {
		syscall.Close(p.fd)
	}
	if p.session != nil {
		p.session.Close()
	}
	if p.dev != nil {
		p.dev.Close()
	}
	if p.heap != nil {
		p.heap.Close()
	}
}

// The commands of one of the three ways to the same work: in the application, in another instance of it, in the pseudo-TA.
func (p *path) inject(way uint32, off, to, n uint64) error {
	return p.session.Invoke(3*way+optee.SDPCmdInject, tee.Ref(tee.MemInput, p.open, off, n), tee.Ref(tee.MemOutput, p.closed, to, n))
}

func (p *path) transform(way uint32, off, n uint64) error {
	return p.session.Invoke(3*way+optee.SDPCmdTransform, tee.Ref(tee.MemInOut, p.closed, off, n))
}

func (p *path) dump(way uint32, off, to, n uint64) error {
	return p.session.Invoke(3*way+optee.SDPCmdDump, tee.Ref(tee.MemInput, p.closed, off, n), tee.Ref(tee.MemOutput, p.open, to, n))
}

var ways = []string{"ta", "ta-ta", "pta"}

// testSDP is what OP-TEE's "xtest --sdp-basic" and its case 1014 do.
func testSDP(t *tester, _ int) {
	const size = 64 << 10
	p := newPath(t, "sdp", size)
	if p == nil {
		return
	}
	defer p.close()
	t.check("sdp register", p.closed.Size == size && p.closed.ID >= 0, "size %d id %d", p.closed.Size, p.closed.ID)
	t.check("sdp registered memory untouchable", !mappable(p.closed.FD(), size), "the descriptor can be mapped")

	rnd := rand.New(rand.NewPCG(1, 2))
	fill := func(b []byte) {
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	}
	negated := func(b []byte) []byte {
		out := make([]byte, len(b))
		for i, v := range b {
			out[i] = -v
		}
		return out
	}
	// There and back, negated, at all kinds of places.
	for way, name := range ways {
		w := uint32(way)
		ok := true
		for i := range 24 {
			off, n := uint64(0), uint64(size)
			switch {
			case i == 1:
				off, n = size-1, 1
			case i == 2:
				off, n = 1, size-1
			case i > 2:
				off = rnd.Uint64N(size)
				n = 1 + rnd.Uint64N(size-off)
			}
			src, dst := p.open.Data[:n], p.open.Data[size:size+n]
			fill(src)
			clear(dst)
			if err := errors.Join(p.inject(w, 0, off, n), p.transform(w, off, n), p.dump(w, off, size, n)); err != nil || !bytes.Equal(dst, negated(src)) {
				t.fail("sdp "+name, fmt.Sprintf("offset %d size %d: %v, or other bytes than injected", off, n, err))
				ok = false
				break
			}
		}
		t.check("sdp "+name, ok, "see above")
	}
	// What is transformed in part keeps the rest.
	src, dst := p.open.Data[:size], p.open.Data[size:]
	fill(src)
	err := errors.Join(p.inject(0, 0, 0, size), p.transform(0, 100, 5000), p.dump(0, 0, size, size))
	want := bytes.Clone(src)
	copy(want[100:5100], negated(src[100:5100]))
	t.check("sdp partial", err == nil && bytes.Equal(dst, want), "%v, or other bytes", err)
	// Another buffer next to it is another one.
	t.ok("sdp neighbours", neighbours(p))

	in, out, inout := uint64(tee.MemInput), uint64(tee.MemOutput), uint64(tee.MemInOut)
	second, err := p.heap.Alloc(page)
	if !t.need("sdp second buffer", err) {
		return
	}
	defer syscall.Close(second)
	other, err := p.dev.RegisterFD(second)
	if !t.need("sdp second buffer", err) {
		return
	}
	defer other.Close()
	for way, name := range ways {
		base := 3 * uint32(way)
		wrong := optee.ErrorAccessDenied
		if way == 2 {
			wrong = optee.ErrorBadParameters
		}
		for _, c := range []struct {
			name   string
			cmd    uint32
			params []tee.Param
			want   optee.Result
		}{
			{"inject from protected memory", 0, []tee.Param{tee.Ref(in, other, 0, 16), tee.Ref(out, p.closed, 0, 16)}, wrong},
			{"inject into normal memory", 0, []tee.Param{tee.Ref(in, p.open, 0, 16), tee.Ref(out, p.open, size, 16)}, wrong},
			{"transform normal memory", 1, []tee.Param{tee.Ref(inout, p.open, 0, 16)}, wrong},
			{"dump into protected memory", 2, []tee.Param{tee.Ref(in, p.closed, 0, 16), tee.Ref(out, other, 0, 16)}, wrong},
			{"dump from normal memory", 2, []tee.Param{tee.Ref(in, p.open, 0, 16), tee.Ref(out, p.open, size, 16)}, wrong},
			{"inject from nothing", 0, []tee.Param{tee.Null(in), tee.Ref(out, p.closed, 0, 16)}, optee.Success},
			{"inject too much", 0, []tee.Param{tee.Ref(in, p.open, 0, 17), tee.Ref(out, p.closed, 0, 16)}, optee.ErrorShortBuffer},
			{"dump too much", 2, []tee.Param{tee.Ref(in, p.closed, 0, 17), tee.Ref(out, p.open, 0, 16)}, optee.ErrorShortBuffer},
			{"nothing of it", 1, []tee.Param{tee.Ref(inout, p.closed, 100, 0)}, optee.Success},
			{"no parameters", 0, nil, optee.ErrorBadParameters},
			{"values", 1, []tee.Param{tee.Value(tee.ValueInOut, 1, 2)}, optee.ErrorBadParameters},
			{"one parameter too many", 1, []tee.Param{tee.Ref(inout, p.closed, 0, 16), tee.Value(tee.ValueInput, 1, 2)}, optee.ErrorBadParameters},
			{"wrong direction", 1, []tee.Param{tee.Ref(in, p.closed, 0, 16)}, optee.ErrorBadParameters},
		} {
			err := p.session.Invoke(base+c.cmd, c.params...)
			t.answers("sdp "+name+" "+c.name, err, c.want)
			if c.want == optee.ErrorShortBuffer && c.params[1].B != 17 {
				t.fail("sdp "+name+" "+c.name, fmt.Sprintf("needs %d bytes, want 17", c.params[1].B))
			}
		}
		// What lies outside the buffer the kernel refuses before the secure world sees it.
		for _, r := range [][2]uint64{{size, 1}, {0, size + 1}, {size - 1, 2}, {^uint64(0), 1}, {1, ^uint64(0)}, {1 << 63, 1 << 63}, {size + page, 16}} {
			name := fmt.Sprintf("sdp %s outside %#x+%#x", name, r[0], r[1])
			t.is(name, p.transform(uint32(way), r[0], r[1]), syscall.EINVAL)
		}
	}
	t.answers("sdp unknown command", p.session.Invoke(9), optee.ErrorBadParameters)
	// None of this changed the contents.
	clear(dst)
	err = p.dump(0, 0, size, size)
	t.check("sdp contents", err == nil && bytes.Equal(dst, want), "%v, or other bytes", err)

	testSDPOthers(t, p)
	testRegister(t, p)
}

// mappable reports whether a program gets at a buffer.
func mappable(fd int, size int) bool {
	p, err := syscall.Mmap(fd, 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err == nil {
		syscall.Munmap(p)
	}
	return err == nil
}

// neighbours fills buffers that lie side by side and checks that each keeps its own.
func neighbours(p *path) error {
	const n = 8
	var fds []int
	var mem []*tee.Memory
	defer func() {
		for _, m := range mem {
			m.Close()
		}
		for _, fd := range fds {
			syscall.Close(fd)
		}
	}()
	for range n {
		fd, err := p.heap.Alloc(page)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		m, err := p.dev.RegisterFD(fd)
		if err != nil {
			return err
		}
		mem = append(mem, m)
	}
	b := p.open.Data[:page]
	for i, m := range mem {
		for k := range b {
			b[k] = byte(i + 1)
		}
		if err := p.session.Invoke(optee.SDPCmdInject, tee.Ref(tee.MemInput, p.open, 0, page), tee.Ref(tee.MemOutput, m, 0, page)); err != nil {
			return err
		}
	}
	for i, m := range mem {
		clear(b)
		if err := p.session.Invoke(optee.SDPCmdDump, tee.Ref(tee.MemInput, m, 0, page), tee.Ref(tee.MemOutput, p.open, 0, page)); err != nil {
			return err
		}
		if bytes.Count(b, []byte{byte(i + 1)}) != page {
			return fmt.Errorf("buffer %d begins with %x", i, b[:4])
		}
	}
	return nil
}

// testSDPOthers shows protected memory to applications that must not have it, and to one that says what it sees.
func testSDPOthers(t *tester, p *path) {
	pta, err := p.dev.OpenPublic(optee.InvokeTestsUUID())
	if t.need("sdp other application", err) {
		err := pta.Invoke(optee.InvokeTestsCmdTransform, tee.Ref(tee.MemInOut, p.closed, 0, 16))
		t.answers("sdp other application", err, optee.ErrorBadParameters)
		pta.Close()
	}
	probe, err := p.dev.OpenPublic(optee.ProbeUUID())
	if !t.need("sdp probe", err) {
		return
	}
	defer probe.Close()
	see := func(name string, ref tee.Param, a, b uint64) {
		params := []tee.Param{ref, tee.Value(tee.ValueOutput, 0, 0)}
		err := probe.Invoke(optee.ProbeCmdMemory, params...)
		t.check("sdp probe sees "+name, err == nil && params[1].A == a && params[1].B == b, "%v, %d %d, want %d %d", err, params[1].A, params[1].B, a, b)
	}
	see("protected memory", tee.Ref(tee.MemInput, p.closed, 8, 1000), 1, 1000)
	see("normal memory", tee.Ref(tee.MemInput, p.open, 8, 1000), 0, 1000)
	see("nothing", tee.Null(tee.MemInput), 2, 0)
	err = probe.Invoke(optee.ProbeCmdCopy, tee.Ref(tee.MemInput, p.closed, 0, 16), tee.Ref(tee.MemOutput, p.open, 0, 16))
	t.answers("sdp probe copies out", err, optee.ErrorSecurity)
}

// testRegister registers what is protected memory and what is not.
func testRegister(t *tester, p *path) {
	_, err := p.dev.RegisterFD(-1)
	t.is("register nothing", err, syscall.EINVAL)
	_, err = p.dev.RegisterFD(0)
	t.is("register the console", err, syscall.EINVAL)
	_, err = p.dev.RegisterFDFlags(p.fd, 1)
	t.is("register with flags", err, syscall.EINVAL)
	if h, err := tee.OpenHeap("/dev/dma_heap/system"); t.need("register normal heap", err) {
		fd, err := h.Alloc(page)
		if t.need("register normal heap", err) {
			_, err = p.dev.RegisterFD(fd)
			t.check("register normal heap", err != nil, "a buffer of another exporter was taken")
			syscall.Close(fd)
		}
		h.Close()
	}
	again, err := p.dev.RegisterFD(p.fd)
	if t.ok("register twice", err) {
		t.check("register twice", again.ID != p.closed.ID, "the same id %d", again.ID)
		again.Close()
	}
	// The registration keeps the buffer.
	fd, err := p.heap.Alloc(page)
	if !t.need("register keeps", err) {
		return
	}
	m, err := p.dev.RegisterFD(fd)
	syscall.Close(fd)
	if !t.need("register keeps", err) {
		return
	}
	err = p.session.Invoke(optee.SDPCmdInject, tee.Ref(tee.MemInput, p.open, 0, page), tee.Ref(tee.MemOutput, m, 0, page))
	t.ok("register keeps", err)
	t.ok("register close", m.Close())
	// Another program's id says nothing here.
	d2, err := tee.Open(teeDevice)
	if !t.need("register elsewhere", err) {
		return
	}
	defer d2.Close()
	s2, err := d2.OpenPublic(optee.SDPUUID())
	if t.need("register elsewhere", err) {
		err = s2.Invoke(optee.SDPCmdTransform, tee.Ref(tee.MemInOut, p.closed, 0, 16))
		t.is("register elsewhere", err, syscall.EINVAL)
	}
}
