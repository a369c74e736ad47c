"""The language of messages follows the POSIX order of locale variables."""

from __future__ import annotations

import pytest

from evidencekit_cli.language import Language, in_language, language_from_environment
from evidencekit_cli.output import Sentence


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, Language.EN),
        ({"LANG": "zh_CN.UTF-8"}, Language.ZH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, Language.EN),
        ({"LANG": "C", "LC_MESSAGES": "zh_TW"}, Language.ZH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, Language.ZH),
        ({"LC_ALL": "ZH"}, Language.ZH),
        ({"LANG": "de_DE"}, Language.EN),
    ],
)
def test_the_first_variable_that_is_set_decides(environ: dict[str, str], language: Language) -> None:
    assert language_from_environment(environ) is language


def test_a_sentence_is_given_in_the_language_asked_for() -> None:
    sentence = Sentence("yes", "是")
    assert (in_language(sentence, Language.EN), in_language(sentence, Language.ZH)) == ("yes", "是")
