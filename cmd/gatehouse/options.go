package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"gatehouse/platform"
	"gatehouse/platform/cpu"
	"gatehouse/secureworld"
	"gatehouse/secureworld/firewall"
)

// machineOptions are the flags that describe a machine without what runs on it.
type machineOptions struct {
	cpu  string
	cpus int
	ram  uint64

	// The keys of -M, "" where they were not given.
	keys map[string]string
}

// machineKeys are the keys of -M and their values; nil stands for any.
var machineKeys = []struct {
	name   string
	values []string
}{
	{"secure-world", []string{"go", "none"}},
	{"secure", []string{"on", "off"}},
	{"abi", []string{"ffa", "smc", "both"}},
	{"partitions", []string{"optee", "test"}},
	{"protmem", []string{"merged", "v4"}},
	{"carveout", nil},
	{"shm", []string{"dynamic", "reserved"}},
	{"tzasc", []string{"on", "off"}},
	{"tzasc-action", []string{"abort", "raz"}},
	{"virtualization", []string{"on", "off"}},
	{"strict-align", []string{"on", "off"}},
	{"gic-version", []string{"3"}},
	{"dumpdtb", nil},
}

const machineDetails = `Keys of -M virt:
  secure-world=go|none   who answers SMC: the Go secure world (default), or nobody: no EL3, PSCI by HVC as on QEMU's plain virt
  abi=ffa|smc|both       how the Go secure world is reached: FF-A, OP-TEE's SMC interface, or either (default both)
  partitions=optee|test  OP-TEE alone (default), or two test partitions beside it (secureworld/testsp)
  protmem=merged|v4      numbers of the protected memory interface: Linux 6.18's (default), or those of the 2024 proposal
  carveout=[BASE+]SIZE   memory that is protected from reset on, at the end of RAM without BASE: over the SMC interface the heap is in it
                         instead of in memory that the kernel lends (default none)
  shm=dynamic|reserved   shared memory of the SMC interface: what the kernel registers (default), or 2 MiB set aside for it
  tzasc=on|off           the TZC-400 before RAM (default on with the Go secure world, off otherwise)
  tzasc-action=abort|raz a refused access aborts (default), or reads zero and writes nothing
  secure=on|off          EL3 belongs to the firmware in -bios (default off)
  virtualization=on|off  EL2 exists and images start there (default off)
  strict-align=on|off    unaligned accesses with the MMU off fault, as on hardware, or pass, as on QEMU (default off)
  gic-version=3          the only version
  dumpdtb=F              boot: writes the device tree to F and ends`

func (o *machineOptions) register(f *flag.FlagSet) {
	o.cpu, o.cpus, o.ram = "max", 1, 128<<20
	o.keys = map[string]string{}
	f.Func("M", "`virt[,KEY=VALUE]...` the board, with the keys listed below", o.setMachine)
	f.Func("cpu", "`MODEL` processor model (default max)", func(s string) error {
		o.cpu = s
		_, err := cpu.ModelByName(s)
		return err
	})
	f.Func("smp", fmt.Sprintf("`N` number of processors, 1 to %d (default 1)", platform.MaxCPUs), func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > platform.MaxCPUs {
			return fmt.Errorf("want a number of processors from 1 to %d", platform.MaxCPUs)
		}
		o.cpus = n
		return nil
	})
	f.Func("m", "`SIZE` of RAM: a number of MiB, or with a suffix K, M, G (default 128M)", func(s string) (err error) {
		o.ram, err = parseRAM(s)
		return err
	})
}

// scaled reads a size as QEMU does: without a suffix it is in MiB.
func scaled(s string) (uint64, error) {
	digits, shift := s, 20
	if n := len(s); n > 0 {
		if i := strings.IndexByte("kmgt", s[n-1]|0x20); i >= 0 {
			digits, shift = s[:n-1], 10+10*i
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err == nil && n<<shift>>shift != n {
		err = strconv.ErrRange
	}
	return n << shift, err
}

// parseRAM reads the size of RAM.
func parseRAM(s string) (uint64, error) {
	size, err := scaled(s)
	if err != nil || size < platform.MinRAM || size > platform.MaxRAM || size%4096 != 0 {
		return 0, errors.New("want a size from 1M to 255G in whole pages of 4K: a number of MiB, or with a suffix K, M or G")
	}
	return size, nil
}

func (o *machineOptions) setMachine(s string) error {
	parts := strings.Split(s, ",")
	if parts[0] != "virt" {
		return fmt.Errorf("unknown machine %q: want virt", parts[0])
	}
	for _, p := range parts[1:] {
		key, value, ok := strings.Cut(p, "=")
		i := slices.IndexFunc(machineKeys, func(k struct {
			name   string
			values []string
		}) bool {
			return k.name == key
		})
		switch {
		case i < 0:
			var names []string
			for _, k := range machineKeys {
				names = append(names, k.name)
			}
			return fmt.Errorf("unknown key %q: want one of %s", key, strings.Join(names, ", "))
		case !ok || value == "":
			return fmt.Errorf("key %q wants a value", key)
		case machineKeys[i].values != nil && !slices.Contains(machineKeys[i].values, value):
			return fmt.Errorf("unknown value %q of %s: want %s", value, key, strings.Join(machineKeys[i].values, " or "))
		}
		o.keys[key] = value
	}
	return nil
}

// config makes the machine's configuration, with a secure world of its own.
func (o *machineOptions) config() (platform.Config, error) {
	cfg := platform.Config{CPU: o.cpu, CPUs: o.cpus, RAM: o.ram, EL2: o.keys["virtualization"] == "on"}
	switch {
	case o.keys["secure"] == "on" && o.keys["secure-world"] != "":
		return cfg, errors.New("-M secure=on: EL3 belongs to the firmware in -bios, so that secure-world says nothing")
	case o.keys["secure"] == "on":
		cfg.SecureWorld = platform.SecureGuest
	case o.keys["secure-world"] == "none":
		cfg.SecureWorld = platform.SecureNone
	}
	cfg.TZASC = cfg.SecureWorld == platform.SecureGo
	cfg.StrictAlignment = o.keys["strict-align"] == "on"
	if v := o.keys["tzasc"]; v != "" {
		cfg.TZASC = v == "on"
	}
	if cfg.SecureWorld != platform.SecureGo {
		for _, key := range []string{"abi", "tzasc-action", "partitions", "protmem", "carveout", "shm"} {
			if o.keys[key] != "" {
				return cfg, fmt.Errorf("-M %s=%s: is for secure-world=go only", key, o.keys[key])
			}
		}
	}
	if cfg.SecureWorld == platform.SecureNone && cfg.TZASC {
		return cfg, errors.New("-M tzasc=on: nobody could program the controller with secure-world=none")
	}
	if cfg.SecureWorld == platform.SecureGuest {
		return cfg, nil
	}
	world := secureworld.DefaultConfig()
	if o.keys["partitions"] == "test" {
		world = secureworld.TestConfig()
	}
	world.OPTEE.RSTMEM = o.keys["protmem"] == "v4"
	world.TZASC.Enabled, world.TZASC.Base = cfg.TZASC, platform.TZCBase
	if o.keys["tzasc-action"] == "raz" {
		world.TZASC.Action = firewall.ActionRAZ
	}
	switch {
	case cfg.SecureWorld == platform.SecureNone:
		// What is left is PSCI.
		world.ABI, world.Partitions, world.TRNG = 0, nil, false
	case o.keys["abi"] == "ffa":
		world.ABI = secureworld.ABIFFA
	case o.keys["abi"] == "smc":
		world.ABI = secureworld.ABISMC
		// With both interfaces Linux would bind OP-TEE twice; there it finds the FF-A partition, which needs no node.
		cfg.OPTEE = true
	}
	if o.keys["shm"] == "reserved" && world.ABI == secureworld.ABIFFA {
		return cfg, errors.New("-M shm=reserved: is for the SMC interface, which abi=ffa leaves out")
	}
	if err := o.reserve(&cfg, &world); err != nil {
		return cfg, err
	}
	cfg.Firmware = secureworld.New(world)
	return cfg, nil
}

// Files larger than these, in bytes, are not read: nothing that boots is, and /dev/zero has no end.
const (
	maxFile = 4 << 30
	maxPipe = 256 << 20
)

// readFile reads the file that a flag names.
func readFile(name, path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(name, path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileError(name, path, err)
	}
	if !info.Mode().IsRegular() {
		limit = min(limit, maxPipe)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(name, path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("-%s %s: larger than %s", name, path, sizeText(uint64(limit)))
	}
	return data, nil
}

// fileError names flag and file once.
func fileError(name, path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("-%s %s: %w", name, path, err)
}

// sizeText gives a number of bytes in the largest unit that divides it.
func sizeText(n uint64) string {
	for _, u := range []struct {
		shift uint
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n >= 1<<u.shift && n&(1<<u.shift-1) == 0 {
			return fmt.Sprintf("%d %s", n>>u.shift, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
