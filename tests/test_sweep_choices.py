"""Which points of a sweep a report chooses, and why."""

import dataclasses

import numpy as np

from gan2hls.report import choice, summary
from gan2hls.report.looks import variants
from gan2hls.report.points import PointReport, Quality
from gan2hls.synth.result import Usage
from tests.sweeps import mixed, point, usual


def test_fronts_are_what_no_other_point_beats(rng: np.random.Generator) -> None:
    points = []
    for index in range(60):
        given = point(int(rng.integers(2, 9)), label=str(index))
        dsps, level = int(rng.integers(1, 12)), float(rng.integers(10, 20))
        points.append(dataclasses.replace(given, usage=Usage(dsps=dsps), quality=Quality(1, level, None, None, "")))
    found = choice.front(points, choice.dsps, choice.psnr)

    def beats(one: PointReport, other: PointReport) -> bool:
        cost, value = [(choice.dsps(p) or 0, choice.psnr(p) or 0) for p in (one, other)]
        return cost[0] <= value[0] and cost[1] >= value[1] and cost != value

    assert {p.label for p in found} == {p.label for p in points if not any(beats(other, p) for other in points)}
    assert [choice.dsps(p) for p in found] == sorted(choice.dsps(p) or 0 for p in found)


def test_what_does_not_fit_is_on_no_front_and_never_chosen() -> None:
    huge = point(8, "gw2ar-18", usage=Usage(luts=30000, dsps=1))
    small = point(4, "gw2ar-18")
    assert not choice.fits(huge)
    assert choice.fits(point(8, "gowin", usage=Usage(luts=10**6)))  # a family has no limits
    assert choice.front([huge, small], choice.dsps, choice.psnr) == [small]
    assert choice.fastest([huge, small]) is small
    assert choice.cheapest([huge]) is None


def test_the_summary_chooses_what_a_user_would() -> None:
    points = usual().points
    values = summary.values(points)
    assert values["smallest_good"] == "W6A8"  # 33.3 dB; the mixed one has 24, W4A8 22.3
    assert values["smallest_near_best"] == "W8A8"
    assert values["targets"]["zu3eg"]["cheapest_good"] == "W6A8 m64 zu3eg"
    assert values["targets"]["gw2ar-18"]["cheapest_near_best"] is None
    tones = {finding.question: finding.answer for finding in summary.state(points)}
    wrong = {"Failed": "1 point", "Too large for their part": "1 point", "Missed the wanted clock": "1 point"}
    assert tones == {"Points": "12 of 13 worked", **wrong}


def test_a_wish_that_nothing_meets_is_said() -> None:
    low = [point(2), point(3)]
    assert [finding.answer for finding in summary.overall(low)] == ["W3A8", "none"]
    (target,) = summary.by_target(low)
    assert [finding.answer for finding in target.findings] == ["none", "W3A8 m64 ecp5-85k", "W2A8 m64 ecp5-85k"]
    large = [point(8, "gw2ar-18", usage=Usage(luts=30000))]
    assert summary.by_target(large)[0].findings[0].answer == "none of 1 point fits"
    assert "not known" in summary.overall([point(quality=None)])[0].answer


def test_mixed_precision_counts_the_mean_of_its_multiplications() -> None:
    given = mixed("zu3eg")
    assert choice.is_mixed(given)
    assert choice.mean_bits(given) == (4096 * 6 + 8192 * 3) / (4096 + 8192)
    assert choice.mean_bits(point(5)) == 5
    assert choice.mean_bits(dataclasses.replace(given, layers=())) == 4
    assert not choice.is_mixed(point(3, bits="W3A8 ternary", quantizer="ternary"))
    assert choice.is_mixed(point(3, bits="W3A8 layers.3:W6"))


def test_a_variant_says_only_what_differs() -> None:
    one, two = point(4), point(4, multipliers=128)
    three = point(4, label="t", bits="W4A8 ternary", quantizer="ternary")
    assert set(variants([one]).values()) == {""}
    assert list(variants([one, two]).values()) == ["64 multipliers", "128 multipliers"]
    assert list(variants([one, three]).values()) == ["least_error", "ternary"]
