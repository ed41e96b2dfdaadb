"""What of a table fits a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from mycli.columns import Cut, fit

IMAGES: Mapping[str, Cut] = {"NAME": "never", "IMAGE": "start", "RUNS": "never", "COMMAND": "end"}


def test_a_column_that_is_empty_in_every_row_takes_no_room() -> None:
    lines, left_out = fit(IMAGES, [["", "a", "1", ""], ["", "b", "", ""]], 80)
    assert lines == ["IMAGE  RUNS", "a      1", "b"]
    assert left_out == []


def test_a_name_keeps_its_end_and_a_command_its_beginning() -> None:
    [_, line], _ = fit(IMAGES, [["n", "registry/" * 9 + "api:tag", "1", "terraform-" * 9]], 60)
    assert len(line) == 60
    _, image, _, command = line.split()
    assert (image[0], command[-1]) == ("…", "…")
    assert image.endswith("/api:tag")
    assert command.startswith("terraform")


def test_what_can_be_spared_goes_first_and_is_named() -> None:
    rows = [["build", "registry/" * 9, "1", ""]]
    lines, left_out = fit(IMAGES, rows, 36, spare=("COMMAND", "RUNS", "NAME"))
    assert lines[0].split() == ["NAME", "IMAGE"]
    assert left_out == ["RUNS"], "what is empty anyway is not missed"


def test_names_that_would_look_the_same_are_folded() -> None:
    columns: Mapping[str, Cut] = {"IMAGE": "start", "RUNS": "never"}
    rows = [["one/" + "x" * 20, "1"], ["two/" + "x" * 20, "1"], ["z", "1"]]
    lines, _ = fit(columns, rows, 22)
    assert lines == [
        "IMAGE             RUNS",
        "one/xxxxxxxxxxxx  1",
        "xxxxxxxx",
        "two/xxxxxxxxxxxx  1",
        "xxxxxxxx",
        "z                 1",
    ]


def test_names_are_not_folded_where_another_tells_them_apart() -> None:
    columns: Mapping[str, Cut] = {"FAMILY": "start", "IMAGE": "start"}
    rows = [["one/" + "x" * 20, "a"], ["two/" + "x" * 20, "b"], ["two/" + "x" * 20, "b"]]
    lines, _ = fit(columns, rows, 20)
    assert lines[1:] == ["…xxxxxxxxxxxx  a", "…xxxxxxxxxxxx  b", "…xxxxxxxxxxxx  b"]


def test_wide_characters_count_as_what_they_take() -> None:
    columns: Mapping[str, Cut] = {"IMAGE": "start", "COMMAND": "end"}
    lines, _ = fit(columns, [["東京" * 4, "b"], ["a", "東京" * 9]], 24)
    assert lines == ["IMAGE        COMMAND", "…京東京東京  b", "a            東京東京東…"]
    lines, _ = fit(columns, [["東京" * 4, "b"]], 24)
    assert lines == ["IMAGE            COMMAND", "…京東京東京東京  b"]
