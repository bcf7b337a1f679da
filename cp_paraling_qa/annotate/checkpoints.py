"""A transformers checkpoint: a Hub repository at one commit, or a folder known by its content (see `pinning`). Nothing is loaded here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from cp_paraling_qa.annotate.pinning import first_line, folder_digest, hub_revision
from cp_paraling_qa.errors import RecipeError

_SETTINGS = ("config.json", "preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("model*.safetensors", "model*.safetensors.index.json", "pytorch_model*.bin", "pytorch_model*.bin.index.json")


class Checkpoint(NamedTuple):
    """One model at one revision.

    Args:
        place: the Hub id or the folder, as `from_pretrained` takes it.
        revision: the commit (40 hex digits) or the folder's digest (see `pinning`).
        rater: what it is called in opinions: the Hub id, or the folder's base name.
        local: whether it is a folder.
    """

    place: str
    revision: str
    rater: str
    local: bool

    @property
    def slug(self) -> str:
        """The rater's name as part of a file name.

        Example:
            >>> Checkpoint("superb/hubert-base-superb-er", "0" * 40, "superb/hubert-base-superb-er", False).slug
            'superb-hubert-base-superb-er'
        """
        return re.sub(r"[^a-z0-9._]+", "-", self.rater.lower()).strip("-.") or "model"

    @property
    def arguments(self) -> dict[str, Any]:
        """How `from_pretrained` is told: never with code from the repository."""
        return {"pretrained_model_name_or_path": self.place, "trust_remote_code": False} | ({} if self.local else {"revision": self.revision})

    def path(self, name: str) -> Path | None:
        """One of its files on this machine, fetched where need be; None where it has no such file.

        Raises:
            RecipeError: the Hub cannot be reached and the file is not in the cache.
        """
        if self.local:
            path = Path(self.place) / name
            return path if path.is_file() else None
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

        try:
            return Path(hf_hub_download(self.place, name, revision=self.revision))
        except LocalEntryNotFoundError:  # offline: a file of a cached snapshot that is not there was not in the repository, as far as one can tell
            return None
        except EntryNotFoundError:
            return None
        except (HfHubHTTPError, OSError) as error:
            raise RecipeError(f"{self.rater}: {name} cannot be fetched from the Hub ({first_line(error)})") from error

    def settings(self) -> dict[str, Any]:
        """config.json.

        Raises:
            RecipeError: it is missing, or is not JSON.
        """
        path = self.path("config.json")
        if path is None:
            raise RecipeError(f"{self.rater}: there is no config.json in {self.place}, so it is no transformers checkpoint (or is not in the cache, offline)")
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecipeError(f"{self.rater}: config.json cannot be read ({error}): fetch it again") from None
        if not isinstance(settings, dict):
            raise RecipeError(f"{self.rater}: config.json holds no settings: fetch it again")
        return settings

    def license(self) -> str | None:
        """The licence that the model card's header names, else config.json's; None where neither does."""
        path = self.path("README.md")
        header = re.match(r"---\s*\n(.*?)\n---", path.read_text(encoding="utf-8", errors="replace"), re.DOTALL) if path else None
        named: Any = None
        if header:
            import yaml

            try:
                card = yaml.safe_load(header[1])
            except yaml.YAMLError:
                card = None
            named = card.get("license") if isinstance(card, dict) else None
        named = named or self.settings().get("license")
        return ", ".join(map(str, named)) if isinstance(named, list) else str(named) if named else None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of every weight, read without loading them; empty where the weights are not in a single safetensors file."""
        path = self.path("model.safetensors")
        if path is None:
            return {}
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), "np") as file:
                return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # not a dict
        except SafetensorError:
            return {}  # loading it says what is wrong


def checkpoint(model: str, revision: str | None = None) -> Checkpoint:
    """A model at the revision that is meant now.

    Args:
        model: Hub id or folder.
        revision: commit, branch or tag of a Hub id; None for its main branch as it stands (offline: as it was last fetched).

    Raises:
        RecipeError: no such model, or a revision given for a folder that has another one.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        found = folder_digest(folder, _shaping(folder))
        if revision not in (None, found):
            raise RecipeError(f"{folder} is a folder whose content is {found}, not revision {revision}: leave the revision out, or give the Hub id")
        return Checkpoint(str(folder), found, folder.resolve().name, True)
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
        raise RecipeError(f"{model}: there is no such folder, and it is no Hub id (owner/name) either")
    commit = hub_revision(model, revision)
    if commit is None:
        raise RecipeError(f"{model}: there is no such folder, the Hub cannot be asked (no network, or HF_HUB_OFFLINE is set), and the cache does not hold it")
    return Checkpoint(model, commit, model, False)


def _shaping(folder: Path) -> list[str]:
    """The files of a model's folder that shape its answers.

    Raises:
        RecipeError: no weights there.
    """
    weights = sorted(path.name for pattern in _WEIGHTS for path in folder.glob(pattern))
    if not any(name.endswith((".safetensors", ".bin")) for name in weights):
        raise RecipeError(f"{folder}: no model can be loaded from there: it holds neither model.safetensors nor pytorch_model.bin")
    if any(name.endswith(".safetensors") for name in weights):  # then nothing else is loaded
        weights = [name for name in weights if not name.startswith("pytorch_model")]
    return [name for name in _SETTINGS if (folder / name).is_file()] + weights
