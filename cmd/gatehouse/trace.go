package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/platform/event"
	"gatehouse/platform/event/perfetto"
)

// traceFile is the file that -trace names: all events of one machine, for programs to read (docs/trace.md). The zero value is a
// command line without -trace.
type traceFile struct {
	path   string
	format func(io.Writer) traceSink
	sink   traceSink
	file   *os.File
	held   []byte // written before the file is there
}

// traceSink is a sink whose output is complete, or known to be incomplete, after Close.
type traceSink interface {
	event.Sink
	Close() error
}

func (t *traceFile) register(f *flag.FlagSet) {
	f.Func("trace", "`FILE` all events, for programs: JSON lines in F.json or F.jsonl, a Perfetto trace in F.pftrace, F.perfetto-trace or F.pb", t.set)
}

func (t *traceFile) set(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json", ".jsonl":
		t.format = func(w io.Writer) traceSink { return event.NewJSON(w) }
	case ".pftrace", ".perfetto-trace", ".pb":
		t.format = func(w io.Writer) traceSink { return perfetto.New(w) }
	default:
		return errors.New("want a name that ends in .json or .jsonl for JSON lines, or in .pftrace, .perfetto-trace or .pb for Perfetto")
	}
	t.path = path
	return nil
}

// attach listens to s. A machine has events while it is built, so it comes before that; what they give waits for create.
func (t *traceFile) attach(s *event.Stream) {
	if t.format != nil {
		t.sink = t.format(t)
		s.Attach(event.All, t.sink)
	}
}

// create creates the file. Errors name flag and file.
func (t *traceFile) create() (err error) {
	if t.sink == nil {
		return nil
	}
	if t.file, err = os.Create(t.path); err != nil {
		return fileError("trace", t.path, err)
	}
	if len(t.held) > 0 {
		if _, err := t.file.Write(t.held); err != nil {
			return fileError("trace", t.path, err)
		}
		t.held = nil
	}
	return nil
}

// Write is called by the sink.
func (t *traceFile) Write(p []byte) (int, error) {
	if t.file == nil {
		t.held = append(t.held, p...)
		return len(p), nil
	}
	return t.file.Write(p)
}

// close completes the file. An error of any write shows here.
func (t *traceFile) close() error {
	if t.file == nil {
		return nil
	}
	err := t.sink.Close()
	if e := t.file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fileError("trace", t.path, err)
	}
	return nil
}
