package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/normalworld/conform"
)

// newConformBoard is the board of the command with the keys of -M given as "key=value".
func newConformBoard(t testing.TB, keys ...string) *conformBoard {
	t.Helper()
	o := &machineOptions{keys: map[string]string{}}
	if err := o.setMachine(strings.Join(append([]string{"virt"}, keys...), ",")); err != nil {
		t.Fatal(err)
	}
	b := &conformBoard{options: o}
	t.Cleanup(b.close)
	return b
}

// The whole suite against the Go secure world, in each configuration that changes what the suite sees.
func TestConformSuite(t *testing.T) {
	for _, keys := range [][]string{nil, {"tzasc-action=raz"}, {"tzasc=off"}, {"abi=ffa"}, {"abi=smc"}} {
		t.Run(strings.Join(keys, ","), func(t *testing.T) {
			suite := conform.NewSuite(newConformBoard(t, keys...).target)
			ran := 0
			cases := conform.Cases()
			for i := range cases {
				r, err := suite.Run(&cases[i])
				if err != nil {
					t.Fatal(err)
				}
				switch r.Status {
				case conform.Passed:
					ran++
				case conform.Failed:
					var b bytes.Buffer
					tap, _ := conform.NewTAP(&b, 1)
					tap.Write(&r)
					t.Error(b.String())
				}
			}
			// A suite that skips everything has proved nothing.
			if least := map[string]int{"": 900, "tzasc-action=raz": 900, "tzasc=off": 800, "abi=ffa": 720, "abi=smc": 240}[strings.Join(keys, ",")]; ran < least {
				t.Errorf("%d cases ran, want at least %d", ran, least)
			}
		})
	}
}

// Two runs of the command are the same to the byte.
func TestConformDeterministic(t *testing.T) {
	_, first, _ := runConform(t, "conform", "-run", "isolation|ffa-memory/")
	_, second, _ := runConform(t, "conform", "-run", "isolation|ffa-memory/")
	if first != second || !strings.HasPrefix(first, "TAP version 14\n1..") {
		t.Error("two runs differ, or are no TAP")
	}
}

// runConform executes a command line in this process.
func runConform(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func TestConformTAP(t *testing.T) {
	status, out, errs := runConform(t, "conform", "-run", "^smccc/version$|^ffa-setup/version-absent$")
	if want := "TAP version 14\n1..2\nok 1 - smccc/version\nok 2 - ffa-setup/version-absent\n"; status != 0 || out != want || errs != "2 passed, 0 failed, 0 skipped\n" {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
	}
	status, out, _ = runConform(t, "conform", "-M", "virt,abi=smc", "-run", "^ffa-setup/(id-get|version-absent)$")
	if want := "TAP version 14\n1..2\nok 1 - ffa-setup/version-absent\nok 2 - ffa-setup/id-get # SKIP the target has no FF-A\n"; status != 0 || out != want {
		t.Errorf("status %d, stdout %q", status, out)
	}
}

func TestConformList(t *testing.T) {
	status, out, errs := runConform(t, "conform", "-list")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if status != 0 || errs != "" || len(lines) != len(conform.Cases()) {
		t.Fatalf("status %d, %d lines, stderr %q", status, len(lines), errs)
	}
	form := regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9.-]+\t\S.*, .+$`)
	for _, l := range lines {
		if !form.MatchString(l) {
			t.Errorf("line %q", l)
		}
	}
	if _, out, _ := runConform(t, "conform", "-list", "-run", "^psci/cpu-on$"); out != "psci/cpu-on\tDEN0022, CPU_ON\n" {
		t.Errorf("one case: %q", out)
	}
}

func TestConformJUnit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.xml")
	if status, _, errs := runConform(t, "conform", "-run", "^smccc/|absent", "-M", "virt,abi=smc", "-junit", file); status != 0 {
		t.Fatal(errs)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Tests int    `xml:"tests,attr"`
			Cases []struct {
				Class   string    `xml:"classname,attr"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	// optee-smc/absent needs a secure world without the SMC ABI, which abi=smc is not.
	if report.Failures != 0 || report.Skipped != 1 || len(report.Suites) != 3 || report.Suites[0].Name != "smccc" {
		t.Errorf("report %+v", report)
	}
	n := 0
	for _, s := range report.Suites {
		n += s.Tests
		if s.Tests != len(s.Cases) || s.Cases[0].Class != s.Name {
			t.Errorf("test suite %+v", s)
		}
	}
	if n != report.Tests {
		t.Errorf("%d tests in the suites, %d in all", n, report.Tests)
	}
}

func TestConformUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-run", "("}, "-run (: "},
		{[]string{"-run", "nothing-like-this"}, "-run nothing-like-this: matches no case"},
		{[]string{"-M", "virt,abi=none"}, "-M"},
		{[]string{"-M", "virt,virtualization=on"}, "-M virtualization=on: conform takes"},
		{[]string{"-M", "virt,secure=on"}, "-M secure=on: conform takes"},
		{[]string{"-junit", "/nonexistent/report.xml", "-run", "^smccc/version$"}, "-junit /nonexistent/report.xml: "},
		{[]string{"-x"}, "-x: no such flag"},
		{[]string{"extra"}, `"extra"`},
	} {
		status, out, errs := runConform(t, append([]string{"conform"}, tc.args...)...)
		if status != 2 || out != "" || !strings.HasPrefix(errs, "gatehouse conform: "+tc.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: status %d, stdout %q, stderr %q, want %q", tc.args, status, out, errs, tc.want)
		}
	}
}

// A secure world that is wrong makes the command fail with status 1 and say why.
func TestConformFailure(t *testing.T) {
	board := newConformBoard(t)
	m := mutants()[0]
	suite := conform.NewSuite(func(v conform.Variant) (conform.Target, error) {
		target, err := board.target(v)
		return m.wrap(target), err
	})
	var cases []conform.Case
	for _, c := range conform.Cases() {
		if c.ID() == "ffa-setup/rx-release-twice" {
			cases = append(cases, c)
		}
	}
	var out bytes.Buffer
	results, err := runCases(suite, cases, bufio.NewWriter(&out))
	if err != nil || results[0].Status != conform.Failed {
		t.Fatalf("results %+v, error %v", results, err)
	}
	for _, want := range []string{
		"not ok 1 - ffa-setup/rx-release-twice\n  ---\n", `  call: "FFA_RX_RELEASE`, `  reply: "FFA_ERROR INVALID_PARAMETERS"`, `  expected: "FFA_ERROR DENIED"`,
		`"x2 = 0xfffffffe, want 0xfffffffa"`, `  rule: "DEN0077A, FFA_RX_RELEASE"`, "  before:\n", `"FFA_PARTITION_INFO_GET -> FFA_SUCCESS count=`, "\n  ...\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func BenchmarkConform(b *testing.B) {
	suite := conform.NewSuite(newConformBoard(b).target)
	cases := conform.Cases()
	for range b.N {
		for i := range cases {
			if _, err := suite.Run(&cases[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(cases)*b.N)/b.Elapsed().Seconds(), "cases/s")
}
