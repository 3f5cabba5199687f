package monitor

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gatehouse/platform"
	"gatehouse/platform/cpu"
)

// Prompt is what a console shows before a command.
const Prompt = "(gatehouse) "

// Config says what a monitor needs beside the machine. All fields may be nil.
type Config struct {
	// Quit ends the machine's run.
	Quit func()
}

// Monitor executes commands for one machine. It is used on the machine's goroutine.
type Monitor struct {
	m       *platform.Machine
	cfg     Config
	cpu     int               // selected by the command cpu
	sysRegs map[string]uint16 // numbers by name, in capitals
}

// New makes a monitor.
func New(m *platform.Machine, cfg Config) *Monitor {
	mon := &Monitor{m: m, cfg: cfg, sysRegs: map[string]uint16{}}
	for _, key := range cpu.SysRegisters() {
		mon.sysRegs[strings.ToUpper(cpu.SysName(key))] = key
	}
	return mon
}

type handler func(mon *Monitor, w io.Writer, format, args string) error

// entry is one command.
type entry struct {
	names string // separated by |
	args  string
	help  string
	run   handler
}

func (e *entry) is(name string) bool {
	for n := range strings.SplitSeq(e.names, "|") {
		if n == name {
			return true
		}
	}
	return false
}

func commands() []entry {
	return []entry{
		{"cont|c", "", "lets the machine go on", func(mon *Monitor, _ io.Writer, _, _ string) error { mon.m.Resume(); return nil }},
		{"cpu", "N", "selects the processor that the other commands are about", (*Monitor).selectCPU},
		{"help|?", "[COMMAND]", "lists the commands", (*Monitor).help},
		{"info", "[TOPIC]", "shows the state of the machine; alone it lists the topics", (*Monitor).info},
		{"print|p", "[/FMT] EXPRESSION", "prints a value; $NAME is a register", (*Monitor).print},
		{"quit|q", "", "ends the machine", (*Monitor).quit},
		{"stop|s", "", "stops the machine", func(mon *Monitor, _ io.Writer, _, _ string) error { mon.m.Pause(); return nil }},
		{"system_powerdown", "", "presses the power key", func(mon *Monitor, _ io.Writer, _, _ string) error { mon.m.PowerKey(); return nil }},
		{"system_reset", "", "resets the machine", func(mon *Monitor, _ io.Writer, _, _ string) error { mon.m.RequestReset(); return nil }},
		{"x", "[/FMT] ADDRESS", "shows memory at a virtual address; FMT is a count, one of x d u o c i and a size b h w g", (*Monitor).dumpVirtual},
		{"xp", "[/FMT] ADDRESS", "shows memory or device registers at a physical address", (*Monitor).dumpPhysical},
	}
}

// maxLine bounds a command, in bytes.
const maxLine = 4096

// Execute executes one line and writes the answer. What is wrong with the line is part of the answer.
func (mon *Monitor) Execute(line string, w io.Writer) {
	line = strings.TrimSpace(line)
	if line == "" {
		return
	}
	if len(line) > maxLine {
		fmt.Fprintln(w, "the line is too long")
		return
	}
	name, args, _ := strings.Cut(line, " ")
	// A format stands with or without a space before it.
	name, format, hasFormat := strings.Cut(name, "/")
	args = strings.TrimSpace(args)
	if !hasFormat && strings.HasPrefix(args, "/") {
		format, args, _ = strings.Cut(args[1:], " ")
		hasFormat = true
	}
	for _, e := range commands() {
		if !e.is(name) {
			continue
		}
		switch {
		case hasFormat && !strings.HasPrefix(e.args, "[/FMT]"):
			fmt.Fprintf(w, "%s: takes no format\n", name)
			return
		case e.args == "" && args != "":
			fmt.Fprintf(w, "%s: takes no argument\n", name)
			return
		}
		if err := e.run(mon, w, format, args); err != nil {
			fmt.Fprintf(w, "%s: %v\n", name, err)
		}
		return
	}
	fmt.Fprintf(w, "unknown command: '%s'\n", printable(name))
}

// printable keeps what came from a user on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func (mon *Monitor) help(w io.Writer, _, args string) error {
	for _, e := range commands() {
		if args == "" || e.is(args) {
			names := strings.ReplaceAll(e.names, "|", ", ")
			fmt.Fprintf(w, "%-27s %s\n", strings.TrimSpace(names+" "+e.args), e.help)
			if args != "" {
				return nil
			}
		}
	}
	if args != "" {
		return fmt.Errorf("no command '%s'", printable(args))
	}
	return nil
}

func (mon *Monitor) selectCPU(_ io.Writer, _, args string) error {
	n, err := mon.number(args)
	if err != nil {
		return err
	}
	mon.cpu = n
	return nil
}

// number parses the number of a processor.
func (mon *Monitor) number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= mon.m.NumCPUs() {
		return 0, fmt.Errorf("want the number of a processor, 0 to %d", mon.m.NumCPUs()-1)
	}
	return n, nil
}

func (mon *Monitor) quit(io.Writer, string, string) error {
	if mon.cfg.Quit == nil {
		return errors.New("the machine is ended elsewhere")
	}
	mon.cfg.Quit()
	return nil
}
