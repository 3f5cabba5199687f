package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The default run has all eight combinations, and says the same each time; so do the files.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	files := func(n string) []string {
		return []string{"-json", filepath.Join(dir, n+".json"), "-csv", filepath.Join(dir, n+".csv"), "-html", filepath.Join(dir, n+".html")}
	}
	args := []string{"compare", "-frames", "12", "-size", "64K,100000", "-buffers", "2", "-lifetime", "3", "-profile", "modern", "-cost", "tzc=500"}
	first, again := gatehouse(append(args, files("a")...)...), gatehouse(append(args, files("b")...)...)
	if first.status != statusOK || first.stderr != "" || first.stdout != again.stdout {
		t.Fatalf("status %d: %s\n%s\n%s", first.status, first.stderr, first.stdout, again.stdout)
	}
	for _, abi := range []string{"ffa", "smc"} {
		for _, policy := range []string{"static", "pool", "buffer", "map"} {
			if n := strings.Count(first.stdout, abi+strings.Repeat(" ", 8-len(policy))+policy+" "); n != 3 {
				t.Errorf("%s %s stands %d times in\n%s", abi, policy, n, first.stdout)
			}
		}
	}
	for _, ext := range []string{".json", ".csv", ".html"} {
		a, aerr := os.ReadFile(filepath.Join(dir, "a"+ext))
		b, berr := os.ReadFile(filepath.Join(dir, "b"+ext))
		if aerr != nil || berr != nil || len(a) == 0 || string(a) != string(b) {
			t.Errorf("%s: %v, %v, %d and %d bytes", ext, aerr, berr, len(a), len(b))
		}
		switch ext {
		case ".json":
			var r struct {
				Cells []struct{ ABI, Policy string }
			}
			if err := json.Unmarshal(a, &r); err != nil || len(r.Cells) != 8 {
				t.Errorf("%d cells, %v", len(r.Cells), err)
			}
		case ".csv":
			if lines, err := csv.NewReader(strings.NewReader(string(a))).ReadAll(); err != nil || len(lines) != 9 {
				t.Errorf("%d lines, %v", len(lines), err)
			}
		}
	}
}

// One combination, the other workload, the host's time, and a failure that is a result.
func TestCompareFlags(t *testing.T) {
	r := gatehouse("compare", "-workload", "playback", "-frames", "3", "-abi", "ffa", "-policy", "map")
	if r.status != statusOK || strings.Count(r.stdout, "ffa     map") != 3 || strings.Contains(r.stdout, "smc ") || strings.Contains(r.stdout, "host") {
		t.Errorf("status %d: %s\n%s", r.status, r.stderr, r.stdout)
	}
	r = gatehouse("compare", "-frames", "2", "-size", "4096", "-lifetime", "2", "-inflight", "1", "-policy", "pool", "-host", "-period", "1ms")
	if r.status != statusOK || !strings.Contains(r.stdout, "host:run") {
		t.Errorf("status %d: %s\n%s", r.status, r.stderr, r.stdout)
	}
	r = gatehouse("compare", "-frames", "24", "-size", "20000", "-lifetime", "12", "-policy", "buffer", "-profile", "none", "-movable", "30")
	if r.status != statusOK || !strings.Contains(r.stdout, "first failure: ") {
		t.Errorf("regions that run out: status %d: %s\n%s", r.status, r.stderr, r.stdout)
	}
	r = gatehouse("compare", "-list")
	for _, want := range []string{"a53-2022: ", "modern: ", "none: ", "something like 1ms", "PSCI_VERSION", "  scrub "} {
		if r.status != statusOK || !strings.Contains(r.stdout, want) {
			t.Errorf("-list: no %q in\n%s", want, r.stdout)
		}
	}
}

// One line that begins with the flag, and nothing run.
func TestCompareErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none", "x")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-frames", "0"}, "-frames 0: want 1 to"},
		{[]string{"-frames", "x"}, "-frames"},
		{[]string{"-size", ""}, "-size"},
		{[]string{"-size", "3X"}, "-size"},
		{[]string{"-size", "0"}, "-size 0: want 1 to"},
		{[]string{"-size", "1G"}, "-size 1073741824: want 1 to"},
		{[]string{"-buffers", "0"}, "-buffers 0: want"},
		{[]string{"-lifetime", "1000"}, "-lifetime 1000: want"},
		{[]string{"-inflight", "5"}, "-inflight 5: want"},
		{[]string{"-workload", "playback", "-inflight", "17"}, "-inflight 17: want"},
		{[]string{"-workload", "playback", "-inflight", "1"}, "-inflight 1: want 2 to"},
		{[]string{"-period", "0s"}, "-period"},
		{[]string{"-period", "5"}, "-period"},
		{[]string{"-movable", "100"}, "-movable 100: want"},
		{[]string{"-workload", "games"}, "-workload"},
		{[]string{"-abi", "hvc"}, "-abi"},
		{[]string{"-policy", "none"}, "-policy"},
		{[]string{"-profile", "a72"}, "-profile"},
		{[]string{"-cost", "tlb=1"}, "-cost"},
		{[]string{"-cost", "tzc=fast"}, "-cost"},
		{[]string{"-json", missing}, "-json " + missing},
		{[]string{"-csv", missing}, "-csv " + missing},
		{[]string{"-html", missing}, "-html " + missing},
		{[]string{"everything"}, `"everything"`},
	} {
		r := gatehouse(append([]string{"compare"}, tc.args...)...)
		if r.status != statusUsage || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "gatehouse compare: "+tc.want) {
			t.Errorf("%v: status %d, %q; want %q", tc.args, r.status, r.stderr, tc.want)
		}
	}
}

// Where one output file cannot be written none is touched.
func TestCompareFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.json"), filepath.Join(dir, "new.csv")
	if err := os.WriteFile(old, []byte("kept"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := gatehouse("compare", "-frames", "2", "-json", old, "-csv", fresh, "-html", filepath.Join(dir, "none", "x.html"))
	if r.status != statusUsage || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "-html") {
		t.Errorf("status %d, %q", r.status, r.stderr)
	}
	if data, err := os.ReadFile(old); err != nil || string(data) != "kept" {
		t.Errorf("the file that was there: %q, %v", data, err)
	}
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a new file is left over")
	}
}
