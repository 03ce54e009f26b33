/* A plugin for QEMU's user emulator (7.2 or later, plugin interface 1) that counts the instructions of the emulated program.
 * Declares the few functions of the interface that it calls, since their header is not packaged. The counter is atomic, so
 * that programs with threads are counted right. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t id;
struct qemu_plugin_tb;
extern void qemu_plugin_register_vcpu_tb_trans_cb(id, void (*)(id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags, void *);
extern void qemu_plugin_register_atexit_cb(id, void (*)(id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern void qemu_plugin_outs(const char *);

int qemu_plugin_version = 1;

static uint64_t executed;

/* A block of translated code is about to run; its length came with it. */
static void run(unsigned cpu, void *length) {
    (void)cpu;
    __atomic_fetch_add(&executed, (uint64_t)(uintptr_t)length, __ATOMIC_RELAXED);
}

static void translated(id self, struct qemu_plugin_tb *block) {
    (void)self;
    qemu_plugin_register_vcpu_tb_exec_cb(block, run, 0, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void done(id self, void *data) {
    char line[64];
    (void)self, (void)data;
    snprintf(line, sizeof line, "instructions %llu\n", (unsigned long long)executed);
    qemu_plugin_outs(line);
}

int qemu_plugin_install(id self, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(self, translated);
    qemu_plugin_register_atexit_cb(self, done, NULL);
    return 0;
}
