#include "tests/bench/sender.h"

#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 16384, SEND_BUFFER_BYTES = 1 << 20 };

uint64_t sender_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void sender_open(struct sender *s, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, n = SEND_BUFFER_BYTES;
    struct timeval patience = {.tv_sec = 60};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(s, 0, sizeof(*s));
    s->port = port;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        err(1, "connecting to 127.0.0.1:%u", port);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

void sender_close(struct sender *s)
{
    close(s->fd);
    s->fd = -1;
}

void sender_reopen(struct sender *s)
{
    assert(!s->is_waiting);
    sender_close(s);
    sender_open(s, s->port);
}

void sender_send(struct sender *s, const uint8_t *body, size_t n)
{
    char head[512];
    int n_head = snprintf(head, sizeof(head),
                          "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                          "User-Agent: fleet\r\nContent-Type: application/x-protobuf\r\n"
                          "Content-Encoding: snappy\r\n"
                          "X-Prometheus-Remote-Write-Version: 0.1.0\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          s->port, n);
    struct iovec part[2] = {{head, (size_t)n_head}, {(void *)(uintptr_t)body, n}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    assert(!s->is_waiting && n_head > 0 && (size_t)n_head < sizeof(head));
    s->is_waiting = true;
    s->sent_ns = sender_now_ns();
    while (part[0].iov_len + part[1].iov_len > 0) {
        ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);
        if (sent < 0)
            err(1, "sending a write");
        for (unsigned i = 0; i < 2; i++) {
            size_t taken = (size_t)sent < part[i].iov_len ? (size_t)sent : part[i].iov_len;
            part[i].iov_base = (char *)part[i].iov_base + taken;
            part[i].iov_len -= taken;
            sent -= (ssize_t)taken;
        }
    }
}

/* Reads until `answer`, zero-terminated, holds a whole head. Returns where the body begins. */
static char *receive_head(struct sender *s, char *answer, size_t *n)
{
    for (;;) {
        char *end;
        ssize_t got = recv(s->fd, answer + *n, ANSWER_MAX - 1 - *n, 0);
        if (got < 0)
            err(1, "receiving the answer to a write");
        if (got == 0)
            errx(1, "the connection was closed instead of an answer to a write");
        *n += (size_t)got;
        answer[*n] = '\0';
        end = strstr(answer, "\r\n\r\n");
        if (end != NULL)
            return end + 4;
        if (*n == ANSWER_MAX - 1)
            errx(1, "the head of an answer is too long");
    }
}

uint64_t sender_receive(struct sender *s)
{
    char answer[ANSWER_MAX];
    size_t n = 0;
    char *body = receive_head(s, answer, &n);
    assert(s->is_waiting);
    /* a refusal's text may be a packet behind; it is for the reader only */
    if (strncmp(answer, "HTTP/1.1 204", 12) != 0) {
        if (*body == '\0')
            receive_head(s, answer, &n);
        errx(1, "a write was refused: %.300s", answer);
    }
    if (*body != '\0')
        errx(1, "a 204 with a body");
    s->is_waiting = false;
    return sender_now_ns() - s->sent_ns;
}
