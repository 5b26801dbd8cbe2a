/* A client's end of a connection to a server on this machine. */
#ifndef TESTS_UNIT_HTTP_TEST_DIAL_H
#define TESTS_UNIT_HTTP_TEST_DIAL_H

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* fd: a socket of TCP. */
static inline void dial_with(int fd, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static inline int dial_port(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    dial_with(fd, port);
    return fd;
}

/* True when the other side closes before it says anything more. */
static inline bool is_closed_by_peer(int fd)
{
    char c;
    return recv(fd, &c, 1, 0) <= 0;
}

#endif
