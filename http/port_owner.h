/* Who holds a port: for the error of a server that cannot have it. */
#ifndef HG_HTTP_PORT_OWNER_H
#define HG_HTTP_PORT_OWNER_H

#include "alloc/base.h"

struct port_owner {
    int pid; /* 0 = not found: another user's process, or none */
    char name[64];
};

/* Looks for a listening TCP socket on the port (host order) and the process that has it open.
 * root: prefix of every path, "" in life. */
void port_owner_find(const char *root, unsigned port, struct port_owner *ret);

#endif
