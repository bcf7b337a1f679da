"""TextGrid files: every form that Praat writes, every alphabet, and what is broken."""

import struct

import pytest

from cp_paraling_qa.corpora.textgrid import Span, Tier, read_textgrid
from cp_paraling_qa.errors import CorpusError

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 2.3 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "3000-1" 
        xmin = 0 
        xmax = 2.3 
        intervals: size = 2 
        intervals [1]:
            xmin = 0 
            xmax = 1.1 
            text = "<S>" 
        intervals [2]:
            xmin = 1.1 
            xmax = 2.3 
            text = "he said ""café"" 2 times" 
    item [2]:
        class = "TextTier" 
        name = "bell" 
        xmin = 0 
        xmax = 2.3 
        points: size = 1 
        points [1]:
            number = 0.5 
            mark = "H*" 
"""
SHORT = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.3\n<exists>\n2\n"IntervalTier"\n"3000-1"\n0\n2.3\n2\n0\n1.1\n"<S>"\n1.1\n2.3\n'
    '"he said ""café"" 2 times"\n"TextTier"\n"bell"\n0\n2.3\n1\n0.5\n"H*"\n'
)
# read off the text above by eye
EXPECTED = [
    Tier("3000-1", "intervals", [Span(0.0, 1.1, "<S>"), Span(1.1, 2.3, 'he said "café" 2 times')]),
    Tier("bell", "points", [Span(0.5, 0.5, "H*")]),
]


def write(tmp_path, data):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("text", [LONG, SHORT, LONG.replace("\n", "\r\n"), SHORT.replace("\n", "\r\n")], ids=["long", "short", "long crlf", "short crlf"])
def test_both_text_forms_in_every_alphabet(tmp_path, text, encoding):
    assert read_textgrid(write(tmp_path, text.encode(encoding))) == EXPECTED


def test_the_windows_alphabet(tmp_path):
    (words, _) = read_textgrid(write(tmp_path, LONG.replace("café", "don’t").encode("cp1252")))
    assert words.spans[1].text == 'he said "don’t" 2 times'


def test_quotes_that_nobody_doubled(tmp_path):
    assert read_textgrid(write(tmp_path, LONG.replace('""café""', '"café"').encode())) == EXPECTED


def test_text_over_two_lines_and_a_comment(tmp_path):
    text = LONG.replace("2 times", "2\ntimes").replace("tiers?", "! 7 tiers, says a comment\ntiers?")
    assert read_textgrid(write(tmp_path, text.encode()))[0].spans[1].text == 'he said "café" 2\ntimes'


def test_the_binary_form(tmp_path):
    def string(text, width=">h"):
        return struct.pack(width, len(text)) + text.encode("latin-1")

    def wide(text):
        return struct.pack(">hH", -1, len(text)) + text.encode("utf-16-be")

    data = b"ooBinaryFile\x08TextGrid" + struct.pack(">dd?i", 0, 2.3, True, 2)
    data += string("IntervalTier", ">B") + string("3000-1") + struct.pack(">ddi", 0, 2.3, 2)
    data += struct.pack(">dd", 0, 1.1) + string("<S>") + struct.pack(">dd", 1.1, 2.3) + wide('he said "café" 2 times')
    data += string("TextTier", ">B") + string("bell") + struct.pack(">ddi", 0, 2.3, 1) + struct.pack(">d", 0.5) + string("H*")
    assert read_textgrid(write(tmp_path, data)) == EXPECTED
    with pytest.raises(CorpusError, match="a.TextGrid"):
        read_textgrid(write(tmp_path, data[:-6]))


@pytest.mark.parametrize(
    "text", ["", "nothing of the kind", LONG[: LONG.index('text = "he')], LONG[: LONG.index("    item [2]")], SHORT[: SHORT.index("1.1\n2.3")]]
)
def test_what_is_broken_is_named(tmp_path, text):
    with pytest.raises(CorpusError, match=r"a\.TextGrid is not a whole TextGrid"):
        read_textgrid(write(tmp_path, text.encode()))


def test_a_tier_without_anything_on_it(tmp_path):
    text = SHORT[: SHORT.index('2\n"IntervalTier"')] + '1\n"IntervalTier"\n"empty"\n0\n2.3\n0\n'
    assert read_textgrid(write(tmp_path, text.encode())) == [Tier("empty", "intervals", [])]
