"""Voxtral: a Whisper encoder over windows of 30 s, silence included; four frames a position; a Llama-type language model, and a tokenizer of mistral-common's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cp_paraling_qa.training.families.base import Clips, Family

_WINDOW = 1500
"""The tower's positions of a window, however much of it is silence; a quarter of them stand in the text."""

_PIECES = re.compile(r"(<s>\[INST\])?(\[BEGIN_AUDIO\]\[AUDIO\])?(?:(.*)(\[/INST\]))?(.*?)(</s>)?", re.DOTALL)


class Voxtral(Family):
    """Voxtral. Its tower attends to the whole window, so it cannot be trimmed, and a clip of 3 s costs what one of 30 s costs.

    Its processor takes no text with audio tokens, and its tokenizer writes no control token that stands in a text; so the turn is put together here, as mistral-common
    does it: text between control tokens, each piece tokenised by itself.
    """

    model_type = "voxtral"
    caches_tower = True

    def render(self, processor: Any, text: str, *, audio: bool = True) -> str:
        """One turn of the instruct format."""
        return f"<s>[INST]{'[BEGIN_AUDIO][AUDIO]' if audio else ''}{text}[/INST]"

    def end_of_turn(self, processor: Any) -> str:
        """The end of the sequence."""
        return "</s>"

    def encode(self, processor: Any, text: str) -> list[int]:
        """Control tokens where `render` puts them; what a row's own text looks like is text."""
        ids: list[int] = []
        found = _PIECES.fullmatch(text)
        assert found is not None  # the pattern matches every text
        for piece, control in zip(found.groups(), (True, True, False, True, False, True), strict=True):
            if piece and control:
                ids += processor.tokenizer.convert_tokens_to_ids(re.findall(r"<.*?>|\[.*?\]", piece))
            elif piece:
                ids += processor.tokenizer(piece, add_special_tokens=False)["input_ids"]
        return ids

    def hears(self, processor: Any) -> float:
        """Any length, in windows of 30 s: nothing is cut off; the language model's context is the limit, at 375 positions a window."""
        return float("inf")

    def features(self, processor: Any, clips: Sequence[Any]) -> Clips:
        """One spectrogram a clip, padded to whole windows, each window a row."""
        import torch

        extractor = self.extractor(processor)
        settings = {
            "sampling_rate": extractor.sampling_rate,
            "padding": True,
            "truncation": False,
            "pad_to_multiple_of": extractor.n_samples,
            "return_tensors": "pt",
        }
        each = [extractor(clip, **settings)["input_features"][0] for clip in clips]
        windows = [mel.reshape(mel.shape[0], -1, extractor.nb_max_frames).transpose(0, 1) for mel in each]
        rows = [len(window) for window in windows]
        return Clips({"input_features": torch.cat(windows)}, [_WINDOW // 4 * count for count in rows], rows)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """All positions of every window."""
        return [_WINDOW] * len(tensors["input_features"])

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """In place of features, how many windows each clip has."""
        import torch

        return {"input_features": torch.tensor([length // _WINDOW for length in lengths], dtype=torch.float32)[:, None, None]}

    def tower_output(self, tower: Any, states: Any, *args: Any, **kwargs: Any) -> Any:
        """The states of all windows, one behind the other, as many as the stand-in says."""
        import torch

        windows = args[0][:, 0, 0].long().tolist()
        return super().tower_output(tower, torch.cat([row[: _WINDOW * count] for row, count in zip(states, windows, strict=True)])[None])

    def audio_positions(self, length: int, processor: Any) -> int:
        """A quarter of the tower's."""
        return length // 4
