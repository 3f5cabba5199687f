package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/platform"
)

// driveOptions are the flags of boot for disks, flash, the devices in virtio slots, and the clock, in QEMU's spelling.
type driveOptions struct {
	drives   []*drive
	blocks   []*blockDevice // in the order of the command line
	chardevs []*chardev
	console  *console
	entropy  bool
	snapshot bool
	noReboot bool
	epoch    uint32 // 0 where -rtc was not given

	files []*os.File
}

// drive is one -drive or -pflash.
type drive struct {
	flag     string // as it was given
	file     string
	bus      string // if=
	id       string
	unit     int  // -1 where it was not given
	raw      bool // format=raw was given
	readOnly bool
	snapshot string // "" where it was not given
	used     bool   // by a device
}

// blockDevice is one -device virtio-blk-device, or the device of a drive with if=virtio.
type blockDevice struct {
	flag   string
	id     string // drive=
	serial string
	drive  *drive // nil until the drives are known
}

// chardev is one -chardev.
type chardev struct {
	flag    string
	backend string // stdio, file or null
	id      string
	path    string
	used    bool
}

// console is -device virtio-serial-device with the virtconsole on it.
type console struct {
	flag    string // of the virtconsole, "" where there is none
	id      string // chardev=
	chardev *chardev
}

const driveDetails = `Keys of -drive; a comma within a value is written twice:
  file=F                 a regular file or a block device
  format=raw             the only format
  if=virtio|none|pflash  a block device (default), what a -device virtio-blk-device with drive=ID takes, or a bank of flash of 64 MiB
  id=ID                  the drive's name
  unit=N, index=N        pflash: the bank, 0 or 1 (default the first that is free)
  readonly=on|off        writes fail
  snapshot=on|off        what is written is kept in memory, and is gone at the end
Devices for -device:
  loader,file=F[,addr=A]                   one more file in memory
  virtio-blk-device,drive=ID[,serial=S]    a block device
  virtio-rng-device                        entropy, the same in each run
  virtio-serial-device                     what a virtconsole needs
  virtconsole[,chardev=ID]                 a console, with -chardev stdio,id=ID | file,id=ID,path=F | null,id=ID`

func (o *driveOptions) register(f *flag.FlagSet) {
	f.Func("drive", "`file=F[,KEY=VALUE]...` a disk or a bank of flash, with the keys listed below; may be repeated", o.addDrive)
	f.Func("pflash", "`FILE` contents of the next bank of flash, as -drive if=pflash", func(s string) error {
		return o.add(&drive{flag: "-pflash " + s, file: s, bus: "pflash", unit: -1})
	})
	f.BoolVar(&o.snapshot, "snapshot", false, "what is written to drives and flash is kept in memory only, unless a drive says otherwise")
	f.Func("chardev", "`stdio|file|null,id=ID[,path=F]` the other end of a virtconsole", o.addChardev)
	f.Bool("nographic", false, "no display: there is none")
	f.Func("display", "`none` there is none", func(s string) error {
		if s != "none" {
			return errors.New("want none")
		}
		return nil
	})
	f.BoolVar(&o.noReboot, "no-reboot", false, "the machine ends when the guest resets it")
	f.Func("rtc", "`base=utc|localtime|DATE` what the PL031 shows at first (default 2025-01-01), such as 2006-06-17T16:01:21", o.setRTC)
}

// property is KEY=VALUE.
type property struct {
	key, value string
	given      bool // with a value
}

// properties splits a list in QEMU's syntax, in which a comma within a value is written twice.
func properties(s string) (list []property) {
	for more := true; more; {
		var b strings.Builder
		for more = false; s != ""; {
			i := strings.IndexByte(s, ',')
			if i < 0 {
				b.WriteString(s)
				s = ""
				break
			}
			b.WriteString(s[:i])
			s = s[i+1:]
			if !strings.HasPrefix(s, ",") {
				more = true
				break
			}
			b.WriteByte(',')
			s = s[1:]
		}
		var p property
		p.key, p.value, p.given = strings.Cut(b.String(), "=")
		list = append(list, p)
	}
	return list
}

// unknown is the error about a key that a flag does not have.
func (p property) unknown(keys ...string) error {
	if len(keys) == 0 {
		return fmt.Errorf("unknown key %q: there are none", p.key)
	}
	return fmt.Errorf("unknown key %q: want %s", p.key, oneOf(keys...))
}

// oneOf lists words: a, b or c.
func oneOf(words ...string) string {
	n := len(words) - 1
	if n == 0 {
		return words[0]
	}
	return strings.Join(words[:n], ", ") + " or " + words[n]
}

// choice gives a value that must be one of a few.
func (p property) choice(values ...string) (string, error) {
	if !slices.Contains(values, p.value) {
		return "", fmt.Errorf("unknown value %q of %s: want %s", p.value, p.key, oneOf(values...))
	}
	return p.value, nil
}

// onOff reads a switch in the spellings that QEMU has for it.
func (p property) onOff() (bool, error) {
	switch p.value {
	case "on", "yes", "true", "y":
		return true, nil
	case "off", "no", "false", "n":
		return false, nil
	}
	return false, fmt.Errorf("unknown value %q of %s: want on or off", p.value, p.key)
}

var driveKeys = []string{"file", "format", "if", "id", "unit", "index", "readonly", "snapshot"}

func (o *driveOptions) addDrive(s string) (err error) {
	d := &drive{flag: "-drive " + s, bus: "virtio", unit: -1}
	place := ""
	for _, p := range properties(s) {
		switch {
		case !slices.Contains(driveKeys, p.key):
			return p.unknown(driveKeys...)
		case !p.given || p.value == "":
			return fmt.Errorf("key %q wants a value", p.key)
		}
		switch p.key {
		case "file":
			d.file = p.value
		case "format":
			_, err = p.choice("raw")
			d.raw = true
		case "if":
			d.bus, err = p.choice("virtio", "none", "pflash")
		case "id":
			d.id = p.value
		case "unit", "index":
			if place != "" && place != p.key {
				return errors.New("unit and index are the same here: want one of them")
			}
			place = p.key
			n, e := strconv.ParseUint(p.value, 0, 16)
			if e != nil {
				return fmt.Errorf("%s=%s: want a number from 0", p.key, p.value)
			}
			d.unit = int(n)
		case "readonly":
			d.readOnly, err = p.onOff()
		case "snapshot":
			_, err = p.onOff()
			d.snapshot = p.value
		}
		if err != nil {
			return err
		}
	}
	return o.add(d)
}

// add gives a drive its place, as QEMU does: the first one that is free when its turn comes.
func (o *driveOptions) add(d *drive) error {
	if d.file == "" {
		return errors.New("file= is missing")
	}
	taken := func(unit int) bool {
		return slices.ContainsFunc(o.drives, func(e *drive) bool { return e.bus == d.bus && e.unit == unit })
	}
	switch {
	case d.id != "" && slices.ContainsFunc(o.drives, func(e *drive) bool { return e.id == d.id }):
		return fmt.Errorf("id=%s: another drive has this name", d.id)
	case d.unit < 0:
		for d.unit = 0; taken(d.unit); d.unit++ {
		}
	case taken(d.unit):
		return fmt.Errorf("unit %d has a drive already", d.unit)
	}
	if banks := len(platform.Config{}.Flash); d.bus == "pflash" && d.unit >= banks {
		return fmt.Errorf("unit %d: the board has %d banks of flash", d.unit, banks)
	}
	o.drives = append(o.drives, d)
	if d.bus == "virtio" {
		d.used = true
		o.blocks = append(o.blocks, &blockDevice{flag: d.flag, drive: d})
	}
	return nil
}

// deviceNames are those that -device takes beside loader.
var deviceNames = []string{"virtio-blk-device", "virtio-rng-device", "virtio-serial-device", "virtconsole"}

// addDevice reads a -device that is not a loader.
func (o *driveOptions) addDevice(s string) error {
	list := properties(s)
	name, list := list[0].key, list[1:]
	var keys []string
	switch name {
	case "virtio-blk-device":
		keys = []string{"drive", "serial"}
	case "virtconsole":
		keys = []string{"chardev"}
	}
	values := map[string]string{}
	for _, p := range list {
		switch {
		case !slices.Contains(keys, p.key):
			return p.unknown(keys...)
		case !p.given || p.value == "":
			return fmt.Errorf("key %q wants a value", p.key)
		}
		values[p.key] = p.value
	}
	switch name {
	case "virtio-blk-device":
		b := &blockDevice{flag: "-device " + s, id: values["drive"], serial: values["serial"]}
		switch {
		case b.id == "":
			return errors.New("drive= is missing")
		case len(b.serial) > serialSize:
			return fmt.Errorf("serial=%s: want at most %d bytes", b.serial, serialSize)
		}
		o.blocks = append(o.blocks, b)
	case "virtio-rng-device":
		if o.entropy {
			return errors.New("the board has one already")
		}
		o.entropy = true
	case "virtio-serial-device":
		if o.console != nil {
			return errors.New("the board has one already")
		}
		o.console = &console{}
	case "virtconsole":
		switch {
		case o.console == nil:
			return errors.New("wants a -device virtio-serial-device before it")
		case o.console.flag != "":
			return errors.New("the virtio-serial-device has one already")
		}
		o.console.flag, o.console.id = "-device "+s, values["chardev"]
	}
	return nil
}

// serialSize is the room for a serial number, in bytes (VIRTIO 5.2.6).
const serialSize = 20

func (o *driveOptions) addChardev(s string) error {
	list := properties(s)
	c := &chardev{flag: "-chardev " + s}
	if c.backend = list[0].key; list[0].given || !slices.Contains([]string{"stdio", "file", "null"}, c.backend) {
		return fmt.Errorf("unknown back end %q: want stdio, file or null", c.backend)
	}
	for _, p := range list[1:] {
		switch {
		case p.key == "id" && p.value != "":
			c.id = p.value
		case p.key == "path" && p.value != "" && c.backend == "file":
			c.path = p.value
		case p.key == "id" || p.key == "path" && c.backend == "file":
			return fmt.Errorf("key %q wants a value", p.key)
		case c.backend == "file":
			return p.unknown("id", "path")
		default:
			return p.unknown("id")
		}
	}
	switch {
	case c.id == "":
		return errors.New("id= is missing")
	case c.backend == "file" && c.path == "":
		return errors.New("path= is missing")
	case slices.ContainsFunc(o.chardevs, func(e *chardev) bool { return e.id == c.id }):
		return fmt.Errorf("id=%s: another -chardev has this name", c.id)
	case c.backend == "stdio" && slices.ContainsFunc(o.chardevs, func(e *chardev) bool { return e.backend == "stdio" }):
		return errors.New("another -chardev has stdio")
	}
	o.chardevs = append(o.chardevs, c)
	return nil
}

func (o *driveOptions) setRTC(s string) error {
	for _, p := range properties(s) {
		if p.key != "base" {
			return p.unknown("base")
		}
		var t time.Time
		switch now := time.Now(); p.value {
		case "utc":
			t = now
		case "localtime":
			_, offset := now.Zone()
			t = now.Add(time.Duration(offset) * time.Second)
		default:
			var err error
			if t, err = time.Parse("2006-01-02T15:04:05", p.value); err != nil {
				t, err = time.Parse(time.DateOnly, p.value)
			}
			if err != nil {
				return fmt.Errorf("base=%s: want utc, localtime, or a date such as 2006-06-17 or 2006-06-17T16:01:21", p.value)
			}
		}
		// The register has 32 bits, and the configuration has another use for 0.
		o.epoch = uint32(t.Unix())
		if int64(o.epoch) != t.Unix() || o.epoch == 0 {
			return fmt.Errorf("base=%s: the PL031 counts seconds from 1970-01-01T00:00:01 to 2106-02-07T06:28:15", p.value)
		}
	}
	return nil
}

// hasStdio says whether a virtconsole has standard input and output.
func (o *driveOptions) hasStdio() bool {
	return o.console != nil && o.console.chardev != nil && o.console.chardev.backend == "stdio"
}

// target says where the output goes, in the spelling of -serial.
func (c *console) target() string {
	switch {
	case c.chardev == nil || c.chardev.backend == "null":
		return "none"
	case c.chardev.backend == "file":
		return "file:" + c.chardev.path
	}
	return "stdio"
}

// bank gives the drive of a bank of flash, or nil.
func (o *driveOptions) bank(unit int) *drive {
	for _, d := range o.drives {
		if d.bus == "pflash" && d.unit == unit {
			return d
		}
	}
	return nil
}

// resolve finds what the names stand for.
func (o *driveOptions) resolve() error {
	for _, b := range o.blocks {
		if b.drive != nil {
			continue
		}
		i := slices.IndexFunc(o.drives, func(d *drive) bool { return d.id == b.id })
		switch {
		case i < 0:
			return fmt.Errorf("%s: there is no -drive with id=%s", b.flag, b.id)
		case o.drives[i].bus != "none":
			return fmt.Errorf("%s: the drive has a device already: want if=none in %s", b.flag, o.drives[i].flag)
		case o.drives[i].used:
			return fmt.Errorf("%s: another device has this drive", b.flag)
		}
		b.drive = o.drives[i]
		b.drive.used = true
	}
	if c := o.console; c != nil && c.id != "" {
		i := slices.IndexFunc(o.chardevs, func(e *chardev) bool { return e.id == c.id })
		if i < 0 {
			return fmt.Errorf("%s: there is no -chardev with id=%s", c.flag, c.id)
		}
		c.chardev = o.chardevs[i]
		c.chardev.used = true
	}
	for _, c := range o.chardevs {
		if !c.used {
			return fmt.Errorf("%s: no virtconsole has chardev=%s", c.flag, c.id)
		}
	}
	return nil
}

// attach opens the files and puts the devices into the configuration. The caller closes the files, whatever the result.
func (o *driveOptions) attach(cfg *platform.Config) error {
	if err := o.resolve(); err != nil {
		return err
	}
	cfg.Epoch, cfg.NoReboot, cfg.Entropy = o.epoch, o.noReboot, o.entropy
	opened := map[*drive]platform.Drive{}
	for _, d := range o.drives {
		f, size, err := o.open(d)
		switch {
		case err != nil:
			return err
		case d.bus == "pflash":
			if cfg.Flash[d.unit], err = d.flash(f, size, o.snapshot); err != nil {
				return err
			}
		default:
			opened[d] = platform.Drive{Image: f, Size: size, ReadOnly: d.readOnly, Snapshot: d.keeps(o.snapshot)}
		}
	}
	for _, b := range o.blocks {
		d := opened[b.drive]
		d.Serial = b.serial
		cfg.Drives = append(cfg.Drives, d)
	}
	if o.console != nil {
		cfg.Console = io.Discard
	}
	return nil
}

// close closes the files of the drives.
func (o *driveOptions) close() {
	for _, f := range o.files {
		_ = f.Close()
	}
	o.files = nil
}

// keeps says whether what is written is kept in memory. all is -snapshot.
func (d *drive) keeps(all bool) bool {
	if d.snapshot == "" {
		return all
	}
	on, _ := property{value: d.snapshot}.onOff()
	return on
}

// fail names the flag in place of the file's name, which stands in it.
func (d *drive) fail(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s: %w", d.flag, err)
}

var errNotDisk = errors.New("want a regular file or a block device")

func isDisk(m fs.FileMode) bool {
	return m.IsRegular() || m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0
}

// open opens a drive's file, locks it and gives its size in bytes.
func (o *driveOptions) open(d *drive) (*os.File, uint64, error) {
	// Opening a pipe would wait for its other end.
	info, err := os.Stat(d.file)
	if err != nil {
		return nil, 0, d.fail(err)
	}
	if info.IsDir() {
		return nil, 0, d.fail(errors.New("is a directory: want a regular file or a block device"))
	}
	if !isDisk(info.Mode()) {
		return nil, 0, d.fail(errNotDisk)
	}
	write := !d.readOnly && !d.keeps(o.snapshot)
	mode := os.O_RDONLY
	if write {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(d.file, mode, 0)
	if err != nil {
		if write {
			return nil, 0, fmt.Errorf("%w: cannot be opened for writing: is readonly=on or snapshot=on what you want?", d.fail(err))
		}
		return nil, 0, d.fail(err)
	}
	o.files = append(o.files, f)
	if info, err = f.Stat(); err != nil {
		return nil, 0, d.fail(err)
	}
	if !isDisk(info.Mode()) {
		return nil, 0, d.fail(errNotDisk)
	}
	// The size of a block device stands nowhere else.
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, d.fail(err)
	}
	if err := lockImage(f, write); err != nil {
		return nil, 0, d.fail(err)
	}
	if !d.raw {
		if format := formatOf(f); format != "" {
			return nil, 0, d.fail(fmt.Errorf("looks like a %s image: want a raw one, or format=raw if that is what it is", format))
		}
	}
	return f, uint64(size), nil
}

// formatOf recognises image files that are not raw, which a guest would take for a damaged disk.
func formatOf(f io.ReaderAt) string {
	var head [8]byte
	n, _ := f.ReadAt(head[:], 0)
	for _, magic := range [][2]string{{"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"}, {"vhdxfile", "VHDX"}, {"conectix", "VPC"}, {"QED\x00", "QED"}} {
		if bytes.HasPrefix(head[:n], []byte(magic[0])) {
			return magic[1]
		}
	}
	return ""
}

// flash reads a bank's contents.
func (d *drive) flash(f *os.File, size uint64, all bool) (platform.Flash, error) {
	bank := platform.Flash{Data: []byte{}, ReadOnly: d.readOnly}
	if size != platform.FlashSize {
		return bank, d.fail(fmt.Errorf("%s: a bank of flash has %s (truncate -s 64M changes the size of a file)", sizeText(size), sizeText(platform.FlashSize)))
	}
	// Most of a bank is zeros, which need no memory.
	chunk, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < platform.FlashSize; at += int64(len(chunk)) {
		if _, err := f.ReadAt(chunk, at); err != nil {
			return bank, d.fail(err)
		}
		if !bytes.Equal(chunk, zeros) {
			bank.Data = append(append(bank.Data, make([]byte, int(at)-len(bank.Data))...), chunk...)
		}
	}
	if !d.readOnly && !d.keeps(all) {
		bank.Store = f
	}
	return bank, nil
}
