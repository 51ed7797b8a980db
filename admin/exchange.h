/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <microhttpd.h>

#include "admin/request.h"
#include "admin/response.h"

/* From libmicrohttpd's connection to a request of ours, and from our answer back. */

/**
 * dm_exchange_read_head:
 * @target: the request line's, undecoded
 *
 * Makes the request from method, target and headers. What two parsers could read differently is
 * refused (RFC 9112, 3.2, 6.3): two Content-Lengths, Content-Length beside Transfer-Encoding, no
 * Host or two, two of a header that names one thing.
 *
 * Returns: (transfer full): NULL: answered
 */
DmRequest *dm_exchange_read_head(struct MHD_Connection *connection,
                                 const char *method,
                                 const char *target,
                                 const char *version,
                                 DmResponse *response);

/* Queues @response; its body is copied. */
enum MHD_Result dm_exchange_answer(struct MHD_Connection *connection,
                                   const DmResponse *response,
                                   bool close);
