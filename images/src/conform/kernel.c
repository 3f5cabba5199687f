#include "conform.h"

NOINIT u8 tx[RX_PAGES * PAGE] __attribute__((aligned(PAGE)));
NOINIT u8 rx_area[(RX_PAGES + 2) * PAGE] __attribute__((aligned(PAGE)));
NOINIT u8 arg[PAGE] __attribute__((aligned(PAGE)));
NOINIT u8 data[4 * PAGE] __attribute__((aligned(PAGE))); /* what OP-TEE writes results to */
NOINIT u8 list[2 * PAGE] __attribute__((aligned(PAGE))); /* page lists */

const u32 optee_uuid[4] = { 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5 };
const u32 nobody_uuid[4] = { 0x12345678, 0x9abcdef0, 0x0f1e2d3c, 0x4b5a6978 };
const u32 no_uuid[4];
/* The device enumeration, 7011a688-ddde-4053-a5a9-7b3c4ddf13b8, as octets read little-endian. */
#define DEVICES_A 0x5340dedd88a61170ul
#define DEVICES_B 0xb813df4d3c7ba9a5ul

u32 emad_size = 32;
bool over_smc;
u64 arg_handle;
static u64 cookies;

/* FF-A. */
void map_buffers(void)
{
	TRY("mapping RX and TX", FFA_RXTX_MAP, (u64)tx, (u64)rx, 1);
	success(0);
}

void unmap_buffers(void)
{
	TRY("FFA_RXTX_UNMAP", FFA_RXTX_UNMAP);
	success(0);
}

u64 info_get(const u32 uuid[4], u64 flags)
{
	CALL(FFA_INFO_GET, uuid[0], uuid[1], uuid[2], uuid[3], flags);
	success(flags & 1 ? 1 : 2);
	return out[2];
}

void info_size_is(const char *what, u64 size)
{
	doing = what;
	info_get(no_uuid, 0);
	if (out[3] != size)
		reject("w3 = %lu", size);
	TRY("releasing RX", FFA_RX_RELEASE);
	success(0);
}

static u16 ids[64];
static u32 nids;

/* Lists all partitions; RX and TX must be mapped. */
bool find_optee(void)
{
	doing = "asking for partitions";
	u64 n = info_get(no_uuid, 0), size = out[3];
	require(n >= 1 && n < 64 && (size >= 24 || ffa_version < 0x10001) && n * size <= PAGE, "records that fit RX");
	for (nids = 0; nids < n; nids++) {
		const u8 *p = rx + nids * size;
		ids[nids] = (u16)get32(p);
		bool same = true;
		for (u32 i = 0; i < 4; i++)
			same = same && get32(p + 8 + 4 * i) == optee_uuid[i];
		if (same)
			optee_id = ids[nids];
	}
	TRY("releasing RX", FFA_RX_RELEASE);
	success(0);
	return optee_id != 0;
}

u16 free_id(void)
{
	u16 id = 0x8765;
	for (u32 i = 0; i < nids; i++)
		if (ids[i] == id) {
			id++;
			i = ~0u;
		}
	return id;
}

/* Gives a partition that was interrupted the processor back until it answers. */
static void run_on(void)
{
	for (u32 i = 0; i < 1000000 && ((u32)out[0] == FFA_INTERRUPT || (u32)out[0] == FFA_YIELD); i++)
		CALL(FFA_RUN, out[1]);
}

void request(u64 service, u64 a, u64 b, u64 c, u64 d)
{
	CALL(FFA_REQ, optee_id, 0, service, a, b, c, d);
	run_on();
	bool ok = out[0] == FFA_RESP && out[1] == (u64)optee_id << 16 && out[2] == 0;
	for (unsigned i = 3; i < 8; i++)
		ok = ok && out[i] >> 32 == 0;
	require(ok, "FFA_MSG_SEND_DIRECT_RESP_32 from OP-TEE, payload of 32 bits");
}

void alive(void)
{
	doing = "GET_API_VERSION";
	request(API_VERSION, 0, 0, 0, 0);
	require(out[3] == 1 && out[4] == 0, "w3 = 1, w4 = 0: version 1.0");
}

u64 function_of(enum kind k) { return k == SHARE ? FFA_SHARE : k == LEND ? FFA_LEND : FFA_DONATE; }

u32 build(enum kind k, const struct range *r, u32 n)
{
	emad_size = ffa_version >= 0x10002 ? 32 : 16;
	u32 length = AT_RANGE + 16 * n, pages = 0;
	memset(tx, 0, length);
	put16(tx + 2, k == SHARE ? 0x2f : 0);
	put64(tx + 16, k == LEND ? VIDEO : 0);
	put32(tx + 24, emad_size);
	put32(tx + 28, 1);
	put32(tx + 32, AT_EMAD);
	put16(tx + AT_EMAD, optee_id);
	tx[AT_EMAD + 2] = k == DONATE ? 0 : 2;
	put32(tx + AT_EMAD + 4, AT_COMPOSITE);
	for (u32 i = 0; i < n; i++) {
		put64(tx + AT_RANGE + 16 * i, r[i].addr);
		put32(tx + AT_RANGE + 16 * i + 8, r[i].pages);
		pages += r[i].pages;
	}
	put32(tx + AT_COMPOSITE, pages);
	put32(tx + AT_COMPOSITE + 4, n);
	return length;
}

u32 build_one(enum kind k, u64 addr, u32 pages)
{
	struct range r = { addr, pages };
	return build(k, &r, 1);
}

void send(const char *what, enum kind k, u32 length) { TRY(what, function_of(k), length, length); }

u64 handle(void)
{
	success(2);
	u64 h = out[2] | out[3] << 32;
	require(h != 0 && h != ~0ul && h >> 63 == 0, "a handle that is neither 0 nor all ones, bit 63 clear");
	return h;
}

u64 share(u64 addr, u32 pages)
{
	send("FFA_MEM_SHARE", SHARE, build_one(SHARE, addr, pages));
	return handle();
}

u64 lend(u64 addr, u32 pages)
{
	send("FFA_MEM_LEND", LEND, build_one(LEND, addr, pages));
	return handle();
}

void reclaim(u64 h)
{
	TRY("FFA_MEM_RECLAIM", FFA_RECLAIM, (u32)h, h >> 32);
	success(0);
}

void reclaim_refused(const char *what, u64 h, u32 codes)
{
	TRY(what, FFA_RECLAIM, (u32)h, h >> 32);
	refused(codes);
}

void taken(const char *what, u64 addr)
{
	send(what, SHARE, build_one(SHARE, addr, 1));
	refused(CODE(DENIED) | CODE(INVALID));
}

void released(const char *what, u64 addr, u32 pages)
{
	send(what, SHARE, build_one(SHARE, addr, pages));
	reclaim(handle());
}

void gone(const char *what, u64 h) { reclaim_refused(what, h, CODE(INVALID)); }

static void drop(const char *what, u64 service, u64 h)
{
	doing = what;
	request(service, (u32)h, h >> 32, 0, 0);
	require(out[3] == 0, "w3 = 0");
}

void unregister(u64 h) { drop("UNREGISTER_SHM", UNREGISTER_SHM, h); }
void release(u64 h) { drop("RELEASE_PROTMEM", RELEASE_PROTMEM, h); }

/* OP-TEE's messages. */
void track_message(bool smc);

#define CALL_WITH_ARG      0x32000004ul
#define CALL_WITH_RPC_ARG  0x32000012ul
#define CALL_WITH_REGD_ARG 0x32000013ul
#define RETURN_FROM_RPC    0x32000003ul
enum { CAP_RPC_ARG = 1 << 6 };

struct message *new_message(u32 cmd, u32 params)
{
	memset(arg, 0, PAGE);
	MSG->cmd = cmd;
	MSG->num_params = params;
	return MSG;
}

/* There is no supplicant: what OP-TEE asks of the normal world is not found. The request stands behind the message's parameters. */
static void answer_rpc(volatile u8 *m)
{
	u32 params = get32((u8 *)m + 28);
	u8 *rpc = (u8 *)m + 32 + 32 * params;
	if (params < 16)
		put32(rpc + 20, TEE_ITEM_NOT_FOUND);
}

static void ffa_message(u64 h, u64 offset, u8 *at)
{
	request(WITH_ARG, (u32)h, h >> 32, offset, 0);
	for (u32 i = 0; i < 100000 && out[3] == 0 && out[4] != 0; i++) {
		if (out[4] == 1)
			answer_rpc(at);
		request(RESUME, 0, 0, 0, out[7]);
	}
}

static u32 smc_message(u64 function, u64 a, u64 b, u64 c, u8 *at)
{
	CALL(function, a, b, c);
	for (u32 i = 0; i < 100000 && ((u32)out[0] & 0xffff0000) == 0xffff0000 && (u32)out[0] != 0xffffffff; i++) {
		kept(4);
		u64 thread = out[3];
		if (((u32)out[0] & 0xffff) == 5)
			answer_rpc(at);
		CALL(RETURN_FROM_RPC, 0, 0, thread);
	}
	kept(4);
	require(out[0] >> 32 == 0 || out[0] == ~0ul, "a return code in a0, zero-extended");
	return (u32)out[0];
}

u32 with_address(const char *what, u64 function, u64 pa)
{
	doing = what;
	return smc_message(function, pa >> 32, (u32)pa, 0, arg);
}

u32 with_cookie(const char *what, u64 cookie, u64 offset)
{
	doing = what;
	return smc_message(CALL_WITH_REGD_ARG, cookie >> 32, (u32)cookie, offset, data + offset);
}

bool deliver(const char *what)
{
	bool ok;
	if (over_smc) {
		doing = what;
		ok = smc_message(smc_caps & CAP_RPC_ARG ? CALL_WITH_RPC_ARG : CALL_WITH_ARG, (u64)arg >> 32, (u32)(u64)arg, 0, arg) == 0;
	} else {
		if (!arg_handle) {
			u64 h = share((u64)arg, 1);
			arg_handle = h;
		}
		doing = what;
		ffa_message(arg_handle, 0, arg);
		ok = out[3] == 0 && out[4] == 0;
	}
	if (ok)
		track_message(over_smc);
	return ok;
}

bool deliver_at(const char *what, u64 h, u64 offset, u32 params)
{
	(void)params;
	doing = what;
	ffa_message(h, offset, data);
	return out[3] == 0;
}

void message_any(const char *what, u32 n, const u32 *ret)
{
	if (!deliver(what))
		reject("the message layer takes the message");
	u32 got = MSG->ret;
	for (u32 i = 0; i < n; i++)
		if (got == ret[i]) {
			char text[16];
			if (n > 1) {
				format_to(text, sizeof text, "0x%x", got);
				chose(text);
			}
			return;
		}
	char text[80];
	size_t at = 0;
	for (u32 i = 0; i < n; i++)
		at += (size_t)format_to(text + at, sizeof text - at, "%s0x%x", i ? " or " : "", ret[i]);
	reject("ret = %s in the message, not 0x%x", text, got);
}

void message(const char *what, u32 ret) { message_any(what, 1, &ret); }

void bad_message(const char *what)
{
	if (over_smc) {
		if (deliver(what) || (u32)out[0] == 1)
			reject("a0 other than OK and ETHREAD_LIMIT");
	} else if (deliver(what) || out[3] == 0 || out[3] == TEE_BUSY) {
		reject("w3 other than 0 and BUSY");
	}
}

void new_open(void)
{
	new_message(CMD_OPEN, 2);
	MSG->p[0] = (struct param){ .attr = VALUE_IN | META, .value = { DEVICES_A, DEVICES_B, 0 } };
	MSG->p[1].attr = VALUE_IN | META;
}

u32 open_session(void)
{
	new_open();
	message("OPEN_SESSION of the device enumeration", 0);
	u32 session = MSG->session;
	require(session != 0, "a session number that is not 0");
	return session;
}

struct message *new_invoke(u32 session, u32 func, u32 params)
{
	new_message(CMD_INVOKE, params);
	MSG->session = session;
	MSG->func = func;
	return MSG;
}

void null_ref(struct param *p, u64 attr)
{
	*p = (struct param){ .attr = attr };
	if (over_smc)
		p->attr = attr - RMEM_IN + TMEM_IN;
	else
		p->fmem.global_id = ~0ul;
}

u64 enumerate(u32 session)
{
	null_ref(&new_invoke(session, 0, 1)->p[0], RMEM_OUT);
	MESSAGE_ANY("GET_DEVICES without a buffer", 0, TEE_SHORT_BUFFER);
	u64 n = MSG->p[0].tmem.size;
	require(n % 16 == 0 && n < PAGE, "a size that is a multiple of 16");
	require((MSG->ret == 0) == (n == 0), "SHORT_BUFFER where there are devices, SUCCESS where there are none");
	return n;
}

u64 new_cookie(void) { return 0xffff800012340000 + ++cookies * 0x40; }

void new_register(u64 cookie, u64 start, u64 size, const u64 *pages, u32 n)
{
	memset(list, 0, sizeof list);
	for (u32 i = 0; i < n; i++)
		put64(list + i / 511 * PAGE + i % 511 * 8, pages[i]);
	if (n > 511)
		put64(list + 511 * 8, (u64)list + PAGE);
	new_message(CMD_REGISTER, 1);
	MSG->p[0] = (struct param){ .attr = TMEM_OUT | NONCONTIG, .tmem = { (u64)list + start, size, cookie } };
}

void unregister_message(u64 cookie)
{
	new_message(CMD_UNREGISTER, 1)->p[0] = (struct param){ .attr = RMEM_IN, .rmem = { 0, 0, cookie } };
}

void reclaim_message(u64 cookie)
{
	new_message(CMD_RECLAIM, 1)->p[0] = (struct param){ .attr = RMEM_IN, .rmem = { 0, 0, cookie } };
}

struct shared share_buffer(u64 addr, u32 pages)
{
	struct shared s = { .addr = addr };
	if (!over_smc) {
		s.handle = share(addr, pages);
		return s;
	}
	u64 entries[16];
	for (u32 i = 0; i < pages; i++)
		entries[i] = addr + (u64)i * PAGE;
	s.cookie = new_cookie();
	new_register(s.cookie, 0, (u64)pages * PAGE, entries, pages);
	message("REGISTER_SHM", 0);
	return s;
}

void unshare(struct shared s)
{
	if (!over_smc) {
		unregister(s.handle);
		reclaim(s.handle);
		return;
	}
	unregister_message(s.cookie);
	message("UNREGISTER_SHM", 0);
}

void ref(struct param *p, u64 attr, struct shared s, u64 offset, u64 size)
{
	*p = (struct param){ .attr = attr };
	if (over_smc) {
		p->rmem.offs = offset;
		p->rmem.size = size;
		p->rmem.shm_ref = s.cookie;
		return;
	}
	p->fmem.offs_low = (u32)offset;
	p->fmem.offs_high = (u16)(offset >> 32);
	p->fmem.size = size;
	p->fmem.global_id = s.handle;
}

void lend_message(u64 use, u64 addr, u64 size, u64 cookie)
{
	new_message(CMD_LEND, 2);
	MSG->p[0] = (struct param){ .attr = VALUE_IN, .value = { use, 0, 0 } };
	MSG->p[1] = (struct param){ .attr = TMEM_IN, .tmem = { addr, size, cookie } };
}

void assign_message(u64 h, u64 use)
{
	new_message(CMD_ASSIGN, 1)->p[0] = (struct param){ .attr = VALUE_IN, .value = { h, use, 0 } };
}

struct pool protect(u64 addr, u64 size, u64 use)
{
	struct pool p = { .addr = addr, .size = size };
	if (over_smc) {
		p.cookie = new_cookie();
		lend_message(use, addr, size, p.cookie);
		message("LEND_PROTMEM", 0);
		return p;
	}
	u32 length = build_one(LEND, addr, (u32)(size / PAGE));
	put64(tx + 16, use);
	send("FFA_MEM_LEND", LEND, length);
	p.handle = handle();
	assign_message(p.handle, use);
	message("ASSIGN_PROTMEM", 0);
	return p;
}

void unprotect(struct pool p)
{
	if (over_smc) {
		reclaim_message(p.cookie);
		message("RECLAIM_PROTMEM", 0);
		return;
	}
	release(p.handle);
	reclaim(p.handle);
}
