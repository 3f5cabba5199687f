package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/platform/monitor"
)

// A monitor on standard input that is no terminal: its lines are commands, its answers standard output.
func TestMonitorStdio(t *testing.T) {
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer keys.Close()
	out := &writes{came: make(chan struct{}, 1)}
	status := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		status <- run([]string{"boot", "-kernel", "image:hello", "-S", "-monitor", "stdio", "-timeout", "60s"}, in, out, &stderr)
	}()
	if _, err := keys.WriteString("info status\np 6*7\ncont\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-status:
		if s != statusOK || stderr.Len() != 0 {
			t.Errorf("status %d, %q", s, &stderr)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("cont does not start it")
	}
	got := strings.Join(out.list(), "")
	// The UART has no output of its own here.
	if !strings.HasPrefix(got, monitor.Prompt+"VM status: paused\nvirtual time 0 ns, 0 instructions\n"+monitor.Prompt+"0x2a\n"+monitor.Prompt) || strings.Contains(got, "Hello") {
		t.Errorf("%q", got)
	}
}

// A monitor on a socket: connections come one after the other, and the machine's end ends them.
func TestMonitorSocket(t *testing.T) {
	path := socket(t)
	wait := background("boot", "-kernel", "image:hello", "-S", "-monitor", "unix:"+path+",server,nowait", "-timeout", "60s")
	m := dialMonitor(t, path)
	if got := m.call("info status"); !strings.HasPrefix(got, "VM status: paused\n") {
		t.Errorf("%q", got)
	}
	if got := m.call("unheard of"); got != "unknown command: 'unheard'\n" {
		t.Errorf("%q", got)
	}
	m.conn.Close()
	m = dialMonitor(t, path)
	if got := m.call("xp/1xw 0x0e000000"); got != "000000000e000000: denied\n" {
		t.Errorf("%q", got)
	}
	if _, err := m.conn.Write([]byte("cont\n")); err != nil {
		t.Fatal(err)
	}
	if r := wait(); r != (result{stdout: "Hello from the normal world\n"}) {
		t.Errorf("%+v", r)
	}
	rest := make([]byte, 4096)
	for {
		if _, err := m.conn.Read(rest); err != nil {
			break // a deadline would have been long
		}
	}
}

// quit ends the machine as Ctrl-A x does; -monitor none leaves a terminal without one, and changes nothing else.
func TestMonitorQuit(t *testing.T) {
	path := socket(t)
	wait := background("boot", "-kernel", "image:hello", "-S", "-monitor", "unix:"+path, "-timeout", "60s")
	m := dialMonitor(t, path)
	if _, err := m.conn.Write([]byte("quit\n")); err != nil {
		t.Fatal(err)
	}
	if r := wait(); r != (result{}) {
		t.Errorf("%+v", r)
	}
	if r := gatehouse("boot", "-kernel", "image:hello", "-monitor", "none"); r != (result{stdout: "Hello from the normal world\n"}) {
		t.Errorf("%+v", r)
	}
}
