package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: the user's end, and what a program has as its standard input and output.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	fd := int(user.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close(); program.Close() })
	return user, program
}

// On a terminal the guest gets each key at once and unechoed, Ctrl-A x ends the machine, and the terminal is as before.
func TestTerminal(t *testing.T) {
	user, program := terminal(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	echo := image(t, func(p *code) {
		p.put('>')
		p.put('\n')
		p.word(0xb9401928) // LDR W8, [X9, #0x18]: FR
		p.word(0x3727ffe8) // TBNZ W8, #4: RXFE
		p.word(0xb9400128) // LDR W8, [X9]
		p.word(0x11000508) // ADD W8, W8, #1
		p.word(0xb9000128) // STR W8, [X9]
		p.word(0x17fffffb) // B to the first load
	})
	status := make(chan int, 1)
	var stderr bytes.Buffer
	go func() { status <- run([]string{"boot", "-kernel", echo, "-timeout", "60s"}, program, program, &stderr) }()

	var screen strings.Builder
	wait := func(text string) {
		t.Helper()
		b := make([]byte, 256)
		for !strings.Contains(screen.String(), text) {
			if err := user.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := user.Read(b)
			if err != nil {
				t.Fatalf("no %q in %q: %v", text, &screen, err)
			}
			screen.Write(b[:n])
		}
	}
	wait(">\r\n")
	if raw, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS); err != nil || raw.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Errorf("not raw: %+v, %v", raw, err)
	}
	type_ := func(s string) {
		if _, err := user.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	type_("H")
	wait("I")
	type_("\x03\x01a") // neither Ctrl-C nor Ctrl-A a ends it
	wait("\x04\x02")
	type_("\x01x")
	select {
	case s := <-status:
		if s != statusOK || stderr.Len() != 0 {
			t.Errorf("status %d, %q", s, &stderr)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Ctrl-A x does not end it")
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("terminal: %+v, was %+v, %v", after, before, err)
	}
	if got := screen.String(); got != ">\r\nI\x04\x02" {
		t.Errorf("screen: %q", got)
	}
}

// A signal ends the machine in order: its output is out, and the status says which signal it was.
func TestSignal(t *testing.T) {
	path := image(t, func(p *code) {
		p.put('>')
		p.put('<')
		p.word(insSelf)
	})
	out := &writes{came: make(chan struct{}, 1)}
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() { status <- run([]string{"boot", "-kernel", path, "-timeout", "60s"}, nil, out, &stderr) }()
	// The first byte says that signals are watched.
	<-out.came
	if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := <-status; s != 128+int(unix.SIGTERM) || stderr.Len() != 0 {
		t.Errorf("status %d, %q", s, &stderr)
	}
	if got := strings.Join(out.list(), ""); got != "><" {
		t.Errorf("output %q", got)
	}
}
