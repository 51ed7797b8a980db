# SPDX-License-Identifier: Apache-2.0
"""linphonec as a phone: driven through its standard input, with files instead of a sound card."""

import os
import re
import subprocess
import wave

import numpy

import lab
import phone

# 0 disables a transport.
CONFIG = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
ipv6_migration_done=1
use_ipv6=0
verify_server_certs=1
verify_server_cn=0
root_ca={ca}
media_encryption={encryption}
media_encryption_mandatory={mandatory}
contact="{user}" <sip:{user}@127.0.0.1>
[net]
mtu=1300
nat_policy_ref=own
[nat_policy_0]
ref=own
protocols={nat}
[rtp]
rtcp_mux={mux}
audio_rtp_port={rtp}-{rtp_end}
[sound]
echocancellation=0
[misc]
store_ca_in_config=0
"""


class Linphone(lab.Process):
    """Answers by itself; plays a tone, records what it hears."""

    def __init__(self, directory, tone_hz, transport="udp", user="phone", ca="", answers=True, encryption=None, ice=False,
                 mux=False):
        """encryption: "srtp" or "dtls", and nothing less."""
        # Without a folder for its database linphone starts, and opens no port.
        (directory / ".local" / "share" / "linphone").mkdir(parents=True)
        self.dir, self.user, self.transport = directory, user, transport
        self.port = lab.free_port()
        rtp = lab.free_port(span=20)
        ports = {t: self.port if t == transport else 0 for t in ("udp", "tcp", "tls")}
        (directory / "linphonerc").write_text(CONFIG.format(
            user=user, ca=ca, rtp=rtp, rtp_end=rtp + 19, encryption=encryption or "none", mandatory=int(encryption is not None),
            nat="ice" if ice else "", mux=int(mux), **ports))
        phone.write_tone(directory / "tone.wav", tone_hz)
        super().__init__(["linphonec", "-c", directory / "linphonerc", *(["-a"] if answers else [])],
                         directory / "linphone.log", env={**os.environ, "HOME": str(directory)}, cwd=directory,
                         stdin=subprocess.PIPE)
        lab.wait_for(lambda: "linphonec>" in self.output(), "linphone's prompt")
        self.say("soundcard use files")
        self.say(f"play {directory / 'tone.wav'}")
        self.say(f"record {directory / 'heard.wav'}")

    def say(self, command):
        self.child.stdin.write(command.encode() + b"\n")
        self.child.stdin.flush()

    def dial(self, uri):
        self.say(f"call {uri}")

    def hang_up(self):
        self.say("terminate")

    def wait_established(self):
        lab.wait_for(lambda: re.search(r"Call \d+ .*connected|Media streams established", self.output()),
                     "linphone's call to be up")

    def wait_ended(self):
        lab.wait_for(lambda: re.search(r"Call \d+ .*ended", self.output()), "linphone's call to end")

    def heard(self):
        """Samples of what arrived, -1 to 1, one channel at 8 kHz."""
        with wave.open(str(self.dir / "heard.wav")) as audio:
            samples = numpy.frombuffer(audio.readframes(audio.getnframes()), dtype="<i2")
            step = audio.getnchannels() * audio.getframerate() // phone.SAMPLE_RATE
            return samples[: len(samples) // step * step].reshape(-1, step).mean(axis=1) / 32768
