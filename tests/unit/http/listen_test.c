#include "http/listen.h"

#include "http/port_owner.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Test(listen, addresses)
{
    static const struct {
        const char *text, *host;
        unsigned port;
    } good[] = {{"127.0.0.1:9090", "127.0.0.1", 9090},
                {":9090", "", 9090},
                {"[::1]:80", "::1", 80},
                {"localhost:0", "localhost", 0},
                {"[::]:65535", "::", 65535}};
    static const char *const bad[] = {"",     "9090", "127.0.0.1", "127.0.0.1:",   "x:65536",
                                      "x:-1", "x:9o", "::1:80",    "x:99999999999"};
    char host[LISTEN_ADDRESS_MAX];
    unsigned port;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        cr_assert(listen_split(good[i].text, host, sizeof(host), &port), "%s", good[i].text);
        cr_assert_str_eq(host, good[i].host);
        cr_assert_eq(port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_not(listen_split(bad[i], host, sizeof(host), &port), "%s", bad[i]);
}

Test(listen, a_port_in_use_names_its_holder_and_the_flag)
{
    struct listen_socket first, second;
    char error[LISTEN_ERROR_MAX], address[64], pid[32];
    cr_assert(listen_open("127.0.0.1:0", &first, error), "%s", error);
    cr_assert_gt(first.port, 0);
    snprintf(address, sizeof(address), "127.0.0.1:%u", first.port);
    cr_assert_str_eq(first.address, address);
    cr_assert_str_eq(first.dial_address, address);
    cr_assert_not(listen_open(address, &second, error));
    cr_assert_not_null(strstr(error, "--web.listen-address"), "%s", error);
    snprintf(pid, sizeof(pid), "(pid %d)", getpid());
    cr_assert_not_null(strstr(error, pid), "%s", error);
    close(first.fd);
}

Test(listen, any_address_is_dialled_as_localhost)
{
    struct listen_socket s;
    char error[LISTEN_ERROR_MAX], address[64];
    cr_assert(listen_open(":0", &s, error), "%s", error);
    snprintf(address, sizeof(address), "localhost:%u", s.port);
    cr_assert_str_eq(s.dial_address, address);
    close(s.fd);
}

Test(listen, errors_name_the_flag)
{
    struct listen_socket s;
    char error[LISTEN_ERROR_MAX];
    cr_assert_not(listen_open("nonsense", &s, error));
    cr_assert_not_null(strstr(error, "--web.listen-address"), "%s", error);
    cr_assert_not(listen_open("192.0.2.1:1", &s, error)); /* not an address of this machine */
    cr_assert_not_null(strstr(error, "--web.listen-address"), "%s", error);
}

Test(listen, a_port_that_nobody_has)
{
    struct port_owner owner;
    port_owner_find("", 1, &owner);
    cr_assert_eq(owner.pid, 0);
    port_owner_find("/nowhere", 9090, &owner);
    cr_assert_eq(owner.pid, 0);
}
