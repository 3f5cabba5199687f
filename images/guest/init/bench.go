//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"syscall"
	"time"

	"gatehouse/images/guest/tee"
)

// runAlloc allocates and frees 1 MiB of protected memory n (100) times with nothing else held, so that each time the pool is lent and
// reclaimed. Lines BEGIN and END frame the loop for whoever measures.
func runAlloc(t *tester, n int) {
	if n == 0 {
		n = 100
	}
	h, err := tee.OpenHeap(tee.SecureVideo)
	if !t.need("alloc", err) {
		return
	}
	defer h.Close()
	once := func() error {
		fd, err := h.Alloc(mib)
		if err != nil {
			return err
		}
		return syscall.Close(fd)
	}
	if !t.need("alloc", once()) {
		return
	}
	os.Stdout.WriteString("BEGIN alloc\n")
	from := time.Now()
	for range n {
		if err = once(); err != nil {
			break
		}
	}
	d := time.Since(from)
	fmt.Printf("END alloc n=%d guest-ns=%d\n", n, d.Nanoseconds())
	t.ok("alloc", err)
}

// runMixed is a workload of a program's kind n (1) times: compression, hashing, sorting, maps, floating point, system calls.
func runMixed(t *tester, n int) {
	if n == 0 {
		n = 1
	}
	os.Stdout.WriteString("BEGIN mixed\n")
	from := time.Now()
	ok := true
	for range n {
		ok = ok && mixed() == nil
	}
	fmt.Printf("END mixed n=%d guest-ns=%d\n", n, time.Since(from).Nanoseconds())
	t.check("mixed", ok, "a wrong result")
}

func mixed() error {
	// Text with repetitions, by a generator of the MINSTD kind.
	seed := uint32(1)
	next := func() uint32 { seed = uint32(uint64(seed) * 48271 % 2147483647); return seed }
	text := make([]byte, 0, 128<<10)
	words := map[uint32]int{}
	for len(text) < 120<<10 {
		w := next() % 997
		words[w]++
		text = fmt.Appendf(text, "%x ", w*w)
	}
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, 6)
	if err != nil {
		return err
	}
	if _, err = w.Write(text); err != nil {
		return err
	}
	if err = w.Close(); err != nil {
		return err
	}
	back, err := io.ReadAll(flate.NewReader(&z))
	if err != nil {
		return err
	}
	if sha256.Sum256(back) != sha256.Sum256(text) {
		return io.ErrUnexpectedEOF
	}
	keys := make([]uint32, 0, len(words))
	for k := range words {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		return words[keys[i]] < words[keys[j]] || words[keys[i]] == words[keys[j]] && keys[i] < keys[j]
	})
	sum := 0.0
	for i := range 20000 {
		sum += math.Sqrt(float64(i)) * math.Sin(float64(i))
	}
	for range 1000 {
		syscall.Getppid()
	}
	if len(keys) == 0 || math.IsNaN(sum) {
		return io.ErrUnexpectedEOF
	}
	return nil
}
