from __future__ import annotations

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.locks import Requirements, combine


def test_the_same_requirements_in_another_order_and_spelling_are_the_same() -> None:
    one = combine(Requirements(lines=("Pandas >=2", "scikit_learn==1.5")), ("numpy",))
    other = combine(Requirements(lines=("numpy", "scikit-learn==1.5", "pandas>=2", "pandas>=2")), ())
    assert one == other
    assert one.lines == ("numpy", "pandas>=2", "scikit-learn==1.5")


def test_our_own_runtime_is_provided_by_the_home_and_gives_way_to_what_its_extras_need() -> None:
    combined = combine(Requirements(lines=("tidemill-runtime[arrow]==0.1.0", "tidemill_runtime", "numpy")), ())
    assert combined.lines == ("numpy", "pyarrow>=14")


def test_markers_and_extras_stay() -> None:
    line = 'pandas[excel]>=2; python_version >= "3.9"'
    assert combine(Requirements(lines=(line,)), ()).lines == (line,)


@pytest.mark.parametrize("line", ["", "  ", "# a comment"])
def test_an_empty_line_asks_for_nothing(line: str) -> None:
    assert combine(Requirements(), (line,)).lines == ()


@pytest.mark.parametrize("line", ["-r other.txt", "--index-url=x", "pandas>=2 numpy", "./folder", "pandas=2"])
def test_a_line_that_is_no_requirement_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match="is not a requirement"):
        combine(Requirements(lines=(line,)), ())


@pytest.mark.parametrize(
    "line", ["tool @ https://one.example/tool.whl", "git+https://one.example/tool.git@v1", "https://one.example/t.whl"]
)
def test_an_address_is_refused_since_it_has_no_hash(line: str) -> None:
    with pytest.raises(InvalidInput, match="names an address") as caught:
        combine(Requirements(without_dependencies=(line,)), ())
    assert caught.value.remedy is not None


@pytest.mark.parametrize("python", ["3", "3.11.7", "2.7", "python3.11", ""])
def test_a_python_is_a_minor_version(python: str) -> None:
    with pytest.raises(InvalidInput, match="is not a Python version"):
        combine(Requirements(python=python), ())
