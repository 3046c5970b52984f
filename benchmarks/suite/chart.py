"""Draws the bar chart, as SVG by hand: no plotting package for one picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

LEFT, RIGHT, TOP, BOTTOM = 190, 110, 64, 64
BAR, GAP, WIDTH = 26, 12, 820

# Two sets of colours, of which the reader's system picks one. With a background of its own the chart can be read on a
# page that does not follow the system, too.
STYLE = """
  .page { fill: #ffffff; }
  text { font: 14px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .small { font-size: 12px; fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .spread { stroke: #f0f6fc; }
    .bar { fill: #656c76; }
    .ours { fill: #4493f8; }
  }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One contestant.

    Attributes:
        label: Its name.
        note: What it is made of.
        value, low, high: Microseconds: the median and the quartiles.
        ours: Whether it is drawn in the other colour.
    """

    label: str
    note: str
    value: float
    low: float
    high: float
    ours: bool


def draw(bars: list[Bar], title: str, subtitle: str) -> str:
    """Return the chart, the shortest bar on top, on a logarithmic scale."""
    bars = sorted(bars, key=lambda bar: bar.value)
    height = TOP + len(bars) * (BAR + GAP) + BOTTOM
    first = floor(log10(min(bar.low for bar in bars)))
    last = max(first + 1, ceil(log10(max(bar.high for bar in bars))))

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (log10(max(value, 10**first)) - first) / (last - first)

    spoken = ", ".join(f"{bar.label} {_number(bar.value)} us" for bar in bars)
    label = escape(f"{title}: {spoken}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        f'<text class="small" x="16" y="46">{escape(subtitle)}</text>',
    ]
    for exponent in range(first, last + 1):
        at = x(10**exponent)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP - 6}" x2="{at:.1f}" y2="{height - BOTTOM + 6}"/>')
        parts.append(
            f'<text class="small" x="{at:.1f}" y="{height - BOTTOM + 24}" text-anchor="middle">'
            f"{_number(10.0**exponent)} µs</text>"
        )
    for number, bar in enumerate(bars):
        parts += _bar(bar, TOP + number * (BAR + GAP), x(10**first), x(bar.value), x(bar.low), x(bar.high))
    parts.append(
        f'<text class="small" x="16" y="{height - 14}">'
        "CPU time, logarithmic scale, shorter is faster. Bar: median; line: quartiles.</text>"
    )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _bar(bar: Bar, top: float, start: float, end: float, low: float, high: float) -> list[str]:
    middle, width = top + BAR / 2, max(1.0, end - start)
    colour = "ours" if bar.ours else "bar"
    return [
        f'<text x="{LEFT - 12}" y="{middle - 1}" text-anchor="end">{escape(bar.label)}</text>',
        f'<text class="small" x="{LEFT - 12}" y="{middle + 13}" text-anchor="end">{escape(bar.note)}</text>',
        f'<rect class="{colour}" x="{start:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3"/>',
        f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>',
        f'<text x="{max(end, high) + 8:.1f}" y="{middle + 5}">{_number(bar.value)} µs</text>',
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
