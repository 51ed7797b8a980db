/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/identity.h"
#include "tests/lib/sip-text.h"

static DmSipMessage *
invite(const char *uri, const char *from, const char *more)
{
    g_autofree char *text = g_strdup_printf("INVITE %s SIP/2.0\r\n"
                                            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
                                            "From: %s;tag=f\r\n"
                                            "To: <sip:+442079460000@gw.example;user=phone>\r\n"
                                            "Call-ID: c\r\nCSeq: 1 INVITE\r\n"
                                            "%sContent-Length: 0\r\n\r\n",
                                            uri,
                                            from,
                                            more);

    return sip_text_parse(text);
}

static void
read_invite(DmIdentity *out, const char *uri, const char *from, const char *more)
{
    g_autoptr(DmSipMessage) request = invite(uri, from, more);

    dm_identity_read(request, out);
}

static void
test_read(void)
{
    DmIdentity id;

    g_test_summary("ID-1: every header that names a caller is read");
    read_invite(
        &id,
        "sip:%2B442079460000;phone-context=x@gw.example;user=phone",
        "\"Ann \\\"O\\\" Hara\" <sip:1001@pbx.example>",
        "P-Asserted-Identity: \"Reception, main\" <sip:+44100@pbx.example>, <tel:+44200>\r\n"
        "P-Preferred-Identity: <tel:+44300;ext=5>\r\n"
        "Remote-Party-ID: <sip:1001@pbx.example>;party=calling;privacy=full\r\n"
        "Privacy: ID; User\r\n"
        "Diversion: <sip:+44400@pbx.example>;reason=user-busy\r\n");
    g_assert_cmpstr(id.ruri_user, ==, "+442079460000");
    g_assert_cmpstr(id.ruri_host, ==, "gw.example");
    g_assert_cmpstr(id.to_user, ==, "+442079460000");
    g_assert_cmpstr(id.from_user, ==, "1001");
    g_assert_cmpstr(id.from_display, ==, "Ann \"O\" Hara");
    g_assert_cmpstr(id.from_host, ==, "pbx.example");
    g_assert_cmpstr(id.pai_user, ==, "+44100");
    g_assert_cmpstr(id.pai_display, ==, "Reception, main");
    g_assert_cmpstr(id.ppi_user, ==, "+44300");
    g_assert_cmpstr(id.rpid_user, ==, "1001");
    g_assert_cmpstr(id.rpid_privacy, ==, "full");
    g_assert_cmpstr(id.privacy, ==, "id;user");
    g_assert_cmpstr(id.diversion_user, ==, "+44400");
    g_assert_cmpstr(id.diversion_reason, ==, "user-busy");
    dm_identity_clear(&id);
}

static void
test_absent(void)
{
    DmIdentity id;

    g_test_summary("ID-1: what is absent is empty text");
    read_invite(&id, "sip:gw.example", "<sip:pbx.example>", "");
    g_assert_cmpstr(id.ruri_user, ==, "");
    g_assert_cmpstr(id.from_user, ==, "");
    g_assert_cmpstr(id.from_display, ==, "");
    g_assert_cmpstr(id.pai_user, ==, "");
    g_assert_cmpstr(id.privacy, ==, "");
    dm_identity_clear(&id);
}

static void
test_hostile(void)
{
    g_autofree char *long_name = g_strnfill(4000, 'x');
    g_autofree char *from = g_strdup_printf("\"%s\" <sip:a%%00b%%0D%%0AX@pbx.example>", long_name);
    DmIdentity id;

    g_test_summary("SEC-5: escaped line breaks, NULs and endless names do not survive reading");
    read_invite(&id, "sip:1@gw.example", from, "P-Asserted-Identity: \"unclosed <sip:\r\n");
    g_assert_cmpuint(strlen(id.from_display), ==, DM_IDENTITY_MAX);
    g_assert_cmpstr(id.from_user, ==, "abX");
    g_assert_cmpstr(id.pai_user, ==, "");
    dm_identity_clear(&id);
}

/* --- writing --- */

static DmRouteTarget
target_for(DmTrunkConfig *trunk)
{
    DmRouteTarget target = {.trunk = trunk};

    dm_identity_init(&target.identity);
    return target;
}

static void
put(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

static char *
write_all(const DmRouteTarget *target)
{
    g_autoptr(DmSipMessage) request = invite("sip:1@gw.example", "<sip:2@gw.example>", "");
    g_autoptr(GString) from = g_string_new("From: ");
    g_autofree char *text = NULL;

    dm_identity_write(request, target, "carrier.example");
    dm_identity_append_from(from, target, "carrier.example");
    text = sip_text_print(request);
    return g_strdup_printf("%s%s", text, from->str);
}

static void
test_write(void)
{
    DmTrunkConfig trunk = {.sip = {.user_phone = true}, .identity = {.display_name = true}};
    DmRouteTarget target = target_for(&trunk);
    g_autofree char *text = NULL;

    g_test_summary("ID-1: what the route decided is written with the trunk's host");
    put(&target.identity.from_user, "+44100");
    put(&target.identity.from_display, "Ann");
    put(&target.identity.pai_user, "+44200");
    put(&target.identity.pai_display, "Main");
    put(&target.identity.diversion_user, "+44400");
    put(&target.identity.diversion_reason, "made-up");
    text = write_all(&target);
    sip_text_assert_has(text, "From: \"Ann\" <sip:+44100@carrier.example;user=phone>");
    sip_text_assert_has(text,
                        "P-Asserted-Identity: \"Main\" <sip:+44200@carrier.example;user=phone>");
    sip_text_assert_has(text, "Diversion: <sip:+44400@carrier.example>;reason=unknown");
    sip_text_assert_lacks(text, "Privacy");
    sip_text_assert_lacks(text, "Remote-Party-ID");
    dm_identity_clear(&target.identity);
}

static void
test_withheld(void)
{
    DmTrunkConfig trunk = {.identity = {.display_name = true}};
    DmRouteTarget target = target_for(&trunk);
    g_autofree char *text = NULL, *trusted = NULL;

    g_test_summary("ID-2: a withheld number is named to a trusted trunk only");
    target.anonymous = true;
    put(&target.identity.from_user, "anonymous");
    put(&target.identity.privacy, "id");
    put(&target.identity.pai_user, "+44200");
    put(&target.identity.diversion_user, "+44400");
    text = write_all(&target);
    sip_text_assert_has(text, "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>");
    sip_text_assert_has(text, "Privacy: id\r\n");
    sip_text_assert_lacks(text, "+44200");
    sip_text_assert_lacks(text, "+44400");
    trunk.identity.trusted = true;
    trusted = write_all(&target);
    sip_text_assert_has(trusted, "P-Asserted-Identity: <sip:+44200@carrier.example>");
    sip_text_assert_has(trusted, "Privacy: id\r\n");
    dm_identity_clear(&target.identity);
}

static void
test_escapes(void)
{
    DmTrunkConfig trunk = {.identity = {.display_name = true}};
    DmRouteTarget target = target_for(&trunk);
    g_autofree char *text = NULL;

    g_test_summary("SEC-5: quotes, brackets and line breaks are escaped or dropped on the way out");
    put(&target.identity.from_user, "1>;tag=x\r\n");
    put(&target.identity.from_display, "a\"b\\\r\nX: y");
    text = write_all(&target);
    sip_text_assert_has(text, "From: \"a\\\"b\\\\X: y\" <sip:1%3E;tag=x@carrier.example>");
    put(&target.identity.privacy, "id\r\nX: y");
    g_free(g_steal_pointer(&text));
    text = write_all(&target);
    sip_text_assert_lacks(text, "X: y\r\n");
    dm_identity_clear(&target.identity);
}

static void
test_ipv6(void)
{
    g_autoptr(GString) uri = g_string_new(NULL);

    g_test_summary("an IPv6 host gets its brackets once");
    dm_identity_append_uri(uri, "1", "2001:db8::1", 5070, false);
    g_string_append_c(uri, ' ');
    dm_identity_append_uri(uri, "", "[2001:db8::1]", 0, true);
    g_assert_cmpstr(uri->str, ==, "sip:1@[2001:db8::1]:5070 sip:[2001:db8::1]");
}

static void
test_diversion_modes(void)
{
    static const struct {
        DmDiversionMode mode;
        bool diversion, history;
    } cases[] = {
        {DM_DIVERSION_HEADER, true, false},
        {DM_DIVERSION_HISTORY, false, true},
        {DM_DIVERSION_BOTH, true, true},
        {DM_DIVERSION_OFF, false, false},
    };

    g_test_summary("SIG-20: a call that was sent on says so as its trunk wants it, with the cause "
                   "of RFC 4458, and names nobody's host but the trunk's");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmTrunkConfig trunk = {.identity = {.diversion_mode = cases[i].mode}};
        DmRouteTarget target = target_for(&trunk);
        g_autofree char *text = NULL;

        put(&target.identity.ruri_user, "+44200");
        put(&target.identity.diversion_user, "+44400");
        put(&target.identity.diversion_reason, "user-busy");
        text = write_all(&target);
        g_assert_cmpint(
            strstr(text, "\r\nDiversion: <sip:+44400@carrier.example>;reason=user-busy\r\n") !=
                NULL,
            ==,
            cases[i].diversion);
        g_assert_cmpint(strstr(text,
                               "\r\nHistory-Info: <sip:+44400@carrier.example>;index=1, "
                               "<sip:+44200@carrier.example;cause=486>;index=1.1;mp=1\r\n") != NULL,
                        ==,
                        cases[i].history);
        dm_identity_clear(&target.identity);
    }
}

static void
test_history(void)
{
    static const struct {
        const char *headers, *user, *reason;
    } cases[] = {
        {"History-Info: <sip:+441@h>;index=1, <sip:+442@h;cause=486>;index=1.1;mp=1\r\n",
         "+441",
         "user-busy"},
        {"History-Info: <sip:+441@h>;index=1\r\n"
         "History-Info: <sip:+442@h;cause=302>;index=1.1, \"A, B\" "
         "<sip:+443@h;cause=408>;index=2\r\n",
         "+442",
         "no-answer"},
        {"History-Info: <sip:+441@h?Reason=SIP%3Bcause%3D480>;index=1, <sip:+442@h>;index=1.1\r\n",
         "+441",
         "deflection"},
        {"History-Info: <sip:+441@h?Privacy=history>;index=1, <sip:+442@h;cause=302>;index=1.1\r\n",
         "",
         ""},
        {"History-Info: <sip:+441@h>;index=1\r\n", "", ""},
        {"History-Info: <sip:+441@h>;index=1, <sip:+442@h;cause=302>;index=1.1\r\n"
         "Diversion: <sip:+447@h>;reason=no-answer\r\n",
         "+447",
         "no-answer"},
        {"History-Info: ,,<>, \"\r\n", "", ""},
    };

    g_test_summary("ID-4: who sent the call on is read from History-Info as from Diversion "
                   "(RFC 7544); who wants to be kept secret is");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(
            "INVITE sip:+449@gw SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
            "From: <sip:1@h>;tag=a\r\nTo: <sip:+449@gw>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
            "%sContent-Length: 0\r\n\r\n",
            cases[i].headers);
        g_autoptr(DmSipMessage) request = sip_text_parse(text);
        DmIdentity identity;

        dm_identity_read(request, &identity);
        g_assert_cmpstr(identity.diversion_user, ==, cases[i].user);
        g_assert_cmpstr(identity.diversion_reason, ==, cases[i].reason);
        dm_identity_clear(&identity);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/identity/read", test_read);
    g_test_add_func("/identity/absent", test_absent);
    g_test_add_func("/identity/hostile", test_hostile);
    g_test_add_func("/identity/write", test_write);
    g_test_add_func("/identity/withheld", test_withheld);
    g_test_add_func("/identity/escapes", test_escapes);
    g_test_add_func("/identity/ipv6", test_ipv6);
    g_test_add_func("/identity/history", test_history);
    g_test_add_func("/identity/diversion-modes", test_diversion_modes);
    return g_test_run();
}
