#include "tsdb/vectors.h"

bool vectors_on;

bool vectors_are_there(void)
{
#if VECTORS_AVX2
    __builtin_cpu_init(); /* constructors may run before the compiler's own */
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

bool vectors_use(bool on)
{
    vectors_on = on && vectors_are_there();
    return vectors_on;
}

__attribute__((constructor)) static void choose(void)
{
    (void)vectors_use(true);
}
