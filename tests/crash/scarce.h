/*
 * Memory that is refused on demand. tests/crash/scarce.c is linked into the server's own objects
 * (build/tests/crash/scarce); the program that comes out is the server, with these requests for
 * memory seen on their way:
 *   heap      malloc and its kin, the libraries' and C++'s among them
 *   mapping   anonymous mmap, by name: what the C library maps for itself is not seen
 *   thread    pthread_create, whose stack is mapped unseen
 *   arena     pages and spans of the arena, and takes of the budget: a refused page is what a full
 *             budget is, whatever the arena retains
 * SCARCE_CONTROL names a file of struct unsynced_control (unsynced.h): `calls` are the bits below,
 * `error`, `is_short` and `delay_us` are not looked at. Without it nothing is refused. Counting
 * begins before main.
 */
#ifndef TESTS_CRASH_SCARCE_H
#define TESTS_CRASH_SCARCE_H

enum scarce_kind { /* tests/crash/disk.py has them too */
                   SCARCE_HEAP = 1,
                   SCARCE_MAPPING = 2,
                   SCARCE_THREAD = 4,
                   SCARCE_ARENA = 8,
};

#endif
