/*
 * Lends memory to OP-TEE over FF-A (DEN 0077A, DEN 0140), as Linux's protected DMA heap does, and probes it before, during
 * and after.
 */
#include "lend.h"

enum { FFA_ERROR = 0x84000060, FFA_SUCCESS = 0x84000061, FFA_INTERRUPT = 0x84000062, FFA_VERSION = 0x84000063, FFA_FEATURES = 0x84000064,
	FFA_RX_RELEASE = 0x84000065, FFA_RXTX_UNMAP = 0x84000067, FFA_PARTITION_INFO_GET = 0x84000068, FFA_ID_GET = 0x84000069,
	FFA_YIELD = 0x8400006c, FFA_RUN = 0x8400006d, FFA_DIRECT_REQ = 0x8400006f, FFA_DIRECT_RESP = 0x84000070, FFA_MEM_RECLAIM = 0x84000077 };
#define FFA_SUCCESS_64             0xc4000061ul
#define FFA_RXTX_MAP               0xc4000066ul
#define FFA_MEM_LEND               0xc4000072ul
#define FFA_MEM_SHARE              0xc4000073ul
#define FFA_PARTITION_INFO_GET_REGS 0xc400008bul
enum { NOT_SUPPORTED = -1, INVALID = -2, DENIED = -6, NO_REPLY = -100 };

/* OP-TEE's blocking and yielding service calls in w3. */
enum { OPTEE_API_VERSION = 0, OPTEE_OS_VERSION = 1, OPTEE_CAPABILITIES = 2, OPTEE_UNREGISTER_SHM = 3, OPTEE_RELEASE = 8 };
#define OPTEE_CALL   0x80000000u
#define OPTEE_RESUME 0x80000001u
enum { CAP_PROTMEM = 1 << 3 };
enum { NORMAL_SHARED = 0x2f, PERM_RW = 2, RECEIVERS_MAX = 4 };

static const u32 optee_uuid[4] = { 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5 };

static NOINIT u8 tx[PAGE] __attribute__((aligned(PAGE)));
static NOINIT u8 rx[PAGE] __attribute__((aligned(PAGE)));
static NOINIT u8 message_page[PAGE] __attribute__((aligned(PAGE)));
static NOINIT u8 list_page[PAGE] __attribute__((aligned(PAGE)));

static u32 version;
static u16 self, sp;
static u64 message_handle;
static struct receiver {
	u16 id;
	u8 perm;
} receivers[RECEIVERS_MAX];
static u32 nreceivers;

/* The result of a call: 0, an FF-A error code, or NO_REPLY. */
static int call(u64 r[18])
{
	smccc(r);
	if ((u32)r[0] == FFA_ERROR)
		return (int)(u32)r[2];
	return r[0] == FFA_SUCCESS || r[0] == FFA_SUCCESS_64 ? 0 : NO_REPLY;
}

static int call3(u64 function, u64 a, u64 b, u64 c)
{
	u64 r[18] = { function, a, b, c };
	return call(r);
}

static const char *code_name(int code)
{
	static const char *const names[] = { "success", "not-supported", "invalid", "no-memory", "busy", "interrupted", "denied", "retry",
		"aborted", "no-data", "not-ready" };
	return code <= 0 && code >= -10 ? names[-code] : "no-reply";
}

static bool step_code(const char *phase, const char *name, int want, int got)
{
	return step_is(phase, name, want == got, code_name(want), code_name(got));
}

static bool step_refused(const char *phase, const char *name, int got)
{
	return step_is(phase, name, got < 0 && got != NO_REPLY && got != NOT_SUPPORTED, "refused", code_name(got));
}

/* A direct request; w3 to w7 go out and come back in m. */
static int direct(u32 m[5])
{
	u64 r[18] = { FFA_DIRECT_REQ, (u64)self << 16 | sp, 0, m[0], m[1], m[2], m[3], m[4] };
	for (;;) {
		smccc(r);
		if (r[0] == FFA_INTERRUPT || r[0] == FFA_YIELD) {
			u64 target = r[1];
			memset(r, 0, sizeof r);
			r[0] = FFA_RUN;
			r[1] = target;
			continue;
		}
		break;
	}
	if ((u32)r[0] == FFA_ERROR)
		return (int)(u32)r[2];
	if (r[0] != FFA_DIRECT_RESP || (u32)r[1] != ((u32)sp << 16 | self))
		return NO_REPLY;
	for (int i = 0; i < 5; i++)
		m[i] = (u32)r[3 + i];
	return 0;
}

static int service(u32 function, u32 a, u32 b, u32 out[5])
{
	u32 m[5] = { function, a, b };
	int code = direct(m);
	memcpy(out, m, sizeof m);
	return code;
}

static void put16(u8 *p, u64 v) { p[0] = (u8)v; p[1] = (u8)(v >> 8); }
static void put32(u8 *p, u64 v) { put16(p, v); put16(p + 2, v >> 16); }
static void put64(u8 *p, u64 v) { put32(p, v); put32(p + 4, v >> 32); }
static u32 get32(const u8 *p) { return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24; }

/* Builds a transaction of one range in TX, for version 1.1 or 1.2, and sends it. */
static int send(u64 function, u64 addr, u64 pages, u64 total, u32 attributes, u64 tag, const struct receiver *to, u32 n, u64 *handle)
{
	const u32 header = 48, emad = version >= 0x10002 ? 32 : 16;
	const u32 composite = header + n * emad, length = composite + 32;
	memset(tx, 0, length);
	put16(tx, self);
	put16(tx + 2, attributes);
	put64(tx + 16, tag);
	put32(tx + 24, emad);
	put32(tx + 28, n);
	put32(tx + 32, header);
	for (u32 i = 0; i < n; i++) {
		u8 *e = tx + header + i * emad;
		put16(e, to[i].id);
		e[2] = to[i].perm;
		put32(e + 4, composite);
	}
	put32(tx + composite, total);
	put32(tx + composite + 4, 1);
	put64(tx + composite + 16, addr);
	put32(tx + composite + 24, pages);
	dsb();
	u64 r[18] = { function, length, length };
	int code = call(r);
	*handle = (u32)r[2] | r[3] << 32;
	return code;
}

static int lend(u64 addr, u64 size, u64 *handle)
{
	return send(FFA_MEM_LEND, addr, size / PAGE, size / PAGE, 0, USE_CASE_VIDEO, receivers, nreceivers, handle);
}

static int share(u64 addr, u64 *handle)
{
	struct receiver to = { sp, PERM_RW };
	return send(FFA_MEM_SHARE, addr, 1, 1, NORMAL_SHARED, 0, &to, 1, handle);
}

static int reclaim(u64 handle) { return call3(FFA_MEM_RECLAIM, (u32)handle, handle >> 32, 0); }

/* Sends the message in message_page. False: it did not come through; otherwise its ret is valid. */
static bool send_message(void)
{
	struct message *msg = (struct message *)message_page;
	msg->ret = 0xffffffff;
	dsb();
	u32 m[5] = { OPTEE_CALL, (u32)message_handle, (u32)(message_handle >> 32), 0, 0 };
	for (;;) {
		if (direct(m) != 0 || m[0] != 0)
			return false;
		if (m[1] == 0)
			return true;
		if (m[1] != 2)
			return false; /* an RPC that needs the supplicant */
		memcpy(m, (u32[5]){ OPTEE_RESUME, 0, 0, 0, m[4] }, sizeof m);
	}
}

static struct message *new_message(u32 cmd)
{
	struct message *msg = (struct message *)message_page;
	memset(msg, 0, PAGE);
	msg->cmd = cmd;
	msg->num_params = 2;
	return msg;
}

static bool assign(u64 handle, u32 *ret)
{
	struct message *msg = new_message(CMD_ASSIGN);
	msg->num_params = 1;
	msg->p[0].attr = ATTR_VALUE_IN;
	msg->p[0].value.a = handle;
	msg->p[0].value.b = USE_CASE_VIDEO;
	bool sent = send_message();
	*ret = msg->ret;
	return sent;
}

static bool discover(void)
{
	u64 r[18] = { FFA_VERSION, 0x10002 };
	smccc(r);
	version = (u32)r[0] < 0x10002 ? (u32)r[0] : 0x10002;
	char saw[24];
	bool ok = r[0] >= 0x10001 && r[0] < 0x20000;
	format_to(saw, sizeof saw, ok ? "%lu.%lu" : "%lx.%lx", r[0] >> 16 & 0xffff, r[0] & 0xffff);
	if (!step_is("setup", "version", ok, "1.1-or-later", saw))
		return false;

	memset(r, 0, sizeof r);
	r[0] = FFA_ID_GET;
	int code = call(r);
	self = (u16)r[2];
	if (!step_code("setup", "id", 0, code))
		return false;

	/* The RX and TX buffers may be mapped once. */
	step_refused("setup", "unaligned-buffers", call3(FFA_RXTX_MAP, (u64)tx + 8, (u64)rx, 1));
	if (!step_code("setup", "map-buffers", 0, call3(FFA_RXTX_MAP, (u64)tx, (u64)rx, 1)))
		return false;
	step_code("setup", "map-twice", DENIED, call3(FFA_RXTX_MAP, (u64)tx, (u64)rx, 1));

	memset(r, 0, sizeof r);
	r[0] = FFA_PARTITION_INFO_GET;
	for (int i = 0; i < 4; i++)
		r[1 + i] = optee_uuid[i];
	code = call(r);
	sp = (u16)get32(rx);
	step_code("setup", "partition", 0, code);
	if (code != 0)
		return false;
	step_hex("setup", "partition-count", 1, r[2]);
	step_is("setup", "partition-secure", sp >> 15 != 0, "secure-id", sp >> 15 ? "secure-id" : "other");
	step_code("setup", "release-rx", 0, call3(FFA_RX_RELEASE, 0, 0, 0));
	step_code("setup", "release-rx-twice", DENIED, call3(FFA_RX_RELEASE, 0, 0, 0));

	if (version >= 0x10002 && call3(FFA_FEATURES, FFA_PARTITION_INFO_GET_REGS, 0, 0) == 0) {
		memset(r, 0, sizeof r);
		r[0] = FFA_PARTITION_INFO_GET_REGS;
		r[1] = (u64)optee_uuid[1] << 32 | optee_uuid[0];
		r[2] = (u64)optee_uuid[3] << 32 | optee_uuid[2];
		code = call(r);
		step_code("setup", "partition-regs", 0, code);
		step_is("setup", "partition-same", code == 0 && (u16)r[3] == sp, "same-id", (u16)r[3] == sp ? "same-id" : "other");
	}

	u32 m[5];
	step_code("setup", "api-version-call", 0, service(OPTEE_API_VERSION, 0, 0, m));
	step_hex("setup", "api-version", 1, m[0]);
	step_code("setup", "os-version-call", 0, service(OPTEE_OS_VERSION, 0, 0, m));
	step_code("setup", "capabilities-call", 0, service(OPTEE_CAPABILITIES, 0, 0, m));
	return step_is("setup", "capabilities", m[0] == 0 && m[2] & CAP_PROTMEM, "protected-memory", m[2] & CAP_PROTMEM ? "protected-memory" : "none");
}

static bool configure(u64 *list_handle)
{
	if (!step_code("setup", "share-message", 0, share((u64)message_page, &message_handle)))
		return false;

	/* Without a buffer for the list the sizes come back. */
	struct message *msg = new_message(CMD_GET_CONFIG);
	msg->p[0].attr = ATTR_VALUE_INOUT;
	msg->p[0].value.a = USE_CASE_VIDEO;
	msg->p[1].attr = ATTR_FMEM_OUT;
	msg->p[1].fmem.global_id = ~0ul;
	bool sent = send_message();
	if (!step_is("setup", "config-call", sent, "sent", sent ? "sent" : "not-sent"))
		return false;
	step_hex("setup", "config-size", TEE_SHORT_BUFFER, msg->ret);
	u64 least = msg->p[0].value.a, size = msg->p[1].fmem.size;
	if (!pool_at_least(least))
		return false;
	nreceivers = (u32)size / 4;
	bool few = size % 4 == 0 && nreceivers >= 1 && nreceivers <= RECEIVERS_MAX;
	if (!step(few, "setup", "config-receivers", "1-to-4", few ? "1-to-4" : "other", "bytes=%lu", size))
		return false;

	if (!step_code("setup", "share-list", 0, share((u64)list_page, list_handle)))
		return false;
	msg = new_message(CMD_GET_CONFIG);
	msg->p[0].attr = ATTR_VALUE_INOUT;
	msg->p[0].value.a = USE_CASE_VIDEO;
	msg->p[1].attr = ATTR_FMEM_OUT;
	msg->p[1].fmem.size = size;
	msg->p[1].fmem.global_id = *list_handle;
	sent = send_message();
	step_hex("setup", "config", 0, sent ? msg->ret : 0xffffffff);
	for (u32 i = 0; i < nreceivers; i++) {
		u32 v = get32(list_page + 4 * i);
		receivers[i] = (struct receiver){ (u16)v, (u8)(v >> 16) };
	}
	return step_is("setup", "config-receiver", receivers[0].id >> 15, "secure-id", receivers[0].id >> 15 ? "secure-id" : "other");
}

static bool give(const char *phase, u64 *handle)
{
	u32 ret;
	if (!step_code(phase, "lend", 0, lend(POOL, pool_size, handle)))
		return false;
	bool sent = assign(*handle, &ret);
	return step_hex(phase, "assign", 0, sent ? ret : 0xffffffff);
}

/* Every refusal here must leave everything as it was. */
static bool negative(u64 *handle)
{
	const char *phase = "negative";
	struct receiver nobody = { 0xfff0, PERM_RW };
	u64 h;
	u32 ret;
	step_refused(phase, "lend-again", lend(POOL, pool_size, &h));
	step_refused(phase, "lend-one-page", lend(POOL + PAGE, PAGE, &h));
	step_refused(phase, "lend-overlap", lend(POOL + pool_size - PAGE, 2 * PAGE, &h));
	step_refused(phase, "share-lent", share(POOL, &h));
	step_refused(phase, "lend-secure-ram", lend(SECURE_RAM, PAGE, &h));
	step_refused(phase, "lend-device", lend(DEVICE, PAGE, &h));
	step_refused(phase, "lend-hole", lend(0xffff00000000, PAGE, &h));
	step_refused(phase, "lend-wrap", lend(0xfffffffffffff000, 2 * PAGE, &h));
	u64 page = POOL - PAGE;
	step_code(phase, "lend-unaligned", INVALID, send(FFA_MEM_LEND, page + 8, 1, 1, 0, USE_CASE_VIDEO, receivers, nreceivers, &h));
	step_code(phase, "lend-nothing", INVALID, send(FFA_MEM_LEND, page, 0, 0, 0, USE_CASE_VIDEO, receivers, nreceivers, &h));
	step_code(phase, "lend-wrong-total", INVALID, send(FFA_MEM_LEND, page, 1, 2, 0, USE_CASE_VIDEO, receivers, nreceivers, &h));
	step_code(phase, "lend-no-receiver", INVALID, send(FFA_MEM_LEND, page, 1, 1, 0, USE_CASE_VIDEO, receivers, 0, &h));
	step_refused(phase, "lend-to-nobody", send(FFA_MEM_LEND, page, 1, 1, 0, USE_CASE_VIDEO, &nobody, 1, &h));
	step_code(phase, "reclaim-wild", INVALID, reclaim(0x1234567890abcdef));
	step_code(phase, "reclaim-all-ones", INVALID, reclaim(~0ul));
	bool sent = assign(0x1234567890abcdef, &ret);
	step(sent && ret != 0, phase, "assign-wild", "refused", sent && ret != 0 ? "refused" : sent ? "success" : "not-sent", "ret=%x", ret);
	sent = assign(*handle, &ret);
	step(sent && ret != 0, phase, "assign-again", "refused", sent && ret != 0 ? "refused" : sent ? "success" : "not-sent", "ret=%x", ret);
	/* OP-TEE holds the memory since it was assigned. Where it does not, the lend is over and has to be made again. */
	bool ended = !step_code(phase, "reclaim-early", DENIED, reclaim(*handle));
	probe_still_denied(phase);
	return !ended || give(phase, handle);
}

static void take_back(const char *phase, u64 handle)
{
	u32 m[5];
	step_code(phase, "release-call", 0, service(OPTEE_RELEASE, (u32)handle, (u32)(handle >> 32), m));
	step_hex(phase, "release", 0, m[0]);
	probe_still_denied(phase);
	step_code(phase, "reclaim", 0, reclaim(handle));
}

static void unshare(const char *name, u64 handle)
{
	u32 m[5];
	char text[40];
	format_to(text, sizeof text, "unregister-%s", name);
	step_code("teardown", text, 0, service(OPTEE_UNREGISTER_SHM, (u32)handle, (u32)(handle >> 32), m));
	format_to(text, sizeof text, "reclaim-%s", name);
	step_code("teardown", text, 0, reclaim(handle));
}

static void run(void)
{
	u64 list_handle, handle;
	if (!discover() || !configure(&list_handle))
		return;
	probe_before();
	if (!give("lend", &handle))
		return;
	probe_denied("during");
	if (!negative(&handle))
		return;
	take_back("return", handle);
	probe_after();
	step_code("after", "reclaim-again", INVALID, reclaim(handle));

	/* The same memory can be lent again. */
	if (give("second", &handle)) {
		probe_still_denied("second");
		take_back("second", handle);
	}
	unshare("list", list_handle);
	unshare("message", message_handle);
	step_code("teardown", "unmap-buffers", 0, call3(FFA_RXTX_UNMAP, 0, 0, 0));
	step_refused("teardown", "unmap-twice", call3(FFA_RXTX_UNMAP, 0, 0, 0));
}

int image_main(void)
{
	lend_prepare();
	run();
	return verdict();
}
