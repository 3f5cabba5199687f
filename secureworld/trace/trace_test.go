package trace

import (
	"strings"
	"testing"

	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

func text(fields []event.Field) string {
	var s []string
	for _, f := range fields {
		s = append(s, f.String())
	}
	return strings.Join(s, " ")
}

func TestFields(t *testing.T) {
	if got := text(Call(nil, []Field{{"total", 112, "112"}, {"", 1, "smc64"}, {"tx", 16, "0x10"}})); got != "total=112 smc64=1 tx=0x10" {
		t.Error(got)
	}
	for _, c := range []struct {
		result string
		fields []Field
		want   string
	}{
		{"", nil, ""},
		{"FFA_SUCCESS", nil, "ret=FFA_SUCCESS"},
		{"FFA_ERROR", []Field{{"", 0xFFFF_FFFA, "DENIED"}}, "ret=FFA_ERROR ret.error=DENIED"},
		{"FFA_SUCCESS", []Field{{"handle", 5, "0x5"}, {"", 1, "smc64"}}, "ret=FFA_SUCCESS ret.handle=0x5"},
		{"FFA_SUCCESS", []Field{{"pending", 1, "0x1"}, {"", 1, "more"}}, "ret=FFA_SUCCESS ret.pending=0x1 ret.more=1"},
		{"", []Field{{"", 0, "OK"}, {"value", 5, "5"}, {"", 1, "valid"}, {"", 1, "pending"}}, "ret=OK ret.value=5 ret.valid=1 ret.pending=1"},
		{"", []Field{{"", 1, "THROTTLED"}}, "ret=THROTTLED"},
		{"", []Field{{"version", 0x10001, "1.1"}}, "ret.version=1.1"},
	} {
		if got := text(Reply(nil, c.result, c.fields)); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.result, c.fields, got, c.want)
		}
	}
}

// phases notes phase, world and source of each event.
type phases struct{ got []string }

func (p *phases) Emit(e *event.Event) {
	p.got = append(p.got, e.Phase.String()+" "+e.World()+" "+e.Source+" "+e.Name)
}
func (p *phases) Open(e *event.Event) { p.Emit(e) }

func TestLog(t *testing.T) {
	var none Log
	if none.On(event.All) {
		t.Error("somebody listens to an empty log")
	}
	var p phases
	l := Log{Stream: &event.Stream{}, Clock: &vtime.Clock{}}
	l.Stream.Attach(event.All, &p)
	l.Enter(event.SMC, 3, "CALL")
	l.Begin(event.OPTEE, "optee", "MSG")
	l.Emit(event.Protmem, "secure", "PROTECT")
	l.End(event.OPTEE, "optee", "MSG")
	l.Leave(event.SMC, 3, "CALL")
	want := "begin normal cpu3 CALL|begin secure optee MSG|instant secure secure PROTECT|end secure optee MSG|end normal cpu3 CALL"
	if got := strings.Join(p.got, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
