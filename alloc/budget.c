#include "alloc/budget.h"

#include <string.h>

void budget_init(struct budget *b, size_t limit_bytes)
{
    memset(b, 0, sizeof(*b));
    b->limit_bytes = limit_bytes;
}

static bool find_owner(const struct budget *b, const char *name, unsigned *ret)
{
    unsigned n = atomic_load_explicit(&b->n_rows, memory_order_acquire);
    for (*ret = 0; *ret < n; ++*ret)
        if (strcmp(b->rows[*ret].name, name) == 0)
            return true;
    return false;
}

unsigned budget_owner(struct budget *b, const char *name)
{
    unsigned owner;
    if (find_owner(b, name, &owner))
        return owner;
    while (atomic_flag_test_and_set_explicit(&b->is_registering, memory_order_acquire))
        ; /* another thread registers: a few instructions, a few times in the process's life */
    if (!find_owner(b, name, &owner)) {
        ENSURE(owner < BUDGET_OWNERS_MAX);
        b->rows[owner].name = name;
        atomic_store_explicit(&b->n_rows, owner + 1, memory_order_release);
    }
    atomic_flag_clear_explicit(&b->is_registering, memory_order_release);
    return owner;
}

static void raise_peak(atomic_size_t *peak, size_t now)
{
    size_t seen = atomic_load_explicit(peak, memory_order_relaxed);
    while (now > seen && !atomic_compare_exchange_weak_explicit(
                             peak, &seen, now, memory_order_relaxed, memory_order_relaxed))
        ;
}

static bool must_fail(struct budget *b)
{
    if (atomic_load_explicit(&b->fail_in, memory_order_relaxed) == 0)
        return false;
    return atomic_fetch_sub(&b->fail_in, 1) == 1;
}

static bool fits(struct budget *b, size_t bytes)
{
    size_t used = atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
    do {
        if (bytes > b->limit_bytes || used > b->limit_bytes - bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->used_bytes, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    raise_peak(&b->peak_bytes, used + bytes);
    return true;
}

static bool can_release(struct budget_reserve reserve, size_t bytes)
{
    return reserve.release != NULL && reserve.release(reserve.ctx, bytes);
}

bool budget_take_or(struct budget *b, unsigned owner, size_t bytes, struct budget_reserve reserve)
{
    assert(owner < b->n_rows);
    bool is_refused = must_fail(b) || bytes > b->limit_bytes;
    while (!is_refused && !fits(b, bytes))
        is_refused = !can_release(reserve, bytes);
    if (is_refused) {
        atomic_fetch_add_explicit(&b->n_refused, 1, memory_order_relaxed);
        return false;
    }
    struct budget_row *row = &b->rows[owner];
    size_t before = atomic_fetch_add_explicit(&row->bytes, bytes, memory_order_relaxed);
    raise_peak(&row->peak_bytes, before + bytes);
    return true;
}

bool budget_take(struct budget *b, unsigned owner, size_t bytes)
{
    return budget_take_or(b, owner, bytes, b->reserve);
}

void budget_set_reserve(struct budget *b, struct budget_reserve reserve)
{
    b->reserve = reserve;
}

void budget_give(struct budget *b, unsigned owner, size_t bytes)
{
    assert(owner < b->n_rows);
    size_t before = atomic_fetch_sub_explicit(&b->rows[owner].bytes, bytes, memory_order_relaxed);
    ENSURE(before >= bytes);
    atomic_fetch_sub_explicit(&b->used_bytes, bytes, memory_order_relaxed);
}

void budget_move(struct budget *b, unsigned from, unsigned to, size_t bytes)
{
    assert(from < b->n_rows && to < b->n_rows);
    size_t before = atomic_fetch_sub_explicit(&b->rows[from].bytes, bytes, memory_order_relaxed);
    ENSURE(before >= bytes);
    size_t other =
        atomic_fetch_add_explicit(&b->rows[to].bytes, bytes, memory_order_relaxed) + bytes;
    raise_peak(&b->rows[to].peak_bytes, other);
}

void budget_fail_nth(struct budget *b, long nth)
{
    atomic_store(&b->fail_in, nth);
}

bool budget_check(const struct budget *b)
{
    size_t sum = 0;
    for (unsigned i = 0; i < b->n_rows; i++)
        sum += atomic_load(&b->rows[i].bytes);
    size_t used = atomic_load(&b->used_bytes);
    return sum == used && used <= b->limit_bytes;
}
