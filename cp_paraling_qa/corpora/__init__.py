"""Corpora: one small file each, from the official layout to manifest rows. A new corpus is a new file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cp_paraling_qa.corpora.base import Corpus
from cp_paraling_qa.corpora.cpqa_eval import CpqaEval
from cp_paraling_qa.corpora.crema_d import CremaD
from cp_paraling_qa.corpora.emobox import EmoBox
from cp_paraling_qa.corpora.emodb import EmoDB
from cp_paraling_qa.corpora.folder import Folder
from cp_paraling_qa.corpora.hf import Hf
from cp_paraling_qa.corpora.iemocap import Iemocap
from cp_paraling_qa.corpora.lhotse_manifests import Lhotse
from cp_paraling_qa.corpora.librispeech import LibriSpeech
from cp_paraling_qa.corpora.meld import Meld
from cp_paraling_qa.corpora.mnsc import Mnsc
from cp_paraling_qa.corpora.msp_podcast import MspPodcast
from cp_paraling_qa.corpora.nsc import Nsc
from cp_paraling_qa.corpora.ravdess import Ravdess
from cp_paraling_qa.corpora.sample import Sample
from cp_paraling_qa.corpora.tess import Tess
from cp_paraling_qa.corpora.voxceleb import VoxCeleb
from cp_paraling_qa.errors import CorpusError

_READERS: tuple[type[Corpus], ...] = (
    CpqaEval,
    CremaD,
    EmoDB,
    Folder,
    Hf,
    Iemocap,
    Meld,
    Mnsc,
    MspPodcast,
    Ravdess,
    Sample,
    LibriSpeech,
    Tess,
    VoxCeleb,
    Lhotse,
    EmoBox,
    Nsc,
)

CORPORA: dict[str, type[Corpus]] = {corpus.name: corpus for corpus in _READERS}


def corpus_named(name: str, options: Mapping[str, Any] | None = None) -> Corpus:
    """The reader registered under a name.

    Args:
        name: of the corpus.
        options: what this reader takes besides the folder; most take nothing.

    Raises:
        CorpusError: there is none of that name, with those that exist; or it does not take these options.
    """
    if name not in CORPORA:
        raise CorpusError(f"unknown corpus {name!r}: known are {', '.join(sorted(CORPORA))}")
    try:
        return CORPORA[name](**dict(options or {}))
    except TypeError:
        raise CorpusError(f"corpus {name} does not take the options {', '.join(options or {})}") from None
