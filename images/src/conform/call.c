#include "conform.h"

u64 in[18], out[18];
const char *doing = "";

/* What the calls so far brought about. */
enum { LIVE_MAX = 512 };
bool mapped;
static bool rx_held;
static struct live {
	u64 id;
	enum { HANDLE_SHARE, HANDLE_LEND, SESSION_FFA, SESSION_SMC, COOKIE, PROTECTED } type;
} live[LIVE_MAX];
static u32 nlive;

static void live_add(u64 id, u32 type)
{
	if (nlive < LIVE_MAX)
		live[nlive++] = (struct live){ id, type };
}

static void live_remove(u64 id, u32 first, u32 last)
{
	for (u32 i = 0; i < nlive; i++)
		if (live[i].id == id && live[i].type >= first && live[i].type <= last) {
			live[i] = live[--nlive];
			return;
		}
}

/* The kind of a transaction whose descriptor comes in fragments is not in the last of them. */
static bool last_is_lend;

static void track(void)
{
	u32 f = (u32)in[0] & ~(1u << 30), status = (u32)out[0];
	if (f == ((u32)FFA_LEND & ~(1u << 30)) || f == ((u32)FFA_SHARE & ~(1u << 30)) || f == ((u32)FFA_DONATE & ~(1u << 30)))
		last_is_lend = f != ((u32)FFA_SHARE & ~(1u << 30));
	else if (f != (u32)FFA_FRAG_TX && f != (u32)FFA_RECLAIM && f != (u32)FFA_RXTX_MAP32 && f != (u32)FFA_RXTX_UNMAP && f != (u32)FFA_INFO_GET &&
		 f != (u32)FFA_RX_RELEASE)
		return;
	if (status != (u32)FFA_SUCCESS && status != (u32)FFA_SUCCESS64)
		return;
	switch (f) {
	case (u32)FFA_RECLAIM:
		live_remove((u32)in[1] | in[2] << 32, HANDLE_SHARE, HANDLE_LEND);
		break;
	case (u32)FFA_RXTX_MAP32:
		mapped = true;
		break;
	case (u32)FFA_RXTX_UNMAP:
		mapped = rx_held = false;
		break;
	case (u32)FFA_INFO_GET:
		rx_held = rx_held || !(in[5] & 1);
		break;
	case (u32)FFA_RX_RELEASE:
		rx_held = false;
		break;
	default:
		live_add((u32)out[2] | out[3] << 32, last_is_lend ? HANDLE_LEND : HANDLE_SHARE);
	}
}

/* Registers that a call does not define hold junk, so that a reply that leaves something else there shows. */
static u64 junk(unsigned i) { return 0x5a5a0000c0de0000 + i; }

static void call_registers(void)
{
	dsb();
	memcpy(out, in, sizeof out);
	smccc(out);
	dsb();
	track();
}

void call_n(unsigned n, const u64 *args)
{
	for (unsigned i = 0; i < 18; i++)
		in[i] = i < n ? args[i] : i < 8 ? 0 : junk(i);
	call_registers();
}

void repeat_full(u64 f, u64 first)
{
	for (unsigned i = 1; i < 18; i++)
		in[i] = 0xa5a5000000000000 + i;
	in[0] = f;
	if (first)
		in[1] = first;
	call_registers();
}

void require(bool ok, const char *expected)
{
	if (!ok)
		reject("%s", expected);
}

void kept(unsigned results)
{
	for (unsigned i = results; i < 18; i++)
		if (out[i] != in[i])
			reject("x%u unchanged", i);
}

void returns(unsigned n, const u64 *values)
{
	for (unsigned i = 0; i < n; i++)
		if (out[i] != values[i])
			reject("x%u = 0x%lx", i, values[i]);
	kept(4);
}

void unknown(void) { RETURNS(~0ul); }

static void codes_text(char *to, size_t size, u32 codes, const char *(*name)(int))
{
	size_t n = 0;
	to[0] = 0;
	for (int c = 0; c < 32; c++)
		if (codes >> c & 1)
			n += (size_t)format_to(to + n, size - n, "%s%s", n ? " or " : "", name(-c));
}

static const char *result_code(int code)
{
	static char text[4][8];
	static unsigned i;
	char *p = text[i++ & 3];
	format_to(p, sizeof text[0], "%d", code);
	return p;
}

void result(u32 codes)
{
	int code = (int)(u32)out[0];
	bool form = out[0] == (u32)out[0] || out[0] == (u64)(int64_t)code;
	if (!form || code > 0 || code < -31 || !(codes & CODE(code))) {
		char text[80];
		codes_text(text, sizeof text, codes, result_code);
		reject("x0 = %s", text);
	}
	kept(4);
	if (codes & (codes - 1))
		chose(result_code(code));
}

const char *ffa_code(int code)
{
	static const char *const names[] = { "SUCCESS", "NOT_SUPPORTED", "INVALID_PARAMETERS", "NO_MEMORY", "BUSY", "INTERRUPTED", "DENIED", "RETRY",
		"ABORTED", "NO_DATA", "NOT_READY" };
	return code <= 0 && code >= -10 ? names[-code] : "another code";
}

/* SPMCs of FF-A 1.2 may clear the registers that a reply of eight does not return. */
static void upper_registers(void)
{
	for (unsigned i = 8; i < 18; i++)
		if (out[i] != in[i] && out[i] != 0)
			reject("x%u unchanged or 0", i);
}

void success(unsigned words)
{
	if (out[0] != FFA_SUCCESS)
		reject("FFA_SUCCESS");
	for (unsigned i = 1; i < 8; i++) {
		bool any = i >= 2 && i < 2 + words;
		if (any ? out[i] >> 32 != 0 : out[i] != 0)
			reject("FFA_SUCCESS, x%u = 0%s", i, any ? " above 32 bits" : "");
	}
	upper_registers();
}

void success_with(u64 w2)
{
	success(1);
	if (out[2] != w2)
		reject("FFA_SUCCESS, w2 = 0x%lx", w2);
}

bool is_error(void) { return (u32)out[0] == (u32)FFA_ERROR; }

void refused(u32 codes)
{
	int code = (int)(u32)out[2];
	bool ok = out[0] == FFA_ERROR && out[1] == 0 && out[2] >> 32 == 0 && code < 0 && code > -32 && codes & CODE(code);
	for (unsigned i = 3; i < 8; i++)
		ok = ok && out[i] == 0;
	if (!ok) {
		char text[160];
		codes_text(text, sizeof text, codes, ffa_code);
		reject("FFA_ERROR %s in w2, all else 0", text);
	}
	upper_registers();
	if (codes & (codes - 1))
		chose(ffa_code(code));
}

/* Memory. */
void put16(u8 *p, u64 v) { p[0] = (u8)v; p[1] = (u8)(v >> 8); }
void put32(u8 *p, u64 v) { put16(p, v); put16(p + 2, v >> 16); }
void put64(u8 *p, u64 v) { put32(p, v); put32(p + 4, v >> 32); }
u32 get32(const u8 *p) { return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24; }
u64 get64(const u8 *p) { return get32(p) | (u64)get32(p + 4) << 32; }

/* Never zero; the same in each byte of a word, so that words can be compared. */
u8 pattern(u64 addr) { return (u8)(addr / PAGE % 251 + 1); }

static u64 word(u64 addr) { return pattern(addr) * 0x0101010101010101ul; }

/* Both take whole words. */
void fill(u64 addr, u64 size)
{
	for (u64 p = addr; p < addr + size; p += 8)
		*(volatile u64 *)p = word(p);
}

void filled(const char *what, u64 addr, u64 size)
{
	for (u64 p = addr; p < addr + size; p += 8)
		if (*(volatile u64 *)p != word(p)) {
			doing = what;
			reject("0x%lx at 0x%lx, not 0x%lx", word(p), p, *(volatile u64 *)p);
		}
}

void contains(const char *what, u64 addr, const u8 *want, u32 size)
{
	const volatile u8 *p = (const u8 *)addr;
	for (u32 i = 0; i < size; i++)
		if (p[i] != want[i]) {
			doing = what;
			reject("0x%x at 0x%lx, not 0x%x", want[i], addr + i, p[i]);
		}
}

/* What messages bring about; called after a message that the message layer took. */
void track_message(bool smc)
{
	if (MSG->ret != 0)
		return;
	switch (MSG->cmd) {
	case CMD_OPEN:
		live_add(MSG->session, smc ? SESSION_SMC : SESSION_FFA);
		break;
	case CMD_CLOSE:
		live_remove(MSG->session, SESSION_FFA, SESSION_SMC);
		break;
	case CMD_REGISTER:
		live_add(MSG->p[0].tmem.shm_ref, COOKIE);
		break;
	case CMD_UNREGISTER:
		live_remove(MSG->p[0].rmem.shm_ref, COOKIE, COOKIE);
		break;
	case CMD_LEND:
		live_add(MSG->p[1].tmem.shm_ref, PROTECTED);
		break;
	case CMD_RECLAIM:
		live_remove(MSG->p[0].rmem.shm_ref, PROTECTED, PROTECTED);
		break;
	}
}

/* Undoes what is live: sessions, then what OP-TEE knows by cookies, then transactions, last the page that messages over FF-A
 * stand in, then the buffers. Each is forgotten before it is tried, so that after a failure this can be called again for the rest. */
void clean(void)
{
	if (rx_held) {
		rx_held = false;
		TRY("cleaning up: FFA_RX_RELEASE", FFA_RX_RELEASE);
		success(0);
	}
	for (u32 type = SESSION_FFA; type <= PROTECTED; type++)
		for (u32 i = nlive; i-- > 0;) {
			if (i >= nlive || live[i].type != type)
				continue;
			u64 id = live[i].id;
			live[i] = live[--nlive];
			over_smc = type != SESSION_FFA;
			if (type == COOKIE) {
				unregister_message(id);
			} else if (type == PROTECTED) {
				reclaim_message(id);
			} else {
				if (type == SESSION_FFA && !mapped)
					map_buffers();
				new_message(CMD_CLOSE, 0)->session = (u32)id;
			}
			message("cleaning up: CLOSE_SESSION, UNREGISTER_SHM or RECLAIM_PROTMEM", 0);
		}
	over_smc = false;
	for (u32 pass = 0; pass < 2; pass++)
		for (u32 i = nlive; i-- > 0;) {
			if (i >= nlive || live[i].type > HANDLE_LEND || (pass == 0 && live[i].id == arg_handle))
				continue;
			u64 h = live[i].id;
			bool lent = live[i].type == HANDLE_LEND;
			live[i] = live[--nlive];
			if (optee_id)
				lent ? release(h) : unregister(h);
			TRY("cleaning up: FFA_MEM_RECLAIM", FFA_RECLAIM, (u32)h, h >> 32);
			success(0);
		}
	arg_handle = 0;
	if (mapped) {
		mapped = false;
		unmap_buffers();
	}
}
