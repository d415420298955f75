"""The sweep's page as a browser draws it: each section, mark and picture is there, nothing is wider than a phone."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gan2hls.report import choice
from gan2hls.report.curves import RESOURCE_TITLES
from gan2hls.report.points import SweepReport
from gan2hls.report.sweep import write_sweep_report
from tests.sweeps import failed, layers, point, sweep, usual

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser on PATH: none of {', '.join(BROWSERS)}")

SECTIONS = {"summary", "pictures", "quality", "resources", "pareto", "points", "estimates", "problems", "network"}
SECTIONS |= {"layers", "reading"}

# The page itself runs no script; this one stands around it and looks in. Of elements that scroll in a box of their own
# only the box must be within the page.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" style="border:0;width:%dpx;height:3000px" srcdoc="%s"></iframe><pre id="seen"></pre>
<script>
document.getElementById("page").onload = () => {
  const inner = document.getElementById("page").contentDocument;
  const width = inner.documentElement.clientWidth;
  const all = (query, root) => [...(root || inner).querySelectorAll(query)];
  const box = node => node.getBoundingClientRect();
  const drawn = node => box(node).width > 0 && box(node).height > 0;
  const number = (query, root) => all(query, root).filter(drawn).length;
  const touch = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const plots = {};
  for (const plot of all(".plot")) {
    const svg = plot.querySelector("svg"), labels = all(".label", svg).map(box);
    const uses = group => number("use", group);
    plots[plot.id.replace("plot-", "")] = {
      width: box(svg).width,
      dot: number(".dot", svg), pale: number(".pale", svg), ring: number(".ring", svg),
      cross: number(".cross", svg), bar: number(".bar", svg), labels: labels.length,
      lines: all("g[id*='-line-'] path, g[id*='-front-'] path", svg).filter(node => node.getAttribute("d")).length,
      marks: all("g[id*='-marks-']", svg).map(uses).reduce((a, b) => a + b, 0),
      touching: labels.filter((a, i) => labels.some((b, j) => i < j && touch(a, b))).length,
      outside: labels.filter(a => a.left < box(svg).left || a.right > box(svg).right).length,
    };
  }
  const wide = all("body *").filter(node => !node.closest("svg") || node.tagName == "svg")
    .filter(node => !node.parentElement.closest(".scroll")).filter(node => box(node).right > width + 1)
    .map(node => node.tagName + "." + node.className);
  document.getElementById("seen").textContent = JSON.stringify({
    width: width, scroll: inner.documentElement.scrollWidth, wide: wide, plots: plots,
    sections: all("section").filter(drawn).map(node => node.id),
    pictures: all(".gallery img").filter(node => node.complete && node.naturalWidth > 0 && drawn(node)).length,
    crisp: all(".gallery img").every(node => inner.defaultView.getComputedStyle(node).imageRendering == "pixelated"),
    named: all(".gallery img").every(node => node.alt) && all("svg").every(node => node.getAttribute("aria-label")),
    rows: number("table.points tbody tr"), marks: number("table.points .mark"),
    blocks: number("#network polygon.front"),
    details: all("#layers details").length, opened: all("#layers details[open]").length,
    heads: all("th").every(node => node.scope),
  });
};
</script>"""


def run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
    command = [BROWSER, *flags, f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def look(folder: Path, report: SweepReport, width: int = 375) -> dict[str, Any]:
    """What a browser of so many pixels' width draws of a report."""
    write_sweep_report(folder / "report", report, tools=[("yosys", "0.50")])
    text = (folder / "report" / "report.html").read_text(encoding="utf-8")
    probe = folder / "probe.html"
    probe.write_text(PROBE % (width, html.escape(text)), encoding="utf-8")
    done = run(probe, "--virtual-time-budget=4000", "--dump-dom")
    found = re.search(r'<pre id="seen">(\{.*?\})</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return dict(json.loads(html.unescape(found.group(1))))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return look(tmp_path_factory.mktemp("usual"), usual())


def test_every_section_is_drawn(seen: dict[str, Any]) -> None:
    assert set(seen["sections"]) == SECTIONS
    assert seen["rows"] == len(usual().points)
    assert seen["marks"] > 8 * (len(usual().points) - 1)
    with_layers = [given for given in usual().points if given.layers]
    assert (seen["details"], seen["opened"]) == (len(with_layers), 1)
    assert seen["blocks"] == 2
    assert seen["heads"] and seen["named"]


def test_a_phone_scrolls_down_only(seen: dict[str, Any]) -> None:
    assert seen["width"] == 375
    assert seen["wide"] == []
    assert seen["scroll"] == 375


def test_every_picture_is_drawn_with_crisp_pixels(seen: dict[str, Any]) -> None:
    assert seen["pictures"] == 8 * (1 + len(usual().images))
    assert seen["crisp"]


def test_every_point_is_drawn(seen: dict[str, Any]) -> None:
    points = usual().points
    known = [given for given in points if given.usage is not None]
    for resource in RESOURCE_TITLES:
        plot = seen["plots"][resource]
        assert (plot["dot"], plot["cross"], plot["lines"]) == (len(known), 1, 3)
        assert plot["ring"] == sum((choice.shares(given)[resource] or 0) > 1 for given in known)
        assert plot["width"] > 300
    for name in ("psnr", "ssim", "fid"):
        assert (seen["plots"][name]["marks"], seen["plots"][name]["lines"]) == (5, 1)
    for name in ("pareto-multipliers", "pareto-frames"):
        plot = seen["plots"][name]
        assert plot["dot"] + plot["pale"] == len(known)
        assert plot["labels"] > 0
    assert seen["plots"]["latency"]["bar"] == 4


def test_labels_touch_neither_each_other_nor_the_edge(seen: dict[str, Any]) -> None:
    assert sum(plot["labels"] for plot in seen["plots"].values()) > 8
    for name, plot in seen["plots"].items():
        assert (plot["touching"], plot["outside"]) == (0, 0), name


def test_long_names_and_many_points_stay_within_a_phone(tmp_path: Path) -> None:
    name = "a_very_long_name_without_any_space_" * 3
    points = [
        replace(point(bits, target, budget), label=f"{name}{bits}-{budget}-{target}", layers=layers(bits, name))
        for bits in (2, 3, 4, 5, 6, 8)
        for target in ("ecp5-85k", "zu3eg")
        for budget in (16, 64, 256)
    ]
    points += [
        replace(failed(bits, "gw2ar-18", error=name), label=f"{name}{bits}", target=name) for bits in (2, 3, 4, 8)
    ]
    found = look(tmp_path, sweep(points, title=name))
    assert found["rows"] == 40
    assert found["wide"] == []
    assert found["scroll"] == 375
    assert all(plot["touching"] == plot["outside"] == 0 for plot in found["plots"].values())
    assert found["plots"]["luts"]["lines"] == 2 * 3


def test_a_browser_finds_no_fault_with_the_page(tmp_path: Path) -> None:
    """Nothing is asked of the network, nothing is refused by the page's own policy."""
    write_sweep_report(tmp_path, usual(), tools=[])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\((?!#)|<script|<link|srcset", text)
    done = run(tmp_path / "report.html", "--dump-dom")
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<section") == len(SECTIONS)
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("</body>", "<img src='http://127.0.0.1:9/x.png'></body>"), encoding="utf-8")
    assert "CONSOLE" in run(broken, "--dump-dom").stderr  # the check itself can fail
