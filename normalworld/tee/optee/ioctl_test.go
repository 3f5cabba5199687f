package optee_test

import (
	"bytes"
	"errors"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
	wire "gatehouse/smc/optee"
)

// The numbers are those that a C program gets from include/uapi/linux/tee.h of Linux 6.18.
func TestIoctlNumbers(t *testing.T) {
	for got, want := range map[uint32]uint32{
		tee.IOCVersion: 0x800ca400, tee.IOCSHMAlloc: 0xc010a401, tee.IOCOpenSession: 0x8010a402, tee.IOCInvoke: 0x8010a403,
		tee.IOCCancel: 0x8008a404, tee.IOCCloseSession: 0x8004a405, tee.IOCSupplRecv: 0x8010a406, tee.IOCSupplSend: 0x8010a407,
		tee.IOCSHMRegisterFD: 0xc018a408, tee.IOCSHMRegister: 0xc018a409, tee.IOCRSTMEMAlloc: 0xc018a40a,
	} {
		if got != want {
			t.Errorf("%#x, want %#x", got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		caps := tee.GenCapGP | tee.GenCapMemrefNull
		if !r.v.reserved {
			caps |= tee.GenCapRegMem
		}
		if r.v.rstmem {
			caps |= tee.GenCapRSTMEM
		}
		for name, more := range map[string]uint32{"tee0": 0, "teepriv0": tee.GenCapPrivileged} {
			c := r.newClient(name)
			if _, err := c.file.Ioctl(tee.IOCVersion, c.arg); err != nil {
				t.Fatal(err)
			}
			if got := c.read(c.arg, 12); !bytes.Equal(got, words32(1, 1, caps|more)) {
				t.Errorf("%s: %x, want capabilities %#x", name, got, caps|more)
			}
			c.exit()
		}
	})
}

// What a process gets wrong is an error number, and changes nothing.
func TestIoctlErrors(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.InvokeTestsUUID())
		b, err := c.allocate(100)
		if err != nil {
			t.Fatal(err)
		}
		other := r.newClient("tee0")
		foreign, err := other.allocate(8)
		if err != nil {
			t.Fatal(err)
		}
		nowhere := uint64(0x7fff_0000_0000)
		uuid := wire.InvokeTestsUUID()
		openHead := func(login wire.Login, n uint32) []byte {
			return append(append(append([]byte(nil), uuid[:]...), make([]byte, 16)...), words32(uint32(login), 0, 0, 0, 0, n)...)
		}
		invoke := func(n uint32) []byte { return words32(wire.InvokeTestsCmdTrace, s, 0, 0, 0, n) }
		buffered := func(data []byte, length uint64) func() uint64 {
			return func() uint64 {
				c.write(c.buf, data)
				c.write(c.arg, words(c.buf, length))
				return c.arg
			}
		}
		one := func(p param) []byte { return append(invoke(1), p.bytes()...) }
		plain := func(data []byte) func() uint64 {
			return func() uint64 { c.write(c.arg, data); return c.arg }
		}
		at := func(a uint64) func() uint64 { return func() uint64 { return a } }
		EINVAL, EFAULT := normalworld.EINVAL, normalworld.EFAULT
		for _, tc := range []struct {
			name string
			cmd  uint32
			arg  func() uint64
			want normalworld.Errno
		}{
			{"unknown number", 0xc010a4ff, at(c.arg), EINVAL},
			{"object invoke", 0x8010a40b, at(c.arg), EINVAL},
			{"version to nowhere", tee.IOCVersion, at(nowhere), EFAULT},
			{"version across the end", tee.IOCVersion, at(c.arg + page - 8), EFAULT},
			{"shm alloc from nowhere", tee.IOCSHMAlloc, at(nowhere), EFAULT},
			{"shm alloc with flags", tee.IOCSHMAlloc, plain(append(words(8), words32(1, 0)...)), EINVAL},
			{"shm alloc of nothing", tee.IOCSHMAlloc, plain(append(words(0), words32(0, 0)...)), normalworld.ENOMEM},
			{"shm alloc of everything", tee.IOCSHMAlloc, plain(append(words(^uint64(0)), words32(0, 0)...)), normalworld.ENOMEM},
			{"register with flags", tee.IOCSHMRegister, plain(append(words(c.buf, 8), words32(1, 0)...)), EINVAL},
			{"register nothing", tee.IOCSHMRegister, plain(append(words(c.buf, 0), words32(0, 0)...)), EINVAL},
			{"register nowhere", tee.IOCSHMRegister, plain(append(words(nowhere, 8), words32(0, 0)...)), EFAULT},
			{"register beyond the mapping", tee.IOCSHMRegister, plain(append(words(c.buf, 3*page), words32(0, 0)...)), EFAULT},
			{"register around the end", tee.IOCSHMRegister, plain(append(words(c.buf, ^uint64(0)), words32(0, 0)...)), EINVAL},
			{"register the kernel", tee.IOCSHMRegister, plain(append(words(1<<63, 8), words32(0, 0)...)), EINVAL},
			{"register a free descriptor", tee.IOCSHMRegisterFD, plain(append(words(77, 0), words32(0, 0)...)), EINVAL},
			{"register a negative descriptor", tee.IOCSHMRegisterFD, plain(append(words(^uint64(0), 0), words32(0, 0)...)), EINVAL},
			{"register a descriptor of shared memory", tee.IOCSHMRegisterFD, plain(append(words(uint64(b.fd), 0), words32(0, 0)...)), EINVAL},
			{"register a descriptor with flags", tee.IOCSHMRegisterFD, plain(append(words(0, 0), words32(1, 0)...)), EINVAL},
			{"open from nowhere", tee.IOCOpenSession, at(nowhere), EFAULT},
			{"open with a buffer nowhere", tee.IOCOpenSession, plain(words(nowhere, 56)), EFAULT},
			{"open too short", tee.IOCOpenSession, buffered(openHead(0, 0), 55), EINVAL},
			{"open too long", tee.IOCOpenSession, buffered(openHead(0, 0), 4097), EINVAL},
			{"open with missing parameters", tee.IOCOpenSession, buffered(openHead(0, 1), 56), EINVAL},
			{"open with too many parameters", tee.IOCOpenSession, buffered(append(openHead(0, 5), make([]byte, 160)...), 216), EINVAL},
			{"open as the kernel", tee.IOCOpenSession, buffered(openHead(wire.LoginREEKernel, 0), 56), normalworld.EPERM},
			{"open with an unknown login", tee.IOCOpenSession, buffered(openHead(3, 0), 56), EINVAL},
			{"invoke with a count that wraps", tee.IOCInvoke, buffered(invoke(0x0800_0001), 24+32), EINVAL},
			{"invoke in a session that is not open", tee.IOCInvoke, buffered(words32(0, s+1, 0, 0, 0, 0), 24), EINVAL},
			{"invoke with an unknown attribute", tee.IOCInvoke, buffered(one(param{attr: 4}), 56), EINVAL},
			{"invoke with reserved bits", tee.IOCInvoke, buffered(one(param{attr: 1 << 20}), 56), EINVAL},
			{"invoke with a meta parameter", tee.IOCInvoke, buffered(one(param{attr: tee.AttrMeta | tee.AttrValueInput}), 56), EINVAL},
			{"invoke with unknown memory", tee.IOCInvoke, buffered(one(param{tee.AttrMemrefInput, 0, 8, 999}), 56), EINVAL},
			{"invoke with memory 0", tee.IOCInvoke, buffered(one(param{tee.AttrMemrefInput, 0, 8, 0}), 56), EINVAL},
			{"invoke with somebody else's memory", tee.IOCInvoke, buffered(one(foreign.memref(tee.AttrMemrefInput, 0, 8)), 56), EINVAL},
			{"invoke beyond memory", tee.IOCInvoke, buffered(one(b.memref(tee.AttrMemrefInput, b.size-7, 8)), 56), EINVAL},
			{"invoke with an offset that wraps", tee.IOCInvoke, buffered(one(b.memref(tee.AttrMemrefInput, ^uint64(0)-3, 8)), 56), EINVAL},
			{"cancel from nowhere", tee.IOCCancel, at(nowhere), EFAULT},
			{"close from nowhere", tee.IOCCloseSession, at(nowhere), EFAULT},
			{"close of an unknown session", tee.IOCCloseSession, plain(words32(s + 1)), EINVAL},
			{"receive on the client's device", tee.IOCSupplRecv, buffered(append(words32(0, 1), make([]byte, 32)...), 40), EINVAL},
			{"send on the client's device", tee.IOCSupplSend, buffered(words32(0, 0), 8), EINVAL},
		} {
			before := r.pages.FreePages()
			if _, err := c.file.Ioctl(tc.cmd, tc.arg()); tee.Errno(err) != tc.want {
				t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
			}
			if after := r.pages.FreePages(); after != before {
				t.Errorf("%s: %d pages are free, %d were", tc.name, after, before)
			}
		}
		// The session still works, and the process's answer goes where it can be written only.
		if ret, _ := c.invoke(s, wire.InvokeTestsCmdTrace); ret != wire.Success {
			t.Errorf("afterwards: %v", ret)
		}
		foreign.release()
		other.exit()
		b.release()
		c.exit()
		if _, err := c.file.Ioctl(tee.IOCVersion, c.arg); tee.Errno(err) != normalworld.EBADF {
			t.Errorf("a closed file: %v", err)
		}
	})
}

// Parameters of all kinds get there and back; NULL is one.
func TestParameters(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.InvokeTestsUUID())
		p := []param{value(tee.AttrValueInput, 1, 2), value(tee.AttrValueInput, 3, 4), value(tee.AttrValueInput, 5, 6), {attr: tee.AttrValueOutput}}
		if ret, _ := c.invoke(s, wire.InvokeTestsCmdParams, p...); ret != wire.Success || p[3].a != 9 || p[3].b != 12 {
			t.Errorf("values: %v, %d and %d", ret, p[3].a, p[3].b)
		}
		b, err := c.temp([]byte{1, 2, 3, 4, 5, 6})
		if err != nil {
			t.Fatal(err)
		}
		p = []param{b.memref(tee.AttrMemrefInOut, 1, 4)}
		if ret, _ := c.invoke(s, wire.InvokeTestsCmdParams, p...); ret != wire.Success || !bytes.Equal(c.read(b.va, 6), []byte{1, 14, 3, 4, 5, 6}) {
			t.Errorf("memory: %v, %v", ret, c.read(b.va, 6))
		}
		if ret, _ := c.invoke(s, wire.InvokeTestsCmdMemrefNull, param{tee.AttrMemrefInOut, 0, 0, tee.MemrefNull}); ret != wire.Success {
			t.Errorf("NULL: %v", ret)
		}
		if _, ret, origin := c.open(smc.UUID{1, 2, 3}); ret != wire.ErrorItemNotFound || origin != wire.OriginTEE {
			t.Errorf("an application that does not exist: %v from %v", ret, origin)
		}
		if _, ret, origin := c.open(wire.ProbeUUID(), value(tee.AttrValueInput, uint64(wire.ErrorSecurity), 0)); ret != wire.ErrorSecurity || origin != wire.OriginTrustedApp {
			t.Errorf("an application that refuses: %v from %v", ret, origin)
		}
		// A short buffer comes back with the size that is needed.
		s2 := c.must(wire.ProbeUUID())
		p = []param{{attr: tee.AttrValueOutput}, b.memref(tee.AttrMemrefOutput, 0, 3)}
		if ret, _ := c.invoke(s2, wire.ProbeCmdClient, p...); ret != wire.ErrorShortBuffer || p[1].b != 16 {
			t.Errorf("short buffer: %v, %d bytes", ret, p[1].b)
		}
		if ret, _ := c.invoke(s2, wire.ProbeCmdPanic); ret != wire.ErrorTargetDead {
			t.Errorf("panic: %v", ret)
		}
		if ret, _ := c.invoke(s2, wire.ProbeCmdResult, value(tee.AttrValueInput, 0, 0)); ret != wire.ErrorTargetDead {
			t.Errorf("after the panic: %v", ret)
		}
		b.release()
		c.exit()
	})
}

// Memory of a process is shared as it lies: in pages that do not follow each other, from any byte to any other. Long lists take
// more than one fragment, or block of a page list.
func TestRegisteredMemory(t *testing.T) {
	for _, v := range variants {
		if v.reserved {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			c := r.newClient("tee0")
			s := c.must(wire.ProbeUUID())
			fragments := 0
			r.wire.after = func(_ int, regs *firmware.Registers) {
				if ffa.FunctionOf(regs) == ffa.MemFragRX32 {
					fragments++
				}
			}
			for _, tc := range []struct{ off, size uint64 }{
				{0, 1}, {0, page}, {page - 1, 2}, {1, page}, {123, 3*page + 1}, {5, 600 * page}, {0, 511 * page}, {page / 2, 1022 * page},
			} {
				// Every second page goes elsewhere, so that no two of them follow each other.
				n := 2 * ((tc.off+tc.size+page-1)/page + 1)
				holes := make([]uint64, 0, n)
				for range n {
					pa, err := r.sub.AllocPages(1)
					if err != nil {
						t.Fatal(err)
					}
					holes = append(holes, pa)
				}
				for i := 0; i < len(holes); i += 2 {
					r.sub.FreePages(holes[i], 1)
				}
				va := c.mmap(tc.off + tc.size)
				for i := 1; i < len(holes); i += 2 {
					r.sub.FreePages(holes[i], 1)
				}
				data := make([]byte, tc.size)
				for i := range data {
					data[i] = byte(i * 7 / 3)
				}
				c.write(va+tc.off, data)
				b, err := c.register(va+tc.off, tc.size)
				if err != nil {
					t.Errorf("%#x bytes at offset %#x: %v", tc.size, tc.off, err)
					continue
				}
				half := tc.size / 2
				out, err := c.allocate(max(half, 1))
				if err != nil {
					t.Fatal(err)
				}
				ret, _ := c.invoke(s, wire.ProbeCmdCopy, b.memref(tee.AttrMemrefInput, tc.size-half, half), out.memref(tee.AttrMemrefOutput, 0, half))
				if ret != wire.Success || !bytes.Equal(c.read(out.va, int(half)), data[tc.size-half:]) {
					t.Errorf("%#x bytes at offset %#x: %v, or other bytes", tc.size, tc.off, ret)
				}
				out.release()
				// The memory may go while it is registered.
				if err := c.proc.Memory.Unmap(va); err != nil {
					t.Error(err)
				}
				if ret, _ := c.invoke(s, wire.ProbeCmdMemory, b.memref(tee.AttrMemrefInput, 0, tc.size), param{attr: tee.AttrValueOutput}); ret != wire.Success {
					t.Errorf("after unmap: %v", ret)
				}
				b.release()
			}
			if v.ffa && fragments < 8 {
				t.Errorf("%d fragments: the pages followed each other", fragments)
			}
			c.exit()
			r.down()
		})
	}
}

// A file may be closed, and a process may end, at any moment: what is under way goes on, and then everything ends.
func TestCloseWhileUnderWay(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.ProbeUUID())
		sdp, err := c.protected(page, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.allocate(page)
		if err != nil {
			t.Fatal(err)
		}
		op, _ := c.begin(s, wire.ProbeCmdSleep, value(tee.AttrValueInput, 5, 0))
		// These hold memory that the process gives up.
		op2, _ := c.begin(c.must(wire.ProbeUUID()), wire.ProbeCmdSupplicant, value(tee.AttrValueInput, 2, 0), value(tee.AttrValueInOut, 0, 0), b.memref(tee.AttrMemrefInOut, 0, 8))
		op.Step()
		op2.Step()
		b.release()
		sdp.release()
		c.exit()
		if err := r.d.Remove(); tee.Errno(err) != normalworld.EBUSY {
			t.Fatalf("removal with calls under way: %v, want EBUSY", err)
		}
		r.k.Elapse(6 * ms)
		if !op.Step() {
			t.Fatal("the call does not end")
		}
		if _, err := op.Finish(); tee.Errno(err) != normalworld.EFAULT {
			t.Errorf("results for a process that has ended: %v, want EFAULT", err)
		}
		sp := r.newClient("teepriv0")
		sp.exit()
		if !op2.Step() {
			t.Fatal("the call waits for a supplicant that has gone")
		}
		op2.Finish()
	})
}

// A heap outlives its driver: its buffers hold that, allocations without one are refused, and the next driver takes it over.
func TestHeapOutlivesDriver(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		h, err := r.heaps.Open("protected,secure-video")
		if err != nil {
			t.Fatal(err)
		}
		b, err := h.Buffer(page, dmabuf.ORdWr)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.d.Remove(); tee.Errno(err) != normalworld.EBUSY {
			t.Fatalf("removal with a buffer: %v, want EBUSY", err)
		}
		if err := b.Put(); err != nil {
			t.Fatal(err)
		}
		if err := r.d.Remove(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Buffer(page, dmabuf.ORdWr); !errors.Is(err, normalworld.EINVAL) {
			t.Errorf("without a driver: %v, want EINVAL", err)
		}
		if r.bus != nil {
			if err := r.bus.Remove(); err != nil {
				t.Fatal(err)
			}
			r.sub.FreePages(r.tx, 2)
		}
		if err := r.probe(); err != nil {
			t.Fatal(err)
		}
		if b, err = h.Buffer(page, dmabuf.ORdWr); err != nil {
			t.Fatalf("with the next driver: %v", err)
		}
		if err := b.Put(); err != nil {
			t.Error(err)
		}
	})
}

// The 2024 proposal's allocation: flags, use cases and sizes, and a buffer that is gone with its descriptor.
func TestRSTMEM(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		defer c.exit()
		if !r.v.rstmem {
			if _, err := c.rstmem(page, 0, 1); tee.Errno(err) != normalworld.EINVAL {
				t.Errorf("with the merged interface: %v, want EINVAL", err)
			}
			return
		}
		for _, tc := range []struct {
			size       uint64
			flags, use uint32
			want       normalworld.Errno
		}{
			{page, 1, 1, normalworld.EINVAL}, {page, 0, 0, normalworld.EINVAL}, {page, 0, 4, normalworld.EINVAL},
			{0, 0, 1, normalworld.EINVAL}, {8 << 20, 0, 1, normalworld.ENOMEM}, {100, 0, 1, 0}, {page, 0, 2, 0}, {page, 0, 3, 0},
		} {
			s, err := c.rstmem(tc.size, tc.flags, tc.use)
			if tee.Errno(err) != tc.want {
				t.Errorf("size %#x, flags %d, use case %d: %v, want %v", tc.size, tc.flags, tc.use, err, tc.want)
			}
			if err != nil {
				continue
			}
			if s.size != (tc.size+page-1)&^(page-1) {
				t.Errorf("%#x bytes for %#x", s.size, tc.size)
			}
			buf, err := c.proc.Files.Get(s.fd)
			if err != nil || !buf.Restricted() {
				t.Fatalf("the descriptor is no restricted dma-buf: %v", err)
			}
			ta := c.must(wire.ProbeUUID())
			p := []param{s.memref(tee.AttrMemrefInOut, 0, s.size), {attr: tee.AttrValueOutput}}
			if ret, _ := c.invoke(ta, wire.ProbeCmdMemory, p...); ret != wire.Success || p[1].a != 1 {
				t.Errorf("a trusted application sees %#x, %v", p[1].a, ret)
			}
			s.release()
			// Somebody else's reference keeps the buffer, and its identifier.
			if ret, _ := c.invoke(ta, wire.ProbeCmdMemory, p...); ret != wire.Success {
				t.Errorf("with another reference: %v", ret)
			}
			if err := buf.Put(); err != nil {
				t.Error(err)
			}
			if ret, _ := c.invoke(ta, wire.ProbeCmdMemory, p...); ret != wire.ErrorBadParameters {
				t.Errorf("after the last reference: %v, want BAD_PARAMETERS", ret)
			}
			c.closeSession(ta)
		}
	})
}
