/* OP-TEE: its FF-A services (optee_ffa.h), its SMC ABI (optee_smc.h), the messages of both (optee_msg.h), protected memory. */
#include "conform.h"

#define HIGH (0xdeadul << 48)

/* Services over FF-A. */
static void api_version(const struct test *t)
{
	(void)t;
	alive();
}

static void os_version(const struct test *t)
{
	(void)t;
	doing = "GET_OS_VERSION";
	request(OS_VERSION, 0, 0, 0, 0);
}

static void capabilities_ffa(const struct test *t)
{
	(void)t;
	doing = "EXCHANGE_CAPABILITIES";
	request(CAPABILITIES, 0, 0, 0, 0);
	require(out[3] == 0 && out[4] >= 1 && out[4] <= 0xff && (out[5] & ~0xful) == 0, "w3 = 0, w4 from 1 to 255, w5 with bits 3:0 only");
}

static void unknown_service(const struct test *t)
{
	(void)t;
	static const u32 s[] = { 4, 6, 7, 9, 0x7fffffff };
	for (u32 i = 0; i < COUNT(s); i++) {
		doing = "an unknown service";
		request(s[i], 0, 0, 0, 0);
		require(out[3] == TEE_BAD_PARAMETERS, "w3 = BAD_PARAMETERS");
	}
	alive();
}

static const u64 no_handles[] = { 0, 1, 0x77770001, ~0ul };

static void drop_unknown(const struct test *t)
{
	for (u32 i = 0; i < COUNT(no_handles); i++)
		t->a ? release(no_handles[i]) : unregister(no_handles[i]);
}

static void unregister_unused(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1);
	unregister(h);
	reclaim(h);
}

static void close_session(u32 session)
{
	new_message(CMD_CLOSE, 0)->session = session;
	message("CLOSE_SESSION", 0);
}

static void unregister_twice(const struct test *t)
{
	(void)t;
	close_session(open_session());
	unregister(arg_handle);
	unregister(arg_handle);
	reclaim(arg_handle);
	arg_handle = 0;
}

static void unregister_then_use(const struct test *t)
{
	(void)t;
	close_session(open_session());
	unregister(arg_handle);
	close_session(open_session());
	reclaim_refused("FFA_MEM_RECLAIM of a page that is in use again", arg_handle, CODE(DENIED));
	unregister(arg_handle);
	reclaim(arg_handle);
	arg_handle = 0;
}

static void with_arg_unknown(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < COUNT(no_handles); i++) {
		doing = "a message in nothing";
		request(WITH_ARG, (u32)no_handles[i], no_handles[i] >> 32, 0, 0);
		require(out[3] != 0 && out[3] != TEE_BUSY, "w3 other than 0 and BUSY");
	}
	alive();
}

static void with_arg_beyond(const struct test *t)
{
	(void)t;
	static const u32 at[] = { PAGE, PAGE - 8, PAGE - 24, PAGE * 2, 0x7ffffff8, 0xfffffff8, 4, 1 };
	u32 session = open_session();
	for (u32 i = 0; i < COUNT(at); i++) {
		doing = "an argument beyond the end";
		request(WITH_ARG, (u32)arg_handle, arg_handle >> 32, at[i], 0);
		require(out[3] != 0, "w3 other than 0");
	}
	close_session(session);
}

static void with_arg_lent(const struct test *t)
{
	u64 h;
	struct pool p = { 0 };
	if (t->a) {
		p = protect(POOL, POOL_SIZE, VIDEO);
		h = p.handle;
	} else {
		h = lend(POOL, POOL_PAGES);
	}
	doing = "a message in lent memory";
	request(WITH_ARG, (u32)h, h >> 32, 0, 0);
	require(out[3] != 0, "w3 other than 0");
	if (t->a)
		unprotect(p);
	else
		reclaim(h);
}

static void resume_nothing(const struct test *t)
{
	(void)t;
	static const u32 info[] = { 0, 1, 7, 0xffffffff };
	for (u32 i = 0; i < COUNT(info); i++) {
		doing = "RESUME of nothing";
		request(RESUME, 0, 0, 0, info[i]);
		require(out[3] == TEE_BAD_PARAMETERS, "w3 = BAD_PARAMETERS");
	}
	alive();
}

static void multi_page(const struct test *t)
{
	(void)t;
	u64 h = share((u64)data, 4);
	new_open();
	memcpy(data + 3 * PAGE, arg, PAGE);
	require(deliver_at("OPEN_SESSION in the fourth page", h, 3 * PAGE, 2), "w3 = 0");
	struct message *m = (struct message *)(data + 3 * PAGE);
	require(m->ret == 0 && m->session != 0, "ret = SUCCESS and a session");
	close_session(m->session);
	unregister(h);
	reclaim(h);
}

/* Sessions and messages, over either ABI. */
static void open_one(const struct test *t)
{
	(void)t;
	open_session();
}

static void open_unknown(const struct test *t)
{
	new_open();
	if (t->a) {
		u64 a = MSG->p[0].value.a, b = MSG->p[0].value.b;
		MSG->p[0].value.a = (u64)__builtin_bswap32((u32)(a >> 32)) << 32 | __builtin_bswap32((u32)a);
		MSG->p[0].value.b = (u64)__builtin_bswap32((u32)(b >> 32)) << 32 | __builtin_bswap32((u32)b);
	} else {
		MSG->p[0].value.a = 0x030201;
		MSG->p[0].value.b = 0;
	}
	message("OPEN_SESSION of nothing", TEE_ITEM_NOT_FOUND);
	require(MSG->session == 0, "session 0");
}

static void open_twice(const struct test *t)
{
	(void)t;
	u32 a = open_session(), b = open_session();
	require(a != b, "another session number");
}

static void open_login(const struct test *t)
{
	new_open();
	MSG->p[1].value.c = t->a;
	message("OPEN_SESSION with a login", (u32)t->b);
	if (t->b)
		require(MSG->session == 0, "session 0");
}

static void open_without_meta(const struct test *t)
{
	(void)t;
	for (u32 n = 0; n < 4; n++) {
		new_open();
		if (n < 2)
			MSG->num_params = n;
		else
			MSG->p[n - 2].attr = VALUE_IN;
		message("OPEN_SESSION without meta parameters", TEE_BAD_PARAMETERS);
	}
}

static void open_many_params(const struct test *t)
{
	(void)t;
	new_open();
	MSG->num_params = 7;
	for (u32 i = 2; i < 7; i++)
		MSG->p[i].attr = VALUE_IN;
	message("OPEN_SESSION with seven parameters", TEE_BAD_PARAMETERS);
}

static void close_one(const struct test *t)
{
	(void)t;
	u32 s = open_session();
	close_session(s);
	new_message(CMD_CLOSE, 0)->session = s;
	message("CLOSE_SESSION again", TEE_BAD_PARAMETERS);
	null_ref(&new_invoke(s, 0, 1)->p[0], RMEM_OUT);
	message("INVOKE_COMMAND in a closed session", TEE_BAD_PARAMETERS);
}

static const u32 no_sessions[] = { 0, 77, 0xffffffff };

static void close_unknown(const struct test *t)
{
	for (u32 i = 0; i < COUNT(no_sessions); i++) {
		new_message((u32)t->a, 0)->session = no_sessions[i];
		message("a message for a session that does not exist", TEE_BAD_PARAMETERS);
	}
}

static void close_params(const struct test *t)
{
	(void)t;
	u32 s = open_session();
	new_message(CMD_CLOSE, 1)->session = s;
	MSG->p[0].attr = VALUE_IN;
	message("CLOSE_SESSION with a parameter", TEE_BAD_PARAMETERS);
	enumerate(s);
}

static void invoke_unknown(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < COUNT(no_sessions); i++) {
		null_ref(&new_invoke(no_sessions[i], 0, 1)->p[0], RMEM_OUT);
		message("INVOKE_COMMAND without session", TEE_BAD_PARAMETERS);
	}
}

static void invoke_command(const struct test *t)
{
	(void)t;
	new_invoke(open_session(), 4711, 0);
	MESSAGE_ANY("command 4711", TEE_NOT_IMPLEMENTED, TEE_NOT_SUPPORTED, TEE_BAD_PARAMETERS);
	require(MSG->ret_origin == 3 || MSG->ret_origin == 4, "origin TEE or TRUSTED_APP");
}

static void devices_size(const struct test *t)
{
	(void)t;
	enumerate(open_session());
}

static void devices_list(const struct test *t)
{
	(void)t;
	u32 s = open_session();
	u64 n = enumerate(s);
	fill((u64)data, 2 * PAGE);
	struct shared b = share_buffer((u64)data, 2);
	ref(&new_invoke(s, 0, 1)->p[0], RMEM_OUT, b, 64, n);
	message("GET_DEVICES", 0);
	require(MSG->p[0].rmem.size == n, "the size that was announced");
	filled("the buffer before the list", (u64)data, 64);
	filled("the buffer behind the list", (u64)data + 64 + n, PAGE - 64 - n);
	filled("the second page", (u64)data + PAGE, PAGE);
	unshare(b);
}

static void ref_beyond(const struct test *t)
{
	(void)t;
	static const u64 x[][2] = { { 0, PAGE + 1 }, { 1, PAGE }, { PAGE, 1 }, { 1ul << 32, 1 }, { 0, 1ul << 63 }, { 16, ~15ul } };
	u32 s = open_session();
	struct shared b = share_buffer((u64)data, 1);
	fill((u64)data, 2 * PAGE);
	for (u32 i = 0; i < COUNT(x); i++) {
		ref(&new_invoke(s, 0, 1)->p[0], RMEM_OUT, b, x[i][0], x[i][1]);
		MESSAGE_ANY("a reference beyond the end", TEE_SECURITY, TEE_BAD_PARAMETERS);
	}
	filled("the memory", (u64)data, 2 * PAGE);
	unshare(b);
}

static void ref_unknown(const struct test *t)
{
	(void)t;
	struct shared b = { .handle = 0x77770001, .cookie = 0x77770001 };
	ref(&new_invoke(open_session(), 0, 1)->p[0], RMEM_OUT, b, 0, 16);
	message("a reference to nothing", TEE_BAD_PARAMETERS);
}

static void ref_unshared(const struct test *t)
{
	(void)t;
	u32 s = open_session();
	struct shared b = share_buffer((u64)data, 1);
	unshare(b);
	fill((u64)data, PAGE);
	ref(&new_invoke(s, 0, 1)->p[0], RMEM_OUT, b, 0, 16);
	message("a reference to memory that was unshared", TEE_BAD_PARAMETERS);
	filled("memory that was unshared", (u64)data, PAGE);
}

static void param_type(const struct test *t)
{
	u32 s = open_session();
	static const u32 unknown_types[] = { 4, 8, 0xff };
	for (u32 i = 0; i < COUNT(unknown_types); i++) {
		new_invoke(s, 0, 1)->p[0].attr = t->a ? t->a : unknown_types[i];
		message("a parameter of a wrong type", TEE_BAD_PARAMETERS);
	}
}

static void five_params(const struct test *t)
{
	(void)t;
	new_invoke(open_session(), 0, 5);
	message("five parameters", TEE_BAD_PARAMETERS);
}

static void message_unknown(const struct test *t)
{
	(void)t;
	new_message(4711, 0);
	bad_message("message 4711");
}

static void message_many(const struct test *t)
{
	(void)t;
	static const u32 n[] = { 128, 1 << 16, 1 << 27, (1 << 27) - 1, 0xffffffff };
	for (u32 i = 0; i < COUNT(n); i++) {
		new_invoke(1, 0, 0)->num_params = n[i];
		bad_message("a message with too many parameters");
	}
	open_session();
}

/* The SMC ABI. */
static void uid(const struct test *t)
{
	TRY(t->name, t->a);
	RETURNS(0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b);
}

static void uid_registers(const struct test *t)
{
	(void)t;
	doing = "CALLS_UID with values in all registers";
	repeat_full(0xbf00ff01, 0);
	RETURNS(0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b);
}

static void revision(const struct test *t)
{
	(void)t;
	TRY("CALLS_REVISION", 0xbf00ff03);
	RETURNS(2, 0);
}

static void os_uuid(const struct test *t)
{
	(void)t;
	TRY("GET_OS_UUID", 0xb2000000);
	RETURNS(0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b);
}

static void os_revision(const struct test *t)
{
	(void)t;
	TRY("GET_OS_REVISION", 0xb2000001);
	kept(4);
	require(out[0] < 1 << 16 && out[1] < 1 << 16 && out[2] >> 32 == 0, "major, minor, build");
}

static void capabilities_smc(const struct test *t)
{
	(void)t;
	TRY("EXCHANGE_CAPABILITIES", 0xb2000009, 0);
	RETURNS(0);
	u64 c = out[1];
	require((c & ~0x3fful) == 0, "a1 with bits 9:0 only");
	require(!(c >> 8 & 1) || !(c >> 9 & 1), "one kind of protected memory");
	require(c & 5, "shared memory of some kind");
	require(!(c >> 6 & 1) || (out[3] & 0xff) != 0, "a3[7:0] at least 1 with RPC_ARG");
}

static void smc_returns(const struct test *t)
{
	TRY(t->name, t->a, t->b);
	RETURNS(t->c);
}

static void thread_count(const struct test *t)
{
	(void)t;
	TRY("GET_THREAD_COUNT", 0xb200000f);
	RETURNS(0);
	require(out[1] >= 1 && out[1] < 1 << 16, "a1 at least 1");
}

static void disable_cache(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 100; i++) {
		TRY("DISABLE_SHM_CACHE", 0xb200000a);
		kept(4);
		if (out[0] == 7)
			return;
		require(out[0] == 0, "a0 = OK or ENOTAVAIL");
	}
	reject("ENOTAVAIL in the end");
}

static void unknown_fast(const struct test *t)
{
	(void)t;
	static const u32 f[] = { 0xb2007fff, 0xb2000015, 0xbf00ff02 };
	for (u32 i = 0; i < COUNT(f); i++) {
		TRY("a fast call that does not exist", f[i]);
		unknown();
	}
}

static void unknown_smc64(const struct test *t)
{
	(void)t;
	TRY("EXCHANGE_CAPABILITIES as SMC64", 0xf2000009);
	unknown();
}

static void unknown_yielding(const struct test *t)
{
	(void)t;
	TRY("a yielding call that does not exist", 0x32007fff);
	kept(4);
	require(out[0] == 5 || (u32)out[0] == 0xffffffff, "a0 = EBADCMD or -1");
}

static void return_from_nothing(const struct test *t)
{
	(void)t;
	static const u32 thread[] = { 0, 1, 7, 0xffffffff };
	for (u32 i = 0; i < COUNT(thread); i++) {
		TRY("RETURN_FROM_RPC", 0x32000003, 0, 0, thread[i]);
		RETURNS(3);
	}
	open_session();
}

static void address_refused(const struct test *t)
{
	u64 at = t->a;
	if (t->needs & POOLS) {
		protect(POOL, POOL_SIZE, VIDEO);
		at = POOL;
	}
	for (u32 i = 0; i < 2; i++) {
		u32 code = with_address("a message at a bad address", i ? 0x32000012 : 0x32000004, at);
		require(code == 4 || code == 5, "a0 = EBADADDR");
	}
	open_session();
}

static void regd_arg(const struct test *t)
{
	(void)t;
	static const u32 at[] = { 0, 384, PAGE, 2 * PAGE - 384 };
	u32 sessions[4];
	struct shared b = share_buffer((u64)data, 2);
	for (u32 i = 0; i < COUNT(at); i++) {
		new_open();
		memcpy(data + at[i], arg, 96);
		u32 code = with_cookie("OPEN_SESSION in registered memory", b.cookie, at[i]);
		require(code == 0, "a0 = OK");
		struct message *m = (struct message *)(data + at[i]);
		require(m->ret == 0, "ret = SUCCESS");
		sessions[i] = m->session;
	}
	for (u32 i = 0; i < COUNT(at); i++)
		close_session(sessions[i]);
	unshare(b);
}

static void regd_refused(const struct test *t)
{
	(void)t;
	static const u64 cookies[] = { 0, 0x1234, ~0ul };
	for (u32 i = 0; i < COUNT(cookies); i++) {
		u32 code = with_cookie("a message in nothing", cookies[i], 0);
		require(code == 4, "a0 = EBADADDR");
	}
}

static void regd_beyond(const struct test *t)
{
	(void)t;
	static const u32 at[] = { PAGE - 96, PAGE - 8, PAGE, PAGE + 8, 0xfffffff8, 4, 1 };
	struct shared b = share_buffer((u64)data, 1);
	new_open();
	memcpy(data + PAGE - 96, arg, 96);
	for (u32 i = 0; i < COUNT(at); i++) {
		u32 code = with_cookie("a message beyond the end", b.cookie, at[i]);
		require(code == 4, "a0 = EBADADDR");
	}
	unshare(b);
}

static void register_one(const struct test *t)
{
	(void)t;
	struct shared b = share_buffer((u64)data, 1);
	u32 s = open_session();
	ref(&new_invoke(s, 0, 1)->p[0], RMEM_OUT, b, 0, 16);
	MESSAGE_ANY("GET_DEVICES into the buffer", 0, TEE_SHORT_BUFFER);
	unshare(b);
}

static u64 page_entries[600];

static void register_scattered(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 600; i++)
		page_entries[i] = BUF + 2ul * PAGE * (599 - i);
	u64 cookie = new_cookie();
	new_register(cookie, 0, 600ul * PAGE, page_entries, 600);
	message("REGISTER_SHM of 600 pages", 0);
	unregister_message(cookie);
	message("UNREGISTER_SHM", 0);
}

static void register_twice(const struct test *t)
{
	(void)t;
	struct shared b = share_buffer((u64)data, 1);
	u64 page = (u64)data + PAGE;
	new_register(b.cookie, 0, PAGE, &page, 1);
	message("REGISTER_SHM with a cookie in use", TEE_BAD_PARAMETERS);
	unshare(b);
}

static void register_attributes(const struct test *t)
{
	(void)t;
	static const u32 attr[] = { TMEM_OUT, TMEM_IN | NONCONTIG, TMEM_INOUT | NONCONTIG, RMEM_OUT, VALUE_IN };
	u64 page = (u64)data;
	for (u32 i = 0; i < COUNT(attr); i++) {
		new_register(new_cookie(), 0, PAGE, &page, 1);
		MSG->p[0].attr = attr[i];
		message("REGISTER_SHM with another attribute", TEE_BAD_PARAMETERS);
	}
}

static void register_empty(const struct test *t)
{
	(void)t;
	u64 page = (u64)data;
	new_register(new_cookie(), 0, 0, &page, 1);
	message("REGISTER_SHM of nothing", TEE_BAD_PARAMETERS);
}

static void register_huge(const struct test *t)
{
	(void)t;
	static const u64 size[] = { ~0ul, ~0ul - 4095, 1ul << 63, 1ul << 52 };
	u64 page = (u64)data;
	for (u32 i = 0; i < COUNT(size); i++) {
		new_register(new_cookie(), 8, size[i], &page, 1);
		MESSAGE_ANY("REGISTER_SHM of too much", TEE_BAD_PARAMETERS, TEE_OUT_OF_MEMORY);
	}
}

static void register_lent(const struct test *t)
{
	(void)t;
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	u64 page = POOL + PAGE;
	new_register(new_cookie(), 0, PAGE, &page, 1);
	message("REGISTER_SHM of a page of a pool", TEE_BAD_PARAMETERS);
	unprotect(p);
}

static void register_entry(const struct test *t)
{
	u64 pages[3] = { (u64)data, t->a, (u64)data + PAGE }, cookie = new_cookie();
	new_register(cookie, 0, 3 * PAGE, pages, 3);
	message("REGISTER_SHM with a bad entry", TEE_BAD_PARAMETERS);
	unregister_message(cookie);
	MESSAGE_ANY("UNREGISTER_SHM of what was refused", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
}

static void unregister_cookie(const struct test *t)
{
	static const u64 cookies[] = { 0, 0x1234, ~0ul };
	for (u32 i = 0; i < COUNT(cookies); i++) {
		if (t->a)
			reclaim_message(cookies[i]);
		else
			unregister_message(cookies[i]);
		MESSAGE_ANY("a cookie that nobody gave", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
	}
}

static void unregister_again(const struct test *t)
{
	(void)t;
	struct shared b = share_buffer((u64)data, 1);
	unshare(b);
	unregister_message(b.cookie);
	MESSAGE_ANY("UNREGISTER_SHM again", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
}

#define UNKNOWN SMCCC("Unknown Function Identifier")
#define OFFA(s) "optee_ffa.h, " s
#define OSMC(s) "optee_smc.h, " s
#define OMSG(s) "optee_msg.h, " s
#define DEVICE_C "Linux 7.2, drivers/tee/optee/device.c, get_devices"
#define MESSAGE_TESTS \
	{ .name = "open", .rule = DEVICE_C, .run = open_one }, \
	{ .name = "open-unknown", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_unknown }, \
	{ .name = "open-uuid-octets", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_unknown, .a = 1 }, \
	{ .name = "open-twice", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_twice }, \
	{ .name = "open-kernel-login", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_login, .a = 0x80000000 }, \
	{ .name = "open-unknown-login", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_login, .a = 77, .b = TEE_BAD_PARAMETERS }, \
	{ .name = "open-without-meta", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_without_meta }, \
	{ .name = "open-too-many-parameters", .rule = OMSG("OPTEE_MSG_CMD_OPEN_SESSION"), .run = open_many_params }, \
	{ .name = "close", .rule = OMSG("OPTEE_MSG_CMD_CLOSE_SESSION"), .run = close_one }, \
	{ .name = "close-unknown", .rule = OMSG("OPTEE_MSG_CMD_CLOSE_SESSION"), .run = close_unknown, .a = CMD_CLOSE }, \
	{ .name = "close-with-parameters", .rule = OMSG("OPTEE_MSG_CMD_CLOSE_SESSION"), .run = close_params }, \
	{ .name = "cancel-unknown", .rule = OMSG("OPTEE_MSG_CMD_CANCEL"), .run = close_unknown, .a = CMD_CANCEL }, \
	{ .name = "invoke-unknown-session", .rule = OMSG("OPTEE_MSG_CMD_INVOKE_COMMAND"), .run = invoke_unknown }, \
	{ .name = "invoke-unknown-command", .rule = DEVICE_C, .run = invoke_command }, \
	{ .name = "devices-size", .rule = DEVICE_C, .run = devices_size }, \
	{ .name = "devices-list", .rule = DEVICE_C, .run = devices_list }, \
	{ .name = "memref-beyond-end", .rule = OMSG("OPTEE_MSG_CMD_INVOKE_COMMAND"), .run = ref_beyond }, \
	{ .name = "memref-unknown", .rule = OMSG("OPTEE_MSG_CMD_INVOKE_COMMAND"), .run = ref_unknown }, \
	{ .name = "memref-unshared", .rule = OMSG("OPTEE_MSG_CMD_INVOKE_COMMAND"), .run = ref_unshared }, \
	{ .name = "parameter-type-unknown", .rule = OMSG("OPTEE_MSG_ATTR_TYPE"), .run = param_type }, \
	{ .name = "parameter-meta", .rule = OMSG("OPTEE_MSG_ATTR_META"), .run = param_type, .a = VALUE_IN | META }, \
	{ .name = "five-parameters", .rule = OMSG("OPTEE_MSG_CMD_INVOKE_COMMAND"), .run = five_params }, \
	{ .name = "message-unknown", .rule = OMSG("struct optee_msg_arg"), .run = message_unknown }, \
	{ .name = "message-too-many-parameters", .rule = OMSG("struct optee_msg_arg"), .run = message_many }

const struct test optee_ffa_tests[] = {
	{ .name = "api-version", .rule = OFFA("OPTEE_FFA_GET_API_VERSION"), .run = api_version },
	{ .name = "os-version", .rule = OFFA("OPTEE_FFA_GET_OS_VERSION"), .run = os_version },
	{ .name = "capabilities", .rule = OFFA("OPTEE_FFA_EXCHANGE_CAPABILITIES"), .run = capabilities_ffa },
	{ .name = "unknown-service", .rule = OFFA("service identifiers"), .run = unknown_service },
	{ .name = "unregister-unknown", .rule = OFFA("OPTEE_FFA_UNREGISTER_SHM"), .run = drop_unknown },
	{ .name = "unregister-unused", .rule = OFFA("OPTEE_FFA_UNREGISTER_SHM"), .run = unregister_unused },
	{ .name = "unregister-twice", .rule = OFFA("OPTEE_FFA_UNREGISTER_SHM"), .run = unregister_twice },
	{ .name = "unregister-then-use", .rule = OFFA("OPTEE_FFA_UNREGISTER_SHM"), .run = unregister_then_use },
	{ .name = "release-unknown", .rule = OFFA("OPTEE_FFA_RELEASE_PROTMEM"), .run = drop_unknown, .needs = POOLS, .a = 1 },
	{ .name = "with-arg-unknown-handle", .rule = OFFA("OPTEE_FFA_YIELDING_CALL_WITH_ARG"), .run = with_arg_unknown },
	{ .name = "with-arg-beyond-end", .rule = OFFA("OPTEE_FFA_YIELDING_CALL_WITH_ARG"), .run = with_arg_beyond },
	{ .name = "with-arg-in-lent-memory", .rule = OFFA("OPTEE_FFA_YIELDING_CALL_WITH_ARG"), .run = with_arg_lent, .needs = POOLS },
	{ .name = "with-arg-in-assigned-memory", .rule = OFFA("OPTEE_FFA_YIELDING_CALL_WITH_ARG"), .run = with_arg_lent, .needs = POOLS, .a = 1 },
	{ .name = "resume-nothing", .rule = OFFA("OPTEE_FFA_YIELDING_CALL_RESUME"), .run = resume_nothing },
	{ .name = "multi-page-message-buffer", .rule = OFFA("OPTEE_FFA_YIELDING_CALL_WITH_ARG"), .run = multi_page },
	MESSAGE_TESTS,
};
const u32 noptee_ffa_tests = COUNT(optee_ffa_tests);

#define BAD_ADDRESS(n, at, needs_) { "with-arg-" n, OSMC("OPTEE_SMC_CALL_WITH_ARG"), address_refused, needs_, at, 0, 0, 0 }
#define BAD_ENTRY(n, at) { "register-entry-" n, OMSG("OPTEE_MSG_ATTR_NONCONTIG"), register_entry, 0, at, 0, 0, 0 }
const struct test optee_smc_tests[] = {
	{ .name = "uid", .rule = OSMC("OPTEE_SMC_CALLS_UID"), .run = uid, .a = 0xbf00ff01 },
	{ .name = "uid-keeps-registers", .rule = REGISTERS, .run = uid_registers },
	{ .name = "sve-hint", .rule = HINT, .run = uid, .a = 0xbf01ff01 },
	{ .name = "revision", .rule = OSMC("OPTEE_SMC_CALLS_REVISION"), .run = revision },
	{ .name = "os-uuid", .rule = OSMC("OPTEE_SMC_CALL_GET_OS_UUID"), .run = os_uuid },
	{ .name = "os-revision", .rule = OSMC("OPTEE_SMC_CALL_GET_OS_REVISION"), .run = os_revision },
	{ .name = "capabilities", .rule = OSMC("OPTEE_SMC_EXCHANGE_CAPABILITIES"), .run = capabilities_smc },
	{ .name = "capabilities-uniprocessor", .rule = OSMC("OPTEE_SMC_NSEC_CAP_UNIPROCESSOR"), .run = smc_returns, .a = 0xb2000009, .b = 1 },
	{ .name = "capabilities-unknown", .rule = OSMC("OPTEE_SMC_EXCHANGE_CAPABILITIES"), .run = smc_returns, .a = 0xb2000009, .b = 1 << 7, .c = 7 },
	{ .name = "capabilities-upper-half", .rule = REGISTERS, .run = smc_returns, .a = 0xb2000009, .b = HIGH },
	{ .name = "thread-count", .rule = OSMC("OPTEE_SMC_GET_THREAD_COUNT"), .run = thread_count },
	{ .name = "disable-shm-cache", .rule = "Linux 7.2, drivers/tee/optee/smc_abi.c, __optee_disable_shm_cache", .run = disable_cache },
	{ .name = "unknown-fast", .rule = UNKNOWN, .run = unknown_fast },
	{ .name = "unknown-smc64", .rule = UNKNOWN, .run = unknown_smc64 },
	{ .name = "unknown-yielding", .rule = OSMC("OPTEE_SMC_CALL_WITH_ARG"), .run = unknown_yielding },
	{ .name = "return-from-nothing", .rule = OSMC("OPTEE_SMC_CALL_RETURN_FROM_RPC"), .run = return_from_nothing },
	{ .name = "with-regd-arg", .rule = OSMC("OPTEE_SMC_CALL_WITH_REGD_ARG"), .run = regd_arg },
	{ .name = "with-regd-arg-unknown", .rule = OSMC("OPTEE_SMC_CALL_WITH_REGD_ARG"), .run = regd_refused },
	{ .name = "with-regd-arg-beyond-end", .rule = OSMC("OPTEE_SMC_CALL_WITH_REGD_ARG"), .run = regd_beyond },
	BAD_ADDRESS("misaligned", (u64)arg + 8, 0),
	BAD_ADDRESS("device", DEVICE, 0),
	BAD_ADDRESS("zero", 0, 0),
	BAD_ADDRESS("wild", WILD, 0),
	BAD_ADDRESS("secure-memory", SECURE_RAM, 0),
	BAD_ADDRESS("pool", 0, POOLS),
	{ .name = "register", .rule = OMSG("OPTEE_MSG_CMD_REGISTER_SHM"), .run = register_one },
	{ .name = "register-scattered", .rule = OMSG("OPTEE_MSG_ATTR_NONCONTIG"), .run = register_scattered },
	{ .name = "register-twice", .rule = OMSG("OPTEE_MSG_CMD_REGISTER_SHM"), .run = register_twice },
	{ .name = "register-attributes", .rule = "Linux 7.2, drivers/tee/optee/smc_abi.c, optee_shm_register", .run = register_attributes },
	{ .name = "register-empty", .rule = OMSG("OPTEE_MSG_CMD_REGISTER_SHM"), .run = register_empty },
	{ .name = "register-huge", .rule = OMSG("OPTEE_MSG_CMD_REGISTER_SHM"), .run = register_huge },
	{ .name = "register-lent-page", .rule = OMSG("OPTEE_MSG_CMD_REGISTER_SHM"), .run = register_lent, .needs = POOLS },
	BAD_ENTRY("misaligned", (u64)data + 8),
	BAD_ENTRY("device", DEVICE),
	BAD_ENTRY("zero", 0),
	BAD_ENTRY("wild", WILD),
	BAD_ENTRY("secure-memory", SECURE_RAM),
	{ .name = "unregister-unknown", .rule = OMSG("OPTEE_MSG_CMD_UNREGISTER_SHM"), .run = unregister_cookie },
	{ .name = "unregister-twice", .rule = OMSG("OPTEE_MSG_CMD_UNREGISTER_SHM"), .run = unregister_again },
	MESSAGE_TESTS,
};
const u32 noptee_smc_tests = COUNT(optee_smc_tests);

/* Protected memory. */
static void config_message(u64 use)
{
	new_message(CMD_CONFIG, 2);
	MSG->p[0] = (struct param){ .attr = VALUE_INOUT, .value = { use, 0, 0 } };
	null_ref(&MSG->p[1], RMEM_OUT);
}

static void config(const struct test *t)
{
	(void)t;
	config_message(VIDEO);
	message("GET_PROTMEM_CONFIG without a buffer", over_smc ? 0 : TEE_SHORT_BUFFER);
	u64 size = MSG->p[0].value.a, alignment = MSG->p[0].value.b, width = MSG->p[0].value.c, n = MSG->p[1].tmem.size;
	require(size != 0 && size % PAGE == 0 && size < 1ul << 40, "a size in whole pages in a");
	require((alignment & (alignment - 1)) == 0, "an alignment that is a power of two in b");
	require(width >= 32 && width <= 64, "an address width from 32 to 64 in c");
	require(over_smc ? n == 0 : n > 0 && n % 4 == 0 && n <= PAGE, over_smc ? "an empty list" : "a size that is a multiple of 4 in p1");
}

static void config_list(const struct test *t)
{
	(void)t;
	config_message(VIDEO);
	message("GET_PROTMEM_CONFIG without a buffer", TEE_SHORT_BUFFER);
	u64 n = MSG->p[1].fmem.size;
	require(n >= 4 && n <= PAGE, "a list");
	struct shared b = share_buffer((u64)data, 1);
	config_message(VIDEO);
	ref(&MSG->p[1], RMEM_OUT, b, 0, n);
	message("GET_PROTMEM_CONFIG", 0);
	bool found = false;
	for (u64 i = 0; i < n; i += 4)
		found = found || get32(data + i) == (2u << 16 | optee_id);
	require(found, "OP-TEE with read and write permission in the list");
	unshare(b);
}

static void config_use(const struct test *t)
{
	(void)t;
	static const u64 use[] = { 0, 77, 1ul << 32, 1ul << 32 | VIDEO, ~0ul };
	for (u32 i = 0; i < COUNT(use); i++) {
		config_message(use[i]);
		MESSAGE_ANY("GET_PROTMEM_CONFIG for an unknown use case", TEE_BAD_PARAMETERS, TEE_NOT_SUPPORTED, TEE_ITEM_NOT_FOUND);
	}
}

static void cycle(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 3; i++)
		unprotect(protect(POOL, POOL_SIZE, VIDEO));
}

static void announced_size(const struct test *t)
{
	(void)t;
	config_message(VIDEO);
	message("GET_PROTMEM_CONFIG", over_smc ? 0 : TEE_SHORT_BUFFER);
	u64 n = MSG->p[0].value.a;
	if (n > 4 * MIB)
		skip("a pool has %lu bytes", n);
	unprotect(protect(POOL, n, VIDEO));
}

static void early_reclaim(const struct test *t)
{
	(void)t;
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	for (u32 i = 0; i < 3; i++)
		reclaim_refused("reclaim before the release", p.handle, CODE(DENIED));
	unprotect(p);
	released("sharing after the reclaim", POOL, POOL_PAGES);
}

static void release_twice(const struct test *t)
{
	(void)t;
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	release(p.handle);
	release(p.handle);
	reclaim(p.handle);
}

static void release_unassigned(const struct test *t)
{
	(void)t;
	u64 h = lend(POOL, POOL_PAGES);
	release(h);
	reclaim(h);
}

static void assign_twice(const struct test *t)
{
	(void)t;
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	assign_message(p.handle, VIDEO);
	message("ASSIGN_PROTMEM again", TEE_BUSY);
	unprotect(p);
}

static void assign_unknown(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < COUNT(no_handles); i++) {
		assign_message(no_handles[i], VIDEO);
		MESSAGE_ANY("ASSIGN_PROTMEM of nothing", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
	}
}

static void assign_share(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1);
	assign_message(h, VIDEO);
	MESSAGE_ANY("ASSIGN_PROTMEM of a share", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
	reclaim(h);
}

static void assign_other(const struct test *t)
{
	(void)t;
	static const u64 use[] = { 0, TRUSTED_UI, 77, 1ul << 32 | VIDEO };
	u64 h = lend(POOL, POOL_PAGES);
	for (u32 i = 0; i < COUNT(use); i++) {
		assign_message(h, use[i]);
		message("ASSIGN_PROTMEM to another use case", TEE_BAD_PARAMETERS);
	}
	assign_message(h, VIDEO);
	message("ASSIGN_PROTMEM to its use case", 0);
	release(h);
	reclaim(h);
}

/* a: the tag, or 1 << 40 for ranges that lie apart, 1 << 41 for ranges in the other order */
static void refused_lend(const struct test *t)
{
	struct range apart[] = { { POOL, 1 }, { POOL + 2 * PAGE, 1 } }, back[] = { { POOL + PAGE, 1 }, { POOL, 1 } };
	fill(POOL - PAGE, 6 * PAGE);
	u32 n = t->a == 1ul << 40 ? build(LEND, apart, 2) : t->a == 1ul << 41 ? build(LEND, back, 2) : build_one(LEND, POOL, 4);
	if (t->a < 1ul << 40)
		put64(tx + 16, t->a);
	send("FFA_MEM_LEND", LEND, n);
	refused((u32)t->b);
	filled("memory that was not lent", POOL - PAGE, 6 * PAGE);
	released("sharing memory that was not lent", POOL - PAGE, 6);
}

static void smc_refused(const struct test *t)
{
	fill(POOL - PAGE, 18 * PAGE);
	lend_message(t->c, t->a, t->b, new_cookie());
	message("LEND_PROTMEM", TEE_BAD_PARAMETERS);
	filled("memory that was not lent", POOL - PAGE, 18 * PAGE);
	unprotect(protect(POOL, 16 * PAGE, VIDEO));
}

static void smc_overlap(const struct test *t)
{
	struct pool p = protect(SIDE, 16 * PAGE, VIDEO);
	lend_message(VIDEO, t->a ? POOL : SIDE + 15 * PAGE, 16 * PAGE, t->a ? p.cookie : new_cookie());
	message("LEND_PROTMEM", TEE_BAD_PARAMETERS);
	unprotect(p);
}

static void smc_registered(const struct test *t)
{
	(void)t;
	struct shared b = share_buffer(SIDE, 1);
	lend_message(VIDEO, SIDE - PAGE, 2 * PAGE, new_cookie());
	message("LEND_PROTMEM of a registered page", TEE_BAD_PARAMETERS);
	unshare(b);
}

static void smc_reclaim_twice(const struct test *t)
{
	(void)t;
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	unprotect(p);
	reclaim_message(p.cookie);
	MESSAGE_ANY("RECLAIM_PROTMEM again", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
}

static void smc_reclaim_buffer(const struct test *t)
{
	(void)t;
	struct shared b = share_buffer((u64)data, 1);
	reclaim_message(b.cookie);
	MESSAGE_ANY("RECLAIM_PROTMEM of a buffer", TEE_BAD_PARAMETERS, TEE_ITEM_NOT_FOUND);
	unshare(b);
}

static void smc_other_abi(const struct test *t)
{
	over_smc = false;
	u64 h = t->a ? lend(POOL, POOL_PAGES) : share(POOL, 1);
	over_smc = true;
	lend_message(VIDEO, POOL, t->a ? POOL_SIZE : PAGE, new_cookie());
	message("LEND_PROTMEM of memory that is in use over FF-A", TEE_BAD_PARAMETERS);
	reclaim(h);
}

#define PF  (NEED_FFA | LINUX | POOLS)
#define PS  (NEED_SMC | OVER_SMC | POOLS)
#define PROTMEM_C "Linux 7.2, drivers/tee/optee/protmem.c, get_protmem_config"
#define CONFIG OMSG("OPTEE_MSG_CMD_GET_PROTMEM_CONFIG")
#define ASSIGN OMSG("OPTEE_MSG_CMD_ASSIGN_PROTMEM")
#define RELEASED OFFA("OPTEE_FFA_RELEASE_PROTMEM")
#define BAD_LEND(n, what, codes) { "ffa-lend-" n, MEM("FFA_MEM_LEND"), refused_lend, PF, what, codes, 0, 0 }
#define BAD_SMC(n, at, size, use) { "smc-lend-" n, OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), smc_refused, PS, at, size, use, 0 }
const struct test protmem_tests[] = {
	{ .name = "ffa-config-size", .rule = PROTMEM_C, .run = config, .needs = PF },
	{ .name = "ffa-config-list", .rule = PROTMEM_C, .run = config_list, .needs = PF },
	{ .name = "ffa-config-unknown-use-case", .rule = CONFIG, .run = config_use, .needs = PF },
	{ .name = "ffa-cycle", .rule = ASSIGN, .run = cycle, .needs = PF },
	{ .name = "ffa-announced-size", .rule = CONFIG, .run = announced_size, .needs = PF },
	{ .name = "ffa-reclaim-before-release", .rule = MEM("FFA_MEM_RECLAIM"), .run = early_reclaim, .needs = PF },
	{ .name = "ffa-release-unassigned", .rule = RELEASED, .run = release_unassigned, .needs = PF },
	{ .name = "ffa-release-twice", .rule = RELEASED, .run = release_twice, .needs = PF },
	{ .name = "ffa-assign-twice", .rule = ASSIGN, .run = assign_twice, .needs = PF },
	{ .name = "ffa-assign-unknown", .rule = ASSIGN, .run = assign_unknown, .needs = PF },
	{ .name = "ffa-assign-share", .rule = ASSIGN, .run = assign_share, .needs = PF },
	{ .name = "ffa-assign-other-use-case", .rule = ASSIGN, .run = assign_other, .needs = PF },
	BAD_LEND("without-use-case", 0, CODE(INVALID) | CODE(NO_MEMORY)),
	BAD_LEND("unknown-use-case", 77, CODE(INVALID) | CODE(NO_MEMORY)),
	BAD_LEND("wide-use-case", 1ul << 32 | VIDEO, CODE(INVALID) | CODE(NO_MEMORY)),
	BAD_LEND("scattered", 1ul << 40, CODE(INVALID)),
	BAD_LEND("backwards", 1ul << 41, CODE(INVALID)),
	{ .name = "smc-config", .rule = CONFIG, .run = config, .needs = PS },
	{ .name = "smc-config-unknown-use-case", .rule = CONFIG, .run = config_use, .needs = PS },
	{ .name = "smc-cycle", .rule = OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), .run = cycle, .needs = PS },
	{ .name = "smc-announced-size", .rule = CONFIG, .run = announced_size, .needs = PS },
	BAD_SMC("use-case-0", POOL, 16 * PAGE, 0),
	BAD_SMC("unknown-use-case", POOL, 16 * PAGE, 77),
	BAD_SMC("wide-use-case", POOL, 16 * PAGE, 1ul << 32 | VIDEO),
	BAD_SMC("misaligned", POOL + 0x800, 16 * PAGE, VIDEO),
	BAD_SMC("odd-size", POOL, 16 * PAGE - 1, VIDEO),
	BAD_SMC("empty", POOL, 0, VIDEO),
	BAD_SMC("wraps", POOL, -POOL, VIDEO),
	BAD_SMC("device", DEVICE, PAGE, VIDEO),
	BAD_SMC("secure-memory", SECURE_RAM, PAGE, VIDEO),
	BAD_SMC("its-own-message", (u64)arg, PAGE, VIDEO),
	{ .name = "smc-lend-registered-page", .rule = OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), .run = smc_registered, .needs = PS },
	{ .name = "smc-lend-cookie-in-use", .rule = OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), .run = smc_overlap, .needs = PS, .a = 1 },
	{ .name = "smc-lend-overlap", .rule = OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), .run = smc_overlap, .needs = PS },
	{ .name = "smc-lend-page-shared-over-ffa", .rule = OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), .run = smc_other_abi, .needs = PS | NEED_FFA | LINUX },
	{ .name = "smc-lend-pool-of-ffa", .rule = OMSG("OPTEE_MSG_CMD_LEND_PROTMEM"), .run = smc_other_abi, .needs = PS | NEED_FFA | LINUX, .a = 1 },
	{ .name = "smc-reclaim-unknown", .rule = OMSG("OPTEE_MSG_CMD_RECLAIM_PROTMEM"), .run = unregister_cookie, .needs = PS, .a = 1 },
	{ .name = "smc-reclaim-twice", .rule = OMSG("OPTEE_MSG_CMD_RECLAIM_PROTMEM"), .run = smc_reclaim_twice, .needs = PS },
	{ .name = "smc-reclaim-buffer", .rule = OMSG("OPTEE_MSG_CMD_RECLAIM_PROTMEM"), .run = smc_reclaim_buffer, .needs = PS },
};
const u32 nprotmem_tests = COUNT(protmem_tests);
