package guesttest

import (
	"strings"
	"sync"
	"testing"

	"gatehouse/images/initramfs"
)

var builtInit = sync.OnceValues(func() ([]byte, error) { return initramfs.Build("gatehouse/platform/guesttest/init") })

// initArchive is an archive with the program under init as process 1.
func initArchive(t *testing.T, files ...initramfs.File) []byte {
	t.Helper()
	if len(files) > 0 {
		archive, err := initramfs.Build("gatehouse/platform/guesttest/init", files...)
		if err != nil {
			t.Fatal(err)
		}
		return archive
	}
	archive, err := builtInit()
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// command gives process 1 a line, checks that it succeeds and that its answer has all of want, and gives the answer.
func (s *session) command(line string, want ...string) string {
	s.t.Helper()
	s.send(line + "\n")
	word, _, _ := strings.Cut(line, " ")
	out := s.expect("OK " + word + "\r\n")
	out = strings.Replace(out, line+"\n", "", 1) // the terminal's echo
	for _, w := range want {
		if !strings.Contains(out, w) {
			s.t.Errorf("%s: no %q in\n%s", line, w, out)
		}
	}
	return out
}
