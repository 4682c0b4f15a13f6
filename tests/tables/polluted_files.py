"""Polluted files: separators, record ends, encodings, quotes, headers, and lines between rows."""

from polluted_helpers import COUNT, SIZE, TABLE, TOWN, Case, Columns, text

CASES: dict[str, Case] = {}


def add(
    name: str, content: str | bytes, right: Columns | None = TABLE, file: str = "t.csv"
) -> None:
    raw = content.encode() if isinstance(content, str) else content
    assert name not in CASES, name
    CASES[name] = Case(raw, right, file)


# separators
for _name, _sep in {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}.items():
    add(f"separator: {_name}", text(TABLE, _sep))
    add(f"separator: {_name}, all cells quoted", text(TABLE, _sep, quote='"'))
add("separator: comma and a blank", text(TABLE, ", "))
add("separator: blank", text(TABLE, " "))
add("separator: tab in a .txt", text(TABLE, "\t"), file="t.txt")
add("separator: sep= line, semicolon", "sep=;\n" + text(TABLE, ";", decimal=","))
add("separator: sep= line, tab", "sep=\t\r\n" + text(TABLE, "\t", end="\r\n"))
add(
    "separator: aligned by blanks",
    "".join(
        f"{a:<8}{b:>6}{c:>10}\n"
        for a, b, c in [("town", "count", "size"), *zip(TOWN, COUNT, map(str, SIZE), strict=True)]
    ),
)
add(
    "separator: semicolon, texts with commas",
    text({"note": ["a, b", "c, d, e", "f", "g, h"] * 2, "n": COUNT}, ";"),
    {"note": ["a, b", "c, d, e", "f", "g, h"] * 2, "n": COUNT},
)

# record ends
add("ends: CRLF", text(TABLE, end="\r\n"))
add("ends: CR", text(TABLE, end="\r"))
add("ends: mixed", text(TABLE).replace("\n", "\r\n", 4))
add("ends: none at the end", text(TABLE).rstrip("\n"))
add("ends: two at the end", text(TABLE) + "\n\n")
add("ends: blank lines between", text(TABLE).replace("\n", "\n\n"))

# encodings
add("encoding: UTF-8 with BOM", text(TABLE, ";", decimal=",").encode("utf-8-sig"))
add("encoding: UTF-16", text(TABLE, "\t").encode("utf-16"))
add("encoding: UTF-16 big endian", b"\xfe\xff" + text(TABLE).encode("utf-16-be"))
add("encoding: Latin-1", text(TABLE, ";", decimal=",").encode("latin-1"))
_euro = {"Größe": COUNT, "Währung": ["€", "£", "€", "$", "£", "€", "$", "€"]}
add("encoding: Windows-1252", text(_euro, ";").encode("cp1252"), _euro)
add("encoding: UTF-8 with two BOMs", b"\xef\xbb\xbf" + text(TABLE).encode("utf-8-sig"))
_cities = {"имя": ["Москва", "Киев", "Минск", "Рига"] * 2, "n": COUNT}
add("encoding: Windows-1251", text(_cities).encode("cp1251"), None)
_cities = {"名字": ["北京", "上海", "广州", "深圳"] * 2, "n": COUNT}
add("encoding: GBK", text(_cities).encode("gbk"), None)
_finnish = {"sää": ["hää", "yö", "työ", "äänestää"] * 2, "n": COUNT}
add("encoding: Latin-1, Finnish", text(_finnish).encode("latin-1"), _finnish)
_signs = {"price": ["£££", "££££", "£"] * 3, "café": ["café", "…………", "°°°"] * 3}
add("encoding: Windows-1252, signs", text(_signs).encode("cp1252"), _signs)
add("encoding: UTF-16 without BOM", text(TABLE).encode("utf-16-le"), None)
add("encoding: NUL bytes", text(TABLE).encode().replace(b"Kiel", b"K\x00el"), None)

# quotes
_notes = ['a "b" c', "d, e", "two\nlines", "f", "g; h", '"all"', "i", "j, k"]
_quoted = "".join(
    '"' + note.replace('"', '""') + f'",{count}\n'
    for note, count in zip(_notes, COUNT, strict=True)
)
add("quotes: separators, breaks, quotes inside", "note,n\n" + _quoted, {"note": _notes, "n": COUNT})
_escaped = "".join(
    '"' + note.replace('"', '\\"') + f'",{count}\n'
    for note, count in zip(_notes, COUNT, strict=True)
)
add("quotes: escaped by backslash", "note,n\n" + _escaped, {"note": _notes, "n": COUNT})
_single = ["a, b", "c", "d, e", "f", "g", "h, i", "j", "k"]
add(
    "quotes: single",
    "note,n\n" + "".join(f"'{a}',{b}\n" for a, b in zip(_single, COUNT, strict=True)),
    {"note": _single, "n": COUNT},
)
_pipes = ['5" pipe', '3" pipe', "valve", '1/2" nut', "bolt", '6" pipe', "nut", "screw"]
add(
    "quotes: inch marks, no quoted cells",
    text({"part": _pipes, "n": COUNT}),
    {"part": _pipes, "n": COUNT},
)
add("quotes: not doubled inside", text(TABLE).replace("Kiel", '"Ki"el, old" town"'), None)
add("quotes: never closed", text(TABLE).replace("Kiel", '"Kiel'), None)
add(
    "quotes: commas in a quoted header",
    'item\tprice\t"net, gross, tax, or none"\n' + "x\t1\t2\ny\t3\t4\nz\t5\t6\n",
    {"item": ["x", "y", "z"], "price": [1, 3, 5], "net, gross, tax, or none": [2, 4, 6]},
    "t.tsv",
)
add(
    "quotes: apostrophes in texts",
    text({"town": ["O'Hara", "D'or", "Ulm", "Rock'n"] * 2, "n": COUNT}),
    {"town": ["O'Hara", "D'or", "Ulm", "Rock'n"] * 2, "n": COUNT},
)

# headers
add(
    "header: none, decimals",
    text(TABLE, header=False),
    {f"column{i}": v for i, v in enumerate(TABLE.values(), 1)},
)
add("header: none, whole numbers", text({"a": TOWN, "b": COUNT}, header=False), None)
add(
    "header: none, only texts",
    "Ulm,Bonn\n" + "Kiel,Jena\n" * 7,
    {"Ulm": ["Kiel"] * 7, "Bonn": ["Jena"] * 7},
)
add(
    "header: numbers from 0",
    text({"0": TOWN, "1": COUNT, "2": SIZE}),
    {"0": TOWN, "1": COUNT, "2": SIZE},
)
add("header: none, counted from 1", "1,2,3\n4,5,6\n7,8,9\n5,3,1\n", None)
add(
    "header: years",
    text({"town": TOWN, "2019": COUNT, "2020": SIZE}),
    {"town": TOWN, "2019": COUNT, "2020": SIZE},
)
add("header: unnamed row numbers", text({"": list(range(8)), **TABLE}))
add(
    "header: unnamed column of values",
    text({"": SIZE[::-1], **TABLE}),
    {"column1": SIZE[::-1], **TABLE},
)
add(
    "header: unnamed column in the middle",
    text({"town": TOWN, "": COUNT, "size": SIZE}),
    {"town": TOWN, "column2": COUNT, "size": SIZE},
)
add(
    "header: one name less, row names",
    "town,count\n"
    + "".join(f"r{i},{a},{b}\n" for i, (a, b) in enumerate(zip(TOWN, COUNT, strict=True))),
    {"town": TOWN, "count": COUNT},
)
add("header: blanks around names", text({" town": TOWN, "count ": COUNT, " size ": SIZE}))
add("header: the same name twice", text(TABLE).replace("count", "town", 1), None)
add("header: two lines", text(TABLE).replace("\n", "\nname,pieces,kg\n", 1), None)
add("header: only", "town,count,size\n", {"town": [], "count": [], "size": []})
add("header: longer than the rows", text(TABLE).replace("size\n", "size,extra,more\n"), None)

add("separator: tilde", text(TABLE, "~"))
add("separator: colon", text(TABLE, ":"))

# before, between and after
add("lines: comments at the top", "# exported 2024\n# by me\n" + text(TABLE))
add("lines: comments between", text(TABLE).replace("Kiel", "# checked, twice, again\nKiel"))
_remarks = ["# a", "b", "c", "# d", "e", "f", "# g", "h"]
add("lines: rows that begin with #", text({"x": _remarks, "n": COUNT}), {"x": _remarks, "n": COUNT})
add("lines: rows of texts that begin with #", text({"x": _remarks, "y": TOWN}), None)
add(
    "lines: # within quoted cells",
    'note,n\n"a\n# b\nc",1\n"d\r\n# e",2\n"# f",3\n',
    {"note": ["a\n# b\nc", "d\r\n# e", "# f"], "n": [1, 2, 3]},
)
add("lines: a quote that is never closed, and #", text(TABLE) + '# end\n"Ulm,1,2.5\n# end\n', None)
add(
    "lines: line separators of Unicode within cells",
    "note,n\na\u2028# b,1\nc\u0085# d,2\n",
    {"note": ["a\u2028# b", "c\u0085# d"], "n": [1, 2]},
)
add("lines: a comment as wide as the header", "# by, me, 2024\n" + text(TABLE))
add("lines: a header that begins with #", "#" + text(TABLE))
add(
    "lines: a header of texts that begins with #",
    "#x,y\na,b\nc,d\n",
    {"x": ["a", "c"], "y": ["b", "d"]},
)
add("lines: a comment or a header of texts", "# x, y\na,b\nc,d\n", None)
add(
    "lines: a Markdown table",
    "| town | count |\n|------|------:|\n| Ulm | 3 |\n| Bonn | 5 |\n",
    {"town": ["Ulm", "Bonn"], "count": [3, 5]},
)
add("lines: preamble", "Towns and sizes\nexported 2024-01-05\n\n" + text(TABLE))
add("lines: preamble padded with separators", "Towns and sizes,,\n,,\n" + text(TABLE))
add("lines: a source at the end", text(TABLE) + "\nSource: the office\n")
add("lines: two tables", text(TABLE) + "\nname,age\n" + "Ann,30\nBob,40\nCid,50\n", None)
add("lines: nothing", "", None)
add("lines: blank", "\n \n\n", None)

# ragged rows
add("ragged: one row is longer", text(TABLE).replace("Kiel,35", "Kiel,35,9"), None)
add("ragged: one row is shorter", text(TABLE).replace("Kiel,35,2.5", "Kiel,35"), None)
add("ragged: the first row is shorter", text(TABLE).replace("Ulm,3,0.5", "Ulm,3"), None)
add("ragged: separator at the end of all lines", text(TABLE).replace("\n", ",\n"))
add(
    "ragged: separator at the end of rows",
    "town,count,size\n" + text(TABLE, header=False).replace("\n", ",\n"),
)
add("ragged: another separator in one row", text(TABLE).replace("Kiel,35,2.5", "Kiel;35;2.5"), None)

# no text table at all
add("other: an Excel file", b"PK\x03\x04" + bytes(range(256)) * 4, None)
add(
    "other: a web page",
    "<!DOCTYPE html><html><body><table><tr><td>1,2</td></tr></table></body></html>\n",
    None,
)
add("other: JSON", '[{"town": "Ulm", "count": 3},\n {"town": "Bonn", "count": 14}]\n', None)
