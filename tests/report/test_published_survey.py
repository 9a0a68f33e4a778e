"""Table 1 of Pinto et al. as data, and what its numbers can be."""

import doctest
import re

import pytest

from ser.report.survey import published
from ser.report.survey.published import CLAIMS, CLASSIFIERS, FAMILIES, FIGURES, SYSTEMS, TABLE_1, claims, printed


def test_doctests():
    assert doctest.testmod(published).failed == 0


def test_notes_are_sentences():
    assert all(note.endswith(".") and note[0].isupper() for note in published.INCONSISTENCIES)
    assert all(claim.why.endswith(".") and claim.why[0].isupper() for claim in CLAIMS)


def test_table_1_has_its_fourteen_rows_and_every_number_is_a_claim():
    assert len(TABLE_1) == 14
    for row, (_, _, accuracy) in TABLE_1.items():
        assert accuracy == ", ".join(claim.printed for claim in CLAIMS if claim.row == row)
    for claim in CLAIMS:
        assert float(re.match(r"[\d.]+(?=%)", claim.printed)[0]) == claim.percent


def test_cells_are_found_by_row_and_column():
    assert printed("table1", "survey", "Huang et al. [16]", "Dataset") == "Not specified"
    assert printed("table1", "survey", "Huang et al. [16]", "Year") is None
    assert printed("table2", "survey", "Huang et al. [16]", "Dataset") is None


def test_systems_are_named_once_and_cover_all_claims():
    assert len(set(SYSTEMS)) == len(SYSTEMS) == 24 + len(FAMILIES) * len(CLASSIFIERS) == 54
    assert {claim.system for claim in CLAIMS} <= set(SYSTEMS)
    assert {"lim", "trigeorgis", "autoencoder", "mfcc_svm", "wavelet_cnn", "chatziagapi_none"} <= set(SYSTEMS)


def test_protocols_are_as_printed_where_they_are():
    for claim in CLAIMS:
        if "speaker-" in claim.printed:
            assert claim.protocol == {"dependent": "sd", "independent": "si"}[claim.printed.rpartition("-")[2][:-1]]


@pytest.mark.parametrize(
    ("system", "corpus", "short"),
    [
        ("demircan_knn", "emodb", ["92.86"]),
        ("qamhan", "ksuemotions", ["84.55 file", "77.51 segment"]),
        ("chatziagapi_gan", "iemocap", ["+10 % relative"]),
        ("mustaqeem", "ravdess", ["79.5 SD"]),
        ("chatziagapi_none", "iemocap", []),
        ("mustaqeem", "emodb", []),
    ],
)
def test_claims_in_short(system, corpus, short):
    assert [claim.short for claim in claims(system, corpus)] == short


def test_seventy_clips_are_the_fewest_with_demircans_accuracies():
    def fits(n):
        return n * 90 % 100 == 0 and any(round(100 * k / n, 2) == 92.86 for k in range(n))

    assert next(n for n in range(1, 521) if fits(n)) == 70
    assert [round(100 * k / 70, 2) for k in (63, 65)] == [90.0, 92.86]


def test_figures_are_the_rows_of_one_corpus():
    assert list(dict.fromkeys(claim.authors for claim in FIGURES["emodb"])) == [
        *("Badshah et al.", "Zhao et al.", "Demircan & Kahramanli", "Wu et al.", "Wang et al."),
    ]
    assert [claim.percent for claim in FIGURES["ravdess"]] == [60.1, 57.14, 65.97, 71.0, 79.5]


def test_new_speakers_are_easier_in_one_row_alone():
    both = [
        (c.percent, d.percent)
        for c in CLAIMS
        for d in CLAIMS
        if c.row == d.row and (c.protocol, d.protocol) == ("sd", "si")
    ]
    assert both == [(95.33, 95.89), (88.3, 85.2)]
