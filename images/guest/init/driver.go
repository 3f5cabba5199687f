//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"gatehouse/images/guest/tee"
	"gatehouse/smc/optee"
)

// driver is a device that is bound to a driver in sysfs.
type driver struct{ dir, device string }

// findDriver finds OP-TEE's, over FF-A or the SMC ABI.
func findDriver() (driver, error) {
	for _, pattern := range []string{"/sys/bus/arm_ffa/drivers/optee/arm-ffa-*", "/sys/bus/platform/drivers/optee/*optee"} {
		if all, _ := filepath.Glob(pattern); len(all) == 1 {
			return driver{filepath.Dir(all[0]), filepath.Base(all[0])}, nil
		}
	}
	return driver{}, errors.New("no device is bound to OP-TEE's driver")
}

func (d driver) write(file string) error {
	return os.WriteFile(filepath.Join(d.dir, file), []byte(d.device), 0)
}

// works checks that the heap and the service are there, by a buffer that goes through.
func works(t *tester, name string) {
	p := newPath(t, name, page)
	if p == nil {
		return
	}
	defer p.close()
	copy(p.open.Data, "gatehouse")
	err := errors.Join(p.inject(0, 0, 0, page), p.dump(0, 0, page, page))
	t.check(name, err == nil && string(p.open.Data[page:page+9]) == "gatehouse", "%v: %q", err, p.open.Data[page:page+9])
}

// testRebind takes the drivers away and brings them back: what unloading and loading modules does.
func testRebind(t *tester, _ int) {
	drv, err := findDriver()
	if !t.need("rebind", err) {
		return
	}
	h, err := tee.OpenHeap(tee.SecureVideo)
	if !t.need("rebind", err) {
		return
	}
	defer h.Close()
	for i := range 3 {
		if !t.need("unbind", drv.write("unbind")) {
			return
		}
		_, err := os.Stat(teeDevice)
		t.check(fmt.Sprintf("unbind %d", i), errors.Is(err, os.ErrNotExist), "%s is still there", teeDevice)
		_, err = h.Alloc(page)
		t.is(fmt.Sprintf("unbind %d heap", i), err, syscall.EINVAL)
		if !t.need("bind", drv.write("bind")) {
			return
		}
		works(t, fmt.Sprintf("bind %d", i))
	}
	if held := heldBuffer(t, drv); !held {
		fmt.Println("NOTE rebind: while a buffer of a dynamic pool is held, Linux's driver of the SMC ABI cannot be unbound")
	}
	testDevices(t, 0)

	ffa, ok := findFFA()
	if !ok {
		return
	}
	for i := range 3 {
		// In the order of modules: OP-TEE's driver goes first. At last the other way round, where Linux gives its notifications back
		// while they are bound, so that they stay off.
		if i < 2 && !t.need("unbind arm-ffa", drv.write("unbind")) {
			return
		}
		if !t.need("unbind arm-ffa", ffa.write("unbind")) {
			return
		}
		if _, err := findDriver(); err == nil {
			t.fail("unbind arm-ffa", "OP-TEE is still bound")
		}
		if !t.ok("bind arm-ffa", ffa.write("bind")) {
			return
		}
		works(t, fmt.Sprintf("bind arm-ffa %d works", i))
		if i < 2 {
			testNotify(t, 0)
		}
		if drv, err = findDriver(); !t.need("bind arm-ffa", err) {
			return
		}
	}
}

// findFFA finds the driver below, where the kernel speaks FF-A.
func findFFA() (driver, bool) {
	all, _ := filepath.Glob("/sys/bus/platform/drivers/arm-ffa/arm-ffa*")
	if len(all) != 1 {
		return driver{}, false
	}
	return driver{filepath.Dir(all[0]), filepath.Base(all[0])}, true
}

// testUnbind takes the drivers away for good, as before a kexec.
func testUnbind(t *tester, _ int) {
	drv, err := findDriver()
	if !t.need("unbind", err) || !t.ok("unbind OP-TEE", drv.write("unbind")) {
		return
	}
	if ffa, ok := findFFA(); ok {
		t.ok("unbind arm-ffa", ffa.write("unbind"))
	}
}

// heldBuffer unbinds the driver while a buffer is held: it waits for it. It gives false where the driver cannot do so: it drops its
// message buffers first, and a message that it sends after that, such as the one that gives back a dynamic pool over the SMC ABI, makes
// it wait for itself. For the same reason no session may be open.
func heldBuffer(t *tester, drv driver) bool {
	if static, _ := filepath.Glob("/sys/firmware/devicetree/base/reserved-memory/protected@*"); !strings.Contains(drv.dir, "arm_ffa") && len(static) == 0 {
		return false
	}
	h, err := tee.OpenHeap(tee.SecureVideo)
	if !t.need("unbind while held", err) {
		return true
	}
	defer h.Close()
	d := open(t, "unbind while held")
	if d == nil {
		return true
	}
	fd, err := h.Alloc(64 << 10)
	if !t.need("unbind while held", err) {
		return true
	}
	m, err := d.RegisterFD(fd)
	if !t.need("unbind while held", err) {
		return true
	}
	done := make(chan error, 1)
	go func() { done <- drv.write("unbind") }()
	select {
	case err := <-done:
		t.fail("unbind while held", fmt.Sprintf("does not wait: %v", err))
		done <- nil
	case <-time.After(50 * time.Millisecond):
		t.pass("unbind while held")
	}
	t.need("unbind while held", errors.Join(m.Close(), syscall.Close(fd), d.Close()))
	t.ok("unbind once given back", <-done)
	t.ok("bind after that", drv.write("bind"))
	works(t, "bind after that works")
	return true
}

// testHotplug takes processors off and puts them on again while buffers come and go.
func testHotplug(t *tester, _ int) {
	h, err := tee.OpenHeap(tee.SecureVideo)
	if !t.need("hotplug", err) {
		return
	}
	defer h.Close()
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			fd, err := h.Alloc(mib)
			if err != nil {
				done <- err
				return
			}
			syscall.Close(fd)
		}
	}()
	n := runtime.NumCPU()
	for i := 1; i < n; i++ {
		online := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", i)
		if _, err := os.Stat(online); err != nil {
			fmt.Println("NOTE hotplug: the kernel cannot take processors off")
			break
		}
		for range 2 {
			for _, v := range []string{"0", "1"} {
				err := os.WriteFile(online, []byte(v), 0)
				got, _ := os.ReadFile(online)
				t.check(fmt.Sprintf("hotplug cpu%d %s", i, v), err == nil && string(got) == v+"\n", "%v, reads %q", err, got)
			}
		}
	}
	close(stop)
	t.ok("hotplug", <-done)
	t.check("hotplug processors", runtime.NumCPU() == n, "%d, then %d", n, runtime.NumCPU())
}

// testHold holds n (256) KiB of protected memory with known contents until the one at the console answers, gives them back,
// and waits again. The contents are of bytes that count up from 1, negated.
func testHold(t *tester, n int) {
	if n == 0 {
		n = 256
	}
	size := uint64(n) << 10
	p := newPath(t, "hold", size)
	if p == nil {
		return
	}
	for i := range size {
		p.open.Data[i] = byte(i%255 + 1)
	}
	t.ok("hold", errors.Join(p.inject(0, 0, 0, size), p.transform(0, 0, size)))
	in := newInput()
	fmt.Printf("HOLD held size=%d\n", size)
	in.line()
	// Whoever tried to change it meanwhile did not.
	clear(p.open.Data)
	err := errors.Join(p.transform(0, 0, size), p.dump(0, 0, 0, size))
	ok := err == nil
	for i := range size {
		ok = ok && p.open.Data[i] == byte(i%255+1)
	}
	t.check("hold contents", ok, "%v, or other bytes", err)
	p.close()
	fmt.Println("HOLD released")
	in.line()
}

// testCrash ends process 1 while buffers are held, which the kernel does not survive.
func testCrash(t *tester, _ int) {
	p := newPath(t, "crash", 256<<10)
	if p == nil {
		return
	}
	t.need("crash", p.inject(0, 0, 0, 1000))
	fmt.Println("CRASH")
	os.Exit(3)
}

// testReboot restarts the machine while buffers are held and a call is under way.
func testReboot(t *tester, _ int) {
	p := newPath(t, "reboot", 256<<10)
	if p == nil {
		return
	}
	s, err := p.dev.OpenPublic(optee.ProbeUUID())
	if !t.need("reboot", err) {
		return
	}
	go s.Invoke(optee.ProbeCmdWait, tee.Value(tee.ValueInput, 30, 0))
	time.Sleep(10 * time.Millisecond)
	fmt.Println("REBOOT")
	t.fail("reboot", fmt.Sprint(syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)))
}

// testRestart restarts the machine.
func testRestart(t *tester, _ int) {
	fmt.Println("RESTART")
	t.fail("restart", fmt.Sprint(syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)))
}
