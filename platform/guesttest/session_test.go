package guesttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the gatehouse program, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "guesttest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "gatehouse")
	if msg, err := exec.Command("go", "build", "-o", program, "gatehouse/cmd/gatehouse").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, msg)
		return 1
	}
	return m.Run()
}

// session is a guest that is talked to over its serial port.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	limit  time.Duration // for each answer
	exited chan struct{}

	mu   sync.Mutex
	all  []byte // guarded by mu: what came so far
	more chan struct{}
	at   int // what expect has seen
	msg  bytes.Buffer
}

// boot starts gatehouse boot with the given flags.
func boot(t *testing.T, args ...string) *session {
	t.Helper()
	return start(t, program, append([]string{"boot", "-timeout", "10m"}, args...)...)
}

// qemu starts QEMU's virt board with the given flags.
func qemu(t *testing.T, args ...string) *session {
	t.Helper()
	return start(t, "qemu-system-aarch64", append([]string{"-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none"}, args...)...)
}

func start(t *testing.T, name string, args ...string) *session {
	t.Helper()
	s := &session{t: t, cmd: exec.Command(name, args...), limit: 4 * time.Minute, more: make(chan struct{}, 1), exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s, &s.msg
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // status looks at the outcome
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
	})
	return s
}

// Write takes what the guest says.
func (s *session) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.all = append(s.all, p...)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.all)
}

// log is everything that the guest has said, without carriage returns.
func (s *session) log() string { return strings.ReplaceAll(s.text(), "\r", "") }

// fatal ends the test with the end of the log.
func (s *session) fatal(format string, args ...any) {
	s.t.Helper()
	text := s.log()
	s.t.Fatalf("%s\nthe guest's last words:\n%s\nthe program's: %s", fmt.Sprintf(format, args...), text[max(0, len(text)-3000):], &s.msg)
}

// expect waits for a text and gives what came before it.
func (s *session) expect(want string) string {
	s.t.Helper()
	timer := time.NewTimer(s.limit)
	defer timer.Stop()
	for gone := false; ; {
		text := s.text()
		if i := strings.Index(text[s.at:], want); i >= 0 {
			before := text[s.at : s.at+i]
			s.at += i + len(want)
			return strings.ReplaceAll(before, "\r", "")
		}
		if gone {
			s.fatal("the guest has ended without %q", want)
		}
		select {
		case <-s.more:
		case <-s.exited:
			gone = true
		case <-timer.C:
			s.fatal("no %q after %v", want, s.limit)
		}
	}
}

// send types a text.
func (s *session) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, text); err != nil {
		s.fatal("typing %q: %v", text, err)
	}
}

// status waits for the end of the program and gives its exit status.
func (s *session) status() int {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(s.limit):
		s.fatal("still running after %v", s.limit)
	}
	return s.cmd.ProcessState.ExitCode()
}

// off waits for an end with status 0 and no complaint.
func (s *session) off() {
	s.t.Helper()
	if status := s.status(); status != 0 || s.msg.Len() != 0 {
		s.fatal("exit status %d", status)
	}
}

// trouble matches what a healthy Linux does not print.
var trouble = regexp.MustCompile(`(?m)^.*(WARNING:|BUG:|INFO: rcu|rcu: .*(stall|starved)|INFO: task|soft lockup|[Uu]ndefined instruction|Unable to handle|` +
	`Oops|Internal error|Kernel panic|Call trace|SError|unexpected|scheduling while|invalid opcode|segfault|unhandled).*$`)

// healthy checks the log of a Linux guest.
func (s *session) healthy() {
	s.t.Helper()
	if lines := trouble.FindAllString(s.log(), -1); lines != nil {
		s.t.Errorf("the log has\n%s", strings.Join(lines[:min(len(lines), 20)], "\n"))
	}
}

// has checks that lines of the log match regular expressions.
func (s *session) has(patterns ...string) {
	s.t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(s.log()) {
			s.t.Errorf("no line matches %q", p)
		}
	}
}

// require skips the test where a file that it needs is missing, or fails it where tools are required.
func require(t *testing.T, path, how string) string {
	t.Helper()
	if path != "" {
		if _, err := os.Stat(path); err == nil {
			return path
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
		t.Fatalf("%s is missing: %s", path, how)
	}
	t.Skipf("%s is missing: %s", path, how)
	return ""
}

// assets is the directory of the files that scripts fetch.
func assets(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GATEHOUSE_ASSETS"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "gatehouse")
}

// fetched runs a script that puts files into a directory below the assets, unless it has done so before.
func fetched(t *testing.T, script string) string {
	t.Helper()
	name := strings.TrimSuffix(script, ".sh")
	dir := filepath.Join(assets(t), name)
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return dir
	}
	if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") == "" {
		t.Skipf("%s is missing: images/scripts/%s fetches it", dir, script)
	}
	cmd := exec.Command("bash", filepath.Join("..", "..", "images", "scripts", script), dir)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, msg)
	}
	return dir
}

// sharedKernel is the kernel beside the repository, with the drivers of the TEE subsystem built in.
func sharedKernel(t *testing.T) string {
	t.Helper()
	path := os.Getenv("GATEHOUSE_LINUX")
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "linux", "Image.gz")
	}
	return require(t, path, "GATEHOUSE_LINUX names such a kernel, which images/scripts/build-kernel.sh builds")
}

// tempFile makes a file in the test's own directory.
func tempFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// option is a path as it stands in a list of keys.
func option(path string) string { return strings.ReplaceAll(path, ",", ",,") }
