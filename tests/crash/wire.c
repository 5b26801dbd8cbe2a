#include "tests/crash/wire.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, SEND_BUFFER_BYTES = 1 << 20, READ_BYTES = 1 << 16 };

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
}

int wire_connect(uint16_t port)
{
    struct sockaddr_in to = loopback(port);
    struct timeval patience = {.tv_sec = WIRE_PATIENCE_S};
    int on = 1, n = SEND_BUFFER_BYTES;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(2, "a socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return WIRE_BROKEN;
}

uint16_t wire_free_port(void)
{
    struct sockaddr_in at = loopback(0);
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        err(2, "a free port");
    close(fd);
    return ntohs(at.sin_port);
}

static bool send_all(int fd, struct iovec *part, size_t n_parts)
{
    struct msghdr message = {.msg_iov = part, .msg_iovlen = n_parts};
    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
            sent -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return true;
}

static int status_of(const char *answer)
{
    int status;
    return sscanf(answer, "HTTP/1.%*d %d ", &status) == 1 ? status : WIRE_BROKEN;
}

/* Bytes of the body that the head declares; 0 without a declaration. */
static size_t declared(const char *head, const char *end)
{
    static const char name[] = "\ncontent-length:";
    for (const char *at = head; at < end && (at = strchr(at, '\n')) != NULL && at < end; at++)
        if (strncasecmp(at, name, sizeof(name) - 1) == 0)
            return strtoul(at + sizeof(name) - 1, NULL, 10);
    return 0;
}

/* Reads an answer up to the end of what its head declares. */
static int receive(int fd, char text[WIRE_TEXT_MAX])
{
    char answer[HEAD_MAX + 1];
    size_t n = 0;
    const char *body = NULL;
    text[0] = '\0';
    while (body == NULL || (size_t)(answer + n - body) < declared(answer, body)) {
        ssize_t got = n < HEAD_MAX ? recv(fd, answer + n, HEAD_MAX - n, 0) : 0;
        if (got <= 0)
            return WIRE_BROKEN;
        n += (size_t)got;
        answer[n] = '\0';
        body = strstr(answer, "\r\n\r\n");
        if (body != NULL)
            body += 4;
    }
    snprintf(text, WIRE_TEXT_MAX, "%.*s", WIRE_TEXT_MAX - 1, body);
    return status_of(answer);
}

int wire_write(int fd, const uint8_t *body, size_t n, char text[WIRE_TEXT_MAX])
{
    char head[512];
    int n_head = snprintf(head, sizeof(head),
                          "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\n"
                          "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
                          "X-Prometheus-Remote-Write-Version: 0.1.0\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          n);
    struct iovec part[2] = {{head, (size_t)n_head}, {(void *)(uintptr_t)body, n}};
    text[0] = '\0';
    /* who refuses may answer before all was sent */
    bool is_sent = send_all(fd, part, 2);
    int status = receive(fd, text);
    return is_sent || status >= 400 ? status : WIRE_BROKEN;
}

static bool receive_all(int fd, struct wire_buffer *b)
{
    b->n = 0;
    for (;;) {
        if (b->n + READ_BYTES + 1 > b->capacity) {
            b->capacity = 2 * (b->n + READ_BYTES + 1);
            b->bytes = realloc(b->bytes, b->capacity);
            if (b->bytes == NULL)
                err(2, "memory for an answer");
        }
        ssize_t got = recv(fd, b->bytes + b->n, b->capacity - b->n - 1, 0);
        if (got < 0)
            return false;
        b->n += (size_t)got;
        b->bytes[b->n] = '\0';
        if (got == 0)
            return true;
    }
}

int wire_ask(uint16_t port, const char *method, const char *path, struct wire_buffer *ret)
{
    char head[1024];
    /* 1.0: the body goes on to the end of the connection, in one piece */
    int n_head = snprintf(head, sizeof(head), "%s %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n", method,
                          path, strcmp(method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
    struct iovec part = {head, (size_t)n_head};
    int fd = wire_connect(port), status = WIRE_BROKEN;
    if (fd < 0)
        return WIRE_BROKEN;
    if (send_all(fd, &part, 1) && receive_all(fd, ret)) {
        const char *body = strstr(ret->bytes, "\r\n\r\n");
        if (body != NULL) {
            status = status_of(ret->bytes);
            ret->n -= (size_t)(body + 4 - ret->bytes);
            memmove(ret->bytes, body + 4, ret->n + 1);
        }
    }
    close(fd);
    return status;
}
