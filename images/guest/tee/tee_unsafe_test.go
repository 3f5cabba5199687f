//go:build linux

package tee

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"unsafe" // sizes of structures

	"gatehouse/smc/optee"
)

// The numbers that a C compiler makes of the macros in linux/tee.h and linux/dma-heap.h.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name string
		got  uintptr
		want uintptr
	}{
		{"TEE_IOC_VERSION", ioc(iocRead, kindTEE, nrVersion, unsafe.Sizeof(Version{})), 0x800ca400},
		{"TEE_IOC_SHM_ALLOC", ioc(iocRead|iocWrite, kindTEE, nrAlloc, unsafe.Sizeof(sharedMemory{})), 0xc010a401},
		{"TEE_IOC_OPEN_SESSION", ioc(iocRead, kindTEE, nrOpenSession, unsafe.Sizeof(bufData{})), 0x8010a402},
		{"TEE_IOC_INVOKE", ioc(iocRead, kindTEE, nrInvoke, unsafe.Sizeof(bufData{})), 0x8010a403},
		{"TEE_IOC_CANCEL", ioc(iocRead, kindTEE, nrCancel, 8), 0x8008a404},
		{"TEE_IOC_CLOSE_SESSION", ioc(iocRead, kindTEE, nrCloseSession, 4), 0x8004a405},
		{"TEE_IOC_SUPPL_RECV", ioc(iocRead, kindTEE, nrSupplRecv, unsafe.Sizeof(bufData{})), 0x8010a406},
		{"TEE_IOC_SUPPL_SEND", ioc(iocRead, kindTEE, nrSupplSend, unsafe.Sizeof(bufData{})), 0x8010a407},
		{"TEE_IOC_SHM_REGISTER_FD", ioc(iocRead|iocWrite, kindTEE, nrRegisterFD, unsafe.Sizeof(fdMemory{})), 0xc018a408},
		{"TEE_IOC_SHM_REGISTER", ioc(iocRead|iocWrite, kindTEE, nrRegister, unsafe.Sizeof(userMemory{})), 0xc018a409},
		{"DMA_HEAP_IOCTL_ALLOC", ioc(iocRead|iocWrite, kindHeap, nrHeapAlloc, unsafe.Sizeof(Allocation{})), 0xc0184800},
	} {
		if c.got != c.want {
			t.Errorf("%s is %#x, want %#x", c.name, c.got, c.want)
		}
	}
}

func TestParams(t *testing.T) {
	want := []Param{{1, 2, 3, 4}, Null(MemInput), Ref(MemOutput, &Memory{ID: 7}, 5, 6), {^uint64(0), 1 << 63, 0, 9}}
	b := make([]byte, len(want)*paramSize)
	putParams(b, want)
	got := make([]Param, len(want))
	getParams(b, got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %v", got)
	}
	if b[0] != 1 || b[8] != 2 || b[16] != 3 || b[24] != 4 || b[2*paramSize] != MemOutput || b[2*paramSize+24] != 7 {
		t.Errorf("octets %x", b)
	}
}

func TestAnswer(t *testing.T) {
	if err := answer(make([]byte, 8)); err != nil {
		t.Errorf("SUCCESS is %v", err)
	}
	var f *Failure
	err := answer([]byte{8, 0, 0xff, 0xff, 3, 0, 0, 0})
	if !errors.As(err, &f) || f.Result != optee.ErrorItemNotFound || f.Origin != optee.OriginTEE || err.Error() == "" {
		t.Errorf("%v", err)
	}
}

// Files that are no devices give errors, not more.
func TestNoDevice(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "tee0")
	if _, err := Open(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	if _, err := OpenHeap(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenHeap: %v", err)
	}
	if err := os.WriteFile(missing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(missing)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := &Session{dev: d}
	for name, call := range map[string]func() error{
		"Version":    func() error { _, err := d.Version(); return err },
		"Alloc":      func() error { _, err := d.Alloc(1); return err },
		"RegisterFD": func() error { _, err := d.RegisterFD(0); return err },
		"Register":   func() error { _, err := d.Register(make([]byte, 8)); return err },
		"Open":       func() error { _, err := d.OpenPublic(optee.SDPUUID()); return err },
		"Invoke":     func() error { return s.Invoke(1, Value(ValueInput, 1, 2)) },
		"Cancel":     func() error { return s.Cancel(1) },
		"Close":      s.Close,
		"Receive":    func() error { _, err := d.Receive(); return err },
		"Send":       func() error { return d.Send(&Request{}, 0) },
	} {
		if err := call(); !errors.Is(err, syscall.ENOTTY) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequest(t *testing.T) {
	r := Request{Params: []Param{{Attr: Meta | ValueInOut}, {Attr: ValueInput, A: 1}}}
	if p := r.User(); len(p) != 1 || p[0].A != 1 {
		t.Errorf("with a parameter of the protocol: %v", p)
	}
	r.Params = r.Params[1:]
	if p := r.User(); len(p) != 1 || p[0].A != 1 {
		t.Errorf("without: %v", p)
	}
	r.Params = nil
	if p := r.User(); len(p) != 0 {
		t.Errorf("none: %v", p)
	}
}
