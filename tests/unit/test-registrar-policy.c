/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "gateway/sip/registrar-policy.h"
#include "tests/lib/sip-gateway.h"

#define S INT64_C(1000000)

/* A trunk, its contacts and the next REGISTER. */
typedef struct {
    DmConfig *config;
    const DmTrunkConfig *trunk;
    DmRandom *random;
    DmBindings *bindings;
    int64_t now_us;
    DmRegisterRequest request;
} Fixture;

static void
set_up(Fixture *f)
{
    *f = (Fixture){
        .config = dm_sim_config("trunks: [{id: pbx, role: pbx, auth: {mode: register_in, "
                                "inbound_user: u, inbound_password: p}, "
                                "registration: {max_contacts: 3, max_expires: 1800}}]\n"),
        .random = dm_random_new_seeded(1),
        .now_us = 1000 * S,
    };
    f->trunk = dm_config_trunk(f->config, "pbx");
}

static void
tear_down(Fixture *f)
{
    dm_bindings_unref(f->bindings);
    dm_random_free(f->random);
    dm_config_unref(f->config);
}

static void
begin(Fixture *f, unsigned cseq)
{
    static char listener[] = "main";

    f->request = (DmRegisterRequest){
        .expires_s = -1,
        .call_id = "c",
        .cseq = cseq,
        .path = "",
        .user_agent = "",
        .way = {.listener = listener},
    };
    dm_address_parse(&f->request.way.source, "192.0.2.10", 5060);
}

static DmRegisterContact *
add(Fixture *f, const char *uri, int64_t expires_s)
{
    DmRegisterContact *contact = &f->request.contacts[f->request.n_contacts++];

    *contact = (DmRegisterContact){
        .uri = uri,
        .instance = "",
        .q = 1000,
        .expires_s = expires_s,
        .has_user = true,
    };
    return contact;
}

/* Decides, takes what comes of it over, and returns the status. */
static unsigned
decide(Fixture *f)
{
    DmRegisterVerdict verdict =
        dm_registrar_decide(&f->request, f->trunk, f->bindings, f->now_us, f->random);

    if (verdict.status == 200) {
        dm_bindings_unref(f->bindings);
        f->bindings = verdict.bindings;
    } else {
        g_assert_null(verdict.bindings);
    }
    return verdict.status;
}

static const DmBinding *
nth(const Fixture *f, guint i)
{
    g_assert_cmpuint(i, <, f->bindings->list->len);
    return f->bindings->list->pdata[i];
}

static unsigned
count(const Fixture *f)
{
    return f->bindings != NULL ? f->bindings->list->len : 0;
}

static void
test_bind_and_refresh(void)
{
    Fixture f;
    uint64_t id;

    g_test_summary("REG-5: a contact is bound, refreshed in its place, and over in its time");
    set_up(&f);
    begin(&f, 1);
    add(&f, "sip:pbx@192.0.2.10", 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    id = nth(&f, 0)->id;
    g_assert_cmpint(nth(&f, 0)->expires_us, ==, 1600 * S);
    f.now_us = 1500 * S;
    begin(&f, 2);
    add(&f, "sip:pbx@192.0.2.10:5070", 600); /* another */
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(count(&f), ==, 2);
    begin(&f, 3);
    add(&f, "sip:pbx@192.0.2.10", 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(count(&f), ==, 2);
    g_assert_cmpint(dm_bindings_find(f.bindings, id)->expires_us, ==, 2100 * S);
    g_assert_null(dm_registrar_expire(f.bindings, 2100 * S));
    tear_down(&f);
}

static void
test_expires(void)
{
    static const struct {
        int64_t contact, header;
        unsigned status, granted;
    } cases[] = {
        {-1, -1, 200, 1800}, /* nothing said: ours */
        {-1, 120, 200, 120}, /* the header */
        {90, 120, 200, 90},  /* the parameter before it */
        {86400, -1, 200, 1800},
        {59, -1, 423, 0},
        {60, -1, 200, 60},
    };
    Fixture f;

    g_test_summary("REG-5: Expires within bounds; too little is refused with 423");
    set_up(&f);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        begin(&f, i + 1);
        f.request.expires_s = cases[i].header;
        add(&f, "sip:a@192.0.2.10", cases[i].contact);
        g_assert_cmpuint(decide(&f), ==, cases[i].status);
        if (cases[i].status == 200) {
            g_assert_cmpuint(nth(&f, 0)->granted_s, ==, cases[i].granted);
        }
    }
    tear_down(&f);
}

static void
test_remove(void)
{
    Fixture f;

    g_test_summary("REG-5: Expires 0 takes one contact back, * takes all, and says nothing else");
    set_up(&f);
    begin(&f, 1);
    add(&f, "sip:a@192.0.2.10", 600);
    add(&f, "sip:b@192.0.2.10", 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    begin(&f, 2);
    add(&f, "sip:a@192.0.2.10", 0);
    add(&f, "sip:never@192.0.2.10", 0);
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(count(&f), ==, 1);
    begin(&f, 3);
    f.request.is_star = true;
    g_assert_cmpuint(decide(&f), ==, 400); /* no Expires: 0 */
    f.request.expires_s = 0;
    add(&f, "sip:b@192.0.2.10", 0);
    g_assert_cmpuint(decide(&f), ==, 400); /* not alone */
    f.request.n_contacts = 0;
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(count(&f), ==, 0);
    tear_down(&f);
}

static void
test_order(void)
{
    Fixture f;

    g_test_summary("REG-5: a REGISTER that was overtaken changes nothing, not even in part");
    set_up(&f);
    begin(&f, 5);
    add(&f, "sip:a@192.0.2.10", 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    begin(&f, 4);
    add(&f, "sip:new@192.0.2.10", 600);
    add(&f, "sip:a@192.0.2.10", 0);
    g_assert_cmpuint(decide(&f), ==, 500);
    begin(&f, 5);
    f.request.is_star = true;
    f.request.expires_s = 0;
    g_assert_cmpuint(decide(&f), ==, 500);
    g_assert_cmpuint(count(&f), ==, 1);
    begin(&f, 1);
    f.request.call_id = "after a restart of the PBX";
    add(&f, "sip:a@192.0.2.10", 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(nth(&f, 0)->cseq, ==, 1);
    tear_down(&f);
}

static void
test_fetch(void)
{
    Fixture f;
    DmRegisterVerdict verdict;

    g_test_summary("REG-5: a REGISTER without Contact only asks");
    set_up(&f);
    begin(&f, 1);
    add(&f, "sip:a@192.0.2.10", 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    begin(&f, 1);
    verdict = dm_registrar_decide(&f.request, f.trunk, f.bindings, f.now_us, f.random);
    g_assert_cmpuint(verdict.status, ==, 200);
    g_assert_false(verdict.changed);
    g_assert_cmpuint(verdict.bindings->list->len, ==, 1);
    dm_bindings_unref(verdict.bindings);
    tear_down(&f);
}

static void
test_bounded(void)
{
    Fixture f;

    g_test_summary("REG-5: one contact too many takes the oldest's place; a REGISTER with too many "
                   "is refused");
    set_up(&f);
    for (unsigned i = 0; i < 50; i++) {
        g_autofree char *uri = g_strdup_printf("sip:pbx@192.0.2.10:%u", 6000 + i);

        f.now_us += S;
        begin(&f, i + 1);
        add(&f, uri, 600);
        g_assert_cmpuint(decide(&f), ==, 200);
        g_assert_cmpuint(count(&f), <=, 3);
    }
    g_assert_cmpstr(nth(&f, 0)->uri, ==, "sip:pbx@192.0.2.10:6049");
    g_assert_cmpstr(nth(&f, 2)->uri, ==, "sip:pbx@192.0.2.10:6047");
    begin(&f, 100);
    for (unsigned i = 0; i < 4; i++) {
        add(&f, "sip:x@192.0.2.10", 600);
    }
    g_assert_cmpuint(decide(&f), ==, 403);
    g_assert_cmpuint(count(&f), ==, 3);
    tear_down(&f);
}

static void
add_flow(Fixture *f, const char *uri, unsigned reg_id, int64_t expires_s)
{
    DmRegisterContact *contact = add(f, uri, expires_s);

    f->request.knows_outbound = true;
    contact->instance = "urn:uuid:1";
    contact->reg_id = reg_id;
}

static void
test_outbound(void)
{
    Fixture f;

    g_test_summary("REG-4 REG-5: flows of one device are told by instance and reg-id (RFC 5626); "
                   "behind a proxy that keeps none: 439");
    set_up(&f);
    begin(&f, 1);
    add_flow(&f, "sip:a@192.0.2.10:1111", 1, 600);
    f.request.way.transport = DM_TRANSPORT_TCP;
    f.request.way.connection = 7;
    g_assert_cmpuint(decide(&f), ==, 200);
    begin(&f, 2);
    add_flow(&f, "sip:a@192.0.2.10:2222", 2, 600);
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(count(&f), ==, 2);
    begin(&f, 3);
    add_flow(&f, "sip:a@192.0.2.10:3333", 2, 600); /* the second flow, made again */
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_cmpuint(count(&f), ==, 2);
    begin(&f, 4);
    add_flow(&f, "sip:a@192.0.2.10:1111", 1, 600);
    f.request.has_hops = true;
    g_assert_cmpuint(decide(&f), ==, 439);
    tear_down(&f);
}

static void
test_stream_ends(void)
{
    Fixture f;
    DmRegisterContact *plain;
    g_autoptr(DmBindings) left = NULL;
    g_autoptr(DmBindings) same = NULL;

    g_test_summary("REG-5: with its stream goes a flow of its own; a contact that can be connected "
                   "to stays");
    set_up(&f);
    begin(&f, 1);
    f.request.way.transport = DM_TRANSPORT_TCP;
    f.request.way.connection = 7;
    add_flow(&f, "sip:flow@192.0.2.10", 1, 600);
    plain = add(&f, "sip:plain@192.0.2.10:5060;transport=tcp", 600);
    dm_address_parse(&plain->address, "192.0.2.10", 5060);
    plain = add(&f, "sip:nat@10.0.0.1:5060;transport=tcp", 600);
    dm_address_parse(&plain->address, "10.0.0.1", 5060);
    g_assert_cmpuint(decide(&f), ==, 200);
    same = dm_registrar_drop_stream(f.bindings, 8);
    g_assert_true(same == f.bindings);
    left = dm_registrar_drop_stream(f.bindings, 7);
    g_assert_cmpuint(left->list->len, ==, 1);
    g_assert_cmpstr(((DmBinding *)left->list->pdata[0])->uri,
                    ==,
                    "sip:plain@192.0.2.10:5060;transport=tcp");
    g_assert_cmpuint(((DmBinding *)left->list->pdata[0])->connection, ==, 0);
    tear_down(&f);
}

static void
test_gin(void)
{
    Fixture f;
    DmRegisterContact *contact;

    g_test_summary("REG-5: a bulk contact has no user and is asked for by Require: gin (RFC 6140)");
    set_up(&f);
    begin(&f, 1);
    contact = add(&f, "sip:192.0.2.10;bnc", 600);
    contact->is_bulk = true;
    contact->has_user = false;
    g_assert_cmpuint(decide(&f), ==, 400);
    f.request.wants_gin = true;
    g_assert_cmpuint(decide(&f), ==, 200);
    g_assert_true(nth(&f, 0)->is_gin);
    begin(&f, 2);
    f.request.wants_gin = true;
    contact = add(&f, "sip:u@192.0.2.10;bnc", 600);
    contact->is_bulk = true;
    g_assert_cmpuint(decide(&f), ==, 400);
    tear_down(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/registrar-policy/bind-and-refresh", test_bind_and_refresh);
    g_test_add_func("/registrar-policy/expires", test_expires);
    g_test_add_func("/registrar-policy/remove", test_remove);
    g_test_add_func("/registrar-policy/order", test_order);
    g_test_add_func("/registrar-policy/fetch", test_fetch);
    g_test_add_func("/registrar-policy/bounded", test_bounded);
    g_test_add_func("/registrar-policy/outbound", test_outbound);
    g_test_add_func("/registrar-policy/stream-ends", test_stream_ends);
    g_test_add_func("/registrar-policy/gin", test_gin);
    return g_test_run();
}
