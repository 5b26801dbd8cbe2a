/* Telling the service manager how far we are (sd_notify(3)): datagrams of VARIABLE=value lines to
 * the socket that the environment names in NOTIFY_SOCKET. Written here since the protocol is one
 * sendto, and systemd itself advises against linking its library for it.
 *
 * Without NOTIFY_SOCKET all functions do nothing; when the manager cannot be reached, nothing
 * either: a database does not stop for that.
 *
 * Threads: notify_open first, from one; the others from any. */
#ifndef HG_HTTP_NOTIFY_H
#define HG_HTTP_NOTIFY_H

#include "alloc/base.h"

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1 = nobody wants to know */
    socklen_t n_address;
    struct sockaddr_un address;
};

/* The longest datagram. */
enum { NOTIFY_TEXT_MAX = 512 };

/* path: NOTIFY_SOCKET's value (a path, or "@name" of the abstract namespace), or NULL. False when
 * it is neither or longer than an address; nothing is sent then. */
bool notify_open(struct notify *n, const char *path);
void notify_close(struct notify *n);

/* Sends lines as they are, cut at NOTIFY_TEXT_MAX. */
PRINTF_LIKE(2, 3) void notify_send(const struct notify *n, const char *format, ...);

/* "STATUS=<text>", and that what is under way may take so much longer from now on than the manager
 * was set to wait. */
enum { NOTIFY_EXTEND_S = 60 };
void notify_progress(const struct notify *n, const char *text);

#endif
