"""The National Speech Corpus: parts 3, 5 and 6 in their official trees."""

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.corpora.nsc import clean
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, read_rows

FIRST = "IMDA - National Speech Corpus"
MORE = "IMDA - National Speech Corpus - Additional/IMDA - National Speech Corpus (Additional)"


def script(root, path, intervals, *, tier="whatever", encoding="utf-8"):
    """A TextGrid in the long form; intervals are (start, end, text)."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    end = intervals[-1][1] if intervals else 1.0
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        f"xmax = {end} ",
        "tiers? <exists> ",
        "size = 1 ",
        "item []: ",
        "    item [1]:",
    ]
    lines += [
        '        class = "IntervalTier" ',
        f'        name = "{tier}" ',
        "        xmin = 0 ",
        f"        xmax = {end} ",
        f"        intervals: size = {len(intervals)} ",
    ]
    for number, (start, stop, text) in enumerate(intervals, 1):
        lines += [f"        intervals [{number}]:", f"            xmin = {start} ", f"            xmax = {stop} ", f'            text = "{text}" ']
    (root / path).write_bytes(("\n".join(lines) + "\n").encode(encoding))


def audio(root, path, pitch, seconds=2.0):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / path, voice(seconds, pitch), 16_000, format="WAV")


TURN = [(0.0, 0.5, "<S>"), (0.5, 1.25, "okay [lah]"), (1.25, 1.5, "<Z>"), (1.5, 2.0, "")]


@pytest.fixture
def nsc(tmp_path):
    """Every environment and microphone of part 3, and both kinds of parts 5 and 6."""
    root = tmp_path / "NSC"
    part3, part5, part6 = f"{FIRST}/PART3", f"{MORE}/PART5", f"{MORE}/PART6/Call Centre Design 1"
    files = [
        (f"{part3}/Scripts Same/3000-1.TextGrid", f"{part3}/Audio Same CloseMic/3000-1.wav"),
        (f"{part3}/Scripts Same/3000-2.TextGrid", f"{part3}/Audio Same CloseMic/3000-2.wav"),
        (f"{part3}/Scripts Separate/conf_2500_2500_00862025.TextGrid", f"{part3}/Audio Separate StandingMic/conf_2500_2500_00862025.wav"),
        (f"{part3}/Scripts Separate/conf_2501_2501_00862070.TextGrid", f"{part3}/Audio Separate IVR/conf_2501_2501/00862070.wav"),
        (f"{part5}/Debate Scripts/app_4001_6001_phnd_deb-1.TextGrid", f"{part5}/Debate Audio/4001/app_4001_6001_phnd_deb-1.wav"),
        (f"{part5}/Finance + Emotion Scripts/app_4001_6001_phnd_pos.TextGrid", f"{part5}/Finance + Emotions Audio/app_4001_6001_phnd_pos.wav"),
        (f"{part5}/Finance + Emotion Scripts/app_4001_6002_phnd_neg.TextGrid", f"{part5}/Finance + Emotions Audio/app_4001_6002_phnd_neg.wav"),
        (f"{part6}/Scripts/app_0016_6001_phnd_cc-hot.TextGrid", f"{part6}/Audio/0016/app_0016_6001_phnd_cc-hot.WAV"),
    ]
    for number, (text, wav) in enumerate(files):
        script(root, text, TURN, encoding=("utf-8", "utf-16", "latin-1")[number % 3])
        audio(root, wav, 100 + 12 * number)
    return root


def test_speakers_dialogues_and_spans(tmp_path, nsc):
    record = make_manifest(tmp_path / "run", [("nsc", nsc)])
    rows = list(read_rows(tmp_path / "run" / "manifest"))
    assert record["dropped"] == {}  # pauses are not lost speech
    assert {(row["speaker_id"], row["dialogue_id"]) for row in rows} == {
        ("part3-3000-1", "part3-3000"),
        ("part3-3000-2", "part3-3000"),
        ("part3-00862025", "part3-conf_2500"),
        ("part3-00862070", "part3-conf_2501"),
        ("part5-6001", "part5-4001-deb-1"),
        ("part5-6001", "part5-4001-pos"),
        ("part5-6002", "part5-4001-neg"),
        ("part6-6001", "part6-0016-hot"),
    }
    assert len(rows) == 8
    for row in rows:
        assert (row["start"], row["end"], row["transcript"], row["language"], row["license"]) == (0.5, 1.25, "okay lah", "en", "other")
        assert row["opinions"] == [] and row["split"] is None  # a topic is no opinion


@pytest.mark.parametrize("below", [f"{MORE}/PART5", f"{MORE}/PART6/Call Centre Design 1", FIRST])
def test_any_folder_of_it_may_be_the_root(nsc, below):
    items = list(corpus_named("nsc").records(nsc / below))
    assert items and not any(isinstance(item, Drop) for item in items)


def test_the_nearest_microphone_is_read(nsc):
    part3 = nsc / FIRST / "PART3"
    audio(part3, "Audio Same BoundaryMic/3000.wav", 90)
    audio(part3, "Audio Separate IVR/conf_2500_2500/00862025.wav", 90)
    script(part3, "Scripts Same/3001-1.TextGrid", TURN)
    script(part3, "Scripts Same/3001-2.TextGrid", [(0.0, 1.0, "<Z>"), (1.0, 2.0, "ya")])
    audio(part3, "Audio Same BoundaryMic/3001.wav", 95)
    items = list(corpus_named("nsc").records(part3))
    rows = {(item["audio_path"], item["speaker_id"], item["start"]) for item in items if isinstance(item, dict)}
    assert {("Audio Same BoundaryMic/3001.wav", "part3-3001-1", 0.5), ("Audio Same BoundaryMic/3001.wav", "part3-3001-2", 1.0)} <= rows
    assert len(rows) == 6
    assert {item.item: item.reason for item in items if isinstance(item, Drop)} == {
        "Audio Same BoundaryMic/3000.wav": "another microphone's recording",
        "Audio Separate IVR/conf_2500_2500/00862025.wav": "another microphone's recording",
    }


def test_what_is_skipped_cut_off_or_dropped(tmp_path):
    root = tmp_path / "PART5"
    name = "Debate Scripts/app_4001_6001_phnd_deb-1.TextGrid"
    turns = [
        (0.0, 0.5, "<FIL/> (ppb) <SPK/>"),
        (0.5, 1.0, "I like <UNK> leh"),
        (1.0, 1.0, "too short"),
        (1.0, 1.5, "#pasar malam# is at N_T_U (ppl)"),
        (1.5, 2.1, "the ** thing"),
        (1.6, 2.1, "bye"),
    ]
    script(root, name, turns)
    audio(root, "Debate Audio/app_4001_6001_phnd_deb-1.wav", 120)  # 2.0 s: the script ends 0.1 s later
    script(root, "Debate Scripts/app_4002_6001_phnd_deb-1.TextGrid", TURN)
    script(root, "Debate Scripts/app_4003_6001_phnd_deb-1.TextGrid", [(0.0, 2.0, "<Z>")])
    audio(root, "Debate Audio/app_4003_6001_phnd_deb-1.wav", 120)
    script(root, "Debate Scripts/sur_0001_0002_phnd_cs-chn.TextGrid", TURN)
    (root / "Debate Scripts/app_4004_6001_phnd_deb-1.TextGrid").write_text("not a TextGrid")
    audio(root, "Debate Audio/app_4004_6001_phnd_deb-1.wav", 120)
    audio(root, "Debate Audio/app_4005_6001_phnd_deb-1.wav", 120)
    (root / "Debate Audio/._app_4001_6001_phnd_deb-1.wav").write_bytes(b"junk")
    items = list(corpus_named("nsc").records(tmp_path))
    rows = [(item["start"], item["end"], item["transcript"]) for item in items if isinstance(item, dict)]
    assert rows == [(1.0, 1.5, "pasar malam is at NTU"), (1.6, 2.0, "bye")]
    assert {item.item.removeprefix("PART5/Debate "): item.reason for item in items if isinstance(item, Drop)} == {
        "Scripts/app_4001_6001_phnd_deb-1.TextGrid interval 2": "speech not written down in full",
        "Scripts/app_4001_6001_phnd_deb-1.TextGrid interval 3": "interval ends before it starts",
        "Scripts/app_4001_6001_phnd_deb-1.TextGrid interval 5": "speech not written down in full",
        "Scripts/app_4002_6001_phnd_deb-1.TextGrid": "script without a recording",
        "Scripts/app_4003_6001_phnd_deb-1.TextGrid": "script without speech",
        "Scripts/sur_0001_0002_phnd_cs-chn.TextGrid": "not a script of part 3, 5 or 6",
        "Scripts/app_4004_6001_phnd_deb-1.TextGrid": "script cannot be read",
        "Audio/app_4005_6001_phnd_deb-1.wav": "recording without a script",
    }


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("(uh) [lah] !walao! #makan#", "uh lah walao makan"),
        ("go to N_U_S and I_M_D_A now", "go to NUS and IMDA now"),
        ("abbre~ abbreviation <s/> (ppc)", "abbre abbreviation"),
        ("it's multi-word", "it's multi-word"),
        ("snake_case", "snake case"),
    ],
)
def test_markup(text, cleaned):
    assert clean(text) == cleaned


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match="TextGrid"):
        list(corpus_named("nsc").records(tmp_path))


def test_of_several_tiers_the_one_of_the_scripts_name_is_the_speakers(tmp_path):
    root = tmp_path / "PART3"
    script(root, "Scripts Same/3000-2.TextGrid", [(0.0, 1.0, "her own words")], tier="3000-2")
    script(root, "other.TextGrid", [(0.0, 1.0, "the other speaker")], tier="3000-1")
    own, other = (root / "Scripts Same" / "3000-2.TextGrid").read_text(), (root / "other.TextGrid").read_text()
    second = own[own.index("    item [1]") :].replace("item [1]", "item [2]")
    (root / "Scripts Same" / "3000-2.TextGrid").write_text(other.replace("size = 1 \nitem", "size = 2 \nitem") + second)
    (root / "other.TextGrid").unlink()
    audio(root, "Audio Same CloseMic/3000-2.wav", 120)
    assert [(row["transcript"], row["speaker_id"]) for row in corpus_named("nsc").records(root)] == [("her own words", "part3-3000-2")]
