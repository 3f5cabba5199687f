package main

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/usecase"
)

// Each use case passes over both ABIs and all policies; the same command prints the same bytes.
func TestSDP(t *testing.T) {
	for _, use := range usecase.Names {
		for _, abi := range lab.ABIs {
			for _, p := range lab.Policies {
				args := []string{"sdp", "-usecase", string(use), "-abi", string(abi), "-policy", string(p), "-frames", "3"}
				r := gatehouse(args...)
				if r.status != statusOK || !strings.Contains(r.stdout, "\nverdict: PASS, ") || r.stderr != "" {
					t.Errorf("%v: status %d\n%s%s", args, r.status, r.stdout, r.stderr)
				}
				if again := gatehouse(args...); again.stdout != r.stdout {
					t.Errorf("%v printed something else the second time", args)
				}
			}
		}
	}
}

// The heaps' older names, and the carve-out heap of 2022.
func TestSDPHeaps(t *testing.T) {
	for _, args := range [][]string{
		{"-heap", "restricted,secure-video"}, {"-heap", "protected,secure-video", "-policy", "map"},
		{"-heap", "linaro,secure-heap", "-policy", "static", "-engine"},
		{"-heap", "linaro,secure-heap", "-policy", "static", "-usecase", "secure-video-recording"},
	} {
		for _, abi := range lab.ABIs {
			r := gatehouse(append([]string{"sdp", "-frames", "2", "-abi", string(abi)}, args...)...)
			if r.status != statusOK || !strings.Contains(r.stdout, "\nverdict: PASS, ") {
				t.Errorf("%v over %s: status %d\n%s%s", args, abi, r.status, r.stdout, r.stderr)
			}
		}
	}
}

// Files that were asked for are written: the screen, what masters see, a trace.
func TestSDPFiles(t *testing.T) {
	dir := t.TempDir()
	out, spies, trace := filepath.Join(dir, "frame.png"), filepath.Join(dir, "spy"), filepath.Join(dir, "t.json")
	r := gatehouse("sdp", "-policy", "map", "-frames", "2", "-engine", "-o", out, "-spy", spies, "-trace", trace, "-json")
	if r.status != statusOK {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	var result struct {
		Verdict string
		Frames  int
		Table   []struct{ Stage, Buffer, Master, Expected, Probed string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &result); err != nil || result.Verdict != "pass" || result.Frames != 2 || len(result.Table) == 0 {
		t.Errorf("%v: %+v", err, result)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil || img.Bounds().Dx() != 320 || img.Bounds().Dy() != 180 {
		t.Errorf("the screen: %v, %v", err, img)
	}
	index, err := os.ReadFile(filepath.Join(spies, "index.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(index)) {
		w := strings.Fields(line)
		if len(w) != 4 {
			t.Fatalf("line %q", line)
		}
		if w[2] == "ap" && w[3] != "denied" {
			t.Errorf("the processor sees something: %s", line)
		}
		if w[3] != "denied" {
			seen++
			if _, err := os.Stat(filepath.Join(spies, w[3])); err != nil {
				t.Error(err)
			}
		}
	}
	if files, _ := os.ReadDir(spies); seen == 0 || len(files) != seen+1 {
		t.Errorf("%d files, %d named in the index", len(files), seen)
	}
	if data, err := os.ReadFile(trace); err != nil || !strings.Contains(string(data), "MAP") {
		t.Errorf("the trace: %v, %d bytes", err, len(data))
	}
}

// What goes wrong is told in one line, with the status that fits.
func TestSDPErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "clip")
	if err := os.WriteFile(bad, []byte("GHCLIP1\nx"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		status int
		want   string
		args   []string
	}{
		{2, "-abi", []string{"-abi", "hvc"}},
		{2, "-policy", []string{"-policy", "none"}},
		{2, "-usecase", []string{"-usecase", "video"}},
		{2, "-frames", []string{"-frames", "-1"}},
		{2, "-buffers", []string{"-buffers", "17"}},
		{2, "-buffers", []string{"-buffers", "1"}},
		{2, "-heap", []string{"-heap", "nowhere"}},
		{2, "-heap", []string{"-heap", "linaro,secure-heap", "-engine"}},
		{2, "-heap", []string{"-heap", "linaro,secure-heap", "-policy", "static"}},
		{2, "-pin", []string{"-usecase", "trusted-ui", "-pin", "12a"}},
		{2, "-o", []string{"-o", "x.jpg"}},
		{2, "-o", []string{"-usecase", "crypto-keys", "-o", "x.png"}},
		{2, "-o", []string{"-o", "/nonexistent/x.png"}},
		{2, "-clip", []string{"-clip", bad}},
		{2, "-clip", []string{"-clip", "/nonexistent/clip"}},
		{2, "-trace", []string{"-trace", "x.txt"}},
		// Memory that is not protected, and more buffers than the controller has regions.
		{1, "EINVAL", []string{"-usecase", "crypto-keys", "-heap", "default_cma_region"}},
		{1, "memory", []string{"-policy", "buffer", "-buffers", "16"}},
	} {
		r := gatehouse(append([]string{"sdp"}, tc.args...)...)
		if r.status != tc.status || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, tc.want) || r.stdout != "" {
			t.Errorf("%v: status %d, %q, %q; want status %d and one line about %s", tc.args, r.status, r.stderr, r.stdout, tc.status, tc.want)
		}
	}
	// A wrong PIN is a check that went wrong.
	r := gatehouse("sdp", "-usecase", "trusted-ui", "-pin", "1111")
	if r.status != statusFailed || !strings.Contains(r.stdout, "FAIL  the PIN is the right one") || !strings.Contains(r.stdout, "verdict: FAIL, 1 of ") {
		t.Errorf("a wrong PIN: status %d\n%s", r.status, r.stdout)
	}
}
