package secureworld

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

func (r *rig) described() string {
	var b strings.Builder
	r.w.Describe(&b)
	return b.String()
}

// What is described is what the normal world did, and describing changes nothing.
func TestDescribe(t *testing.T) {
	var b strings.Builder
	New(DefaultConfig()).Describe(&b)
	if b.String() != "the secure world has not been reset yet\n" {
		t.Errorf("%q", &b)
	}
	r := newRig(t)
	if got := r.described(); !strings.Contains(got, "FF-A: no version is agreed on yet\n") || !strings.Contains(got, "no memory transactions\n") {
		t.Error(got)
	}
	r.negotiate(uint64(ffa.Version1_2))
	shared := r.share(bufAddr, 2)
	lent := r.lend(lstAddr, 3, 1)
	before := r.state()
	got := r.described()
	if r.state() != before {
		t.Error("describing changes the state")
	}
	for _, want := range []string{
		"FF-A: version 1.2\n",
		"partition 0x8001: 4 contexts\n  service 486178e0-e7f8-11e3-bc5e-0002a5d5c51b\n", // OP-TEE's UUID
		fmt.Sprintf("handle %#x: ", shared), "owner 0x0 Owner-SA", "  8192 bytes: ",
		fmt.Sprintf("handle %#x: ", lent), "owner 0x0 Owner-NA", "  12288 bytes: ", "borrower 0x8001 !Owner-NA\n", "  0x40200000-0x40202fff Owner-NA\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	r.reclaim(lent)
	if got := r.described(); strings.Contains(got, fmt.Sprintf("handle %#x: ", lent)) || strings.Contains(got, " Owner-NA\n") {
		t.Errorf("after the reclaim\n%s", got)
	}
}

// Sessions, calls under way and what is registered over the SMC ABI are described, over each way to OP-TEE.
func TestDescribeOPTEE(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		call := c.begin(1, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0)))
		before := c.state()
		got := c.described()
		if c.state() != before {
			t.Error("describing changes the state")
		}
		for _, want := range []string{"OP-TEE: 1 of ", fmt.Sprintf("session %d: application %v, busy\n", s, optee.ProbeUUID())} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if c.byFFA == strings.Contains(got, "FF-A: not served") || c.fid == 0x3200_0013 && !strings.Contains(got, "over the SMC ABI: ") {
			t.Error(got)
		}
		call.answer(0)
		c.want("call", call.finish(), optee.Success, optee.OriginTEE)
		if got := c.described(); !strings.Contains(got, "OP-TEE: 0 of ") || strings.Contains(got, "busy") {
			t.Error(got)
		}
	})
}
