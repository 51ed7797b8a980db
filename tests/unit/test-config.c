/* SPDX-License-Identifier: Apache-2.0 */
#include <glib/gstdio.h>
#include <string.h>

#include "config/config.h"
#include "config/load.h"
#include "config/secret.h"

/* The problems of a YAML document as dm_document_explain() tells them; *@out_config when there are
 * none. */
static char *
read_document(const char *text, DmConfig **out_config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse(text, strlen(text), "t.yaml", &error);
    DmProblems problems;

    g_assert_no_error(error);
    dm_problems_init(&problems);
    *out_config = dm_config_new_from_json(dm_document_json(document), &problems);
    g_assert_cmpint(*out_config == NULL, ==, dm_problems_any(&problems));
    char *explained = dm_document_explain(document, &problems);
    dm_problems_clear(&problems);
    return explained;
}

static DmConfig *
good(const char *text)
{
    DmConfig *config;
    g_autofree char *problems = read_document(text, &config);

    g_assert_cmpstr(problems, ==, "");
    return config;
}

static void
assert_problems(const char *text, const char *expected)
{
    DmConfig *config;
    g_autofree char *problems = read_document(text, &config);

    g_assert_cmpstr(problems, ==, expected);
}

static void
listener_alone_is_enough(void)
{
    g_autoptr(DmConfig) config = good("listeners: [{id: lan, address: 127.0.0.1}]");
    const DmListenerConfig *listener = dm_config_listener(config, "");
    const DmMediaPoolConfig *pool = dm_config_media_pool(config, listener->media_pool);
    char text[DM_ADDRESS_TEXT_MAX];

    g_assert_cmpstr(dm_address_text(&listener->address, text), ==, "127.0.0.1:5060");
    g_assert_false(dm_address_is_set(&listener->advertised));
    g_assert_cmpstr(dm_address_host(&pool->address, text), ==, "127.0.0.1");
    g_assert_cmpuint(pool->port_max - pool->port_min, >, 1000);
    g_assert_cmpuint(config->system.workers, ==, 1);
    g_assert_true(dm_address_is_loopback(&config->admin.address));
    g_assert_cmpint(config->log.digits, ==, DM_DIGITS_MASKED);
    g_assert_cmpint(config->log.level, ==, DM_LOG_INFO);
}

static void
empty_file_is_a_configuration(void)
{
    g_autoptr(DmConfig) config = good("# nothing yet\ntrunks:\nroutes: # later\n");

    g_assert_cmpuint(config->trunks->len, ==, 0);
    g_assert_null(dm_config_listener(config, NULL));
    g_assert_null(dm_config_media_pool(config, NULL));
}

static void
minimal_trunk_has_sensible_habits(void)
{
    g_autoptr(DmConfig) config =
        good("trunks: [{id: x, role: carrier, endpoints: [{uri: 'sip.example.com:5062'}]}]");
    const DmTrunkConfig *trunk = dm_config_trunk(config, "x");
    const DmEndpointConfig *endpoint = trunk->endpoints->pdata[0];

    g_assert_cmpstr(trunk->name, ==, "x");
    g_assert_true(trunk->enabled && trunk->allow_inbound && trunk->allow_outbound);
    g_assert_cmpstr(endpoint->host, ==, "sip.example.com");
    g_assert_cmpuint(endpoint->port, ==, 5062);
    g_assert_cmpint(endpoint->transport, ==, DM_TRANSPORT_UDP);
    g_assert_true(endpoint->enabled);
    g_assert_cmpuint(trunk->media.codecs->len, ==, 2);
    g_assert_cmpuint(trunk->media.dtmf_pt, ==, 101);
    g_assert_cmpuint(trunk->sip.setup_ms, ==, 4000);
    g_assert_cmpuint(trunk->failover_codes->len, ==, 5);
    g_assert_cmpuint(GPOINTER_TO_UINT(trunk->failover_codes->pdata[4]), ==, 504);
    g_assert_true(trunk->identity.emit_pai);
    g_assert_false(trunk->identity.trusted);
    g_assert_cmpstr(trunk->numbering.international_prefix, ==, "00");
    g_assert_null(trunk->outbound_proxy);
    g_assert_cmpstr(trunk->registration.contact_user, ==, "");
}

static void
endpoints_are_written_in_many_ways(void)
{
    static const struct {
        const char *uri, *host;
        uint16_t port;
        DmTransport transport;
    } cases[] = {
        {"sip:carrier.example.com", "carrier.example.com", 0, DM_TRANSPORT_UDP},
        {"sip:192.0.2.1:5070;transport=tcp", "192.0.2.1", 5070, DM_TRANSPORT_TCP},
        {"sips:carrier.example.com", "carrier.example.com", 0, DM_TRANSPORT_TLS},
        {"SIP:[2001:db8::1]:5080;transport=TLS", "2001:db8::1", 5080, DM_TRANSPORT_TLS},
        {"2001:db8::1", "2001:db8::1", 0, DM_TRANSPORT_UDP},
        {"127.0.0.1:5060", "127.0.0.1", 5060, DM_TRANSPORT_UDP},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("trunks: [{id: x, role: pbx, endpoints: [{uri: '%s'}]}]", cases[i].uri);
        g_autoptr(DmConfig) config = good(text);
        const DmEndpointConfig *endpoint = dm_config_trunk(config, "x")->endpoints->pdata[0];
        g_assert_cmpstr(endpoint->host, ==, cases[i].host);
        g_assert_cmpuint(endpoint->port, ==, cases[i].port);
        g_assert_cmpint(endpoint->transport, ==, cases[i].transport);
    }
}

static void
endpoints_that_are_none_are_refused(void)
{
    static const char *const uris[] = {
        "sip:user@host",
        "host:0",
        "host:65536",
        "host:5060x",
        "sip:",
        "127.0.0.256",
        "[::1",
        "[host]:5060",
        "ho st",
        "host;lr",
        "host;transport=sctp",
        "sips:host;transport=udp",
        "tel:+4420",
        "a..b",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
        DmConfig *config;
        g_autofree char *text =
            g_strdup_printf("trunks: [{id: x, role: pbx, endpoints: [{uri: '%s'}]}]", uris[i]);
        g_autofree char *problems = read_document(text, &config);
        g_test_message("%s: %s", uris[i], problems);
        g_assert_true(g_str_has_prefix(problems, "t.yaml:1: /trunks/0/endpoints/0/uri: "));
    }
}

static void
every_problem_has_its_line(void)
{
    assert_problems(
        "listeners:\n"
        "  - id: lan\n"
        "    adress: 127.0.0.1\n"
        "trunks:\n"
        "  - id: pbx\n"
        "    role: pbxx\n"
        "    endpoints:\n"
        "      - uri: 'sip:me@10.0.0.1'\n"
        "    limits:\n"
        "      concurrent_in: many\n"
        "routes:\n"
        "  - id: out\n"
        "    match: {called: 44}\n"
        "    action: {trunks: [pbz]}\n",
        "t.yaml:3: /listeners/0/adress: there is no member 'adress' here (did you mean "
        "'address'?)\n"
        "t.yaml:2: /listeners/0/address: is missing\n"
        "t.yaml:6: /trunks/0/role: 'pbxx' is none of: carrier, pbx (did you mean 'pbx'?)\n"
        "t.yaml:8: /trunks/0/endpoints/0/uri: expected 'host:port', 'sip:host:port;transport=tcp' "
        "or "
        "'sips:host'\n"
        "t.yaml:10: /trunks/0/limits/concurrent_in: expected an integer, not a string\n"
        "t.yaml:13: /routes/0/match/called: expected a string, not an integer (put it in quotes)\n"
        "t.yaml:14: /routes/0/action/trunks/0: 'pbz' is not in trunks (did you mean 'pbx'?)\n");
}

static void
references_are_checked(void)
{
    assert_problems(
        "listeners: [{id: a, address: 127.0.0.1, media_pool: p}]\n"
        "media_pools: [{id: q, address: 127.0.0.1}]\n"
        "trunks: [{id: x, role: pbx, listener: b, media_pool: r, acl: [10.0.0.0/8]}]\n"
        "routes: [{id: r, match: {source_trunks: [y]}, action: {trunks: [x]}}]\n",
        "t.yaml:1: /listeners/0/media_pool: 'p' is not in media_pools (did you mean 'q'?)\n"
        "t.yaml:3: /trunks/0/listener: 'b' is not in listeners (did you mean 'a'?)\n"
        "t.yaml:3: /trunks/0/media_pool: 'r' is not in media_pools (did you mean 'q'?)\n"
        "t.yaml:4: /routes/0/match/source_trunks/0: 'y' is not in trunks (did you mean 'x'?)\n");
}

static void
same_ids_and_sockets_are_refused(void)
{
    assert_problems("listeners:\n"
                    "  - {id: a, address: 127.0.0.1}\n"
                    "  - {id: a, address: 127.0.0.1}\n"
                    "media_pools:\n"
                    "  - {id: p, address: 127.0.0.1, port_min: 2000, port_max: 3000}\n"
                    "  - {id: q, address: 127.0.0.1, port_min: 3000, port_max: 4000}\n",
                    "t.yaml:3: /listeners/1/id: another of the listeners has the same id\n"
                    "t.yaml:3: /listeners/1/port: listener 'a' has the same address and port\n"
                    "t.yaml:6: /media_pools/1/port_min: ports overlap with those of pool 'p'\n");
}

static void
addresses_peers_cannot_answer_to_need_another(void)
{
    g_autoptr(DmConfig) config =
        good("listeners: [{id: a, address: 0.0.0.0, advertised_address: 192.0.2.7, "
             "advertised_port: 5099}]\n"
             "media_pools: [{id: p, address: '::', advertised_address: '2001:db8::7'}]");
    char text[DM_ADDRESS_TEXT_MAX];

    g_assert_cmpstr(dm_address_text(&dm_config_listener(config, "a")->advertised, text),
                    ==,
                    "192.0.2.7:5099");
    assert_problems("listeners: [{id: a, address: 0.0.0.0}]",
                    "t.yaml:1: /listeners/0/advertised_address: is missing: peers cannot be told "
                    "to answer to every "
                    "address at once\n");
}

static void
trunk_parts_belong_together(void)
{
    assert_problems(
        "trunks:\n"
        "  - {id: a, role: carrier}\n"
        "  - {id: b, role: carrier, auth: {mode: digest}, acl: [10.0.0.0/33, 10.1.1.1]}\n"
        "  - {id: c, role: carrier, acl: [10.1.1.1], auth: {mode: register, user: u, password: "
        "p}}\n"
        "  - {id: d, role: carrier, acl: [10.1.1.1], identity: {screening: pilot}}\n"
        "  - {id: e, role: carrier, acl: [10.1.1.1], auth: {inbound_user: u}}\n"
        "  - {id: f, role: carrier, acl: [10.1.1.1], identity: {owned_numbers: ['4420']}}\n"
        "  - {id: g, role: carrier, acl: [10.1.1.1], failover_codes: [200]}\n"
        "  - {id: h, role: carrier, acl: [10.1.1.1], sip: {oversize: [tcp, compact]}}\n"
        "  - {id: i, role: carrier, acl: [10.1.1.1], sip: {optional_headers: [privacy]}}\n",
        "t.yaml:2: /trunks/0/endpoints: is missing: nothing says where the trunk is\n"
        "t.yaml:3: /trunks/1/acl/0: expected an address or a network like \"192.0.2.0/24\"\n"
        "t.yaml:4: /trunks/2/registration: 'registrar', 'domain' or an endpoint must be given\n"
        "t.yaml:5: /trunks/3/identity/pilot_number: is missing: 'screening' needs it\n"
        "t.yaml:6: /trunks/4/auth/inbound_password: is missing: 'inbound_user' needs it\n"
        "t.yaml:7: /trunks/5/identity/owned_numbers/0: expected a number or prefix in E.164 with "
        "'+', "
        "like \"+442079460\"\n"
        "t.yaml:8: /trunks/6/failover_codes/0: expected a final SIP status, 400 to 699\n"
        "t.yaml:9: /trunks/7/sip/oversize: 'tcp' can only be the last\n"
        "t.yaml:10: /trunks/8/sip/optional_headers/0: 'privacy' cannot be left out\n");
}

static void
hashes_stand_for_a_password(void)
{
#define MD5    "0123456789abcdef0123456789ABCDEF"
#define SHA256 MD5 MD5
    g_autoptr(DmConfig) config =
        good("trunks: [{id: x, role: pbx, auth: {mode: register_in, inbound_user: u, "
             "inbound_ha1: 'MD5:" MD5 " SHA-256:" SHA256 "'}}]");
    const DmTrunkConfig *trunk = dm_config_trunk(config, "x");

    g_test_summary("AUTH-2: HA1 by algorithm; what there is is offered, the best first");
    g_assert_cmpstr(trunk->auth.inbound_ha1[DM_DIGEST_HASH_MD5],
                    ==,
                    "0123456789abcdef0123456789abcdef");
    g_assert_null(trunk->auth.inbound_ha1[DM_DIGEST_HASH_SHA512_256]);
    g_assert_cmpuint(trunk->auth.inbound_algorithms->len, ==, 2);
    g_assert_cmpint(g_array_index(trunk->auth.inbound_algorithms, int, 0),
                    ==,
                    DM_DIGEST_HASH_SHA256);
    g_assert_cmpstr(trunk->auth.inbound_realm, ==, "demarc");
    g_assert_cmpstr(trunk->registration.aor_user, ==, "u");
    assert_problems(
        "trunks:\n"
        "  - {id: a, role: pbx, auth: {mode: register_in}}\n"
        "  - {id: b, role: pbx, auth: {mode: register_in, inbound_user: u, inbound_ha1: "
        "'MD5:12'}}\n"
        "  - {id: c, role: pbx, auth: {mode: register_in, inbound_user: u, inbound_password: p, "
        "inbound_ha1: 'MD5:" MD5 "'}}\n"
        "  - {id: d, role: pbx, auth: {mode: register_in, inbound_user: u, inbound_algorithms: "
        "[SHA-256], inbound_ha1: 'MD5:" MD5 "'}}\n",
        "t.yaml:2: /trunks/0/auth/inbound_user: is missing: 'mode' needs it\n"
        "t.yaml:3: /trunks/1/auth/inbound_ha1: expected \"SHA-256:\" with 64 hexadecimal digits, "
        "\"SHA-512-256:\" with 64 or \"MD5:\" with 32, each once\n"
        "t.yaml:4: /trunks/2/auth/inbound_ha1: 'inbound_password' is there too: give one of them\n"
        "t.yaml:5: /trunks/3/auth/inbound_ha1: it has no hash of 'inbound_algorithms'\n");
#undef MD5
#undef SHA256
}

static void
secrets_come_from_files_and_environment(void)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "demarc-test-secret-XXXXXX", NULL);
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, "from file\n", -1, NULL));
    g_setenv("DEMARC_TEST_SECRET", "from environment", TRUE);
    g_autofree char *text =
        g_strdup_printf("trunks:\n"
                        "  - id: x\n"
                        "    role: carrier\n"
                        "    endpoints: [{uri: 'h:5060'}]\n"
                        "    auth: {mode: digest, user: u, password: '${file:%s}', inbound_user: "
                        "v, inbound_password: '${env:DEMARC_TEST_SECRET}'}\n",
                        path);
    g_autoptr(DmConfig) config = good(text);
    const DmTrunkConfig *trunk = dm_config_trunk(config, "x");

    g_assert_cmpstr(trunk->auth.password, ==, "from file");
    g_assert_cmpstr(trunk->auth.inbound_password, ==, "from environment");
    g_assert_true(g_str_has_prefix(
        json_string_value(json_object_get(json_object_get(trunk->source, "auth"), "password")),
        "${file:"));
    g_unlink(path);
}

static void
missing_secrets_are_told_and_never_shown(void)
{
    g_unsetenv("DEMARC_TEST_NONE");
    assert_problems(
        "trunks:\n"
        "  - id: x\n"
        "    role: carrier\n"
        "    acl: [10.1.1.1]\n"
        "    auth:\n"
        "      user: u\n"
        "      password: ${env:DEMARC_TEST_NONE}\n"
        "      inbound_password: ${file:/nonexistent/secret}\n",
        "t.yaml:7: /trunks/0/auth/password: environment variable 'DEMARC_TEST_NONE' is not set\n"
        "t.yaml:8: /trunks/0/auth/inbound_password: cannot read '/nonexistent/secret': No such "
        "file or "
        "directory\n");
    assert_problems("trunks: [{id: x, role: pbx, acl: [10.1.1.1], auth: {password: '${vault:k}'}}]",
                    "t.yaml:1: /trunks/0/auth/password: expected \"${file:/absolute/path}\" or "
                    "\"${env:NAME}\"\n");
    assert_problems(
        "trunks: [{id: x, role: pbx, acl: [10.1.1.1], auth: {password: '${file:/dev/zero}'}}]",
        "t.yaml:1: /trunks/0/auth/password: cannot read '/dev/zero': Invalid argument\n");
}

static char *
contact_user_with(const char *password, bool *out_is_token)
{
    g_autofree char *text =
        g_strdup_printf("trunks: [{id: x, role: carrier, endpoints: [{uri: h}], auth: {mode: "
                        "register, user: u, password: %s}}]",
                        password);
    g_autoptr(DmConfig) config = good(text);
    const DmTrunkConfig *trunk = dm_config_trunk(config, "x");

    *out_is_token = trunk->registration.contact_is_token;
    g_assert_cmpstr(trunk->registration.aor_user, ==, "u");
    return g_strdup(trunk->registration.contact_user);
}

static void
contact_token_is_stable_and_secret(void)
{
    bool is_token;
    g_autofree char *first = contact_user_with("secret", &is_token);
    g_autofree char *again = contact_user_with("secret", &is_token);
    g_autofree char *other = contact_user_with("other", &is_token);

    g_test_summary("REG-1: the Contact of a registration is the same after a restart");
    g_assert_true(is_token);
    g_assert_cmpuint(strlen(first), ==, 24);
    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, !=, other);
}

static void
number_rules_are_checked(void)
{
    DmConfig *config;
    g_autofree char *problems = read_document("trunks:\n"
                                              "  - id: x\n"
                                              "    role: pbx\n"
                                              "    acl: [10.1.1.1]\n"
                                              "    numbering:\n"
                                              "      in_rules:\n"
                                              "        - {match: '(0[1-9', replace: '+44\\1'}\n"
                                              "        - {match: 'a)|(b'}\n"
                                              "        - {match: '0(.*)', prefix: '0'}\n"
                                              "        - {prefix: '0', replace: 'x'}\n"
                                              "        - {match: '0(.*)', replace: '\\x{'}\n",
                                              &config);
    g_auto(GStrv) lines = g_strsplit(problems, "\n", -1);
    static const char *const expected[] = {
        "t.yaml:7: /trunks/0/numbering/in_rules/0/match: not a regular expression: ",
        "t.yaml:8: /trunks/0/numbering/in_rules/1/match: not a regular expression: ",
        "t.yaml:9: /trunks/0/numbering/in_rules/2/prefix: not together with 'match'",
        "t.yaml:10: /trunks/0/numbering/in_rules/3/replace: needs 'match'",
        "t.yaml:11: /trunks/0/numbering/in_rules/4/replace: Error while parsing replacement text",
    };

    g_assert_cmpuint(g_strv_length(lines), ==, G_N_ELEMENTS(expected) + 1);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_true(g_str_has_prefix(lines[i], expected[i]));
    }
}

static void
routes_say_one_thing(void)
{
    assert_problems(
        "trunks: [{id: x, role: pbx, acl: [10.1.1.1]}]\n"
        "routes:\n"
        "  - {id: a, action: {}}\n"
        "  - {id: b, action: {trunks: [x], reject: {code: 403}}}\n"
        "  - {id: c, match: {called: '1', did: '2'}, action: {trunks: [x]}}\n"
        "  - {id: d, match: {called: 'abc'}, action: {trunks: [x]}}\n"
        "  - {id: e, match: {called_regex: '('}, action: {reject: {code: 200}}}\n",
        "t.yaml:3: /routes/0/action: either 'trunks' or 'reject' with a 'code' must be given\n"
        "t.yaml:4: /routes/1/action: 'trunks' and 'reject' exclude each other\n"
        "t.yaml:5: /routes/2/match: 'called', 'did' and 'called_regex' exclude each other\n"
        "t.yaml:6: /routes/3/match/called: expected digits, '*' or '#', with or without '+' in "
        "front\n"
        "t.yaml:7: /routes/4/action/reject/code: expected a final SIP status, 400 to 699\n");
}

static void
routes_are_sorted_by_order_and_id(void)
{
    g_autoptr(DmConfig) config =
        good("trunks: [{id: x, role: pbx, acl: [10.1.1.1]}]\n"
             "routes:\n"
             "  - {id: z, order: 5, match: {did: '+44 20-7946 (0000)'}, action: {trunks: [x]}}\n"
             "  - {id: b, action: {trunks: [x]}}\n"
             "  - {id: a, match: {called: '00'}, action: {reject: {code: 403, q850: 21}}}\n");
    const DmRoute *first = config->routes->pdata[0];
    const DmRoute *second = config->routes->pdata[1];

    g_assert_cmpstr(first->id, ==, "z");
    g_assert_cmpint(first->match.kind, ==, DM_CALLED_EXACT);
    g_assert_cmpstr(first->match.called, ==, "+442079460000");
    g_assert_cmpstr(second->id, ==, "a");
    g_assert_cmpuint(second->action.reject_code, ==, 403);
    g_assert_cmpint(((const DmRoute *)config->routes->pdata[2])->match.kind, ==, DM_CALLED_ANY);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/listener-alone", listener_alone_is_enough);
    g_test_add_func("/config/empty", empty_file_is_a_configuration);
    g_test_add_func("/config/minimal-trunk", minimal_trunk_has_sensible_habits);
    g_test_add_func("/config/endpoints", endpoints_are_written_in_many_ways);
    g_test_add_func("/config/endpoints-refused", endpoints_that_are_none_are_refused);
    g_test_add_func("/config/problems", every_problem_has_its_line);
    g_test_add_func("/config/references", references_are_checked);
    g_test_add_func("/config/duplicates", same_ids_and_sockets_are_refused);
    g_test_add_func("/config/advertised", addresses_peers_cannot_answer_to_need_another);
    g_test_add_func("/config/trunk-parts", trunk_parts_belong_together);
    g_test_add_func("/config/hashes", hashes_stand_for_a_password);
    g_test_add_func("/config/secrets", secrets_come_from_files_and_environment);
    g_test_add_func("/config/secrets-missing", missing_secrets_are_told_and_never_shown);
    g_test_add_func("/config/contact-token", contact_token_is_stable_and_secret);
    g_test_add_func("/config/number-rules", number_rules_are_checked);
    g_test_add_func("/config/routes", routes_say_one_thing);
    g_test_add_func("/config/route-order", routes_are_sorted_by_order_and_id);
    return g_test_run();
}
