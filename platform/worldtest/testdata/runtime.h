// Shared by the parts of the guest.

typedef unsigned long u64;

// A case, as the test generates it.
struct kase {
	const char *name;
	u64 scr, hcr, spsr; // spsr is what EL3 enters the body with
	u64 body, end;
	u64 resume; // exceptions that are resumed behind the instruction that took them
	// Of a sweep: 1 UNDEFINED instructions, 2 those that were executed are not printed; 4 no register is set; 8 notes what is
	// UNDEFINED, 16 prints that if it was not noted.
	u64 quiet;
	void (*setup)(void), (*between)(void), (*after)(void); // run at EL3, may be 0; the body calls between
};

extern const struct kase kases[];

#define READ(reg) ({ u64 v_; asm volatile("mrs %0, " #reg : "=r"(v_)); v_; })
#define WRITE(reg, v) asm volatile("msr " #reg ", %0" : : "r"((u64)(v)))

#define GICD(off) (*(volatile unsigned *)(0x08000000UL + (off)))
#define GICR(off) (*(volatile unsigned *)(0x080a0000UL + (off)))
#define GICR_SGI(off) (*(volatile unsigned *)(0x080b0000UL + (off)))

#define SCRATCH 0x40200000UL // 4 KiB that each case finds with the same contents
#define MAIR 0x00000000004404ffUL // 0: Write-Back, 1: Device-nGnRE, 2: Non-cacheable, 3: Device-nGnRnE

void puts(const char *s);
void hex(u64 v);
void show(const char *name, u64 v);
int has_el2(void);
