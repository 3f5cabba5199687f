//go:build linux

// Init is process 1 of a Linux guest. It does what lines on its console ask for: a word, and its arguments. It answers each line with
// what it found and with OK or ERR.
package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var commands = map[string]func(args []string) error{
	"load": load, "unload": unload, "modules": modules, "devices": devices, "list": list, "cat": cat, "dmesg": dmesg, "sha": sha, "fill": fill, "write": write,
	"random": random, "kexec": kexec, "hotplug": hotplug, "spin": spin, "say": say, "reboot": reboot, "off": off,
}

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is a guest's first program: it powers the machine off")
		os.Exit(1)
	}
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Printf("mount %s: %v\n", m[1], err)
		}
	}
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("READY")
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 {
			continue
		}
		err := errors.New("no such command")
		if f := commands[words[0]]; f != nil {
			err = f(words[1:])
		}
		if err != nil {
			fmt.Printf("ERR %s: %v\n", words[0], err)
		} else {
			fmt.Printf("OK %s\n", words[0])
		}
	}
	fmt.Printf("end of input: %v\n", in.Err())
	_ = off(nil)
}

// order is the modules of the archive, each after those that it needs.
func order() ([]string, error) {
	text, err := os.ReadFile("/modules/order")
	return strings.Fields(string(text)), err
}

func load([]string) error {
	names, err := order()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open("/modules/" + name + ".ko")
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println("loaded", name)
	}
	return nil
}

func unload([]string) error {
	names, err := order()
	if err != nil {
		return err
	}
	slices.Reverse(names)
	for _, name := range names {
		if err := unix.DeleteModule(strings.ReplaceAll(name, "-", "_"), unix.O_NONBLOCK); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println("unloaded", name)
	}
	return nil
}

func modules([]string) error { return cat([]string{"/proc/modules"}) }

// devices prints each device that has a driver.
func devices([]string) error {
	for _, pattern := range []string{"/sys/bus/*/devices/*/driver"} {
		links, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, link := range links {
			driver, err := os.Readlink(link)
			if err != nil {
				return err
			}
			parts := strings.Split(link, "/") // "", sys, bus, BUS, devices, DEVICE, driver
			fmt.Printf("device %s %s %s\n", parts[3], parts[5], filepath.Base(driver))
		}
	}
	return nil
}

func list(args []string) error {
	for _, pattern := range args {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			fmt.Println("file", name)
		}
	}
	return nil
}

func cat(args []string) error {
	for _, name := range args {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", strings.TrimSuffix(string(text), "\n"))
	}
	return nil
}

func dmesg([]string) error {
	b := make([]byte, 1<<20)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, b)
	if err == nil {
		fmt.Printf("%s", b[:n])
	}
	return err
}

// sha prints the SHA-256 of a file.
func sha(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err == nil {
		fmt.Printf("sha256 %d %x\n", n, h.Sum(nil))
	}
	return err
}

// fill writes count bytes of one value at an offset of a file, to the medium.
func fill(args []string) error {
	var n [3]int64
	for i := range n {
		v, err := strconv.ParseInt(args[1+i], 0, 64)
		if err != nil {
			return err
		}
		n[i] = v
	}
	f, err := os.OpenFile(args[0], os.O_WRONLY|unix.O_SYNC, 0)
	if err != nil {
		return err
	}
	b := make([]byte, n[1])
	for i := range b {
		b[i] = byte(n[2])
	}
	_, err = f.WriteAt(b, n[0])
	return errors.Join(err, f.Sync(), f.Close())
}

// write appends words to a file as a line.
func write(args []string) error {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, strings.Join(args[1:], " "))
	return errors.Join(err, f.Close())
}

// random prints bytes of a device.
func random(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	var b [32]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return err
	}
	fmt.Printf("random %x\n", b)
	return nil
}

// online is the processors that the kernel uses, as it lists them.
func online() string {
	text, _ := os.ReadFile("/sys/devices/system/cpu/online")
	return strings.TrimSpace(string(text))
}

// hotplug takes processors away and brings them back, in as many rounds as asked for: those from 1 to last, one after the other and
// all together.
func hotplug(args []string) error {
	var n [2]int
	for i := range n {
		v, err := strconv.Atoi(args[i])
		if err != nil {
			return err
		}
		n[i] = v
	}
	rounds, last := n[0], n[1]
	set := func(cpu, on int) error {
		if err := os.WriteFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", cpu), []byte(strconv.Itoa(on)), 0); err != nil {
			return fmt.Errorf("cpu %d to %d: %w", cpu, on, err)
		}
		return nil
	}
	processors := func() int {
		text, _ := os.ReadFile("/proc/cpuinfo")
		return strings.Count("\n"+string(text), "\nprocessor")
	}
	all, cpus := online(), processors()
	for range rounds {
		for cpu := 1; cpu <= last; cpu++ {
			if err := set(cpu, 0); err != nil {
				return err
			}
			if got := processors(); got != cpus-1 {
				return fmt.Errorf("%d processors without cpu %d, want %d", got, cpu, cpus-1)
			}
			if err := set(cpu, 1); err != nil {
				return err
			}
		}
		for cpu := last; cpu > 0; cpu-- {
			if err := set(cpu, 0); err != nil {
				return err
			}
		}
		if got := processors(); got != cpus-last {
			return fmt.Errorf("%d processors, want %d", got, cpus-last)
		}
		for cpu := 1; cpu <= last; cpu++ {
			if err := set(cpu, 1); err != nil {
				return err
			}
		}
		if got := online(); got != all {
			return fmt.Errorf("online: %s, want %s", got, all)
		}
	}
	fmt.Println("online", all)
	return nil
}

// spin starts threads that compute for ever, so that processors have work when they are taken away.
func spin(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for range n {
		go func() {
			for {
				sha256.Sum256(make([]byte, 4096))
			}
		}()
	}
	time.Sleep(10 * time.Millisecond)
	return nil
}

func say(args []string) error {
	fmt.Println(strings.Join(args, " "))
	return nil
}

func reboot([]string) error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

func off([]string) error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
