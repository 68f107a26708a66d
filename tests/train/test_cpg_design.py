"""Designs of unique codes; each certificate is checked again by a loop that shares no code with it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.contract.sources import phase
from spikeproof.train.cpg import certificates as cpg_certify
from spikeproof.train.cpg import codes as cpg_design
from spikeproof.train.cpg.certificates import certify, close_pairs
from spikeproof.train.cpg.codes import design, fewest

PAPER = phase.Phase.from_paper(1)


def integers(params, length):
    """Codes as Python integers, made by stepping the oscillators."""
    state, found = phase.reset(params), []
    for _ in range(length):
        spikes, state = phase.step(params, state)
        found.append(int("".join(map(str, spikes.tolist())), 2))
    return found


def exhaustive(params, length):
    """Number of distinct codes and smallest distance, pair by pair in Python integers."""
    code = integers(params, length)
    return len(set(code)), min(bin(a ^ b).count("1") for a, b in itertools.combinations(code, 2))


def check(found, length, min_distance):
    params, certificate = found
    distinct, least = exhaustive(params, length)
    assert (certificate.length, certificate.num_neurons) == (length, params.num_neurons)
    assert certificate.distinct == distinct == length
    assert certificate.min_distance == least >= min_distance
    first, second = certificate.closest
    code = integers(params, length)
    assert first < second
    assert bin(code[first] ^ code[second]).count("1") == least
    changes = [bin(a ^ b).count("1") for a, b in itertools.pairwise(code)]
    assert certificate.neighbour_distance == pytest.approx(sum(changes) / len(changes))
    ones = sum(bin(c).count("1") for c in code)
    assert certificate.rate == pytest.approx(ones / length / params.num_neurons)
    assert params.period == length


# Codes


@settings(max_examples=30)
@given(length=st.sampled_from((2, 3, 4, 5, 127, 128, 129)) | st.integers(2, 300))
def test_binary_is_the_binary_number_of_the_position(length):
    found = design(length, style="binary")

    assert found.params.num_neurons == (length - 1).bit_length() == fewest(length)
    assert integers(found.params, length) == [int(f"{p:0{found.params.num_neurons}b}"[::-1], 2) for p in range(length)]
    check(found, length, 1)


@settings(max_examples=30)
@given(length=st.sampled_from((2, 3, 4, 5, 127, 128, 129)) | st.integers(2, 300))
def test_gray_is_the_reflected_code_and_one_oscillator_more_doubles_its_distance(length):
    one, two = design(length), design(length, min_distance=2)

    n = (length - 1).bit_length()
    assert integers(one.params, length) == [int(f"{p ^ p >> 1:0{n}b}"[::-1], 2) for p in range(length)]
    assert one.params.num_neurons == n == fewest(length)
    assert one.certificate.neighbour_distance == 1
    assert two.params.num_neurons == n + 1 == fewest(length, 2)
    check(one, length, 1)
    check(two, length, 2)


@settings(max_examples=25)
@given(
    length=st.integers(2, 150),
    style=st.sampled_from(sorted(cpg_design.WINDOWS)),
    min_distance=st.integers(1, 6),
    seed=st.integers(0, 3),
)
def test_every_style_keeps_its_distance(length, style, min_distance, seed):
    found = design(length, style=style, min_distance=min_distance, seed=seed)

    check(found, length, min_distance)
    assert found.params.num_neurons >= fewest(length, min_distance)
    assert found == design(length, style=style, min_distance=min_distance, seed=seed)


@pytest.mark.parametrize(("length", "neurons"), [(64, 9), (672, 17), (784, 17), (5000, 21)])
def test_the_paper_s_windows_are_enough_with_other_frequencies(length, neurons):
    params, certificate = design(length, style="paper")

    assert params.num_neurons == neurons
    assert certificate.distinct == len(set(integers(params, length))) == length
    assert certificate.min_distance >= 1
    assert set(params.start.tolist()) == {int(PAPER.start[0])}
    assert set(params.length.tolist()) == {int(PAPER.length[0])}


def test_672_positions_at_distance_4():
    found = design(672, style="paper", min_distance=4)

    check(found, 672, 4)
    assert found.params.num_neurons < 40  # the published number, which gives 568 codes


def test_fifty_thousand_positions_are_distinct():
    for style, neurons in (("binary", 16), ("gray", 16)):
        params, certificate = design(50_000, style=style)
        assert certificate.num_neurons == neurons
        bits = np.array([phase.spikes(params, p) for p in range(0, 50_000, 4999)])
        assert len(np.unique(bits, axis=0)) == len(bits)
        assert certificate.distinct == len(set(map(bytes, phase.spikes(params, np.arange(50_000)).astype(np.uint8))))


def test_a_million_positions_are_certified_by_lookup():
    certificate = design(2**20 - 3, min_distance=2).certificate

    assert (certificate.num_neurons, certificate.min_distance) == (21, 2)


# Certificates


@pytest.mark.parametrize(
    ("n", "w_max", "length", "distinct"),
    [
        (40, 10000.0, 672, 568),
        (40, 10000.0, 48, 44),
        (40, 10000.0, 1024, 852),
        (40, 1000.0, 672, 614),
        (40, 1000.0, 48, 48),
        (10, 10000.0, 672, 74),
    ],
)
def test_certificate_of_the_published_parameters(n, w_max, length, distinct):
    params = phase.Phase.from_paper(n, w_max)

    certificate = certify(params, length)

    assert (certificate.distinct, certificate.min_distance) == exhaustive(params, length)
    assert certificate.distinct == distinct
    first, second = certificate.closest
    assert np.abs(phase.spikes(params, first) - phase.spikes(params, second)).sum() == certificate.min_distance


@settings(max_examples=60)
@given(
    length=st.integers(2, 120),
    n=st.integers(1, 12) | st.sampled_from((63, 64, 65, 130)),
    seed=st.integers(0, 2**32 - 1),
    looked_up=st.booleans(),
)
def test_certificate_of_any_oscillators(length, n, seed, looked_up):
    rng = np.random.default_rng(seed)
    params = phase.Phase(
        num_neurons=n,
        increment=rng.integers(0, 2**23 + 1, n),
        start=rng.integers(0, 2**24, n),
        length=rng.integers(0, 2**24 + 1, n),
        initial=rng.integers(0, 2**24, n),
    )
    with pytest.MonkeyPatch.context() as patch:
        if looked_up:  # which such short lengths would not be
            patch.setattr(cpg_certify.math, "comb", lambda n, k: 0 if k <= 2 else 10**9)
        patch.setattr(cpg_certify, "_BLOCK", 1000)  # several blocks
        certificate = certify(params, length)

    assert (certificate.distinct, certificate.min_distance) == exhaustive(params, length)
    code = integers(params, length)
    first, second = certificate.closest
    assert bin(code[first] ^ code[second]).count("1") == certificate.min_distance


@settings(max_examples=30)
@given(length=st.integers(2, 100), n=st.sampled_from((3, 9, 70)), distance=st.integers(1, 6))
def test_close_pairs_are_all_close_pairs(length, n, distance):
    params = phase.Phase.from_paper(n)

    first, second, apart = close_pairs(params, length, distance)

    code = integers(params, length)
    pairs = itertools.combinations(range(length), 2)
    expected = {(i, j): bin(code[i] ^ code[j]).count("1") for i, j in pairs}
    expected = {pair: d for pair, d in expected.items() if d < distance}
    assert dict(zip(zip(first.tolist(), second.tolist(), strict=True), apart.tolist(), strict=True)) == expected
    assert len(first) == len(expected)


@given(st.lists(st.sampled_from((0, 1, 2**63, 2**64 - 1)) | st.integers(0, 2**64 - 1), min_size=1))
def test_popcount_of_older_numpy(words):
    counts = cpg_certify._swar_popcount(np.array(words, dtype=np.uint64))

    assert counts.tolist() == [bin(word).count("1") for word in words]


def test_fewest_is_the_sphere_packing_bound():
    assert [fewest(n) for n in (2, 3, 4, 672, 50_000)] == [1, 2, 2, 10, 16]
    assert [fewest(n, 2) for n in (2, 4, 672)] == [2, 3, 11]
    assert fewest(16, 3) == 7  # the Hamming code
    assert fewest(16, 4) == 8
    assert fewest(4096, 7) == 23  # the Golay code


# The table


def test_table_reports_designs_beside_the_published_parameters(bench):
    designed = bench("designed")
    rows = designed.table((64, 672), (("gray", 1), ("paper", 1)))

    assert [(row.length, row.style, row.num_neurons) for row in rows] == [
        (64, "gray", 6),
        (64, "paper", 9),
        (672, "gray", 10),
        (672, "paper", 17),
    ]
    assert (rows[2].paper_10000, rows[2].paper_1000) == (568, 614)
    assert (rows[3].state_words, rows[3].table_bits) == (18, 672 * 17)
    text = designed.markdown(rows).splitlines()
    assert len(text) == 6
    assert text[0].startswith("| length | style | min_distance | num_neurons | fewest |")
    assert text[4].startswith("| 672 | gray | 1 | 10 | 10 | 0.479 | 1.000 | 11 | 6720 | 568 | 614 |")


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(length=1), r"design: length = 1 is not a whole number in 2\.\.8388608"),
        (dict(length=2**17 + 1, style="paper"), r"design: length = 131073 is not a whole number in 2\.\.131072"),
        (dict(length=10.0), r"design: length = 10\.0 is not a whole number"),
        (dict(min_distance=0), r"design: min_distance = 0 is not a whole number in 1\.\.64"),
        (dict(max_neurons=0), r"design: max_neurons = 0 is not"),
        (dict(seed=-1), r"design: seed = -1 is not"),
        (dict(style="sine"), r"design: style 'sine' is not known; use one of binary, gray, paper"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        design(**{"length": 100, **arguments})


def test_too_few_neurons_are_refused_with_the_best_found():
    with pytest.raises(
        UnsupportedError,
        match=r"the best 'gray' code found for 672 positions at min_distance 1 has 10 neurons, above max_neurons = 9\. "
        r"Raise max_neurons, lower min_distance or length, or try another style; below 10 neurons there is none",
    ):
        design(672, max_neurons=9)
    assert design(672, max_neurons=10).params.num_neurons == 10


def test_too_many_pairs_are_refused_or_the_code_is_repeated(monkeypatch):
    monkeypatch.setattr(cpg_certify, "_MAX_PAIRS", 50)
    with pytest.raises(UnsupportedError, match=r"More than 50 of the pairs of 100 positions are closer than 4 bits"):
        close_pairs(phase.Phase.from_paper(8), 100, 4)

    found = design(100, style="binary", min_distance=3)

    assert found.params.num_neurons == 21
    check(found, 100, 3)


def test_too_long_a_period_is_refused(monkeypatch):
    with pytest.raises(UnsupportedError, match=r"131073 positions are too many to compare .* with style 'gray'"):
        close_pairs(phase.Phase.from_paper(8), 2**17 + 1, 2)
    with pytest.raises(InputError, match=r"certify: length = 1 is outside 2\.\.2\*\*23; a distance needs two"):
        certify(PAPER, 1)
    monkeypatch.setattr(cpg_certify, "MAX_COMPARED", 50)
    far = design(40, min_distance=4).params
    with pytest.raises(UnsupportedError, match=r"certify: 60 positions are too many .* Certify fewer positions"):
        certify(phase.Phase(**{**vars(far), "period": 0}), 60)
