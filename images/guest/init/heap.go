//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatehouse/images/guest/tee"
	"gatehouse/smc/optee"
)

const (
	page = 4096
	mib  = 1 << 20

	teeDevice  = "/dev/tee0"
	suppDevice = "/dev/teepriv0"
)

// open opens the TEE device for a test; without it the test fails.
func open(t *tester, name string) *tee.Device {
	d, err := tee.Open(teeDevice)
	if err != nil {
		t.fail(name, err.Error())
		return nil
	}
	return d
}

func testVersion(t *tester, _ int) {
	d := open(t, "version")
	if d == nil {
		return
	}
	defer d.Close()
	v, err := d.Version()
	t.check("version", err == nil && v.ImplID == tee.ImplOPTEE && v.ImplCaps == tee.ImplCapTZ && v.GenCaps&(tee.CapGP|tee.CapMemrefNull|tee.CapPrivileged) ==
		tee.CapGP|tee.CapMemrefNull, "%+v, %v", v, err)
	p, err := tee.Open(suppDevice)
	if !t.need("version of the supplicant's device", err) {
		return
	}
	defer p.Close()
	v, err = p.Version()
	t.check("version of the supplicant's device", err == nil && v.ImplID == tee.ImplOPTEE && v.GenCaps&tee.CapPrivileged != 0, "%+v, %v", v, err)
	_, err = tee.Open(suppDevice)
	t.is("one supplicant at a time", err, syscall.EBUSY)
}

// testDevices looks for the device that the enumeration brings.
func testDevices(t *tester, _ int) {
	devices, err := filepath.Glob("/sys/bus/tee/devices/optee-ta-*")
	if !t.need("devices", err) {
		return
	}
	var names []string
	for _, d := range devices {
		names = append(names, strings.TrimPrefix(filepath.Base(d), "optee-ta-"))
	}
	fmt.Println("DEVICES", strings.Join(names, " "))
	want := optee.RNGUUID().String()
	t.check("devices", len(names) == 1 && names[0] == want, "%q, want %s alone", names, want)
	b, err := os.ReadFile("/sys/bus/tee/devices/optee-ta-" + want + "/uevent")
	t.check("device's uevent", strings.Contains(string(b), "MODALIAS=tee:"+want), "%q, %v", b, err)
}

// testHeap allocates all kinds of sizes and checks that nobody gets at the contents.
func testHeap(t *tester, _ int) {
	h, err := tee.OpenHeap(tee.SecureVideo)
	if !t.ok("heap open", err) {
		return
	}
	defer h.Close()
	largest := uint64(mib)
	for _, size := range []uint64{1, 2, 4095, page, page + 1, 12345, 65536, 3 * 65536, 1000003, largest} {
		name := fmt.Sprintf("heap alloc %d", size)
		fd, err := h.Alloc(size)
		if !t.need(name, err) {
			continue
		}
		// Its size is that of whole pages (dma-buf allows a seek to the end, which tells).
		end, err := syscall.Seek(fd, 0, 2)
		t.check(name, err == nil && uint64(end) == (size+page-1)&^(page-1), "size %d, %v", end, err)
		untouchable(t, fmt.Sprintf("heap %d", size), fd, uint64(end))
		t.need(name, syscall.Close(fd))
	}
	for _, c := range []struct {
		name string
		a    tee.Allocation
		want error
	}{
		{"size 0", tee.Allocation{FDFlags: syscall.O_RDWR}, syscall.EINVAL},
		{"size that wraps", tee.Allocation{Len: ^uint64(0), FDFlags: syscall.O_RDWR}, syscall.EINVAL},
		{"size of 1 TiB", tee.Allocation{Len: 1 << 40, FDFlags: syscall.O_RDWR}, syscall.ENOMEM},
		{"size of half of everything", tee.Allocation{Len: 1 << 63, FDFlags: syscall.O_RDWR}, syscall.ENOMEM},
		{"size larger than the pool", tee.Allocation{Len: 64 * mib, FDFlags: syscall.O_RDWR}, syscall.ENOMEM},
		{"descriptor given", tee.Allocation{Len: page, FD: 1, FDFlags: syscall.O_RDWR}, syscall.EINVAL},
		{"flags of the descriptor", tee.Allocation{Len: page, FDFlags: syscall.O_RDWR | syscall.O_APPEND}, syscall.EINVAL},
		{"all flags of the descriptor", tee.Allocation{Len: page, FDFlags: ^uint32(0)}, syscall.EINVAL},
		{"flags of the heap", tee.Allocation{Len: page, FDFlags: syscall.O_RDWR, HeapFlags: 1}, syscall.EINVAL},
		{"all flags of the heap", tee.Allocation{Len: page, FDFlags: syscall.O_RDWR, HeapFlags: ^uint64(0)}, syscall.EINVAL},
	} {
		a := c.a
		err := h.Allocate(&a)
		if err == nil {
			syscall.Close(int(a.FD))
		}
		t.is("heap "+c.name, err, c.want)
	}
	// The pool serves several at a time, and what is given back once more.
	var fds []int
	for range 16 {
		fd, err := h.Alloc(mib / 16)
		if !t.need("heap many", err) {
			break
		}
		fds = append(fds, fd)
	}
	for i, fd := range fds {
		if i%2 == 0 {
			syscall.Close(fd)
		}
	}
	again := 0
	for range len(fds) / 2 {
		fd, err := h.Alloc(mib / 16)
		if err != nil {
			break
		}
		syscall.Close(fd)
		again++
	}
	for i, fd := range fds {
		if i%2 != 0 {
			syscall.Close(fd)
		}
	}
	t.check("heap many", len(fds) == 16 && again == 8, "%d, then %d", len(fds), again)
	// A buffer lives as long as its last descriptor.
	fd, err := h.Alloc(mib)
	if t.need("heap duplicate", err) {
		dup, err := syscall.Dup(fd)
		t.need("heap duplicate", err)
		syscall.Close(fd)
		_, err = syscall.Seek(dup, 0, 2)
		t.ok("heap duplicate", err)
		syscall.Close(dup)
	}
	// Processes that do not write get no more than the others.
	a := tee.Allocation{Len: page, FDFlags: syscall.O_RDONLY}
	if t.ok("heap read only", h.Allocate(&a)) {
		untouchable(t, "heap read only", int(a.FD), page)
		syscall.Close(int(a.FD))
	}
}

// untouchable checks that a program has no way to the contents of a buffer.
func untouchable(t *tester, name string, fd int, size uint64) {
	for _, prot := range []int{syscall.PROT_READ, syscall.PROT_WRITE, syscall.PROT_READ | syscall.PROT_WRITE, syscall.PROT_NONE} {
		for _, flags := range []int{syscall.MAP_SHARED, syscall.MAP_PRIVATE} {
			if p, err := syscall.Mmap(fd, 0, int(size), prot, flags); err == nil {
				t.fail(name+" mmap", fmt.Sprintf("protection %d flags %d: mapped", prot, flags))
				syscall.Munmap(p)
				return
			}
		}
	}
	b := make([]byte, 16)
	n, err := syscall.Read(fd, b)
	w, werr := syscall.Write(fd, b)
	r, rerr := syscall.Pread(fd, b, 0)
	t.check(name+" untouchable", n <= 0 && w <= 0 && r <= 0 && err != nil && werr != nil && rerr != nil, "read %d %v, write %d %v, pread %d %v",
		n, err, w, werr, r, rerr)
}

// pin ties the calling thread to a processor, modulo how many there are.
func pin(cpu int) error {
	runtime.LockOSThread()
	return setAffinity(uint64(1) << (cpu % runtime.NumCPU()))
}

// testThreads allocates and frees n (10,000) buffers from threads on all processors.
func testThreads(t *tester, n int) {
	if n == 0 {
		n = 10000
	}
	h, err := tee.OpenHeap(tee.SecureVideo)
	if !t.need("threads", err) {
		return
	}
	defer h.Close()
	d := open(t, "threads")
	if d == nil {
		return
	}
	defer d.Close()
	const threads = 4
	var done, refused atomic.Int64
	var wg, empty sync.WaitGroup
	empty.Add(threads)
	last := n / 16 / threads // of each thread, in which nobody else holds one: the pool goes and comes each time
	var turn sync.Mutex
	from := time.Now()
	for i := range threads {
		wg.Go(func() {
			if err := pin(i); err != nil {
				t.fail("threads", "affinity: "+err.Error())
				empty.Done()
				return
			}
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			var held []int
			for k := range n / threads {
				size := uint64(1 + rnd.IntN(8*page))
				if k >= n/threads-last {
					turn.Lock()
					fd, err := h.Alloc(size)
					if err == nil {
						err = syscall.Close(fd)
						done.Add(1)
					}
					turn.Unlock()
					t.need("threads", err)
					continue
				}
				fd, err := h.Alloc(size)
				switch {
				case err == nil:
					done.Add(1)
					held = append(held, fd)
				case errors.Is(err, syscall.ENOMEM):
					// The pool is full or in pieces; others may hold it all.
					refused.Add(1)
				default:
					t.fail("threads", fmt.Sprintf("alloc %d: %v", size, err))
				}
				if err == nil && k%16 == 0 {
					if m, err := d.RegisterFD(fd); err != nil {
						t.fail("threads", fmt.Sprintf("register: %v", err))
					} else if err := m.Close(); err != nil {
						t.fail("threads", err.Error())
					}
				}
				if k == n/threads-last-1 {
					for _, fd := range held {
						syscall.Close(fd)
					}
					held = held[:0]
					empty.Done()
					empty.Wait()
				}
				for len(held) > 2 {
					j := rnd.IntN(len(held))
					if err := syscall.Close(held[j]); err != nil {
						t.fail("threads", err.Error())
					}
					held[j] = held[len(held)-1]
					held = held[:len(held)-1]
				}
			}
		})
	}
	wg.Wait()
	fmt.Printf("THREADS n=%d cpus=%d allocated=%d refused=%d ms=%d\n", n, runtime.NumCPU(), done.Load(), refused.Load(), time.Since(from).Milliseconds())
	// At most 12 buffers of 8 pages are held, of a pool of 256.
	t.check("threads", done.Load()+refused.Load() == int64(n/threads*threads) && refused.Load() <= int64(n/100),
		"%d of %d allocated, %d refused", done.Load(), n, refused.Load())
	fd, err := h.Alloc(mib)
	if t.ok("threads: all is given back", err) {
		syscall.Close(fd)
	}
}
