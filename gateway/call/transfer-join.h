/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Two calls become one conversation: a party of one takes a place in the other. The record of each
 * goes on until its own party is gone. */

/* A call that may be joined: answered, whole, and not being transferred. Its descriptions may be on
 * their way yet. */
bool dm_join_is_possible(const DmCall *call);
/* The same, whether or not the other party is still there. */
bool dm_join_may_come(const DmParty *in);
/* Gives @host a media session that fits @in at @place. False: no ports; nothing has changed. */
bool dm_join_prepare_media(DmCall *host, DmSide place, DmParty *in);
/* @in, of another call, takes @place in @host, after dm_join_prepare_media(). Who was there is no
 * party of the conversation any more, and is returned, to be closed: NULL when nobody was. What is
 * left of the other call is closed here. */
DmParty *dm_join_take_place(DmCall *host, DmSide place, DmParty *in);
/* The same without a word about media: those at both places have been agreed with already. */
DmParty *dm_join_change_places(DmCall *host, DmSide place, DmParty *in);
/* The descriptions of both are brought together, as far as they are not: one after the other. */
void dm_join_settle(DmCall *host);
/* A party has answered an offer of ours, or refused it. */
void dm_join_on_settled(DmCall *host, DmSide side, bool taken);
/* Nobody came: the one at @place and the other come back from hold, if they wish. */
void dm_join_come_back(DmCall *call, DmSide place);
/* Who is at @party's place leaves the conversation: the record about it ends now. */
void dm_join_leave(DmParty *party);

/* Numbers as of now, of the media it shares with its host, into the record of a guest. */
void dm_join_refresh_media(DmCall *guest);
/* The conversation ends: records of guests say so too. */
void dm_join_release_guests(DmCall *host, DmReleasedBy by, const DmRelease *why);
/* @host holds nothing any more: its guests may be over as well. */
void dm_join_dissolve(DmCall *host);
/* A party that was a guest's is gone. */
void dm_join_party_gone(DmCall *guest);
/* Forgets every other call, in a process that ends. */
void dm_join_forget(DmCall *call);
