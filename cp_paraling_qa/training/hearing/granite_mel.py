"""Granite Speech's features of each clip alone, without torchaudio.

The stock extractor needs torchaudio for one mel spectrogram, and makes it of waveforms padded to the longest of the batch, so the frames at a clip's end depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer, BatchFeature, ProcessorMixin
from transformers.audio_utils import mel_filter_bank
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.models.granite_speech.feature_extraction_granite_speech import GraniteSpeechFeatureExtractor
from transformers.models.granite_speech.processing_granite_speech import GraniteSpeechProcessor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SMALLEST = 1e-10
_RANGE = 8.0  # decades below the clip's own maximum


class ClipGraniteSpeechFeatureExtractor(GraniteSpeechFeatureExtractor):  # type: ignore[misc]
    """The stock extractor's numbers for a single clip, for every clip of a batch; and a mask over encoder frames.

    Args:
        sampling_rate: Hz.
        n_fft: samples of a Fourier transform.
        win_length: samples of its Hann window.
        hop_length: samples from frame to frame.
        n_mels: mel bands.
        projector_window_size: encoder frames of a window of the projector.
        projector_downsample_rate: encoder frames that become one position in the text.
        padding_value: of features behind a clip.
        kwargs: of the base class.
    """

    def __init__(
        self,
        sampling_rate: int = 16_000,
        n_fft: int = 512,
        win_length: int = 400,
        hop_length: int = 160,
        n_mels: int = 80,
        projector_window_size: int = 15,
        projector_downsample_rate: int = 5,
        padding_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        stored = kwargs.pop("melspec_kwargs", None) or {}
        bands = kwargs.pop("feature_size", None) or n_mels
        SequenceFeatureExtractor.__init__(self, feature_size=bands, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        own = {"sample_rate": sampling_rate, "n_fft": n_fft, "win_length": win_length, "hop_length": hop_length, "n_mels": bands}
        self.melspec_kwargs = own | stored
        self.projector_window_size, self.projector_downsample_rate = projector_window_size, projector_downsample_rate

    def __call__(self, audios: Any, device: str | None = None) -> BatchFeature:
        """Features of clips.

        Args:
            audios: one waveform of shape (n,) or several, 16 kHz.
            device: not used; the spectrogram of a clip takes a millisecond.

        Returns:
            input_features: float32 (clips, encoder frames, 2 · mels); input_features_mask: bool (clips, encoder frames); audio_embed_sizes: positions of each clip.
        """
        clips = [audios] if getattr(audios, "ndim", 0) == 1 else list(audios)
        each = [self._log_mel(clip) for clip in clips]
        frames = torch.tensor([len(features) for features in each])
        return BatchFeature(
            {
                "input_features": torch.nn.utils.rnn.pad_sequence(each, batch_first=True, padding_value=self.padding_value),
                "input_features_mask": torch.arange(int(frames.max())) < frames[:, None],
                "audio_embed_sizes": self._get_num_audio_features([len(clip) for clip in clips]),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Saved as the stock extractor."""
        return {**super().to_dict(), "feature_extractor_type": GraniteSpeechFeatureExtractor.__name__}

    def _log_mel(self, samples: NDArray[np.float32] | torch.Tensor) -> torch.Tensor:
        """Two log-mel frames an encoder frame, (frames, 2 · mels): power spectrum, triangular HTK bands, decades over 8, at most 1 below the clip's loudest."""
        settings = self.melspec_kwargs
        wave, bins = torch.as_tensor(samples, dtype=torch.float32), settings["n_fft"] // 2 + 1
        bands = mel_filter_bank(bins, settings["n_mels"], 0.0, settings["sample_rate"] / 2, settings["sample_rate"], norm=None, mel_scale="htk")
        with torch.autocast("cpu", enabled=False):
            window = torch.hann_window(settings["win_length"])
            spectrum = torch.stft(wave, settings["n_fft"], settings["hop_length"], settings["win_length"], window, return_complex=True)
            mel = (spectrum.abs() ** 2).T @ torch.from_numpy(bands).float()
        log = mel.clamp(min=_SMALLEST).log10()
        log = torch.maximum(log, log.max() - _RANGE) / 4 + 1
        return log[: len(log) // 2 * 2].reshape(-1, 2 * log.shape[1])

    def _get_num_audio_features(self, audio_lengths: Sequence[int]) -> list[int]:
        """Positions in the text: whole windows of the projector."""
        window = self.projector_window_size
        frames = [(length // self.melspec_kwargs["hop_length"] + 1) // 2 for length in audio_lengths]
        return [math.ceil(each / window) * (window // self.projector_downsample_rate) for each in frames]


def granite_processor(path: str, **kwargs: Any) -> Any:
    """A checkpoint's processor with this extractor."""
    tokenizer = AutoTokenizer.from_pretrained(path, **kwargs)
    parts, _ = ProcessorMixin.get_processor_dict(path, **kwargs)
    if "audio_processor" in parts:
        extractor = ClipGraniteSpeechFeatureExtractor.from_dict(parts["audio_processor"])
    else:
        extractor = ClipGraniteSpeechFeatureExtractor.from_pretrained(path, **kwargs)
    token = {"audio_token": parts["audio_token"]} if "audio_token" in parts else {}
    return GraniteSpeechProcessor(extractor, tokenizer, chat_template=parts.get("chat_template") or tokenizer.chat_template, **token)
