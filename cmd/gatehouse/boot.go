package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gatehouse/images"
	"gatehouse/platform"
	"gatehouse/platform/event"
	"gatehouse/platform/loader"
)

var bootCommand = command{
	name:     "boot",
	synopsis: "-kernel F | -bios F  [flags]",
	summary:  "boots an image: UART 0 is standard output, the exit status is the guest's",
	details: `-kernel takes an ELF file, an arm64 Image (plain, gzip, EFI zboot) or raw code, as QEMU's virt board does, or image:NAME for a
bundled image (gatehouse images lists them).

` + machineDetails + `

` + driveDetails + `

` + debugDetails + `

Exit status: 0 PSCI SYSTEM_OFF, or the code of a semihosting exit; 1 the guest failed so that the machine stopped; 2 usage;
124 -timeout ran out. A -trace that could not be written in full is a failure, too.`,
	run: boot,
}

// bootOptions are the flags of boot.
type bootOptions struct {
	machineOptions
	driveOptions
	debugOptions
	kernel, initrd, append_, dtb, bios string
	blobs                              []blob
	serial                             []string
	timeout                            time.Duration
	events                             event.Category
	trace                              traceFile
}

// blob is one -device loader.
type blob struct {
	flag string // as it was given
	file string
	addr uint64
	raw  bool // addr was given
}

func (o *bootOptions) register(c *call) {
	f := c.flags
	o.machineOptions.register(f)
	o.driveOptions.register(f)
	o.debugOptions.register(f)
	f.StringVar(&o.kernel, "kernel", "", "`FILE` the image to start, or image:NAME for a bundled one")
	f.StringVar(&o.initrd, "initrd", "", "`FILE` initial RAM disk of an arm64 Image")
	f.StringVar(&o.append_, "append", "", "`TEXT` the kernel's command line")
	f.StringVar(&o.dtb, "dtb", "", "`FILE` a device tree that takes the place of the board's own")
	f.StringVar(&o.bios, "bios", "", "`FILE` firmware: goes to flash 0 and starts there")
	f.Func("device", "`loader,file=F[,addr=A]` loads one more file to address A, or an ELF file to its own addresses; or a device listed below; may be repeated", func(s string) error {
		if name, _, _ := strings.Cut(s, ","); slices.Contains(deviceNames, name) {
			return o.addDevice(s)
		}
		return o.addBlob(s)
	})
	f.Func("serial", "`stdio|file:F|none` where a UART goes: the first one is for UART 0 (default stdio), the second for UART 1 (none)", o.addSerial)
	f.Func("timeout", "`TIME` of the host after which the machine is stopped: 10, 500ms, 2m", o.setTimeout)
	f.Func("d", "`LIST` events to print on standard error: "+categories(), func(s string) error {
		cats, err := event.ParseCategories(s)
		o.events |= cats
		return err
	})
	o.trace.register(f)
}

// categories names those of -d.
func categories() string { return event.Category(event.All).String() + ", or all" }

func (o *bootOptions) addBlob(s string) error {
	b := blob{flag: "-device " + s}
	parts := strings.Split(s, ",")
	if parts[0] != "loader" {
		return fmt.Errorf("unknown device %q: want %s", parts[0], oneOf(append([]string{"loader"}, deviceNames...)...))
	}
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(p, "=")
		switch key {
		case "file":
			b.file = value
		case "addr":
			addr, err := strconv.ParseUint(value, 0, 64)
			if err != nil {
				return fmt.Errorf("addr=%s: want an address such as 0x48000000", value)
			}
			b.addr, b.raw = addr, true
		default:
			return fmt.Errorf("unknown key %q: want file or addr", key)
		}
	}
	if b.file == "" {
		return errors.New("file= is missing")
	}
	o.blobs = append(o.blobs, b)
	return nil
}

func (o *bootOptions) addSerial(s string) error {
	path, isFile := strings.CutPrefix(s, "file:")
	if s == "mon:stdio" { // QEMU's name for what -serial stdio is here
		s = "stdio"
	}
	switch {
	case s != "stdio" && s != "none" && (!isFile || path == ""):
		return errors.New("want stdio, file:F or none")
	case len(o.serial) == 2:
		return errors.New("the board has two UARTs, and both have their output already")
	case s == "stdio" && slices.Contains(o.serial, "stdio"):
		return errors.New("only one UART can have stdio")
	}
	o.serial = append(o.serial, s)
	return nil
}

func (o *bootOptions) setTimeout(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		d, err = time.ParseDuration(s + "s")
	}
	if err != nil || d <= 0 {
		return errors.New("want a duration above 0: seconds, or with a unit such as 500ms, 90s, 2m")
	}
	o.timeout = d
	return nil
}

// images reads and parses what the machine boots. Nothing is started before all of it is known to be good.
func (o *bootOptions) images(cfg *platform.Config) (err error) {
	dump := o.keys["dumpdtb"] != ""
	flash := o.bank(0)
	firmware := o.bios != "" || flash != nil
	switch {
	case o.kernel == "" && !firmware && !dump:
		return errors.New("-kernel: is missing, and so is -bios: there is nothing to boot")
	case cfg.SecureWorld == platform.SecureGuest && !firmware && !dump:
		return errors.New("-M secure=on: EL3 belongs to the guest, and -bios is missing")
	case o.bios != "" && flash != nil:
		return fmt.Errorf("-bios %s: goes to the first bank of flash, and so does %s", o.bios, flash.flag)
	}
	cfg.Append = o.append_
	ram := cfg.Range()
	if o.kernel != "" {
		if cfg.Kernel, err = readKernel(o.kernel, ram); err != nil {
			return err
		}
	}
	if o.initrd != "" {
		if cfg.Kernel == nil || !cfg.Kernel.Linux {
			return fmt.Errorf("-initrd %s: is for an arm64 Image in -kernel: nothing else is told where it is", o.initrd)
		}
		if cfg.Initrd, err = readFile("initrd", o.initrd, int64(ram.Size)); err != nil {
			return err
		}
		if len(cfg.Initrd) == 0 {
			return fmt.Errorf("-initrd %s: empty file", o.initrd)
		}
	}
	if o.dtb != "" {
		if cfg.DTB, err = readTree(o.dtb); err != nil {
			return err
		}
	}
	if o.bios != "" {
		if cfg.BIOS, err = readFile("bios", o.bios, platform.FlashSize); err != nil {
			return err
		}
		if len(cfg.BIOS) == 0 {
			return fmt.Errorf("-bios %s: empty file", o.bios)
		}
	}
	mem := []loader.Range{ram}
	if cfg.SecureWorld == platform.SecureGuest {
		mem = append(mem, loader.Range{Base: platform.SecureRAM, Size: platform.SecureRAMLen})
	}
	for _, b := range o.blobs {
		img, err := b.read(mem)
		if err != nil {
			return err
		}
		for _, other := range append([]*loader.Image{cfg.Kernel}, cfg.Blobs...) {
			if other != nil && overlap(img, other) {
				return fmt.Errorf("%s: overlaps %s", b.flag, other.Name)
			}
		}
		cfg.Blobs = append(cfg.Blobs, img)
	}
	return o.attach(cfg)
}

// readKernel parses the file, or the bundled image, that -kernel names.
func readKernel(path string, ram loader.Range) (*loader.Image, error) {
	data, err := []byte(nil), error(nil)
	if name, ok := strings.CutPrefix(path, "image:"); ok {
		img, err := images.Get(name)
		if err != nil {
			return nil, fmt.Errorf("-kernel %s: no such bundled image: want %s", path, strings.Join(imageNames(), ", "))
		}
		data = img.ELF
	} else if data, err = readFile("kernel", path, maxFile); err != nil {
		return nil, err
	}
	img, err := loader.Parse(path, data, ram)
	if err != nil {
		return nil, loadError("-kernel "+path, err)
	}
	return img, nil
}

func (b *blob) read(mem []loader.Range) (*loader.Image, error) {
	data, err := readFile("device", b.file, maxFile)
	if err != nil {
		return nil, err
	}
	if !b.raw && !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return nil, fmt.Errorf("%s: addr= is missing: the file is not ELF and has no address of its own", b.flag)
	}
	img, err := loader.ParseBlob(b.file, data, b.addr, mem...)
	if err != nil {
		return nil, loadError(b.flag, err)
	}
	return img, nil
}

// loadError names a flag in place of the file's name.
func loadError(flag string, err error) error {
	var e *loader.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %s", flag, e.What)
	}
	return fmt.Errorf("%s: %w", flag, err)
}

func overlap(a, b *loader.Image) bool {
	for _, s := range a.Segments {
		for _, t := range b.Segments {
			if s.Addr <= t.Addr+(t.MemSize-1) && t.Addr <= s.Addr+(s.MemSize-1) {
				return true
			}
		}
	}
	return false
}

func boot(c *call) (int, error) {
	var o bootOptions
	o.register(c)
	if err := c.parse(0); err != nil {
		return 0, err
	}
	cfg, err := o.config()
	if err != nil {
		return 0, err
	}
	defer o.close()
	if err := o.images(&cfg); err != nil {
		return 0, err
	}
	if path := o.keys["dumpdtb"]; path != "" {
		if cfg.BIOS == nil {
			cfg.BIOS = []byte{}
		}
		return statusOK, writeTree(cfg, "M dumpdtb", path)
	}
	return o.start(c, cfg)
}

// start builds the machine, connects it and runs it.
func (o *bootOptions) start(c *call, cfg platform.Config) (int, error) {
	raw := false // the terminal that standard input is
	serial := append(slices.Clone(o.serial), []string{"stdio", "none"}[len(o.serial):]...)
	if o.hasStdio() {
		if slices.Contains(o.serial, "stdio") {
			return 0, fmt.Errorf("%s: -serial stdio has standard input and output", o.console.chardev.flag)
		}
		if len(o.serial) == 0 {
			serial[0] = "none"
		}
	}
	if err := o.claim(o.serial, serial, o.hasStdio()); err != nil {
		return 0, err
	}
	console := slices.Index(serial, "stdio")
	if o.hasStdio() {
		console = platform.VirtioConsole
	}
	if console >= 0 || o.monitor == "stdio" {
		raw = isTerminal(c.stdin)
	}
	wrap := func(w io.Writer) io.Writer {
		if raw && isTerminal(w) {
			return rawTerminal{w}
		}
		return w
	}
	stderr := newOutput(wrap(c.stderr), true)
	outputs := []*output{stderr}
	ports := slices.Clone(serial) // of the machine, as Machine.Input numbers them
	if o.console != nil {
		ports = append(ports, o.console.target())
	}
	files := map[*output]string{}
	var screen *output // shared by all that write to standard output
	for i, s := range ports {
		if s == "none" {
			continue
		}
		// Files are created when everything else is known to be good.
		out := newOutput(wrap(c.stdout), true)
		if s == "stdio" {
			screen = out
		}
		outputs = append(outputs, out)
		if path, ok := strings.CutPrefix(s, "file:"); ok {
			files[out] = path
		}
		if i == platform.VirtioConsole {
			cfg.Console = out
		} else {
			cfg.Serial[i] = out
		}
	}
	cfg.Warnings = linePrefix{stderr, "gatehouse: "}
	cfg.Semihosting = true
	cfg.Events = &event.Stream{}
	if o.events != 0 {
		cfg.Events.Attach(o.events, event.NewText(stderr))
	}
	o.trace.attach(cfg.Events)
	m, err := platform.New(cfg)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	debug, err := o.listen()
	if err != nil {
		return 0, err
	}
	status := statusUsage
	defer func() { debug.close(status) }()
	for _, out := range outputs {
		path, ok := files[out]
		if !ok {
			continue
		}
		f, err := os.Create(path)
		if err != nil {
			name := "serial"
			if out == cfg.Console {
				name = "chardev"
			}
			return 0, fileError(name, path, err)
		}
		defer f.Close()
		out.redirect(f)
	}
	if err := o.trace.create(); err != nil {
		return 0, err
	}

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if o.timeout != 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		defer stop()
	}
	defer watchSignals(cancel)()
	restore := func() {}
	leave := func() { cancel(errLeft) }
	debug.serve(m, leave)
	if c.stdin != nil && (console >= 0 || debug.own) {
		if screen == nil {
			screen = newOutput(wrap(c.stdout), true)
			outputs = append(outputs, screen)
		}
		restore = debug.seat(m, console, leave, c.stdin, screen).attach(c.stdin)
	}
	exit := m.Run(ctx)
	for _, out := range outputs {
		out.Flush()
	}
	restore()
	status = o.report(c, m, exit, context.Cause(ctx))
	if err := o.trace.close(); err != nil {
		fmt.Fprintf(c.stderr, "gatehouse boot: %s\n", oneLine(err.Error()))
		if status == statusOK {
			status = statusFailed
		}
	}
	return status, nil
}

// What ends a machine from outside.
var (
	errTimeout = errors.New("timeout")
	errLeft    = errors.New("left with Ctrl-A x")
)

// signalled is a signal that ends the machine.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return s.Signal.String() }

// watchSignals ends the machine when the user or the system wants it, so that output and terminal are put in order.
func watchSignals(cancel context.CancelCauseFunc) (stop func()) {
	ch := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-ch:
			cancel(signalled{s.(syscall.Signal)})
			signal.Stop(ch) // the next one ends the process
		case <-done:
		}
	}()
	return func() {
		signal.Stop(ch)
		close(done)
	}
}

// report says on standard error what the guest could not, and gives the exit status.
func (o *bootOptions) report(c *call, m *platform.Machine, exit platform.Exit, cause error) int {
	say := func(format string, args ...any) {
		fmt.Fprintf(c.stderr, "gatehouse boot: %s\n", oneLine(fmt.Sprintf(format, args...)))
	}
	switch exit.Reason {
	case platform.PoweredOff, platform.Rebooted:
		return statusOK
	case platform.Exited:
		if exit.Message != "" {
			say("%s", exit.Message)
		}
		// A status has 8 bits; a failure stays one.
		if status := exit.Code & 0xff; status != 0 || exit.Code == 0 {
			return status
		}
		return statusFailed
	case platform.Interrupted:
		var s signalled
		switch {
		case cause == errLeft:
			return statusOK
		case errors.As(cause, &s):
			return 128 + int(s.Signal)
		}
		if m.Resets() > 1 {
			say("-timeout %v: the machine was still running, and the guest had reset it before", o.timeout)
		} else {
			say("-timeout %v: the machine was still running", o.timeout)
		}
		return statusTimeout
	}
	say("%s", exit.Message)
	return statusFailed
}
