#include "alloc/base.h"

#include <stdio.h>
#include <stdlib.h>

void base_ensure_failed(const char *text, const char *file, int line)
{
    fprintf(stderr, "hourglass: broken invariant: %s at %s:%d\n", text, file, line);
    abort();
}
