#include "http/listen.h"

#include "http/port_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

bool listen_split(const char *address, char *host, size_t host_size, unsigned *ret_port)
{
    const char *colon = strrchr(address, ':');
    unsigned port = 0;
    if (!colon || colon[1] == '\0')
        return false;
    for (const char *p = colon + 1; *p; p++) {
        if (*p < '0' || *p > '9' || (port = port * 10 + (unsigned)(*p - '0')) > 65535)
            return false;
    }
    size_t n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    } else if (memchr(address, ':', n)) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (n >= host_size)
        return false;
    memcpy(host, address, n);
    host[n] = '\0';
    *ret_port = port;
    return true;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    if (at.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
    return ntohs(((struct sockaddr_in *)&at)->sin_port);
}

/* A socket that listens at one address, or -1 with errno. */
static int open_one(const struct addrinfo *a)
{
    const int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->ai_family == AF_INET6) /* "::" takes IPv4 as well */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    /* accepted sockets inherit it */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void explain(int err, const char *address, unsigned port, char *error)
{
    struct port_owner owner = {0};
    char who[128] = "another process";
    if (err != EADDRINUSE) {
        snprintf(error, LISTEN_ERROR_MAX,
                 "cannot listen on %s: %s; choose another address with --web.listen-address",
                 address, strerror(err));
        return;
    }
    port_owner_find("", port, &owner);
    if (owner.pid != 0)
        snprintf(who, sizeof(who), "%s (pid %d)", owner.name, owner.pid);
    snprintf(error, LISTEN_ERROR_MAX,
             "port %u is in use by %s; stop it, or choose another address with "
             "--web.listen-address=127.0.0.1:%u",
             port, who, port < 65535 ? port + 1 : port - 1);
}

bool listen_open(const char *address, struct listen_socket *ret, char error[LISTEN_ERROR_MAX])
{
    char host[LISTEN_ADDRESS_MAX], service[8];
    unsigned port;
    struct addrinfo *list = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    if (!listen_split(address, host, sizeof(host) - 8, &port)) {
        snprintf(error, LISTEN_ERROR_MAX, "--web.listen-address=%.100s: expected host:port",
                 address);
        return false;
    }
    snprintf(service, sizeof(service), "%u", port);
    int rc = getaddrinfo(host[0] ? host : NULL, service, &hints, &list);
    if (rc != 0) {
        snprintf(error, LISTEN_ERROR_MAX, "--web.listen-address=%.100s: %s", address,
                 gai_strerror(rc));
        return false;
    }
    /* "every address": prefer the IPv6 wildcard, which takes both */
    int fd = -1, first_errno = 0;
    for (int pass = 0; fd < 0 && pass < 2; pass++)
        for (const struct addrinfo *a = list; fd < 0 && a; a = a->ai_next) {
            bool is_first_choice = host[0] != '\0' || a->ai_family == AF_INET6;
            if (is_first_choice == (pass == 0) && (fd = open_one(a)) < 0 && first_errno == 0)
                first_errno = errno;
        }
    freeaddrinfo(list);
    if (fd < 0) {
        explain(first_errno, address, port, error);
        return false;
    }
    bool is_any = host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    bool is_v6 = strchr(host, ':') != NULL;
    ret->fd = fd;
    ret->port = port_of(fd);
    snprintf(ret->address, sizeof(ret->address), is_v6 ? "[%.100s]:%u" : "%.100s:%u", host,
             ret->port);
    if (is_any)
        snprintf(ret->dial_address, sizeof(ret->dial_address), "localhost:%u", ret->port);
    else
        snprintf(ret->dial_address, sizeof(ret->dial_address), "%s", ret->address);
    return true;
}
