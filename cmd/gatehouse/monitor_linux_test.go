package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestTerminalMonitor changes between guest and monitor on a terminal, as in QEMU's multiplexed console.
func TestTerminalMonitor(t *testing.T) {
	user, program := terminal(t)
	// It sends each character back, and '!' for one with the break error (DR bit 10).
	echo := image(t, func(p *code) {
		p.put('>')
		p.put('\n')
		p.word(0xb9401928) // LDR W8, [X9, #0x18]: FR
		p.word(0x3727ffe8) // TBNZ W8, #4: RXFE
		p.word(0xb9400128) // LDR W8, [X9]
		p.word(0x36500048) // TBZ W8, #10, .+8
		p.word(0x52800428) // MOV W8, #'!'
		p.word(0xb9000128) // STR W8, [X9]
		p.word(0x17fffffa) // B to the first load
	})
	status := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		status <- run([]string{"boot", "-kernel", echo, "-S", "-serial", "mon:stdio", "-timeout", "60s"}, program, program, &stderr)
	}()
	var screen strings.Builder
	from := 0 // what is before has been waited for
	wait := func(text string) {
		t.Helper()
		b := make([]byte, 4096)
		for {
			if i := strings.Index(screen.String()[from:], text); i >= 0 {
				from += i + len(text)
				return
			}
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
	keys := func(s string) {
		t.Helper()
		if _, err := user.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	// The terminal may not be raw yet, but nothing that is typed is lost.
	keys("\x01?")
	wait("Ctrl-A c")
	keys("\x01c")
	wait("(gatehouse) ")
	keys("infx\x7fo status\r") // with a correction
	wait("VM status: paused")
	wait("(gatehouse) ")
	if strings.Contains(screen.String(), ">") {
		t.Error("-S does not stop the machine")
	}
	keys("cont\r")
	wait(">")
	keys("nonsense\x03info cpus\r") // Ctrl-C gives a line up
	wait("CPU #0")
	keys("\x04\x1b[A\r") // Ctrl-D ends nothing, and up brings the last line back
	wait("CPU #0")
	wait("(gatehouse) ")
	keys("\x01cXY")
	wait("XY")
	keys("\x01b")
	wait("!")
	keys("\x01cstop\r")
	wait("(gatehouse) ")
	keys("info status\r")
	wait("VM status: paused")
	keys("quit\r")
	select {
	case s := <-status:
		if s != statusOK || stderr.Len() != 0 {
			t.Errorf("status %d, %q", s, &stderr)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("quit does not end it")
	}
	if strings.Contains(screen.String(), "unknown command") {
		t.Errorf("screen: %q", &screen)
	}
}
