package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Exit statuses.
const (
	statusOK      = 0   // PSCI SYSTEM_OFF, or what was asked for is done
	statusFailed  = 1   // the guest failed, or a check did
	statusUsage   = 2   // the command line, or a file that it names
	statusTimeout = 124 // -timeout ran out, as with timeout(1)
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// command is one subcommand.
type command struct {
	name     string
	synopsis string // the arguments, for the list of commands
	summary  string
	details  string // more help, below the flags
	run      func(c *call) (int, error)
}

// call is one invocation of a subcommand.
type call struct {
	flags  *flag.FlagSet
	args   []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

func commands() []command {
	return []command{bootCommand, demoCommand, sdpCommand, compareCommand, conformCommand, dtbCommand, imagesCommand}
}

// run executes a command line and gives the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return statusUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			usage(stdout)
			return statusOK
		}
		name, args = args[0], []string{"-h"}
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, version())
		return statusOK
	}
	for _, cmd := range commands() {
		if cmd.name != name {
			continue
		}
		c := &call{flags: flag.NewFlagSet(name, flag.ContinueOnError), args: args, stdin: stdin, stdout: stdout, stderr: stderr}
		c.flags.SetOutput(io.Discard)
		status, err := cmd.run(c)
		switch {
		case errors.Is(err, flag.ErrHelp):
			help(stdout, &cmd, c.flags)
			return statusOK
		case err != nil:
			fmt.Fprintf(stderr, "gatehouse %s: %s\n", name, oneLine(err.Error()))
			return statusUsage
		}
		return status
	}
	fmt.Fprintf(stderr, "gatehouse: no command %q: want %s, help or version\n", name, strings.Join(commandNames(), ", "))
	return statusUsage
}

func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// parse reads the flags and refuses arguments beyond the n that may follow them. Errors name the flag first.
func (c *call) parse(n int) error {
	err := c.flags.Parse(c.args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return flagError(err)
	case c.flags.NArg() > n:
		return fmt.Errorf("%q: what is this argument for? Flags start with - and stand before other arguments", c.flags.Arg(n))
	}
	return nil
}

// flagError says what package flag found in the form that all messages here have: the flag, then what is wrong.
func flagError(err error) error {
	s := err.Error()
	if name, ok := strings.CutPrefix(s, "flag provided but not defined: "); ok {
		return fmt.Errorf("%s: no such flag", name)
	}
	if name, ok := strings.CutPrefix(s, "flag needs an argument: "); ok {
		return fmt.Errorf("%s: wants an argument", name)
	}
	// invalid value "V" for flag -F: what is wrong
	if rest, ok := strings.CutPrefix(s, "invalid value "); ok {
		if i := strings.Index(rest, " for flag -"); i >= 0 {
			value, rest := rest[:i], rest[i+len(" for flag "):]
			if name, what, ok := strings.Cut(rest, ": "); ok {
				return fmt.Errorf("%s %s: %s", name, value, what)
			}
		}
	}
	return err
}

// oneLine keeps a message on its line, whatever a file name contains.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

func usage(w io.Writer) {
	fmt.Fprint(w, "gatehouse is an AArch64 TrustZone platform: it boots images, hosts their secure world and enforces it on every bus access.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  gatehouse %-7s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nFirst steps: gatehouse demo, then gatehouse boot -kernel image:hello.\nFlags of a command: gatehouse help COMMAND.\n")
}

// flagColumn is the width of flags in help.
const flagColumn = 24

func help(w io.Writer, cmd *command, flags *flag.FlagSet) {
	fmt.Fprintf(w, "usage: gatehouse %s %s\n\n%s\n", cmd.name, cmd.synopsis, cmd.summary)
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nFlags:\n")
			first = false
		}
		// What a flag's argument is called stands in back quotes at the start of its usage.
		arg, text := "", f.Usage
		if rest, ok := strings.CutPrefix(text, "`"); ok {
			arg, text, _ = strings.Cut(rest, "` ")
		}
		left := strings.TrimSpace("-" + f.Name + " " + arg)
		if len(left) > flagColumn {
			fmt.Fprintf(w, "  %s\n", left)
			left = ""
		}
		fmt.Fprintf(w, "  %-*s %s\n", flagColumn, left, text)
	})
	if cmd.details != "" {
		fmt.Fprintf(w, "\n%s\n", cmd.details)
	}
}

// version says which source this program was built from.
func version() string {
	v, modified := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				v = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = " (modified)"
			}
		}
	}
	return fmt.Sprintf("gatehouse %s%s %s/%s %s", v, modified, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
