# SPDX-License-Identifier: Apache-2.0
"""How much of speech arrives. Speech is made with espeak-ng; what was heard is laid beside what was said.

What similarity() measures, on 8 kHz samples, over the frames of 20 ms in which something was said:

* envelope: correlation of the frames' levels in dB. Gaps, repeated or lost packets, level jumps and cut beginnings bring
  it down; a codec hardly does.
* spectrum_db: mean difference of the levels of 16 bands from 150 to 3400 Hz, after the overall level has been taken
  out. A codec's own distortion is here, and noise.
* level_db: heard less said, over all.

It is no PESQ: it knows nothing of what people mind. It tells a whole signal from a broken one.
"""

import subprocess
import wave

import numpy

RATE = 8000
FRAME = RATE // 50
TEXT = ("The quick brown fox jumps over the lazy dog. She sells sea shells by the shore. "
        "Please hold the line, somebody will be with you shortly.")


def make(directory, rate=RATE, voice="en-us"):
    """Path of a WAV file with speech at @rate, and what is said in it at RATE."""
    raw, path = directory / f"{voice}.wav", directory / f"{voice}-{rate}.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", raw, TEXT], check=True)
    subprocess.run(["sox", raw, "-r", str(rate), "-c", "1", "-b", "16", path, "gain", "-n", "-6"], check=True)
    return path, read(path)


def read(path):
    """Samples of a file of any rate, one channel at RATE, -1 to 1."""
    narrow = path.with_suffix(".narrow.wav")
    subprocess.run(["sox", path, "-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed", narrow], check=True)
    with wave.open(str(narrow)) as audio:
        return numpy.frombuffer(audio.readframes(audio.getnframes()), dtype="<i2") / 32768


def align(said, heard):
    """Where in @said, which is said again and again, @heard begins; and how sure that is, 0 to 1."""
    n = 1 << int(numpy.ceil(numpy.log2(len(said) + len(heard))))
    likeness = numpy.fft.irfft(numpy.fft.rfft(numpy.resize(said, n)) * numpy.conj(numpy.fft.rfft(heard, n)))
    at = int(numpy.argmax(numpy.abs(likeness)[: n - len(heard)]))
    part = numpy.resize(said, n)[at : at + len(heard)]
    return part, float(abs(numpy.dot(part, heard)) / numpy.sqrt(numpy.dot(part, part) * numpy.dot(heard, heard)))


def frames(samples):
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def level_db(power):
    return 10 * numpy.log10(numpy.maximum(power, 1e-9))


def bands_db(samples):
    power = numpy.abs(numpy.fft.rfft(frames(samples) * numpy.hanning(FRAME), n=512)) ** 2
    hz = numpy.fft.rfftfreq(512, 1 / RATE)
    edges = numpy.geomspace(150, 3400, 17)
    return level_db(numpy.stack([power[:, (hz >= low) & (hz < high)].mean(axis=1)
                                 for low, high in zip(edges, edges[1:])], axis=1))


def similarity(said, heard):
    """Both at RATE; @said is said again and again, @heard any two seconds or more of it."""
    part, likeness = align(said, heard)
    said_db, heard_db = (level_db((frames(each) ** 2).mean(axis=1)) for each in (part, heard))
    spoken = said_db > said_db.max() - 35
    level = float(numpy.median(heard_db[spoken] - said_db[spoken]))
    difference = numpy.abs(bands_db(heard) - bands_db(part) - level)[spoken]
    # Bands 30 dB below the loudest of a frame are masked by it.
    loud = bands_db(part)[spoken]
    counts = loud > loud.max(axis=1, keepdims=True) - 30
    return {
        "waveform": likeness,
        "envelope": float(numpy.corrcoef(said_db[spoken], heard_db[spoken])[0, 1]),
        "spectrum_db": float(difference[counts].mean()),
        "level_db": level,
    }


def similarity_by_pieces(said, heard, piece_s=2):
    """The same of each piece by itself, and the median of each figure: for a listener whose own clock slips now and then."""
    n = piece_s * RATE
    found = [similarity(said, heard[at : at + n]) for at in range(0, len(heard) - n + 1, n)]
    return {name: float(numpy.median([each[name] for each in found])) for name in found[0]}


def holes_ms(samples, after_s=0.0, below_db=20):
    """Of a tone: the longest stretch in ms that is @below_db less loud than the rest, and the largest step in dB between
    neighbouring frames of 20 ms outside such stretches."""
    levels = level_db((frames(samples[int(after_s * RATE):]) ** 2).mean(axis=1))
    usual = float(numpy.median(levels))
    longest = run = 0
    for level in levels:
        run = run + 20 if level < usual - below_db else 0
        longest = max(longest, run)
    kept = levels[levels > usual - below_db]
    return longest, float(numpy.abs(numpy.diff(kept)).max())
