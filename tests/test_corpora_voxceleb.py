"""VoxCeleb 1 and 2 in their official trees."""

import shutil

import pytest
import soundfile
from conftest import voice

from cp_paraling_qa.corpora import corpus_named
from cp_paraling_qa.corpora.manifest import make_manifest
from cp_paraling_qa.errors import CorpusError
from cp_paraling_qa.stage import Drop, read_rows

VOX1 = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA.J._Buckley\tm\tIreland\tdev\nid10270\tEartha_Kitt\tf\tUSA\ttest\n"
VOX2 = "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \nid00017 ,n000017 ,f ,test \n"


def clip(root, path, pitch=120.0):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".m4a"):
        (root / path).write_bytes(b"an MP4 file")
    else:
        soundfile.write(root / path, voice(0.4, pitch), 16_000)


def by_path(root):
    return {row["audio_path"]: row for row in corpus_named("voxceleb").records(root) if isinstance(row, dict)}


def columns(row):
    return row["speaker_id"], row["dialogue_id"], row["gender"], row["split"]


def test_the_tab_separated_table_of_voxceleb1(tmp_path):
    root = tmp_path / "vox1"
    clip(root, "vox1_dev_wav/wav/id10001/1zcIwhmdeo4/00001.wav", 120)
    clip(root, "vox1_test_wav/wav/id10270/5r0dWxy17C8/00002.wav", 240)
    (root / "vox1_meta.csv").write_text(VOX1)
    record = make_manifest(tmp_path / "run", [("voxceleb", root)])
    rows = {row["audio_path"]: row for row in read_rows(tmp_path / "run" / "manifest")}
    assert record["dropped"] == {}
    assert columns(rows["vox1_dev_wav/wav/id10001/1zcIwhmdeo4/00001.wav"]) == ("id10001", "1zcIwhmdeo4", "male", "train")
    assert columns(rows["vox1_test_wav/wav/id10270/5r0dWxy17C8/00002.wav"]) == ("id10270", "5r0dWxy17C8", "female", "test")
    assert {(row["language"], row["transcript"], row["license"]) for row in rows.values()} == {(None, None, "other")}


def test_the_spaced_table_of_voxceleb2_and_its_m4a(tmp_path):
    clip(tmp_path, "dev/aac/id00012/21Uxsk56VDQ/00001.m4a")
    clip(tmp_path, "test/aac/id00017/01dfn2spqyE/00001.m4a")
    (tmp_path / "vox2_meta.csv").write_text(VOX2)
    rows = by_path(tmp_path)
    assert columns(rows["dev/aac/id00012/21Uxsk56VDQ/00001.m4a"]) == ("id00012", "21Uxsk56VDQ", "male", "train")
    assert columns(rows["test/aac/id00017/01dfn2spqyE/00001.m4a"]) == ("id00017", "01dfn2spqyE", "female", "test")


def test_clips_that_were_converted_count_once(tmp_path):
    clip(tmp_path, "dev/aac/id00012/21Uxsk56VDQ/00001.m4a")
    clip(tmp_path, "dev/aac/id00012/21Uxsk56VDQ/00001.wav")
    clip(tmp_path, "dev/aac/id00012/21Uxsk56VDQ/00002.m4a")
    clip(tmp_path, "dev/wav/id00012/21Uxsk56VDQ/00002.wav")
    clip(tmp_path, "dev/aac/id00012/21Uxsk56VDQ/00003.m4a")
    folder = "id00012/21Uxsk56VDQ"
    assert list(by_path(tmp_path)) == [f"dev/aac/{folder}/00001.wav", f"dev/aac/{folder}/00003.m4a", f"dev/wav/{folder}/00002.wav"]


def test_both_corpora_below_one_root_and_speakers_that_no_table_has(tmp_path):
    clip(tmp_path, "voxceleb1/wav/id10001/1zcIwhmdeo4/00001.wav")
    clip(tmp_path, "voxceleb2/dev/aac/id00012/21Uxsk56VDQ/00001.m4a")
    clip(tmp_path, "voxceleb2/test/aac/id09999/21Uxsk56VDX/00001.m4a")
    clip(tmp_path, "voxceleb1/vox1_test_wav/id10999/21Uxsk56VDX/00001.wav")
    (tmp_path / "voxceleb1" / "vox1_meta.csv").write_text(VOX1)
    (tmp_path / "voxceleb2" / "vox2_meta.csv").write_text("\ufeff" + VOX2, encoding="utf-8")
    rows = by_path(tmp_path)
    assert [columns(row) for row in rows.values()] == [
        ("id10999", "21Uxsk56VDX", None, "test"),
        ("id10001", "1zcIwhmdeo4", "male", "train"),
        ("id00012", "21Uxsk56VDQ", "male", "train"),
        ("id09999", "21Uxsk56VDX", None, "test"),
    ]


def test_the_root_may_be_wav_itself_and_folders_may_have_names(tmp_path):
    clip(tmp_path / "wav", "A.J._Buckley/1zcIwhmdeo4/0000001.wav")
    (tmp_path / "vox1_meta.csv").write_text(VOX1)
    assert columns(by_path(tmp_path / "wav")["A.J._Buckley/1zcIwhmdeo4/0000001.wav"]) == ("id10001", "1zcIwhmdeo4", "male", "train")


def test_other_files_are_dropped_and_junk_is_not_seen(tmp_path):
    clip(tmp_path, "wav/id10001/1zcIwhmdeo4/00001.wav")
    shutil.copy(tmp_path / "wav/id10001/1zcIwhmdeo4/00001.wav", tmp_path / "wav" / "noise.wav")
    (tmp_path / "wav/id10001/1zcIwhmdeo4/._00001.wav").write_bytes(b"junk")
    items = list(corpus_named("voxceleb").records(tmp_path))
    assert [(item.item, item.reason) for item in items if isinstance(item, Drop)] == [("wav/noise.wav", "not a VoxCeleb path")]
    assert [columns(item) for item in items if isinstance(item, dict)] == [("id10001", "1zcIwhmdeo4", None, None)]


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match="id10001"):
        list(corpus_named("voxceleb").records(tmp_path))


@pytest.mark.parametrize("root", ["vox1", "vox1/wav", "vox1/wav/id10270"])
def test_the_table_is_found_from_every_level(tmp_path, root):
    clip(tmp_path / "vox1", "wav/id10270/5r0dWxy17C8/00002.wav", 240)
    (tmp_path / "vox1" / "vox1_meta.csv").write_text(VOX1)
    assert [columns(row) for row in by_path(tmp_path / root).values()] == [("id10270", "5r0dWxy17C8", "female", "test")]
