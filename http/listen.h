/* The listening socket: an address in Prometheus' form to a socket that is ready for the server.
 *
 * Threads: the main one, at start. */
#ifndef HG_HTTP_LISTEN_H
#define HG_HTTP_LISTEN_H

#include "alloc/base.h"

enum { LISTEN_ERROR_MAX = 512, LISTEN_ADDRESS_MAX = 128 };

struct listen_socket {
    int fd;
    unsigned port;                         /* the real one, also when 0 was asked for */
    char address[LISTEN_ADDRESS_MAX];      /* host:port as it was asked for, with the real port */
    char dial_address[LISTEN_ADDRESS_MAX]; /* the same, with localhost for "any address" */
};

/* address: "127.0.0.1:9090", "[::1]:9090", "localhost:9090", ":9090" (every address), port 0 =
 * any. False with a sentence in error, which names the flag that helps and, when the port is taken,
 * who has it. */
bool listen_open(const char *address, struct listen_socket *ret,
                 char error[LISTEN_ERROR_MAX]) WARN_UNUSED;

/* Splits "host:port"; false when it has not that form. host: at least strlen(address) + 1. */
bool listen_split(const char *address, char *host, size_t host_size, unsigned *ret_port);

#endif
