"""Clips as data URIs, so that a page that stands by itself can be listened to."""

from __future__ import annotations

import base64

_KINDS = ((b"fLaC", "audio/flac"), (b"OggS", "audio/ogg"), (b"RIFF", "audio/wav"), (b"ID3", "audio/mpeg"))


def data_uri(sound: bytes) -> str | None:
    """The bytes of an audio file as a data URI; None for a container that browsers do not play.

    Example:
        >>> data_uri(b"OggS...")
        'data:audio/ogg;base64,T2dnUy4uLg=='
    """
    kind = next((kind for mark, kind in _KINDS if sound.startswith(mark)), None)
    if kind is None and len(sound) > 1 and sound[0] == 0xFF and sound[1] & 0xE0 == 0xE0:
        kind = "audio/mpeg"  # MP3 without a tag begins with a frame's sync word
    return kind and f"data:{kind};base64,{base64.b64encode(sound).decode('ascii')}"
