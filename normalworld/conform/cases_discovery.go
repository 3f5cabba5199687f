package conform

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

// infoGet is FFA_PARTITION_INFO_GET.
func infoGet(u [4]uint64, flags uint64) []uint64 {
	return []uint64{uint64(ffa.PartitionInfoGet32), u[0], u[1], u[2], u[3], flags}
}

// infoRegs is FFA_PARTITION_INFO_GET_REGS.
func infoRegs(u [4]uint64, start, tag uint64) []uint64 {
	return []uint64{uint64(ffa.PartitionInfoGetRegs64), u[1]<<32 | u[0], u[3]<<32 | u[2], start | tag<<16}
}

// nobody is a UUID that no partition has.
func nobody() [4]uint64 { return [4]uint64{0x1234_5678, 0x9ABC_DEF0, 0x0F1E_2D3C, 0x4B5A_6978} }

// regsReply is FFA_SUCCESS_64: any information in x2 to x17.
func regsReply() Want {
	p := pattern{}
	p.mask[0], p.value[0] = all, uint64(ffa.Success64)
	p.mask[1] = all
	return Want{"FFA_SUCCESS_64 with records", []pattern{p}}
}

// regs asks for all records of a UUID through registers.
func (t *T) regs(u [4]uint64) (list []ffa.PartitionInfo) {
	tag := uint64(0)
	for start := uint64(0); ; {
		out := t.expect("asking for partitions through registers", regsReply(), infoRegs(u, start, tag)...)
		p, err := ffa.ParsePartitionInfoRegs(&out, uint16(start))
		if err != nil {
			t.reject("the reply", "indices in order, descriptors of 24 bytes or more that fit x3 to x17", err.Error())
		}
		list = append(list, p.Records[:p.Count]...)
		if p.Current == p.Last {
			return list
		}
		start, tag = uint64(p.Current)+1, uint64(p.Tag)
	}
}

func discoveryCases() []Case {
	rule, regs := ffaRule("FFA_PARTITION_INFO_GET"), ffaRule("FFA_PARTITION_INFO_GET_REGS")
	invalid := failure(ffa.InvalidParameters)
	none := [4]uint64{}
	count := func(t *T, u [4]uint64) uint64 {
		return t.expect("asking for a count", successWith(1, "a count in w2, w3 = 0"), infoGet(u, 1)...)[2]
	}
	// A count says nothing about sizes: w3 is zero.
	cases := []Case{
		{Name: "count", Rule: rule, Why: "There is at least one partition: Linux gives FF-A up without.", Run: mapped(func(t *T) {
			n := count(t, none)
			t.require(n >= 1 && n < 1<<15, "asking for a count", "1 or more")
		})},
		{Name: "count-without-buffers", Rule: rule, Why: "A count is returned in a register.", Run: negotiated(func(t *T) {
			t.require(count(t, none) >= 1, "asking for a count", "1 or more")
		})},
		{Name: "count-leaves-rx", Rule: rule, Why: "A count does not take RX.", Run: mapped(func(t *T) {
			t.fill(t.rx, page)
			count(t, none)
			t.expect("FFA_RX_RELEASE after a count", failure(ffa.Denied), uint64(ffa.RXRelease32))
			t.filled("RX after a count", t.rx, page)
		})},
		{Name: "count-agrees", Rule: rule, Why: "The count is the number of records.", Run: mapped(func(t *T) {
			n := count(t, none)
			if list := t.partitions(none); uint64(len(list)) != n {
				t.failf("as many records as counted", "%d records, %d counted", len(list), n)
			}
		})},
		{Name: "records", Rule: rule,
			Why: "Identifiers are those of secure endpoints and unique for a UUID; each partition has an execution context and a UUID.",
			Run: mapped(func(t *T) {
				seen := map[string]bool{}
				for _, p := range t.partitions(none) {
					key := fmt.Sprint(p.ID, p.UUID)
					if !p.ID.Secure() || p.ID == ffa.SPMD || seen[key] || p.ExecutionContexts == 0 || p.UUID.IsNil() || p.Properties&ffa.PropIDTypeMask != 0 {
						t.failf("a sound record", "partition %+v", p)
					}
					seen[key] = true
				}
			})},
		{Name: "optee-record", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_setup_partitions"),
			Why: "OP-TEE's partition is AArch64 and receives direct requests.", Run: mapped(func(t *T) {
				list := t.partitions(opteeWords())
				if len(list) != 1 {
					t.failf("one OP-TEE", "%d partitions speak OP-TEE's protocol", len(list))
				}
				if p := list[0]; p.Properties&ffa.PropReceivesDirectReq == 0 || p.Properties&ffa.PropAArch64 == 0 || [16]byte(p.UUID) != [16]byte(optee.OSUUID()) {
					t.failf("a partition for AArch64 that receives direct requests, with OP-TEE's UUID", "OP-TEE's record: %+v", p)
				}
			})},
		{Name: "optee-among-all", Rule: rule,
			Why: "What is found by UUID stands in the list of all, with the same record.",
			Run: mapped(func(t *T) {
				one := t.partitions(opteeWords())[0]
				for _, p := range t.partitions(none) {
					if p == one {
						return
					}
				}
				t.failf("OP-TEE in the list of all partitions", "record %+v is not in it", one)
			})},
		{Name: "record-size", Rule: rule,
			Why: "At 1.1 and 1.2 a record has 24 bytes, and w3 says so.",
			Run: mapped(func(t *T) { t.infoSizeIs("records", 24) })},
		{Name: "record-at-1.0", Rule: rule,
			Why: "At 1.0 a record has 8 bytes, w3 is zero, and only properties 2:0 show.",
			Run: func(t *T) {
				t.negotiate(ffa.Version1_0)
				t.mapBuffers(1)
				out := t.expect("asking for OP-TEE", successWith(2, "count and size"), infoGet(opteeWords(), 0)...)
				t.require(out[2] == 1 && out[3] == 0, "asking for OP-TEE", "w2 = 1, w3 = 0")
				b := t.read(t.rx, 8)
				if props := le32(b[4:]); props&^7 != 0 || props&1 == 0 || b[1]>>7 == 0 {
					t.failf("identifier, contexts and properties 2:0", "the record is % x", b)
				}
			}},
		{Name: "record-at-1.1", Rule: rule, Why: "At 1.1 the properties of 1.2 do not show.", Run: func(t *T) {
			t.negotiate(ffa.Version1_1)
			t.mapBuffers(1)
			for _, p := range t.partitions(none) {
				if p.Properties&^0x1FF != 0 {
					t.failf("properties 8:0", "partition %v has properties %#x", p.ID, uint32(p.Properties))
				}
			}
		}},
		{Name: "count-at-1.0", Rule: rule, Why: "Flags are there from 1.1 on; at 1.0 w5 must be zero.", Run: func(t *T) {
			t.negotiate(ffa.Version1_0)
			t.mapBuffers(1)
			t.expect("asking for a count at version 1.0", invalid, infoGet(none, 1)...)
		}},
		{Name: "unknown-uuid", Rule: rule, Why: "No partition has this UUID.", Run: mapped(func(t *T) {
			t.expect("asking for an unknown UUID", invalid, infoGet(nobody(), 0)...)
			t.expect("FFA_RX_RELEASE after a refusal", failure(ffa.Denied), uint64(ffa.RXRelease32))
		})},
		{Name: "unknown-uuid-count", Rule: rule, Why: "No partition has this UUID.", Run: mapped(func(t *T) {
			t.expect("counting an unknown UUID", invalid, infoGet(nobody(), 1)...)
		})},
		{Name: "partial-uuid", Rule: rule, Why: "All words of the UUID count.", Run: mapped(func(t *T) {
			for i := range 4 {
				u := opteeWords()
				u[i] ^= 1
				t.expect("asking for a UUID with one bit changed", invalid, infoGet(u, 1)...)
			}
		})},
		{Name: "uuid-words-in-text-order", Rule: smcccRule("UUID format"),
			Why: "Words are the octets read little-endian, not the groups of the text form.",
			Run: mapped(func(t *T) {
				w := optee.OSUUID().SMCWords()
				t.expect("asking for words in the order of the text", invalid, infoGet([4]uint64{uint64(w[0]), uint64(w[1]), uint64(w[2]), uint64(w[3])}, 1)...)
			})},
		{Name: "uuid-upper-halves", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The call is an SMC32 one.",
			Run: mapped(func(t *T) {
				u := opteeWords()
				for i := range u {
					u[i] |= 0xDEAD << 48
				}
				t.require(count(t, u) == 1, "counting OP-TEE with bits above the words", "1")
			})},
		{Name: "reserved-flags", Rule: rule, Why: "w5[31:1] must be zero.", Run: mapped(func(t *T) {
			t.expect("a reserved flag", invalid, infoGet(none, 2)...)
			t.expect("a reserved flag with a count", invalid, infoGet(none, 1<<31|1)...)
		})},
		{Name: "rx-busy", Rule: rule,
			Why: "The caller owns RX until it releases it; a producer is BUSY and leaves it alone.",
			Run: mapped(func(t *T) {
				t.expect("asking for partitions", successWith(2, "count and size"), infoGet(none, 0)...)
				t.fill(t.rx, page)
				t.expect("asking again", failure(ffa.Busy), infoGet(none, 0)...)
				t.filled("RX that the caller owns", t.rx, page)
				t.expect("FFA_RX_RELEASE", success(), uint64(ffa.RXRelease32))
				t.expect("asking after the release", successWith(2, "count and size"), infoGet(none, 0)...)
			})},
		{Name: "rx-not-mapped", Rule: rule,
			Why: "Without RX there is no place for records: Hafnium and OP-TEE say BUSY, TF-A says INVALID_PARAMETERS.",
			Run: negotiated(func(t *T) {
				t.expect("asking without buffers", failure(ffa.Busy, ffa.InvalidParameters), infoGet(none, 0)...)
			})},
		{Name: "rx-within-bounds", Rule: rule, Why: "Records are written into RX and nowhere else.", Run: negotiated(func(t *T) {
			t.fill(t.rx-page, 3*page)
			t.mapBuffers(1)
			t.expect("asking for partitions", successWith(2, "count and size"), infoGet(none, 0)...)
			t.filled("the page before RX", t.rx-page, page)
			t.filled("the page behind RX", t.rx+page, page)
		})},
		{Name: "on-second-processor", Rule: rule, Needs: NeedCPUs,
			Why: "Partitions and buffers are the same on all processors.",
			Run: mapped(func(t *T) {
				a := t.partitions(none)
				t.cpu = 1
				b := t.partitions(none)
				if fmt.Sprint(a) != fmt.Sprint(b) {
					t.failf("the same records", "cpu0 sees %+v, cpu1 %+v", a, b)
				}
			})},
		{Name: "regs-announced", Rule: ffaRule("FFA_FEATURES"),
			Why: "FFA_PARTITION_INFO_GET_REGS belongs to 1.2, and Linux asks for it.",
			Run: negotiated(func(t *T) {
				t.features("FFA_FEATURES", successWith(2, "properties"), uint64(ffa.PartitionInfoGetRegs64))
			})},
		{Name: "regs-agree", Rule: regs, Why: "Registers tell the same as RX.", Run: mapped(func(t *T) {
			inRX, inRegs := t.partitions(none), t.regs(none)
			if fmt.Sprint(inRX) != fmt.Sprint(inRegs) {
				t.failf("the same records", "RX holds %+v, registers %+v", inRX, inRegs)
			}
		})},
		{Name: "regs-without-buffers", Rule: regs,
			Why: "The call needs no buffers.",
			Run: negotiated(func(t *T) { t.regs(none) })},
		{Name: "regs-leave-rx", Rule: regs, Why: "The call does not take RX.", Run: mapped(func(t *T) {
			t.fill(t.rx, page)
			t.regs(none)
			t.filled("RX", t.rx, page)
			t.expect("FFA_RX_RELEASE", failure(ffa.Denied), uint64(ffa.RXRelease32))
		})},
		{Name: "regs-optee", Rule: regs,
			Why: "x1 and x2 hold the words of the UUID in pairs, the first in the lower half.",
			Run: negotiated(func(t *T) {
				list := t.regs(opteeWords())
				if len(list) != 1 || [16]byte(list[0].UUID) != [16]byte(optee.OSUUID()) {
					t.failf("one record with OP-TEE's UUID", "%+v", list)
				}
			})},
		{Name: "regs-unknown-uuid", Rule: regs, Why: "No partition has this UUID.", Run: negotiated(func(t *T) {
			t.expect("asking for an unknown UUID", invalid, infoRegs(nobody(), 0, 0)...)
		})},
		{Name: "regs-start-beyond-end", Rule: regs, Why: "The start index is that of a record.", Run: negotiated(func(t *T) {
			n := uint64(len(t.regs(none)))
			t.expect("a start index behind the last record", failure(ffa.InvalidParameters, ffa.Retry), infoRegs(none, n, 0)...)
			t.expect("start index 65535", failure(ffa.InvalidParameters, ffa.Retry), infoRegs(none, 0xFFFF, 0)...)
		})},
		{Name: "regs-wrong-tag", Rule: regs,
			Why: "A tag that is not that of the information is RETRY, or INVALID_PARAMETERS with the first call.",
			Run: negotiated(func(t *T) {
				out := t.expect("asking for partitions through registers", regsReply(), infoRegs(none, 0, 0)...)
				tag := out[2] >> 32 & 0xFFFF
				t.expect("another tag", failure(ffa.Retry, ffa.InvalidParameters), infoRegs(none, 0, tag^0x5A5A)...)
			})},
		{Name: "regs-at-1.1", Rule: regs, Why: "The call is there from 1.2 on.", Run: func(t *T) {
			t.negotiate(ffa.Version1_1)
			t.expect("FFA_PARTITION_INFO_GET_REGS at version 1.1", failure(ffa.NotSupported), infoRegs(none, 0, 0)...)
		}},
	}
	return append(cases, linuxTransport())
}
