/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fax/gateway.h"

#include <spandsp.h>
#include <spandsp/expose.h>
#include <string.h>

#include "media/fax/ifp.h"
#include "media/fax/progress.h"
#include "media/udptl/stream.h"

/* Samples given to SpanDSP at a time. */
#define STEP 160

/* An indicator is sent so often at most, whatever the library asks for. */
#define MAX_REPEATS 4

#define V29_BPS    9600
#define V27TER_BPS 4800

struct DmFaxGateway {
    t38_gateway_state_t *modem;
    unsigned version;
    DmFaxSendFunc send;
    void *user_data;
    DmUdptlReceiver receiver;
    DmUdptlSender sender;
    DmFaxProgress progress; /* side A is the modem's */
    modem_connect_tones_tx_state_t *tone;
    int tone_now; /* DmIfpIndicator that is being played; DM_IFP_NO_SIGNAL: none */
};

/*
 * Toward T.38
 */

static int
on_ifp_made(t38_core_state_t *core, void *user_data, const uint8_t *ifp, int len, int count)
{
    DmFaxGateway *gateway = user_data;
    uint8_t bytes[DM_UDPTL_DATAGRAM_MAX];
    size_t n = len > 0 ? dm_udptl_send(&gateway->sender, ifp, (size_t)len, bytes) : 0;

    dm_fax_progress_take(&gateway->progress, DM_SIDE_A, ifp, (size_t)MAX(len, 0), gateway->version);
    for (int i = 0; n > 0 && i < CLAMP(count, 1, MAX_REPEATS); i++) {
        gateway->send(bytes, n, gateway->user_data);
    }
    return 0;
}

/*
 * Making one
 */

static int
modems_up_to(uint32_t bit_rate)
{
    int modems = T30_SUPPORT_V27TER;

    if (bit_rate > V27TER_BPS) {
        modems |= T30_SUPPORT_V29;
    }
    if (bit_rate > V29_BPS) {
        modems |= T30_SUPPORT_V17;
    }
    return modems;
}

/* The library would write to stderr. */
static void
silence(logging_state_t *log)
{
    span_log_set_level(log, SPAN_LOG_NONE);
    span_log_set_message_handler(log, NULL);
    span_log_set_error_handler(log, NULL);
}

static void
configure(DmFaxGateway *gateway, const DmT38 *t38)
{
    t38_core_state_t *core = t38_gateway_get_t38_core_state(gateway->modem);

    silence(t38_gateway_get_logging_state(gateway->modem));
    silence(t38_core_get_logging_state(core));
    t38_set_t38_version(core, t38->version);
    t38_set_data_rate_management_method(core, T38_DATA_RATE_MANAGEMENT_TRANSFERRED_TCF);
    t38_set_fill_bit_removal(core, t38->fill_bit_removal);
    t38_gateway_set_fill_bit_removal(gateway->modem, t38->fill_bit_removal);
    t38_gateway_set_supported_modems(gateway->modem, modems_up_to(t38->max_bit_rate));
    t38_gateway_set_ecm_capability(gateway->modem, TRUE);
    t38_gateway_set_transmit_on_idle(gateway->modem, TRUE);
}

DmFaxGateway *
dm_fax_gateway_new(const DmT38 *t38, DmFaxSendFunc send, void *user_data)
{
    g_autoptr(DmFaxGateway) gateway = g_new0(DmFaxGateway, 1);

    gateway->send = send;
    gateway->user_data = user_data;
    gateway->version = t38->version;
    dm_udptl_sender_init(&gateway->sender,
                         t38->ec == DM_T38_NO_CORRECTION ? 0 : DM_UDPTL_MAX_DEPTH,
                         t38->max_datagram);
    gateway->tone = modem_connect_tones_tx_init(NULL, MODEM_CONNECT_TONES_FAX_CNG);
    gateway->modem = t38_gateway_init(NULL, on_ifp_made, gateway);
    if (gateway->modem == NULL || gateway->tone == NULL) {
        return NULL;
    }
    configure(gateway, t38);
    return g_steal_pointer(&gateway);
}

void
dm_fax_gateway_free(DmFaxGateway *gateway)
{
    if (gateway == NULL) {
        return;
    }
    if (gateway->modem != NULL) {
        t38_gateway_free(gateway->modem);
    }
    if (gateway->tone != NULL) {
        modem_connect_tones_tx_free(gateway->tone);
    }
    g_free(gateway);
}

/*
 * CNG and CED for the modem
 *
 * They are made here, because the library plays each of them to its end, 3.5 and 3 s, before
 * anything that has come behind it. A machine that begins anew with T.38 calls with CNG while the
 * other answers already: what it says would be late by seconds, and both would speak at once.
 */

static void
begin_tone(DmFaxGateway *gateway, int indicator)
{
    if (gateway->tone_now != indicator) {
        gateway->tone_now = indicator;
        modem_connect_tones_tx_init(gateway->tone,
                                    indicator == DM_IFP_CNG ? MODEM_CONNECT_TONES_FAX_CNG
                                                            : MODEM_CONNECT_TONES_FAX_CED);
    }
}

/* Returns whether the library is not to hear of @ifp. A tone may be over where it was noticed
 * before it is here: silence does not end it. */
static bool
take_tone(DmFaxGateway *gateway, const uint8_t *ifp)
{
    int indicator = dm_ifp_indicator(ifp);

    if (indicator == DM_IFP_CNG || indicator == DM_IFP_CED) {
        begin_tone(gateway, indicator);
        return true;
    }
    if (indicator != DM_IFP_NO_SIGNAL) {
        gateway->tone_now = DM_IFP_NO_SIGNAL;
    }
    return false;
}

/* In place of the library's silence. */
static void
play_tone(DmFaxGateway *gateway, int16_t *samples, size_t n)
{
    int made = modem_connect_tones_tx(gateway->tone, samples, (int)n);

    if (made < (int)n) {
        gateway->tone_now = DM_IFP_NO_SIGNAL;
    }
}

/*
 * Running
 */

void
dm_fax_gateway_hear(DmFaxGateway *gateway, const int16_t *samples, size_t n)
{
    int16_t copy[STEP]; /* the library writes into what it is given */

    for (size_t at = 0; at < n; at += STEP) {
        size_t n_now = MIN(n - at, STEP);

        memcpy(copy, samples + at, n_now * sizeof *copy);
        t38_gateway_rx(gateway->modem, copy, (int)n_now);
    }
}

void
dm_fax_gateway_miss(DmFaxGateway *gateway, size_t n)
{
    for (size_t at = 0; at < n; at += STEP) {
        t38_gateway_rx_fillin(gateway->modem, (int)MIN(n - at, STEP));
    }
}

void
dm_fax_gateway_speak(DmFaxGateway *gateway, int16_t *samples, size_t n)
{
    size_t at = 0;

    while (at < n) {
        int made = t38_gateway_tx(gateway->modem, samples + at, (int)MIN(n - at, STEP));

        if (made <= 0) {
            break;
        }
        at += (size_t)made;
    }
    memset(samples + at, 0, (n - at) * sizeof *samples);
    if (gateway->tone_now != DM_IFP_NO_SIGNAL) {
        play_tone(gateway, samples, n);
    }
}

/* Rows of a page without ECM may be filled up only at their ends, the zeros of TCF anywhere; which
 * of them it is filling up, 0.0.6 of the library settles when its buffer last ran empty, one signal
 * too soon. The first page was torn wherever a datagram came late, and a second TCF was not sent at
 * all. Whenever T.30 goes from one to the other nothing is left in the buffer: it begins anew. */
static void
keep_buffer_in_step(DmFaxGateway *gateway)
{
    t38_gateway_core_state_t *core = &gateway->modem->core;
    t38_non_ecm_buffer_state_t *buffer = &core->non_ecm_to_modem;

    if (core->image_data_mode != buffer->image_data_mode) {
        t38_non_ecm_buffer_init(buffer, core->image_data_mode, core->min_row_bits);
    }
}

static void
on_ifp(uint16_t sequence, const uint8_t *ifp, size_t len, void *user_data)
{
    static const uint8_t no_signal = 0;
    DmFaxGateway *gateway = user_data;

    if (!dm_fax_progress_take(&gateway->progress, DM_SIDE_B, ifp, len, gateway->version)) {
        return;
    }
    if (take_tone(gateway, ifp)) {
        ifp = &no_signal; /* something must come under each number */
        len = sizeof no_signal;
    }
    keep_buffer_in_step(gateway);
    t38_core_rx_ifp_packet(t38_gateway_get_t38_core_state(gateway->modem), ifp, (int)len, sequence);
}

void
dm_fax_gateway_input(DmFaxGateway *gateway, const DmUdptlPacket *packet)
{
    dm_udptl_receive(&gateway->receiver, packet, on_ifp, gateway);
}

void
dm_fax_gateway_report(const DmFaxGateway *gateway, DmFaxReport *out)
{
    *out = (DmFaxReport){
        .mode = DM_FAX_GATEWAY,
        .result = (uint8_t)dm_fax_progress_result(&gateway->progress),
        .ecm = gateway->progress.ecm,
        .pages = gateway->progress.pages,
        .bit_rate = gateway->progress.bit_rate,
        .recovered = (uint32_t)gateway->receiver.n_recovered,
        .missed = (uint32_t)gateway->receiver.n_missed,
    };
}
