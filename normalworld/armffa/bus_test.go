package armffa_test

import (
	"errors"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
	"gatehouse/smc/optee"
)

const (
	page = 4096
	tx   = platform.RAMBase + 1<<20
	rx   = tx + page
	buf  = platform.RAMBase + 2<<20
)

// tap stands between the kernel and the machine.
type tap struct {
	to     firmware.Conduit
	calls  []firmware.Registers
	before func(r *firmware.Registers) bool // reports that it has answered
	after  func(call, r *firmware.Registers)
}

func (w *tap) SMC(r *firmware.Registers) {
	call := *r
	w.calls = append(w.calls, call)
	if w.before != nil && w.before(r) {
		return
	}
	w.to.SMC(r)
	if w.after != nil {
		w.after(&call, r)
	}
}

// functions are the calls so far by name.
func (w *tap) functions() (list []string) {
	for i := range w.calls {
		list = append(list, ffa.FunctionOf(&w.calls[i]).Name())
	}
	return list
}

func boot(t *testing.T) (*platform.Machine, *normalworld.Kernel, *tap) {
	t.Helper()
	m, err := platform.New(platform.Config{TZASC: true, RAM: 24 << 20, Firmware: secureworld.New(secureworld.DefaultConfig())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	k := normalworld.New(m, nil)
	w := &tap{to: k.Conduit}
	k.Conduit = w
	return m, k, w
}

func probe(t *testing.T, k *normalworld.Kernel) (*armffa.Bus, ffa.EndpointID) {
	t.Helper()
	b, err := armffa.Probe(k, tx, rx)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Partition(ffa.UUID(optee.OSUUID()))
	if err != nil {
		t.Fatal(err)
	}
	return b, p.ID
}

// The order of calls is that of Linux's driver (abi: transport probe, steps 1 to 14).
func TestProbeOrder(t *testing.T) {
	_, k, w := boot(t)
	b, id := probe(t, k)
	want := []string{"FFA_VERSION", "FFA_ID_GET", "FFA_FEATURES", "FFA_RXTX_MAP", "FFA_FEATURES", "FFA_FEATURES",
		"FFA_NOTIFICATION_BITMAP_CREATE", "FFA_FEATURES", "FFA_FEATURES", "FFA_PARTITION_INFO_GET_REGS"}
	got := w.functions()
	if len(got) < len(want) {
		t.Fatalf("calls %v", got)
	}
	for i, f := range want {
		if got[i] != f {
			t.Errorf("call %d is %s, want %s", i, got[i], f)
		}
	}
	if b.Version() != ffa.Version1_2 || b.ID() != 0 || id != 0x8001 || !b.Notifications() || b.Interrupt() != 8 {
		t.Errorf("version %v, id %v, partition %v, interrupt %d", b.Version(), b.ID(), id, b.Interrupt())
	}
	w.calls = nil
	if err := b.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := w.functions(); len(got) != 2 || got[0] != "FFA_NOTIFICATION_BITMAP_DESTROY" || got[1] != "FFA_RXTX_UNMAP" {
		t.Errorf("removal calls %v", got)
	}
	// What was given back can be had again.
	b, _ = probe(t, k)
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
}

// An SPMC of an older version, and one without discovery by registers, are understood as well.
func TestOldVersions(t *testing.T) {
	for name, tc := range map[string]struct {
		version ffa.Version
		noRegs  bool
	}{
		"1.0": {ffa.Version1_0, true}, "1.1": {ffa.Version1_1, true}, "1.2 through RX": {ffa.Version1_2, true}, "1.2": {ffa.Version1_2, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, k, w := boot(t)
			w.before = func(r *firmware.Registers) bool {
				switch f := ffa.FunctionOf(r); {
				case f == ffa.Version32:
					r[1] = uint64(tc.version)
				case f == ffa.Features32 && ffa.Function(r[1]) == ffa.PartitionInfoGetRegs64 && tc.noRegs:
					*r = ffa.ErrorReply(ffa.NotSupported)
					return true
				}
				return false
			}
			w.after = func(call, r *firmware.Registers) {
				if ffa.FunctionOf(call) == ffa.Version32 {
					r[0] = uint64(tc.version)
				}
			}
			b, id := probe(t, k)
			if b.Version() != tc.version || id != 0x8001 {
				t.Errorf("version %v, partition %v", b.Version(), id)
			}
			// Descriptors follow the version.
			h, err := b.Share([]ffa.Constituent{{Address: buf, Pages: 2}}, armffa.Receiver{ID: id, Permissions: ffa.DataRW})
			if err != nil {
				t.Fatalf("share: %v", err)
			}
			if err := b.Reclaim(h); err != nil {
				t.Error(err)
			}
			if err := b.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A reply that is no answer ends the probe, and leaves no buffer mapped.
func TestProbeRefused(t *testing.T) {
	_, k, w := boot(t)
	for _, tc := range []struct {
		f     ffa.Function
		reply firmware.Registers
		want  error
	}{
		{ffa.Version32, firmware.Registers{^uint64(0)}, normalworld.ENODEV},
		{ffa.Version32, firmware.Registers{0x2_0000}, normalworld.EINVAL},
		{ffa.Version32, firmware.Registers{0x1_0001_0002}, normalworld.EINVAL},
		{ffa.IDGet32, ffa.ErrorReply(ffa.Denied), ffa.Denied},
		{ffa.IDGet32, firmware.Registers{}, armffa.ErrReply},
		{ffa.RXTXMap64, ffa.ErrorReply(ffa.NoMemory), ffa.NoMemory},
		{ffa.RXTXMap64, firmware.Registers{uint64(ffa.Success64)}, armffa.ErrReply},
		{ffa.PartitionInfoGetRegs64, ffa.ErrorReply(ffa.Retry), ffa.Retry},
		{ffa.PartitionInfoGetRegs64, firmware.Registers{uint64(ffa.Success64), 0, 0x0008_0000_0000_0000}, armffa.ErrReply},
		{ffa.PartitionInfoGetRegs64, firmware.Registers{uint64(ffa.Success64), 0, 0x0018_0000_0000_FFFF}, armffa.ErrReply},
		{ffa.PartitionInfoGetRegs64, firmware.Registers{uint64(ffa.Success64), 0, 0x0018_0000_0005_0001}, armffa.ErrReply},
	} {
		done := false
		w.before = func(r *firmware.Registers) bool {
			if ffa.FunctionOf(r) != tc.f || done {
				return false
			}
			*r, done = tc.reply, true
			return true
		}
		if _, err := armffa.Probe(k, tx, rx); !errors.Is(err, tc.want) {
			t.Errorf("%s answered with %x: %v, want %v", tc.f.Name(), tc.reply[:3], err, tc.want)
		}
	}
	w.before = nil
	b, _ := probe(t, k)
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
}

// Memory in many pieces takes fragments; what is asked for next has to be what comes next.
func TestFragments(t *testing.T) {
	_, k, w := boot(t)
	b, id := probe(t, k)
	to := armffa.Receiver{ID: id, Permissions: ffa.DataRW}
	var ranges []ffa.Constituent
	for i := range uint64(1000) {
		ranges = append(ranges, ffa.Constituent{Address: buf + 2*i*page, Pages: 1})
	}
	w.calls = nil
	h, err := b.Share(ranges, to)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.functions(); len(got) != 4 || got[3] != "FFA_MEM_FRAG_TX" {
		t.Errorf("calls %v", got)
	}
	if b.Owned(ranges[10:11], id) {
		t.Error("a shared page counts as the kernel's alone")
	}
	if !b.Owned([]ffa.Constituent{{Address: buf + page, Pages: 1}}, id) {
		t.Error("a page between shared ones does not count as the kernel's")
	}
	if err := b.Reclaim(h); err != nil {
		t.Fatal(err)
	}
	if !b.Owned(ranges, id) {
		t.Error("memory that came back does not count as the kernel's")
	}
	for name, change := range map[string]func(r *firmware.Registers){
		"another offset": func(r *firmware.Registers) { r[3] += 16 },
		"another handle": func(r *firmware.Registers) { r[1]++ },
		"no answer":      func(r *firmware.Registers) { *r = firmware.Registers{} },
	} {
		n := 0
		w.after = func(_, r *firmware.Registers) {
			if ffa.FunctionOf(r) == ffa.MemFragRX32 {
				if n++; n == 2 {
					change(r)
				}
			}
		}
		if _, err := b.Share(ranges, to); !errors.Is(err, armffa.ErrReply) {
			t.Errorf("%s: %v, want ErrReply", name, err)
		}
		w.after = nil
	}
	w.before = func(r *firmware.Registers) bool {
		if ffa.FunctionOf(r) != ffa.MemShare64 {
			return false
		}
		*r = firmware.Registers{uint64(ffa.Success32), 0, 0xFFFF_FFFF, 0xFFFF_FFFF}
		return true
	}
	if _, err := b.Share(ranges[:1], to); !errors.Is(err, armffa.ErrReply) {
		t.Errorf("the handle that stands for none: %v, want ErrReply", err)
	}
}

// Lent memory is out of the processor's reach until it comes back.
func TestLend(t *testing.T) {
	m, k, _ := boot(t)
	b, id := probe(t, k)
	h, err := b.Lend([]ffa.Constituent{{Address: buf, Pages: 4}}, uint64(optee.UseCaseSecureVideoPlay), armffa.Receiver{ID: id, Permissions: ffa.DataRW})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Zero(buf+3*page, 8); err == nil {
		t.Error("the processor writes lent memory")
	}
	if b.Owned([]ffa.Constituent{{Address: buf, Pages: 1}}, id) {
		t.Error("lent memory counts as the kernel's")
	}
	if err := b.Reclaim(h); err != nil {
		t.Fatal(err)
	}
	if err := b.Reclaim(h); !errors.Is(err, ffa.InvalidParameters) {
		t.Errorf("a second reclaim: %v, want INVALID_PARAMETERS", err)
	}
	var p [8]byte
	if resp := m.Port(bus.Attr{NSAID: bus.NSAIDAP}).Read(buf, p[:]); resp != bus.OKAY {
		t.Error(resp)
	}
	if _, err := b.Lend([]ffa.Constituent{{Address: buf, Pages: 4}}, 99, armffa.Receiver{ID: id, Permissions: ffa.DataRW}); err == nil {
		t.Error("a lend for a use case that does not exist")
	}
}

func TestDirect(t *testing.T) {
	_, k, w := boot(t)
	b, id := probe(t, k)
	got, err := b.Direct(id, [5]uint64{uint64(optee.FFAGetAPIVersion)})
	if err != nil || got[0] != 1 || got[1] != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := b.Direct(0x8777, [5]uint64{}); !errors.Is(err, ffa.InvalidParameters) {
		t.Errorf("a partition that does not exist: %v", err)
	}
	// A partition that is interrupted, or yields, is run again.
	for _, f := range []ffa.Function{ffa.Interrupt32, ffa.Yield32} {
		runs := 0
		w.before = func(r *firmware.Registers) bool {
			switch ffa.FunctionOf(r) {
			case ffa.MsgSendDirectReq32:
				*r = firmware.Registers{uint64(f), uint64(id) << 16}
			case ffa.Run32:
				if runs++; runs < 3 {
					*r = firmware.Registers{uint64(f), uint64(id) << 16}
				} else {
					*r = firmware.Registers{uint64(ffa.MsgSendDirectResp32), uint64(id) << 16, 0, 0xFFFF_FFFF_0000_0007}
				}
			default:
				return false
			}
			return true
		}
		before := k.Now()
		got, err := b.Direct(id, [5]uint64{})
		if err != nil || runs != 3 || got[0] != 7 {
			t.Errorf("%s: %v after %d runs, %v", f.Name(), got, runs, err)
		}
		if slept := k.Now() - before; (f == ffa.Yield32) != (slept == 3_000_000) {
			t.Errorf("%s: slept %d ns", f.Name(), slept)
		}
	}
	for name, reply := range map[string]firmware.Registers{
		"another width":    {uint64(ffa.MsgSendDirectResp64), uint64(id) << 16},
		"somebody else's":  {uint64(ffa.MsgSendDirectResp32), 0x9999 << 16},
		"a framework's":    {uint64(ffa.MsgSendDirectResp32), uint64(id) << 16, 1 << 31},
		"success":          {uint64(ffa.Success32)},
		"another one runs": {uint64(ffa.Interrupt32), 0x9999 << 16},
		"an unknown error": {uint64(ffa.Error32), 0, 77},
	} {
		w.before = func(r *firmware.Registers) bool { *r = reply; return true }
		if _, err := b.Direct(id, [5]uint64{}); !errors.Is(err, armffa.ErrReply) {
			t.Errorf("%s: %v, want ErrReply", name, err)
		}
	}
	// One that is interrupted for ever ends as well.
	w.calls = nil
	w.before = func(r *firmware.Registers) bool {
		*r = firmware.Registers{uint64(ffa.Interrupt32), uint64(id) << 16}
		return true
	}
	if _, err := b.Direct(id, [5]uint64{}); !errors.Is(err, armffa.ErrReply) {
		t.Errorf("interrupted for ever: %v", err)
	}
}

// FuzzReplies answers every call with what a fuzzer likes: the driver does not panic, and a send that seems to have worked can be
// taken back or not.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint16(0))
	f.Add(make([]byte, 200), uint16(4))
	f.Fuzz(func(t *testing.T, answers []byte, first uint16) {
		_, k, w := boot(t)
		n := 0
		next := func() uint64 {
			if len(answers) == 0 {
				return 0
			}
			v := uint64(answers[0])
			answers = answers[1:]
			if v&1 != 0 {
				v = v << 56 >> (v % 60)
			}
			return v
		}
		w.before = func(r *firmware.Registers) bool {
			if n++; n <= int(first) || len(answers) == 0 {
				return false
			}
			functions := []ffa.Function{ffa.Success32, ffa.Success64, ffa.Error32, ffa.MemFragRX32, ffa.Interrupt32, ffa.MsgSendDirectResp32, 0}
			r[0] = uint64(functions[next()%7])
			for i := range 6 {
				r[i+1] = next()
			}
			return true
		}
		b, err := armffa.Probe(k, tx, rx)
		if err != nil {
			return
		}
		to := armffa.Receiver{ID: 0x8001, Permissions: ffa.DataRW}
		var ranges []ffa.Constituent
		for i := range uint64(300) {
			ranges = append(ranges, ffa.Constituent{Address: buf + 2*i*page, Pages: 1})
		}
		if h, err := b.Share(ranges, to); err == nil {
			b.Reclaim(h)
		}
		b.Direct(to.ID, [5]uint64{2})
		b.Poll()
		b.Remove()
	})
}
