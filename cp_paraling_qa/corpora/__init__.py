"""Corpora: one small file each, from the official layout to manifest rows. A new corpus is a new file and one line here."""

from __future__ import annotations

from cp_paraling_qa.corpora.base import Corpus
from cp_paraling_qa.corpora.folder import Folder
from cp_paraling_qa.corpora.ravdess import Ravdess
from cp_paraling_qa.corpora.sample import Sample
from cp_paraling_qa.errors import CorpusError

_READERS: tuple[Corpus, ...] = (Folder(), Ravdess(), Sample())

CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in _READERS}


def corpus_named(name: str) -> Corpus:
    """The reader registered under a name.

    Raises:
        CorpusError: there is none; names those that exist.
    """
    if name not in CORPORA:
        raise CorpusError(f"unknown corpus {name!r}: known are {', '.join(sorted(CORPORA))}")
    return CORPORA[name]
