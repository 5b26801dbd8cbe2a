#include "http/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool notify_open(struct notify *n, const char *path)
{
    *n = (struct notify){.fd = -1, .address.sun_family = AF_UNIX};
    if (path == NULL || path[0] == '\0')
        return true;
    size_t len = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || len >= sizeof(n->address.sun_path))
        return false;
    memcpy(n->address.sun_path, path, len);
    if (path[0] == '@')
        n->address.sun_path[0] = '\0';
    n->n_address = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return n->fd >= 0;
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void notify_send(const struct notify *n, const char *format, ...)
{
    char text[NOTIFY_TEXT_MAX];
    va_list args;
    if (n->fd < 0)
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0)
        (void)sendto(n->fd, text, size_min((size_t)len, sizeof(text) - 1),
                     MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&n->address,
                     n->n_address);
}

void notify_progress(const struct notify *n, const char *text)
{
    notify_send(n, "EXTEND_TIMEOUT_USEC=%d000000\nSTATUS=%s", NOTIFY_EXTEND_S, text);
}
