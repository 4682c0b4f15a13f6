"""Texts that are not UTF-8: their letters tell the encoding, or they are refused."""

import pytest

from bridle.errors import DataError
from bridle.tables import ReadOptions, read_table
from bridle.tables.read import read_with_notes

POLISH = "imię;miasto;płeć\nPaweł;Łódź;mężczyzna\nAgnieszka;Kraków;kobieta\nŚwięta;Gdańsk;kobieta\n"
CZECH = "jméno;město\nJiří;Plzeň\nKateřina;Budějovice\nTomáš;Hradec Králové\nŽofie;Louňovice\n"
HUNGARIAN = "név;nem\nErzsébet;nő\nLászló;férfi\nJenő;férfi\nKűrti;nő\n"
GERMAN = "Größe;Geschlecht;Straße\n1;männlich;Öl\n2;weiblich;Übung\n3;männlich;ß\n"
FRENCH = "prénom;réponse\nRené;très bien\nZoé;à voir\nChloë;déjà\nFrançois;où\n"
SPANISH = "año;ciudad\n1;Málaga\n2;La Coruña\n4;Cádiz\n5;León\n"
PORTUGUESE = "região;opinião\nSão Paulo;não\nMaranhão;sim\nGoiás;não\n"
DANISH = "køn;by\nmand;Ålborg\nkvinde;København\nmand;Århus\nkvinde;Ærø\n"
TURKISH = "şehir;x\nİstanbul;1\nMuğla;2\nEskişehir;3\nIğdır;3\n"
SIGNS = "area m²;note\n5;it’s\n7;“ok” – fine\n8;25 °C\n9;5 µm ±3\n"
READ = [
    *((POLISH, codec) for codec in ("cp1250", "iso8859-2", "mac-latin2", "cp852")),
    *((CZECH, codec) for codec in ("cp1250", "mac-latin2", "cp852")),
    *((HUNGARIAN, codec) for codec in ("cp1250", "iso8859-2")),
    *((GERMAN, codec) for codec in ("latin-1", "cp1252", "mac-roman", "cp850")),
    *((FRENCH, codec) for codec in ("cp1252", "mac-roman")),
    *((text, "cp1252") for text in (SPANISH, PORTUGUESE, DANISH, SIGNS)),
    (DANISH, "mac-roman"),
    ("town;x\nMünchen;1\nKöln;2\n", "mac-roman"),
    ("tamaño;x\npequeño;1\ngrande;2\n", "mac-roman"),
    (TURKISH, "cp1254"),
]


def _path(tmp_path, raw):
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(("text", "codec"), READ)
def test_letters_tell_the_encoding(tmp_path, text, codec):
    header, *rows = text.splitlines()
    frame = read_table(_path(tmp_path, text.encode(codec)))
    assert list(frame) == header.split(";")
    assert [";".join(map(str, row)) for row in frame.to_numpy()] == rows


def test_the_encoding_is_told(tmp_path):
    read = read_with_notes(_path(tmp_path, POLISH.encode("cp1250")))
    assert read.line == "read 3 rows × 3 columns: separator semicolon, Windows-1250"


COMMON = ["naïve", "Noël", "Muñoz", "café", "Zürich", "é", "ü", "ñ", "ß", "10 €", "Málaga", "Peña"]


@pytest.mark.parametrize("word", COMMON)
def test_one_common_word_is_read_as_windows_1252_and_shown(tmp_path, word):
    read = read_with_notes(_path(tmp_path, f"town;x\n{word};1\nUlm;2\n".encode("cp1252")))
    assert read.frame["town"][0] == word
    told = "the file is not UTF-8, and is taken for Windows-1252: it has '"
    assert any(note.startswith(told) and word.split()[-1] in note for note in read.notes)


def test_five_words_are_shown_at_most(tmp_path):
    read = read_with_notes(_path(tmp_path, GERMAN.encode("cp1252")))
    assert (
        "it has 'Größe', 'Straße', 'männlich', 'Öl' and 'Übung'; if that is wrong" in read.notes[0]
    )
    plain = read_with_notes(_path(tmp_path, GERMAN.encode()))
    assert not plain.notes
    given = read_with_notes(
        _path(tmp_path, GERMAN.encode("cp1252")), ReadOptions(encoding="cp1252")
    )
    assert not given.notes


THIN = [("cp1251", "да"), ("cp1251", "Москва"), ("cp1251", "я"), ("cp1253", "ναι"), ("gbk", "男")]
THIN += [("cp1254", "Muğla"), ("cp1254", "ş"), ("cp1254", "Iğdır"), ("cp1257", "Kaunas ž")]
THIN += [("cp1250", "Timişoara"), ("iso8859-15", "œuvre"), ("mac-roman", "é"), ("koi8-r", "да")]


@pytest.mark.parametrize(("codec", "word"), THIN)
def test_one_word_that_is_hardly_western_is_refused(tmp_path, codec, word):
    path = _path(tmp_path, f"town;x\n{word};1\nUlm;2\n".encode(codec))
    with pytest.raises(DataError, match="--encoding"):
        read_table(path)
    assert read_table(path, ReadOptions(encoding=codec))["town"][0] == word


DOUBTFUL = {
    "one word": ("town;x\nDvořák;1\nUlm;2\n", "cp1250", "'Dvořák' in Windows-1250"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_fits_several_encodings_is_refused(tmp_path, case):
    text, codec, told = DOUBTFUL[case]
    path = _path(tmp_path, text.encode(codec))
    with pytest.raises(DataError, match="fit several encodings") as refused:
        read_table(path)
    assert told in str(refused.value)
    assert "--encoding" in str(refused.value)
    assert next(iter(read_table(path, ReadOptions(encoding=codec)))) == text.split(";")[0]


def test_utf_8_with_a_damaged_byte_is_not_read_as_another_encoding(tmp_path):
    raw = "town;x\nKöln;1\nMünchen;2\n".encode() + "Fürth;3\n".encode("latin-1")
    with pytest.raises(DataError, match="in UTF-8 but for line 4, byte 0xfc"):
        read_table(_path(tmp_path, raw))
