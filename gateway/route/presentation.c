/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route/presentation.h"

#include <string.h>

#include "gateway/route/number.h"

/* Whether @name is among the ";"-separated @values. */
static bool
has_value(const char *values, const char *name)
{
    size_t len = strlen(name);

    while (*values != '\0') {
        size_t n = strcspn(values, ";");
        if (n == len && strncmp(values, name, n) == 0) {
            return true;
        }
        values += n + (values[n] == ';');
    }
    return false;
}

static bool
is_anonymous(const DmIdentity *identity)
{
    return g_ascii_strcasecmp(identity->from_user, "anonymous") == 0 ||
           g_ascii_strcasecmp(identity->from_host, "anonymous.invalid") == 0;
}

/* "id" and "user" hide the number (RFC 3323, 4.2; RFC 3325, 9.3), so does the older draft's "full".
 * "none" asks for nothing, but does not bring back what an anonymous From has already left out. */
static bool
is_restricted(const DmIdentity *identity)
{
    if (is_anonymous(identity)) {
        return true;
    }
    if (has_value(identity->privacy, "none")) {
        return false;
    }
    return has_value(identity->privacy, "id") || has_value(identity->privacy, "user") ||
           has_value(identity->rpid_privacy, "full") || has_value(identity->rpid_privacy, "uri");
}

/* The user part the source trunk's configuration says to believe; From where that header is absent.
 */
static const char *
believed_user(const DmTrunkConfig *source, const DmIdentity *identity)
{
    DmCallerHeader header = source != NULL ? source->identity.caller_source : DM_CALLER_FROM;
    const char *users[] = {
        [DM_CALLER_FROM] = identity->from_user,
        [DM_CALLER_PAI] = identity->pai_user,
        [DM_CALLER_PPI] = identity->ppi_user,
        [DM_CALLER_RPID] = identity->rpid_user,
    };

    if (*users[header] != '\0' && header != DM_CALLER_FROM) {
        return users[header];
    }
    return is_anonymous(identity) ? "" : identity->from_user;
}

static char *
normalise(const DmTrunkConfig *source, const char *text, const char **out_rule)
{
    return source != NULL ? dm_number_normalise(source, text, out_rule) : dm_number_clean(text);
}

void
dm_caller_init(DmCaller *caller, const DmTrunkConfig *source, const DmIdentity *identity)
{
    const char *user = believed_user(source, identity);
    bool from_pai = user == identity->pai_user && *identity->pai_display != '\0';

    *caller = (DmCaller){.restricted = is_restricted(identity)};
    caller->number = normalise(source, user, &caller->rule);
    caller->display = g_strdup(from_pai                 ? identity->pai_display
                               : is_anonymous(identity) ? ""
                                                        : identity->from_display);
    caller->diversion = normalise(source, identity->diversion_user, NULL);
    caller->reason = g_strdup(identity->diversion_reason);
    caller->privacy = g_strdup(identity->privacy);
}

void
dm_caller_clear(DmCaller *caller)
{
    g_free(caller->number);
    g_free(caller->display);
    g_free(caller->diversion);
    g_free(caller->reason);
    g_free(caller->privacy);
}

static bool
is_number(const char *text)
{
    const char *digits = *text == '+' ? text + 1 : text;
    return *digits != '\0' && strspn(digits, "0123456789") == strlen(digits);
}

/* Whether the trunk may present @number; anything that is a number when neither its configuration
 * nor its registrar says anything. */
static bool
is_owned(const DmTrunkConfig *trunk, const char *number, DmGranted granted)
{
    const GPtrArray *owned = trunk->identity.owned_numbers;

    for (guint i = 0; i < owned->len; i++) {
        if (g_str_has_prefix(number, owned->pdata[i])) {
            return true;
        }
    }
    return granted == DM_GRANTED_YES ||
           (owned->len == 0 && granted == DM_GRANTED_UNSAID && is_number(number));
}

static void
take(char **text, char *value)
{
    g_free(*text);
    *text = value;
}

/* P-Asserted-Identity and its kin vouch for a number: only for one that is, and with privacy only
 * inside the trust domain (RFC 3325, 7). */
static void
assert_identity(DmRouteTarget *target, const char *number, const char *display, bool restricted)
{
    const DmTrunkConfig *trunk = target->trunk;
    DmIdentity *to = &target->identity;

    if (!is_number(number) || (restricted && !trunk->identity.trusted)) {
        return;
    }
    if (trunk->identity.emit_pai) {
        take(&to->pai_user, g_strdup(number));
        take(&to->pai_display, g_strdup(display));
    }
    if (trunk->identity.emit_ppi) {
        take(&to->ppi_user, g_strdup(number));
    }
    if (trunk->identity.emit_rpid) {
        take(&to->rpid_user, g_strdup(number));
        take(&to->rpid_privacy, g_strdup(restricted ? "full" : "off"));
    }
}

/* What the peer is asked for: as received, and "id" where only an anonymous From said so. */
static const char *
privacy_for(const DmCaller *caller)
{
    if (!caller->restricted) {
        return has_value(caller->privacy, "none") ? "none" : "";
    }
    return *caller->privacy == '\0' || has_value(caller->privacy, "none") ? "id" : caller->privacy;
}

DmCallerVerdict
dm_caller_present(const DmCaller *caller, DmGranted granted, DmRouteTarget *target)
{
    const DmTrunkConfig *trunk = target->trunk;
    DmIdentity *to = &target->identity;
    bool owned = is_owned(trunk, caller->number, granted);

    if (!owned && trunk->identity.screening == DM_SCREEN_REJECT) {
        return DM_CALLER_REFUSED;
    }
    bool pilot = !owned && trunk->identity.screening == DM_SCREEN_PILOT;
    g_autofree char *number =
        dm_number_for_trunk(trunk,
                            pilot ? trunk->identity.pilot_number : caller->number,
                            false,
                            NULL);
    const char *display = trunk->identity.display_name ? caller->display : "";

    target->anonymous = caller->restricted || *number == '\0';
    take(&to->from_user, g_strdup(target->anonymous ? "anonymous" : number));
    take(&to->from_display, g_strdup(target->anonymous ? "Anonymous" : display));
    take(&to->privacy, g_strdup(privacy_for(caller)));
    assert_identity(target, number, display, caller->restricted);
    take(&to->diversion_user, dm_number_for_trunk(trunk, caller->diversion, false, NULL));
    take(&to->diversion_reason, g_strdup(caller->reason));
    return pilot ? DM_CALLER_PILOT : DM_CALLER_SHOWN;
}
