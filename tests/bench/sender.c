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

static const char *const heads[] = {
    [BODY_WRITE_1] = "Content-Type: application/x-protobuf\r\n"
                     "X-Prometheus-Remote-Write-Version: 0.1.0\r\n",
    [BODY_WRITE_2] = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n"
                     "X-Prometheus-Remote-Write-Version: 2.0.0\r\n",
};

uint64_t sender_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void sender_init(struct sender *s, uint16_t port, enum body_protocol protocol)
{
    memset(s, 0, sizeof(*s));
    s->fd = -1;
    s->port = port;
    s->protocol = protocol;
}

static void open_connection(struct sender *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    int on = 1, n = SEND_BUFFER_BYTES;
    struct timeval patience = {.tv_sec = 60};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        err(1, "connecting to 127.0.0.1:%u", s->port);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

void sender_close(struct sender *s)
{
    assert(!s->is_waiting);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void sender_send(struct sender *s, const uint8_t *body, size_t n, uint32_t n_samples)
{
    char head[512];
    int n_head = snprintf(head, sizeof(head),
                          "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                          "User-Agent: fleet\r\nContent-Encoding: snappy\r\n"
                          "%sContent-Length: %zu\r\n\r\n",
                          s->port, heads[s->protocol], n);
    struct iovec part[2] = {{head, (size_t)n_head}, {(void *)(uintptr_t)body, n}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    assert(!s->is_waiting && n_head > 0 && (size_t)n_head < sizeof(head));
    if (s->fd < 0)
        open_connection(s);
    s->is_waiting = true;
    s->n_samples = n_samples;
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

/* A 204 to 2.0 says how much was written: without it the body was taken for one of 1.0. */
static void check_written(const struct sender *s, const char *answer)
{
    static const char name[] = "X-Prometheus-Remote-Write-Samples-Written:";
    const char *found = strcasestr(answer, name);
    if (s->protocol == BODY_WRITE_1 && found != NULL)
        errx(1, "an answer to 1.0 has the header of 2.0: %.300s", answer);
    if (s->protocol == BODY_WRITE_2 &&
        (found == NULL || strtoul(found + sizeof(name) - 1, NULL, 10) != s->n_samples))
        errx(1, "%u samples of 2.0 were sent: %.300s", s->n_samples, answer);
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
    check_written(s, answer);
    s->is_waiting = false;
    return sender_now_ns() - s->sent_ns;
}
