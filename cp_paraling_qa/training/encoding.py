"""Rows → token ids and features: the prompt with its clip's positions in it, the answer, the end token; the features once a clip.

Training and prediction both come through here, so the prompt is the same, token for token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.audio import decode_audio
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.families import Clips, Family
from cp_paraling_qa.training.rows import check_seconds

_PROBE_SECONDS = 10.0


@dataclass
class Encoded:
    """One row as token ids.

    Attributes:
        prompt: up to where the answer begins, every audio position included.
        answer: the answer and its end token; empty where the row is only asked.
        clip: which clip it hears, None for a row of text alone.
        audio_end: how far the clip's positions reach into the prompt; 0 for text alone.
    """

    prompt: list[int]
    answer: list[int]
    clip: str | None = None
    audio_end: int = 0


@dataclass
class Encoder:
    """Turns rows into token ids and clips into features, for one model.

    Attributes:
        processor: of the model.
        family: of the model.
    """

    processor: Any
    family: Family
    audio_id: int = field(init=False)
    end: str = field(init=False)

    def __post_init__(self) -> None:
        self.audio_id = self.family.audio_token_id(self.processor)
        self.end = self.family.end_of_turn(self.processor)

    def clips(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[Any]]:
        """Names and samples of the distinct clips of the rows, in order of appearance: float32 of shape (n,), 16 kHz.

        Raises:
            ClipLengthError: a clip that the encoder would cut or cannot hear. Never truncates.
            DatasetError: a clip that does not decode, by name.
        """
        samples: dict[str, Any] = {}
        seconds: dict[str, Seconds] = {}
        for row in rows:
            name = clip_name(row)
            if name is None or name in samples:
                continue
            try:
                samples[name], rate = decode_audio(row["audio"])
            except AudioError as error:
                raise DatasetError(f"row {row.get('id')}, clip {name}: {error}") from error
            seconds[name] = len(samples[name]) / rate
        check_seconds(seconds, self.family, self.processor)
        return list(samples), list(samples.values())

    def features(self, clips: Sequence[Any]) -> Clips:
        """Features of clips, and the positions that each takes; empty for no clip."""
        return self.family.features(self.processor, clips) if clips else Clips({}, [])

    def positions_per_second(self) -> float:
        """Audio positions that a second of a clip takes, from some seconds of silence; a clip's own number may be one or two off where the encoder rounds."""
        import numpy as np

        rate, seconds = self.family.extractor(self.processor).sampling_rate, min(_PROBE_SECONDS, self.family.hears(self.processor))
        return float(self.features([np.zeros(int(seconds * rate), dtype=np.float32)]).counts[0] / seconds)

    def text(self, row: Mapping[str, Any]) -> str:
        """The prompt as text, with one audio token for the clip.

        Raises:
            DatasetError: no prompt; or the row's text holds the audio token, which would count as a clip.
        """
        if not (row["prompt"] or "").strip():
            raise DatasetError(f"row {row.get('id')}: its prompt is empty")
        token = self.family.audio_token(self.processor)
        if token in row["prompt"] + (row.get("answer") or ""):
            raise DatasetError(f"row {row.get('id')}: its text contains {token}, which stands for audio; remove it from the question or answer")
        return self.family.render(self.processor, row["prompt"], audio=clip_name(row) is not None)

    def prompts(self, rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> list[Encoded]:
        """Rows to be asked.

        Args:
            rows: with prompt, and audio or not.
            counts: positions of every clip.
        """
        return [self._encode(row, self.text(row), "", counts) for row in rows]

    def answered(self, rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> list[Encoded]:
        """Rows to be trained on.

        Raises:
            DatasetError: an answer that is empty; the row is named.
        """
        encoded = []
        for row in rows:
            if not row["answer"] or not row["answer"].strip():
                raise DatasetError(f"row {row.get('id')}: its answer is empty")
            encoded.append(self._encode(row, self.text(row), row["answer"] + self.end, counts))
        return encoded

    def _ids(self, text: str) -> list[int]:
        return self.family.encode(self.processor, text)

    def _encode(self, row: Mapping[str, Any], prompt: str, answer: str, counts: Mapping[str, int]) -> Encoded:
        ids = self._ids(prompt)
        answer_ids: list[int] = []
        if answer:
            whole = self._ids(prompt + answer)
            # A tokenizer may merge the prompt's last characters with the answer's first; at inference they are never merged, so neither are they here.
            answer_ids = whole[len(ids) :] if whole[: len(ids)] == ids else self._ids(answer)
        clip = clip_name(row)
        if clip is None:
            return Encoded(ids, answer_ids)
        if ids.count(self.audio_id) != 1:
            raise DatasetError(f"row {row.get('id')}: its prompt has {ids.count(self.audio_id)} places for a clip, not one; look at the chat template")
        place = ids.index(self.audio_id)
        audio = self.family.expand(self.processor, counts[clip])
        return Encoded([*ids[:place], *audio, *ids[place + 1 :]], answer_ids, clip, place + len(audio))


def clip_name(row: Mapping[str, Any]) -> str | None:
    """What a row hears: another clip where the audio was swapped, else its own; None for text alone.

    Raises:
        DatasetError: a row with audio and without any name, which would be taken for every other such row.
    """
    if row.get("audio") is None:
        return None
    name = row.get("heard") or row.get("clip_id") or row.get("id")
    if name in (None, ""):
        raise DatasetError("a row with audio has neither clip_id nor id, so its clip cannot be told from others: name one of them")
    return str(name)
