"""The log-mel spectrogram of `WhisperFeatureExtractor`, computed on the clip instead of on 30 s.

The stock extractor pads every clip with silence to 30 s before the Fourier transform. Behind the clip every frame is then the same constant, so it is
enough to transform the clip and fill in the rest: 3 s clips take about a tenth of the time, and the numbers are the same (float32 rounding of the
mel sum apart, below 1e-6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import BatchFeature, WhisperFeatureExtractor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 1e-10  # at which the stock extractor clamps
_LOG_FLOOR = -10.0  # its logarithm: what silence is
_RANGE = 8.0  # what lies this many decades below the clip's own maximum is raised to there


class FastWhisperFeatureExtractor(WhisperFeatureExtractor):  # type: ignore[misc]
    """`WhisperFeatureExtractor` for waveforms that are padded to the full length, as Qwen2-Audio's processor asks; anything else goes to the stock code."""

    def __call__(self, raw_speech: Any, *args: Any, padding: str | None = "max_length", **kwargs: Any) -> BatchFeature:
        """Log-mel features, padded with silence.

        Args:
            raw_speech: one waveform of shape (n,) or a list of them, float, at `self.sampling_rate` Hz.
            args: passed on to the stock extractor.
            padding: the fast path serves "max_length".
            kwargs: those of the stock extractor; dither, normalisation and other lengths take its own path.

        Returns:
            input_features: float32 (clips, feature_size, nb_max_frames); attention_mask: 1 on frames that begin inside the clip.
        """
        import torch

        one = isinstance(raw_speech, np.ndarray) and raw_speech.ndim == 1
        clips = [raw_speech] if one else raw_speech
        if args or not (self._plain(padding, kwargs) and len(clips) and all(isinstance(clip, np.ndarray) and clip.ndim == 1 for clip in clips)):
            return super().__call__(raw_speech, *args, padding=padding, **kwargs)
        features = torch.empty(len(clips), self.feature_size, self.nb_max_frames)
        for clip, place in zip(clips, features, strict=True):
            self._log_mel(clip, place)
        data: dict[str, Any] = {"input_features": features.numpy()}
        if kwargs.get("return_attention_mask"):
            frames = [-(-min(len(clip), self.n_samples) // self.hop_length) for clip in clips]
            data["attention_mask"] = (np.arange(self.nb_max_frames) < np.array(frames)[:, None]).astype(np.int32)
        return BatchFeature(data, tensor_type=kwargs.get("return_tensors"))

    def _plain(self, padding: Any, kwargs: dict[str, Any]) -> bool:
        """Whether the call is of the common kind that the fast path serves."""
        usual = padding == "max_length" and self.dither == 0.0 and self.padding_value == 0.0 and bool(kwargs.get("truncation", True))
        usual = usual and kwargs.get("device") in (None, "cpu") and kwargs.get("sampling_rate") == self.sampling_rate
        usual = usual and not any(kwargs.get(name) for name in ("max_length", "pad_to_multiple_of", "do_normalize"))
        # an extractor whose own default is a mask counts samples in it, not frames, where the call does not ask for one
        return usual and bool(kwargs.get("return_attention_mask") or not self.return_attention_mask)

    def to_dict(self) -> dict[str, Any]:
        """Saved as the stock extractor, so that what was trained here loads anywhere."""
        return {**super().to_dict(), "feature_extractor_type": WhisperFeatureExtractor.__name__}

    def _log_mel(self, samples: NDArray[Any], out: Any) -> None:
        """Writes the log-mel of one clip, padded with silence, into `out`, a tensor of shape (feature_size, nb_max_frames).

        Frame t sees samples t · hop ± n_fft / 2. With n_fft zeros behind the clip the last computed frames are silent and the mirrored right edge
        mirrors zeros, as in the padded original; a clip that leaves no room for the zeros is computed in full.

        Silence after the clip is not always -10: the extractor raises everything to 8 decades below the clip's maximum, so the floor follows the clip
        (for an all-zero clip the maximum is -10 itself, and the floor stays there).
        """
        import torch

        samples = np.asarray(samples, dtype=np.float32)[: self.n_samples]
        length = min(self.n_samples, -(-(len(samples) + self.n_fft) // self.hop_length) * self.hop_length)
        padded = np.zeros(length, np.float32)
        padded[: len(samples)] = samples
        wave = torch.from_numpy(padded)
        with torch.autocast("cpu", enabled=False):  # a bfloat16 autocast around the collator would end up in the numpy conversion
            spectrum = torch.stft(wave, self.n_fft, self.hop_length, window=torch.hann_window(self.n_fft), return_complex=True)
            power = (spectrum[..., :-1].abs() ** 2).contiguous()
            mel = torch.from_numpy(self.mel_filters).to(torch.float32).T @ power
        log = mel.clamp_(min=_SMALLEST).log10_()
        floor = log.max() - _RANGE
        frames = log.shape[1]
        out[:, :frames] = torch.maximum(log, floor).add_(4.0).div_(4.0)
        out[:, frames:] = (floor.clamp(min=_LOG_FLOOR) + 4.0) / 4.0  # NaN in a clip makes all of its frames NaN, here as there


def use_fast_mel(processor: Any) -> None:
    """Lets a processor's Whisper extractor take the fast path, in place; other extractors stay as they are. What is saved stays a stock extractor."""
    if type(getattr(processor, "feature_extractor", None)) is WhisperFeatureExtractor:
        processor.feature_extractor.__class__ = FastWhisperFeatureExtractor
