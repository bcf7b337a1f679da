"""eGeMAPS: the 88 functionals of the extended Geneva Minimalistic Acoustic Parameter Set (Eyben et al., 2016), by openSMILE.

Licence: openSMILE is audEERING's, for research, teaching and other **non-commercial** use alone; commercial use needs a licence from audEERING. What it measures
falls under your own judgement of those terms. That is why it is an extra, and why the licence stands in `config` and so in a run's record.

openSMILE is not safe to run in several threads of one process; use processes (`workers`), each of which has its own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from cp_paraling_qa.annotate.base import AnnotatorOptions
from cp_paraling_qa.annotate.pinning import package_version, require_rate
from cp_paraling_qa.errors import MissingExtraError
from cp_paraling_qa.stage import Row

LICENSE = "audEERING Research License: research only, not for commercial use"
FEATURES = 88

_UNITS = (
    # the first that a name begins with
    ("F0semitoneFrom27.5Hz", "semitones"),
    ("jitterLocal", "share"),
    ("shimmerLocaldB", "dB"),
    ("HNRdBACF", "dB"),
    ("logRelF0", "dB"),
    *((f"F{n}frequency", "Hz") for n in (1, 2, 3)),
    *((f"F{n}bandwidth", "Hz") for n in (1, 2, 3)),
    *((f"F{n}amplitudeLogRelF0", "dB") for n in (1, 2, 3)),
    ("alphaRatio", "dB"),
    ("hammarbergIndex", "dB"),
    ("slope", "dB/Hz"),
    ("loudnessPeaksPerSec", "1/s"),
    ("VoicedSegmentsPerSec", "1/s"),
    ("MeanVoicedSegment", "s"),
    ("StddevVoicedSegment", "s"),
    ("MeanUnvoicedSegment", "s"),
    ("StddevUnvoicedSegment", "s"),
    ("equivalentSoundLevel", "dB"),
)


class Egemaps:
    """Measures every clip; the names are openSMILE's own.

    What cannot be measured is left out: everything for a clip shorter than openSMILE's window of 60 ms; what is taken over voiced frames (names with `_sma3nz`) where
    none is voiced, and over unvoiced ones (`UV`) where all are. openSMILE writes 0 there, which would read as a pitch of 27.5 Hz.

    Args:
        options: nothing of them applies.
    """

    name = "egemaps"
    version = 1

    def __init__(self, *, options: AnnotatorOptions = AnnotatorOptions()) -> None:  # noqa: B008  # frozen
        self.config: dict[str, Any] = {"feature_set": "eGeMAPSv02", "level": "functionals", "revision": package_version("opensmile"), "license": LICENSE}
        self._smile: Any = None

    def wants(self, clip: Row) -> bool:
        """Every clip can be measured."""
        return True

    def setup(self) -> None:
        """Starts openSMILE.

        Raises:
            MissingExtraError: the package opensmile is missing.
        """
        if find_spec("opensmile") is None:
            raise MissingExtraError("opensmile", "opensmile", "measuring eGeMAPS (openSMILE: for research only, not for commercial use)")
        import opensmile

        self._smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals)

    def annotate(self, clips: Sequence[Row], sounds: Sequence[Any], rate: int) -> list[Row]:
        """The measures of each clip; an empty row where there are none."""
        require_rate(rate)
        rows = []
        for samples in sounds:
            values = self._measure(samples, rate)
            rows.append({"measures": [{"name": name, "value": value, "unit": unit(name)} for name, value in values.items()]} if values else {})
        return rows

    def _measure(self, samples: Any, rate: int) -> dict[str, float]:
        import numpy as np

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Segment too short")
            # openSMILE takes 16-bit integers: a sample of +1 would turn over to −1
            table = self._smile.process_signal(np.clip(samples, -1, 32767 / 32768).astype(np.float32), rate)
        return measured({str(name): float(value) for name, value in table.iloc[0].items()})


def measured(values: dict[str, float]) -> dict[str, float]:
    """Without what openSMILE could not measure.

    Example:
        >>> measured({"F0semitoneFrom27.5Hz_sma3nz_amean": 0.0, "jitterLocal_sma3nz_amean": 0.0, "loudness_sma3_amean": 0.4, "equivalentSoundLevel_dBp": float("nan")})
        {'loudness_sma3_amean': 0.4}
    """
    voiced = values.get("F0semitoneFrom27.5Hz_sma3nz_amean", 0.0) != 0.0
    unvoiced = any(value != 0.0 for name, value in values.items() if "UV" in name)

    def there(name: str) -> bool:
        return unvoiced if "UV" in name else voiced or "_sma3nz" not in name

    return {name: value for name, value in values.items() if math.isfinite(value) and there(name)}


def unit(name: str) -> str:
    """The unit of a functional: that of its descriptor; "ratio" for a standard deviation over the mean; empty for loudness, flux and cepstra, which have none.

    Example:
        >>> unit("F1frequency_sma3nz_amean"), unit("F1frequency_sma3nz_stddevNorm"), unit("F0semitoneFrom27.5Hz_sma3nz_meanRisingSlope")
        ('Hz', 'ratio', 'semitones/s')
    """
    if name.endswith("_stddevNorm"):
        return "ratio"
    found = next((unit for start, unit in _UNITS if name.startswith(start)), "")
    return (f"{found}/s" if found else "1/s") if name.endswith("Slope") else found
