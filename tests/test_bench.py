"""The benchmarks' command line; what they measure is no test's business."""

import pytest

from bench.__main__ import _parser


def test_no_name_means_all_of_them_and_a_wrong_one_is_told() -> None:
    assert _parser().parse_args([]).names == []
    assert _parser().parse_args(["fold", "soak"]).names == ["fold", "soak"]
    with pytest.raises(SystemExit):
        _parser().parse_args(["fould"])
