# SPDX-License-Identifier: Apache-2.0
"""baresip as a phone: plays a tone, keeps what it hears, is driven through its control socket."""

import contextlib
import json
import socket
import wave

import numpy

import lab

CONFIG = """\
sip_listen {host}:{port}
net_interface 127.0.0.1
call_local_timeout 60
call_max_calls 4
audio_player aubridge,nil
audio_source aufile,{tone}
audio_alert aubridge,nil
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
rtp_ports {rtp}-{rtp_end}
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module g726.so
module gsm.so
module opus.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_tmp account.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {directory}
"""

SAMPLE_RATE = 8000


# baresip's own conversion between rates costs up to 2 dB: files have the codec's.
CODEC_RATES = {"G722": 16000, "opus": 48000}


def write_tone(path, hz, seconds=60, level=0.4, rate=SAMPLE_RATE):
    samples = numpy.sin(2 * numpy.pi * hz * numpy.arange(seconds * rate) / rate) * level
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples * 32767).astype("<i2").tobytes())


def is_whole(path):
    """Its header says how much there is: the last thing to be written."""
    with contextlib.suppress(wave.Error, EOFError), wave.open(str(path)) as audio:
        return audio.getnframes() > 0
    return False


class Phone(lab.Process):
    """One baresip that answers by itself and can dial."""

    def __init__(self, directory, codec, tone_hz, extra="", aor=None, settings="", host="127.0.0.1",
                 answers="auto"):
        """aor: whom it is at whose server, "sip:me@127.0.0.1:5060;transport=tcp"; alone when there is none. extra: of
        the account. settings: lines of the configuration. host: where it listens. answers: "auto"; "early": with 183 and its tone, "manual": with 180, and
        both with 200 when told to."""
        self.dir = directory
        self.dir.mkdir()
        # baresip takes the port above its SIP port for TLS.
        self.port = lab.free_port(span=4)
        self.control = lab.free_port(socket.SOCK_STREAM)
        rtp = lab.free_port(span=20)
        rate = CODEC_RATES.get(codec, SAMPLE_RATE)
        write_tone(self.dir / "tone.wav", tone_hz, rate=rate)
        (self.dir / "config").write_text(
            CONFIG.format(port=self.port, host=host, tone=self.dir / "tone.wav", rtp=rtp, rtp_end=rtp + 19,
                          control=self.control, directory=self.dir, rate=rate) + settings
        )
        (self.dir / "accounts").write_text(
            f"<{aor or f'sip:phone@{host}:{self.port}'}>;regint={60 if aor else 0};answermode={answers}"
            f";audio_codecs={codec}{extra}\n"
        )
        (self.dir / "contacts").write_text("")
        super().__init__(["baresip", "-4", "-f", self.dir], self.dir / "baresip.log")
        self.socket = lab.wait_for(self.connect, "baresip's control socket")
        self.received = b""

    def connect(self):
        try:
            return socket.create_connection(("127.0.0.1", self.control), timeout=5)
        except OSError:
            assert self.running(), self.output()
            return None

    def command(self, name, params=None):
        text = json.dumps({"command": name, "params": params} if params else {"command": name})
        self.socket.sendall(f"{len(text)}:{text},".encode())

    def dial(self, uri):
        self.command("dial", uri)

    def press(self, digit):
        self.command("sndcode", digit)

    def hang_up(self):
        self.command("hangup")

    def wait_established(self):
        lab.wait_for(lambda: "Call established" in self.output(), "the call to be established")

    def wait_ended(self):
        lab.wait_for(lambda: "terminated (duration" in self.output() or "session closed" in self.output(),
                     "the call to end")

    def digits(self):
        """Keys whose end was heard, in order."""
        import re

        return re.findall(r"received event: '(.)' \(end=1\)", self.output())

    def recordings(self):
        """Files of what arrived. baresip writes them out when its call is over, a moment after it has hung up."""
        with contextlib.suppress(AssertionError):
            lab.wait_for(lambda: all(is_whole(path) for path in self.dir.glob("dump-*-dec.wav")),
                         "the recordings to be written", timeout=5)
        return sorted(path for path in self.dir.glob("dump-*-dec.wav") if is_whole(path))

    def heard(self):
        """Samples of what arrived, -1 to 1, one channel at SAMPLE_RATE."""
        parts = []
        for path in self.recordings():
            with wave.open(str(path)) as audio:
                samples = numpy.frombuffer(audio.readframes(audio.getnframes()), dtype="<i2")
                step = audio.getnchannels() * audio.getframerate() // SAMPLE_RATE
                # A plain mean is filter enough for tones of 1 kHz and less.
                parts.append(samples[: len(samples) // step * step].reshape(-1, step).mean(axis=1))
        return numpy.concatenate(parts) / 32768 if parts else numpy.zeros(0)


def loudest_hz(samples):
    """Frequency with the most energy, and the share of all energy within 30 Hz of it."""
    window = samples * numpy.hanning(len(samples))
    power = numpy.abs(numpy.fft.rfft(window)) ** 2
    hz = numpy.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    peak = hz[int(numpy.argmax(power))]
    return peak, float(power[numpy.abs(hz - peak) < 30].sum() / power.sum())


def level_db(samples):
    return 20 * numpy.log10(max(1e-9, float(numpy.sqrt(numpy.mean(samples**2)))))
