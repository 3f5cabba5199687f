package ffa

import "testing"

func TestDescribeCalls(t *testing.T) {
	for _, c := range []struct {
		regs Registers
		want string
	}{
		{Registers{0x84000072, 112, 112}, "FFA_MEM_LEND total=112 fragment=112"},
		{Registers{0xC4000072, 112, 112}, "FFA_MEM_LEND total=112 fragment=112 smc64"},
		{Registers{0xC4000073, 9696, 4096, 0x80000000, 1},
			"FFA_MEM_SHARE total=9696 fragment=4096 buffer=0x80000000 pages=1 smc64"},
		{ErrorReply(Denied), "FFA_ERROR DENIED"},
		{ErrorReply(InvalidParameters), "FFA_ERROR INVALID_PARAMETERS"},
		{Registers{0x84000061}, "FFA_SUCCESS"},
		{Registers{0x84000061, 0, 0x8001}, "FFA_SUCCESS w2=0x8001"},
		{Registers{0xC4000061, 0, 0, 5}, "FFA_SUCCESS x2=0x0 x3=0x5 smc64"},
		{Registers{0x84000062, 0x80010001}, "FFA_INTERRUPT target=0x8001 vcpu=1"},
		{Registers{0x84000063, 0x10002}, "FFA_VERSION version=1.2"},
		{Registers{0x84000064, 0xC4000066}, "FFA_FEATURES query=FFA_RXTX_MAP_64"},
		{Registers{0x84000064, 2}, "FFA_FEATURES query=SRI"},
		{Registers{0x84000064, 0xC4000074, 2}, "FFA_FEATURES query=FFA_MEM_RETRIEVE_REQ_64 properties=0x2"},
		{Registers{0x84000065}, "FFA_RX_RELEASE"},
		{Registers{0xC4000066, 0x40100000, 0x40101000, 1}, "FFA_RXTX_MAP tx=0x40100000 rx=0x40101000 pages=1 smc64"},
		{Registers{0x84000068, 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5, 1},
			"FFA_PARTITION_INFO_GET uuid=486178e0-e7f8-11e3-bc5e-0002a5d5c51b count-only"},
		{Registers{0x84000068}, "FFA_PARTITION_INFO_GET"},
		{Registers{0xC400008B, 0, 0, 0x00070005}, "FFA_PARTITION_INFO_GET_REGS start=5 tag=0x7"},
		{Registers{0x8400006D, 0x80010002}, "FFA_RUN target=0x8001 vcpu=2"},
		{Registers{0x8400006F, 0x00008001}, "FFA_MSG_SEND_DIRECT_REQ src=0x0 dst=0x8001 w3=0x0"},
		{Registers{0x8400006F, 0x00008001, 0, 3, 0, 1}, "FFA_MSG_SEND_DIRECT_REQ src=0x0 dst=0x8001 w3=0x3 w4=0x0 w5=0x1"},
		{Registers{0x8400006F, 0xFFFF8000, 0x80000008, 0x10002},
			"FFA_MSG_SEND_DIRECT_REQ src=0xffff dst=0x8000 framework message=8 w3=0x10002"},
		{Registers{0xC4000070, 0x80010000, 0, 0, 0, 0, 0, 1 << 40},
			"FFA_MSG_SEND_DIRECT_RESP src=0x8001 dst=0x0 x3=0x0 x4=0x0 x5=0x0 x6=0x0 x7=0x10000000000 smc64"},
		{Registers{0xC400008D, 0x8001, 0xe311f8e7e0786148, 0x1bc5d5a502005ebc, 7},
			"FFA_MSG_SEND_DIRECT_REQ2 src=0x0 dst=0x8001 uuid=486178e0-e7f8-11e3-bc5e-0002a5d5c51b x4=0x7"},
		{Registers{0x84000075, 112, 112}, "FFA_MEM_RETRIEVE_RESP total=112 fragment=112"},
		{Registers{0x84000077, 0x55667788, 0x11223344, 1}, "FFA_MEM_RECLAIM handle=0x1122334455667788 flags=zero"},
		{Registers{0x8400007A, 1, 0, 4096}, "FFA_MEM_FRAG_RX handle=0x1 offset=4096"},
		{Registers{0x8400007B, 1, 0, 4096, 0x10000}, "FFA_MEM_FRAG_TX handle=0x1 length=4096 sender=0x1"},
		{Registers{0x8400007D, 0, 4}, "FFA_NOTIFICATION_BITMAP_CREATE vm=0x0 vcpus=4"},
		{Registers{0x8400007F, 0x80010000, 0, 1}, "FFA_NOTIFICATION_BIND sender=0x8001 receiver=0x0 bitmap=0x1"},
		{Registers{0x84000081, 0x80010000, 0x00050003, 1, 2},
			"FFA_NOTIFICATION_SET sender=0x8001 receiver=0x0 per-vcpu delay-sri vcpu=5 bitmap=0x200000001"},
		{Registers{0x84000082, 0x00030000, 5}, "FFA_NOTIFICATION_GET receiver=0x0 vcpu=3 sp spm"},
		{Registers{0x8400008A, 5, 0x6C6C6568, 0x6F}, `FFA_CONSOLE_LOG characters=5 text="hello"`},
		{Registers{0x8400008A, 99}, "FFA_CONSOLE_LOG characters=99"},
		{Registers{0x84000091, 1}, "FFA_UNKNOWN function=0x84000091"},
		// The SVE hint is no part of the name.
		{Registers{0x84010069}, "FFA_ID_GET"},
	} {
		name, fields := Describe(&c.regs)
		if got := Format(name, fields); got != c.want {
			t.Errorf("%x:\n got %q\nwant %q", c.regs, got, c.want)
		}
	}
	psci := Registers{0x84000000}
	if name, fields := Describe(&psci); name != "" || fields != nil {
		t.Errorf("PSCI_VERSION described as %q %v", name, fields)
	}
}

func TestDescribeReplies(t *testing.T) {
	info := NotificationInfo{SMC64: true}
	info.Add(0x8001, 0, 2)
	info.Add(0)
	info.More = true
	partitions, err := PartitionInfoRegsReply([]PartitionInfo{{ID: 0x8001}, {ID: 0x8002}}, 0, 3, Version1_2)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		call Function
		regs Registers
		want string
	}{
		{MemLend64, HandleReply(0x1122334455667788), "FFA_SUCCESS handle=0x1122334455667788"},
		{MemLend64, ErrorReply(NoMemory), "FFA_ERROR NO_MEMORY"},
		{MemShare64, MemFragRX{Handle: 2, Offset: 4096}.Registers(), "FFA_MEM_FRAG_RX handle=0x2 offset=4096"},
		{MemFragTX32, HandleReply(2), "FFA_SUCCESS handle=0x2"},
		{IDGet32, IDGetReply(0x8001), "FFA_SUCCESS id=0x8001"},
		{Version32, VersionReply(Version1_2), "FFA_VERSION version=1.2"},
		{Version32, VersionNotSupported(), "FFA_VERSION NOT_SUPPORTED"},
		{PartitionInfoGet32, PartitionInfoReply(2, 24), "FFA_SUCCESS count=2 size=24"},
		{PartitionInfoGet32, PartitionInfoReply(2, 0), "FFA_SUCCESS count=2"},
		{PartitionInfoGetRegs64, partitions,
			"FFA_SUCCESS last=1 current=1 tag=0x3 size=24 partition=0x8001 partition=0x8002 smc64"},
		{NotificationGet32, PendingNotifications{SP: 5, SPM: 1}.Registers(), "FFA_SUCCESS sp=0x5 vm=0x0 spm=0x1"},
		{NotificationInfoGet64, info.Registers(), "FFA_SUCCESS pending=0x8001:0,2 pending=0x0 more smc64"},
		{NotificationInfoGet64, ErrorReply(NoData), "FFA_ERROR NO_DATA"},
		{Features32, FeaturesReply(8, 0), "FFA_SUCCESS w2=0x8"},
		{MsgSendDirectReq32, Registers{0x84000070, 0x80010000, 0, 1}, "FFA_MSG_SEND_DIRECT_RESP src=0x8001 dst=0x0 w3=0x1"},
		{MemReclaim32, SuccessReply(), "FFA_SUCCESS"},
	} {
		name, fields := DescribeReply(c.call, &c.regs)
		if got := Format(name, fields); got != c.want {
			t.Errorf("reply to %v:\n got %q\nwant %q", c.call, got, c.want)
		}
	}
}

// Each field that a trace prints carries the number behind it, for sinks that want numbers.
func TestDescribeValues(t *testing.T) {
	r := Registers{0xC4000072, 112, 96}
	_, fields := Describe(&r)
	if len(fields) != 3 || fields[0].Value != 112 || fields[1].Value != 96 || fields[2].Name != "" {
		t.Errorf("fields %+v", fields)
	}
}

func TestTransactionFields(t *testing.T) {
	d, _ := bigLend(6)
	d.Tag, d.Handle, d.Flags = 1, 2, FlagZero
	want := "lend sender=0x0 attributes=unspecified flags=zero handle=0x2 tag=0x1 receiver=0x8001/RW range=0x0+1p " +
		"range=0x2000+1p range=0x4000+1p range=0x6000+1p ranges=6"
	if got := Format("lend", d.Fields()); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
