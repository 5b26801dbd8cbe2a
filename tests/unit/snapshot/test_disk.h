/* Snapshots in memory: saved from one test store, loaded into another. */
#ifndef TESTS_UNIT_SNAPSHOT_TEST_DISK_H
#define TESTS_UNIT_SNAPSHOT_TEST_DISK_H

#include "snapshot/load.h"
#include "snapshot/save.h"
#include "test_store.h"

#define SNAPSHOT_TEMP_NAME SNAPSHOT_NAME TEMP_SUFFIX

enum { TEST_DISK_BYTES = 8 << 20 };

static uint8_t test_disk_bytes[2][TEST_DISK_BYTES];

static inline void test_disk_init(struct io_mem *m)
{
    memset(m, 0, sizeof *m);
    for (int i = 0; i < 2; i++) {
        m->files[i].bytes = test_disk_bytes[i];
        m->files[i].capacity = TEST_DISK_BYTES;
    }
    io_mem_init(m);
}

/* The file of that name, or NULL. */
static inline struct io_mem_file *test_disk_file(struct io_mem *m, const char *name)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(m->files[i].name, name))
            return &m->files[i];
    return NULL;
}

/* Makes a disk hold a snapshot of n bytes that lie in the caller's buffer. */
static inline void test_disk_borrow(struct io_mem *m, uint8_t *bytes, size_t n)
{
    memset(m, 0, sizeof *m);
    io_mem_init(m);
    m->files[0] =
        (struct io_mem_file){.name = SNAPSHOT_NAME, .bytes = bytes, .n = n, .capacity = n};
}

static inline struct snapshot_report test_save(struct test_store *s, struct io *io)
{
    struct save_options o = {.created_ms = 1700000000000, .file_id = 0x0123456789abcdef};
    struct snapshot_report report;
    cr_assert_eq(save_store(s->db, io, &o, &report), 0, "%s", report.detail);
    return report;
}

#endif
