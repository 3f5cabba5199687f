//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// tests are what lists may name. n is the number behind the name, or 0.
var tests = map[string]func(t *tester, n int){
	"version":    testVersion,
	"devices":    testDevices,
	"heap":       testHeap,
	"sdp":        testSDP,
	"sessions":   testSessions,
	"threads":    testThreads,
	"memory":     testMemory,
	"rng":        testRNG,
	"supplicant": testSupplicant,
	"calls":      testCalls,
	"cancel":     testCancel,
	"notify":     testNotify,
	"rebind":     testRebind,
	"unbind":     testUnbind,
	"hotplug":    testHotplug,
	"hold":       testHold,
	"crash":      testCrash,
	"reboot":     testReboot,
	"restart":    testRestart,
	"alloc":      runAlloc,
	"mixed":      runMixed,
}

// suite is what "all" stands for: the tests that need nobody outside.
var suite = []string{"version", "devices", "heap", "sdp", "memory", "sessions", "threads", "rng", "calls", "supplicant", "cancel", "notify",
	"hotplug", "rebind"}

func main() {
	os.Stdout.WriteString("INIT\n")
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is a guest's first program: it powers the machine off")
		os.Exit(1)
	}
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := syscall.Mount(m[0], m[1], m[0], 0, ""); err != nil && !errors.Is(err, syscall.EBUSY) {
			fmt.Printf("FAIL mount: %s: %v\n", m[1], err)
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		fmt.Printf("FAIL cmdline: %v\n", err)
	}
	for _, word := range strings.Fields(string(line)) {
		if list, ok := strings.CutPrefix(word, "gh.test="); ok {
			run(list)
			off()
		}
	}
	fmt.Println("READY")
	in := newInput()
	for {
		list, ok := in.line()
		if !ok || list == "off" {
			off()
		}
		if list != "" {
			run(list)
		}
	}
}

// run runs a list of tests.
func run(list string) {
	t := &tester{}
	names := strings.Split(list, ",")
	if list == "all" {
		names = suite
	}
	for _, name := range names {
		name, number, _ := strings.Cut(name, ":")
		if name == "off" {
			continue
		}
		n, _ := strconv.Atoi(number)
		f := tests[name]
		if f == nil {
			known := []string{"all", "off"}
			for k := range tests {
				known = append(known, k)
			}
			sort.Strings(known)
			t.fail(name, "no such test: want "+strings.Join(known, ", "))
			continue
		}
		f(t, n)
	}
	fmt.Printf("DONE passed=%d failed=%d\n", t.passed, t.failed)
}

// off ends the machine.
func off() {
	syscall.Sync()
	err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Printf("FAIL off: %v\n", err)
	select {}
}

// tester counts checks. It may be used by several goroutines.
type tester struct {
	mu             sync.Mutex
	passed, failed int // guarded by mu
}

func (t *tester) pass(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed++
	os.Stdout.WriteString("PASS " + name + "\n")
}

func (t *tester) fail(name, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	os.Stdout.WriteString("FAIL " + name + ": " + strings.ReplaceAll(why, "\n", "; ") + "\n")
}

// check passes or fails.
func (t *tester) check(name string, ok bool, why string, args ...any) {
	if ok {
		t.pass(name)
	} else {
		t.fail(name, fmt.Sprintf(why, args...))
	}
}

// ok fails on an error.
func (t *tester) ok(name string, err error) bool {
	t.check(name, err == nil, "%v", err)
	return err == nil
}

// need fails on an error, and says nothing without one.
func (t *tester) need(name string, err error) bool {
	if err != nil {
		t.fail(name, err.Error())
	}
	return err == nil
}

// is checks that an error is the one that is wanted.
func (t *tester) is(name string, got, want error) {
	t.check(name, errors.Is(got, want), "got %v, want %v", got, want)
}

// console is the line input that main and tests share.
var console *input

type input struct{ r *bufio.Reader }

func newInput() *input {
	if console == nil {
		console = &input{bufio.NewReader(os.Stdin)}
	}
	return console
}

func (in *input) line() (string, bool) {
	s, err := in.r.ReadString('\n')
	return strings.TrimSpace(s), err == nil
}
