/* Against a socket of the test's own, as the service manager has one. */
#include "http/notify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Binds a manager's socket to that name; "@" as in NOTIFY_SOCKET. */
static int manager(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    if (path[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
                 0);
    return fd;
}

static void expect(int fd, const char *text)
{
    char got[2 * NOTIFY_TEXT_MAX];
    ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
    cr_assert_geq(n, 0);
    got[n] = '\0';
    cr_assert_str_eq(got, text);
}

static void talk(const char *path)
{
    struct notify n;
    int fd = manager(path);
    cr_assert(notify_open(&n, path));
    notify_send(&n, "READY=1\nSTATUS=%d%%", 43);
    expect(fd, "READY=1\nSTATUS=43%");
    notify_progress(&n, "loading");
    expect(fd, "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=loading");
    notify_close(&n);
    notify_send(&n, "nobody hears this");
    char c;
    cr_assert_lt(recv(fd, &c, 1, MSG_DONTWAIT), 0);
    close(fd);
}

Test(notify, it_talks_to_a_path)
{
    char dir[] = "/tmp/hg-notify-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    talk(path);
    unlink(path);
    rmdir(dir);
}

Test(notify, it_talks_to_an_abstract_name)
{
    char path[64];
    snprintf(path, sizeof(path), "@hg-notify-%d", (int)getpid());
    talk(path);
}

Test(notify, without_a_socket_nothing_is_sent)
{
    struct notify n;
    cr_assert(notify_open(&n, NULL));
    notify_send(&n, "READY=1");
    notify_close(&n);
    cr_assert(notify_open(&n, ""));
    notify_close(&n);
}

Test(notify, a_name_that_is_no_address_is_refused)
{
    struct notify n;
    char path[sizeof(n.address.sun_path) + 1];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 2] = '\0'; /* one byte is left for the end */
    cr_assert(notify_open(&n, path));
    notify_close(&n);
    path[sizeof(path) - 2] = 'a';
    path[sizeof(path) - 1] = '\0';
    cr_assert_not(notify_open(&n, path));
    cr_assert_not(notify_open(&n, "relative"));
    notify_send(&n, "READY=1");
}

Test(notify, a_manager_that_went_away_or_does_not_read_stops_nobody)
{
    struct notify n;
    char path[64];
    snprintf(path, sizeof(path), "@hg-notify-gone-%d", (int)getpid());
    int fd = manager(path);
    cr_assert(notify_open(&n, path));
    for (int i = 0; i < 10000; i++)
        notify_send(&n, "STATUS=%d", i);
    expect(fd, "STATUS=0");
    close(fd);
    notify_send(&n, "STATUS=gone");
    notify_close(&n);
}

Test(notify, a_text_that_is_too_long_is_cut)
{
    struct notify n;
    char path[64], text[NOTIFY_TEXT_MAX + 1];
    snprintf(path, sizeof(path), "@hg-notify-long-%d", (int)getpid());
    int fd = manager(path);
    cr_assert(notify_open(&n, path));
    memset(text, 'x', sizeof(text));
    text[NOTIFY_TEXT_MAX] = '\0';
    notify_send(&n, "%s", text);
    text[NOTIFY_TEXT_MAX - 1] = '\0';
    expect(fd, text);
    notify_send(&n, "%s", text);
    expect(fd, text);
    notify_close(&n);
    close(fd);
}
