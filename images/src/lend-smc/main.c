/*
 * Lends memory to OP-TEE over its own SMC interface (OP-TEE, optee_smc.h and optee_msg.h), as Linux's protected DMA heap
 * does, and probes it before, during and after.
 */
#include "lend.h"

#define CALLS_UID          0xbf00ff01ul
#define CALLS_REVISION     0xbf00ff03ul
#define GET_OS_UUID        0xb2000000ul
#define GET_OS_REVISION    0xb2000001ul
#define EXCHANGE_CAPS      0xb2000009ul
#define DISABLE_SHM_CACHE  0xb200000aul
#define CALL_WITH_RPC_ARG  0x32000012ul
#define CALL_WITH_REGD_ARG 0x32000013ul
#define RETURN_FROM_RPC    0x32000003ul

enum { CAP_DYNAMIC_SHM = 1 << 2, CAP_RPC_ARG = 1 << 6, CAP_DYNAMIC_PROTMEM = 1 << 9 };
enum { RETURN_OK = 0, RETURN_BUSY_THREADS = 1, RETURN_NOT_AVAILABLE = 7 };
#define RETURN_IS_RPC(v) (((v) & 0xffff0000) == 0xffff0000 && (v) != 0xffffffff)
enum { RPC_FOREIGN_INTERRUPT = 4 };
enum { NOT_SENT = 0xeeeeeeee };

/* Cookies are opaque to the secure world; Linux uses kernel pointers. */
#define MESSAGE_COOKIE 0xffff000012340000ul
#define POOL_COOKIE    0xffff000056780000ul

static NOINIT u8 message_page[PAGE] __attribute__((aligned(PAGE)));
static NOINIT u8 private_page[PAGE] __attribute__((aligned(PAGE)));
static NOINIT u64 page_list[PAGE / 8] __attribute__((aligned(PAGE)));

static void call(u64 r[18], u64 function, u64 a, u64 b, u64 c)
{
	memset(r, 0, 18 * 8);
	r[0] = function;
	r[1] = a;
	r[2] = b;
	r[3] = c;
	smccc(r);
}

/* A yielding call: lets the secure world take interrupts and returns its code. */
static u32 yielding(u64 function, u64 a, u64 b, u64 c)
{
	u64 r[18];
	call(r, function, a, b, c);
	while (RETURN_IS_RPC(r[0]) && (r[0] & 0xffff) == RPC_FOREIGN_INTERRUPT)
		call(r, RETURN_FROM_RPC, 0, 0, r[3]);
	return (u32)r[0];
}

static struct message *new_message(u8 *page, u32 cmd, u32 params)
{
	struct message *msg = (struct message *)page;
	memset(page, 0, PAGE);
	msg->cmd = cmd;
	msg->num_params = params;
	msg->ret = NOT_SENT;
	return msg;
}

/* Sends a message by its address, before its page is registered. */
static u32 send_private(struct message *msg)
{
	dsb();
	u32 code = yielding(CALL_WITH_RPC_ARG, (u64)msg >> 32, (u32)(u64)msg, 0);
	return code == RETURN_OK ? msg->ret : NOT_SENT;
}

/* Sends a message in the registered page. */
static u32 send(struct message *msg)
{
	dsb();
	u32 code = yielding(CALL_WITH_REGD_ARG, MESSAGE_COOKIE >> 32, (u32)MESSAGE_COOKIE, (u64)msg - (u64)message_page);
	return code == RETURN_OK ? msg->ret : NOT_SENT;
}

static u32 lend(u64 addr, u64 size, u64 use_case, u64 cookie)
{
	struct message *msg = new_message(message_page, CMD_LEND, 2);
	msg->p[0].attr = ATTR_VALUE_IN;
	msg->p[0].value.a = use_case;
	msg->p[1].attr = ATTR_TMEM_IN;
	msg->p[1].tmem.buf_ptr = addr;
	msg->p[1].tmem.size = size;
	msg->p[1].tmem.shm_ref = cookie;
	return send(msg);
}

static u32 reclaim(u64 cookie)
{
	struct message *msg = new_message(message_page, CMD_RECLAIM, 1);
	msg->p[0].attr = ATTR_RMEM_IN;
	msg->p[0].rmem.shm_ref = cookie;
	return send(msg);
}

static bool step_refused(const char *phase, const char *name, u32 ret)
{
	char saw[24];
	format_to(saw, sizeof saw, "%x", ret);
	bool ok = ret != TEE_SUCCESS && ret != NOT_SENT;
	return step_is(phase, name, ok, "refused", ok ? saw : ret ? "not-sent" : "success");
}

static bool discover(void)
{
	u64 r[18];
	call(r, CALLS_UID, 0, 0, 0);
	bool ok = r[0] == 0x384fb3e0 && r[1] == 0xe7f811e3 && r[2] == 0xaf630002 && r[3] == 0xa5d5c51b;
	if (!step_is("setup", "calls-uid", ok, "optee", ok ? "optee" : "other"))
		return false;
	call(r, CALLS_REVISION, 0, 0, 0);
	step_is("setup", "revision", r[0] == 2 && r[1] == 0, "2.0", r[0] == 2 && r[1] == 0 ? "2.0" : "other");
	call(r, GET_OS_UUID, 0, 0, 0);
	ok = r[0] == 0x486178e0 && r[1] == 0xe7f811e3 && r[2] == 0xbc5e0002 && r[3] == 0xa5d5c51b;
	step_is("setup", "os-uuid", ok, "optee", ok ? "optee" : "other");
	call(r, GET_OS_REVISION, 0, 0, 0);
	step_is("setup", "os-revision", (u32)r[0] != 0xffffffff, "number", (u32)r[0] != 0xffffffff ? "number" : "unknown");
	call(r, EXCHANGE_CAPS, 0, 0, 0);
	const u32 need = CAP_DYNAMIC_SHM | CAP_RPC_ARG | CAP_DYNAMIC_PROTMEM;
	if (!step_hex("setup", "capabilities-call", RETURN_OK, r[0]) || !step_hex("setup", "capabilities", need, r[1] & need))
		return false;
	/* Linux repeats this until the cache is empty. */
	call(r, DISABLE_SHM_CACHE, 0, 0, 0);
	step_hex("setup", "shm-cache", RETURN_NOT_AVAILABLE, r[0]);
	return true;
}

/* The page of the messages is registered with a message that is sent by its address. */
static struct message *registration(void)
{
	memset(page_list, 0, sizeof page_list);
	page_list[0] = (u64)message_page;
	struct message *msg = new_message(private_page, CMD_REGISTER_SHM, 1);
	msg->p[0].attr = ATTR_TMEM_OUT | ATTR_NONCONTIG;
	msg->p[0].tmem.buf_ptr = (u64)page_list;
	msg->p[0].tmem.size = PAGE;
	msg->p[0].tmem.shm_ref = MESSAGE_COOKIE;
	return msg;
}

/* A message in a page that is not registered must not be answered. */
static void step_not_sent(const char *phase, const char *name)
{
	bool ok = send(new_message(message_page, CMD_GET_CONFIG, 2)) == NOT_SENT;
	step_is(phase, name, ok, "not-sent", ok ? "not-sent" : "sent");
}

static bool configure(void)
{
	step_not_sent("setup", "unregistered");
	if (!step_hex("setup", "register-message", TEE_SUCCESS, send_private(registration())))
		return false;
	struct message *msg = new_message(message_page, CMD_GET_CONFIG, 2);
	msg->p[0].attr = ATTR_VALUE_INOUT;
	msg->p[0].value.a = USE_CASE_VIDEO;
	msg->p[1].attr = ATTR_TMEM_OUT;
	if (!step_hex("setup", "config", TEE_SUCCESS, send(msg)))
		return false;
	return pool_at_least(msg->p[0].value.a);
}

/* Every refusal here must leave everything as it was. */
static void negative(void)
{
	const char *phase = "negative";
	const u64 page = POOL - PAGE, other = POOL_COOKIE + 0x40;
	step_refused(phase, "lend-again", lend(POOL, pool_size, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-one-page", lend(POOL + PAGE, PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-overlap", lend(POOL + pool_size - PAGE, 2 * PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-message", lend((u64)message_page, PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-secure-ram", lend(SECURE_RAM, PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-device", lend(DEVICE, PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-hole", lend(0xffff00000000, PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-wrap", lend(0xfffffffffffff000, 2 * PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-unaligned", lend(page + 8, PAGE, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-nothing", lend(page, 0, USE_CASE_VIDEO, other));
	step_refused(phase, "lend-use-case", lend(page, PAGE, 0x77, other));
	step_refused(phase, "reclaim-wild", reclaim(other));
	probe_still_denied(phase);
}

static void run(void)
{
	if (!discover() || !configure())
		return;
	probe_before();
	if (!step_hex("lend", "lend", TEE_SUCCESS, lend(POOL, pool_size, USE_CASE_VIDEO, POOL_COOKIE)))
		return;
	probe_denied("during");
	negative();
	if (!step_hex("return", "reclaim", TEE_SUCCESS, reclaim(POOL_COOKIE)))
		return;
	probe_after();
	step_refused("after", "reclaim-again", reclaim(POOL_COOKIE));

	/* The same memory can be lent again. */
	if (step_hex("second", "lend", TEE_SUCCESS, lend(POOL, pool_size, USE_CASE_VIDEO, POOL_COOKIE))) {
		probe_still_denied("second");
		step_hex("second", "reclaim", TEE_SUCCESS, reclaim(POOL_COOKIE));
	}
	struct message *msg = new_message(private_page, CMD_UNREGISTER_SHM, 1);
	msg->p[0].attr = ATTR_RMEM_IN;
	msg->p[0].rmem.shm_ref = MESSAGE_COOKIE;
	step_hex("teardown", "unregister-message", TEE_SUCCESS, send_private(msg));
	step_not_sent("teardown", "unregistered");
}

int image_main(void)
{
	lend_prepare();
	run();
	return verdict();
}
