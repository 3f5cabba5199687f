package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// File is a regular file of an archive.
type File struct {
	Name string // its path, without a slash at the beginning
	Mode uint64 // permissions
	Data []byte
}

// ErrName is wrapped by the error about a name that cannot stand in an archive.
var ErrName = errors.New("initramfs: bad file name")

// New makes an archive of a program that becomes /init, and of other files with the directories that they need. Names are clean paths
// without a slash at the beginning, and none stands twice.
func New(init []byte, files ...File) ([]byte, error) {
	records := []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.CharDev("dev/null", 0o666, 1, 3),
		cpio.Directory("proc", 0o755),
		cpio.Directory("sys", 0o755),
		cpio.Directory("tmp", 0o1777),
		cpio.StaticFile("init", string(init), 0o755),
	}
	seen := map[string]bool{}
	for _, r := range records {
		seen[r.Name] = true
	}
	for _, f := range files {
		if f.Name == "" || f.Name == "." || f.Name != path.Clean(f.Name) || path.IsAbs(f.Name) || strings.HasPrefix(f.Name, "../") ||
			f.Name == ".." || f.Name == cpio.Trailer || strings.IndexByte(f.Name, 0) >= 0 || seen[f.Name] {
			return nil, fmt.Errorf("%w: %q", ErrName, f.Name)
		}
		for i, c := range f.Name {
			if dir := f.Name[:i]; c == '/' && !seen[dir] {
				seen[dir] = true
				records = append(records, cpio.Directory(dir, 0o755))
			}
		}
		seen[f.Name] = true
		records = append(records, cpio.StaticFile(f.Name, string(f.Data), f.Mode&0o7777))
	}
	cpio.MakeAllReproducible(records)
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	if err := cpio.WriteRecords(w, records); err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	return b.Bytes(), nil
}

// Build builds a Go package, which a path such as gatehouse/images/guest/init names, for a Linux guest and makes an archive with it
// as /init. It runs the go command in the current directory.
func Build(pkg string, files ...File) ([]byte, error) {
	dir, err := os.MkdirTemp("", "initramfs")
	if err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "init")
	// Without symbols the kernel has less to unpack. The toolchain's version is the only thing outside the sources that the bytes
	// depend on.
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initramfs: go build %s: %w\n%s", pkg, err, msg)
	}
	init, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	return New(init, files...)
}
