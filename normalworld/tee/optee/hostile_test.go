package optee_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/tee"
	"gatehouse/platform"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
	wire "gatehouse/smc/optee"
)

// What is in protected memory is at no moment of its way back readable for the processor: neither before nor after any call, and
// neither when all goes well nor when one call fails.
func TestNothingReadableEarly(t *testing.T) {
	secret := bytes.Repeat([]byte("secret! "), page/8)
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			total := 1
			for fail := -1; fail < total; fail++ {
				r := boot(t, v)
				c := r.newClient("tee0")
				sdp, err := c.protected(page, 1)
				if err != nil {
					t.Fatal(err)
				}
				in, err := c.temp(secret)
				if err != nil {
					t.Fatal(err)
				}
				s := c.must(wire.SDPUUID())
				if ret, _ := c.invoke(s, wire.SDPCmdInject, in.memref(tee.AttrMemrefInput, 0, page), sdp.memref(tee.AttrMemrefOutput, 0, page)); ret != wire.Success {
					t.Fatal(ret)
				}
				c.write(in.va, make([]byte, page))
				in.release()
				pa := r.find(secret)
				if pa == 0 {
					t.Fatal("what was injected is nowhere")
				}
				look := func(when string) {
					b := make([]byte, page)
					r.k.Read(pa, b)
					if bytes.Contains(b, []byte("secret")) {
						t.Errorf("%s the processor reads the secret", when)
					}
				}
				r.wire.calls = 0
				r.wire.before = func(n int, regs *firmware.Registers) bool {
					look("before a call")
					if n == fail {
						refuseWith(ffa.Denied, wire.ReturnEBadAddr)(regs, nil)
						return true
					}
					return false
				}
				r.wire.after = func(int, *firmware.Registers) { look("after a call") }
				sdp.release()
				c.exit()
				if fail < 0 {
					total = r.wire.calls
				}
				look("afterwards")
				r.wire.before, r.wire.after = nil, nil
				r.down()
				r.m.Close()
			}
		})
	}
}

// When the secure world does what it is asked for, but its answer gets lost, it may keep memory for good. The kernel knows of every
// page whose it is: it uses none that is not its own.
func TestLostAnswers(t *testing.T) {
	for _, v := range variants {
		if v.rstmem || v.reserved {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			r := newRig(t, v)
			if err := r.work(); err != nil {
				t.Fatal(err)
			}
			total := r.wire.calls
			rnd := rand.New(rand.NewPCG(6, 6))
			for n := rnd.IntN(3); n < total; n += 3 {
				r := newRig(t, v)
				r.wire.after = func(call int, regs *firmware.Registers) {
					if call == n {
						*regs = firmware.Registers{}
						if n%2 == 0 {
							for i := range regs {
								regs[i] = rnd.Uint64()
							}
						}
					}
				}
				var errs []error
				note := func(err error) bool {
					if err != nil {
						errs = append(errs, err)
					}
					return err == nil
				}
				if note(r.probe()) {
					r.use(note)
				}
				d := r.d
				r.unload(note)
				lost := r.sub.Lost()
				if d != nil {
					lost += d.Lost()
				}
				// Each page that is free can be used.
				var free []uint64
				for {
					pa, err := r.pages.AllocContig(page, memFlags)
					if err != nil {
						break
					}
					free = append(free, pa)
					if _, err := r.k.Load(pa, 8); err != nil {
						t.Fatalf("answer to call %d lost: a free page: %v", n, err)
					}
				}
				// Pages of contiguous areas are for those who ask for more than one.
				for {
					pa, err := r.pages.AllocContig(2*page, memFlags)
					if err != nil {
						break
					}
					if r.k.Zero(pa, 2*page) != nil {
						t.Fatalf("answer to call %d lost: a free page at %#x is protected", n, pa)
					}
					free = append(free, pa, pa+page)
				}
				// The last page of an area may be left over.
				if got := uint64(len(free)) + r.pages.FreePages() + lost; got < r.free-8 || lost > 512 {
					t.Errorf("answer to call %d lost: %d free, %d lost, %d altogether (%v)", n, len(free), lost, r.free, errors.Join(errs...))
				}
				r.m.Close()
			}
		})
	}
}

// Things that happen in the middle of a call: buffers are freed and allocated, sessions opened and closed, while the secure world
// is at work for somebody else.
func TestCallsWithinCalls(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			c, inner := r.newClient("tee0"), r.newClient("tee0")
			rnd := rand.New(rand.NewPCG(7, uint64(len(v.name))))
			var held []*shm
			depth := 0
			act := func() {
				switch rnd.IntN(4) {
				case 0:
					if s, err := inner.protected(page, 1); err == nil {
						held = append(held, s)
					}
				case 1:
					if n := len(held); n > 0 {
						s := held[n-1]
						held = held[:n-1]
						s.release()
					}
				case 2:
					if b, err := inner.allocate(100); err == nil {
						b.release()
					}
				case 3:
					if s, ret, _ := inner.open(wire.SDPUUID()); ret == wire.Success {
						inner.closeSession(s)
					}
				}
			}
			r.wire.before = func(int, *firmware.Registers) bool {
				if depth == 0 && rnd.IntN(3) == 0 {
					depth++
					act()
					depth--
				}
				return false
			}
			for range 60 {
				if err := c.sdpBasic(toTA, 3000, 1, true, rnd); err != nil && v.policy == nil {
					t.Fatal(err) // with a lend for each buffer the controller may run out of regions
				}
			}
			r.wire.before = nil
			for _, s := range held {
				s.release()
			}
			inner.exit()
			c.exit()
			r.down()
		})
	}
}

// A secure world that names memory which is the kernel's as its carve-out, or as shared from the start, is not believed.
func TestForeignCarveout(t *testing.T) {
	r := newRig(t, variant{static: true})
	for name, at := range map[string]func(*firmware.Registers){
		"kernel memory": func(r *firmware.Registers) { r[1] = platform.RAMBase + 4<<20 },
		"too much":      func(r *firmware.Registers) { r[2] += page },
		"wraps":         func(r *firmware.Registers) { r[2] = -r[1] },
		"not aligned":   func(r *firmware.Registers) { r[1]++ },
		"no memory":     func(r *firmware.Registers) { r[1] = 1 << 40 },
		"empty":         func(r *firmware.Registers) { r[2] = 0 },
		"no addresses":  func(r *firmware.Registers) { r[3] = 0 },
	} {
		asked := false
		r.wire.before = func(_ int, regs *firmware.Registers) bool {
			asked = smc.Function(regs[0]) == wire.GetProtmemConfig
			return false
		}
		r.wire.after = func(_ int, regs *firmware.Registers) {
			if asked {
				at(regs)
			}
		}
		if err := r.probe(); err != nil {
			t.Fatal(err)
		}
		if h, err := r.heaps.Open("protected,secure-video"); err == nil {
			if b, err := h.Buffer(page, dmabuf.ORdWr); err == nil {
				t.Errorf("%s: there is a buffer", name)
				b.Put()
			}
		}
		if err := r.remove(); err != nil {
			t.Fatal(err)
		}
	}
	reserved := newRig(t, variant{static: true, reserved: true})
	reserved.wire.after = func(_ int, regs *firmware.Registers) {
		if regs[0] == 0 && regs[1] == shmBase {
			regs[1] = platform.RAMBase + 4<<20
		}
	}
	if err := reserved.probe(); !errors.Is(err, normalworld.EINVAL) {
		t.Errorf("shared memory in the kernel's: %v, want EINVAL", err)
	}
}

// The answers of the secure world stand in memory that both write: sizes that do not fit, sessions that exist.
func TestForgedResults(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			c := r.newClient("tee0")
			s := c.must(wire.ProbeUUID())
			b, err := c.allocate(64)
			if err != nil {
				t.Fatal(err)
			}
			// Where the message is: the only page with this command and session.
			forge := func(change func(m []byte)) {
				r.wire.after = func(int, *firmware.Registers) {
					for pa := uint64(platform.RAMBase); pa < platform.RAMBase+ramSize; pa += page {
						m := make([]byte, page)
						if r.k.Read(pa, m) != nil {
							continue
						}
						for off := 0; off+512 <= page; off += 8 {
							if h := m[off:]; le.Uint32(h) == 1 && le.Uint32(h[4:]) == wire.ProbeCmdMemory && le.Uint32(h[8:]) == s && le.Uint32(h[28:]) == 2 {
								change(h)
								r.k.Write(pa, m)
								return
							}
						}
					}
				}
			}
			p := func() []param { return []param{b.memref(tee.AttrMemrefInOut, 0, 64), {attr: tee.AttrValueOutput}} }
			forge(func(m []byte) { le.PutUint64(m[32+16:], 65) })
			if ret, origin := c.invoke(s, wire.ProbeCmdMemory, p()...); ret != wire.ErrorCommunication || origin != wire.OriginComms {
				t.Errorf("more than was offered: %v from %v", ret, origin)
			}
			forge(func(m []byte) {
				le.PutUint64(m[32+16:], 4096)
				le.PutUint32(m[20:], uint32(wire.ErrorShortBuffer))
			})
			q := p()
			if ret, _ := c.invoke(s, wire.ProbeCmdMemory, q...); ret != wire.ErrorShortBuffer || q[0].b != 4096 {
				t.Errorf("more is needed: %v, %d", ret, q[0].b)
			}
			// Attributes and numbers of parameters are what was sent.
			forge(func(m []byte) {
				le.PutUint32(m[28:], 1000)
				le.PutUint64(m[32:], 0x77)
			})
			if ret, _ := c.invoke(s, wire.ProbeCmdMemory, p()...); ret != wire.Success {
				t.Errorf("other attributes: %v", ret)
			}
			r.wire.after = nil
			c.exit()
		})
	}
}

// FuzzSecureWorld lets a fuzzer answer calls: whatever it says, the driver neither panics nor hangs, and memory is accounted for.
func FuzzSecureWorld(f *testing.F) {
	f.Add(uint8(0), uint16(10), []byte("answers"))
	f.Add(uint8(3), uint16(5), bytes.Repeat([]byte{0xFF}, 64))
	f.Add(uint8(5), uint16(0), make([]byte, 300))
	f.Fuzz(func(t *testing.T, which uint8, first uint16, answers []byte) {
		r := newRig(t, variants[int(which)%len(variants)])
		defer r.m.Close()
		next := func() uint64 {
			if len(answers) == 0 {
				return 0
			}
			n := min(8, len(answers))
			var b [8]byte
			copy(b[:], answers[:n])
			answers = answers[n:]
			return binary.LittleEndian.Uint64(b[:])
		}
		r.wire.before = func(n int, regs *firmware.Registers) bool {
			if n < int(first) || len(answers) == 0 {
				return false
			}
			call := *regs
			kind := next()
			switch kind % 4 {
			case 0:
				return false
			case 1: // the right form
				if isFFA(regs) {
					*regs = firmware.Registers{0: uint64(ffa.Success32)}
					if f := ffa.FunctionOf(&call); f == ffa.MsgSendDirectReq32 {
						*regs = firmware.Registers{uint64(ffa.MsgSendDirectResp32), call[1]>>16 | call[1]<<16&0xFFFF_0000, 0, 0, kind >> 8 & 3, 0, 0, next()}
						return true
					}
				} else {
					regs[0] = []uint64{0, uint64(wire.ReturnRPC(wire.RPCFunction(kind >> 8 & 7)))}[kind>>16&1]
				}
				regs[1], regs[2], regs[3] = next(), next(), next()
			default:
				for i := range 4 {
					regs[i] = next()
				}
			}
			return true
		}
		r.work()
		if r.pages.FreePages() > r.free {
			t.Fatal("pages were freed twice")
		}
	})
}

// FuzzIoctl lets a fuzzer be the process: any number, any bytes as argument.
func FuzzIoctl(f *testing.F) {
	f.Add(uint8(0), uint32(tee.IOCVersion), []byte{}, []byte{})
	f.Add(uint8(1), uint32(tee.IOCInvoke), words(0, 24), words32(0, 1, 0, 0, 0, 0))
	f.Add(uint8(2), uint32(tee.IOCOpenSession), words(0, 56+32), append(make([]byte, 52), words32(1)...))
	f.Add(uint8(3), uint32(tee.IOCSHMRegister), words(0x10000, 4096, 0), []byte{})
	f.Add(uint8(4), uint32(tee.IOCSHMAlloc), words(100, 0), []byte{})
	f.Add(uint8(5), uint32(tee.IOCSHMRegisterFD), words(3, 0, 0), []byte{})
	f.Add(uint8(2), uint32(tee.IOCRSTMEMAlloc), words(100, 1<<32, 0), []byte{})
	f.Add(uint8(129), uint32(tee.IOCSupplSend), words(0, 40), append(words32(0, 1), make([]byte, 32)...))
	f.Add(uint8(129), uint32(tee.IOCSupplRecv), words(0, 40), append(words32(0, 1), make([]byte, 32)...))
	var rigs []*rig
	for _, v := range variants {
		rigs = append(rigs, boot(f, v))
	}
	f.Fuzz(func(t *testing.T, which uint8, cmd uint32, arg, buf []byte) {
		i := int(which&0x7F) % len(variants)
		r := rigs[i]
		r.tb = t
		// What the first ioctls allocate stays with the driver.
		before := r.pages.FreePages()
		name := "tee0"
		if which&0x80 != 0 {
			name = "teepriv0"
		}
		c := r.newClient(name)
		if name == "tee0" {
			c.open(wire.ProbeUUID())
			c.allocate(10)
			c.dmaHeap(heap.SecureVideoPlay.String(), page)
		}
		arg, buf = arg[:min(len(arg), 64)], buf[:min(len(buf), page)]
		if len(arg) >= 8 && le.Uint64(arg) == 0 {
			arg = slices.Clone(arg)
			le.PutUint64(arg, c.buf)
		}
		c.write(c.arg, arg)
		c.write(c.buf, buf)
		c.file.Ioctl(cmd, c.arg)
		c.exit()
		if got := r.pages.FreePages(); got+4 < before {
			t.Errorf("%d pages are free, %d were", got, before)
		}
	})
}

// A reclaim that says it has worked, and has not, is noticed before the memory is used again.
func TestForgedReclaim(t *testing.T) {
	r := boot(t, variant{ffa: true})
	h, err := r.heaps.Open("protected,secure-video")
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Buffer(page, dmabuf.ORdWr)
	if err != nil {
		t.Fatal(err)
	}
	forge := true
	r.wire.before = func(_ int, regs *firmware.Registers) bool {
		if !forge || ffa.FunctionOf(regs) != ffa.MemReclaim32 {
			return false
		}
		*regs = ffa.SuccessReply()
		return true
	}
	if err := b.Put(); err != nil {
		t.Fatal(err)
	}
	if lost := r.d.Lost(); lost != 256 {
		t.Errorf("%d pages are known to be lost, want the pool's 256", lost)
	}
	forge = false
	r.down()
	if lost := r.d.Lost(); lost != 0 {
		t.Errorf("%d pages stay lost", lost)
	}
}

// A handle that is another memory's is no answer: both would come back together.
func TestForgedHandle(t *testing.T) {
	r := boot(t, variant{ffa: true})
	c := r.newClient("tee0")
	s := c.must(wire.ProbeUUID())
	var handle [2]uint64
	r.wire.after = func(_ int, regs *firmware.Registers) {
		if ffa.FunctionOf(regs) == ffa.Success32 && regs[2] != 0 {
			handle = [2]uint64{regs[2], regs[3]}
		}
	}
	first, err := c.allocate(100)
	if err != nil {
		t.Fatal(err)
	}
	r.wire.after = nil
	r.wire.before = func(_ int, regs *firmware.Registers) bool {
		if ffa.FunctionOf(regs) != ffa.MemShare64 {
			return false
		}
		*regs = firmware.Registers{uint64(ffa.Success32), 0, handle[0], handle[1]}
		return true
	}
	if _, err := c.allocate(100); err == nil {
		t.Error("memory with another's handle")
	}
	r.wire.before = nil
	p := []param{first.memref(tee.AttrMemrefInput, 0, 8), {attr: tee.AttrValueOutput}}
	if ret, _ := c.invoke(s, wire.ProbeCmdMemory, p...); ret != wire.Success {
		t.Errorf("the memory whose handle it is: %v", ret)
	}
	first.release()
	c.exit()
	r.down()
}

// The room of a message whose thread is lost is not used for another one: the thread may answer into it at any time.
func TestLostThread(t *testing.T) {
	r := boot(t, variant{})
	c := r.newClient("tee0")
	s := c.must(wire.ProbeUUID())
	var offsets []uint64
	r.wire.before = func(_ int, regs *firmware.Registers) bool {
		switch smc.Function(regs[0]) {
		case wire.CallWithRegdArg:
			offsets = append(offsets, regs[3])
		case wire.ReturnFromRPC:
			regs[0] = 0x1234_5678_9ABC_DEF0
			return true
		}
		return false
	}
	if ret, origin := c.invoke(s, wire.ProbeCmdInterrupt, value(tee.AttrValueInput, 1, 0)); ret != wire.ErrorCommunication || origin != wire.OriginComms {
		t.Errorf("%v from %v, want COMMUNICATION from COMMS", ret, origin)
	}
	// The other session is free.
	if ret, _ := c.invoke(c.must(wire.InvokeTestsUUID()), wire.InvokeTestsCmdTrace); ret != wire.Success {
		t.Error(ret)
	}
	for _, off := range offsets[1:] {
		if off == offsets[0] {
			t.Errorf("messages at offsets %#x: the first one's is used again", offsets)
		}
	}
}
