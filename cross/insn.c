/* A plugin for QEMU's user emulator (7.2 or later, plugin interface 1) that counts the instructions of the emulated program.
 * Declares the few functions of the interface that it calls, since their header is not packaged. The counter is atomic, so
 * that programs with threads are counted right.
 *
 * It also tells the critical path: what would remain on the longest thread if each part of a step were computed on a thread of its
 * own. The program computes them one after the other (`faceplate bench --team N --alone`), and calls `Shared::take` before each part
 * and `Shared::close` after the last one (engine/team.rs); for that its symbols have to be there. What is done beside something else
 * (`Team::fork`: a best shot) still counts in full. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(id, void (*)(id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
extern void qemu_plugin_register_atexit_cb(id, void (*)(id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
extern void qemu_plugin_outs(const char *);

int qemu_plugin_version = 1;

static uint64_t executed;
/* Instructions of parts that are not on the critical path. */
static uint64_t beside;
/* Of the step that is being computed: when its last part began, 0 if none did, the sum of its parts, and the longest. */
static uint64_t begun, sum, longest;
/* The addresses of the two functions. */
static uint64_t take, close;

/* A block of translated code is about to run; its length came with it. */
static void run(unsigned cpu, void *length) {
    (void)cpu;
    __atomic_fetch_add(&executed, (uint64_t)(uintptr_t)length, __ATOMIC_RELAXED);
}

/* A part ends where the next one is asked for. */
static void taken(unsigned cpu, void *data) {
    uint64_t part = begun ? executed - begun : 0;
    (void)cpu, (void)data;
    sum += part;
    if (part > longest) longest = part;
    begun = executed;
}

static void closed(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    /* What follows the last question, which finds no part left, is no part. */
    beside += sum - longest;
    begun = sum = longest = 0;
}

/* Whether a block begins the function whose symbol holds these words: its first block is translated first. */
static bool begins(struct qemu_plugin_tb *block, const char *words, uint64_t *address) {
    const char *symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0));
    if (!symbol || !strstr(symbol, "team") || !strstr(symbol, words)) return false;
    if (!*address) *address = qemu_plugin_tb_vaddr(block);
    return qemu_plugin_tb_vaddr(block) == *address;
}

static void translated(id self, struct qemu_plugin_tb *block) {
    (void)self;
    if (begins(block, "6Shared4take", &take)) qemu_plugin_register_vcpu_tb_exec_cb(block, taken, 0, NULL);
    if (begins(block, "6Shared5close", &close)) qemu_plugin_register_vcpu_tb_exec_cb(block, closed, 0, NULL);
    qemu_plugin_register_vcpu_tb_exec_cb(block, run, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void done(id self, void *data) {
    char line[96];
    (void)self, (void)data;
    snprintf(line, sizeof line, "instructions %llu %llu\n", (unsigned long long)executed, (unsigned long long)(executed - beside));
    qemu_plugin_outs(line);
}

int qemu_plugin_install(id self, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(self, translated);
    qemu_plugin_register_atexit_cb(self, done, NULL);
    return 0;
}
