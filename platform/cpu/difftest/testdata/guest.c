// Runs the blocks of instructions that a list describes and prints what each left behind.
//
// The list is at LIST: struct list, its cases, and what they refer to. Per case one line leaves on UART 0: a digest of the outcome, with
// an exclamation mark behind it where an exception ended the block; or with list.dump the words of struct outcome, then offset
// and contents of each word of the buffer that changed.

typedef unsigned long u64;

#define LIST ((const struct list *)0x41000000UL)
#define BUFFER ((u64 *)0x40800e00UL) // around the end of a page
#define BUFFER_WORDS 128
#define UART0 ((volatile unsigned *)0x09000000UL)

struct input {
	u64 code;   // address of the block
	u64 memory; // address of the buffer's contents
	u64 spsr;
	u64 registers[34]; // x0 to x30, SP, FPCR, FPSR
};

struct list {
	u64 cases, dump;
	struct input input[];
};

// As start.S writes it.
struct outcome {
	u64 x[31], sp, nzcv, fpcr, fpsr, tpidr_el0, tpidrro_el0, contextidr_el1;
	u64 exception, esr, elr, far;
};

extern struct outcome context;
void block_run(const u64 *registers, u64 pc, u64 spsr);
void mmu_on(const u64 *table);

static u64 level1[512] __attribute__((section(".tables"), aligned(4096)));
static u64 level2[512] __attribute__((section(".tables"), aligned(4096)));

static void put(char c)
{
	*UART0 = c;
}

static void hex(u64 v)
{
	int i = 60;

	while (i > 0 && !(v >> i))
		i -= 4;
	for (; i >= 0; i -= 4)
		put("0123456789abcdef"[v >> i & 15]);
}

// Keys that are as good as any, and all of them in use.
static void pointer_authentication(void)
{
	u64 isar1, sctlr;

	asm volatile("mrs %0, id_aa64isar1_el1" : "=r"(isar1));
	if (!(isar1 >> 4 & 0xff))
		return;
#define KEY(name, v) asm volatile("msr " #name "KeyLo_EL1, %0; msr " #name "KeyHi_EL1, %1" : : "r"((v) * 0x9e3779b97f4a7c15UL), "r"((v) * 0xc2b2ae3d27d4eb4fUL))
	KEY(APIA, 3UL);
	KEY(APIB, 5UL);
	KEY(APDA, 7UL);
	KEY(APDB, 11UL);
	KEY(APGA, 13UL);
	asm volatile("mrs %0, sctlr_el1" : "=r"(sctlr));
	asm volatile("msr sctlr_el1, %0; isb" : : "r"(sctlr | 1UL << 31 | 1UL << 30 | 1UL << 27 | 1UL << 13));
}

// The first GiB is Device memory, the second RAM. EL0 has the 2 MiB with the buffer, which are not executable. From 0x42800000 on 2 MiB
// are not mapped, and the next 2 MiB are read-only.
static void map(void)
{
	u64 i;

	level1[0] = 1UL << 54 | 1UL << 53 | 0x405; // MAIR byte 1, AF, block
	level1[1] = (u64)level2 | 3;
	for (i = 0; i < 512; i++)
		level2[i] = (0x40000000 + (i << 21)) | 0x701;
	level2[4] |= 1UL << 54 | 1UL << 53 | 0x40;
	level2[20] = 0;
	level2[21] |= 0x80;
	mmu_on(level1);
	pointer_authentication();
}

static u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15;
	return h ^ h >> 29;
}

static void execute(const struct input *in, int dump)
{
	const u64 *memory = (const u64 *)in->memory;
	const u64 *words = (const u64 *)&context;
	struct outcome *o = &context;
	u64 i, h;
	unsigned ec;

	for (i = 0; i < BUFFER_WORDS; i++)
		BUFFER[i] = memory[i];
	block_run(in->registers, in->code, in->spsr);
	ec = o->esr >> 26;
	if (!o->exception)
		o->esr = o->elr = o->far = 0;
	else if (ec < 0x20 || ec > 0x25 || ec == 0x23)
		o->far = 0; // UNKNOWN
	if (dump) {
		for (i = 0; i < sizeof *o / 8; i++) {
			hex(words[i]);
			put(' ');
		}
		for (i = 0; i < BUFFER_WORDS; i++)
			if (BUFFER[i] != memory[i]) {
				hex(i * 8);
				put(':');
				hex(BUFFER[i]);
				put(' ');
			}
	} else {
		for (h = i = 0; i < sizeof *o / 8; i++)
			h = mix(h, words[i]);
		for (i = 0; i < BUFFER_WORDS; i++)
			h = mix(h, BUFFER[i]);
		hex(h);
		if (o->exception)
			put('!');
	}
	put('\n');
}

void run(void)
{
	u64 i;

	map();
	for (i = 0; i < LIST->cases; i++)
		execute(&LIST->input[i], LIST->dump);
}
