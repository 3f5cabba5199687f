package optee_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/smc"
	wire "gatehouse/smc/optee"
)

// What follows does what xtest of OP-TEE's test suite does (host/xtest/sdp_basic.c, and case 1014 of regression_1000.c): 17000 bytes,
// ten rounds, random offsets, four targets of which the last must fail, and references out of bounds.

// target is whom the data goes through.
type target int

const (
	toTA target = iota
	taToTA
	taToPTA
	toPTA
)

func (g target) String() string {
	return [...]string{"client to TA", "TA to TA", "TA to pTA", "client to pTA"}[g]
}

func (g target) uuid() smc.UUID {
	if g == toPTA {
		return wire.InvokeTestsUUID()
	}
	return wire.SDPUUID()
}

// commands are inject, transform and dump.
func (g target) commands() [3]uint32 {
	return [...][3]uint32{
		toTA:    {wire.SDPCmdInject, wire.SDPCmdTransform, wire.SDPCmdDump},
		taToTA:  {wire.SDPCmdInvokeInject, wire.SDPCmdInvokeTransform, wire.SDPCmdInvokeDump},
		taToPTA: {wire.SDPCmdPTAInject, wire.SDPCmdPTATransform, wire.SDPCmdPTADump},
		toPTA:   {wire.InvokeTestsCmdInject, wire.InvokeTestsCmdTransform, wire.InvokeTestsCmdDump},
	}[g]
}

// sdpBasic is sdp_basic_test: what is injected, transformed and dumped is the negation of each byte.
func (c *client) sdpBasic(g target, size uint64, loops int, randomOffset bool, rnd *rand.Rand) error {
	sdp, err := c.protected(size, uint32(wire.UseCaseSecureVideoPlay))
	if err != nil {
		return err
	}
	defer sdp.release()
	if randomOffset {
		size -= 255
	}
	session, ret, _ := c.open(g.uuid())
	if ret != wire.Success {
		return ret
	}
	defer c.closeSession(session)
	cmds := g.commands()
	for range loops {
		ref := make([]byte, size)
		for i := range ref {
			ref[i] = byte(rnd.Uint32())
		}
		off := uint64(0)
		if randomOffset {
			off = uint64(ref[0])
		}
		if err := c.sdpRound(session, cmds, sdp, ref, off); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) sdpRound(session uint32, cmds [3]uint32, sdp *shm, ref []byte, off uint64) error {
	size := uint64(len(ref))
	test, err := c.temp(ref)
	if err != nil {
		return err
	}
	defer test.release()
	for i, p := range [][]param{
		{test.memref(tee.AttrMemrefInput, 0, size), sdp.memref(tee.AttrMemrefOutput, off, size)},
		{sdp.memref(tee.AttrMemrefInOut, off, size)},
		{sdp.memref(tee.AttrMemrefInput, off, size), test.memref(tee.AttrMemrefOutput, 0, size)},
	} {
		if ret, origin := c.invoke(session, cmds[i], p...); ret != wire.Success {
			return fmt.Errorf("command %d: %w from %v", cmds[i], ret, origin)
		}
	}
	for i, b := range c.read(test.va, len(ref)) {
		if b != -ref[i] {
			return fmt.Errorf("byte %d is %#x, want %#x", i, b, -ref[i])
		}
	}
	return nil
}

// outOfBounds is sdp_out_of_bounds_memref_test. A reference that is good must reach the application, others must not.
func (c *client) outOfBounds(size uint64) error {
	sdp, err := c.protected(size, uint32(wire.UseCaseSecureVideoPlay))
	if err != nil {
		return err
	}
	defer sdp.release()
	size = sdp.size
	in, err := c.allocate(size)
	if err != nil {
		return err
	}
	defer in.release()
	session, ret, _ := c.open(wire.SDPUUID())
	if ret != wire.Success {
		return ret
	}
	defer c.closeSession(session)
	for _, tc := range []struct {
		off, size uint64
		valid     bool
	}{
		{size - 1, 1, true}, {size - 1, 2, false}, {size - 1, 5000, false}, {size, 1, false}, {size, 4096, false}, {2, ^uint64(0), false},
	} {
		ret, origin := c.invoke(session, wire.SDPCmdInject, in.memref(tee.AttrMemrefInput, 0, tc.size), sdp.memref(tee.AttrMemrefOutput, tc.off, tc.size))
		switch reached := origin == wire.OriginTrustedApp || ret == wire.Success; {
		case reached != tc.valid:
			return fmt.Errorf("offset %#x, size %#x: %v from %v", tc.off, tc.size, ret, origin)
		case !tc.valid && ret != wire.ErrorGeneric && ret != wire.ErrorBadParameters:
			return fmt.Errorf("offset %#x, size %#x: %v", tc.off, tc.size, ret)
		}
	}
	return nil
}

func TestSDPBasic(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		defer c.exit()
		rnd := rand.New(rand.NewPCG(1014, 0))
		for g := toTA; g <= toPTA; g++ {
			err := c.sdpBasic(g, 17000, 10, true, rnd)
			if g == toPTA {
				// A client is not to hand protected memory to the pseudo-TA itself.
				var ret wire.Result
				if !errors.As(err, &ret) || ret != wire.ErrorBadParameters {
					t.Errorf("SDP: %v: %v, want BAD_PARAMETERS", g, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("SDP: %v: %v", g, err)
			}
		}
		if err := c.outOfBounds(17000); err != nil {
			t.Errorf("SDP: references out of bounds: %v", err)
		}
	})
}

// The applications' own negative cases (ta_sdp_basic.c, pta_invoke_tests.c): memory on the wrong side of the border, and parameters
// of the wrong type.
func TestSDPWrongSide(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		defer c.exit()
		sdp, err := c.protected(page, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer sdp.release()
		normal, err := c.allocate(page)
		if err != nil {
			t.Fatal(err)
		}
		defer normal.release()
		s := c.must(wire.SDPUUID())
		in, out, inout := tee.AttrMemrefInput, tee.AttrMemrefOutput, tee.AttrMemrefInOut
		for _, tc := range []struct {
			name   string
			cmd    uint32
			params []param
			want   wire.Result
		}{
			{"inject into normal memory", wire.SDPCmdInject, []param{normal.memref(in, 0, 8), normal.memref(out, 64, 8)}, wire.ErrorAccessDenied},
			{"inject out of protected memory", wire.SDPCmdInject, []param{sdp.memref(in, 0, 8), sdp.memref(out, 64, 8)}, wire.ErrorAccessDenied},
			{"transform normal memory", wire.SDPCmdTransform, []param{normal.memref(inout, 0, 8)}, wire.ErrorAccessDenied},
			{"dump into protected memory", wire.SDPCmdDump, []param{sdp.memref(in, 0, 8), sdp.memref(out, 64, 8)}, wire.ErrorAccessDenied},
			{"dump normal memory", wire.SDPCmdDump, []param{normal.memref(in, 0, 8), normal.memref(out, 64, 8)}, wire.ErrorAccessDenied},
			{"inject too much", wire.SDPCmdInject, []param{normal.memref(in, 0, 9), sdp.memref(out, 0, 8)}, wire.ErrorShortBuffer},
			{"wrong direction", wire.SDPCmdInject, []param{normal.memref(out, 0, 8), sdp.memref(in, 0, 8)}, wire.ErrorBadParameters},
			{"values", wire.SDPCmdTransform, []param{value(tee.AttrValueInOut, 1, 2)}, wire.ErrorBadParameters},
			{"unknown command", 99, nil, wire.ErrorBadParameters},
		} {
			if ret, origin := c.invoke(s, tc.cmd, tc.params...); ret != tc.want || origin != wire.OriginTrustedApp {
				t.Errorf("%s: %v from %v, want %v", tc.name, ret, origin, tc.want)
			}
		}
		if err := c.closeSession(s); err != nil {
			t.Error(err)
		}
		if err := c.closeSession(s); tee.Errno(err) != normalworld.EINVAL {
			t.Errorf("closing a session twice: %v", err)
		}
	})
}

// Protected memory is out of the processor's reach from its allocation on, within the rules of its use case for masters, and what it
// held is gone when it comes back.
func TestProtectedMemoryOnTheBus(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		defer c.exit()
		sdp, err := c.protected(2*page, 1)
		if err != nil {
			t.Fatal(err)
		}
		secret := bytes.Repeat([]byte("secret! "), page/4)
		in, err := c.temp(secret)
		if err != nil {
			t.Fatal(err)
		}
		s := c.must(wire.SDPUUID())
		if ret, _ := c.invoke(s, wire.SDPCmdInject, in.memref(tee.AttrMemrefInput, 0, 2*page), sdp.memref(tee.AttrMemrefOutput, 0, 2*page)); ret != wire.Success {
			t.Fatal(ret)
		}
		in.release()
		// Where it is, as a driver finds out that maps the buffer.
		pa := r.find(secret)
		if pa == 0 {
			t.Fatal("what was injected is nowhere")
		}
		use := secureConfig().OPTEE.UseCases[0].Access
		if r.v.onDemand {
			use = memory.Access{}
		}
		for id := range uint8(16) {
			p := r.m.Port(bus.Attr{NSAID: id, Privileged: true})
			b := make([]byte, 8)
			if can := p.Read(pa, b) == bus.OKAY; can != (use.Read>>id&1 != 0) {
				t.Errorf("%s reads: %v", bus.NSAIDName(id), can)
			}
			copy(b, "rubbish!")
			if can := p.Write(pa+page, b) == bus.OKAY; can != (use.Write>>id&1 != 0) {
				t.Errorf("%s writes: %v", bus.NSAIDName(id), can)
			}
		}
		var b [8]byte
		if err := r.k.Read(pa, b[:]); !errors.Is(err, normalworld.EFAULT) || b != [8]byte{} {
			t.Errorf("the kernel reads %q, error %v", b, err)
		}
		sdp.release()
		if err := c.closeSession(s); err != nil {
			t.Error(err)
		}
		if r.v.static {
			if err := r.k.Read(pa, b[:]); err == nil {
				t.Error("a carve-out is open after its last buffer was freed")
			}
			return
		}
		if err := r.k.Read(pa, b[:]); err != nil || b != [8]byte{} {
			t.Errorf("after the last buffer was freed the kernel reads %q, error %v", b, err)
		}
	})
}

// find looks for bytes with the eyes of the secure world, where the processor has none.
func (r *rig) find(b []byte) uint64 {
	p := r.m.Port(bus.Attr{Secure: true, Privileged: true})
	got := make([]byte, len(b))
	cpu := make([]byte, 8)
	for pa := uint64(0x4000_0000); pa < 0x4000_0000+ramSize-uint64(len(b)); pa += page {
		if p.Read(pa, got) == bus.OKAY && bytes.Equal(got, b) && r.k.Read(pa, cpu) != nil {
			return pa
		}
	}
	return 0
}
